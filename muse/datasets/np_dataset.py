"""Episodes in memory: trained from, or grown as a replay buffer."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.dataset import DataError, Dataset
from muse.datasets.episodes import EpisodeStore
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import check_data, check_finite, read_files, to_type, write_file
from muse.datasets.samplers import Sampler, SequentialSampler
from muse.datasets.windows import WindowTable
from muse.specs import EnvSpec, Episode, Statistics
from muse.utils.abstract import Argument, build
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.errors import nearest

_log = logging.getLogger(__name__)

_STATISTICS_ROWS = 1 << 16


class NpDataset(Dataset):
    """Windows of episodes from `.npz` files or `.muse` folders, or of those added while training.

    Args:
        params: The options below.
        env_spec: Names, shapes, types and roles.
        base_dataset: With `load_from_base`, the dataset whose arrays are shared instead of reading the files again.

    Attributes:
        meta: Plain values that `save` writes beside the arrays: `fingerprint` of the environment, `splits`.
    """

    predefined_arguments = [
        Argument("file", help="path of an .npz file or .muse folder, or a list of them; none: begin empty"),
        Argument("output_file", type=str, help="where save() writes"),
        Argument("batch_size", type=int, default=256, help="windows in a batch"),
        Argument("horizon", type=int, default=10, help="rows in a window", unit="rows"),
        Argument("horizon_skip", type=int, default=1, help="rows from one row of a window to the next", unit="rows"),
        Argument("pad_end_sequence", type=bool, default=False, help="windows may begin anywhere and repeat the last row"),
        Argument("pad_start", type=bool, default=False, help="windows may begin before the episode and repeat its first row"),
        Argument("capacity", type=int, help="rows kept; beyond it the oldest episodes leave", unit="rows"),
        Argument("frozen", type=bool, default=False, help="refuse to grow"),
        Argument("load_episode_range", type=list, element_type=float, help="fractions [low, high) of the episodes to keep, for train and holdout"),
        Argument("initial_load_episodes", type=int, default=0, help="keep only so many of the loaded episodes; 0: all"),
        Argument("split", type=str, help="keep only the episodes of this named split of the file"),
        Argument("load_ignore_prefixes", type=list, default=[], element_type=str, help="names in the file that are not read"),
        Argument("load_from_base", type=bool, default=False, help="share the arrays of the train dataset instead of reading the file again"),
        Argument("batch_names_to_get", type=list, element_type=str, help="names in a batch; none: all"),
        Argument("step_names", type=list, element_type=str, help="names with a row per step; none: those of the spec"),
        Argument("onetime_names", type=list, element_type=str, help="names with a row per episode; none: params and finals of the spec"),
        Argument("sampler", help="group of a sampler; none: shuffled epochs"),
    ]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, base_dataset: NpDataset | None = None) -> None:
        super().__init__(params, env_spec)
        self._check_options(base_dataset)
        self._step_names = tuple(env_spec.names if self.step_names is None else self.step_names)
        self._onetime_names = tuple((*env_spec.param_names, *env_spec.final_names) if self.onetime_names is None else self.onetime_names)
        held = (*self._step_names, *self._onetime_names)
        self._batch_names = tuple(held if self.batch_names_to_get is None else self.batch_names_to_get)
        for name in (*held, *self._batch_names):
            if name not in ("done", "rollout_timestep"):
                env_spec.leaf(name)
        self.meta: dict[str, Any] = {}
        self._where = "dataset"
        self._whole = self._load(base_dataset)
        self._store = self._whole if self._whole.num_episodes == 0 else self._whole.selected(self._chosen_episodes(self._whole.num_episodes))
        self._windows = WindowTable(self.horizon, self.horizon_skip, self.pad_start, self.pad_end_sequence)
        self._windows.append(self._store.lengths)
        self._report_short()
        if self.frozen and not self._store.num_episodes:
            raise DataError(self._where, "no episodes in a frozen dataset", "a file with some", "a 'file', or frozen=False")
        self._growing: list[dict[str, np.ndarray]] = []
        self._plans: dict[tuple[str, ...], list[tuple[str, str, int, int, int, tuple[int, ...]]]] = {}
        self._sampler: Sampler | None = None
        self._evict()

    def _check_options(self, base_dataset: NpDataset | None) -> None:
        for name in ("batch_size", "horizon", "horizon_skip"):
            if getattr(self, name) < 1:
                raise DataError(f"NpDataset: '{name}'", str(getattr(self, name)), "at least 1")
        if self.capacity is not None and self.capacity < 1:
            raise DataError("NpDataset: 'capacity'", str(self.capacity), "at least 1 row, or none")
        if self.load_episode_range is not None:
            low_high = self.load_episode_range
            if len(low_high) != 2 or not 0 <= low_high[0] < low_high[1] <= 1:
                raise DataError("NpDataset: 'load_episode_range'", repr(low_high), "[low, high] with 0 <= low < high <= 1")
        if self.load_from_base and not isinstance(base_dataset, NpDataset):
            raise DataError("NpDataset: 'load_from_base'", "no base dataset", "an NpDataset to share the arrays of", "load_from_base in a holdout group beside its train group")

    def _load(self, base: NpDataset | None) -> EpisodeStore:
        if self.load_from_base and base is not None:
            missing = [name for name in (*self._step_names, *self._onetime_names) if name not in base._whole.columns and name not in base._whole.onetime]
            if missing:
                raise DataError("NpDataset: 'load_from_base'", f"the base dataset lacks '{missing[0]}'", "a base with the same names")
            self._where, self.meta = base._where, dict(base.meta)
            return base._whole
        files = [] if self.file is None else [self.file] if isinstance(self.file, (str, Path)) else list(self.file)
        self._where = ", ".join(map(str, files)) or "dataset"
        parts = [check_data(data, self.env_spec, self._step_names, self._onetime_names) for data in read_files(files, tuple(self.load_ignore_prefixes))]
        store = EpisodeStore(self._columns(self._step_names), self._columns(self._onetime_names), self._batch_names)
        if parts:
            self.meta = {key: value for key, value in parts[0].meta.items() if key not in ("spec", "version")}
        if len(parts) == 1 and len(parts[0].ends):
            store.adopt(parts[0].steps, parts[0].onetime, parts[0].ends)
        else:
            for part in parts:
                if len(part.ends):
                    store.append(part.steps, part.onetime, part.ends)
        return store

    def _columns(self, names: Iterable[str]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        return {name: (self.env_spec.leaf(name).shape, self.env_spec.leaf(name).dtype) for name in names}

    def _chosen_episodes(self, count: int) -> np.ndarray:
        chosen = np.arange(count)
        if self.split is not None:
            splits = self.meta.get("splits", {})
            if self.split not in splits:
                raise DataError(f"{self._where}: split '{self.split}'", f"not there{nearest(self.split, splits)}", "one of " + (", ".join(splits) or "none"))
            chosen = np.asarray(splits[self.split], np.int64)
            if len(chosen) and not (0 <= chosen.min() and chosen.max() < count):
                raise DataError(f"{self._where}: split '{self.split}'", "an episode that is not there", f"numbers below {count}")
        if self.load_episode_range is not None:
            low, high = (math.ceil(round(bound * len(chosen), 9)) for bound in self.load_episode_range)
            chosen = chosen[low:high]
        return chosen[: self.initial_load_episodes] if self.initial_load_episodes else chosen

    def _report_short(self) -> None:
        short = np.flatnonzero(self._windows.counts == 0)
        if len(short) and len(short) == self._store.num_episodes:
            raise DataError(self._where, f"no episode has the {(self.horizon - 1) * self.horizon_skip + 1} rows of a window", "one that is long enough", "pad_end_sequence=True, or a shorter horizon")
        if len(short):
            listed = ", ".join(map(str, short[:20])) + (" ..." if len(short) > 20 else "")
            _log.warning("%s: %d episodes are too short for a window: %s", self._where, len(short), listed)

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def num_rows(self) -> int:
        """Number of rows held."""
        return self._store.num_rows

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

    def get_batch(self, indices: np.ndarray | None = None, names: Iterable[str] | None = None, torch_device: Any = None) -> tuple[AttrDict, AttrDict]:
        """Gathers windows; see `Dataset.get_batch`. Leaves of one type may be views of one new array.

        Raises:
            DataError: For an index or a name that is not there.
        """
        if indices is None:
            self._sampler = self._sampler or self.get_sampler()
            indices = self._sampler.next_indices()
        try:
            located = self._windows.locate(np.asarray(indices))
        except IndexError as error:
            raise DataError("get_batch", f"indices up to {np.max(indices)}", f"numbers below {len(self)}") from error
        rows, batch = located.rows, len(located.rows)
        flat_rows = rows.reshape(-1)
        convert = _identity if torch_device is None else _to_device(torch_device)
        gathered: dict[int, Any] = {}
        sides: dict[str, dict[str, Any]] = {"inputs": {}, "outputs": {}}
        for name, side, block, begin, end, shape in self._plan(self._batch_names if names is None else tuple(names)):
            if block >= 0:
                if block not in gathered:
                    gathered[block] = convert(self._store.blocks[block].array.take(flat_rows, axis=0).reshape(batch, self.horizon, -1))
                leaf = gathered[block][:, :, begin:end]
                sides[side][name] = leaf if len(shape) == 1 else leaf.reshape(batch, self.horizon, *shape)
            elif name == "rollout_timestep":
                sides[side][name] = convert(rows - located.first)
            elif name != "done":
                once = self._store.onetime[name].array.take(located.episodes, axis=0)
                sides[side][name] = convert(np.repeat(once[:, None], self.horizon, axis=1))
        sides["outputs"]["done"], sides["outputs"]["padding_mask"] = convert(located.done), convert(located.padding_mask)
        return nest(sides["inputs"]), nest(sides["outputs"])

    def _plan(self, names: tuple[str, ...]) -> list[tuple[str, str, int, int, int, tuple[int, ...]]]:
        """Returns name, side, block, columns and shape of each name; remembered, for it is asked at every batch."""
        if names not in self._plans:
            plan = []
            for name in names:
                side = self._side(name)
                if name in self._store.columns:
                    column = self._store.columns[name]
                    plan.append((name, side, column.block, column.begin, column.end, column.shape))
                elif name in self._store.onetime or name in ("done", "rollout_timestep"):
                    plan.append((name, side, -1, 0, 0, ()))
                else:
                    held = (*self._store.columns, *self._store.onetime, "done", "rollout_timestep")
                    raise DataError("get_batch", f"no name '{name}'{nearest(name, held)}", "one of " + ", ".join(held))
            self._plans[names] = plan
        return self._plans[names]

    def _side(self, name: str) -> str:
        role = self.env_spec.leaf(name).role if name in self.env_spec else ""
        return "outputs" if role in ("output_observation", "final") or name == "done" else "inputs"

    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Returns an episode; see `Dataset.get_episode`.

        Raises:
            DataError: For an index or a name that is not there.
        """
        if not 0 <= index < self.get_num_episodes():
            raise DataError("get_episode", f"index {index}", f"a number from 0 to {self.get_num_episodes() - 1}")
        begin, end = self._store.bounds(index)
        sides: dict[str, dict[str, np.ndarray]] = {"inputs": {}, "outputs": {}}
        for name, side, block, *_ in self._plan((*self._step_names, *self._onetime_names) if names is None else tuple(names)):
            if block >= 0:
                sides[side][name] = self._store.view(name)[begin:end].copy()
            elif name == "rollout_timestep":
                sides[side][name] = np.arange(end - begin)
            elif name != "done":
                sides[side][name] = self._store.view(name)[index].copy()
        sides["outputs"]["done"] = np.arange(end - begin) == end - begin - 1
        return (nest(sides["inputs"]), nest(sides["outputs"])) if split else nest({**sides["inputs"], **sides["outputs"]})

    def add_episode(self, episode: Episode) -> None:
        """Appends an episode; see `Dataset.add_episode`."""
        rows = episode.to_rows()
        self._append({name: np.asarray(rows[name]) for name in self._step_names if name in rows}, flatten(episode.onetime), len(episode))

    def add(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Adds one step, leaves `(1, *shape)`; the episode is appended when `outputs["done"]` is true.

        One-time names may come with any step; the last value counts.

        Raises:
            DataError: As `add_episode`.
        """
        if not has(outputs, "done"):
            raise DataError("add: 'done'", "missing in outputs", "(1,) bool")
        step = {**flatten(inputs), **flatten(outputs)}
        self._growing.append({name: np.asarray(value) for name, value in step.items()})
        if bool(np.asarray(step["done"]).any()):
            held, self._growing = self._growing, []
            missing = [name for name in self._step_names if any(name not in one for one in held)]
            if missing:
                raise DataError(f"add: '{missing[0]}'", "missing in a step of the episode", "every step name at every step")
            steps = {name: np.concatenate([one[name] for one in held]) for name in self._step_names}
            once = {name: one[name][0] for one in held for name in self._onetime_names if name in one}
            self._append(steps, once, len(held))

    def _append(self, steps: dict[str, np.ndarray], onetime: Mapping[str, Any], length: int) -> None:
        if self.frozen:
            raise DataError("NpDataset.add_episode", "this dataset is frozen", "frozen=False")
        if self.capacity is not None and length > self.capacity:
            raise DataError("NpDataset.add_episode", f"an episode of {length} rows", f"at most the capacity of {self.capacity}")
        checked, once = {}, {}
        for name in self._step_names:
            checked[name] = self._fitted(steps, name, (length,))
        for name in self._onetime_names:
            once[name] = self._fitted(onetime, name, ())[None]
        self._store.append(checked, once, np.array([length]))
        self._windows.append(np.array([length]))
        self._evict()

    def _fitted(self, arrays: Mapping[str, Any], name: str, lead: tuple[int, ...]) -> np.ndarray:
        leaf, label = self.env_spec.leaf(name), f"NpDataset.add_episode: '{name}'"
        if name not in arrays:
            raise DataError(label, "missing in the episode", f"{(*lead, *leaf.shape)} {leaf.dtype}")
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

    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name; see `Dataset.get_statistics`.

        Raises:
            DataError: For a name that is not there or holds no numbers, and when there are no rows.
        """
        found = {}
        for name in names:
            self._plan((name,))
            rows = self._store.view(name) if name in self._store.columns or name in self._store.onetime else None
            if rows is None or rows.dtype.kind not in "fiub":
                raise DataError(f"get_statistics: '{name}'", "no numbers", "a name with numbers")
            if not len(rows):
                raise DataError(f"get_statistics: '{name}'", "no rows", "at least one episode")
            found[name] = _statistics(rows)
        return found

    def to_data(self) -> EpisodeData:
        """Returns everything held, as formats write it; arrays may be views."""
        names = {**dict.fromkeys(self._step_names), **dict.fromkeys(self._onetime_names)}
        spec = EnvSpec.from_leaves(leaf for leaf in map(self.env_spec.leaf, self.env_spec.all_names) if leaf.name in names)
        return EpisodeData(
            {name: self._store.view(name) for name in self._step_names},
            {name: self._store.view(name) for name in self._onetime_names},
            self._store.ends.copy(), {**self.meta, "spec": spec.to_dict()}, self._where,
        )  # fmt: skip

    def save(self, path: str | Path | None = None) -> Path:
        """Writes all complete episodes; a crash leaves the old file or the new one.

        Args:
            path: The file; `output_file` when None.

        Raises:
            DataError: When there is no path.
        """
        target = path or self.output_file
        if target is None:
            raise DataError("NpDataset.save", "no path", "one, or the option 'output_file'")
        write_file(target, self.to_data())
        return Path(target)


def _identity(array: np.ndarray) -> np.ndarray:
    return array


def _to_device(device: Any) -> Any:
    import torch

    target = torch.device(device)
    if target.type == "cpu":
        return torch.from_numpy
    return lambda array: torch.from_numpy(array).to(target, non_blocking=True)


def _statistics(rows: np.ndarray) -> Statistics:
    """Two passes over parts of the rows in float64, so that large data is never copied whole."""
    parts = [rows[begin : begin + _STATISTICS_ROWS] for begin in range(0, len(rows), _STATISTICS_ROWS)]
    low = np.min([part.min(axis=0) for part in parts], axis=0).astype(np.float64)
    high = np.max([part.max(axis=0) for part in parts], axis=0).astype(np.float64)
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in parts) / len(rows)
    squares = sum(((part - mean) ** 2).sum(axis=0) for part in parts)
    std = np.where(low == high, 0.0, np.sqrt(squares / len(rows)))
    return Statistics(np.where(low == high, low, mean), std, low, high, len(rows))
