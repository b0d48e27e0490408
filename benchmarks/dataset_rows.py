"""How long a batch takes."""

from __future__ import annotations

import numpy as np
import square
from report import Row
from timing import Effort, interleave

#: 31 float columns in seven names: Square's object, split into its own pose and the one seen from the gripper, the action, the reward.
STATES = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "nut_pose": 7, "nut_to_eef": 7}
NAME = "get_batch"


def measure_get_batch(quick: bool) -> list[Row]:
    """Times `NpDataset.get_batch` of given windows.

    The reference takes the same rows of each name's own array, and nothing else: it is given rows instead of windows, and
    makes no `done`, no mask and no `AttrDict`.
    """
    spec = square.make_spec(STATES)
    dataset = square.make_dataset(spec)
    arrays = [np.ascontiguousarray(dataset.to_data().steps[name]) for name in spec.names]
    rng = np.random.default_rng(1)
    windows = [rng.integers(0, len(dataset), square.BATCH) for _ in range(64)]
    starts = square.window_starts()
    rows = [starts[indices][:, None] + np.arange(square.HORIZON) for indices in windows]
    _check(dataset, spec.names, arrays, windows[0], rows[0])
    turn = {"muse": 0, "bare": 0}

    def muse() -> None:
        turn["muse"] += 1
        dataset.get_batch(windows[turn["muse"] % len(windows)])

    def bare() -> None:
        turn["bare"] += 1
        index = rows[turn["bare"] % len(rows)]
        for array in arrays:
            np.take(array, index, axis=0)

    timing = interleave({"muse": muse, "bare": bare}, Effort(samples=30, turns=25, calls=20).quickened(quick))
    name = f"{NAME}: {square.BATCH} windows of {square.HORIZON}, {sum(a.shape[1] for a in arrays)} float columns in {len(arrays)} names"
    against = "a bare np.take for each name, with the rows of the same windows."
    return [Row.of(name, "us", "<= 1.8", against, timing, "muse", "bare")]


def _check(
    dataset: square.NpDataset, names: tuple[str, ...], arrays: list[np.ndarray], windows: np.ndarray, rows: np.ndarray
) -> None:
    inputs, outputs = dataset.get_batch(windows)
    for name, array in zip(names, arrays, strict=True):
        got = inputs[name] if name in inputs else outputs[name]
        if not np.array_equal(got, array.take(rows, axis=0)):
            raise RuntimeError(f"both sides were to gather the same '{name}'")
