"""A dataset that nothing is wrong with, to break in one place or another."""

import numpy as np

from muse.datasets.formats.episode_data import EpisodeData
from muse.specs import EnvSpec

LENGTHS = (30, 25, 40, 35)


def make_data(lengths=LENGTHS, seed=0, where="data", size=8, **meta):
    """Returns smooth episodes with pictures, quaternions, rewards on the last row of all but the last, and a spec."""
    rng = np.random.default_rng(seed)
    ends, rows = np.cumsum(lengths), sum(lengths)
    time = np.concatenate([np.arange(n) for n in lengths])[:, None] * 0.1 + rng.uniform(0, 1, (len(lengths), 1)).repeat(
        lengths, 0
    )
    angle = np.sin(time[:, 0])
    reward = np.zeros((rows, 1), np.float32)
    reward[ends[:-1] - 1] = 1
    steps = {
        "ego": np.hstack([np.sin(time), np.cos(time)]).astype(np.float32),
        "robot/quat": np.stack([np.cos(angle), np.sin(angle), 0 * angle, 0 * angle], 1).astype(np.float32) + np.float32(1e-4) * rng.random((rows, 4)).astype(np.float32),
        "image": rng.integers(0, 256, (rows, size, size, 3)).astype(np.uint8),
        "action": np.clip(rng.normal(0, 0.3, (rows, 2)), -0.99, 0.99).astype(np.float32),
        "reward": reward,
    }  # fmt: skip
    onetime = {"param/size": rng.random((len(lengths), 2)).astype(np.float32)}
    roles = {"action": "action", "reward": "output_observation", "param/size": "param"}
    spec = EnvSpec(
        {
            "names_shapes_limits_dtypes": [
                (
                    name,
                    array.shape[1:],
                    (-1, 1) if name == "action" else (-np.inf, np.inf),
                    array.dtype,
                    "m" if name == "ego" else "",
                )
                for name, array in {**steps, **onetime}.items()
            ],
            "observation_names": [name for name in steps if name not in roles],
            **{f"{role}_names": [name for name in roles if roles[name] == role] for role in set(roles.values())},
        }
    )
    return EpisodeData(steps, onetime, ends.astype(np.int64), {"spec": spec.to_dict(), **meta}, where)


def changed(data, **meta):
    """Returns the data with copies of its arrays, to be written to, and some other meta data."""
    steps, onetime = ({name: array.copy() for name, array in kind.items()} for kind in (data.steps, data.onetime))
    return EpisodeData(steps, onetime, data.ends.copy(), {**data.meta, **meta}, data.where)


def episodes_of(data):
    """Returns each episode as a dict of lists, for comparisons."""
    begins = (data.ends - np.diff(data.ends, prepend=0)).tolist()
    return [
        {
            **{name: np.asarray(array[begin:end]).tolist() for name, array in data.steps.items()},
            **{name: np.asarray(array[i]).tolist() for name, array in data.onetime.items()},
        }
        for i, (begin, end) in enumerate(zip(begins, data.ends.tolist(), strict=True))
    ]
