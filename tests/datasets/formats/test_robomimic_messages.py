"""What somebody reads whose file of robomimic is broken, or cannot be one, word for word."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from made_robomimic import make_file
from refusals import message

from muse.datasets.formats import robomimic
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file, write_file
from muse.utils.errors import MissingExtraError, MuseError, OptionError

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(path="a.hdf5", names=None, masks=(), prefix="demo_"):
    with robomimic.Reader(path, prefix, masks) as reader:
        return reader.read(names)


def put(path, value):
    """Returns a change of a file: another array at a path."""

    def change(file):
        del file[path]
        file[path] = value

    return change


def drop(path):
    return lambda file: file.__delitem__(path)


def attribute(path, name, value):
    return lambda file: file[path].attrs.__setitem__(name, value)


def nan_at(path, row):
    def change(file):
        values = file[path][()]
        values[row] = np.nan
        file[path][...] = values

    return change


LEAVE = "mend the file, or leave the name out (--map {}=)"
FILES = [
    (drop("data"), "a.hdf5: no group 'data'; expected a dataset of robomimic\n  try: there: mask"),
    (put("data", np.zeros(3)), "a.hdf5: no group 'data'; expected a dataset of robomimic\n  try: there: data, mask"),
    (
        lambda file: [drop(f"data/{demo}")(file) for demo in list(file["data"])],
        "a.hdf5: data: no episodes; expected groups called demo_0, demo_1, ...\n  try: --ep_prefix, if they are called otherwise; there: nothing",
    ),
    (
        lambda file: file["data"].create_group("demo_x"),
        "a.hdf5: data/demo_x: no whole number at the end; expected demo_0, demo_1, ...",
    ),
    (
        drop("data/demo_2/actions"),
        "a.hdf5: data/demo_2/actions: missing; expected (N, A) numbers\n  try: there: action_dict/rel_pos, actions_abs, dones, "
        "next_obs/agentview_image, next_obs/object, next_obs/robot0_eef_quat, next_obs/robot0_eye_in_hand_image, next_obs/time, "
        "obs/agentview_image, obs/object, obs/robot0_eef_quat, obs/robot0_eye_in_hand_image, obs/time, rewards, states",
    ),
    (
        drop("data/demo_2/obs"),
        "a.hdf5: data/demo_2/obs: missing; expected observations by name\n"
        "  try: robomimic's dataset_states_to_obs.py, which makes them from the states",
    ),
    (
        drop("data/demo_3/obs/object"),
        f"a.hdf5: data/demo_3/obs/object: missing; expected in every episode what is in one of them\n  try: {LEAVE.format('obs/object')}",
    ),
    (
        put("data/demo_3/obs/object", np.zeros((4, 14), np.float32)),
        f"a.hdf5: data/demo_3/obs/object: 4 rows; expected 5, as its actions have\n  try: {LEAVE.format('obs/object')}",
    ),
    (
        put("data/demo_3/obs/object", np.float32(3)),
        f"a.hdf5: data/demo_3/obs/object: no rows; expected 5, as its actions have\n  try: {LEAVE.format('obs/object')}",
    ),
    (
        put("data/demo_3/obs/object", np.zeros((5, 13), np.float32)),
        "a.hdf5: data/demo_3/obs/object: rows of shape (13,) float32; expected (14,) float32, as in demo_0\n"
        f"  try: {LEAVE.format('obs/object')}",
    ),
    (
        put("data/demo_3/actions", np.zeros((4, 7), np.float32)),
        "a.hdf5: data/demo_3/actions: 4 rows; expected 5, as num_samples says",
    ),
    (attribute("data/demo_3", "num_samples", 6), "a.hdf5: data/demo_3/actions: 5 rows; expected 6, as num_samples says"),
    (
        attribute("data/demo_3", "num_samples", np.arange(1000)),
        "a.hdf5: data/demo_3/actions: 5 rows; expected " + ", ".join(map(str, range(1000)))[:200] + "..., as num_samples says",
    ),
    (
        lambda file: (put("data/demo_3/actions", np.zeros((0, 7)))(file), attribute("data/demo_3", "num_samples", 0)(file)),
        "a.hdf5: data/demo_3/actions: no rows; expected at least one",
    ),
    (
        nan_at("data/demo_3/obs/object", 2),
        "a.hdf5: data/demo_3/obs/object: NaN or infinity in row 2; expected finite numbers\n  try: drop or mend the episode",
    ),
    (
        attribute("data", "env_args", "{"),
        "a.hdf5: data@env_args: no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); expected a JSON object",
    ),
    (attribute("data", "env_args", "[]"), "a.hdf5: data@env_args: a list; expected a JSON object"),
    (
        attribute("data", "muse_meta", "3"),
        "a.hdf5: data@muse_meta: a int; expected a JSON object\n  try: delete the attribute, or write the file again",
    ),
    (
        attribute("data", "muse_meta", '{"meta": {}, "names": 3, "onetime": []}'),
        "a.hdf5: data@muse_meta: broken 'names'; expected what Muse wrote\n  try: delete the attribute, or write the file again",
    ),
    (
        lambda file: file.__setitem__("mask/bad", np.array(["demo_0", "demo_1"], "S")),
        "a.hdf5: mask/bad: 'demo_1', which is not there; expected names of groups in data/",
    ),
    (
        lambda file: file.move("data/demo_0/obs/time", "data/demo_0/obs/image"),
        "a.hdf5: both 'obs/agentview_image' and 'obs/image' would become 'image'; expected each name once\n"
        "  try: another name for one of them (--map obs/image=NAME), or none (--map obs/image=)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FILES)
def test_what_is_wrong_inside(change, told):
    make_file("a.hdf5", change=change)
    assert message(read) == told


def test_float64_that_float32_cannot_hold():
    make_file("a.hdf5", np.float64, change=lambda file: file["data/demo_0/obs/object"].__setitem__((1, 2), 1e300))
    assert message(read) == (
        "a.hdf5: data/demo_0/obs/object, as float32: NaN or infinity in row 1; expected finite numbers\n  try: drop or mend the episode"
    )


def test_files_that_are_none():
    whole = Path(make_file("a.hdf5")).read_bytes()
    Path("cut.hdf5").write_bytes(whole[: len(whole) // 2])
    Path("text.hdf5").write_text("text" * 1000)
    Path("empty.hdf5").write_bytes(b"")
    os.makedirs("folder.hdf5")
    again, kinds = "\n  try: copy or download it again", ("cut", "text", "empty")
    told = [message(lambda path=f"{kind}.hdf5": read(path)) for kind in kinds]
    assert told[0].startswith("cut.hdf5: cut short (Unable to ") and told[0].endswith(f"; expected an HDF5 file{again}")
    assert all(text.split(" (")[0].endswith(": no HDF5 file") for text in told[1:])
    assert message(lambda: read("none.hdf5")) == (
        "none.hdf5: no such file; expected an HDF5 file\n  try: the path is relative to the working folder"
    )
    assert message(lambda: read("folder.hdf5")) == "folder.hdf5: a folder; expected an HDF5 file"


@pytest.mark.parametrize("seed", range(30))
def test_a_file_with_broken_bytes_is_read_or_refused(seed):
    """Whatever the bytes are: arrays, or an error of Muse."""
    rng = np.random.default_rng(seed)
    content = bytearray(Path(make_file("a.hdf5")).read_bytes())
    for place in rng.integers(8, len(content), 40):
        content[place] = rng.integers(256)
    Path("a.hdf5").write_bytes(content)
    try:
        read()
    except MuseError as error:
        assert "a.hdf5" in str(error)


def test_asking_for_what_is_not_there():
    make_file("a.hdf5")
    assert (
        message(lambda: read(masks=["trian"]))
        == "a.hdf5: mask 'trian': not there (did you mean 'train'?); expected one of train, valid"
    )
    told = message(lambda: read(names={"obs/objekt": "x"}), OptionError)
    assert told.startswith(
        "a.hdf5: 'obs/objekt': no such name to map (did you mean 'obs/object'?); expected one of action_dict/rel_pos, actions,"
    )
    assert message(lambda: read(names={"obs/object": "x//y"}), OptionError) == (
        "a.hdf5: 'obs/object' -> 'x//y': an empty part; expected a path such as 'objects/position'"
    )
    assert message(lambda: read(names={"obs/object": "time"})) == (
        "a.hdf5: both 'obs/object' and 'obs/time' would become 'time'; expected each name once\n"
        "  try: another name for one of them (--map obs/time=NAME), or none (--map obs/time=)"
    )
    assert message(lambda: read(prefix="episode_")) == (
        "a.hdf5: data: no episodes; expected groups called episode_0, episode_1, ...\n"
        "  try: --ep_prefix, if they are called otherwise; there: demo_0, demo_10, demo_2, demo_3"
    )


def test_arrays_larger_than_the_memory(monkeypatch):
    make_file("a.hdf5")
    monkeypatch.setattr("muse.datasets.formats.work.physical_memory", lambda: 100)
    assert message(read) == (
        "a.hdf5: 7.65 kB of arrays; expected at most the 100 B of memory here\n  "
        "try: muse convert to a .muse folder, which is read from the disk"
    )


def made(**changes):
    """Returns data without meta data, some arrays changed, some left out (None)."""
    arrays = {"joints": np.zeros((5, 2)), "action": np.zeros((5, 3)), "reward": np.zeros((5, 1)), **changes}
    return EpisodeData({name: a for name, a in arrays.items() if a is not None}, {}, np.array([2, 5]), {}, "a.npz")


def write(data, names=None, masks=()):
    return message(lambda: robomimic.write("b.hdf5", data, names, masks))


def test_data_that_cannot_be_a_file_of_robomimic():
    assert [
        write(made(action=None)),
        write(made(joints=None)),
        write(made(action=np.zeros(5))),
        write(made(joints=np.array([None] * 5))),
        write(made(), {"joints": "actions/joints", "reward": "obs/reward"}),
        write(made(**{"final/next/joints": np.zeros((5, 2))}), {"reward": "obs/joints"}),
        write(made(), masks=["train"]),
        write(EpisodeData({}, {}, np.array([], int), {}, "a.npz")),
    ] == [
        "a.npz: no action; expected one for robomimic's 'actions'\n  try: --map NAME=actions; names there: joints, reward",
        "a.npz: no observation; expected one or more for robomimic's 'obs'\n  try: --map NAME=obs/NAME; names there: action, reward",
        "a.npz: 'action': shape (5,); expected (N, A), as robomimic's actions are",
        "a.npz: 'joints': dtype object; expected a type of fixed size",
        "a.npz: 'actions/joints' would lie inside the array 'actions'; expected a place of its own\n  try: --map joints=PLACE",
        "a.npz: both 'joints' and 'reward' would become 'obs/joints'; expected each name once\n"
        "  try: another name for one of them (--map reward=NAME), or none (--map reward=)",
        "a.npz: split 'train': not there; expected one of none",
        "a.npz: no episodes; expected at least one to write",
    ]
    once = EpisodeData(made().steps, {"final/next/joints": np.zeros((2, 2))}, np.array([2, 5]), {}, "a.npz")
    assert write(once, {"joints": "", "reward": "obs/reward"}) == (
        "a.npz: 'final/next/joints' without the observation that it follows; expected obs/joints\n  try: --map final/next/joints="
    )
    assert not os.path.exists("b.hdf5")


def test_a_broken_origin():
    data, _ = read(make_file("a.hdf5"))
    good = data.meta["robomimic"]

    def told(**changes):
        block = {key: value for key, value in {**good, **changes}.items() if value is not None}
        write_file("a.npz", EpisodeData(data.steps, data.onetime, data.ends, {**data.meta, "robomimic": block}))
        return message(lambda: robomimic.write("b.hdf5", read_file("a.npz")))

    assert told(demos=None) == "a.npz: '_meta/robomimic': broken 'demos'; expected what Muse wrote\n  try: convert the file again"
    assert told(demos=["demo_0"]) == (
        "a.npz: '_meta/robomimic': lists of different lengths; expected what Muse wrote\n  try: convert the file again"
    )
    for text in ("!", good["demo_attributes"][:80]):
        assert "'_meta/robomimic': cannot be unpacked (" in told(demo_attributes=text)


def test_without_h5py(monkeypatch):
    make_file("a.hdf5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    for call in (read, lambda: robomimic.write("b.hdf5", made())):
        told = message(call, MissingExtraError)
        assert (
            told.startswith("robomimic's files: cannot import 'h5py' (") and "pip install -e '.[hdf5]' -c constraints.txt" in told
        )
