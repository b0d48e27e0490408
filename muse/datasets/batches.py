"""Gathers windows of an episode store into batches."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from attrdict import AttrDict

from muse.datasets.dataset import DataError
from muse.datasets.episodes import EpisodeStore
from muse.datasets.goals import GoalRelabelling
from muse.datasets.windows import Located, WindowTable
from muse.specs import EnvSpec
from muse.utils.attrdicts import nest
from muse.utils.errors import nearest
from muse.utils.seeding import derive_seed

#: Names that follow from where the episodes end.
DERIVED_NAMES = ("done", "rollout_timestep")


class _Place(NamedTuple):
    """Where a name comes from and goes to: its block (-1: none) and columns in the store, its side of the batch."""

    name: str
    side: str
    block: int
    begin: int
    end: int
    shape: tuple[int, ...]


class BatchReader:
    """Reads names of windows and of episodes, split into inputs and outputs.

    Args:
        store: The arrays.
        windows: Which rows each window holds.
        env_spec: Says which names are outputs.
        goals: Which goals of a batch are taken from other rows; none when None.
    """

    def __init__(
        self, store: EpisodeStore, windows: WindowTable, env_spec: EnvSpec, goals: GoalRelabelling | None = None
    ) -> None:
        self.store, self.windows, self.env_spec, self.goals = store, windows, env_spec, goals
        self._plans: dict[tuple[str, ...], list[_Place]] = {}

    def plan(self, names: tuple[str, ...]) -> list[_Place]:
        """Returns the place of each name; remembered, for it is asked at every batch.

        Raises:
            DataError: For a name that is not there.
        """
        if names not in self._plans:
            held = (*self.store.columns, *self.store.onetime, *DERIVED_NAMES)
            places = []
            for name in names:
                if name not in held:
                    raise DataError("dataset", f"no name '{name}'{nearest(name, held)}", "one of " + ", ".join(held))
                column = self.store.columns.get(name)
                where = (column.block, column.begin, column.end, column.shape) if column is not None else (-1, 0, 0, ())
                places.append(_Place(name, self._side_of(name), *where))
            self._plans[names] = places
        return self._plans[names]

    def _side_of(self, name: str) -> str:
        role = self.env_spec.leaf(name).role if name in self.env_spec else ""
        return "outputs" if role in ("output_observation", "final") or name == "done" else "inputs"

    def read_windows(
        self, indices: Any, names: tuple[str, ...], torch_device: Any, key: int | None = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers windows; see `Dataset.get_batch`.

        Args:
            key: What is random in the goals is a function of it; their own seed when None.
        """
        indices = checked_indices(indices, len(self.windows))
        located = self.windows.locate(indices)
        rows, (batch, horizon) = located.rows, located.rows.shape
        flat_rows = rows.reshape(-1)
        move, wrap = _converters(torch_device)
        gathered: dict[int, Any] = {}
        sides: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
        if self.goals is not None:
            names = self._read_goals(indices, located, names, torch_device, key, sides)
        for name, side, block, begin, end, shape in self.plan(names):
            if block >= 0:
                if block not in gathered:
                    matrix = self.store.blocks[block].array
                    gathered[block] = move(matrix.take(flat_rows, axis=0).reshape(batch, horizon, matrix.shape[1]))
                leaf = gathered[block][:, :, begin:end]
                sides[side][name] = wrap(leaf if len(shape) == 1 else leaf.reshape(batch, horizon, *shape))
            elif name == "rollout_timestep":
                sides[side][name] = wrap(move(rows - located.first))
            elif name != "done":
                once = self.store.onetime[name].array.take(located.episodes, axis=0)
                sides[side][name] = wrap(move(np.repeat(once[:, None], horizon, axis=1)))
        sides["outputs"]["done"] = wrap(move(located.done))
        sides["outputs"]["padding_mask"] = wrap(move(located.padding_mask))
        return nest(sides["inputs"]), nest(sides["outputs"])

    def _read_goals(
        self,
        indices: np.ndarray,
        located: Located,
        names: tuple[str, ...],
        torch_device: Any,
        key: int | None,
        sides: dict[str, dict[str, Any]],
    ) -> tuple[str, ...]:
        """Adds the goals among `names` to `sides`, one more gather for each matrix; returns the other names."""
        assert self.goals is not None
        sources = {name: self.goals.names[name] for name in names if name in self.goals.names}
        if not sources:
            return names
        key = derive_seed(self.goals.seed, "goals") if key is None else key
        rows = self.goals.rows(located, indices + self.windows.first_window, key)
        (batch, horizon), (_, count) = located.rows.shape, rows.shape
        move, wrap = _converters(torch_device)
        gathered: dict[int, Any] = {}
        for name, (_, _, block, begin, end, shape) in zip(sources, self.plan(tuple(sources.values())), strict=True):
            if block not in gathered:
                matrix = self.store.blocks[block].array
                found = move(matrix.take(rows.reshape(-1), axis=0).reshape(batch, count, matrix.shape[1]))
                gathered[block] = found if count == horizon else _repeated(found, horizon)
            leaf = gathered[block][:, :, begin:end]
            sides[self._side_of(name)][name] = wrap(leaf if len(shape) == 1 else leaf.reshape(batch, horizon, *shape))
        return tuple(name for name in names if name not in sources)

    def check(self, names: tuple[str, ...]) -> None:
        """Raises `DataError` for a name that a batch cannot have."""
        sources = {} if self.goals is None else self.goals.names
        self.plan(tuple(sources.get(name, name) for name in names))

    def read_episode(self, index: int, names: tuple[str, ...]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns copies of an episode's inputs and outputs; see `Dataset.get_episode`."""
        index = checked_episode(index, self.store.num_episodes)
        begin, end = self.store.bounds(index)
        sides: dict[str, dict[str, np.ndarray]] = {"inputs": {}, "outputs": {}}
        for name, side, block, *_ in self.plan(names):
            if block >= 0:
                sides[side][name] = self.store.view(name)[begin:end].copy()
            elif name == "rollout_timestep":
                sides[side][name] = np.arange(end - begin)
            elif name != "done":
                sides[side][name] = self.store.view(name)[index, ...].copy()
        sides["outputs"]["done"] = np.arange(end - begin) == end - begin - 1
        return sides["inputs"], sides["outputs"]


def checked_indices(indices: Any, count: int) -> np.ndarray:
    """Returns numbers of windows as `(B,)` int64.

    Raises:
        DataError: When they are none, or not below `count`.
    """
    array = np.asarray(indices)
    if not array.size:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError("get_batch", f"indices of shape {array.shape} {array.dtype}", "whole numbers (B,)")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= count:
        raise DataError(
            "get_batch", f"window {low if low < 0 else high}", f"a number from 0 to {count - 1}" if count else "a window"
        )
    return array.astype(np.int64, copy=False)


def checked_episode(index: Any, count: int) -> int:
    """Returns the number of an episode.

    Raises:
        DataError: When it is none, or not below `count`.
    """
    if not _is_whole(index) or not 0 <= index < count:
        raise DataError("get_episode", f"index {index}", f"a whole number from 0 to {count - 1}" if count else "an episode")
    return int(index)


def _repeated(array: Any, horizon: int) -> Any:
    """Returns `(B, 1, ...)` as `(B, H, ...)`, in memory of its own."""
    return np.repeat(array, horizon, axis=1) if isinstance(array, np.ndarray) else array.repeat_interleave(horizon, dim=1)


def _is_whole(index: Any) -> bool:
    try:
        operator.index(index)
    except TypeError:
        return False
    return not isinstance(index, (bool, np.bool_))


def _converters(device: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Returns what is done to each gathered matrix, and to each leaf cut from it.

    A matrix goes to another device in one transfer; on the CPU a leaf is cut while it is numpy's, which is faster than torch.
    """
    if device is None:
        return _same, _same
    import torch

    target = torch.device(device)
    if target.type == "cpu":
        return _same, lambda array: torch.from_numpy(array) if _has_tensor(array) else array
    return lambda array: torch.from_numpy(array).to(target, non_blocking=True) if _has_tensor(array) else array, _same


def _same(array: Any) -> Any:
    return array


def _has_tensor(array: np.ndarray) -> bool:
    return array.dtype.kind in "iufbc"  # Text has none.
