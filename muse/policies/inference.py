"""Calling a model for the rows of a policy: arrays to tensors, and one memory per row."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest
from muse.utils.torch_utils import to_tensor

#: Options of every policy that acts with a model's outputs.
MODEL_ARGUMENTS = [
    Argument(
        "sample",
        type=bool,
        help="draw actions from the model's distribution; none: where the model says so; false: the most likely",
    ),
    Argument(
        "policy_out_names",
        type=list,
        element_type=str,
        help="outputs of the model that make the action; the spec's actions if not given",
    ),
]


class ModelView:
    """What a policy remembers about the model it was last called with, and that model's memory of the rows.

    The model itself is not held: a policy may outlive it.
    """

    def __init__(self) -> None:
        self.memory: Any = None
        #: Where the model's parameters lie at present.
        self.device = torch.device("cpu")
        self._model: weakref.ref[Model] | None = None
        self.input_names: tuple[str, ...] = ()
        self.noise_size = 0
        self._parameter: weakref.ref[torch.Tensor] | None = None

    def look(self, model: Model | None, wanted_by: str) -> Model:
        """Takes notice of `model`; a memory made by another one is forgotten.

        Raises:
            PolicyError: When there is no model.
        """
        if model is None:
            raise PolicyError(f"{wanted_by}.get_action", "no model", "the model to act with")
        if self._model is None or self._model() is not model:
            self.memory = None
            self._model = weakref.ref(model)
            self.input_names, self.noise_size = tuple(model.input_names), model.noise_size
            first = next(model.parameters(), None)
            self._parameter = None if first is None else weakref.ref(first)
        # Moving a model keeps its parameters, and asking one for its device is much faster than looking for it.
        parameter = None if self._parameter is None else self._parameter()
        self.device = model.device if parameter is None else parameter.device
        return model

    def run(
        self, model: Model, begin: np.ndarray, wanted_by: str, forward: Callable[[Any], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Returns what `forward(memory)` computes, without gradients, and keeps the `memory` that it returns for the next call.

        Args:
            model: The model that `look` saw.
            begin: The rows `(B,)` bool that remember nothing.

        Raises:
            PolicyError: When `forward` returns no mapping, or a memory whose rows the model cannot reset.
        """
        with torch.inference_mode():
            outputs = forward(self._begin(model, begin, wanted_by))
        if not isinstance(outputs, Mapping):
            raise PolicyError(wanted_by, f"a model's output that is a {type(outputs).__name__}", "a mapping of outputs by name")
        self.memory = outputs.get("memory")
        return outputs

    def _begin(self, model: Model, rows: np.ndarray, wanted_by: str) -> Any:
        if self.memory is None or rows.all():
            return model.initial_memory(len(rows))
        if not rows.any():
            return self.memory
        if type(model).reset_rows is Model.reset_rows:
            raise PolicyError(
                f"{wanted_by}: memory", f"{type(model).__name__} cannot reset the rows of a memory one by one",
                "a model with initial_memory and reset_rows, or one env",
            )  # fmt: skip
        return model.reset_rows(self.memory, rows)


def pick(obs: Batch, goal: Batch, names: Iterable[str], where: str) -> dict[str, Any]:
    """Returns `names`, from the observation or else from the goal, as a flat dict.

    Raises:
        PolicyError: For a name that neither has.
    """
    picked = {}
    for name in names:
        source = obs if has(obs, name) else goal
        if not has(source, name):
            there = [*flatten(obs), *flatten(goal)]
            raise PolicyError(
                f"{where}: '{name}'", f"neither in the observation nor in the goal{nearest(name, there)}",
                "what the model reads: " + ", ".join(names), "compare the model's names with the env's spec",
            )  # fmt: skip
        picked[name] = source[name]
    return picked


def all_tensors(batch: Batch, device: torch.device) -> dict[str, Any]:
    """Returns every leaf as a tensor, in a flat dict; texts, which torch does not know, stay arrays."""
    return {
        name: value if np.asarray(value).dtype.kind in "USO" else to_tensor(value, device)
        for name, value in flatten(batch).items()
    }


def take(outputs: Mapping[str, Any], names: Iterable[str], wanted_by: str) -> dict[str, Any]:
    """Returns `names` of a model's outputs.

    Raises:
        PolicyError: For a name that is not among them.
    """
    taken = {}
    for name in names:
        if not has(outputs, name):
            there = [other for other in flatten(outputs) if not other.startswith("memory")]
            raise PolicyError(
                wanted_by, f"the model returns no '{name}'{nearest(name, there)}", "one of: " + (", ".join(there) or "none")
            )
        taken[name] = outputs[name]
    return taken
