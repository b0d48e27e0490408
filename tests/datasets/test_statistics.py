import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.datasets import statistics
from muse.datasets.statistics import compute_statistics, statistics_of
from muse.specs.statistics import QUANTILES

shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)


def draw(kind, count, shape, seed):
    rng = np.random.default_rng(seed)
    if kind in ("uint8", "int8", "bool", "int64"):
        return rng.integers(0, 2 if kind == "bool" else 100, (count, *shape)).astype(kind)
    spread = rng.choice([1e-3, 1.0, 1e4])
    rows = (rng.standard_normal((count, *shape)) * spread + rng.standard_normal() * spread).astype(kind)
    return np.where(rng.random(rows.shape) < 0.3, rows[:1], rows)


def assert_right(found, rows, closeness):
    array = rows.astype(np.float64)
    np.testing.assert_allclose(found.mean, array.mean(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.std, array.std(0), rtol=1e-6, atol=1e-9)
    assert np.array_equal(found.min, array.min(0)) and np.array_equal(found.max, array.max(0))
    wanted = np.quantile(array, QUANTILES, axis=0)
    assert found.quantiles.shape == wanted.shape and found.quantiles.dtype == np.float64
    assert np.all(np.abs(found.quantiles - wanted) <= closeness * (array.max(0) - array.min(0)) + 1e-9 * np.abs(wanted))


@settings(max_examples=60)
@given(st.sampled_from(["float32", "float64", "uint8", "int8", "bool", "int64"]), st.integers(1, 60), shapes, st.integers(0, 99))
def test_they_are_those_of_numpy(kind, count, shape, seed):
    rows = draw(kind, count, shape, seed)
    assert_right(compute_statistics(rows), rows, 1e-6)


@settings(max_examples=60)
@given(st.sampled_from(["float32", "float64", "uint8", "int8", "bool", "int64"]), st.integers(1, 400), shapes, st.integers(0, 99))
def test_so_are_those_of_many_rows(kind, count, shape, seed):
    rows = draw(kind, count, shape, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "_SORTED_ELEMENTS", 0)
        patch.setattr("muse.datasets.numbers._PART_ELEMENTS", 50)
        patch.setattr(statistics, "_COUNTERS", 2000)
        assert_right(compute_statistics(rows), rows, 2e-6)


def test_they_are_remembered_by_their_contents(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_CACHE", str(tmp_path))
    monkeypatch.setattr(statistics, "_REMEMBERED_BYTES", 0)
    computed = []
    monkeypatch.setattr(statistics, "compute_statistics", lambda rows: computed.append(rows) or compute_statistics(rows))
    rows = draw("float32", 50, (3,), 0)
    first, again = statistics_of(rows), statistics_of(rows.copy())
    assert len(computed) == 1
    for name in ("mean", "std", "min", "max", "quantiles"):
        assert np.array_equal(getattr(first, name), getattr(again, name)) and getattr(again, name).dtype == np.float64
    assert first.count == again.count == 50
    other = rows.copy()
    other[31, 2] = np.nextafter(other[31, 2], np.float32(np.inf))
    for changed in (other, rows.reshape(50, 1, 3), rows.view(np.int32)):
        statistics_of(changed)
    assert len(computed) == 4


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no archive"])
def test_a_spoilt_memory_is_computed_anew(tmp_path, monkeypatch, content, caplog):
    monkeypatch.setenv("MUSE_CACHE", str(tmp_path))
    monkeypatch.setattr(statistics, "_REMEMBERED_BYTES", 0)
    rows = draw("float32", 50, (3,), 0)
    statistics_of(rows)
    (file,) = (tmp_path / "statistics").iterdir()
    file.write_bytes(content)
    assert np.array_equal(statistics_of(rows).mean, compute_statistics(rows).mean)
    assert "cannot be read" in caplog.text
    assert len(file.read_bytes()) > 100


def test_where_nothing_can_be_remembered_nothing_is(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MUSE_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(statistics, "_REMEMBERED_BYTES", 0)
    rows = draw("uint8", 50, (3,), 0)
    assert np.array_equal(statistics_of(rows).quantiles, compute_statistics(rows).quantiles)


def test_few_rows_are_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_CACHE", str(tmp_path / "cache"))
    statistics_of(draw("float32", 50, (3,), 0))
    assert not (tmp_path / "cache").exists()


def test_a_damaged_memory_is_computed_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MUSE_CACHE", str(tmp_path))
    monkeypatch.setattr(statistics, "_REMEMBERED_BYTES", 0)
    rows = draw("float32", 50, (3,), 0)
    wanted = statistics_of(rows)
    (file,) = (tmp_path / "statistics").iterdir()
    content, rng = file.read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        broken = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 20)):
            broken[place] = rng.integers(256)
        file.write_bytes(bytes(broken))
        statistics_of(rows)
    file.write_bytes(
        content.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00\x63\x00")
    )
    assert np.array_equal(statistics_of(rows).mean, wanted.mean)


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("MUSE_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    monkeypatch.setattr(statistics, "_REMEMBERED_BYTES", 0)
    assert statistics_of(np.arange(5.0)).mean == 2
