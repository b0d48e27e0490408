"""What somebody reads whose dataset of another project is broken, or cannot be one; and that nothing in it is run."""

import json
import os
import pickle
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from refusals import message

from muse.datasets.formats.conversion import joined_fates
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.registry import find_format, get_format, open_data
from muse.datasets.formats.work import Work
from muse.utils.errors import MissingExtraError, OptionError

h5py = pytest.importorskip("h5py")
pytest.importorskip("zarr")

AGAIN = "\n  try: copy or download it again"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def data(**changes):
    steps = {"state": np.arange(10.0).reshape(5, 2), "action": np.ones((5, 1)), **changes}
    steps = {name: array for name, array in steps.items() if array is not None}
    return EpisodeData(steps, {"param/x": np.arange(2.0)}, np.array([2, 5]), {"splits": {"a": [1]}}, "made")


def put(form, path, made=None, names=None, splits=()):
    return get_format(form)().write(Path(path), made or data(), names or {}, splits, Work())


def zarray(key, **changes):
    """Changes what an array of `a.zarr` says of itself."""
    file = Path("a.zarr", key, ".zarray")
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def objects(codec):
    """Makes `data/state` an array of objects, whose chunk runs code when it is unpickled."""
    zarray("data/state", dtype="|O", shape=[5], chunks=[5], compressor=None, filters=[{"id": codec}], fill_value=None)
    for chunk in Path("a.zarr/data/state").glob("[0-9]*"):
        chunk.unlink()
    Path("a.zarr/data/state/0").write_bytes(pickle.dumps(Bomb()))


REFUSED = "; refused, nothing was run; expected numbers, or text of a fixed length\n  try: leave it out (--map data/state=), or have it saved as plain numbers"
CODECS = "; refused, nothing was run; expected none, or one of blosc, lz4, zstd, zlib, gzip\n  try: leave it out (--map data/state=), or have it saved as plain numbers"


def chunk(content, **changes):
    zarray("data/state", **changes)
    Path("a.zarr/data/state/0.0").write_bytes(content)


def ends(values, dtype="<i8"):
    zarray("meta/episode_ends", shape=[len(values)], chunks=[max(1, len(values))], dtype=dtype)
    Path("a.zarr/meta/episode_ends/0").unlink()
    if values:
        Path("a.zarr/meta/episode_ends/0").write_bytes(np.array(values, dtype).tobytes())


