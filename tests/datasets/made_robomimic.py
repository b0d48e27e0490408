"""Small files of robomimic, written with h5py alone, and files compared to the bit."""

import json

import numpy as np
from made_data import make_dataset, make_episodes, make_spec

ENV_ARGS = {"env_name": "NutAssemblySquare", "env_version": "1.5.1", "type": 1, "env_kwargs": {"robots": ["Panda"]}}
LENGTHS = [4, 2, 5, 1]
#: In another order than the numbers; demo_10 comes last by number and second by letters.
DEMOS = ["demo_0", "demo_2", "demo_3", "demo_10"]


def make_file(path, dtype=np.float32, env_args=ENV_ARGS, cameras=("agentview", "robot0_eye_in_hand"), demos=DEMOS, change=None):
    """Writes a file with everything that robomimic's scripts write.

    Args:
        change: Called with the open file at the end.
    """
    import h5py

    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(env_args, indent=4)
        data.attrs["total"] = sum(LENGTHS)
        for demo, length in zip(demos, LENGTHS, strict=True):
            group = data.create_group(demo)
            group.attrs["num_samples"] = length
            group.attrs["model_file"] = f'<mujoco model="{demo}">' + "<body/>" * 1000
            group.attrs["ep_meta"] = json.dumps({"lang": f"öffne {demo}"})
            group.attrs["gain"] = np.float32(0.1)
            group.attrs["seeds"] = np.arange(3)
            group["states"] = rng.standard_normal((length, 9))
            group["actions"] = rng.uniform(-1, 1, (length, 7)).astype(dtype)
            group["actions_abs"] = rng.standard_normal((length, 7)).astype(dtype)
            group["action_dict/rel_pos"] = rng.standard_normal((length, 3)).astype(dtype)
            group["rewards"] = (np.arange(length) >= length - 2).astype(dtype)
            group["dones"] = (np.arange(length) >= length - 2).astype(np.int64)
            sides = {"object": (14,), "robot0_eef_quat": (4,), "time": ()}
            for key, shape in sides.items():
                write_both(group, key, rng.standard_normal((length + 1, *shape)).astype(dtype))
            for camera in cameras:
                write_both(group, f"{camera}_image", rng.integers(0, 256, (length + 1, 6, 8, 3)).astype(np.uint8))
        file["mask/train"] = np.array([demos[2], demos[0]], dtype="S")
        file["mask/valid"] = np.array([demos[3]], dtype="S")
        if change is not None:
            change(file)
    return path


def write_both(group, key, rows):
    """Writes observations `(T + 1, *shape)` as those before and those after each action."""
    group.create_dataset(f"obs/{key}", data=rows[:-1], compression="gzip")
    group[f"next_obs/{key}"] = rows[1:]


def made_by_muse(lengths=(3, 1, 4)):
    """Returns data with every role and type, as Muse collects it; actions of 5 numbers."""
    leaves = [
        ("ego", (2,), "float32", "observation"), ("objects/position", (2, 3), "float32", "observation"),
        ("image", (6, 8, 3), "uint8", "observation"), ("height", (), "float64", "observation"), ("goal/ego", (2,), "float64", "goal"),
        ("action", (5,), "float32", "action"), ("note", (2,), "U4", ""), ("reward", (1,), "float32", "output_observation"),
        ("truncated", (1,), "bool", "output_observation"), ("policy_type", (1,), "uint8", ""),
        ("param/size", (3,), "float32", "param"), ("final/count", (), "int64", "final"), ("final/word", (), "U4", "final"),
    ]  # fmt: skip
    spec = make_spec(leaves)
    dataset = make_dataset(spec, make_episodes(spec, lengths))
    params = {"env_name": "NutAssemblySquare", "robots": "Panda", "control_frequency": 20, "imgs": True, "reward_shaping": False}
    params |= {"offscreen_camera_name": "agentview", "img_height": 84, "img_width": 84}
    cls, simulators = "muse.envs.robosuite.robosuite_env.RobosuiteEnv", {"robosuite": "1.5.1"}
    dataset.meta = {
        "fingerprint": {"class": cls, "params": params, "simulators": simulators, "versions": {"muse": "0.1.0"}},
        "collection": {"seed": 3},
        "splits": {"late": [2, 1], "none": []},
    }
    return dataset.to_data()


def content_of(path):
    """Returns everything in a file: arrays and attributes, by path, as types and bytes."""
    import h5py

    found = {}

    def look(name, item):
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = value if isinstance(value, str) else (np.asarray(value).dtype, np.asarray(value).tolist())
        if isinstance(item, h5py.Dataset):
            found[name] = (item.dtype, item.shape, item[()].tobytes())

    with h5py.File(path) as file:
        look("", file)
        file.visititems(look)
    return found


def assert_same_data(one, other, but=()):
    """Asserts that two `EpisodeData` hold the same, to the bit, the keys `but` of the meta data aside."""
    assert np.array_equal(one.ends, other.ends)
    for mine, its in ((one.steps, other.steps), (one.onetime, other.onetime)):
        assert set(mine) == set(its)
        for name, array in mine.items():
            assert array.dtype == its[name].dtype and array.shape == its[name].shape, name
            assert array.tobytes() == its[name].tobytes(), name
    left, right = ({key: value for key, value in data.meta.items() if key not in but} for data in (one, other))
    assert left == right


def write_robomimic(path, data):
    """Writes episodes as a file of robomimic."""
    from muse.datasets.formats.registry import get_format
    from muse.datasets.formats.work import Work

    with Work.beside(path, {}) as work:
        get_format("robomimic")().write(path, data, {}, (), work)
