"""Specs, episodes and datasets for the tests, and windows in plain loops to compare with."""

import numpy as np
from attrdict import AttrDict as d

from muse.datasets import NpDataset
from muse.specs import EnvSpec, Episode
from muse.utils.attrdicts import flatten, nest

#: Name, shape, type, role.
LEAVES = [
    ("ego", (2,), "float32", "observation"),
    ("objects/position", (2, 3), "float32", "observation"),
    ("image", (20, 20, 3), "uint8", "observation"),
    ("goal/position", (2,), "float64", "goal"),
    ("action", (2,), "float32", "action"),
    ("note", (), "U4", ""),
    ("reward", (1,), "float32", "output_observation"),
    ("truncated", (1,), "bool", "output_observation"),
    ("param/size", (3,), "float32", "param"),
    ("final/count", (), "int64", "final"),
]
SMALL = [leaf for leaf in LEAVES if leaf[0] in ("ego", "action", "param/size")]


def make_spec(leaves=LEAVES):
    options = {"names_shapes_limits_dtypes": [(name, shape, (-np.inf, np.inf), dtype) for name, shape, dtype, _ in leaves]}
    for role in ("observation", "output_observation", "goal", "action", "param", "final"):
        options[f"{role}_names"] = [name for name, _, _, its in leaves if its == role]
    return EnvSpec(options)


def make_values(shape, dtype, rng):
    kind = np.dtype(dtype).kind
    if kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    if kind == "U":
        return rng.integers(0, 99, shape).astype(dtype)
    return rng.integers(0, 2 if kind == "b" else 100, shape).astype(dtype)


def make_episodes(spec, lengths, seed=0):
    """Returns flat dicts of arrays, step names `(T, *shape)` and one-time names `(*shape)`."""
    rng = np.random.default_rng(seed)
    once = {*spec.param_names, *spec.final_names}
    leaves = [spec.leaf(name) for name in spec.all_names]
    return [
        {l.name: np.asarray(make_values(l.shape if l.name in once else (t, *l.shape), l.dtype, rng)) for l in leaves}
        for t in lengths
    ]


def to_episode(spec, values):
    once = {*spec.param_names, *spec.final_names}
    outputs = {n: v for n, v in values.items() if n in spec.output_observation_names}
    inputs = {n: v for n, v in values.items() if n not in outputs and n not in once}
    length = len(next(iter({**inputs, **outputs}.values())))
    outputs["done"] = np.arange(length) == length - 1
    return Episode(nest(inputs), nest(outputs), nest({n: values[n] for n in once}))


def make_dataset(spec, episodes, **options):
    options = {"horizon": 3, "batch_size": 4, "pad_end_sequence": True, **options}
    dataset = NpDataset(d(options), spec)
    for values in episodes:
        dataset.add_episode(to_episode(spec, values))
    return dataset


def joined(sides):
    return {**flatten(sides[0]), **flatten(sides[1])}


def reference_windows(episodes, once, horizon, skip=1, pad_start=False, pad_end=False):
    """Returns every window of every episode, each a flat dict, with nothing but loops."""
    windows = []
    for values in episodes:
        length = next(len(value) for name, value in values.items() if name not in once)
        for start in range(-(horizon - 1) if pad_start else 0, length):
            wanted = [start + i * skip for i in range(horizon)]
            if not pad_end and wanted[-1] >= length:
                continue
            rows = [min(max(row, 0), length - 1) for row in wanted]
            window = {
                name: np.stack([value if name in once else value[row, ...] for row in rows]) for name, value in values.items()
            }
            window["done"] = np.array([row == length - 1 for row in rows])
            window["padding_mask"] = np.array([row != want for row, want in zip(rows, wanted, strict=True)])
            window["rollout_timestep"] = np.array(rows)
            windows.append(window)
    return windows


def assert_same_windows(dataset, windows, indices=None):
    """Asserts that the dataset's windows, all of them or those of `indices`, are `windows`."""
    indices = np.arange(len(windows)) if indices is None else indices
    names = [n for n in windows[0] if n not in ("done", "padding_mask")] if windows else []
    batch = joined(dataset.get_batch(indices, names=names)) if windows else {}
    assert set(batch) == (set(windows[0]) if windows else set())
    for name, value in batch.items():
        wanted = np.stack([window[name] for window in windows])
        assert value.dtype == wanted.dtype and np.array_equal(value, wanted), name


def assert_same_episodes(dataset, episodes):
    assert dataset.get_num_episodes() == len(episodes)
    for index, values in enumerate(episodes):
        held = flatten(dataset.get_episode(index))
        assert held.pop("done").tolist() == [False] * (len(held["ego"]) - 1) + [True]
        assert set(held) == set(values)
        for name, value in values.items():
            assert held[name].dtype == value.dtype and np.array_equal(held[name], value), name
