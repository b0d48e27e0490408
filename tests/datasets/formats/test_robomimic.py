"""robomimic's files: what becomes of every name, and that all of it goes back."""

import json
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from made_robomimic import ENV_ARGS, LENGTHS, assert_same_data, content_of, made_by_muse, make_file

from muse.datasets import NpDataset
from muse.datasets.formats import robomimic
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.work import Work
from muse.datasets.loading import read_file, write_file
from muse.specs import EnvSpec

h5py = pytest.importorskip("h5py")
NATIVE = ["a.npz", "a.muse"]


def read(path, names=None, masks=(), prefix="demo_", work=None):
    with robomimic.Reader(path, prefix, masks) as reader:
        return reader.read(names, work)


def became(fates):
    return {fate.source: fate.became for fate in fates}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_becomes_of_every_name():
    data, fates = read(make_file("a.hdf5", np.float64))
    n, e = sum(LENGTHS), len(LENGTHS)
    assert {name: (array.shape, str(array.dtype)) for name, array in data.steps.items()} == {
        "states": ((n, 9), "float64"),
        "action": ((n, 7), "float32"),
        "actions_abs": ((n, 7), "float32"),
        "action_dict/rel_pos": ((n, 3), "float32"),
        "reward": ((n, 1), "float32"),
        "dones": ((n, 1), "int64"),
        "object": ((n, 14), "float32"),
        "robot0_eef_quat": ((n, 4), "float32"),
        "time": ((n, 1), "float32"),
        "image": ((n, 6, 8, 3), "uint8"),
        "ego_image": ((n, 6, 8, 3), "uint8"),
        "policy_type": ((n, 1), "int64"),
        "policy_name": ((n, 1), "<U7"),
        "policy_switch": ((n, 1), "bool"),
        "truncated": ((n, 1), "bool"),
    }
    once = {"object": (14,), "robot0_eef_quat": (4,), "time": (1,), "image": (6, 8, 3), "ego_image": (6, 8, 3)}
    assert {name: array.shape for name, array in data.onetime.items()} == {f"final/next/{k}": (e, *s) for k, s in once.items()}
    assert data.ends.tolist() == [4, 6, 11, 12] and data.done().sum() == e
    assert (data.steps["policy_type"] == -1).all() and not data.steps["policy_switch"].any()
    assert set(data.steps["policy_name"].ravel()) == {"unknown"}
    assert data.meta["splits"] == {"train": [2, 0], "valid": [3]}
    roles = {leaf["name"]: leaf["role"] for leaf in data.meta["spec"]["leaves"]}
    assert roles["action"] == "action" and roles["reward"] == "output_observation" and roles["final/next/object"] == "final"
    assert {name for name, role in roles.items() if role == "observation"} == set(once)
    told = became(fates)
    for name in content_of("a.hdf5"):
        if name.startswith("data/demo_0/"):
            assert told.pop(name.removeprefix("data/demo_0/"))
    assert set(told) == {
        "data@env_args", "data@total", "demo_*@num_samples", "demo_*@model_file", "demo_*@ep_meta", "demo_*@gain", "demo_*@seeds",
        "mask/train", "mask/valid", "(not there)",
    }  # fmt: skip


def test_values_are_those_of_the_file():
    data, _ = read(make_file("a.hdf5", np.float64))
    with h5py.File("a.hdf5") as file:
        for number, demo in enumerate(["demo_0", "demo_2", "demo_3", "demo_10"]):
            group, rows = file["data"][demo], slice(data.ends[number] - LENGTHS[number], data.ends[number])
            assert np.array_equal(data.steps["states"][rows], group["states"][()])
            assert np.array_equal(data.steps["action"][rows], group["actions"][()].astype(np.float32))
            assert np.array_equal(data.steps["reward"][rows, 0], group["rewards"][()])
            assert np.array_equal(data.steps["image"][rows], group["obs/agentview_image"][()])
            assert np.array_equal(data.onetime["final/next/object"][number], group["next_obs/object"][-1].astype(np.float32))
            kept = robomimic.demo_attributes(data.meta)[number]
            assert kept["model_file"] == group.attrs["model_file"] and json.loads(kept["ep_meta"]) == {"lang": f"öffne {demo}"}
    assert len(json.dumps(data.meta["robomimic"])) < 4000
    assert json.loads(data.meta["robomimic"]["attributes"]["data"]["env_args"]) == ENV_ARGS


@pytest.mark.parametrize("name", NATIVE)
def test_a_file_goes_back_to_the_bit(name):
    data, _ = read(make_file("a.hdf5"))
    write_file(name, data)
    fates = robomimic.write("b.hdf5", read_file(name))
    before, after = content_of("a.hdf5"), content_of("b.hdf5")
    assert after.pop("data@muse_meta") and after == before
    assert became(fates)["policy_name"] == "" and became(fates)["final/next/image"] == "next_obs/agentview_image"
    again, _ = read("b.hdf5")
    assert_same_data(again, data)


