"""What is filtered, merged, split and relabelled is what was asked for, whole or not at all, and never all of it in memory."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import LENGTHS, changed, episodes_of, make_data
from made_robomimic import make_file

from muse.datasets import DataError, NpDataset
from muse.datasets.formats import folder
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.registry import get_format
from muse.datasets.formats.robomimic import demo_attributes
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, write_file
from muse.datasets.tools import writing
from muse.datasets.tools.checking import check_file
from muse.datasets.tools.expressions import ExpressionError
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.relabeling import Changes, relabel_data
from muse.datasets.tools.reworking import choose_episodes, draw_holdout, filter_data, merge_data, parse_split, write_splits
from muse.datasets.tools.success import success_of
from muse.specs import EnvSpec
from muse.utils.errors import OptionError

FILES = ["a.npz", "a.muse"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def saved(path, **options):
    write_file(path, make_data(**options))
    return open_data(path)


@pytest.mark.parametrize("source", FILES)
@pytest.mark.parametrize("target", ["b.npz", "b.muse"])
def test_filter(source, target, monkeypatch):
    monkeypatch.setattr(writing, "PART_BYTES", 1000)
    meta = {"splits": {"train": [3, 0, 1], "rest": [2]}, "collection": {"seed": 5, "kept": [0, 2, 5, 7], "episodes_seen": 9}}
    data = saved(source, **meta)
    seen = []
    kept = filter_data(data, target, "length != 25 and not (index == 3)", progress=seen.append)
    result = read_file(target)
    assert kept.tolist() == [0, 2] and seen == [1, 2, 3, 4]
    assert episodes_of(result) == [episodes_of(data)[i] for i in (0, 2)]
    assert result.meta["splits"] == {"train": [0], "rest": [1]} and result.meta["collection"]["kept"] == [0, 5]
    assert result.meta["spec"] == data.meta["spec"] and check_file(target) == []
    assert sorted(os.listdir()) == sorted([source, target])


@settings(max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.data(), st.sampled_from([1, 300, 2**20]))
def test_parts_are_the_chosen_episodes(lengths, draw, part_bytes):
    data = make_data(tuple(lengths), size=2)
    numbers = draw.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=12))
    before, writing.PART_BYTES = writing.PART_BYTES, part_bytes
    try:
        parts = list(writing.parts_of_episodes(data, numbers))
    finally:
        writing.PART_BYTES = before
    assert [episode for part in parts for episode in episodes_of(part)] == [episodes_of(data)[i] for i in numbers]
    assert set(parts[0].steps) == set(data.steps) and set(parts[0].onetime) == set(data.onetime)


def test_a_folder_is_not_taken_into_memory(monkeypatch):
    monkeypatch.setattr(writing, "PART_BYTES", 2**20)
    lengths = (40,) * 50
    ends = np.cumsum(lengths)
    write_file("a.muse", EpisodeData({"image": np.zeros((2000, 64, 64, 3), np.uint8)}, {}, ends))
    data = open_data("a.muse")
    tracemalloc.start()
    filter_data(data, "b.muse", "index % 2 == 0")
    merge_data([data, open_data("b.muse")], "c.muse")
    relabel_data(data, "d.muse", Changes(rename={"image": "camera"}, values={"late": "step > 20"}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 24 MB of pictures, in parts of 1 MiB, or of one part of the writer.
    assert len(open_data("c.muse").ends) == 75 and set(open_data("d.muse").steps) == {"camera", "late"} and peak < 6e6


def test_where_success_is_known_from():
    data = changed(make_data())
    assert choose_episodes(data, "success").tolist() == [0, 1, 2] and success_of(data).source == "'reward' of the last row"
    data.onetime["final/success"] = np.array([0, 0, 1, 1])
    assert choose_episodes(data, "success").tolist() == [2, 3]
    del data.onetime["final/success"], data.steps["reward"]
    assert success_of(data) is None
    with pytest.raises(ExpressionError, match="does not tell whether episodes succeeded"):
        choose_episodes(data, "length > 3 and success")
    data.meta["collection"] = {"only_successful": True}
    assert choose_episodes(data, "success").tolist() == [0, 1, 2, 3]


def test_rewards_for_staying_alive_are_no_verdict():
    data = changed(make_data())
    data.steps["reward"][:] = 1
    assert success_of(data) is None


def test_episodes_with_nan_can_be_left_out():
    data = changed(make_data())
    data.steps["ego"][35] = np.nan
    write_file("a.npz", data)
    with pytest.raises(DataError):
        open_data("a.npz")
    assert filter_data(open_data("a.npz", finite=False), "b.npz", "all(finite(ego))").tolist() == [0, 2, 3]
    assert check_file("b.npz") == []


def refused(call, match):
    with pytest.raises((DataError, OptionError), match=match):
        call()


def test_what_is_there_is_kept_and_failures_leave_nothing():
    data = saved("a.npz")
    filter_data(data, "b.npz", "index < 1")
    before = Path("b.npz").read_bytes()
    refused(lambda: filter_data(data, "b.npz", "index < 2"), "is there already")
    refused(lambda: filter_data(data, "a.npz", "index < 2", overwrite=True), "source and destination at once")
    refused(lambda: filter_data(data, "c.npz", "length > 99"), "no episode of 4")
    refused(lambda: filter_data(data, "c.txt", "index < 2"), "ends in '.txt'")
    refused(
        lambda: relabel_data(data, "c.muse", Changes(values={"x": "1 / (index - 2)"})), "NaN or infinity in row 0 of episode 2"
    )
    assert sorted(os.listdir()) == ["a.npz", "b.npz"] and Path("b.npz").read_bytes() == before
    filter_data(data, "b.npz", "index < 2", overwrite=True)
    assert len(read_file("b.npz").ends) == 2


@pytest.mark.parametrize("target", ["c.npz", "c.muse"])
def test_merge(target):
    one, two = (
        saved("a.npz", splits={"train": [0, 1]}),
        saved("b.muse", seed=1, lengths=(4, 5), splits={"train": [1], "new": [0]}),
    )
    seen = []
    merge_data([one, two, one], target, progress=seen.append)
    result = read_file(target)
    assert episodes_of(result) == episodes_of(one) + episodes_of(two) + episodes_of(one) and seen[-1] == 10
    assert result.meta["splits"] == {"train": [0, 1, 5, 6, 7], "new": [4]}
    assert [entry["file"] for entry in result.meta["merged"]] == ["a.npz", "b.muse", "a.npz"]


def test_one_dataset_in_another_form_keeps_all_that_is_said_of_it():
    one = saved("a.npz", splits={"train": [0]}, collection={"kept": [3, 4, 5, 6]}, robot={"name": "arm"})
    merge_data([one], "b.muse")
    assert read_file("b.muse").meta == one.meta


def test_what_does_not_go_together_is_not_merged():
    one = make_data(where="one", fingerprint={"class": "A"})
    other = make_data(where="two", fingerprint={"class": "B"})
    refused(lambda: merge_data([one, other], "c.npz"), "two: made in another environment")
    merge_data([one, other], "c.npz", allow_mismatch=True)
    assert read_file("c.npz").meta["fingerprints"] == [{"class": "A"}, {"class": "B"}]
    less = changed(make_data(where="less"))
    del less.steps["image"]
    less.steps["ego"] = less.steps["ego"].astype(np.float64)
    less.meta["spec"] = {
        "leaves": [{**leaf, "unit": "mm"} for leaf in less.meta["spec"]["leaves"] if leaf["name"] == "robot/quat"]
    }
    with pytest.raises(DataError) as caught:
        merge_data([one, less], "d.npz")
    told = str(caught.value)
    assert "'image' is missing" in told and "'ego' dtype 'float64' instead of 'float32'" in told
    assert "'robot/quat' unit 'mm' instead of ''" in told and not Path("d.npz").exists()


@pytest.mark.parametrize("path", FILES)
def test_splits_are_written_beside_the_arrays(path):
    before = episodes_of(saved(path, fingerprint={"class": "A"}))
    stamps = {file: file.stat().st_mtime_ns for file in Path(path).rglob("*.npy")}
    write_splits(path, {"few": [0, 3]})
    write_splits(path, draw_holdout(4, 0.25, 0))
    refused(lambda: write_splits(path, {"few": [1]}), "split 'few': is there already")
    data = read_file(path)
    assert episodes_of(data) == before and data.meta["fingerprint"] == {"class": "A"} and data.meta["splits"]["few"] == [0, 3]
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    write_splits(path, {"few": [1]}, overwrite=True)
    spec = EnvSpec.from_dict(data.meta["spec"])
    assert NpDataset({"file": path, "split": "few", "horizon": 1}, spec).num_rows == LENGTHS[1]


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_holdout_shares_nothing_with_train(count, share, seed):
    splits = draw_holdout(count, share, seed)
    assert sorted(splits["train"] + splits["holdout"]) == list(range(count)) and splits == draw_holdout(count, share, seed)
    assert abs(len(splits["holdout"]) - share * count) <= 1 and splits["train"] and splits["holdout"]


def test_episodes_by_number():
    assert parse_split("0:2", 5, "") == [0, 1] and parse_split("3:", 5, "") == [3, 4] and parse_split("4,:2", 5, "") == [4, 0, 1]
    for text in ("", "a", "2:1", "0:6", "5", "-1", "1,1", "1:2:3"):
        refused(lambda text=text: parse_split(text, 5, "--name"), "--name")


@pytest.mark.parametrize("target", ["b.npz", "b.muse"])
def test_relabel(target, monkeypatch):
    monkeypatch.setattr(writing, "PART_BYTES", 3000)
    data = saved("a.muse", splits={"train": [0]})
    spec = relabel_data(
        data,
        target,
        Changes(
            values={"reward": "-norm(ego)", "turn": "diff(ego) * 2", "far": "max(ego) > 0.9", "final/success": "success", "final/reach": "last(ego)"},
            drop=("action",),
            rename={"ego": "robot/ego", "image": "camera"},
            roles={"turn": "action"},
            units={"turn": "m"},
            limits={"turn": (-2, 2)},
            dtypes={"robot/ego": np.dtype(np.float64)},
        ),
    )  # fmt: skip
    result, ego = read_file(target), data.steps["ego"].astype(np.float64)
    assert set(result.steps) == {"robot/ego", "robot/quat", "camera", "reward", "turn", "far"} and result.meta["splits"] == {
        "train": [0]
    }
    assert np.allclose(result.steps["reward"][:, 0], -np.linalg.norm(ego, axis=1)) and result.steps["reward"].dtype == np.float32
    assert np.array_equal(result.steps["far"][:, 0], ego.max(axis=1) > 0.9) and result.steps["far"].dtype == bool
    assert result.steps["robot/ego"].dtype == np.float64 and np.array_equal(result.steps["robot/ego"], ego)
    first = data.ends - np.diff(data.ends, prepend=0)
    assert np.all(result.steps["turn"][first] == 0) and np.allclose(
        result.steps["turn"][1:9], 2 * np.diff(ego[:9], axis=0), atol=1e-6
    )
    assert result.onetime["final/success"].tolist() == [True, True, True, False]
    assert np.allclose(result.onetime["final/reach"], ego[data.ends - 1]) and np.array_equal(
        result.steps["camera"], data.steps["image"]
    )
    turn = spec.leaf("turn")
    assert (turn.role, turn.unit, turn.low.max(), turn.high.min()) == ("action", "m", -2, 2)
    assert result.meta["spec"] == spec.to_dict() and not [finding for finding in check_file(target) if finding.is_defect]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (Changes(drop=("eggo",)), "no name 'eggo'"),
        (Changes(rename={"ego": "action"}), "'action' is taken"),
        (Changes(rename={"ego": "done"}), "'done' is taken"),
        (Changes(rename={"ego": "x", "action": "x"}), "two names become one"),
        (Changes(rename={"ego": "x"}, units={"ego": "m"}), "--unit ego: no name 'ego'"),
        (Changes(roles={"ego": "param"}), "--role ego=param: 'ego' has a row per step"),
        (Changes(dtypes={"ego": np.dtype(np.int64)}), "'ego': .* in row 0; expected what int64 can hold"),
        (Changes(dtypes={"image": np.dtype(np.int8)}), "what int8 can hold"),
        (Changes(values={"ego": "norm(ego)"}), "--set ego: shape \\(\\); expected \\(2,\\)"),
        (Changes(values={"done": "1"}), "it follows from the episodes"),
        (Changes(values={"param/x": "ego"}), "a value for each row"),
        (Changes(values={"reward": "egg"}), "no name 'egg'"),
    ],
)  # fmt: skip
def test_changes_that_do_not_fit(changes, match):
    refused(lambda: relabel_data(make_data(), "b.npz", changes), match)
    assert not Path("b.npz").exists()


def test_a_file_without_meta_data_gets_a_spec():
    data = make_data()
    relabel_data(
        EpisodeData(data.steps, data.onetime, data.ends, {}, "bare"),
        "b.npz",
        Changes(roles={"ego": "observation", "action": "action"}),
    )
    spec = EnvSpec.from_dict(read_file("b.npz").meta["spec"])
    assert spec.action_names == ("action",) and spec.param_names == ("param/size",) and spec.observation_names == ("ego",)


@pytest.mark.parametrize("target", ["b.npz", "b.muse"])
def test_one_time_names_of_plain_files_stay_what_they_are(target):
    # Of two episodes and three rows `size` is known by its length; of one episode of one row it would not be.
    np.savez("a.npz", ego=np.zeros((3, 2)), size=np.arange(2.0), done=np.array([False, True, True]))
    data = open_data("a.npz")
    filter_data(data, target, "length == 1")
    result = read_file(target)
    assert (
        result.onetime["size"].tolist() == [1.0]
        and result.steps["ego"].shape == (1, 2)
        and check_file(target)[0].is_defect is False
    )
    merge_data([data, data], f"c{target}")
    assert read_file(f"c{target}").onetime["size"].tolist() == [0, 1, 0, 1]


def test_what_was_merged_from_several_environments_remembers_them():
    parts = [make_data(where=name, fingerprint={"class": name}) for name in "AB"]
    merge_data(parts, "c.npz", allow_mismatch=True)
    refused(lambda: merge_data([open_data("c.npz"), parts[0]], "d.npz"), "c.npz: made in another environment")
    merge_data([parts[0], open_data("c.npz")], "d.npz", allow_mismatch=True)
    assert read_file("d.npz").meta["fingerprints"] == [{"class": "A"}, {"class": "A"}, {"class": "B"}]


def test_names_without_numbers_are_in_no_condition():
    data = changed(make_data())
    data.steps["raw"] = np.zeros(len(data.steps["ego"]), "S3")
    refused(lambda: choose_episodes(data, "length > 1 and any(raw)"), "column 20: 'raw' holds .S3")


def test_a_folder_that_others_read_is_replaced_in_one_step():
    data = saved("a.npz")
    merge_data([data], "b.muse")
    held = open_data("b.muse")
    merge_data([data, data], "b.muse", overwrite=True)
    # What was opened before is still what it was.
    assert episodes_of(held) == episodes_of(data) and folder.num_episodes("b.muse") == 8


def test_what_came_from_robomimic_stays_with_its_demonstrations(caplog):
    pytest.importorskip("h5py")
    make_file("one.hdf5")
    make_file("two.hdf5", demos=["demo_5", "demo_0", "demo_7", "demo_8"])
    parts = [open_data("one.hdf5"), open_data("two.hdf5")]
    merge_data(parts, "both.npz")
    get_format("robomimic")().write(Path("both.hdf5"), read_file("both.npz"), {}, (), Work())
    both = open_data("both.hdf5")
    assert demo_attributes(both.meta) == [one for part in parts for one in demo_attributes(part.meta)]
    assert [both.meta["robomimic"][key] for key in ("attributes", "demos")] == [
        parts[0].meta["robomimic"]["attributes"], [f"demo_{number}" for number in range(8)],
    ]  # fmt: skip
    make_file("other.hdf5", env_args={"env_name": "Lift", "type": 1, "env_kwargs": {}})
    merge_data([parts[0], open_data("other.hdf5", finite=False)], "odd.npz", allow_mismatch=True)
    assert "robomimic" not in read_file("odd.npz").meta and "env_args and model files are left out" in caplog.text
