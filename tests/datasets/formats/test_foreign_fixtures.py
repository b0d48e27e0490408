"""Files that Minari and zarr 2 wrote are read as they are, and what Muse writes is read by them.

`fixtures/make_minari.py` and `fixtures/make_zarr.py` made the files. The second half runs where MUSE_MINARI_PYTHON and MUSE_ZARR2_PYTHON name
interpreters that have minari[hdf5] 0.5.4 and zarr 2; that of zarr 3 runs always.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_robomimic import made_by_muse

from muse.datasets.formats.registry import find_format, get_format, open_data
from muse.datasets.formats.work import Work

pytest.importorskip("h5py")
pytest.importorskip("zarr")

FIXTURES = Path(__file__).parent / "fixtures"
TINY = FIXTURES / "minari" / "muse" / "tiny-v3"
MINARI, ZARR_2 = (os.environ.get(f"MUSE_{name}_PYTHON") for name in ("MINARI", "ZARR2"))
ENDS = [3, 4, 8]


def became(form, path, **names):
    data, fates = get_format(form)().read(path, names, (), Work())
    return data, {fate.source: fate.became for fate in fates}


@pytest.mark.parametrize("name", ["pusht.zarr", "pusht.zarr.zip"])
def test_a_buffer_of_diffusion_policy(name):
    data, told = became("zarr", FIXTURES / name)
    assert find_format(FIXTURES / name).name == "zarr" and data.ends.tolist() == ENDS
    rng, wanted = np.random.default_rng(0), {"state": [], "keypoint": [], "action": []}
    for length in (3, 1, 4):
        wanted["state"].append(rng.random((length, 5)).astype(np.float32))
        wanted["keypoint"].append(rng.random((length, 9, 2)).astype(np.float32))
        wanted["action"].append(rng.random((length, 2)).astype(np.float32))
    assert all(np.array_equal(data.steps[key], np.concatenate(rows)) for key, rows in wanted.items())
    assert data.steps["image"][:, 0, 0, 0].tolist() == [0, 0, 0, 1, 2, 2, 2, 2] and data.steps["n_contacts"].shape == (8, 1)
    roles = {leaf["name"]: leaf["role"] for leaf in data.meta["spec"]["leaves"]}
    seen = "observation"
    assert roles == {"action": "action", "image": seen, "keypoint": seen, "state": seen, "n_contacts": ""}
    assert told == {
        "data/action": "action", "data/img": "image", "data/keypoint": "keypoint", "data/n_contacts": "n_contacts",
        "data/state": "state", "meta/episode_ends": "done",
    }  # fmt: skip


def test_a_dataset_of_minari():
    data, told = became("minari", TINY)
    assert find_format(TINY).name == find_format(TINY / "data").name == "minari" and data.ends.tolist() == ENDS
    assert data.steps["camera"][:, 5, 5, 1].tolist() == [0, 20, 40, 1, 2, 22, 42, 62] and data.onetime[
        "final/next/camera"
    ].shape == (3, 32, 32, 3)
    assert data.steps["mode"][:, 0].tolist() == [0, 1, 2, 0, 0, 1, 2, 0] and data.onetime["final/next/mode"][:, 0].tolist() == [
        0,
        1,
        1,
    ]
    positions = np.split(np.random.default_rng(0).uniform(-1, 1, (4, 2)), [3])
    assert np.array_equal(data.steps["robot/position"][:3], positions[0])
    assert np.array_equal(data.onetime["final/next/robot/position"][0], positions[1][0])
    assert data.steps["info/success"].tolist() == data.steps["truncated"][:, 0].tolist() == data.done().tolist()
    assert not data.steps["terminated"].any() and data.onetime["param/seed"].tolist() == [100, 101, 102]
    leaves = {leaf["name"]: leaf for leaf in data.meta["spec"]["leaves"]}
    assert (leaves["robot/position"]["low"], leaves["action"]["high"], leaves["action"]["role"]) == (-1.0, 1.0, "action")
    assert (
        data.meta["minari"]["dataset_id"] == "muse/tiny-v3"
        and told["infos/word"] == ""
        and told["metadata.json"] == "_meta/minari"
    )
    assert set(told.values()) >= {*data.steps, *data.onetime, "done"}


def see(python, script, *words, **variables):
    done = subprocess.run(
        [python, FIXTURES / script, *words, "seen.npz"],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr
    with np.load("seen.npz") as seen:
        return dict(seen)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.zarr", "a.zarr.zip"])
@pytest.mark.parametrize(
    "python", [pytest.param(ZARR_2, marks=pytest.mark.skipif(not ZARR_2, reason="no zarr 2")), sys.executable], ids=["2", "3"]
)
def test_zarr_sees_what_muse_holds(python, name):
    data = made_by_muse()
    get_format("zarr")().write(Path(name), data, {}, (), Work())
    seen = see(python, "see_zarr.py", name)
    assert str(seen.pop("zarr")).startswith("2" if python == ZARR_2 else "")
    keys = {"image": "img", "goal/ego": "goal_ego", "objects/position": "objects_position"}
    wanted = {f"data/{keys.get(key, key)}": array for key, array in data.steps.items()} | {"meta/episode_ends": data.ends}
    wanted |= {f"meta/{key.replace('/', '_')}": array for key, array in data.onetime.items()}
    assert set(seen) == set(wanted)
    assert all(seen[key].dtype == array.dtype and np.array_equal(seen[key], array) for key, array in wanted.items())


@pytest.mark.slow
@pytest.mark.skipif(not MINARI, reason="MUSE_MINARI_PYTHON names no interpreter with minari")
def test_minari_sees_what_muse_holds(tmp_path):
    data = made_by_muse()
    data.onetime["final/next/ego"] = np.full((3, 2), 7, np.float32)
    get_format("minari")({"dataset_id": "ns/mine-v1"}).write(Path("ns/mine-v1"), data, {}, (), Work())
    seen = see(MINARI, "see_minari.py", "ns/mine-v1", MINARI_DATASETS_PATH=str(tmp_path))
    assert json.loads(str(seen.pop("about"))) == ["ns/mine-v1", 3, 8]
    begin = 0
    for number, end in enumerate(data.ends):
        rows, one = (
            slice(begin, end),
            {key.partition("/")[2]: array for key, array in seen.items() if key.startswith(f"{number}/")},
        )
        for name in ("ego", "objects/position", "image", "height", "goal/ego"):
            assert np.array_equal(one[f"observations/{name}"][:-1], data.steps[name][rows])
        assert (one["observations/ego"][-1] == 7).all() and np.array_equal(
            one["observations/image"][-1], data.steps["image"][end - 1]
        )
        assert np.array_equal(one["actions"], data.steps["action"][rows]) and np.array_equal(
            one["rewards"], data.steps["reward"][rows, 0]
        )
        assert np.array_equal(one["infos/policy_type"][1:], data.steps["policy_type"][rows])
        assert np.array_equal(one["truncations"], data.steps["truncated"][rows, 0]) and one["terminations"].sum() <= 1
        begin = end


@pytest.mark.slow
@pytest.mark.skipif(not MINARI, reason="MUSE_MINARI_PYTHON names no interpreter with minari")
def test_what_came_from_minari_goes_back(tmp_path):
    get_format("minari")().write(Path("muse/tiny-v3"), open_data(TINY), {}, (), Work())
    after = see(MINARI, "see_minari.py", "tiny-v3", MINARI_DATASETS_PATH=str(tmp_path / "muse"))
    before = see(MINARI, "see_minari.py", "muse/tiny-v3", MINARI_DATASETS_PATH=str(FIXTURES / "minari"))
    assert {name.partition("/")[2] for name in set(before) ^ set(after)} == {"infos/word"}
    # The first row of infos is that of the reset, which Muse does not keep.
    same = [name for name in after if name != "about" and "infos" not in name]
    assert len(same) == 21 and all(
        after[name].dtype == before[name].dtype and np.array_equal(after[name], before[name]) for name in same
    )
