"""Several datasets as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.datasets.batches import checked_episode, checked_indices
from muse.datasets.dataset import DataError, Dataset
from muse.datasets.samplers import MixtureSampler, Sampler
from muse.datasets.statistics import JoinedRows, statistics_of
from muse.specs import EnvSpec, Episode, Leaf, Statistics
from muse.utils.abstract import Argument, build, is_group
from muse.utils.attrdicts import flatten, nest
from muse.utils.groups import named_groups
from muse.utils.seeding import derive_seed


class ConcatDataset(Dataset):
    """The windows and episodes of several datasets of one spec, those of the first before those of the second.

    d(
        cls=ConcatDataset,
        batch_size=F("batch_size"),
        datasets=d(human=np_seq.export & d(file="data/human.npz"), scripted=np_seq.export & d(file="data/scripted.npz")),
        sampler=d(cls=MixtureSampler, weights=[3.0, 1.0]),
    )

    Every part keeps its options: its episodes, windows, preprocessors, goals, and its sampler, which says in which order its own
    windows are drawn. The `batch_size` of a part plays no role. The last part may grow.

    Args:
        params: The options.
        env_spec: Names, shapes, types and roles.
        base_dataset: With `load_from_base`, a dataset of this class with as many parts, whose loaded arrays they share.

    Attributes:
        parts: The datasets, in order.
        meta: `fingerprints` of the environments that the parts were made in.

    Raises:
        DataError: For parts that do not fit one another, and for whatever is wrong in one.
    """

    predefined_arguments = [
        Argument("datasets", required=True, help="groups of datasets by name, or a list"),
        Argument("batch_size", type=int, default=256, help="windows in a batch"),
        Argument("sampler", help="group of a sampler; none: MixtureSampler by the numbers of windows"),
        Argument("load_from_base", type=bool, default=False, help="parts share the arrays of the train dataset's parts"),
    ]

    datasets: Any
    batch_size: int
    sampler: Any
    load_from_base: bool

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, base_dataset: ConcatDataset | None = None) -> None:
        super().__init__(params, env_spec)
        if self.batch_size < 1:
            raise DataError("ConcatDataset: 'batch_size'", str(self.batch_size), "at least 1")
        groups = named_groups(self.datasets, "dataset/datasets")
        if not groups:
            raise DataError("ConcatDataset: 'datasets'", "none", "at least one group")
        self._names = list(groups)
        self.parts = [
            build(group, env_spec, where=f"dataset/datasets/{name}", **extra)
            for (name, group), extra in zip(groups.items(), self._bases(len(groups), base_dataset), strict=True)
        ]
        for part in self.parts:
            self.env_spec = self.env_spec.extended(part.env_spec.leaf(name) for name in part.env_spec.all_names)
        self.meta = {"fingerprints": [fingerprint for part in self.parts for fingerprint in _fingerprints(part)]}
        self._check_parts()

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the leaves that the parts of a group `params` add to `env_spec`."""
        leaves: list[Leaf] = []
        for group in named_groups(params.get("datasets"), "dataset/datasets").values():
            get_leaves = getattr(group["cls"], "get_spec_leaves", None)
            leaves += [] if get_leaves is None else get_leaves(group, env_spec)
        return leaves

    def _bases(self, count: int, base: ConcatDataset | None) -> list[dict[str, Any]]:
        if not self.load_from_base:
            return [{}] * count
        if not isinstance(base, ConcatDataset) or len(base.parts) != count:
            got = "no base dataset" if not isinstance(base, ConcatDataset) else f"a base with {len(base.parts)} parts"
            hint = "load_from_base in a holdout group beside its train group"
            raise DataError("ConcatDataset: 'load_from_base'", got, f"a ConcatDataset of {count} parts", hint)
        groups = named_groups(self.datasets, "dataset/datasets").values()
        return [
            {"base_dataset": part} if group.get("load_from_base") else {} for part, group in zip(base.parts, groups, strict=True)
        ]

    def _check_parts(self) -> None:
        """Looks at a window of each part: batches can be mixed only of names of one shape and type."""
        for name, part in zip(self._names[:-1], self.parts[:-1], strict=True):
            if not getattr(part, "frozen", False):
                got, hint = "frozen is False", "frozen=True there, or another order"
                raise DataError(
                    f"ConcatDataset: 'datasets/{name}'", got, "frozen datasets, but for the last, which may grow", hint
                )
        first: dict[str, Any] | None = None
        for name, part in zip(self._names, self.parts, strict=True):
            if not len(part):
                continue
            inputs, outputs = part.get_batch(np.zeros(1, np.int64))
            batch = {name: (value.shape, value.dtype) for name, value in {**flatten(inputs), **flatten(outputs)}.items()}
            first = batch if first is None else first
            wrong = [one for one in {**first, **batch} if first.get(one) != batch.get(one)]
            if wrong:
                got, expected = (_kind_of(batch, wrong[0]), _kind_of(first, wrong[0]))
                where = f"ConcatDataset: 'datasets/{name}'"
                raise DataError(
                    where, f"'{wrong[0]}' is {got}", f"{expected}, as in the first part", "one horizon and the same names"
                )

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def frozen(self) -> bool:
        """Whether episodes may not be added."""
        return bool(getattr(self.parts[-1], "frozen", False))

    @property
    def horizon(self) -> int | None:
        """Rows of a window."""
        return getattr(self.parts[0], "horizon", None)

    @property
    def relabelled_names(self) -> tuple[str, ...]:
        """Goals of batches that some part takes from other rows."""
        return tuple({name: None for part in self.parts for name in getattr(part, "relabelled_names", ())})

    @property
    def first_window(self) -> int:
        """0: the windows before the ones that a growing part forgets stay, so no number says how many have left.

        Raises:
            DataError: When windows have left.
        """
        if any(getattr(part, "first_window", 0) for part in self.parts):
            raise DataError("ConcatDataset", "windows have left its last part", "a sampler that allows that", "MixtureSampler")
        return 0

    def windows_per_part(self) -> np.ndarray:
        """Returns the number of windows of each part, `(P,)` int64."""
        return np.array([len(part) for part in self.parts], np.int64)

    def windows_per_episode(self) -> np.ndarray:
        """Returns the number of windows of each episode, `(E,)` int64."""
        return np.concatenate([part.windows_per_episode() for part in self.parts])

    def get_num_episodes(self) -> int:
        """Number of complete episodes."""
        return sum(part.get_num_episodes() for part in self.parts)

    def get_sampler(self, seed: int = 0) -> Sampler:
        """Returns a new sampler as the group `sampler` says."""
        group = self.sampler if is_group(self.sampler) else {"cls": MixtureSampler}
        return build(group, self, self.batch_size, seed, where="dataset/sampler")

    def get_batch(
        self, indices: np.ndarray | None = None, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers windows; see `Dataset.get_batch`.

        Raises:
            DataError: For an index or a name that is not there.
        """
        if indices is None:
            indices = self._next_indices()
        names = None if names is None else tuple(names)
        return self._gather(indices, lambda part, local: self.parts[part].get_batch(local, names, torch_device))

    def draw_batch(
        self, sampler: Sampler, names: Iterable[str] | None = None, torch_device: Any = None
    ) -> tuple[AttrDict, AttrDict]:
        """Gathers the windows that `sampler` draws; what is random in a part is drawn anew. See `Dataset.draw_batch`."""
        key = sampler.draw_key()
        names = None if names is None else tuple(names)

        def draw(part: int, local: np.ndarray) -> tuple[AttrDict, AttrDict]:
            return self.parts[part].draw_batch(_Drawn(local, self.parts[part], derive_seed(key, part)), names, torch_device)

        return self._gather(sampler.next_indices(), draw)

    def _gather(self, indices: Any, read: Callable[[int, np.ndarray], tuple[AttrDict, AttrDict]]) -> tuple[AttrDict, AttrDict]:
        """Returns the windows `indices` `(B,)` of all parts in their order; `read` gives windows of one part by its own numbers."""
        counts = self.windows_per_part()
        indices = checked_indices(indices, int(counts.sum()))
        bounds = np.cumsum(counts)
        owners = np.searchsorted(bounds, indices, side="right")
        if not len(indices):
            return read(0, indices)
        chosen = np.unique(owners)
        places = [np.flatnonzero(owners == part) for part in chosen]
        batches = [read(int(part), indices[at] - (bounds[part] - counts[part])) for part, at in zip(chosen, places, strict=True)]
        if len(batches) == 1:
            return batches[0]
        positions = np.concatenate(places)
        # None where the parts' windows stand together already, as `MixtureSampler` draws them.
        order = None if (positions[1:] > positions[:-1]).all() else np.argsort(positions)
        sides = [[flatten(side) for side in pair] for pair in zip(*batches, strict=True)]
        joined = [{name: self._join(name, side, order) for name in side[0]} for side in sides]
        return nest(joined[0]), nest(joined[1])

    def _join(self, name: str, batches: list[dict[str, Any]], order: np.ndarray | None) -> Any:
        for batch in batches:
            if name not in batch or len(batch) != len(batches[0]):
                wrong = next(iter(set(batch) ^ set(batches[0])))
                raise DataError("ConcatDataset", f"'{wrong}' is not in the batches of every part", "the same names in all")
        values = [batch[name] for batch in batches]
        if isinstance(values[0], np.ndarray):
            whole = np.concatenate(values)
            return whole if order is None else whole[order]
        import torch

        whole = torch.cat(values)
        return whole if order is None else whole[torch.from_numpy(order).to(whole.device)]

    def get_episode(self, index: int, names: Iterable[str] | None = None, split: bool = False) -> Any:
        """Returns an episode; see `Dataset.get_episode`.

        Raises:
            DataError: For an index or a name that is not there.
        """
        counts = [part.get_num_episodes() for part in self.parts]
        index = checked_episode(index, sum(counts))
        bounds = np.cumsum(counts)
        part = int(np.searchsorted(bounds, index, side="right"))
        return self.parts[part].get_episode(int(index - (bounds[part] - counts[part])), names, split)

    def add_episode(self, episode: Episode) -> None:
        """Appends an episode to the last part; see `Dataset.add_episode`."""
        self.parts[-1].add_episode(episode)

    def get_statistics(self, names: Iterable[str]) -> dict[str, Statistics]:
        """Returns the statistics of each name over the rows of all parts; see `Dataset.get_statistics`.

        They lack quantiles where a part tells only its statistics, and not its rows.

        Raises:
            DataError: For a name that is not there or holds no numbers, and when there are no rows.
        """
        return {name: self._statistics_of(name) for name in names}

    def get_rows(self, name: str) -> Any:
        """Returns the rows of all parts; see `Dataset.get_rows`."""
        rows = [part.get_rows(name) for part in self._filled_parts()]
        return None if any(part is None for part in rows) else JoinedRows(rows)

    def _statistics_of(self, name: str) -> Statistics:
        rows = self.get_rows(name)
        if rows is not None:
            return statistics_of(rows)
        return joined_statistics([part.get_statistics([name])[name] for part in self._filled_parts()])

    def _filled_parts(self) -> list[Dataset]:
        filled = [part for part in self.parts if part.get_num_episodes()]
        if not filled:
            raise DataError("get_statistics", "no rows", "at least one episode")
        return filled


class _Drawn(Sampler):
    """Windows of a part that were drawn with those of the others: what is random in them is a function of `seed`."""

    def __init__(self, indices: np.ndarray, dataset: Dataset, seed: int) -> None:
        super().__init__({}, dataset, len(indices), seed)
        self.indices = indices

    def next_indices(self) -> np.ndarray:
        return self.indices

    def state(self) -> dict[str, int]:
        return {}

    def load_state(self, state: Mapping[str, int]) -> None:
        pass


def joined_statistics(parts: Sequence[Statistics]) -> Statistics:
    """Returns the statistics of all rows together from those of parts of them; the quantiles do not follow from them."""
    if len(parts) == 1:
        return parts[0]
    counts = np.array([part.count for part in parts], np.float64)
    shares = counts / counts.sum()
    low, high = np.min([part.min for part in parts], axis=0), np.max([part.max for part in parts], axis=0)
    mean = np.tensordot(shares, np.stack([part.mean for part in parts]), axes=1)
    squares = np.stack([part.std**2 + (part.mean - mean) ** 2 for part in parts])
    # Rounding of the mean must not make a constant vary.
    constant = low == high
    std = np.where(constant, 0.0, np.sqrt(np.tensordot(shares, squares, axes=1)))
    return Statistics(np.where(constant, low, mean), std, low, high, int(counts.sum()))


def _kind_of(batch: Mapping[str, tuple[tuple[int, ...], np.dtype]], name: str) -> str:
    return f"{batch[name][0][1:]} {batch[name][1]}" if name in batch else "absent"


def _fingerprints(part: Dataset) -> list[dict[str, Any]]:
    meta = getattr(part, "meta", {})
    return meta.get("fingerprints", [meta.get("fingerprint", {})])