WRONG_ZARR = [
    (lambda: objects("pickle"), "a.zarr: 'data/state': objects (\"|O\", coded by 'pickle')" + REFUSED),
    (lambda: objects("msgpack2"), "a.zarr: 'data/state': objects (\"|O\", coded by 'msgpack2')" + REFUSED),
    (lambda: zarray("data/state", dtype=[["a", "|O"]]), "a.zarr: 'data/state': objects ([[\"a\", \"|O\"]])" + REFUSED),
    (lambda: zarray("data/state", filters=[{"id": "pickle"}]), "a.zarr: 'data/state': objects (\"<f8\", coded by 'pickle')" + REFUSED),
    (lambda: zarray("data/state", compressor={"id": "pickle"}), "a.zarr: 'data/state': compressor 'pickle'" + CODECS),
    (lambda: zarray("data/state", compressor={"id": "imagecodecs_jpegxl"}), "a.zarr: 'data/state': compressor 'imagecodecs_jpegxl'" + CODECS),
    (
        lambda: chunk(struct.pack("<BBBBIII", 2, 1, 1, 8, 2**31 - 1, 80, 16)),
        f"a.zarr: 'data/state', chunk 0.0: 2147483647 bytes; expected 80 for chunks of (5, 2) float64{AGAIN}",
    ),
    (
        lambda: chunk(struct.pack("<I", 2**31 - 1), compressor={"id": "lz4", "acceleration": 1}),
        f"a.zarr: 'data/state', chunk 0.0: 2147483647 bytes; expected 80 for chunks of (5, 2) float64{AGAIN}",
    ),
    (
        lambda: chunk(bytes.fromhex("28b52ffd") + b"\xe0" + struct.pack("<Q", 2**40), compressor={"id": "zstd", "level": 1}),
        f"a.zarr: 'data/state', chunk 0.0: 1099511627776 bytes; expected 80 for chunks of (5, 2) float64{AGAIN}",
    ),
    (
        lambda: chunk(zlib.compress(bytes(10**6)), compressor={"id": "zlib", "level": 1}),
        f"a.zarr: 'data/state', chunk 0.0: 1000000 bytes; expected 80 for chunks of (5, 2) float64{AGAIN}",
    ),
    (
        lambda: chunk(b"short", compressor=None),
        f"a.zarr: 'data/state', chunk 0.0: 5 bytes; expected 80 for chunks of (5, 2) float64{AGAIN}",
    ),
    (
        lambda: zarray("data/state", chunks=[2**40, 2]),
        "a.zarr: 'data/state': chunks of 17592186044416 bytes; expected 1 to 2147483647\n"
        "  try: leave it out (--map data/state=), or have it saved as plain numbers",
    ),
    (lambda: zarray("data/state", chunks=[0, 2]), f"a.zarr: 'data/state', .zarray: broken (sizes or format); expected what zarr writes{AGAIN}"),
    (lambda: zarray("data/state", shape=[-5, 2]), f"a.zarr: 'data/state', .zarray: broken (size -5); expected what zarr writes{AGAIN}"),
    (
        lambda: Path("a.zarr/data/state/.zarray").write_text("{"),
        "a.zarr: 'data/state', .zarray: no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); "
        f"expected a JSON object{AGAIN}",
    ),
    (
        lambda: zarray("data/state", shape=[4, 2]),
        "a.zarr: 'data/state': 4 rows; expected 5, as meta/episode_ends says\n  try: mend the buffer, or leave it out (--map data/state=)",
    ),
    (
        lambda: shutil.rmtree("a.zarr/meta/episode_ends"),
        "a.zarr: 'meta/episode_ends': missing; expected (E,) int64, the row after each episode's last\n"
        "  try: there: data/action, data/state, meta/param_x",
    ),
    (lambda: ends([]), "a.zarr: 'meta/episode_ends': no episodes; expected at least one"),
    (lambda: ends([2, 2]), "a.zarr: 'meta/episode_ends': 2 for episode 1; expected more than 2: an episode has a row at least"),
    (lambda: ends([2.0, 5.0], "<f8"), "a.zarr: 'meta/episode_ends': shape (2,) float64; expected (E,) int64, the row after each episode's last"),
    (
        lambda: (Path("a.zarr/.zgroup").unlink(), Path("a.zarr/zarr.json").write_text("{}")),
        "a.zarr: zarr of format 3; expected zarr of format 2\n  try: zarr.open_group(..., zarr_format=2) writes it",
    ),
    (
        lambda: Path("a.zarr/.zattrs").write_text('{"muse": {"version": 1}}'),
        "a.zarr: attribute 'muse': broken (KeyError: 'columns'); expected what Muse wrote beside the arrays\n"
        "  try: delete it, and it is read as a dataset that others made; or write the dataset again",
    ),
    (
        lambda: Path("a.zarr/.zattrs").write_text("[]"),
        "a.zarr: .zattrs: a list; expected a JSON object",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), WRONG_ZARR)
def test_what_is_wrong_in_a_buffer(change, told):
    put("zarr", "a.zarr")
    change()
    assert message(lambda: open_data("a.zarr")) == told
    assert not Path("exploded").exists()


@pytest.mark.parametrize("codec", ["pickle", "msgpack2"])
def test_objects_may_be_left_out(codec):
    put("zarr", "a.zarr")
    objects(codec)
    assert set(open_data("a.zarr", names={"data/state": ""}).steps) == {"action"} and not Path("exploded").exists()


