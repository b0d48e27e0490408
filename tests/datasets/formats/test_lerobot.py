"""LeRobot's datasets: what becomes of every name, and that all of it comes back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import make_dataset, make_episodes, make_spec
from made_lerobot import FPS, LENGTHS, PICTURES, SIZE, TASKS, number_of, picture_of, row_of
from made_robomimic import assert_same_data, made_by_muse

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.lerobot import LeRobotFormat
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, write_file
from muse.specs import EnvSpec

pq = pytest.importorskip("pyarrow.parquet", exc_type=ImportError)
pytest.importorskip("av", exc_type=ImportError)

THEIRS = Path(__file__).parent / "data" / "lerobot_v3"
EXACT = {"video": False}
FAST = {"codec": "h264", "crf": 10}


def read(path, names=None, splits=(), work=None, **options):
    return LeRobotFormat(options).read(Path(path), names or {}, splits, work or Work())


def write(path, data, names=None, splits=(), work=None, **options):
    return LeRobotFormat(options).write(Path(path), data, names or {}, splits, work or Work())


def became(fates):
    return {fate.source: fate.became for fate in fates}


def info_of(path):
    return json.loads((Path(path) / "meta" / "info.json").read_text())


def rows_of(path):
    return pq.read_table(sorted((Path(path) / "data").glob("*/*.parquet"))).to_pylist()


def with_pictures(lengths=(4, 3, 5), cameras=("image", "ego_image")):
    """Returns data whose pictures tell the number of their row."""
    leaves = [("ego", (2,), "float32", "observation"), ("action", (2,), "float32", "action")]
    leaves += [(name, (*SIZE, 3), "uint8", "observation") for name in cameras]
    spec = make_spec(leaves)
    data = make_dataset(spec, make_episodes(spec, lengths)).to_data()
    for number, name in enumerate(cameras):
        data.steps[name][...] = [picture_of((row * 2 + number) % 256) for row in range(data.num_rows)]
    return data


def numbers_in(data, name="image"):
    return [number_of(picture) for picture in data.steps[name]]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# What LeRobot wrote.


def test_what_becomes_of_every_feature():
    data, fates = read(THEIRS / "video")
    n = sum(LENGTHS)
    assert {name: (array.shape, str(array.dtype)) for name, array in data.steps.items()} == {
        "state": ((n, 3), "float32"),
        "action": ((n, 2), "float32"),
        "reward": ((n, 1), "float32"),
        "image": ((n, *SIZE, 3), "uint8"),
        "timestamp": ((n, 1), "float32"),
    }
    assert data.onetime["param/task"].tolist() == TASKS and data.ends.tolist() == np.cumsum(LENGTHS).tolist()
    roles = {leaf["name"]: leaf["role"] for leaf in data.meta["spec"]["leaves"]}
    assert roles == {
        "state": "observation", "action": "action", "reward": "output_observation", "image": "observation", "timestamp": "",
        "param/task": "param",
    }  # fmt: skip
    assert data.meta["splits"] == {"train": [0, 1, 2]}
    assert data.meta["lerobot"]["fps"] == FPS and data.meta["lerobot"]["elements"]["observation.state"] == ["x", "y", "grip.pos"]
    told = became(fates)
    assert set(info_of(THEIRS / "video")["features"]) <= set(told) and told["frame_index"] == "" and told["task"] == "param/task"


@pytest.mark.parametrize("kind", ["video", "image"])
def test_values_are_those_that_were_given_to_lerobot(kind):
    data, fates = read(THEIRS / kind)
    told, row = became(fates), 0
    keys = [key for key in row_of(0, 0) if key in told]
    assert len(keys) == 4
    for episode, length in enumerate(LENGTHS):
        for step in range(length):
            wanted = row_of(episode, step)
            for key in keys:
                value = data.steps[told[key]][row]
                if key in PICTURES and kind == "video":
                    assert number_of(value) == number_of(wanted[key])
                    assert np.abs(value.astype(int) - wanted[key]).mean() < 6
                else:
                    assert np.array_equal(value, np.asarray(wanted[key]).reshape(value.shape)), key
            row += 1
    assert row == data.num_rows


@pytest.mark.parametrize("kind", ["video", "image"])
def test_a_dataset_of_lerobot_goes_back(kind):
    data, _ = read(THEIRS / kind)
    write("b", data, video=kind == "video", codec="h264", crf=5)
    before, after = info_of(THEIRS / kind), info_of("b")
    assert set(after["features"]) - set(before["features"]) <= {"next.done"}
    for key, feature in before["features"].items():
        its = {name: value for name, value in after["features"][key].items() if name != "info"}
        assert its == {name: value for name, value in feature.items() if name != "info"}, key
    for key in ("fps", "robot_type", "total_episodes", "total_frames", "total_tasks", "splits", "data_path", "codebase_version"):
        assert before[key] == after[key]
    for mine, its in zip(rows_of("b"), rows_of(THEIRS / kind), strict=True):
        assert {key: mine[key] for key in its if key not in PICTURES} == {key: its[key] for key in its if key not in PICTURES}
    again, _ = read("b")
    if kind == "video":
        assert numbers_in(again) == numbers_in(data)
        again.steps["image"][...] = data.steps["image"]
    assert_same_data(again, data)


def test_statistics_are_as_lerobot_makes_them():
    data, _ = read(THEIRS / "image")
    write("b", data, **EXACT)
    mine, its = (json.loads((Path(folder) / "meta" / "stats.json").read_text()) for folder in ("b", THEIRS / "image"))
    assert set(mine) == set(its)
    for key, stats in its.items():
        assert set(mine[key]) == set(stats)
        for name, value in stats.items():
            # LeRobot's quantiles are those of a histogram; of arrays in two dimensions all is by the last; squares of pictures
            # overflow in 8 bits there before their deviation is made of them.
            if not name.startswith("q") and key != "observation.grid" and (key not in PICTURES or name != "std"):
                assert np.shape(mine[key][name]) == np.shape(value)
                assert np.allclose(mine[key][name], value, atol=1e-6), (key, name)
    pictures = data.steps["ego_image"] / 255
    assert np.allclose(np.ravel(mine[PICTURES[1]]["std"]), pictures.std(axis=(0, 1, 2)))
    columns = [
        set(pq.read_schema(Path(f) / "meta" / "episodes" / "chunk-000" / "file-000.parquet").names)
        for f in ("b", THEIRS / "image")
    ]
    assert columns[0] == columns[1]


def test_names_can_be_mapped_and_left_out():
    names = {"observation.state": "robot/joints", "task": "", "next.reward": "reward", "timestamp": ""}
    data, fates = read(THEIRS / "video", names)
    assert set(data.steps) == {"robot/joints", "action", "reward", "image"} and not data.onetime
    assert became(fates)["task"] == "" and became(fates)["timestamp"] == ""


def test_cameras_have_short_names_only_where_there_is_no_doubt():
    from muse.datasets.formats.lerobot.names import names_in_muse

    def names(*cameras):
        keys = [f"observation.images.{camera}" for camera in cameras]
        return [names_in_muse(keys)(key) for key in keys]

    assert names("front") == ["image"] and names("front", "wrist") == ["image", "ego_image"]
    assert names("laptop", "phone") == ["images/laptop", "images/phone"]
    assert names("top", "side", "hand_eye") == ["images/top", "images/side", "ego_image"]
    assert names("wrist.left", "wrist.right") == ["images/wrist_left", "images/wrist_right"]
    assert names_in_muse(["observation.image"])("observation.image") == "image"
    assert names_in_muse([])("observation.state.arm") == "state_arm" and names_in_muse([])("action.arm") == "action_arm"


# What Muse writes.


@pytest.mark.parametrize("join", [True, False])
@pytest.mark.parametrize("name", ["a.npz", "a.muse"])
def test_data_of_muse_comes_back_to_the_bit(name, join):
    write_file(name, made_by_muse())
    data = read_file(name)
    told = became(write("b", data, join_observations=join, **EXACT))
    back, fates = read("b")
    assert_same_data(back, data, but=("version",))
    assert told["ego"] == ("observation.state/ego" if join else "observation.ego")
    assert told["objects/position"] == ("observation.state/objects/position" if join else "observation.objects.position")
    assert told["goal/ego"] == "goal.ego" and told["reward"] == "next.reward" and told["policy_type"] == "info.policy_type"
    assert told["param/size"] == "meta/muse.npz/param/size" and told["image"] == "observation.images.image"
    assert became(fates)[told["ego"]] == "ego"
    features = info_of("b")["features"]
    if join:
        names = ["ego_0", "ego_1", *(f"objects/position_{i}" for i in range(6)), "height"]
        assert features["observation.state"] == {"dtype": "float64", "shape": [9], "names": names}
    assert features["action"] == {"dtype": "float32", "shape": [5], "names": [f"action_{i}" for i in range(5)]}
    assert info_of("b")["fps"] == 20
    rows = rows_of("b")
    assert [row["next.done"] for row in rows] == data.done().tolist()
    assert [row["frame_index"] for row in rows] == data.rollout_timestep().tolist()
    assert np.allclose([row["timestamp"] for row in rows], data.rollout_timestep() / 20)


def test_pictures_in_videos_are_those_of_their_rows():
    data = with_pictures(lengths=(40, 1, 3, 25, 2))
    write("b", data, fps=7)
    back, _ = read("b")
    for number, name in enumerate(("image", "ego_image")):
        assert numbers_in(back, name) == [row * 2 + number for row in range(71)]
        error = np.abs(back.steps[name].astype(int) - data.steps[name])
        assert 0 < error.mean() < 5
        back.steps[name][...] = data.steps[name]
    assert_same_data(back, data)
    features = info_of("b")["features"]
    assert features["observation.images.image"] == {
        "dtype": "video", "shape": [*SIZE, 3], "names": ["height", "width", "channels"],
        "info": {
            "video.height": SIZE[0], "video.width": SIZE[1], "video.codec": "av1", "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,             "video.fps": 7, "video.channels": 3, "has_audio": False,
        },
    }  # fmt: skip
    assert sorted(path.name for path in Path("b/videos").iterdir()) == [
        "observation.images.ego_image",
        "observation.images.image",
    ]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_other_codecs(codec):
    data = with_pictures(cameras=("image",))
    write("b", data, codec=codec, crf=0)
    back, _ = read("b")
    assert numbers_in(back) == list(range(0, 24, 2)) and np.abs(back.steps["image"].astype(int) - data.steps["image"]).mean() < 1


def test_only_some_splits():
    data = with_pictures()
    data.meta["splits"] = {"train": [2, 0], "valid": [1]}
    write("all", data, **FAST)
    part, fates = read("all", splits=("train",))
    assert part.ends.tolist() == [4, 9] and numbers_in(part) == [0, 2, 4, 6, 14, 16, 18, 20, 22]
    assert part.meta["splits"] == {"train": [1, 0], "valid": []} and np.array_equal(part.steps["ego"][4:], data.steps["ego"][7:])
    write("valid", data, splits=("valid",), **FAST)
    valid, _ = read("valid")
    assert numbers_in(valid) == [8, 10, 12] and valid.meta["splits"] == {"train": [], "valid": [0]}
    assert became(fates)["meta/muse.json, split train"] == "split train"


def test_files_are_split_at_their_sizes(monkeypatch):
    rng = np.random.default_rng(0)
    data = with_pictures(lengths=[6] * 5, cameras=("image",))
    pictures = rng.integers(0, 256, data.steps["image"].shape).astype(np.uint8)
    steps = {**data.steps, "ego": rng.standard_normal((30, 10000)).astype(np.float32), "image": pictures}
    noise = EpisodeData(steps, {}, data.ends, {})
    write("b", noise, data_files_size_in_mb=1, video_files_size_in_mb=1, codec="h264", crf=0)
    assert len(list(Path("b/data/chunk-000").iterdir())) == 3 and len(list(Path("b/meta/episodes/chunk-000").iterdir())) == 5
    back, _ = read("b")
    assert np.array_equal(back.steps["ego"], noise.steps["ego"])

    monkeypatch.setattr("muse.datasets.formats.lerobot.writing._CHUNK_FILES", 2)
    monkeypatch.setattr("muse.datasets.formats.lerobot.writing._MEGABYTE", 1)
    write("c", data, **FAST)
    videos = sorted(path.relative_to("c/videos/observation.images.image").as_posix() for path in Path("c/videos").glob("*/*/*"))
    assert videos == [f"chunk-{chunk:03d}/file-{file:03d}.mp4" for chunk, file in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))]
    assert_pictures(read("c")[0], 30)


def assert_pictures(data, rows):
    assert numbers_in(data) == list(range(0, rows * 2, 2))


def test_the_text_of_the_task():
    data = with_pictures(cameras=())
    write("b", data, task="lift the block", **EXACT)
    assert pq.read_table("b/meta/tasks.parquet").to_pylist() == [{"task_index": 0, "__index_level_0__": "lift the block"}]
    back, _ = read("b")
    assert_same_data(back, data)
    named, _ = read("b", {"task": "param/task"})
    assert named.onetime["param/task"].tolist() == ["lift the block"] * 3
    named.onetime["param/task"] = np.array(["öffne", "lift the block", "öffne"])
    assert became(write("c", named))["param/task"] == "task"
    episodes = pq.read_table("c/meta/episodes/chunk-000/file-000.parquet")["tasks"].to_pylist()
    assert episodes == [["öffne"], ["lift the block"], ["öffne"]]
    again, _ = read("c")
    assert again.onetime["param/task"].tolist() == ["öffne", "lift the block", "öffne"]


def test_a_task_that_changes_on_the_way():
    data = with_pictures(cameras=())
    data.steps["task"] = np.array([["reach"]] * 6 + [["lift"]] * 6)
    spec = EnvSpec.from_dict(data.meta["spec"])
    data.meta["spec"] = {
        "leaves": [
            *spec.to_dict()["leaves"],
            {**spec.to_dict()["leaves"][0], "name": "task", "shape": [1], "dtype": "<U5", "role": ""},
        ]
    }
    assert became(write("b", data))["task"] == "task"
    for file in ("muse.json",):
        assert_same_data(read("b")[0], data)
        Path("b/meta", file).unlink()
    theirs, _ = read("b")
    assert theirs.steps["task"][:, 0].tolist() == ["reach"] * 6 + ["lift"] * 6 and not theirs.onetime


def test_rates():
    data = with_pictures(cameras=())
    write("a", data)
    assert info_of("a")["fps"] == 20
    data.meta["fingerprint"] = {"params": {"control_frequency": 12.6}}
    told = {fate.became: fate.note for fate in write("b", data)}
    assert (
        info_of("b")["fps"] == 13 and told["meta/info.json, fps"] == "13, the environment's control frequency, rounded from 12.6"
    )
    write("c", data, fps=50)
    assert info_of("c")["fps"] == 50


def test_times_of_their_own_are_kept_beside():
    data, _ = read(THEIRS / "video", {"observation.images.front": ""})
    data.steps["timestamp"][5] += 0.01
    assert became(write("b", data))["timestamp"] == "info.timestamp"
    assert_same_data(read("b")[0], data)


def test_names_side_by_side_as_told():
    data = made_by_muse()
    told = became(write("b", data, {"height": "observation.environment_state", "policy_type": "", "goal/ego": "goal/g"}, **EXACT))
    assert (told["height"], told["policy_type"], told["goal/ego"]) == ("observation.environment_state", "", "goal/g")
    features = info_of("b")["features"]
    assert features["observation.state"]["dtype"] == "float32" and features["goal"]["names"] == ["goal/ego_0", "goal/ego_1"]
    back, _ = read("b")
    assert set(back.steps) == set(data.steps) - {"policy_type"} and np.array_equal(back.steps["goal/ego"], data.steps["goal/ego"])
    whole, _ = read("b", {"observation.state": "state"})
    assert np.array_equal(whole.steps["state"][:, :2], data.steps["ego"]) and "ego" not in whole.steps


def test_what_others_changed_since():
    data = made_by_muse()
    write("b", data, **EXACT)
    kept = json.loads(Path("b/meta/muse.json").read_text())
    Path("b/meta/muse.json").write_text(json.dumps({**kept, "episodes": 4}))
    back, fates = read("b")
    assert "final/count" not in back.onetime and "note" not in back.steps and "param/task" in back.onetime
    assert back.meta["splits"] == {"train": [0, 1, 2]} and np.array_equal(back.steps["height"], data.steps["height"])
    assert "others have changed" in next(fate.note for fate in fates if fate.source == "meta/muse.json")
    assert "dones" in back.steps and "timestamp" in back.steps


# Killed, and gone on.


@pytest.mark.parametrize("killed_at", [1, 3, 5])
def test_writing_goes_on_where_it_was(killed_at):
    data = with_pictures(lengths=[2] * 5, cameras=("image",))
    made = []

    def stop(done, total):
        made.append(done)
        if done == killed_at and len(made) == killed_at:
            raise KeyboardInterrupt

    for _ in range(2):
        try:
            with Work.beside("b", {"source": 1}) as work:
                LeRobotFormat(FAST).write(Path("b"), data, {}, (), work.stage("write"), stop)
        except KeyboardInterrupt:
            assert not Path("b").exists()
    assert made == [1, 2, 3, 4, 5]
    assert_pictures(read("b")[0], 10)
    assert [path.name for path in Path(".").iterdir()] == ["b"]


@pytest.mark.parametrize("killed_at", [1, 2])
def test_reading_goes_on_where_it_was(killed_at):
    whole, _ = read(THEIRS / "video")
    made = []

    def stop(done, total):
        made.append(done)
        if done == killed_at and len(made) == killed_at:
            raise KeyboardInterrupt

    for _ in range(2):
        try:
            with Work.beside("b.muse", {"source": 1}) as work:
                data, _ = LeRobotFormat().read(THEIRS / "video", {}, (), work.stage("read"), stop)
                assert_same_data(data, whole)
        except KeyboardInterrupt:
            pass
    assert made == [1, 2, 3]


def test_an_error_leaves_what_was_there():
    data = with_pictures(cameras=("image",))
    write("b", data, **FAST)
    before = {path: path.read_bytes() for path in Path("b").rglob("*") if path.is_file()}
    data.steps["ego"][7, 0] = np.nan
    with pytest.raises(Exception, match="NaN or infinity in row 0"):
        write("b", data, **FAST)
    assert {path: path.read_bytes() for path in Path("b").rglob("*") if path.is_file()} == before
    data.steps["ego"][7, 0] = 0
    write("b", data, **EXACT)
    assert not Path("b/videos").exists() and [path.name for path in Path(".").iterdir()] == ["b"]
    assert_same_data(read("b")[0], data)


# Anything comes back.

NAMES = st.sampled_from(
    ["ego", "objects/position", "action", "image", "a.b", "observation.state", "task", "x y", "goal/q", "timestamp", "é"]
)
TYPES = st.sampled_from(
    ["float16", "float32", "float64", ">f4", "int8", "int64", "uint64", "bool", "uint8", "U3", "S2", "complex64"]
)
SHAPES = st.sampled_from([(), (1,), (3,), (2, 3), (4, 5, 3), (1, 2, 1, 2, 1, 2), (0,), (2, 2, 1)])
ROLES = st.sampled_from(["observation", "action", "goal", "output_observation", "", "param", "final"])


@settings(max_examples=40)
@given(
    st.lists(st.tuples(NAMES, SHAPES, TYPES, ROLES), min_size=1, max_size=6, unique_by=lambda leaf: leaf[0]),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.booleans(),
)
def test_anything_comes_back(leaves, lengths, join):
    rng = np.random.default_rng(0)
    once = [name for name, _, _, role in leaves if role in ("param", "final")]
    arrays = {}
    for name, shape, dtype, _ in leaves:
        values = rng.integers(0, 2 if dtype == "bool" else 99, (len(lengths) if name in once else sum(lengths), *shape))
        arrays[name] = (values / 7 if np.dtype(dtype).kind in "fc" else values).astype(dtype)
    steps = {name: array for name, array in arrays.items() if name not in once}
    meta = {"spec": make_spec(leaves).to_dict(), "splits": {"some": [0]}, "version": 1}
    data = EpisodeData(steps, {name: arrays[name] for name in once}, np.cumsum(lengths), meta)
    if {"observation.state", "a.b"} & set(steps) or len([leaf for leaf in leaves if leaf[3] == "action"]) > 1:
        # Names with a dot, and several actions, may want one place.
        try:
            write("b", data, join_observations=join, **EXACT)
        except Exception as error:
            assert type(error).__name__ == "DataError", error
            return
    else:
        write("b", data, join_observations=join, **EXACT)
    back, _ = read("b")
    assert_same_data(back, data)
    shutil.rmtree("b")


WRITES = """
import sys
from pathlib import Path
from muse.datasets.formats.lerobot import LeRobotFormat
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file
with Work.beside("b", {"source": 1}) as work:
    tell = lambda done, total: print(done, flush=True)
    LeRobotFormat({"codec": "h264", "crf": 10}).write(Path("b"), read_file("a.muse"), {}, (), work.stage("write"), tell)
"""


def test_a_writer_that_is_killed_goes_on():
    data = with_pictures(lengths=[3] * 8, cameras=("image",))
    write_file("a.muse", data)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command, told = [sys.executable, "-c", WRITES], []
    for last in ("4", ""):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as child:
            for line in child.stdout:
                told.append(line.strip())
                if told[-1] == last:
                    child.kill()
                    break
        assert (child.returncode == 0) == Path("b").exists() == (last == "")
    assert told[-1] == "8" and len(told) >= 8
    back, _ = read("b")
    assert_pictures(back, 24)
    back.steps["image"][...] = data.steps["image"]
    assert_same_data(back, data, but=("version",))
    assert sorted(path.name for path in Path(".").iterdir()) == ["a.muse", "b"]
