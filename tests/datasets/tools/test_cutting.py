"""Pieces are the rows that a plain loop finds, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.cli.main import main
from muse.datasets import DataError, NpDataset
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file, write_file
from muse.datasets.tools import cutting
from muse.datasets.tools.cutting import Piece, cut_data, find_pieces
from muse.datasets.tools.expressions import ExpressionError
from muse.specs import EnvSpec


def made(*flags, meta=None):
    """Episodes with `who`, a row each, and what tells rows and episodes apart."""
    ends, rows = np.cumsum([len(one) for one in flags]), sum(map(len, flags))
    steps = {
        "who": np.array([[value] for one in flags for value in one], np.int64),
        "ego": np.arange(2.0 * rows).reshape(rows, 2),
        "truncated": np.zeros((rows, 1), bool),
    }
    onetime = {"param/goal": np.arange(len(flags))[:, None] * 10.0, "final/success": np.arange(len(flags))[:, None] % 2 == 0}
    return EpisodeData(steps, onetime, ends, meta or {}, "made")


episodes = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), min_size=1, max_size=5)


@given(flags=episodes, shortest=st.integers(1, 4))
def test_pieces_are_what_a_loop_finds(flags, shortest):
    wanted, row = [], 0
    for episode, values in enumerate(flags):
        begin = None
        for i, value in enumerate([*values, 0]):
            if value and begin is None:
                begin = i
            if not value and begin is not None:
                if i - begin >= shortest:
                    wanted.append(Piece(episode, row + begin, row + i))
                begin = None
        row += len(values)
    assert find_pieces(made(*flags), "who == 1", shortest) == wanted


@pytest.mark.parametrize("name", ["b.npz", "b.muse"])
@pytest.mark.parametrize("part_bytes", [1, 2**26])
def test_what_is_written_is_the_pieces(tmp_path, monkeypatch, name, part_bytes):
    monkeypatch.setattr(cutting, "PART_BYTES", part_bytes)
    data = made([0, 1, 1, 0, 1], [0, 0], [1, 1, 1], meta={"splits": {"train": [0]}, "fingerprint": {"cls": "x"}})
    before = data.steps["truncated"].copy()
    pieces = cut_data(data, tmp_path / name, "who == 1")
    cut = read_file(tmp_path / name)
    assert [(p.begin, p.end) for p in pieces] == [(1, 3), (4, 5), (7, 10)] and cut.ends.tolist() == [2, 3, 6]
    assert np.array_equal(cut.steps["ego"], data.steps["ego"][[1, 2, 4, 7, 8, 9]])
    assert cut.steps["truncated"][:, 0].tolist() == [False, True, False, False, False, False]
    assert np.array_equal(data.steps["truncated"], before), "what is there is not written to"
    assert cut.onetime["param/goal"][:, 0].tolist() == [0, 0, 20]
    assert cut.onetime["final/success"][:, 0].tolist() == [True, True, True]
    assert "splits" not in cut.meta and cut.meta["fingerprint"] == {"cls": "x"}


def test_pieces_are_windows_to_learn_from(tmp_path):
    cut_data(made([0, 1, 1, 1, 0], [1, 1]), tmp_path / "b.npz", "who == 1", min_length=3)
    spec = EnvSpec(dict(names_shapes_limits_dtypes=[("ego", (2,), (-99, 99), np.float64)], observation_names=["ego"]))
    dataset = NpDataset(dict(file=str(tmp_path / "b.npz"), horizon=3, batch_size=1), spec)
    assert len(dataset) == 1
    assert np.array_equal(dataset.get_batch([0])[0]["ego"][0], np.arange(2.0, 8).reshape(3, 2))


def test_conditions_that_cut_nothing_are_errors(tmp_path):
    data = made([0, 0], [0])
    for where in ("length > 1", "ego > 1", "who"):
        with pytest.raises(ExpressionError, match="a truth value for each row|elements"):
            cut_data(data, tmp_path / "b.npz", where)
    with pytest.raises(ExpressionError, match="no name 'whoo' .did you mean 'who'"):
        cut_data(data, tmp_path / "b.npz", "whoo == 1")
    with pytest.raises(DataError, match="the condition holds nowhere for long enough; expected 2 rows"):
        cut_data(made([1]), tmp_path / "b.npz", "who == 1", 2)
    assert not list(tmp_path.iterdir())


def test_the_verb(tmp_path, capsys):
    write_file(tmp_path / "a.npz", made([0, 1, 1], [1]))
    words = ["data", "cut", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--where"]
    assert main([*words, "who == 1"]) == 0
    assert "2 pieces, 3 of 4 steps" in capsys.readouterr().out
    assert main([*words, "who == 1"]) == 1 and "--overwrite" in capsys.readouterr().err
    assert main([*words, "who =="]) == 2 and "--where: column" in capsys.readouterr().err
    assert main([*words, "who == 1", "--min_length", "2", "--overwrite"]) == 0
    assert "1 pieces, 2 of 4 steps" in capsys.readouterr().out