def test_broken_chunks_and_archives():
    put("zarr", "a.zarr")
    content = bytearray(Path("a.zarr/data/state/0.0").read_bytes())
    content[12:16] = b"\xff\xff\xff\x7f"
    Path("a.zarr/data/state/0.0").write_bytes(content)
    assert message(lambda: open_data("a.zarr")).startswith("a.zarr: 'data/state': cannot be unpacked (")
    put("zarr", "b.zarr.zip")
    whole = Path("b.zarr.zip").read_bytes()
    Path("b.zarr.zip").write_bytes(whole[: len(whole) // 2])
    assert message(lambda: open_data("b.zarr.zip")).startswith("b.zarr.zip: cut short or no archive (")
    assert message(lambda: open_data("none.zarr")).startswith(
        "none.zarr: nothing there; expected a replay buffer of diffusion_policy"
    )


def test_others_have_added_an_episode():
    import zarr

    put("zarr", "a.zarr")
    root = zarr.open("a.zarr", mode="r+")
    for key in ("state", "action"):
        array = root["data"][key]
        array.resize((7, array.shape[1]))
        array[5:] = 3
    root["meta"]["episode_ends"].resize((3,))
    root["meta"]["episode_ends"][2] = 7
    read, fates = get_format("zarr")().read(Path("a.zarr"), {}, (), Work())
    told = {fate.source: (fate.became, fate.note) for fate in fates}
    assert (
        read.ends.tolist() == [2, 5, 7]
        and "splits" not in read.meta
        and not read.onetime
        and (read.steps["state"][5:] == 3).all()
    )
    assert told["meta/param_x"] == ("", "shape (2,), not a row for each of the 3 episodes")
    assert told["@muse"][1] == "without splits and one-time names: others have changed the episodes since Muse wrote them"


def table(**changes):
    file = Path("a-v0/data/metadata.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def hdf5(change):
    with h5py.File("a-v0/data/main_data.hdf5", "a") as file:
        change(file)


def replace(path, value):
    def change(file):
        del file[path]
        file[path] = value

    return lambda: hdf5(change)


LEAVE = "\n  try: mend the dataset, or leave the name out (--map {}=)"
WRONG_MINARI = [
    (lambda: Path("a-v0/data/metadata.json").unlink(), "a-v0: no metadata.json; expected a dataset of Minari: a folder with data/main_data.hdf5 and data/metadata.json"),
    (lambda: Path("a-v0/data/metadata.json").write_text("3"), "a-v0/data/metadata.json: a int; expected a JSON object"),
    (
        lambda: table(data_format="arrow"),
        "a-v0/data/metadata.json: data_format 'arrow'; expected 'hdf5'\n  try: read it with minari, and write it with data_format='hdf5'",
    ),
    (lambda: table(total_episodes=3), f"a-v0: 2 episodes; expected 3, as metadata.json says{AGAIN}"),
    (lambda: hdf5(lambda f: f.__delitem__("episode_0/rewards")), "a-v0: episode_0/rewards: missing; expected (T,) numbers\n  try: there: actions, muse/param/x, observations/state, terminations, truncations"),
    (replace("episode_0/rewards", np.zeros(0)), "a-v0: episode_0/rewards: shape (0,); expected (T,), a row at least"),
    (replace("episode_1/observations/state", np.zeros((3, 2))), "a-v0: episode_1/observations/state: 3 rows; expected 4" + LEAVE.format("observations/state")),
    (replace("episode_1/actions", np.zeros((3, 2))), "a-v0: episode_1/actions: rows of shape (2,) float64; expected (1,) float64, as in episode_0" + LEAVE.format("actions")),
    (
        lambda: hdf5(lambda f: f.__delitem__("episode_1/observations/state")),
        "a-v0: episode_1/observations/state: missing; expected in every episode what is in one of them" + LEAVE.format("observations/state"),
    ),
    (
        replace("episode_1/observations/state", np.full((4, 2), np.nan)),
        "a-v0: episode 1, 'observations/state': NaN or infinity in row 0; expected finite numbers\n  try: drop or mend the episode",
    ),
    (lambda: hdf5(lambda f: [f.__delitem__(name) for name in list(f)]), "a-v0: no episodes; expected groups called episode_0, episode_1, ...\n  try: there: nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), WRONG_MINARI)
def test_what_is_wrong_in_a_dataset_of_minari(change, told):
    put("minari", "a-v0")
    change()
    assert message(lambda: open_data("a-v0", "minari")) == told


def test_pictures_that_are_none():
    shutil.copytree(Path(__file__).parent / "fixtures" / "minari" / "muse" / "tiny-v3", "a-v0")
    hdf5(lambda file: file["episode_1/observations/camera"].__setitem__(1, 7))
    assert message(lambda: open_data("a-v0")).startswith("a-v0: /episode_1/observations/camera, row 1: no JPEG (")


def episodes(**files):
    Path("eps").mkdir()
    for name, arrays in files.items():
        np.savez(Path("eps", f"{name}.npz"), **arrays)


ROWS = {"action": np.zeros((3, 2)), "state": np.zeros((3, 4))}
WRONG_EPISODES = [
    ({"e1": ROWS, "e2": {"action": np.zeros((3, 2))}}, "eps/e2.npz: 'state': missing; expected in every file what is in one of them\n  try: mend the file, or leave the name out (--map state=)"),
    ({"e1": ROWS, "e2": {**ROWS, "state": np.zeros((3, 5))}}, "eps/e2.npz: 'state': rows of shape (5,) float64; expected (4,) float64, as in e1.npz\n  try: mend the file, or leave the name out (--map state=)"),
    ({"e1": {**ROWS, "done": np.array([False, True, True])}}, "eps/e1.npz: 'done': true before the last row; expected true there alone\n  try: a folder has one episode a file: cut it at each done"),
    ({"e1": {"action": np.zeros((0, 2))}}, "eps/e1.npz: no rows; expected arrays with a row for each step, (T, ...)"),
    ({"e1": {**ROWS, "info": np.array([{}] * 3, object)}}, "eps/e1.npz: 'info': pickled objects; refused, nothing was run; expected an array of numbers or fixed-size text\n  try: load_ignore_prefixes, or convert the file"),
    ({}, "eps: no .npz file; expected a folder of .npz files, one for each episode\n  try: there: nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "told"), WRONG_EPISODES)
def test_what_is_wrong_in_a_folder_of_episodes(files, told):
    episodes(**files)
    assert message(lambda: open_data("eps", "episodes")) == told


def test_a_folder_that_others_made():
    episodes(
        ep_10={**ROWS, "goal": np.ones(4), "word": np.array(["long text"] * 3), "done": np.array([0, 0, 1])},
        ep_9={
            "action": np.ones((2, 2)),
            "state": np.ones((2, 4)),
            "goal": np.zeros(4),
            "word": np.array(["a", "b"]),
            "done": np.array([0, 1]),
        },
    )
    read, fates = get_format("episodes")().read(Path("eps"), {"goal": "param/goal"}, (), Work())
    assert (
        read.ends.tolist() == [2, 5]
        and read.steps["action"][0].tolist() == [1, 1]
        and read.onetime["param/goal"][1].tolist() == [1] * 4
    )
    assert read.steps["word"][:, 0].tolist() == ["a", "b", *["long text"] * 3] and find_format("eps").name == "episodes"
    assert {fate.source for fate in fates} == {"action", "state", "goal", "word", "done"}
    assert set(open_data("eps", names={"word": ""}).steps) == {"action", "state"}


def test_data_that_another_project_cannot_hold():
    assert message(lambda: put("minari", "b-v0", data(action=None))) == (
        "made: no action; expected one or more for Minari's 'actions'\n  try: --map NAME=actions/NAME; names there: state, param/x"
    )
    assert message(lambda: put("minari", "b-v0", names={"state": "infos/state"})) == (
        "made: no observation; expected one or more for Minari's 'observations'\n"
        "  try: --map NAME=observations/NAME; names there: state, action, param/x"
    )
    assert message(lambda: put("minari", "b-v0", names={"param/x": "x"}), OptionError) == (
        "made: 'param/x' -> 'x': no place for it; expected one that begins with muse/\n  try: --map param/x=PLACE"
    )
    assert message(lambda: put("minari", "b-v0", data(word=np.array(["a"] * 5)), {"word": "observations/word"})) == (
        "made: 'word' -> 'observations/word': dtype <U1; expected numbers\n  try: --map word=infos/word"
    )
    assert message(
        lambda: get_format("minari")({"dataset_id": "a b"}).write(Path("b-v0"), data(), {}, (), Work()), OptionError
    ) == ("dataset_id 'a b': no name for Minari; expected [namespace/]name-v0: letters, digits, - and _")
    assert message(lambda: put("zarr", "b.zarr", names={"state": "state"}), OptionError) == (
        "made: 'state' -> 'state': no place for it; expected data/KEY\n  try: --map state=data/KEY"
    )
    assert message(lambda: put("zarr", "b.zarr", data(**{"a/b": np.zeros(5), "a_b": np.zeros(5)}))) == (
        "made: both 'a/b' and 'a_b' would become 'data/a_b'; expected each name once\n"
        "  try: another name for one of them (--map a_b=NAME), or none (--map a_b=)"
    )
    assert message(lambda: put("episodes", "b", names={"state": "done"}), OptionError) == (
        "made: 'state' -> 'done': a name of its own meaning; expected another name"
    )
    assert message(lambda: put("episodes", "b", splits=["b"])) == "made: split 'b': not there; expected one of a"
    dates = data(when=np.full(5, np.datetime64("2026-01-01")), wave=np.ones((5, 1), np.complex64))
    for form, place, name, kind in (
        ("zarr", "b.zarr", "wave", "complex64"), ("robomimic", "b.hdf5", "wave", "complex64"),
        ("zarr", "b.zarr", "when", "datetime64[D]"), ("robomimic", "b.hdf5", "when", "datetime64[D]"), ("minari", "b-v0", "when", "datetime64[D]"),
    ):  # fmt: skip
        other = {"wave": "when", "when": "wave"}[name]
        text = message(lambda form=form, place=place, other=other: put(form, place, dates, {other: ""}))
        assert f"'{name}'" in text and f"dtype {kind}; expected numbers, truths or text\n  try: --map {name}=" in text
    Path("taken").write_text("mine")
    assert message(lambda: put("episodes", "taken")) == "taken: a file; expected a folder, or nothing yet"
    assert sorted(path.name for path in Path().iterdir()) == ["taken"] and Path("taken").read_text() == "mine"


def test_what_is_no_dataset():
    Path("empty").mkdir()
    assert message(lambda: find_format("empty")).startswith(
        "empty: a folder of no form that Muse knows; expected one of npz, muse, robomimic"
    )
    assert message(lambda: open_data("x", "lerobo"), OptionError).startswith("format 'lerobo': no such format")
    assert message(lambda: find_format("x.txt")) == (
        "x.txt: a name that ends in '.txt'; expected one that ends in .npz, .muse, .hdf5, .h5, .zarr, .zarr.zip\n"
        "  try: for a folder of another form, tell muse convert which: --from or --to NAME"
    )


@pytest.mark.parametrize(("form", "module", "extra"), [("zarr", "zarr", "zarr"), ("minari", "h5py", "hdf5")])
def test_without_the_library(form, module, extra, monkeypatch):
    put(form, "a.zarr" if form == "zarr" else "a-v0")
    monkeypatch.setitem(sys.modules, module, None)
    path = Path("a.zarr" if form == "zarr" else "a-v0")
    for call in (lambda: get_format(form)().read(path, {}, (), Work()), lambda: put(form, "b")):
        told = message(call, MissingExtraError)
        assert f"cannot import '{module}' (" in told and f"pip install -e '.[{extra}]' -c constraints.txt" in told


def test_a_report_over_muses_names_says_nothing_twice():
    read = [Fate("data/ego", "ego", "(5, 2) float32; rows beyond the last are left out")]
    written = [Fate("ego", "observations/ego", "(5, 2) float32; the last row once more")]
    note = "(5, 2) float32; rows beyond the last are left out; the last row once more; by way of 'ego'"
    assert joined_fates(read, written) == [Fate("data/ego", "observations/ego", note)]
