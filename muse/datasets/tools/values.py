"""What names mean in an expression: the arrays of one episode, and what is known of it besides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.tools.expressions import Expression, ExpressionError, Value
from muse.datasets.tools.success import Success, success_of

#: Names that every episode has. A name of the data that is spelt so is hidden by them.
SPECIAL = ("length", "index", "success", "step")


@dataclass(frozen=True)
class EpisodeValues:
    """The values of names, by episode.

    Attributes:
        data: The episodes.
        success: Which succeeded; None where the data does not tell.
    """

    data: EpisodeData
    success: Success | None

    @classmethod
    def of(cls, data: EpisodeData, *expressions: Expression) -> EpisodeValues:
        """Returns the values of `data`, after a check that it has the names that the expressions use.

        Raises:
            ExpressionError: For a name that it does not have.
        """
        used = {name for expression in expressions for name in expression.names}
        success = success_of(data) if "success" in used else None
        for expression in expressions:
            expression.check_names([*SPECIAL, *(name for name in (*data.steps, *data.onetime) if name not in SPECIAL)])
            for name, column in expression.names.items():
                array = data.steps.get(name, data.onetime.get(name))
                if name not in SPECIAL and array is not None and array.dtype.kind not in "fiubU":
                    got = f"column {column + 1}: '{name}' holds {array.dtype}"
                    raise ExpressionError(expression.where, got, "a name with numbers, truths or text")
            if "success" in expression.names and success is None:
                got = f"{data.where} does not tell whether episodes succeeded"
                expected = "a name 'success', rewards of 0 and 1, or a collection of successes"
                raise ExpressionError(expression.where, got, expected, "a condition on what is there: last(reward) > 0")
        return cls(data, success)

    def get(self, index: int, name: str) -> Value:
        """Returns what `name` is in episode `index`."""
        begin, end = int(self.data.ends[index - 1]) if index else 0, int(self.data.ends[index])
        if name == "length":
            return Value(np.asarray(end - begin))
        if name == "index":
            return Value(np.asarray(index))
        if name == "step":
            return Value(np.arange(end - begin), True)
        if name == "success":
            assert self.success is not None
            return Value(np.asarray(self.success.values[index]))
        if name in self.data.steps:
            return Value(np.asarray(self.data.steps[name][begin:end]), True)
        return Value(np.asarray(self.data.onetime[name][index]))
