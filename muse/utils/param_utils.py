"""Networks declared before they are built.

A recipe describes a network by values, which can be printed, compared and copied; a model builds it when it is constructed:

    network = SequentialParams(build_mlp_param_list(23, [128, 128, 7]))
    network = SequentialParams([LayerParams("linear", in_features=23, out_features=7), LayerParams("tanh")])
    module = network.to_module()
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from muse.utils.errors import MuseError, nearest


class LayerError(MuseError):
    """A layer that is declared wrongly."""


#: Layers that can be given by name. Any other is given as its class.
LAYERS: dict[str, type[nn.Module]] = {
    "linear": nn.Linear,
    "conv1d": nn.Conv1d,
    "conv2d": nn.Conv2d,
    "conv3d": nn.Conv3d,
    "convtranspose1d": nn.ConvTranspose1d,
    "convtranspose2d": nn.ConvTranspose2d,
    "batchnorm1d": nn.BatchNorm1d,
    "batchnorm2d": nn.BatchNorm2d,
    "groupnorm": nn.GroupNorm,
    "layernorm": nn.LayerNorm,
    "dropout": nn.Dropout,
    "dropout2d": nn.Dropout2d,
    "avg_pool_2d": nn.AvgPool2d,
    "max_pool_1d": nn.MaxPool1d,
    "max_pool_2d": nn.MaxPool2d,
    "adaptive_avg_pool_2d": nn.AdaptiveAvgPool2d,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "rnn": nn.RNN,
    "embedding": nn.Embedding,
    "flatten": nn.Flatten,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "softmax": nn.Softmax,
    "mish": nn.Mish,
    "none": nn.Identity,
    "empty": nn.Identity,
}


class LayerParams:
    """One layer, declared.

    Args:
        ltype: Name of a layer (a key of `LAYERS`), or a class or function that returns a module.
        weight_init_fn: `fn(module)`, called once on the built layer, without gradients.
        **kwargs: Arguments of the layer, by name. They are checked now, not when the layer is built.

    Raises:
        LayerError: For an unknown layer, or arguments that it does not take.
    """

    def __init__(
        self, ltype: str | Callable[..., nn.Module], weight_init_fn: Callable[[nn.Module], Any] | None = None, **kwargs: Any
    ) -> None:
        if isinstance(ltype, str):
            if ltype not in LAYERS:
                raise LayerError(
                    f"LayerParams('{ltype}')",
                    f"no such layer{nearest(ltype, LAYERS)}",
                    "one of " + ", ".join(LAYERS) + ", or a class",
                )
        elif not callable(ltype):
            raise LayerError("LayerParams", f"ltype {ltype!r}", "the name of a layer, or a class")
        self.ltype = ltype
        self.weight_init_fn = weight_init_fn
        self.kwargs = kwargs
        self._check_arguments()

    @property
    def layer(self) -> Callable[..., nn.Module]:
        """The class, or function, that makes the layer."""
        return LAYERS[self.ltype] if isinstance(self.ltype, str) else self.ltype

    def _check_arguments(self) -> None:
        try:
            signature = inspect.signature(self.layer)
        except (TypeError, ValueError):
            return
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            for name in self.kwargs:
                if name not in signature.parameters:
                    known = ", ".join(signature.parameters)
                    raise LayerError(str(self), f"no argument '{name}'{nearest(name, signature.parameters)}", f"some of {known}")
            try:
                signature.bind(**self.kwargs)
            except TypeError as error:
                raise LayerError(str(self), str(error), f"the arguments of {signature}") from error

    def to_module(self) -> nn.Module:
        """Builds the layer; each call builds another one."""
        try:
            module = self.layer(**self.kwargs)
        except Exception as error:
            raise LayerError(
                str(self), f"{type(error).__name__}: {error}", "arguments with which the layer can be built"
            ) from error
        if self.weight_init_fn is not None:
            with torch.no_grad():
                self.weight_init_fn(module)
        return module

    def __repr__(self) -> str:
        name = self.ltype if isinstance(self.ltype, str) else getattr(self.ltype, "__qualname__", repr(self.ltype))
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in self.kwargs.items())})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LayerParams):
            return NotImplemented
        return (self.layer, self.weight_init_fn, self.kwargs) == (other.layer, other.weight_init_fn, other.kwargs)

    __hash__ = None  # type: ignore[assignment]


class SequentialParams:
    """Layers one after another, declared.

    Args:
        layers: `LayerParams` or further `SequentialParams`.

    Raises:
        LayerError: For anything else.
    """

    def __init__(self, layers: Iterable[LayerParams | SequentialParams]) -> None:
        self.layers = list(layers)
        for layer in self.layers:
            if not isinstance(layer, (LayerParams, SequentialParams)):
                raise LayerError("SequentialParams", repr(layer), "LayerParams or SequentialParams")

    def to_module(self) -> nn.Module:
        """Builds the network; each call builds another one."""
        return nn.Sequential(*(layer.to_module() for layer in self.layers))

    def __repr__(self) -> str:
        return "[" + ", ".join(map(repr, self.layers)) + "]"

    def __eq__(self, other: object) -> bool:
        return self.layers == other.layers if isinstance(other, SequentialParams) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def to_network(params: Any, where: str = "network") -> nn.Module:
    """Builds what a config gives for a network: `LayerParams`, `SequentialParams` or a list of layers.

    Raises:
        LayerError: For anything else.
    """
    if isinstance(params, (list, tuple)):
        params = SequentialParams(params)
    if not isinstance(params, (LayerParams, SequentialParams)):
        raise LayerError(where, repr(params), "LayerParams, SequentialParams or a list of them")
    return params.to_module()


def build_mlp_param_list(
    in_size: int,
    sizes: Sequence[int],
    activation: str | type[nn.Module] | None = "relu",
    *,
    out_bias: bool = True,
    dropout_p: float = 0.0,
    layer_norm: bool = False,
    weight_init_fn: Callable[[nn.Module], Any] | None = None,
) -> list[LayerParams]:
    """Returns the layers of a multi-layer perceptron; nothing follows its last linear layer.

    Args:
        in_size: Width of the input.
        sizes: Width after each linear layer, the output's last.
        activation: After each linear layer but the last; None for none.
        out_bias: Whether the last linear layer has a bias.
        dropout_p: Share of values dropped after each activation.
        layer_norm: Whether a layer norm stands before each activation.
        weight_init_fn: For every linear layer.

    Raises:
        LayerError: Without sizes, for a size below one, or a share that is none.
    """
    if not sizes or min(in_size, *sizes) < 1:
        raise LayerError(
            "build_mlp_param_list", f"in_size {in_size}, sizes {list(sizes)}", "at least one size, each of them 1 or more"
        )
    if not 0.0 <= dropout_p < 1.0:
        raise LayerError("build_mlp_param_list", f"dropout_p {dropout_p}", "0 or more, and less than 1")
    layers: list[LayerParams] = []
    widths = [in_size, *sizes]
    last = len(sizes) - 1
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        bias = out_bias if i == last else True
        layers.append(LayerParams("linear", weight_init_fn, in_features=before, out_features=after, bias=bias))
        if i == last:
            break
        if layer_norm:
            layers.append(LayerParams("layernorm", normalized_shape=after))
        if activation is not None:
            layers.append(LayerParams(activation))
        if dropout_p > 0:
            layers.append(LayerParams("dropout", p=dropout_p))
    return layers


def build_conv2d_param_list(
    in_channels: int,
    out_channels: Sequence[int],
    kernel_sizes: Sequence[int],
    strides: Sequence[int],
    paddings: Sequence[int],
    activation: str | type[nn.Module] | None = "relu",
    *,
    batch_norm: bool = False,
    dropout_p: float = 0.0,
) -> list[LayerParams]:
    """Returns the layers of a stack of 2-D convolutions over `(N, C, Y, X)`; nothing follows the last.

    Args:
        in_channels: Channels of the image.
        out_channels, kernel_sizes, strides, paddings: One for each convolution.
        activation: After each convolution but the last; None for none.
        batch_norm: Whether a batch norm stands before each activation.
        dropout_p: Share of channels dropped after each activation.

    Raises:
        LayerError: When the lists differ in length.
    """
    if not out_channels or len({len(out_channels), len(kernel_sizes), len(strides), len(paddings)}) != 1:
        lengths = [len(out_channels), len(kernel_sizes), len(strides), len(paddings)]
        raise LayerError("build_conv2d_param_list", f"lists of lengths {lengths}", "one value for each convolution in each list")
    layers: list[LayerParams] = []
    before = in_channels
    last = len(out_channels) - 1
    for i, (after, kernel, stride, padding) in enumerate(zip(out_channels, kernel_sizes, strides, paddings, strict=True)):
        layers.append(
            LayerParams("conv2d", in_channels=before, out_channels=after, kernel_size=kernel, stride=stride, padding=padding)
        )
        before = after
        if i == last:
            break
        if batch_norm:
            layers.append(LayerParams("batchnorm2d", num_features=after))
        if activation is not None:
            layers.append(LayerParams(activation))
        if dropout_p > 0:
            layers.append(LayerParams("dropout2d", p=dropout_p))
    return layers
