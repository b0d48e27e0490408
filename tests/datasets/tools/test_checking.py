"""A check finds what was broken, all of it, at its place; finds nothing in sound data; and never falls over."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import LENGTHS, changed, make_data

from muse.datasets import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.registry import get_format
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, write_file
from muse.datasets.tools.checking import check_file
from muse.datasets.tools.opening import open_data
from muse.datasets.tools.reworking import filter_data
from muse.datasets.tools.summary import summarize
from muse.specs import EnvSpec, Leaf

FILES = ["a.npz", "a.muse"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def texts(path, kind=None):
    return [str(finding) for finding in check_file(path) if kind is None or finding.is_defect == (kind == "defect")]


def check_data(data, path="a.npz"):
    write_file(path, data)
    return check_file(path)


@pytest.mark.parametrize("path", FILES)
def test_nothing_is_wrong_with_sound_data(path):
    assert check_data(make_data(splits={"train": [0, 1], "holdout": [2, 3]}), path) == []


def write_arrays(path, arrays, meta):
    """Writes arrays as they are, whatever is wrong with them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {**arrays, "_meta": np.array(json.dumps(meta))}.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=True)


def test_all_defects_at_once():
    data = changed(make_data())
    data.steps["ego"][[3, 3, 60], [0, 1, 0]] = [np.nan, np.inf, -np.inf]
    data.onetime["param/size"][2, 1] = np.nan
    done, timestep = data.done(), data.rollout_timestep()
    done[-1], timestep[40] = False, 99
    arrays = {
        **data.steps, **data.onetime, "done": done, "rollout_timestep": timestep, "reward": data.steps["reward"][:-1],
        "robot/quat": data.steps["robot/quat"].astype(np.float64), "pickled": np.array([{}] * 130, object),
    }  # fmt: skip
    del arrays["image"]
    write_arrays("a.npz", arrays, {**data.meta, "splits": {"train": [9]}})
    found = check_file("a.npz")
    defects = {(finding.name, finding.episode, finding.row) for finding in found if finding.is_defect}
    assert defects == {
        ("ego", 0, 3), ("param/size", 2, None), ("done", None, None), ("rollout_timestep", None, None), ("reward", None, None),
        ("robot/quat", None, None), ("pickled", None, None), ("image", None, None),
    }  # fmt: skip
    assert all(finding.file == "a.npz" for finding in found)
    told = "\n".join(map(str, found))
    assert "'ego', episode 0 row 3: NaN or infinity: 3 numbers in 2 of 130 rows, episode 0 row 3, episode 2 row 5" in told
    assert (
        "'reward': 129 rows; expected 130, as 'done' says" in told
        and "split 'train' names episodes that are not there: 9" in told
    )
    # Loading raises one of them.
    with pytest.raises(DataError):
        read_file("a.npz")


def test_without_done_the_rest_is_looked_at():
    data = changed(make_data())
    data.steps["ego"][7] = np.nan
    del data.steps["reward"]
    write_arrays("a.npz", {**data.steps, **data.onetime}, data.meta)
    assert [(finding.name, finding.text[:15]) for finding in check_file("a.npz")] == [
        ("done", "missing"), ("reward", "missing"), ("ego", "NaN or infinity"),
    ]  # fmt: skip


