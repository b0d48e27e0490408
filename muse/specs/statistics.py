"""Statistics of one name over a dataset: values, so that a model can be given them without knowing any dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Which quantiles `Statistics.quantiles` holds, lowest first.
QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Per-element statistics of one name, each array of the name's own shape, float64.

    Attributes:
        mean, std: Over all rows; `std` is the population's, exactly 0 for a constant element (whoever divides guards).
        min, max: Over all rows.
        count: Number of rows.
        quantiles: `(Q, *shape)`, the quantiles `QUANTILES` over all rows; None where they are not known.
    """

    mean: np.ndarray
    std: np.ndarray
    min: np.ndarray
    max: np.ndarray
    count: int
    quantiles: np.ndarray | None = None
