"""Whatever Muse's data is, it comes back from every form as it was: names, types, values to the bit, one-time names, meta data."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_robomimic import assert_same_data

from muse.datasets.formats.conversion import convert
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.format import Format
from muse.datasets.formats.native import NativeFormat
from muse.datasets.formats.registry import find_format, format_names, get_format, open_data
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, write_file
from muse.specs import EnvSpec, Leaf

pytest.importorskip("h5py")
pytest.importorskip("zarr")

#: Form and a path of it.
PLACES = [
    ("npz", "a.npz"), ("muse", "a.muse"), ("robomimic", "a.hdf5"), ("zarr", "a.zarr"), ("zarr", "a.zarr.zip"), ("minari", "a-v0"),
    ("episodes", "a"),
]  # fmt: skip
NAMES = [
    "ego",
    "objects/position",
    "objects/deep/x",
    "weit weg/höhe",
    "a.b",
    "%2E",
    "reward",
    "truncated",
    "terminated",
    "image",
    "goal/ego",
]
TYPES = ["float16", "float32", "float64", "int8", "int64", "uint8", "uint64", "bool", "U3", "S2"]
#: What robomimic's form adds to the meta data, or keeps elsewhere.
BUT = {"robomimic": ("robomimic", "version")}


def values_of(draw, shape, dtype):
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind in "US":
        letters = ["", "ab", "ö", "日本語"] if dtype.kind == "U" else [b"", b"a", b"\xff\x01"]
        return rng.choice(np.array(letters, dtype), shape).astype(dtype)
    if dtype.kind == "f":
        return rng.choice(np.array([0.0, -0.0, 1 / 3, -6e4, 3e-5], np.float64).astype(dtype), shape)
    # Any bytes are a whole number.
    return rng.integers(0, 2 if dtype.kind == "b" else 256, (*shape, dtype.itemsize), np.uint8).view(dtype)[..., 0]


@st.composite
def any_data(draw):
    """Draws episodes with an action and an observation of numbers, and whatever else."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    ends = np.cumsum(lengths, dtype=np.int64)
    rows, episodes = int(ends[-1]), len(lengths)
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    steps = {
        "action": values_of(draw, (rows, draw(st.integers(1, 3))), draw(st.sampled_from(["float32", "float64"]))),
        "state": values_of(draw, (rows, 2), "float32"),
    }
    roles = {"action": "action", "state": "observation"}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        steps[name] = values_of(draw, (rows, *draw(shapes)), draw(st.sampled_from(TYPES)))
        roles[name] = draw(st.sampled_from(["", "observation", "goal", "output_observation"]))
    once = {}
    for name in draw(st.lists(st.sampled_from(["param/size", "final/count", "final/deep/x"]), unique=True)):
        once[name] = values_of(draw, (episodes, *draw(shapes)), draw(st.sampled_from(TYPES)))
    if draw(st.booleans()):
        once["final/next/state"] = values_of(draw, (episodes, 2), "float32")
    for name in once:
        roles[name] = name.partition("/")[0]
    numbers = st.lists(st.integers(0, episodes - 1), unique=True)
    meta = (
        {"splits": draw(st.dictionaries(st.sampled_from(["train", "holdout"]), numbers, min_size=1))}
        if draw(st.booleans())
        else {}
    )
    if draw(st.booleans()):
        meta["fingerprint"] = {"class": "x.Y", "params": {"size": 0.1, "näme": None}, "versions": {"numpy": "1"}}
    arrays = {**steps, **once}
    low = {"action": -1, "state": [-2, 0.1]}
    leaves = [
        Leaf(name, arrays[name].shape[1:], low.get(name, -np.inf), np.inf, arrays[name].dtype, "m", role)
        for name, role in roles.items()
    ]
    return EpisodeData(steps, once, ends, {**meta, "spec": EnvSpec.from_leaves(leaves).to_dict()}, "made")


def put(form, path, data, **more):
    """Writes data by a form, in a folder of work, and returns what became of the names."""
    with Work.beside(path, {}) as work:
        return get_format(form)(more).write(Path(path), data, {}, (), work.stage("write"))


