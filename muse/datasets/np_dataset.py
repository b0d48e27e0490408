"""Episodes in memory: trained from, or grown as a replay buffer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.episodes import EpisodeStore
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import format_of, read_file
from muse.datasets.numbers import check_finite, to_type
from muse.datasets.window_dataset import WindowDataset
from muse.specs import EnvSpec, Episode
from muse.utils.abstract import Argument
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.errors import nearest

_log = logging.getLogger(__name__)


class NpDataset(WindowDataset):
    """Windows of episodes from `.npz` files or `.muse` folders, or of those added while training.

    Args:
        params: The options below.
        env_spec: Names, shapes, types and roles.
        base_dataset: With `load_from_base`, the dataset whose arrays are shared instead of reading the files again.

    Attributes:
        meta: Plain values that `save` writes beside the arrays: `fingerprint` of the environment, `splits`.

    Raises:
        DataError: For options that contradict one another, and for whatever is wrong in the files.
    """

    predefined_arguments = [
        Argument("file", help="path of an .npz file or .muse folder, or a list of them; none: begin empty"),
        Argument("output_file", type=str, help="where save() writes"),
        Argument("capacity", type=int, help="rows kept; beyond it the oldest episodes leave", unit="rows"),
        Argument("frozen", type=bool, default=False, help="refuse to grow"),
        Argument("load_ignore_prefixes", type=list, default=[], element_type=str, help="names in the file that are not read"),
        *WindowDataset.predefined_arguments,
    ]

    output_file: str | None
    capacity: int | None
    load_ignore_prefixes: list[str]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, base_dataset: WindowDataset | None = None) -> None:
        super().__init__(params, env_spec, base_dataset)
        self._growing: list[dict[str, np.ndarray]] = []
        # Target, episodes evicted and episodes held when a folder was saved.
        self._saved: tuple[Path, int, int] | None = None
        self._evicted = 0
        self._evict()

    def _check_options(self) -> None:
        super()._check_options()
        if self.capacity is not None and self.capacity < 1:
            raise DataError("NpDataset: 'capacity'", str(self.capacity), "at least 1 row, or none")

    def _load(self) -> EpisodeStore:
        ignored = tuple(self.load_ignore_prefixes)
        return self._join([self._checked(read_file(path, ignored)) for path in self._files])

    def _check_loaded(self) -> None:
        super()._check_loaded()
        if self.capacity is not None and self.num_rows > self.capacity:
            longest = int(self._store.lengths.max())
            if longest > self.capacity:
                raise DataError(self._where, f"an episode of {longest} rows", f"at most the capacity of {self.capacity}")
            _log.warning(
                "%s: %d rows, beyond the capacity of %d; the first episodes leave", self._where, self.num_rows, self.capacity
            )

    def add_episode(self, episode: Episode | Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> None:
        """Appends an episode; see `Dataset.add_episode`.

        Args:
            episode: The episode, or its inputs, leaves `(T, *shape)`, one-time names `(*shape)`.
            outputs: With inputs, the outputs, among them `done` `(T,)` bool.
        """
        if not isinstance(episode, Episode):
            flat_inputs, flat_outputs = flatten(episode), flatten(outputs or {})
            once = {name: side.pop(name) for side in (flat_inputs, flat_outputs) for name in self._onetime_names if name in side}
            episode = Episode(nest(flat_inputs), nest(flat_outputs), nest(once))
        self._append(episode.to_rows(), episode.to_onetime(), len(episode), "add_episode")

    def add(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Adds one step, leaves `(1, *shape)`; the episode is appended when `outputs["done"]` is true.

        One-time names may come with any step; the last value counts.

        Raises:
            DataError: As `add_episode`, for the step that is wrong; it is not taken then.
        """
        self._refuse_frozen("add")
        if not has(outputs, "done"):
            raise DataError("NpDataset.add: 'done'", "missing in outputs", "(1,) bool")
        given = {name: np.asarray(value) for name, value in {**flatten(inputs), **flatten(outputs)}.items()}
        label = f"add, step {len(self._growing)}"
        self._check_kept(given, label)
        step = {name: self._fitted(given, name, (1,), label) for name in self._step_names}
        step.update((name, self._fitted(given, name, (1,), label)) for name in self._onetime_names if name in given)
        if given["done"].shape != (1,) or given["done"].dtype != bool:
            raise DataError(f"NpDataset.{label}: 'done'", f"shape {given['done'].shape} {given['done'].dtype}", "(1,) bool")
        if given["done"][0]:
            held = [*self._growing, step]
            steps = {name: np.concatenate([one[name] for one in held]) for name in self._step_names}
            once = {name: one[name][0] for one in held for name in self._onetime_names if name in one}
            self._append(steps, once, len(held), "add")
            self._growing = []
        else:
            self._growing.append(step)

    def _append(self, steps: Mapping[str, Any], onetime: Mapping[str, Any], length: int, call: str) -> None:
        self._refuse_frozen(call)
        if self.capacity is not None and length > self.capacity:
            got, expected = f"an episode of {length} rows", f"at most the capacity of {self.capacity}"
            raise DataError(f"NpDataset.{call}", got, expected)
        self._check_kept(steps, call)
        checked = {name: self._fitted(steps, name, (length,), call) for name in self._step_names}
        once = {name: self._fitted(onetime, name, (), call)[None] for name in self._onetime_names}
        self._add_rows(checked, once, np.array([length]))
        self._evict()

    def _check_kept(self, names: Iterable[str], call: str) -> None:
        for name in names:
            if name in self.relabelled_names and name not in self._held_names:
                got, hint = f"'{name}', which would be lost", f"'{name}' in goal_relabelling/recorded"
                raise DataError(f"NpDataset.{call}", got, "only goals that are kept", hint)

    def _refuse_frozen(self, call: str) -> None:
        if self.frozen:
            raise DataError(f"NpDataset.{call}", "this dataset is frozen", "frozen=False")

    def _fitted(self, arrays: Mapping[str, Any], name: str, lead: tuple[int, ...], call: str) -> np.ndarray:
        leaf, label = self.env_spec.leaf(name), f"NpDataset.{call}: '{name}'"
        if name not in arrays:
            raise DataError(label, f"missing{nearest(name, arrays)}", f"shape {(*lead, *leaf.shape)} {leaf.dtype}")
        array = np.asarray(arrays[name])
        if array.shape != (*lead, *leaf.shape):
            raise DataError(label, f"shape {array.shape}", f"{(*lead, *leaf.shape)}")
        check_finite(array if lead else array[None], label)
        return to_type(array, leaf.dtype, label)

    def _evict(self) -> None:
        if self.capacity is None or self.num_rows <= self.capacity:
            return
        gone = int(np.searchsorted(self._store.ends, self.num_rows - self.capacity, side="left")) + 1
        lengths = self._store.lengths[:gone]
        self._store.drop_first(gone)
        self._windows.drop_first(lengths)
        self._evicted += gone

    def to_data(self) -> EpisodeData:
        """Returns everything recorded, as formats write it, and nothing that was made of it; arrays may be views."""
        names = {*self._step_names, *self._onetime_names}
        spec = EnvSpec.from_leaves(self.env_spec.leaf(name) for name in self.env_spec.all_names if name in names)
        steps = {name: self._store.view(name) for name in self._step_names}
        onetime = {name: self._store.view(name) for name in self._onetime_names}
        return EpisodeData(steps, onetime, self._store.ends.copy(), {**self.meta, "spec": spec.to_dict()}, self._where)

    def save(self, path: str | Path | None = None) -> Path:
        """Writes all complete episodes; a crash leaves the old file or the new one.

        A `.muse` folder that this dataset has written before only grows by the episodes added since.

        Args:
            path: The file; `output_file` when None.

        Raises:
            DataError: When there is no path.
        """
        given = path or self.output_file
        if given is None:
            raise DataError("NpDataset.save", "no path", "one, or the option 'output_file'")
        target, data = Path(given), self.to_data()
        storage = format_of(target)
        if (
            self._saved is not None
            and self._saved[:2] == (target, self._evicted)
            and storage.num_episodes(target) == self._saved[2]
        ):
            storage.append(target, data.from_episode(self._saved[2]))
        else:
            storage.write(target, data)
        self._saved = (target, self._evicted, len(data.ends)) if hasattr(storage, "append") else None
        return target
