"""What datasets whose batches are windows of an episode store have in common."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.batches import DERIVED_NAMES, BatchReader
from muse.datasets.dataset import DataError, Dataset
from muse.datasets.episodes import EpisodeStore
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.goals import GoalRelabelling
from muse.datasets.loading import check_data, join_meta, numbers_of_split
from muse.datasets.preprocess.preprocessor import Preprocessor, make_preprocessors, process_all, process_store
from muse.datasets.samplers import Sampler, SequentialSampler
from muse.datasets.statistics import statistics_of
from muse.datasets.window_options import WINDOW_ARGUMENTS
from muse.datasets.windows import Segments, WindowTable
from muse.specs import EnvSpec, Leaf, Statistics
from muse.utils.abstract import build
from muse.utils.attrdicts import nest

_log = logging.getLogger(__name__)

_LISTED = 20
#: Rows from a window's first to its last, beyond which no episode goes.
_MAX_REACH = 2**31


class WindowDataset(Dataset, ABC):
    """Windows of `H` rows of the episodes in a store: the options, which episodes are kept, batches, statistics.

    A subclass fills the store in `_load`, and may let it grow.

    Args:
        params: The options.
        env_spec: Names, shapes, types and roles.
        base_dataset: With `load_from_base`, the dataset whose arrays are shared instead of reading the files again.

    Attributes:
        meta: Plain values that came with the arrays: `fingerprint` of the environment, `splits`.

    Raises:
        DataError: For options that contradict one another, and for whatever is wrong in the files.
    """

    predefined_arguments = WINDOW_ARGUMENTS

    file: Any
    missing_hint: str | None
    batch_size: int
    horizon: int
    horizon_skip: int
    pad_end_sequence: bool
    pad_start: bool
    load_episode_range: list[float] | None
    initial_load_episodes: int
    split: str | None
    load_from_base: bool
    batch_names_to_get: list[str] | None
    step_names: list[str] | None
    onetime_names: list[str] | None
    sampler: Any
    data_preprocessors: Any
    goal_relabelling: Any
    windows: Any
    #: Whether episodes may not be added.
    frozen: bool = True

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, base_dataset: WindowDataset | None = None) -> None:
        super().__init__(params, env_spec)
        self._check_options()
        self._preprocessors, self._goals, self.env_spec = _between(params, env_spec)
        env_spec = self.env_spec
        self._chooser = None if self.windows is None else build(self.windows, env_spec, where="dataset/windows")
        if self.load_from_base and not isinstance(base_dataset, type(self)):
            hint = "load_from_base in a holdout group beside its train group"
            raise DataError(
                self._label("load_from_base"), "no base dataset", "a dataset of its class to share the arrays of", hint
            )
        onetime = (*env_spec.param_names, *env_spec.final_names) if self.onetime_names is None else self.onetime_names
        steps = env_spec.names if self.step_names is None else self.step_names
        self._onetime_names = tuple(onetime)
        self._made_names = tuple(leaf.name for preprocessor in self._preprocessors for leaf in preprocessor.leaves)
        goals = () if self._goals is None else tuple(self._goals.names)
        recorded = () if self._goals is None else self._goals.recorded
        unread = {*DERIVED_NAMES, *self._made_names, *goals} - set(recorded)
        #: What the file has; what is made of it comes besides.
        self._step_names = tuple(name for name in steps if name not in unread)
        self._held_names = (*self._step_names, *self._made_names, *self._onetime_names)
        every = (*self._held_names, *(name for name in goals if name not in self._held_names))
        self._batch_names = tuple(every if self.batch_names_to_get is None else self.batch_names_to_get)
        if len(set(self._held_names)) < len(self._held_names):
            twice = next(name for name in self._held_names if self._held_names.count(name) > 1)
            where = f"{type(self).__name__}: 'step_names' and 'onetime_names'"
            raise DataError(where, f"'{twice}' twice", "each name once")
        self.meta: dict[str, Any] = {}
        self._files = [] if self.file is None else [self.file] if isinstance(self.file, (str, Path)) else list(self.file)
        self._where = ", ".join(map(str, self._files)) or "dataset"
        shares = base_dataset if self.load_from_base else None
        if shares is None:
            self._check_files()
        self._whole = self._load() if shares is None else self._share(shares)
        self._store = self._choose_episodes()
        if self._preprocessors:
            made = process_store(self._preprocessors, self._store, self._where)
            self._store = self._store.extended(made, self._batch_names)
        padding = (self.pad_start, self.pad_end_sequence)
        self._windows = WindowTable(self.horizon, self.horizon_skip, *padding, segmented=self._chooser is not None)
        self._reader = BatchReader(self._store, self._windows, env_spec, self._goals)
        self._check_sources()
        self._reader.check(self._batch_names)
        self._windows.append(self._store.lengths, self._find_segments(self._store.view, self._store.ends))
        self._check_loaded()

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the leaves that the preprocessors and the goals of a group `params` add to `env_spec`."""
        _, _, spec = _between(params, env_spec, extends=True)
        return [spec.leaf(name) for name in spec.all_names if name not in env_spec]

    @abstractmethod
    def _load(self) -> EpisodeStore:
        """Returns all episodes of `self._files` under the names held, and sets `self.meta`."""

    def _checked(self, data: EpisodeData) -> EpisodeData:
        """Returns what this dataset holds of a file's episodes, in the spec's types."""
        return check_data(data, self.env_spec, self._step_names, self._onetime_names)

    def _join(self, parts: Sequence[EpisodeData]) -> EpisodeStore:
        """Returns the checked episodes of all files as one store in memory, and remembers their meta data."""
        columns, onetime = ({name: self._column(name) for name in names} for names in (self._step_names, self._onetime_names))
        store = EpisodeStore(columns, onetime, self._batch_names)
        self.meta = join_meta([part.meta for part in parts], [len(part.ends) for part in parts])
        parts = [part for part in parts if len(part.ends)]
        if len(parts) == 1:
            store.adopt(parts[0].steps, parts[0].onetime, parts[0].ends)
        for part in parts if len(parts) > 1 else ():
            store.append(part.steps, part.onetime, part.ends)
        return store

    def _check_sources(self) -> None:
        held = (*self._step_names, *self._made_names)
        wanted = {} if self._goals is None else dict.fromkeys(self._goals.names.values(), "goal_relabelling")
        wanted.update({} if self._chooser is None else {self._chooser.contact: "windows"})
        for name, option in wanted.items():
            if name not in held:
                raise DataError(self._label(option), f"reads '{name}', which is not held", "one of " + ", ".join(held))

    def _find_segments(self, rows_of: Callable[[str], np.ndarray], ends: np.ndarray) -> Segments | None:
        if self._chooser is None or not len(ends):
            return None
        return self._chooser.find(np.asarray(rows_of(self._chooser.contact)[:]), ends)

    def _add_rows(self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray) -> None:
        """Appends episodes: checked arrays of the names that a file has, and the end of each counted from their first row."""
        if self._preprocessors:
            steps = {**steps, **process_all(self._preprocessors, steps, onetime, ends, type(self).__name__)}
        segments = self._find_segments(steps.__getitem__, ends)
        self._store.append(steps, onetime, ends)
        self._windows.append(np.diff(ends, prepend=0), segments)

    def _label(self, option: str) -> str:
        return f"{type(self).__name__}: '{option}'"

    def _check_options(self) -> None:
        for name in ("batch_size", "horizon", "horizon_skip"):
            if getattr(self, name) < 1:
                raise DataError(self._label(name), str(getattr(self, name)), "at least 1")
        if (self.horizon - 1) * self.horizon_skip >= _MAX_REACH:
            got = f"windows that reach over {(self.horizon - 1) * self.horizon_skip + 1:.4g} rows"
            raise DataError(f"{self._label('horizon')} and 'horizon_skip'", got, f"at most {_MAX_REACH:.4g}")
        if self.initial_load_episodes < 0:
            raise DataError(self._label("initial_load_episodes"), str(self.initial_load_episodes), "0 for all, or more")
        if self.load_episode_range is not None:
            bounds = self.load_episode_range
            if len(bounds) != 2 or not 0 <= bounds[0] < bounds[1] <= 1:
                raise DataError(self._label("load_episode_range"), repr(bounds), "[low, high] with 0 <= low < high <= 1")

    def _check_files(self) -> None:
        for path in self._files if self.missing_hint else ():
            if not Path(path).exists():
                raise DataError(str(path), "no such file", "episodes to learn from", self.missing_hint)

    def _share(self, base: WindowDataset) -> EpisodeStore:
        if self._files and self._where != base._where:
            raise DataError(self._label("load_from_base"), f"file {self._where}", f"the base's {base._where}, or none")
        base_names = (*base._step_names, *base._onetime_names)
        for name in (*self._step_names, *self._onetime_names):
            column = self._column(name)
            there = base._column(name) if name in base_names else None
            if there != column or (name in self._step_names) != (name in base._step_names):
                got = f"the base dataset {'has another' if there else 'lacks'} '{name}'"
                raise DataError(self._label("load_from_base"), got, "a base with the same names, shapes and types")
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
        """Looks at what was loaded, once: nothing at all, nothing long enough, something too short."""
        count, counts = self._store.num_episodes, self._windows.counts
        if not count and self.frozen:
            raise DataError(self._where, "no episodes", "at least one in a frozen dataset", "a 'file' with some, or frozen=False")
        if not count and self.file is not None:
            _log.warning("%s: no episodes in it; the dataset begins empty", self._where)
        needed = (self.horizon - 1) * self.horizon_skip + 1
        if count and not len(self._windows):
            what = "episode" if self._chooser is None else "interaction"
            got, hint = f"no {what} has the {needed} rows of a window", "pad_end_sequence=True, or a shorter horizon"
            raise DataError(self._where, got, "one that is long enough", hint)
        short = np.flatnonzero(counts == 0)
        if len(short):
            listed = ", ".join(map(str, short[:_LISTED])) + (" ..." if len(short) > _LISTED else "")
            text = "are too short for" if self._chooser is None else "have no interaction for"
            _log.warning("%s: %d episodes %s a window of %d rows: %s", self._where, len(short), text, needed, listed)

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def num_rows(self) -> int:
        """Number of rows held."""
        return self._store.num_rows

    @property
    def relabelled_names(self) -> tuple[str, ...]:
        """Goals of batches that are taken from other rows; in episodes they are as recorded, or absent."""
        return () if self._goals is None else tuple(self._goals.names)

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
            indices = self._next_indices()
        return self._reader.read_windows(indices, self._batch_names if names is None else tuple(names), torch_device)

    def draw_batch(
        self, sampler: Sampler, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers the windows that `sampler` draws, with goals that are new at every draw; see `Dataset.draw_batch`."""
        key = None if self._goals is None else sampler.draw_key()
        indices = sampler.next_indices()
        return self._reader.read_windows(indices, self._batch_names if names is None else tuple(names), torch_device, key)

    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Returns an episode; see `Dataset.get_episode`.

        Raises:
            DataError: For an index or a name that is not there.
        """
        inputs, outputs = self._reader.read_episode(index, self._held_names if names is None else tuple(names))
        return (nest(inputs), nest(outputs)) if split else nest({**inputs, **outputs})

    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name; see `Dataset.get_statistics`.

        Raises:
            DataError: For a name that is not there or holds no numbers, and when there are no rows.
        """
        return {name: statistics_of(self.get_rows(name)) for name in names}

    def get_rows(self, name: str) -> Any:
        """Returns all rows of a name, not to be written to; see `Dataset.get_rows`.

        Raises:
            DataError: As `get_statistics`.
        """
        self._reader.check((name,))
        # Goals are states of other rows.
        source = name if self._goals is None else self._goals.names.get(name, name)
        rows = None if source in DERIVED_NAMES else self._store.view(source)
        if rows is None or rows.dtype.kind not in "fiub":
            raise DataError(f"get_statistics: '{name}'", "no numbers", "a name with numbers")
        if not len(rows):
            raise DataError(f"get_statistics: '{name}'", "no rows", "at least one episode")
        return rows


def _between(
    params: Mapping[str, Any], env_spec: EnvSpec, extends: bool = False
) -> tuple[list[Preprocessor], GoalRelabelling | None, EnvSpec]:
    """Returns what stands between the file and the model, and the spec with what it adds."""
    groups, where = params.get("data_preprocessors"), "dataset/data_preprocessors"
    preprocessors, spec = make_preprocessors(groups, env_spec, where, extends)
    group = params.get("goal_relabelling")
    goals = None if group is None else build(group, spec, where="dataset/goal_relabelling")
    return preprocessors, goals, spec if goals is None else spec.extended(goals.leaves)
