"""The contract of models. The loops that call it:

# learning (muse.trainers)                          # acting (muse.policies)
model.load_statistics(statistics)                   memory = model.initial_memory(B)
while training:                                     while acting:
    result = model.loss(inputs, outputs)                memory = model.reset_rows(memory, rows_that_began)
    result.loss.backward()                              outputs = model(inputs, memory)
                                                        memory = outputs.get("memory")
"""

from __future__ import annotations

import itertools
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from muse.models.errors import ModelError, StatisticsError
from muse.models.normalizer import Normalizer
from muse.specs import EnvSpec, Leaf, LossResult, Statistics
from muse.utils.abstract import Argument, BaseClass
from muse.utils.attrdicts import Batch, flatten
from muse.utils.torch_utils import resolve_device

__all__ = ["Model", "ModelError", "StatisticsError"]


class _Placed(ABCMeta):
    """Moves a model to its device once the constructor of its last subclass is done, so that no subclass can forget to."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        model = super().__call__(*args, **kwargs)
        return model.to(model._chosen_device)


#: Begins the names of outputs that hold the actions of several steps: `chunk/action`.
CHUNK_PREFIX = "chunk/"


class Model(BaseClass, torch.nn.Module, metaclass=_Placed):
    """All parameters, and what they compute: `forward` and `loss`.

    A batch is any mapping that answers slash paths (`inputs["objects/position"]`): an `AttrDict` or a flat dict. `forward`
    returns a flat dict and never writes to what it was given. A model knows no dataset, env, writer or step.

    Callers use `model(inputs, memory)`: it wraps `forward` in the pre- and postprocessing functions. `loss` does the same by
    calling `self(...)`, or `self.preprocess(...)` and `self.postprocess(...)` where it needs what lies between. The spec is
    extended by what `get_spec_leaves` adds, and the parameters stand on `device` when the constructor returns; a model inside
    another one follows it to its device.

    Args:
        params: The options of the class.
        env_spec: Names, shapes, limits and roles.
    """

    predefined_arguments = [
        Argument(
            "device", type=str, default="cpu", help="where the parameters live; 'cuda' falls back to the CPU with a warning"
        ),
        Argument("preproc_fn", help="fn(inputs) -> inputs, before forward"),
        Argument("postproc_fn", help="fn(inputs, outputs) -> outputs, after forward"),
    ]

    preproc_fn: Callable[[Batch], Batch] | None
    postproc_fn: Callable[[Batch, dict[str, Any]], dict[str, Any]] | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        torch.nn.Module.__init__(self)
        self.params = params
        self.env_spec = env_spec.extended(type(self).get_spec_leaves(params, env_spec))
        self.read_predefined_params(params)

    @property
    def device(self) -> torch.device:
        """Where the parameters are now; moved by `model.to(...)`."""
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            return tensor.device
        return self._chosen_device

    @device.setter
    def device(self, name: str | torch.device) -> None:
        self._chosen_device = resolve_device(name)

    def __call__(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes `forward` between `preprocess` and `postprocess`."""
        inputs = self.preprocess(inputs)
        return self.postprocess(inputs, super().__call__(inputs, memory))

    def preprocess(self, inputs: Batch) -> Batch:
        """Returns what `preproc_fn` makes of `inputs`; a plain dict with nodes in it (`{**inputs, ...}`) is flattened."""
        return inputs if self.preproc_fn is None else flatten(self.preproc_fn(inputs))

    def postprocess(self, inputs: Batch, outputs: dict[str, Any]) -> dict[str, Any]:
        """Returns what `postproc_fn` makes of `outputs`; `inputs` are preprocessed."""
        return outputs if self.postproc_fn is None else self.postproc_fn(inputs, outputs)

    @abstractmethod
    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes outputs `(B, H, *shape)` from inputs `(B, H, *shape)`.

        Args:
            inputs: What `input_names` lists, in physical units; optionally `noise` `(B, H, noise_size)`, standard normal, with
                which stochastic heads draw. Without it they return their most likely action.
            memory: What an earlier call returned under `memory`; None starts anew.

        Returns:
            Outputs by path, in physical units, with `memory` where the model is recurrent.
        """

    @abstractmethod
    def loss(self, inputs: Batch, outputs: Batch) -> LossResult:
        """Computes the loss of a batch; rows where `outputs["padding_mask"]` is true do not count."""

    @property
    @abstractmethod
    def input_names(self) -> tuple[str, ...]:
        """What `forward` reads of an observation or goal."""

    @property
    @abstractmethod
    def output_names(self) -> tuple[str, ...]:
        """What `forward` returns besides `memory` and chunks (actions, for a policy's model)."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """What `loss` reads besides `input_names` (actions, for behaviour cloning)."""
        return ()

    @property
    def batch_names(self) -> tuple[str, ...]:
        """What a batch must hold for `loss`, of the names above; less where `loss` makes a goal of its own (hindsight)."""
        return tuple(dict.fromkeys((*self.input_names, *self.target_names)))

    @property
    def statistics_names(self) -> tuple[str, ...]:
        """Names whose statistics must be loaded before the first forward."""
        return tuple(dict.fromkeys(name for module in self.modules() if isinstance(module, Normalizer) for name in module.names))

    @property
    def horizon(self) -> int | None:
        """The window length that the model needs, or None when any will do."""
        return None

    @property
    def chunk(self) -> int:
        """Number of steps `K` that each row plans, its own included. Above 1, `forward` returns each action also as
        `chunk/<name>` `(B, H, K, *shape)`, whose first step is the action itself.
        """
        return 1

    @property
    def noise_size(self) -> int:
        """Number of standard normal values a stochastic action takes per row; 0 when the model is deterministic."""
        return 0

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the leaves that this model adds to the spec (embeddings, plans), before it is built."""
        return []

    def load_statistics(self, statistics: Mapping[str, Statistics]) -> None:
        """Hands statistics to every `Normalizer` inside; they become part of the weights.

        Raises:
            StatisticsError: When one that is needed is missing.
        """
        for module in self.modules():
            if isinstance(module, Normalizer):
                module.load(statistics)

    def initial_memory(self, batch: int) -> Any:
        """Returns the memory of `B` rows that have seen nothing; None for a model without memory."""
        return None

    def reset_rows(self, memory: Any, rows: np.ndarray) -> Any:
        """Returns `memory` with the rows `(B,)` bool back at the beginning. What was given stays as it was."""
        return memory
