"""The contract of preprocessors. The dataset that calls it (`muse.datasets.window_dataset`):

arrays = preprocessor.process(steps, onetime, ends)     # after loading, and for every episode that is added
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.episodes import EpisodeStore
from muse.datasets.numbers import check_finite, to_type
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import BaseClass, build
from muse.utils.errors import nearest
from muse.utils.groups import named_groups

#: Elements that are processed at once; whole episodes, so a longer one makes a larger part.
_PART_ELEMENTS = 2**22


class Preprocessor(BaseClass, ABC):
    """Makes new names out of those of an episode.

    Names are added and none is changed: an episode that is taken out and added again, or saved and loaded, is the one that was
    recorded. A model that is to learn from a changed action reads the new name.

    Args:
        params: The options of the class.
        env_spec: Names that are there before: those of the spec, and of the preprocessors before this one.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        self.env_spec = env_spec

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """Step and one-time names that `process` reads."""

    @property
    @abstractmethod
    def leaves(self) -> list[Leaf]:
        """The step names that `process` makes."""

    @abstractmethod
    def process(
        self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray
    ) -> Mapping[str, np.ndarray]:
        """Makes the names of some episodes, each from its own rows alone.

        Args:
            steps: The step names read, `(N, *shape)`, episodes one after another. Not to be written to.
            onetime: The one-time names read, `(E, *shape)`. Not to be written to.
            ends: `(E,)` int64, the row after each episode's last.

        Returns:
            The names made, `(N, *shape)`.
        """


def make_preprocessors(groups: Any, env_spec: EnvSpec, where: str, extends: bool = False) -> tuple[list[Preprocessor], EnvSpec]:
    """Builds the preprocessors that an option holds, in order; returns them and the spec with what they make.

    Args:
        groups: What the option holds; see `named_groups`.
        env_spec: Names that are there before.
        where: The option's path, for messages.
        extends: Whether the spec must lack what they make; else it may have been extended by that before.

    Raises:
        DataError: When one reads a name that is not there, or makes one that is there with another shape, type or role.
        OptionError: When the option holds no groups.
    """
    made: list[Preprocessor] = []
    taken: dict[str, str] = {}
    for key, group in named_groups(groups, where).items():
        label = f"{where}/{key}"
        preprocessor = build(group, env_spec, where=label)
        for name in preprocessor.reads:
            if name not in env_spec:
                got = f"reads '{name}', which is not there{nearest(name, env_spec.all_names)}"
                raise DataError(label, got, "one of " + ", ".join(env_spec.all_names))
        for leaf in preprocessor.leaves:
            there = env_spec.leaf(leaf.name) if leaf.name in env_spec else leaf
            is_other = (there.shape, there.dtype, there.role) != (leaf.shape, leaf.dtype, leaf.role)
            if is_other or (extends and leaf.name in env_spec) or leaf.name in preprocessor.reads or leaf.name in taken:
                got = f"makes '{leaf.name}', which is there" + (f", made by '{taken[leaf.name]}'" if leaf.name in taken else "")
                raise DataError(label, got, "a name of its own: preprocessors add names and change none")
            taken[leaf.name] = key
        env_spec = env_spec.extended(preprocessor.leaves)
        made.append(preprocessor)
    return made, env_spec


def process_all(
    preprocessors: Iterable[Preprocessor],
    steps: Mapping[str, np.ndarray],
    onetime: Mapping[str, np.ndarray],
    ends: np.ndarray,
    where: str,
) -> dict[str, np.ndarray]:
    """Returns what the preprocessors make of some episodes, each seeing what those before it made.

    Args:
        steps, onetime, ends: As for `Preprocessor.process`, of all names read.
        where: For messages.

    Raises:
        DataError: For a name that is missing among those read, or that came back in another shape or type, or not finite.
    """
    known = {name: _read_only(array) for name, array in {**steps, **onetime}.items()}
    made: dict[str, np.ndarray] = {}
    for preprocessor in preprocessors:
        label = f"{where}: {type(preprocessor).__name__}"
        for name in preprocessor.reads:
            if name not in known:
                raise DataError(label, f"reads '{name}', which is not held", "one of " + ", ".join(known), "it in 'step_names'")
        read = {name: known[name] for name in preprocessor.reads}
        once = {name: array for name, array in read.items() if name in onetime}
        found = preprocessor.process({name: array for name, array in read.items() if name not in once}, once, ends)
        for leaf in preprocessor.leaves:
            if leaf.name not in found:
                raise DataError(label, f"returned no '{leaf.name}'", f"an array (N, *{leaf.shape})")
            array = np.asarray(found[leaf.name])
            if array.shape != (int(ends[-1]), *leaf.shape):
                got = f"'{leaf.name}' of shape {array.shape}"
                raise DataError(label, got, f"{(int(ends[-1]), *leaf.shape)}: a row for each row")
            check_finite(array, f"{label}: '{leaf.name}'")
            made[leaf.name] = to_type(array, leaf.dtype, f"{label}: '{leaf.name}'")
            known[leaf.name] = _read_only(made[leaf.name])
    return made


def process_store(preprocessors: Iterable[Preprocessor], store: EpisodeStore, where: str) -> dict[str, np.ndarray]:
    """Returns what the preprocessors make of all episodes of a store, `(N, *shape)`, some episodes at a time."""
    preprocessors = list(preprocessors)
    leaves = [leaf for preprocessor in preprocessors for leaf in preprocessor.leaves]
    wanted = {name for preprocessor in preprocessors for name in preprocessor.reads} - {leaf.name for leaf in leaves}
    made = {leaf.name: np.empty((store.num_rows, *leaf.shape), leaf.dtype) for leaf in leaves}
    views = {name: store.view(name) for name in (*store.columns, *store.onetime) if name in wanted}
    width = sum(int(np.prod(store.columns[name].shape, dtype=np.int64)) for name in views if name in store.columns)
    ends, first = store.ends, 0
    while first < len(ends):
        begin = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, begin + _PART_ELEMENTS // max(width, 1), side="right")))
        end = int(ends[last - 1])
        steps = {name: np.asarray(view[begin:end]) for name, view in views.items() if name in store.columns}
        onetime = {name: np.asarray(view[first:last]) for name, view in views.items() if name in store.onetime}
        for name, array in process_all(preprocessors, steps, onetime, ends[first:last] - begin, where).items():
            made[name][begin:end] = array
        first = last
    return made


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