def test_float64_is_rounded_once():
    data, _ = read(make_file("a.hdf5", np.float64))
    robomimic.write("b.hdf5", data)
    after = content_of("b.hdf5")
    assert (
        after["data/demo_0/actions"][0] == np.float32
        and after["data/demo_0/states"] == content_of("a.hdf5")["data/demo_0/states"]
    )
    assert_same_data(read("b.hdf5")[0], data)


@pytest.mark.parametrize("name", NATIVE)
def test_data_of_muse_comes_back_to_the_bit(name):
    write_file(name, made_by_muse())
    data = read_file(name)
    fates = robomimic.write("b.hdf5", data)
    back, _ = read("b.hdf5")
    assert_same_data(back, data, but=("robomimic", "version"))
    told = became(fates)
    assert told["objects/position"] == "obs/objects_position" and told["image"] == "obs/agentview_image"
    assert told["goal/ego"] == "muse/goal/ego" and told["final/word"] == "muse/final/word" and told["done"] == "dones"
    with h5py.File("b.hdf5") as file:
        demo = file["data/demo_2"]
        assert demo["rewards"].shape == (4,) and demo["dones"][()].tolist() == [0, 0, 0, 1] and demo["obs/height"].shape == (4, 1)
        assert "next_obs" not in demo
        assert file["mask/late"][()].tolist() == [b"demo_2", b"demo_1"] and file["mask/none"].shape == (0,)
        assert file["data"].attrs["total"] == 8
        assert json.loads(file["data"].attrs["env_args"]) == {
            "env_name": "NutAssemblySquare", "env_version": "1.5.1", "type": 1,
            "env_kwargs": {
                "robots": ["Panda"], "control_freq": 20, "reward_shaping": False, "has_renderer": False, "has_offscreen_renderer": True,
                "ignore_done": True, "use_object_obs": True, "use_camera_obs": True, "camera_names": ["agentview"],
                "camera_heights": 84, "camera_widths": 84,
            },
        }  # fmt: skip


def test_data_made_by_hand_comes_back():
    rng = np.random.default_rng(0)
    arrays = {"joints": rng.random((5, 2)), "action": rng.random((5, 2)), "policy_name": np.array([["unknown"]] * 5)}
    np.savez("a.npz", **arrays, done=np.array([0, 1, 0, 0, 1], bool), once=rng.random((2, 3)))
    data = read_file("a.npz")
    told = became(robomimic.write("b.hdf5", data))
    assert (told["joints"], told["once"], told["policy_name"]) == ("obs/joints", "muse/once", "")
    assert_same_data(read("b.hdf5")[0], data, but=("robomimic", "spec"))
    assert json.loads(content_of("b.hdf5")["data@env_args"])["type"] is None


def test_what_relabelling_adds_goes_along():
    data, _ = read(make_file("a.hdf5"))
    data.steps["click_state"] = np.arange(data.num_rows)[:, None]
    data.steps["policy_type"][3] = 7
    told = became(robomimic.write("b.hdf5", data))
    assert told["click_state"] == "muse/click_state" and told["policy_type"] == "muse/policy_type"
    again, _ = read("b.hdf5")
    assert np.array_equal(again.steps["click_state"], data.steps["click_state"]) and again.steps["policy_type"][3] == 7


def test_next_observations_that_do_not_follow_are_kept_whole():
    def change(file):
        rows = file["data/demo_3/next_obs/object"][()]
        rows[1, 2] = -0.0 if rows[1, 2] == 0 else rows[1, 2] + 1
        file["data/demo_3/next_obs/object"][...] = rows

    data, fates = read(make_file("a.hdf5", change=change))
    assert became(fates)["next_obs/object"] == "next/object" and data.steps["next/object"].shape == (sum(LENGTHS), 14)
    assert "final/next/object" not in data.onetime and "final/next/image" in data.onetime
    robomimic.write("b.hdf5", data)
    after = content_of("b.hdf5")
    assert after.pop("data@muse_meta") and after == content_of("a.hdf5")
    assert_same_data(read("b.hdf5")[0], data)


@pytest.mark.parametrize("env_name", ["NutAssemblySquare", "ToolHang_D0"])
def test_the_main_camera_depends_on_the_task(env_name):
    make_file("a.hdf5", env_args={**ENV_ARGS, "env_name": env_name}, cameras=["agentview", "sideview"])
    told = became(read("a.hdf5")[1])
    main, other = ("sideview", "agentview") if "ToolHang" in env_name else ("agentview", "sideview")
    assert told[f"obs/{main}_image"] == "image" and told[f"obs/{other}_image"] == f"{other}_image"
    assert told[f"next_obs/{main}_image"] == "final/next/image"


def test_masks_choose_episodes_and_are_renumbered():
    data, fates = read(make_file("a.hdf5"), masks=["train"])
    assert data.meta["splits"] == {"train": [1, 0], "valid": []} and data.ends.tolist() == [4, 9]
    assert next(fate.note for fate in fates if fate.source == "mask/valid") == "0 of 1 episodes"
    robomimic.write("b.hdf5", data)
    assert sorted(h5py.File("b.hdf5")["data"]) == ["demo_0", "demo_3"]
    both, _ = read("a.hdf5", masks=["train", "valid"])
    robomimic.write("c.hdf5", both, masks=["valid"])
    with h5py.File("c.hdf5") as file:
        assert list(file["data"]) == ["demo_10"] and file["mask/train"].shape == (0,)
        assert file["data/demo_10"].attrs["ep_meta"] == json.dumps({"lang": "öffne demo_10"})


