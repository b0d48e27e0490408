"""What is wrong in a dataset of LeRobot, or asked of one, is said; nothing broken is read as if it were whole."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_lerobot import SIZE, picture_of
from made_robomimic import made_by_muse

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.lerobot import LeRobotFormat, videos
from muse.datasets.formats.registry import find_format
from muse.datasets.formats.work import Work
from muse.utils.errors import OptionError

pa = pytest.importorskip("pyarrow", exc_type=ImportError)
pq = pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
pytest.importorskip("av", exc_type=ImportError)

THEIRS = Path(__file__).parent / "data" / "lerobot_v3"
EPISODES, DATA = "meta/episodes/chunk-000/file-000.parquet", "data/chunk-000/file-000.parquet"
FRONT = "videos/observation.images.front/chunk-000/file-000.mp4"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("video", "image"):
        shutil.copytree(THEIRS / kind, kind)


def read(path="video", names=None, splits=(), work=None, **options):
    return LeRobotFormat(options).read(Path(path), names or {}, splits, work or Work())


def write(data, names=None, splits=(), **options):
    return LeRobotFormat({"video": False, **options}).write(Path("b"), data, names or {}, splits, Work())


def change_info(path="video", **values):
    file = Path(path) / "meta" / "info.json"
    info = json.loads(file.read_text())
    for key, value in values.items():
        target, *parts = info, *key.split("__")
        for part in parts[:-1]:
            target = target[part.replace("_DOT_", ".")]
        target[parts[-1]] = value
    file.write_text(json.dumps(info))


def change_table(path, column, change):
    """Puts `change(values)` in the place of a column of a parquet file; None takes the column away."""
    table = pq.read_table(path)
    at = table.schema.names.index(column)
    if change is None:
        table = table.remove_column(at)
    else:
        values = pa.array(change(table[column].to_pylist()), None if change is as_text else table.schema.field(at).type)
        table = table.set_column(at, column, values)
    pq.write_table(table, path)


def as_text(values):
    return [str(value) for value in values]


def swap(values):
    return [values[1], values[0], *values[2:]]


INFO = {
    "version 2.1": ({"codebase_version": "v2.1"}, "convert_dataset_v21_to_v30"),
    "version 2.0": ({"codebase_version": "v2.0"}, "convert_dataset_v20_to_v21"),
    "version 4": ({"codebase_version": "v4.0"}, "a dataset of LeRobot 0.4"),
    "a path that leads away": ({"data_path": "../../x/{chunk_index}/{file_index}"}, "as LeRobot writes it"),
    "a pattern that fills memory": ({"video_path": "{video_key:>99999999999}"}, "as LeRobot writes it"),
    "no features": ({"features": None}, "no 'features'"),
    "a feature that leads away": ({"features": {"../x": {"dtype": "video", "shape": [4, 4, 3]}}}, "a name that no file may have"),
    "a type": ({"features__action": {"dtype": "object", "shape": [2]}}, "dtype 'object'"),
    "a shape": ({"features__action": {"dtype": "float32", "shape": [-2]}}, "positive sizes"),
    "a shape of text": ({"features__action": {"dtype": "float32", "shape": "2"}}, "shape '2'"),
    "another shape": ({"features__action": {"dtype": "float32", "shape": [3]}}, "another shape"),
    "another type": ({"features__action": {"dtype": "int64", "shape": [2]}}, "dtype float32; expected int64"),
    "a huge shape": ({"features__action": {"dtype": "float32", "shape": [2**40]}}, "of memory here"),
    "a huge picture": ({"features__observation_DOT_images_DOT_front__shape": [2**20, 2**20, 3]}, "of memory here"),
    "no timestamps": ({"features": {}}, "'timestamp'"),
    "no fps": ({"fps": 0}, "a whole number from 1"),
    "fps of text": ({"fps": "20"}, "a whole number from 1"),
    "more episodes": ({"total_episodes": 4}, "3 episodes; expected 4"),
    "huge episodes": ({"total_episodes": 10**30}, "a whole number from 0"),
    "more rows": ({"total_frames": 13}, "12 rows; expected 13"),
    "splits": ({"splits": {"train": "0:99"}}, "up to 3 episodes"),
    "a list of splits": ({"splits": [1]}, "split 'splits'"),
}


@pytest.mark.parametrize("case", INFO)
def test_info(case):
    values, message = INFO[case]
    change_info(**values)
    with pytest.raises(DataError, match=message.replace("(", r"\(")) as caught:
        read()
    assert str(caught.value).startswith("video")


TABLES = {
    "no length": (EPISODES, "length", None, "no column 'length'"),
    "length of text": (EPISODES, "length", as_text, "a number for each episode"),
    "a missing length": (EPISODES, "length", lambda v: [None, *v[1:]], "a number for each episode"),
    "another length": (EPISODES, "length", lambda v: [v[0] + 1, *v[1:]], "which follows from the lengths"),
    "a length of zero": (EPISODES, "length", lambda v: [0, *v[1:]], "without rows"),
    "lengths that overflow": (EPISODES, "length", lambda v: [2**62, 2**62, 2**62], "without rows|which follows"),
    "episodes out of order": (EPISODES, "episode_index", swap, "'episode_index' 1 for episode 0"),
    "a file that is not there": (EPISODES, "data/file_index", lambda v: [7, 7, 7], "no such file"),
    "a number that is no file": (EPISODES, "data/file_index", lambda v: [0, 0, -7], "out of range"),
    "files out of order": (EPISODES, "data/file_index", lambda v: [0, 1, 0], "do not follow one another"),
    "a time of no frame": (EPISODES, "videos/observation.images.front/from_timestamp", lambda v: [0.05, *v[1:]], "no frame at"),
    "an endless time": (EPISODES, "videos/observation.images.front/from_timestamp", lambda v: [np.inf, *v[1:]], "a number for each"),
    "a video that is not there": (EPISODES, "videos/observation.images.front/file_index", lambda v: [0, 0, 1], "no such file"),
    "no action": (DATA, "action", None, "0 columns 'action'"),
    "text for action": (DATA, "action", as_text, "rows of type string"),
    "a row without action": (DATA, "action", lambda v: [None, *v[1:]], "cut short|without a value"),
    "NaN": (DATA, "action", lambda v: [*v[:5], [0.0, np.nan], *v[6:]], "'action': NaN or infinity in row 1"),
    "rows out of order": (DATA, "index", swap, "episode 0, row 0: 'index' 1; expected 0"),
    "rows of another episode": (DATA, "episode_index", lambda v: [1, *v[1:]], "episode 0, row 0: 'episode_index' 1"),
    "frames out of order": (DATA, "frame_index", swap, "episode 0, row 0: 'frame_index' 1"),
    "a task that is not there": (DATA, "task_index", lambda v: [9, *v[1:]], "'task_index': 0 to 9; expected below 2"),
    "a task below zero": (DATA, "task_index", lambda v: [-1, *v[1:]], "'task_index': -1 to 0"),
    "times without frames": (DATA, "timestamp", lambda v: [0.02, *v[1:]], "no frame at 0.02"),
    "times that fall": (DATA, "timestamp", swap, "times that do not rise"),
    "a time that is none": (DATA, "timestamp", lambda v: [np.nan, *v[1:]], "'timestamp': NaN"),
    "tasks out of order": ("meta/tasks.parquet", "task_index", swap, "tasks out of order"),
    "tasks without text": ("meta/tasks.parquet", "__index_level_0__", None, "task_index and one of text"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables(case):
    file, column, change, message = TABLES[case]
    change_table(Path("video") / file, column, change)
    with pytest.raises(DataError, match=message):
        read()


def test_pictures_in_parquet():
    path, key = Path("image") / DATA, "observation.images.wrist"
    from muse.datasets.formats.lerobot.features import to_png

    def second(content):
        return lambda values: [values[0], {"bytes": content, "path": "frame-000001.png"}, *values[2:]]

    whole = pq.read_table(path)
    cases = {
        b"": "no picture", b"garbage": "no picture", None: "no picture in row", to_png(picture_of(1)[:40]): r"\(40, 64, 3\)",
        to_png(picture_of(1))[:90]: "no picture",
    }  # fmt: skip
    for content, message in cases.items():
        pq.write_table(whole, path)
        change_table(path, key, second(content))
        with pytest.raises(DataError, match=message):
            read("image")


@pytest.mark.parametrize("file", [EPISODES, DATA, FRONT, "meta/info.json", "meta/tasks.parquet"])
def test_files_that_are_missing_cut_short_or_garbage(file):
    path = Path("video") / file
    content = path.read_bytes()
    for broken in (b"", b"garbage" * 40, content[: len(content) // 2], content[:-20], b"\0" * len(content)):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=file.rpartition("/")[2]):
            read()
    path.unlink()
    with pytest.raises(DataError, match=r"no such file|cannot be read|no episodes"):
        read()


def test_a_video_that_is_shorter_than_its_episodes():
    frames = [picture_of(number) for number in range(11)]
    videos.encode(Path("video") / FRONT, frames, (*SIZE, 3), 10, "h264", 30)
    with pytest.raises(DataError, match=r"no frame at 1.100000 s \(the nearest is at 1.000000 s\)"):
        read()
    data, _ = read(splits=("train",), names={"observation.images.front": ""})
    assert data.num_rows == 12


def test_a_video_of_another_size():
    videos.encode(Path("video") / FRONT, [picture_of(0)[:40]] * 12, (40, SIZE[1], 3), 10, "h264", 30)
    with pytest.raises(DataError, match="frames of 40 x 64; expected 48 x 64"):
        read()


def test_bytes_changed_anywhere():
    rng = np.random.default_rng(0)
    whole, _ = read()
    for file in (DATA, "meta/tasks.parquet", FRONT, EPISODES):
        path = Path("video") / file
        content = path.read_bytes()
        for _ in range(15):
            broken = bytearray(content)
            broken[rng.integers(4, len(content))] ^= 1 << rng.integers(8)
            path.write_bytes(broken)
            # Numbers may be others then. What is read is whole.
            try:
                data, _ = read()
                assert {name: array.shape for name, array in data.steps.items()} == {n: a.shape for n, a in whole.steps.items()}
            except DataError:
                pass
        path.write_bytes(content)


def test_names_to_map():
    with pytest.raises(OptionError, match="no such name to map"):
        read(names={"observation.stat": "x"})
    with pytest.raises(DataError, match="both 'observation.state' and 'action' would become 'x'"):
        read(names={"observation.state": "x", "action": "x"})
    with pytest.raises(DataError, match="'x/y' would lie inside the array 'x'"):
        read(names={"observation.state": "x", "action": "x/y"})
    with pytest.raises(DataError, match="would become 'done'"):
        read(names={"next.reward": "done"})
    with pytest.raises(DataError, match="split 'valid'"):
        read(splits=("valid",))


def test_what_muse_keeps():
    write(made_by_muse())
    kept, arrays = Path("b/meta/muse.json"), Path("b/meta/muse.npz")
    text, content = kept.read_text(), arrays.read_bytes()
    for broken in (
        "",
        "[]",
        "{}",
        text.replace('"version": 1', '"version": 2', 1),
        text.replace('"shape": [', '"shape": [-1, ', 1),
    ):
        kept.write_text(broken)
        with pytest.raises(DataError, match="muse.json"):
            read("b")
    kept.write_text(text)
    for broken in (b"", content[:-30]):
        arrays.write_bytes(broken)
        with pytest.raises(DataError, match="muse.npz"):
            read("b")
    arrays.write_bytes(content)
    huge = json.loads(text)
    for column in huge["columns"]:
        column["dtype"] = "<U99999999" if column["name"] == "policy_type" else column["dtype"]
    kept.write_text(json.dumps(huge))
    data, fates = read("b")
    assert "policy_type" not in data.steps and data.steps["info_policy_type"].dtype == np.uint8
    assert "info.policy_type" in {fate.source for fate in fates}
    arrays.unlink()
    with pytest.raises(DataError, match=r"muse.npz: no such file"):
        read("b")
    kept.unlink()
    data, _ = read("b")
    assert data.steps["state"].shape == (8, 9) and data.onetime["param/task"].tolist() == [""] * 3


def test_what_cannot_be_written():
    data = made_by_muse()
    with pytest.raises(OptionError, match="one value for each episode"):
        write(data, {"param/size": "observation.size"})
    with pytest.raises(OptionError, match="no place for it"):
        write(data, {"ego": "frame_index"})
    with pytest.raises(OptionError, match="no times that LeRobot takes"):
        write(data, {"height": "timestamp"})
    with pytest.raises(OptionError, match="a text for each episode or row"):
        write(data, {"ego": "task"})
    with pytest.raises(OptionError, match="another name in that file"):
        write(data, {"ego": "meta/muse.npz/other"})
    with pytest.raises(DataError, match="bool beside others"):
        write(data, {"truncated": "observation.state/truncated"})
    with pytest.raises(DataError, match="uint8 beside others"):
        write(data, {"image": "observation.state"})
    with pytest.raises(OptionError, match="no such name"):
        write(data, {"egg": "x"})
    Path("b").write_text("a file")
    with pytest.raises(DataError, match="a file; expected a folder"):
        write(data)
    assert Path("b").read_text() == "a file"
    Path("b").unlink()
    odd = EpisodeData({"image": np.zeros((2, 7, 9, 3), np.uint8)}, {}, np.array([2]), {})
    with pytest.raises(DataError, match="another codec, or pictures in the parquet files"):
        write(odd, video=True, codec="h264")
    text = EpisodeData({"note": np.array([["\ud800"]])}, {}, np.array([1]), {})
    with pytest.raises(DataError, match="cannot be written"):
        write(text)
    for name in ("param/x", "x"):
        once = {name: np.array([[np.nan]])} if name.startswith("param") else {}
        steps = {"x": np.array([[np.inf]])} if not once else {"y": np.zeros((1, 1))}
        with pytest.raises(DataError, match="NaN or infinity"):
            write(EpisodeData(steps, once, np.array([1]), {}))
    assert not Path("b").exists() and {path.name for path in Path(".").iterdir()} == {"video", "image"}


@pytest.mark.parametrize(
    "options", [{"fps": 0}, {"crf": 99}, {"codec": "gif"}, {"tolerance_s": -1.0}, {"video_files_size_in_mb": 0}, {"x": 1}]
)
def test_options(options):
    with pytest.raises(OptionError):
        LeRobotFormat(options)


def test_what_is_recognized():
    assert LeRobotFormat.recognizes(Path("video")) and find_format("video") is LeRobotFormat
    change_info(codebase_version="v2.1")
    assert LeRobotFormat.recognizes(Path("video"))
    Path("image/meta/info.json").write_text("[")
    for path in ("image", "nothing", "video/meta/info.json", "."):
        assert not LeRobotFormat.recognizes(Path(path))