def test_what_of_a_folder_is_cut_short_is_told_file_by_file():
    write_file("a.muse", make_data())
    for name in ("ego.npy", "robot/quat.npy"):
        content = Path("a.muse", name).read_bytes()
        Path("a.muse", name).write_bytes(content[: len(content) // 2])
    Path("a.muse/action.npy").unlink()
    assert {(finding.name, finding.text.split(":")[0]) for finding in check_file("a.muse")} == {
        ("ego", "cut short"), ("robot/quat", "cut short"), ("action", "missing"),
    }  # fmt: skip


ROWS = sum(LENGTHS)


@pytest.mark.parametrize("meta", [{"fingerprint": []}, {"collection": 3}, {"fingerprint": {"params": [1]}}])
def test_meta_data_that_is_no_mapping_is_a_defect(meta):
    (finding,) = check_data(make_data(**meta))
    assert finding.is_defect and finding.name.split("/")[0] in meta and "expected a JSON object" in str(finding)


def set_rows(name, rows, value):
    def change(data):
        data.steps[name][rows] = value

    return change


def hide_quaternion(data):
    data.steps["ego"] = np.hstack([data.steps["ego"], data.steps["robot/quat"], data.steps["ego"]])
    data.steps["ego"][40:, 2:6] *= -1
    data.meta.pop("spec")


def flip(data):
    data.steps["robot/quat"][40:] *= -1


def saturate(data):
    data.steps["action"][::2, 1] = 1.0


def repeat_episode(data):
    for array in data.steps.values():
        array[30:55] = array[0:25]
    data.ends[0], data.ends[1] = 25, 50
    for array in data.steps.values():
        array[25:50] = array[0:25]


SOFT = [
    (set_rows("action", slice(40, 42), 1.5), "'action', episode 1 row 10: beyond the limits in 2 of 130 rows, from -0.9"),
    (saturate, "'action': element [1]: at a limit in 50% of the rows"),
    (set_rows("ego", (slice(None), 1), 0.5), "'ego': 1 of 2 elements are constant: [1]"),
    (set_rows("ego", slice(None), 0.5), "'ego': constant: 0.5, 0.5 in all rows"),
    (set_rows("ego", 31, 1e4), "'ego', episode 1 row 1: element [0]: 1 outliers, the first 1e+04"),
    (set_rows("ego", (55, 0), 9.0), "'ego', episode 2 row 1: element [0]: 1 jumps, the first by "),
    (set_rows("robot/quat", 55, 0.0), "'robot/quat', episode 2 row 0: a norm that is not 1 in 1 rows, from 0 to 1"),
    (flip, "'robot/quat', episode 1 row 10: changes its sign in 1 rows"),
    (hide_quaternion, "'ego', episode 1 row 10: elements [2:6], a quaternion by their norm: changes its sign in 1 rows"),
    (lambda data: data.meta.update(collection={"kept": [1, 2]}), "collected with seeds of 2 episodes; expected 4, as there are"),
    (set_rows("image", slice(50, 60), 0), "'image', episode 1 row 20: 10 of 130 pictures are black"),
    (set_rows("image", 3, 77), "'image', episode 0 row 3: 1 of 130 pictures are of one colour"),
    (set_rows("image", slice(100, 125), np.arange(192).reshape(8, 8, 3)), "'image', episode 3 row 6: 24 of 130 pictures are the same as the one before, 24"),
    (repeat_episode, "episode 1: the same as episode 0"),
    (lambda data: data.ends.__setitem__(2, 129), "1 episodes of one row: 3"),
    (lambda data: data.meta["splits"].update(train=[0, 1, 1], holdout=[1, 4]), "split 'holdout' names episodes that are not there: 4"),
    (lambda data: data.meta["splits"].update(train=[0, 1, 1]), "split 'train' names episodes twice"),
    (lambda data: data.meta["splits"].update(train=[0, 1], holdout=[1, 2]), "splits 'holdout' and 'train' share episodes: 1"),
    (lambda data: data.meta.pop("spec"), "no spec in it"),
    (lambda data: data.steps.update(truncated=np.arange(ROWS)[:, None] == 5), "'truncated', episode 0 row 5: true before the end in 1 rows"),
    (lambda data: data.steps.update(extra=np.zeros(ROWS)), "'extra': not in the file's own spec"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), SOFT, ids=[told[:40] for _, told in SOFT])
def test_warnings(change, told):
    data = changed(make_data(), splits={})
    change(data)
    found = check_data(data)
    assert not any(finding.is_defect for finding in found)
    assert any(str(finding).startswith(told) or told in str(finding) for finding in found), [*map(str, found)]


def test_pictures_are_followed_over_parts_and_stand_still_in_episodes_alone(monkeypatch):
    monkeypatch.setattr("muse.datasets.numbers._PART_ELEMENTS", 7 * 8 * 8 * 3)
    data = changed(make_data(), splits={})
    data.steps["image"][:] = data.steps["image"][data.ends - 1].repeat(np.diff(data.ends, prepend=0), axis=0)
    (finding,) = check_data(data)
    assert f"{ROWS - 4} of {ROWS} pictures" in finding.text and f"{max(LENGTHS) - 1} in a row" in finding.text


def test_a_gripper_is_not_saturated():
    data = changed(make_data())
    data.steps["action"][:, 1] = np.where(np.arange(ROWS) % 9 < 4, -1, 1)
    assert check_data(data) == []


@pytest.mark.parametrize("path", ["none.npz", "none.muse", "empty.muse", "text.npz", "text.muse", "folder.npz", "a.txt"])
def test_what_is_no_dataset_is_one_defect(path):
    if path.startswith(("empty", "folder")):
        Path(path).mkdir()
    elif path.startswith("text"):
        Path(path).write_text("hello")
    (finding,) = check_file(path)
    assert finding.is_defect and finding.file == path and finding.text


SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
TYPES = st.sampled_from(["f4", "f8", "f2", "i8", "u1", "?", "U3", "S2", "c8", "M8[s]"])


@settings(max_examples=80)
@given(
    st.lists(st.integers(1, 3), max_size=4),
    st.dictionaries(st.sampled_from(["a", "quat", "reward", "success", "truncated", "param/x"]), st.tuples(SHAPES, TYPES)),
    st.booleans(),
)
def test_arrays_of_any_shape_are_looked_at(tmp_path_factory, lengths, arrays, has_spec):
    file = tmp_path_factory.mktemp("shapes") / "a.muse"
    ends, kinds = np.cumsum(lengths, dtype=np.int64), ({}, {})
    for name, (shape, dtype) in arrays.items():
        is_once = name.startswith("param/")
        kinds[is_once][name] = np.ones((len(lengths) if is_once else sum(lengths), *shape)).astype(dtype)
    data = EpisodeData(*kinds, ends)
    roles = {"a": "observation", "quat": "action", "param/x": "param"}
    leaves = [
        Leaf(name, array.shape[1:], -np.inf, np.inf, array.dtype, role=roles.get(name, ""))
        for kind in kinds
        for name, array in kind.items()
    ]
    write_file(file, EpisodeData(*kinds, ends, {"spec": EnvSpec.from_leaves(leaves).to_dict()} if has_spec else {}))
    assert not any(finding.is_defect for finding in check_file(file))
    told = json.loads(json.dumps(summarize(file).to_dict()))
    assert [name["rows"] for name in told["names"]] == [len(array) for kind in kinds for array in kind.values()]
    if lengths:
        names = [
            name for name in arrays if name in data.steps and data.steps[name].dtype.kind in "fiub" and data.steps[name].size
        ]
        where = " and ".join(["length > 0", *(f'all("{name}" == 1)' for name in names)])
        assert filter_data(open_data(file), file.with_name("b.npz"), where).tolist() == list(range(len(lengths)))
    shutil.rmtree(file.parent)


@settings(max_examples=60)
@given(st.sampled_from(FILES), st.integers(0, 2**31), st.integers(0, 3))
def test_broken_bytes_are_defects_or_nothing_but_never_an_exception(tmp_path_factory, path, seed, kind):
    rng = np.random.default_rng(seed)
    target = tmp_path_factory.mktemp("broken") / path
    write_file(target, make_data((3, 4), size=2))
    files = sorted(file for file in target.rglob("*") if file.is_file()) if target.is_dir() else [target]
    file = files[rng.integers(len(files))]
    content = bytearray(file.read_bytes())
    if kind == 0:
        content = content[: rng.integers(len(content))]
    for _ in range(kind):
        content[rng.integers(len(content))] = rng.integers(256)
    file.write_bytes(content)
    found = check_file(target)
    try:
        read_file(target)
    except DataError:
        assert any(finding.is_defect for finding in found)
    else:
        assert all(not finding.is_defect or finding.name == "param/size" for finding in found), [*map(str, found)]
    shutil.rmtree(target.parent)


FOREIGN = [("robomimic", "a.hdf5"), ("zarr", "a.zarr"), ("minari", "a-v0"), ("episodes", "folder"), ("lerobot", "robot")]


@pytest.mark.parametrize(("form", "path"), FOREIGN)
def test_all_numbers_that_are_none_in_the_data_of_others(form, path):
    for library in {"robomimic": ["h5py"], "zarr": ["zarr"], "minari": ["h5py"], "lerobot": ["pyarrow", "av"]}.get(form, []):
        pytest.importorskip(library)
    data = changed(make_data())
    get_format(form)().write(Path(path), data, {"image": ""}, (), Work())
    assert check_file(path) == [] or all(not finding.is_defect for finding in check_file(path))
    data.steps["ego"][[3, 60], [0, 1]], data.steps["action"][31, 1] = np.nan, np.inf
    spoil = spoil_lerobot if form == "lerobot" else lambda path: get_format(form)().write(path, data, {"image": ""}, (), Work())
    spoil(Path(path))
    found = sorted(str(finding).split("; expected")[0] for finding in check_file(path) if finding.is_defect)
    assert [text.partition("numbers")[0] for text in found] == [
        "'action', episode 1 row 1: NaN or infinity: 1 ",
        "'ego', episode 0 row 3: NaN or infinity: 2 ",
    ]
    assert summarize(path).to_dict()["names"][0]["not_finite"] + summarize(path).to_dict()["names"][1]["not_finite"] == 2
    assert filter_data(open_data(path, finite=False), "b.npz", "all(finite(ego)) and all(finite(action))").tolist() == [3]
    with pytest.raises(DataError, match="NaN or infinity"):
        open_data(path)


def spoil_lerobot(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (file,) = folder.glob("data/*/*.parquet")
    table = pq.read_table(file)
    for key, places in (("observation.state", [(3, 0), (60, 1)]), ("action", [(31, 1)])):
        values = table[key].combine_chunks()
        array = values.flatten().to_numpy().reshape(len(values), -1).copy()
        array[tuple(zip(*places, strict=True))] = np.nan if key != "action" else np.inf
        again = pa.FixedSizeListArray.from_arrays(pa.array(array.reshape(-1)), array.shape[1])
        table = table.set_column(table.column_names.index(key), table.schema.field(key), again)
    pq.write_table(table, file)
