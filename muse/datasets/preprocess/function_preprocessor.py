"""A function of a recipe as a preprocessor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.preprocess.preprocessor import Preprocessor
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument


class FunctionPreprocessor(Preprocessor):
    """Makes names with a function of one episode.

    d(
        cls=FunctionPreprocessor,
        fn=lambda steps, onetime: {"speed": np.linalg.norm(steps["velocity"], axis=-1, keepdims=True)},
        read_names=["velocity"],
        makes=[("speed", (1,), (0, np.inf), np.float32, "m/s")],
    )
    """

    predefined_arguments = [
        Argument("fn", required=True, help="fn(steps, onetime) -> arrays by name, (T, *shape), of the episode's own by name"),
        Argument("read_names", type=list, required=True, element_type=str, help="names that the function reads"),
        Argument("makes", type=list, required=True, help="tuples (name, shape, (low, high), dtype[, unit[, description]])"),
    ]

    fn: Callable[[dict[str, np.ndarray], dict[str, np.ndarray]], Mapping[str, Any]]
    read_names: list[str]
    makes: list[tuple]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        spec = EnvSpec({"names_shapes_limits_dtypes": self.makes})
        self._leaves = [spec.leaf(name) for name in spec.all_names]

    @property
    def reads(self) -> tuple[str, ...]:
        """`read_names`."""
        return tuple(self.read_names)

    @property
    def leaves(self) -> list[Leaf]:
        """`makes`."""
        return self._leaves

    def process(
        self, steps: Mapping[str, np.ndarray], onetime: Mapping[str, np.ndarray], ends: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Calls the function for each episode; see `Preprocessor.process`."""
        parts, begin = [], 0
        for episode, end in enumerate(ends.tolist()):
            rows = {name: array[begin:end] for name, array in steps.items()}
            once = {name: array[episode, ...] for name, array in onetime.items()}
            parts.append(self._checked(self.fn(rows, once), end - begin))
            begin = end
        return {leaf.name: np.concatenate([part[leaf.name] for part in parts]) for leaf in self._leaves}

    def _checked(self, made: Any, length: int) -> dict[str, np.ndarray]:
        if not isinstance(made, Mapping):
            raise DataError("FunctionPreprocessor: 'fn'", f"returned a {type(made).__name__}", "arrays by name")
        arrays = {}
        for leaf in self._leaves:
            array = np.asarray(made[leaf.name]) if leaf.name in made else None
            if array is None or array.shape != (length, *leaf.shape):
                got = f"no '{leaf.name}'" if array is None else f"'{leaf.name}' of shape {array.shape}"
                raise DataError(
                    "FunctionPreprocessor: 'fn'", f"returned {got}", f"shape {(length, *leaf.shape)}, a row for each row"
                )
            arrays[leaf.name] = array
        return arrays
