"""LeRobot's own library accepts what Muse writes, and sees what Muse holds.

Runs where MUSE_LEROBOT_PYTHON names an interpreter that has LeRobot; `benchmarks/lerobot_reader.py` says how to make one.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_lerobot import SIZE, number_of, picture_of
from made_robomimic import made_by_muse

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.lerobot import LeRobotFormat
from muse.datasets.formats.work import Work

pytest.importorskip("pyarrow", exc_type=ImportError)
pytest.importorskip("av", exc_type=ImportError)
ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("MUSE_LEROBOT_PYTHON")
THEIRS = Path(__file__).parent / "data" / "lerobot_v3"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="MUSE_LEROBOT_PYTHON names no interpreter with LeRobot"),
]


def seen_by_lerobot(path):
    """Returns what LeRobot's library sees in a dataset."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(Path("hf").resolve())}
    # Muse's own libraries are of other versions.
    env.pop("PYTHONPATH", None)
    command = [PYTHON, ROOT / "benchmarks" / "lerobot_reader.py", path, "seen.npz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=env)
    assert done.returncode == 0, done.stderr
    with np.load("seen.npz") as seen:
        return dict(seen)


def write(data, **options):
    return LeRobotFormat(options).write(Path("b"), data, {}, (), Work())


def with_large_pictures():
    """Returns `made_by_muse` with pictures that tell the number of their row, and a text for each episode."""
    data = made_by_muse(lengths=(13, 1, 4))
    pictures = np.stack([picture_of(row) for row in range(data.num_rows)])
    leaves = [{**leaf, "shape": [*SIZE, 3]} if leaf["name"] == "image" else leaf for leaf in data.meta["spec"]["leaves"]]
    tasks = np.array(["put it there", "öffne", "put it there"])
    leaves.append({**leaves[0], "name": "param/task", "shape": [], "dtype": tasks.dtype.str, "role": "param"})
    meta = {**data.meta, "spec": {"leaves": leaves}}
    return EpisodeData({**data.steps, "image": pictures}, {**data.onetime, "param/task": tasks}, data.ends, meta)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def as_seen(pictures):
    return np.moveaxis(pictures, -1, 1).astype(np.float32) / 255


@pytest.mark.parametrize(
    "options", [{"video": False}, {}, {"codec": "h264", "crf": 5}, {"codec": "hevc", "join_observations": False}]
)
def test_what_muse_collected(options):
    data = with_large_pictures()
    write(data, **options)
    seen, ends = seen_by_lerobot("b"), data.ends
    joined = np.concatenate([data.steps[name].reshape(18, -1) for name in ("ego", "objects/position", "height")], axis=1)
    wanted = {"action": data.steps["action"], "next.reward": data.steps["reward"], "goal.ego": data.steps["goal/ego"]}
    wanted |= {"info.policy_type": data.steps["policy_type"], "next.truncated": data.steps["truncated"]}
    wanted |= {"next.done": data.done(), "frame_index": data.rollout_timestep(), "index": np.arange(18)}
    wanted["episode_index"] = np.repeat(np.arange(3), np.diff(ends, prepend=0))
    if options.get("join_observations", True):
        wanted["observation.state"] = joined
    else:
        wanted |= {f"observation.{name.replace('/', '.')}": data.steps[name] for name in ("ego", "objects/position", "height")}
    for key, array in wanted.items():
        assert np.array_equal(seen[f"row/{key}"], array.reshape(18, -1)), key
        item = seen[f"item/{key}"].reshape(18, -1)
        assert np.array_equal(item, array.astype(item.dtype).reshape(18, -1)), key
    assert seen["item/task"].tolist() == ["put it there"] * 13 + ["öffne"] + ["put it there"] * 4
    key = "observation.images.image"
    back, _ = LeRobotFormat().read(Path("b"), {}, (), Work())
    # The frames of the one are those of the other to the bit, and those of their rows.
    assert np.array_equal(seen[f"item/{key}"], as_seen(back.steps["image"]))
    assert [number_of(picture) for picture in back.steps["image"]] == list(range(18))
    if options.get("video") is False:
        assert np.array_equal(seen[f"item/{key}"], as_seen(data.steps["image"]))
    assert np.array_equal(seen[f"last/{key}"], seen[f"item/{key}"][14:]) and seen["last/index"].tolist() == [14, 15, 16, 17]
    rows = np.minimum(np.arange(18)[:, None] + np.arange(4), np.repeat(ends, np.diff(ends, prepend=0))[:, None] - 1)
    assert np.array_equal(seen["window/action"], data.steps["action"][rows])
    assert np.array_equal(seen[f"window/{key}"], seen[f"item/{key}"][rows])
    policy = json.loads(str(seen["policy"]))
    assert policy[key] == ["FeatureType.VISUAL", [3, *SIZE]] and policy["action"] == ["FeatureType.ACTION", [5]]


def test_statistics():
    data = with_large_pictures()
    write(data, video=False)
    seen = seen_by_lerobot("b")
    for name, of in {"mean": np.mean, "std": np.std, "min": np.min, "max": np.max}.items():
        assert np.allclose(seen[f"stats/action/{name}"], of(data.steps["action"].astype(np.float64), axis=0))
        pictures = seen[f"stats/observation.images.image/{name}"]
        assert pictures.shape == (3, 1, 1) and np.allclose(pictures[:, 0, 0], of(data.steps["image"] / 255, axis=(0, 1, 2)))
    own = [key for key in seen if key.startswith("stats/")]
    assert len(own) > 100 and all(np.allclose(seen[key], seen[key.replace("stats/", "aggregated/")]) for key in own)


@pytest.mark.parametrize("kind", ["video", "image"])
def test_what_lerobot_wrote(kind):
    data, fates = LeRobotFormat().read(THEIRS / kind, {}, (), Work())
    before = seen_by_lerobot(THEIRS / kind)
    for fate in (fate for fate in fates if fate.became in data.steps):
        item, mine = before[f"item/{fate.source}"], data.steps[fate.became]
        if mine.dtype == np.uint8:
            assert np.array_equal(item, as_seen(mine))
        else:
            assert np.array_equal(item.reshape(mine.shape), mine.astype(item.dtype)), fate.source
    write(data, video=False)
    after = seen_by_lerobot("b")
    for key in (key for key in before if key.startswith(("row/", "item/", "window/", "last/"))):
        assert np.array_equal(before[key], after[key]), key


def test_every_kind_of_number():
    rng = np.random.default_rng(0)
    shapes = {"a": (), "b": (3,), "c": (2, 3), "d": (2, 1, 2), "e": (1, 2, 1, 2), "f": (2, 1, 1, 2, 1)}
    types = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
    steps = {f"{name}/{kind}": rng.integers(0, 2, (7, *shape)).astype(kind) for name, shape in shapes.items() for kind in types}
    steps |= {"note": np.array([["x"], ["yé"], [""]] * 2 + [["z"]]), "action": np.zeros((7, 1), np.int64)}
    write(EpisodeData(steps, {}, np.array([3, 7]), {}), join_observations=False)
    seen = seen_by_lerobot("b")
    for name, array in steps.items():
        key = "action" if name == "action" else "observation." + name.replace("/", ".")
        item = seen[f"item/{key}"]
        assert np.array_equal(item.reshape(7, -1), array.astype(item.dtype).reshape(7, -1)), key
