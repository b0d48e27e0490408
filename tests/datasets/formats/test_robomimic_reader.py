"""robomimic's own reader accepts what Muse writes, and sees what Muse holds.

Runs where MUSE_ROBOMIMIC_PYTHON names an interpreter that has robomimic; `benchmarks/robomimic_reader.py` says how to make one.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from made_robomimic import ENV_ARGS, made_by_muse, make_file

from muse.datasets.formats import robomimic

ROOT = Path(__file__).resolve().parents[3]
PYTHON = os.environ.get("MUSE_ROBOMIMIC_PYTHON")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="MUSE_ROBOMIMIC_PYTHON names no interpreter with robomimic"),
]


def seen_by_robomimic(path):
    """Returns what robomimic's reader sees in a file."""
    done = subprocess.run(
        [PYTHON, ROOT / "benchmarks" / "robomimic_reader.py", path, "seen.npz"], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    with np.load("seen.npz") as seen:
        return dict(seen)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_came_from_robomimic():
    with robomimic.Reader(make_file("a.hdf5")) as reader:
        data, _ = reader.read()
    robomimic.write("b.hdf5", data)
    seen, before = seen_by_robomimic("b.hdf5"), seen_by_robomimic("a.hdf5")
    assert set(seen) == set(before) and all(np.array_equal(seen[name], before[name]) for name in seen)
    assert json.loads(str(seen["env"])) == ENV_ARGS and seen["action_size"] == 7
    assert np.array_equal(seen["actions"], data.steps["action"]) and np.array_equal(seen["obs/object"], data.steps["object"])
    assert np.array_equal(seen["next_obs/object"][data.ends - 1], data.onetime["final/next/object"])
    assert np.array_equal(seen["obs/agentview_image"], data.steps["image"])
    assert seen["mask/train"].tolist() == ["demo_3", "demo_0"] and len(seen["mask_actions/train"]) == 9
    assert seen["windows"].shape == (12, 10, 7)


def test_what_muse_collected():
    data = made_by_muse()
    robomimic.write("b.hdf5", data)
    seen = seen_by_robomimic("b.hdf5")
    env = json.loads(str(seen["env"]))
    assert (env["env_name"], env["type"]) == ("NutAssemblySquare", 1)
    assert json.loads(str(seen["shapes"])) == {
        "agentview_image": [3, 6, 8],
        "ego": [2],
        "height": [1],
        "objects_position": [2, 3],
    }
    for name, place in {"action": "actions", "ego": "obs/ego", "objects/position": "obs/objects_position"}.items():
        assert np.array_equal(seen[place], data.steps[name])
    assert np.array_equal(seen["rewards"], data.steps["reward"][:, 0]) and np.array_equal(seen["dones"], data.done())
    assert len(seen["mask_actions/late"]) == 5 and not len(seen["mask/none"])
