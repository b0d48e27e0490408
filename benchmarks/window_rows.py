"""How fast windows come out of each form of a dataset, beside other projects' datasets and beside a bare memory copy."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peer
from attrdict import AttrDict as d
from report import Row
from timing import Effort, interleave

from muse.datasets import Hdf5Dataset, NpDataset
from muse.datasets.dataset import Dataset
from muse.datasets.formats import folder, robomimic
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.samplers import Sampler
from muse.datasets.window_dataset import WindowDataset
from muse.specs import EnvSpec

LOW_NAME, IMAGE_NAME = "low_dim", "images"
ROBOMIMIC, LEROBOT = "MUSE_ROBOMIMIC_PYTHON", "MUSE_LEROBOT_PYTHON"
THREADS, FPS = 1, 20


@dataclass(frozen=True)
class Shape:
    """What the windows of a measurement hold.

    Attributes:
        low_dim: Observations of so many float32.
        images: Cameras, of 84x84x3 uint8.
        batch, horizon: Windows in a batch, rows in a window.
        episodes, length: How many, and rows of each.
    """

    low_dim: Mapping[str, int]
    images: tuple[str, ...]
    batch: int
    horizon: int
    episodes: int
    length: int

    @property
    def words(self) -> str:
        """The windows in words."""
        cameras = f", {len(self.images)} cameras of 84x84x3" if self.images else ""
        return f"batches of {self.batch} windows of {self.horizon}{cameras}"


SQUARE = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 14}
LOW = Shape(SQUARE, (), batch=256, horizon=10, episodes=200, length=120)
IMAGES = Shape(SQUARE, ("image", "ego_image"), batch=16, horizon=10, episodes=60, length=120)


def measure_low_dim(quick: bool) -> list[Row]:
    """Windows of numbers, everything in memory on every side."""
    return _measure(LOW, quick, LOW_NAME)


def measure_images(quick: bool) -> list[Row]:
    """Windows of pictures, in the page cache on every side."""
    return _measure(IMAGES, quick, IMAGE_NAME)


def _measure(shape: Shape, quick: bool, name: str) -> list[Row]:
    if quick:
        shape = Shape(shape.low_dim, shape.images, 4, 4, 3, 12)
    data = make_data(shape)
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        path, spec = Path(made), EnvSpec.from_dict(data.meta["spec"])
        folder.write(path / "a.muse", data)
        robomimic.write(path / "a.hdf5", data)
        options = {"batch_size": shape.batch, "horizon": shape.horizon}
        mapped = NpDataset(d(file=str(path / "a.muse"), **options), spec)
        lazy = Hdf5Dataset(d(file=str(path / "a.hdf5"), **options), spec)
        sides: dict[str, Callable[[], object]] = {
            "muse": _drawing(mapped),
            "hdf5": _drawing(lazy),
            "copy": _copying(mapped, data),
        }
        workers = (0, 2)
        for key, opened in (("robomimic", _open_robomimic), ("lerobot", _open_lerobot)):
            for count in workers:
                draw = opened(stack, path, shape, mapped, data, count)
                if draw is not None:
                    sides[f"{key}{count}"] = draw
        if "robomimic0" in sides:
            sides["unread"] = _open_robomimic(stack, path, shape, mapped, data, 0, cache=None)
        low, high = (9, 3) if shape.images else (15, 6)
        timing = interleave(sides, Effort(samples=low, turns=high, calls=3, seconds=150).quickened(quick))
    return list(_rows(name, shape, timing, sides))


def _rows(name: str, shape: Shape, timing: Any, sides: Mapping[str, Any]) -> Iterator[Row]:
    ours = ".muse folder" + (" in the page cache" if shape.images else "")
    copy = "a memory copy of the same rows, window by window, into new arrays; neither masks nor AttrDicts."
    yield Row.of(f"{name}: {ours}, {shape.words}", "ms", "<= 2", copy, timing, "muse", "copy")
    for key, variable, what in (
        ("robomimic", ROBOMIMIC, "SequenceDataset (cache '" + ("low_dim" if shape.images else "all") + "')"),
        ("lerobot", LEROBOT, "LeRobotDataset (" + ("mp4 through pyav" if shape.images else "parquet") + ")"),
    ):
        side = timing.fastest(*(f"{key}{count}" for count in (0, 2))) if f"{key}0" in sides else None
        title = f"{name}: {ours} beside {key}, {shape.words}"
        if side is None:
            yield Row(title, "ms", ">= 1", f"{key}'s {what}", note=f"{variable} names no interpreter with {key}")
            continue
        against = f"{key}'s {what} with a DataLoader of {side[-1]} workers, the faster of 0 and 2; its batches are tensors."
        yield Row.of(title, "ms", ">= 1", against, timing, "muse", side)
        if key == "robomimic":
            against = (
                "robomimic's SequenceDataset that holds nothing in memory either (cache None, 0 workers), from the same file."
            )
            title = f"{name}: Hdf5Dataset, lazy, beside robomimic, {shape.words}"
            yield Row.of(title, "ms", ">= 1", against, timing, "hdf5", "unread")


def make_data(shape: Shape) -> EpisodeData:
    """Returns episodes: numbers at random, pictures that move so that a video of them can be made."""
    rng = np.random.default_rng(0)
    rows = shape.episodes * shape.length
    steps: dict[str, np.ndarray] = {n: rng.standard_normal((rows, size), dtype=np.float32) for n, size in shape.low_dim.items()}
    for camera in shape.images:
        scene = rng.integers(0, 256, (200, 200, 3)).astype(np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        corners = np.stack([np.arange(rows) * k % 700 for k in (3, 5)], axis=1)
        steps[camera] = np.stack([scene[y : y + 84, x : x + 84] for y, x in corners.tolist()])
    steps["action"] = rng.uniform(-1, 1, (rows, 7)).astype(np.float32)
    steps["reward"] = np.zeros((rows, 1), np.float32)
    leaves: list[tuple] = [(n, (size,), (-np.inf, np.inf), np.float32) for n, size in shape.low_dim.items()]
    leaves += [(camera, (84, 84, 3), (0, 255), np.uint8) for camera in shape.images]
    leaves += [("action", (7,), (-1, 1), np.float32), ("reward", (1,), (-np.inf, np.inf), np.float32)]
    spec = EnvSpec(
        d(
            names_shapes_limits_dtypes=leaves, observation_names=[*shape.low_dim, *shape.images], action_names=["action"],
            output_observation_names=["reward"],
        )
    )  # fmt: skip
    ends = np.arange(1, shape.episodes + 1) * shape.length
    return EpisodeData(steps, {}, ends, {"spec": spec.to_dict()})


def _drawing(dataset: WindowDataset) -> Callable[[], object]:
    sampler: Sampler = dataset.get_sampler(0)
    return lambda: dataset.get_batch(sampler.next_indices(), torch_device="cpu")


def _copying(dataset: NpDataset, data: EpisodeData) -> Callable[[], object]:
    """Returns what copies the rows of batches of the dataset from arrays in memory."""
    lengths = np.diff(data.ends, prepend=0)
    per = lengths - (dataset.horizon - 1)
    starts = np.concatenate([np.arange(n) + end - length for n, end, length in zip(per, data.ends, lengths, strict=True)])
    arrays = [np.ascontiguousarray(array).reshape(data.num_rows, -1) for array in data.steps.values()]
    sampler, horizon = dataset.get_sampler(1), dataset.horizon

    def copy() -> None:
        rows = starts[sampler.next_indices()].tolist()
        for array in arrays:
            out = np.empty((len(rows), horizon, array.shape[1]), array.dtype)
            if array.shape[1] < 100:
                # A loop over small windows would measure Python.
                np.take(array, np.add.outer(rows, np.arange(horizon)), axis=0, out=out, mode="clip")
            else:
                for i, row in enumerate(rows):
                    out[i] = array[row : row + horizon]

    return copy


def _open_robomimic(
    stack: contextlib.ExitStack,
    path: Path,
    shape: Shape,
    dataset: Dataset,
    data: EpisodeData,
    workers: int,
    cache: str | None = "",
) -> Callable[[], object] | None:
    python = os.environ.get(ROBOMIMIC)
    if not python:
        return None
    call = stack.enter_context(peer.open_peer("robomimic", python, "robomimic_data_side.py", MUJOCO_GL="disable"))
    images = {"image": "agentview_image", "ego_image": "robot0_eye_in_hand_image"}
    windows = call(
        "open", path=str(path / "a.hdf5"), low_dim=list(shape.low_dim), images=[images[n] for n in shape.images], batch_size=shape.batch,
        horizon=shape.horizon, cache=("low_dim" if shape.images else "all") if cache == "" else cache, workers=workers, threads=THREADS,
    )  # fmt: skip
    _check(len(dataset) == windows, "robomimic has other windows")
    inputs, _ = dataset.get_batch(np.array([7]))
    window = call("get_window", index=7)
    for name in (*shape.low_dim, *shape.images, "action"):
        _check(np.array_equal(window[images.get(name, name)], inputs[name][0]), f"robomimic has another '{name}'")
    return lambda: call("draw", count=1)


def _open_lerobot(
    stack: contextlib.ExitStack, path: Path, shape: Shape, dataset: Dataset, data: EpisodeData, workers: int
) -> Callable[[], object] | None:
    python = os.environ.get(LEROBOT)
    if not python:
        return None
    from muse.datasets.formats.lerobot import LeRobotFormat
    from muse.datasets.formats.work import Work

    target = path / "lerobot"
    if not target.exists():
        with Work.beside(target, {}) as work:
            LeRobotFormat(d(fps=FPS)).write(target, data, {}, (), work)
    call = stack.enter_context(peer.open_peer("lerobot", python, "lerobot_data_side.py"))
    features = ["observation.state", "action", *(f"observation.images.{name}" for name in shape.images)]
    rows = call(
        "open", path=str(target), features=features, fps=FPS, batch_size=shape.batch, horizon=shape.horizon, workers=workers,
        threads=THREADS,
    )  # fmt: skip
    _check(rows == data.num_rows, "lerobot has other rows")
    window = call("get_window", index=7)
    _check(np.array_equal(window["action"], data.steps["action"][7 : 7 + shape.horizon]), "lerobot has another 'action'")
    return lambda: call("draw", count=1)


def _check(holds: bool, got: str) -> None:
    if not holds:
        raise peer.PeerError(f"{got}: the sides would not be compared on the same data")
