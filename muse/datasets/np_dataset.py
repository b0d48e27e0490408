"""Episodes in memory: trained from, or grown as a replay buffer."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.batches import DERIVED_NAMES, BatchReader
from muse.datasets.dataset import DataError, Dataset
from muse.datasets.episodes import EpisodeStore
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import check_data, format_of, join_splits, numbers_of_split, read_file
from muse.datasets.numbers import check_finite, statistics_of, to_type
from muse.datasets.samplers import Sampler, SequentialSampler
from muse.datasets.windows import WindowTable
from muse.specs import EnvSpec, Episode, Statistics
from muse.utils.abstract import Argument, build
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.errors import nearest

_log = logging.getLogger(__name__)

_LISTED = 20


class NpDataset(Dataset):
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
        Argument("missing_hint", type=str, help="what to try where the file is missing, for the message"),
        Argument("output_file", type=str, help="where save() writes"),
        Argument("batch_size", type=int, default=256, help="windows in a batch"),
        Argument("horizon", type=int, default=10, help="rows in a window", unit="rows"),
        Argument("horizon_skip", type=int, default=1, help="rows from one row of a window to the next", unit="rows"),
        Argument("pad_end_sequence", type=bool, default=False, help="windows may begin anywhere and repeat the last row"),
        Argument("pad_start", type=bool, default=False, help="windows may begin before the episode and repeat its first row"),
        Argument("capacity", type=int, help="rows kept; beyond it the oldest episodes leave", unit="rows"),
        Argument("frozen", type=bool, default=False, help="refuse to grow"),
        Argument(
            "load_episode_range",
            type=list,
            element_type=float,
            help="fractions [low, high) of the episodes to keep, for train and holdout",
        ),
        Argument("initial_load_episodes", type=int, default=0, help="keep only so many of the loaded episodes; 0: all"),
        Argument("split", type=str, help="keep only the episodes of this named split of the file"),
        Argument("load_ignore_prefixes", type=list, default=[], element_type=str, help="names in the file that are not read"),
        Argument(
            "load_from_base",
            type=bool,
            default=False,
            help="share the arrays of the train dataset instead of reading the file again",
        ),
        Argument("batch_names_to_get", type=list, element_type=str, help="names in a batch; none: all"),
        Argument("step_names", type=list, element_type=str, help="names with a row per step; none: those of the spec"),
        Argument(
            "onetime_names", type=list, element_type=str, help="names with a row per episode; none: params and finals of the spec"
        ),
        Argument("sampler", help="group of a sampler; none: shuffled epochs"),
    ]

    file: Any
    missing_hint: str | None
    output_file: str | None
    batch_size: int
    horizon: int
    horizon_skip: int
    pad_end_sequence: bool
    pad_start: bool
    capacity: int | None
    frozen: bool
    load_episode_range: list[float] | None
    initial_load_episodes: int
    split: str | None
    load_ignore_prefixes: list[str]
    load_from_base: bool
    batch_names_to_get: list[str] | None
    step_names: list[str] | None
    onetime_names: list[str] | None
    sampler: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, base_dataset: NpDataset | None = None) -> None:
        super().__init__(params, env_spec)
        self._check_options(base_dataset)
        onetime = (*env_spec.param_names, *env_spec.final_names) if self.onetime_names is None else self.onetime_names
        steps = env_spec.names if self.step_names is None else self.step_names
        self._onetime_names = tuple(onetime)
        self._step_names = tuple(name for name in steps if name not in DERIVED_NAMES)
        self._held_names = (*self._step_names, *self._onetime_names)
        self._batch_names = tuple(self._held_names if self.batch_names_to_get is None else self.batch_names_to_get)
        if len(set(self._held_names)) < len(self._held_names):
            twice = next(name for name in self._held_names if self._held_names.count(name) > 1)
            raise DataError("NpDataset: 'step_names' and 'onetime_names'", f"'{twice}' twice", "each name once")
        self.meta: dict[str, Any] = {}
        self._where = "dataset"
        self._whole = self._load(base_dataset)
        self._store = self._choose_episodes()
        self._windows = WindowTable(self.horizon, self.horizon_skip, self.pad_start, self.pad_end_sequence)
        self._windows.append(self._store.lengths)
        self._reader = BatchReader(self._store, self._windows, env_spec)
        self._reader.plan(self._batch_names)
        self._growing: list[dict[str, np.ndarray]] = []
        # Target, episodes evicted and episodes held when a folder was saved.
        self._saved: tuple[Path, int, int] | None = None
        self._evicted = 0
        self._sampler: Sampler | None = None
        self._check_loaded()
        self._evict()

    def _check_options(self, base_dataset: NpDataset | None) -> None:
        for name in ("batch_size", "horizon", "horizon_skip"):
            if getattr(self, name) < 1:
                raise DataError(f"NpDataset: '{name}'", str(getattr(self, name)), "at least 1")
        if self.initial_load_episodes < 0:
            raise DataError("NpDataset: 'initial_load_episodes'", str(self.initial_load_episodes), "0 for all, or more")
        if self.capacity is not None and self.capacity < 1:
            raise DataError("NpDataset: 'capacity'", str(self.capacity), "at least 1 row, or none")
        if self.load_episode_range is not None:
            bounds = self.load_episode_range
            if len(bounds) != 2 or not 0 <= bounds[0] < bounds[1] <= 1:
                raise DataError("NpDataset: 'load_episode_range'", repr(bounds), "[low, high] with 0 <= low < high <= 1")
        if self.load_from_base and not isinstance(base_dataset, NpDataset):
            hint = "load_from_base in a holdout group beside its train group"
            raise DataError("NpDataset: 'load_from_base'", "no base dataset", "an NpDataset to share the arrays of", hint)

    def _load(self, base: NpDataset | None) -> EpisodeStore:
        files = [] if self.file is None else [self.file] if isinstance(self.file, (str, Path)) else list(self.file)
        self._where = ", ".join(map(str, files)) or "dataset"
        columns, onetime = ({name: self._column(name) for name in names} for names in (self._step_names, self._onetime_names))
        if self.load_from_base and base is not None:
            return self._share(base, {**columns, **onetime}, bool(files))
        for path in files if self.missing_hint else ():
            if not Path(path).exists():
                raise DataError(str(path), "no such file", "episodes to learn from", self.missing_hint)
        ignored = tuple(self.load_ignore_prefixes)
        parts = [check_data(read_file(path, ignored), self.env_spec, self._step_names, self._onetime_names) for path in files]
        store = EpisodeStore(columns, onetime, self._batch_names)
        if parts:
            self.meta = {key: value for key, value in parts[0].meta.items() if key not in ("spec", "version")}
        if len(parts) > 1:
            self.meta["splits"] = join_splits(parts)
            # Of each file, so that none can come from elsewhere unseen.
            self.meta["fingerprints"] = [part.meta.get("fingerprint", {}) for part in parts]
        parts = [part for part in parts if len(part.ends)]
        if len(parts) == 1:
            store.adopt(parts[0].steps, parts[0].onetime, parts[0].ends)
        for part in parts if len(parts) > 1 else ():
            store.append(part.steps, part.onetime, part.ends)
        return store

    def _share(self, base: NpDataset, columns: Mapping[str, Any], has_files: bool) -> EpisodeStore:
        if has_files and self._where != base._where:
            raise DataError("NpDataset: 'load_from_base'", f"file {self._where}", f"the base's {base._where}, or none")
        for name, column in columns.items():
            there = base._column(name) if name in base._held_names else None
            if there != column or (name in self._step_names) != (name in base._step_names):
                got = f"the base dataset {'has another' if there else 'lacks'} '{name}'"
                raise DataError("NpDataset: 'load_from_base'", got, "a base with the same names, shapes and types")
        self._where, self.meta = base._where, dict(base.meta)
        return base._whole

    def _column(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        return self.env_spec.leaf(name).shape, self.env_spec.leaf(name).dtype

    def _choose_episodes(self) -> EpisodeStore:
        count = self._whole.num_episodes
        chosen = np.arange(count)
        if self.split is not None:
            chosen = numbers_of_split(self.meta.get("splits", {}), self.split, count, self._where)
        if self.load_episode_range is not None:
            # Rounded, because 0.07 * 100 is 7.000000000000001; one range's high is the next one's low.
            low, high = (math.ceil(round(bound * len(chosen), 9)) for bound in self.load_episode_range)
            chosen = chosen[low:high]
        if self.initial_load_episodes:
            chosen = chosen[: self.initial_load_episodes]
        if count and not len(chosen):
            got = f"no episode is chosen of the {count} there"
            raise DataError(self._where, got, "at least one", "more episodes, or another split or load_episode_range")
        return self._whole.selected(chosen) if count else self._whole

    def _check_loaded(self) -> None:
        """Looks at what was loaded, once: nothing at all, nothing long enough, something too short or too long."""
        count, counts = self._store.num_episodes, self._windows.counts
        if not count and self.frozen:
            raise DataError(self._where, "no episodes", "at least one in a frozen dataset", "a 'file' with some, or frozen=False")
        if not count and self.file is not None:
            _log.warning("%s: no episodes in it; the dataset begins empty", self._where)
        needed = (self.horizon - 1) * self.horizon_skip + 1
        if count and not len(self._windows):
            got, hint = f"no episode has the {needed} rows of a window", "pad_end_sequence=True, or a shorter horizon"
            raise DataError(self._where, got, "one that is long enough", hint)
        short = np.flatnonzero(counts == 0)
        if len(short):
            listed = ", ".join(map(str, short[:_LISTED])) + (" ..." if len(short) > _LISTED else "")
            _log.warning("%s: %d episodes are too short for a window of %d rows: %s", self._where, len(short), needed, listed)
        if self.capacity is not None and self.num_rows > self.capacity:
            longest = int(self._store.lengths.max())
            if longest > self.capacity:
                raise DataError(self._where, f"an episode of {longest} rows", f"at most the capacity of {self.capacity}")
            _log.warning(
                "%s: %d rows, beyond the capacity of %d; the first episodes leave", self._where, self.num_rows, self.capacity
            )

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def num_rows(self) -> int:
        """Number of rows held."""
        return self._store.num_rows

    @property
    def first_window(self) -> int:
        """How many windows have left: window `i` of now is number `first_window + i` of all there ever were."""
        return self._windows.first_window

    def get_num_episodes(self) -> int:
        """Number of complete episodes."""
        return self._store.num_episodes

    def windows_per_episode(self) -> np.ndarray:
        """Returns the number of windows of each episode, `(E,)` int64."""
        return self._windows.counts.copy()

    def get_sampler(self, seed: int = 0) -> Sampler:
        """Returns a new sampler as the group `sampler` says."""
        if self.sampler is None:
            return SequentialSampler(AttrDict(), self, self.batch_size, seed)
        return build(self.sampler, self, self.batch_size, seed, where="dataset/sampler")

    def get_batch(
        self, indices: np.ndarray | None = None, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers windows; see `Dataset.get_batch`. Leaves of one type may be views of one new array.

        Raises:
            DataError: For an index or a name that is not there.
        """
        if indices is None:
            self._sampler = self._sampler or self.get_sampler()
            indices = self._sampler.next_indices()
        return self._reader.read_windows(indices, self._batch_names if names is None else tuple(names), torch_device)

    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Returns an episode; see `Dataset.get_episode`.

        Raises:
            DataError: For an index or a name that is not there.
        """
        inputs, outputs = self._reader.read_episode(index, self._held_names if names is None else tuple(names))
        return (nest(inputs), nest(outputs)) if split else nest({**inputs, **outputs})

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
        self._append(episode.to_rows(), flatten(episode.onetime), len(episode), "add_episode")

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
        checked = {name: self._fitted(steps, name, (length,), call) for name in self._step_names}
        once = {name: self._fitted(onetime, name, (), call)[None] for name in self._onetime_names}
        self._store.append(checked, once, np.array([length]))
        self._windows.append(np.array([length]))
        self._evict()

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

    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name; see `Dataset.get_statistics`.

        Raises:
            DataError: For a name that is not there or holds no numbers, and when there are no rows.
        """
        found = {}
        for name in names:
            self._reader.plan((name,))
            rows = None if name in DERIVED_NAMES else self._store.view(name)
            if rows is None or rows.dtype.kind not in "fiub":
                raise DataError(f"get_statistics: '{name}'", "no numbers", "a name with numbers")
            if not len(rows):
                raise DataError(f"get_statistics: '{name}'", "no rows", "at least one episode")
            found[name] = statistics_of(rows)
        return found

    def to_data(self) -> EpisodeData:
        """Returns everything held, as formats write it; arrays may be views."""
        spec = EnvSpec.from_leaves(self.env_spec.leaf(name) for name in self.env_spec.all_names if name in self._held_names)
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