@pytest.mark.parametrize(("form", "name"), PLACES)
@settings(max_examples=12)
@given(data=any_data())
def test_every_form_gives_back_what_it_was_given(form, name, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        fates = put(form, path, data)
        assert [found.name for found in path.parent.iterdir()] == [name]
        assert find_format(path).name == form
        assert {fate.source for fate in fates} >= {*data.steps, *data.onetime, "done", "rollout_timestep", "_meta"}
        back, told = get_format(form)().read(path, {}, (), Work())
        assert_same_data(back, data, BUT.get(form, ("version",)))
        assert {fate.became for fate in told} >= {*data.steps, *data.onetime}
        assert {fate.became for fate in told} >= {f"split {split}" for split in data.meta.get("splits", ())} or form in (
            "npz",
            "muse",
        )


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_data_without_a_spec_comes_back_without_one(form, name, tmp_path):
    rng = np.random.default_rng(0)
    data = EpisodeData(
        {"joints": rng.random((5, 2)), "action": rng.random((5, 2))}, {"param/x": rng.random((2, 3))}, np.array([2, 5]), {}
    )
    put(form, tmp_path / name, data)
    assert_same_data(open_data(tmp_path / name), data, (*BUT.get(form, ("version",)), *(["spec"] if form == "robomimic" else [])))


@pytest.mark.parametrize("form", ["lz4", "zstd", "none"])
def test_every_compressor_of_zarr(form, tmp_path):
    data = EpisodeData({"state": np.arange(10.0)[:, None], "action": np.ones((10, 1))}, {}, np.array([4, 10]), {})
    put("zarr", tmp_path / "a.zarr", data, compressor=form)
    assert_same_data(open_data(tmp_path / "a.zarr"), data, ("version",))


@pytest.fixture()
def made(tmp_path, monkeypatch):
    """Episodes with splits in `a.npz`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    steps = {
        "state": rng.random((9, 2)).astype("f4"),
        "image": rng.integers(0, 256, (9, 4, 4, 3)).astype("u1"),
        "action": rng.random((9, 2)),
    }
    once = {"param/size": rng.random((4, 3))}
    roles = {"state": "observation", "image": "observation", "action": "action", "param/size": "param"}
    leaves = [Leaf(name, array.shape[1:], -9, 300, array.dtype, "m", roles[name]) for name, array in {**steps, **once}.items()]
    meta = {"spec": EnvSpec.from_leaves(leaves).to_dict(), "splits": {"train": [3, 1], "valid": [0]}}
    data = EpisodeData(steps, once, np.array([2, 5, 6, 9]), meta)
    write_file("a.npz", data)
    return read_file("a.npz")


def go(source, target, form="", names=None, splits=()):
    reader, writer = find_format(source)(), (get_format(form) if form else find_format(target))()
    return convert(Path(source), Path(target), reader, writer, names or {}, splits)


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_splits_choose_episodes_on_the_way_there_and_on_the_way_back(form, name, made):
    name = name.replace("a", "b", 1)
    count, _ = go("a.npz", f"out/{name}", form, splits=["train"])
    assert count == 2
    there = open_data(f"out/{name}")
    assert there.ends.tolist() == [3, 6] and there.meta["splits"] == {"train": [1, 0], "valid": []}
    assert np.array_equal(there.steps["image"], made.steps["image"][[2, 3, 4, 6, 7, 8]])
    assert np.array_equal(there.onetime["param/size"], made.onetime["param/size"][[1, 3]])
    go("a.npz", name, form)
    back = open_data(name, splits=["valid", "train"])
    assert back.ends.tolist() == [2, 5, 8] and back.meta["splits"] == {"train": [2, 1], "valid": [0]}
    assert np.array_equal(back.steps["state"], made.steps["state"][[0, 1, 2, 3, 4, 6, 7, 8]])
    go(name, "back.muse", splits=["valid"])
    assert read_file("back.muse").ends.tolist() == [2]


@pytest.mark.parametrize("first", PLACES, ids=lambda place: place[1])
@pytest.mark.parametrize("second", PLACES[2:], ids=lambda place: place[1])
def test_from_any_form_to_any_other(first, second, made):
    go("a.npz", f"x/{first[1]}", first[0])
    count, fates = go(f"x/{first[1]}", f"y/{second[1]}", second[0])
    assert count == 4 and len({fate.source for fate in fates if fate.source != "(not there)"}) >= 5
    assert_same_data(open_data(f"y/{second[1]}"), made, ("robomimic", "version"))


@pytest.mark.parametrize(("form", "name"), PLACES)
def test_names_as_a_user_wants_them(form, name, made):
    name = name.replace("a", "b", 1)
    _, fates = go("a.npz", name, form)
    place = {fate.source: fate.became for fate in fates}
    again, _ = open_data(name, names={place["state"]: "joints/position", place["image"]: ""}), None
    assert set(again.steps) - {"terminated", "truncated", "reward"} == {"joints/position", "action"}
    leaf = EnvSpec.from_dict(again.meta["spec"]).leaf("joints/position")
    assert (leaf.unit, float(leaf.low[0])) == ("m", -9.0)
    if not issubclass(get_format(form), NativeFormat):
        _, fates = go(
            name,
            "c.hdf5" if form != "robomimic" else "c.zarr",
            names={place["state"]: "obs/s" if form != "robomimic" else "data/s"},
        )
        told = {fate.source: fate for fate in fates}
        assert told[place["state"]].became in ("obs/s", "data/s") and (
            "by way of 'state'" in told[place["state"]].note or form == "episodes"
        )
        assert told[place["image"]].became in ("obs/agentview_image", "data/img")


def test_every_form_that_is_listed_is_one():
    assert {"npz", "muse", "robomimic", "zarr", "minari", "episodes"} <= set(format_names())
    for name in format_names():
        cls = get_format(name)
        assert issubclass(cls, Format) and cls.name == name
