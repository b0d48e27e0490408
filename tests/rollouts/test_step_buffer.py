import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muse.rollouts.step_buffer import StepBuffer


@given(rows=st.integers(1, 4), chunk=st.integers(1, 7), data=st.data())
def test_gives_back_what_was_written_from_any_start_of_any_row(rows, chunk, data):
    buffer = StepBuffer(chunk)
    written = np.zeros((0, rows, 2))
    oldest = 0
    for _ in range(data.draw(st.integers(1, 30))):
        value = np.arange(rows * 2, dtype=np.float64).reshape(rows, 2) + 1000 * buffer.time
        buffer.write({"a": value})
        buffer.write({"b/c": value[:, 0] > 0})
        buffer.advance()
        written = np.concatenate([written, value[None]])
        if data.draw(st.booleans()):
            oldest = data.draw(st.integers(oldest, buffer.time - 1))
            buffer.drop_before(oldest)
        row, start = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(oldest, buffer.time - 1))
        got = buffer.get(row, start)
        assert np.array_equal(got["a"], written[start:, row])
        assert got["b/c"].dtype == bool and np.array_equal(got["b/c"], written[start:, row, 0] > 0)
    assert buffer.time == len(written)


def test_copies_what_it_is_given_and_what_it_gives():
    buffer = StepBuffer(4)
    value = np.ones((1, 2))
    buffer.write({"a": value})
    buffer.advance()
    value[:] = 5
    first = buffer.get(0, 0)["a"]
    first[:] = 7
    assert np.array_equal(buffer.get(0, 0)["a"], [[1, 1]])


def test_frees_chunks_that_nobody_needs():
    buffer = StepBuffer(10)
    for _ in range(100):
        buffer.write({"a": np.zeros((2, 3))})
        buffer.advance()
        buffer.drop_before(buffer.time - 5)
    assert len(buffer._chunks) <= 2
    buffer.drop_before(buffer.time)
    buffer.write({"a": np.ones((2, 3))})
    buffer.advance()
    assert np.array_equal(buffer.get(1, 100)["a"], np.ones((1, 3)))