def test_names_as_a_user_wants_them():
    make_file("a.hdf5")
    names = {"obs/object": "things", "dones": "", "next_obs/agentview_image": "", "next_obs/time": "later", "obs/time": ""}
    data, fates = read("a.hdf5", names)
    told = became(fates)
    assert told["next_obs/object"] == "final/next/things" and (told["dones"], told["obs/time"]) == ("", "")
    assert data.steps["later"].shape == (sum(LENGTHS), 1) and "dones" not in data.steps and "final/next/image" not in data.onetime
    back = became(robomimic.write("b.hdf5", data, {"ego_image": "", "final/next/ego_image": "", "things": "obs/things"}))
    assert back["final/next/things"] == "next_obs/things"
    with h5py.File("b.hdf5") as one, h5py.File("a.hdf5") as other:
        assert np.array_equal(one["data/demo_3/next_obs/things"], other["data/demo_3/next_obs/object"])
        assert "robot0_eye_in_hand_image" not in one["data/demo_3/obs"]


def test_without_the_observation_the_next_one_is_whole():
    data, _ = read(make_file("a.hdf5"))
    robomimic.write("b.hdf5", data)
    for path in ("a.hdf5", "b.hdf5"):
        again, _ = read(path, {"obs/object": ""})
        assert again.steps["next/object"].shape == (sum(LENGTHS), 14)


def test_other_prefixes_and_strangers():
    def change(file):
        file["data/extra"] = np.zeros(3)
        file["other"] = np.zeros(3)
        file["data/episode_0/obs/object"].attrs["unit"] = "m"
        file["data/episode_0/obs/linked"] = h5py.ExternalLink("secret.hdf5", "/x")
        file["data"].attrs["nothing"] = h5py.Empty("f")
        for demo in ("episode_0", "episode_2", "episode_3", "episode_10"):
            length = len(file[f"data/{demo}/actions"])
            file.create_dataset(f"data/{demo}/words", data=["word"] * length, dtype=h5py.string_dtype())

    make_file("a.hdf5", demos=["episode_0", "episode_2", "episode_3", "episode_10"], change=change)
    data, fates = read("a.hdf5", prefix="episode_")
    told = {fate.source: fate.note for fate in fates if not fate.became}
    assert told["data/extra"] == "its name does not begin with 'episode_'" and told["data@nothing"] == "neither text nor numbers"
    assert told["other"] == "no part of a dataset of robomimic" and told["episode_*/obs/linked"] == "a link"
    assert told["episode_*/obs/object@unit"] == "an attribute of an array" and told["words"] == "neither numbers nor short text"
    robomimic.write("b.hdf5", data)
    assert "episode_10" in h5py.File("b.hdf5")["data"]


def test_a_dataset_trains_on_it_and_what_it_saves_has_no_foreign_attributes():
    data, _ = read(make_file("a.hdf5"))
    write_file("a.npz", data)
    leaves = [("object", (14,), (-np.inf, np.inf), np.float32), ("action", (7,), (-1, 1), np.float32)]
    spec = EnvSpec(d(names_shapes_limits_dtypes=leaves, observation_names=["object"], action_names=["action"]))
    dataset = NpDataset(d(file="a.npz", horizon=2, batch_size=4, pad_end_sequence=True, split="train"), spec)
    inputs, _ = dataset.get_batch(np.arange(4))
    assert inputs["object"].shape == (4, 2, 14) and dataset.get_num_episodes() == 2
    dataset.meta.pop("splits")
    fates = robomimic.write("b.hdf5", dataset.to_data())
    assert next(fate.note for fate in fates if fate.source == "_meta/robomimic") == (
        "the data no longer holds the 4 episodes that it came with; their attributes are left out"
    )
    with h5py.File("b.hdf5") as file:
        assert sorted(file["data"]) == ["demo_0", "demo_1"] and list(file["data/demo_0"].attrs) == ["num_samples"]
        assert json.loads(file["data"].attrs["env_args"]) == ENV_ARGS


def test_arrays_may_lie_in_a_folder_while_they_are_read(tmp_path):
    make_file("a.hdf5")
    (tmp_path / "work").mkdir()
    mapped, _ = read("a.hdf5", work=Work(tmp_path / "work"))
    assert_same_data(mapped, read("a.hdf5")[0])
    assert not mapped.steps["image"].flags.owndata and len(list((tmp_path / "work" / "arrays").iterdir())) == 17


def test_a_write_that_fails_leaves_the_old_file():
    data, _ = read(make_file("a.hdf5"))
    robomimic.write("b.hdf5", data)
    before = content_of("b.hdf5")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        robomimic.write("b.hdf5", EpisodeData(data.steps, data.onetime, data.ends, data.meta), progress=stop)
    assert content_of("b.hdf5") == before and len(list(Path().iterdir())) == 2
