"""Normalisation of named values, with statistics that are part of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from muse.models.errors import ModelError, StatisticsError
from muse.specs import Leaf, Statistics
from muse.utils.errors import nearest

#: `mean_std` maps to mean 0 and deviation 1, `min_max` the range of the data to [-1, 1], `quantiles` that of all but the lowest and the
#: highest hundredth, which outliers do not move, `limits` the spec's limits.
MODES = ("mean_std", "min_max", "quantiles", "limits")

#: A spread this small beside the values themselves is rounding: the element counts as constant.
_RELATIVE_SPREAD = 1e-6
_SMALLEST_SPREAD = 1e-12


class Normalizer(nn.Module):
    """Maps named values to a common scale and back: `(x - shift) / scale`, element by element.

    Shift and scale are buffers, hence in the state dict: a checkpoint needs no dataset. Until statistics have been loaded, or
    restored from a checkpoint, every use raises. An element that is constant in the data keeps its unit (scale 1), so that
    what moves later is neither blown up nor lost.

    Args:
        names_to_shapes: Shape of each name, without batch dimensions.
        mode: One of `MODES`.

    Raises:
        ModelError: For an unknown mode.
    """

    def __init__(self, names_to_shapes: Mapping[str, Sequence[int]], mode: str = "mean_std") -> None:
        super().__init__()
        if mode not in MODES:
            raise ModelError("Normalizer", f"mode '{mode}'{nearest(mode, MODES)}", "one of " + ", ".join(MODES))
        self.mode = mode
        self.shapes = {name: tuple(shape) for name, shape in names_to_shapes.items()}
        for name, shape in self.shapes.items():
            # NaN marks what has not been loaded; a state dict of such a normaliser stays unusable after it was restored.
            self.register_buffer(_buffer("shift", name), torch.full(shape, torch.nan))
            self.register_buffer(_buffer("scale", name), torch.full(shape, torch.nan))
        self._is_ready = False

    @classmethod
    def from_limits(cls, leaves: Sequence[Leaf]) -> Normalizer:
        """Returns a normaliser that maps the limits of `leaves` to [-1, 1] and needs no statistics.

        Raises:
            ModelError: For a leaf without finite limits.
        """
        normalizer = cls({leaf.name: leaf.shape for leaf in leaves}, "limits")
        for leaf in leaves:
            if not leaf.is_bounded:
                raise ModelError(f"spec leaf '{leaf.name}'", "no finite limits", "limits to map to [-1, 1]")
            normalizer._set(leaf.name, (leaf.low + leaf.high) / 2, (leaf.high - leaf.low) / 2)
        return normalizer

    @property
    def names(self) -> tuple[str, ...]:
        """The names whose statistics must be loaded: none in the mode `limits`."""
        return () if self.mode == "limits" else tuple(self.shapes)

    @property
    def is_ready(self) -> bool:
        """Whether every statistic is there."""
        if not self._is_ready:
            self._is_ready = all(bool(torch.isfinite(buffer).all()) for buffer in self.buffers())
        return self._is_ready

    def load(self, statistics: Mapping[str, Statistics]) -> None:
        """Takes over the statistics of its names; others are left alone.

        Raises:
            StatisticsError: When one is missing, of another shape, or not finite. Nothing is taken over then.
        """
        values = {}
        for name in self.names:
            if name not in statistics:
                raise StatisticsError(
                    f"statistics of '{name}'", f"missing{nearest(name, statistics)}", "one for each of " + ", ".join(self.names),
                    "dataset.get_statistics(model.statistics_names)",
                )  # fmt: skip
            values[name] = self._shift_and_scale(name, statistics[name])
        for name, (shift, scale) in values.items():
            self._set(name, shift, scale)

    def _shift_and_scale(self, name: str, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
        low, high = np.asarray(statistics.min, dtype=np.float64), np.asarray(statistics.max, dtype=np.float64)
        if self.mode == "mean_std":
            shift, scale = np.asarray(statistics.mean, dtype=np.float64), np.asarray(statistics.std, dtype=np.float64)
        else:
            if self.mode == "quantiles":
                low, high = self._outer_quantiles(name, statistics)
            shift, scale = (low + high) / 2, (high - low) / 2
        if shift.shape != self.shapes[name] or scale.shape != self.shapes[name]:
            raise StatisticsError(f"statistics of '{name}'", f"shape {shift.shape}", f"shape {self.shapes[name]}")
        if not (np.all(np.isfinite(shift)) and np.all(np.isfinite(scale))):
            raise StatisticsError(
                f"statistics of '{name}'", "NaN or infinity", "finite numbers", "look for rows that are not finite in the data"
            )
        return shift, scale

    def _outer_quantiles(self, name: str, statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
        if statistics.quantiles is None:
            raise StatisticsError(
                f"statistics of '{name}'", "no quantiles", "those of one dataset", "mode 'mean_std' or 'min_max'"
            )
        quantiles = np.asarray(statistics.quantiles, dtype=np.float64)
        return quantiles[0], quantiles[-1]

    def _set(self, name: str, shift: np.ndarray, scale: np.ndarray) -> None:
        smallest = np.maximum(_SMALLEST_SPREAD, _RELATIVE_SPREAD * np.abs(shift))
        scale = np.where(scale <= smallest, 1.0, scale)
        for kind, value in (("shift", shift), ("scale", scale)):
            buffer = self.get_buffer(_buffer(kind, name))
            buffer.copy_(torch.as_tensor(value, dtype=buffer.dtype))
        self._is_ready = False

    def _parameters_of(self, name: str) -> tuple[Tensor, Tensor]:
        if name not in self.shapes:
            raise ModelError(
                "Normalizer", f"unknown name '{name}'{nearest(name, self.shapes)}", "one of " + ", ".join(self.shapes)
            )
        if not (self._is_ready or self.is_ready):
            raise StatisticsError(
                f"Normalizer of {', '.join(map(repr, self.shapes))}", "used before its statistics were loaded",
                "statistics, or a checkpoint that holds them", "model.load_statistics(dataset.get_statistics(model.statistics_names))",
            )  # fmt: skip
        return self._buffers[_buffer("shift", name)], self._buffers[_buffer("scale", name)]  # type: ignore[return-value]

    def normalize(self, name: str, x: Tensor) -> Tensor:
        """Returns `x` `(..., *shape)` on the common scale.

        Raises:
            StatisticsError: Before statistics are there.
            ModelError: For an unknown name.
        """
        shift, scale = self._parameters_of(name)
        return (x - shift) / scale

    def unnormalize(self, name: str, x: Tensor) -> Tensor:
        """Returns `x` `(..., *shape)` in physical units; the inverse of `normalize`.

        Raises:
            StatisticsError: Before statistics are there.
            ModelError: For an unknown name.
        """
        shift, scale = self._parameters_of(name)
        return x * scale + shift

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._is_ready = False

    def extra_repr(self) -> str:
        """Returns mode and names, for `print(model)`."""
        return f"{self.mode}: {', '.join(self.shapes)}"


def _buffer(kind: str, name: str) -> str:
    # torch takes no dot in the name of a buffer; a percent sign keeps the encoding unique.
    return f"{kind}:{name.replace('%', '%25').replace('.', '%2E')}"
