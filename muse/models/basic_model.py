"""One network from names to a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from muse.models.model import ModelError
from muse.models.network_model import NetworkModel
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.param_utils import SequentialParams, build_mlp_param_list, to_network

#: Arguments of every model with a multi-layer perceptron inside.
MLP_ARGUMENTS = [
    Argument("mlp_size", type=int, default=128, help="width of the hidden layers"),
    Argument("mlp_depth", type=int, default=3, help="number of hidden layers"),
    Argument("activation", type=str, default="relu", help="name of the activation"),
    Argument("dropout_p", type=float, default=0.0, help="share of values dropped after each activation"),
]


class BasicModel(NetworkModel):
    """Computes `model_output` from `model_inputs` with a declared network.

    Without a network it gives the inputs side by side, normalised where `normalize_inputs` is set: a proprioceptive encoder.

        BasicModel(d(model_inputs=["ego"], model_output="embedding", out_size=32,
                     network=SequentialParams(build_mlp_param_list(2, [64, 32]))), env_spec)
    """

    predefined_arguments = NetworkModel.predefined_arguments + [
        Argument(
            "network",
            help="LayerParams, SequentialParams or a list of layers, from (B, H, S) to (B, H, out_size); None: no layer",
        ),
    ]

    network: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if self.network is None and self.out_size != self.in_size:
            raise ModelError("BasicModel.network", f"none, with {self.in_size} elements in and {self.out_size} out", "a network")
        self.network = None if self.network is None else to_network(self.network, "BasicModel.network")

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the output's leaf; without a network its size is that of the inputs."""
        if (
            params.get("network") is None
            and not params.get("out_size")
            and all(name in env_spec for name in params.get("model_inputs") or ())
        ):
            params = {**params, "out_size": env_spec.dim(params.get("model_inputs") or ())}
        return super().get_spec_leaves(params, env_spec)

    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes `{model_output: (B, H, *shape)}`."""
        value = self.gather(inputs)
        if self.network is not None:
            value = self.network(value)
        return {self.model_output: self.shape_output(value)}


class MLPModel(NetworkModel):
    """A multi-layer perceptron from `model_inputs` to `model_output`."""

    predefined_arguments = NetworkModel.predefined_arguments + MLP_ARGUMENTS

    mlp_size: int
    mlp_depth: int
    activation: str
    dropout_p: float
    network: nn.Module

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        sizes = [self.mlp_size] * self.mlp_depth + [self.out_size]
        layers = build_mlp_param_list(self.in_size, sizes, self.activation, dropout_p=self.dropout_p)
        self.network = SequentialParams(layers).to_module()

    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes `{model_output: (B, H, *shape)}`."""
        return {self.model_output: self.shape_output(self.network(self.gather(inputs)))}
