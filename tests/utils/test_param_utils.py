import copy

import pytest
import torch
from torch import nn

from muse.utils.param_utils import (
    LAYERS,
    LayerError,
    LayerParams,
    SequentialParams,
    build_conv2d_param_list,
    build_mlp_param_list,
    to_network,
)


class Picky(nn.Module):
    def __init__(self, size):
        super().__init__()
        if size < 1:
            raise ValueError(f"size {size}")


def test_a_layer_is_built_anew_by_each_call():
    params = LayerParams("linear", in_features=3, out_features=2)
    one, other = params.to_module(), params.to_module()
    assert isinstance(one, nn.Linear) and one is not other and one.weight is not other.weight


@pytest.mark.parametrize(
    "name, kwargs, size",
    [
        ("linear", {"in_features": 4, "out_features": 3}, (2, 4)),
        ("conv1d", {"in_channels": 4, "out_channels": 3, "kernel_size": 1}, (2, 4, 5)),
        ("conv2d", {"in_channels": 4, "out_channels": 3, "kernel_size": 3}, (2, 4, 5, 5)),
        ("layernorm", {"normalized_shape": 4}, (2, 4)),
        ("dropout", {"p": 0.5}, (2, 4)),
        ("lstm", {"input_size": 4, "hidden_size": 3}, (2, 5, 4)),
        ("gru", {"input_size": 4, "hidden_size": 3}, (2, 5, 4)),
        ("relu", {}, (2, 4)),
        ("tanh", {}, (2, 4)),
        ("none", {}, (2, 4)),
    ],
)
def test_named_layers_run(name, kwargs, size):
    module = LayerParams(name, **kwargs).to_module()
    assert type(module) is LAYERS[name]
    module(torch.zeros(size))


def test_a_class_of_ones_own_is_a_layer():
    class Twice(nn.Module):
        def forward(self, x):
            return 2 * x

    assert torch.equal(LayerParams(Twice).to_module()(torch.ones(1)), torch.full((1,), 2.0))


def test_the_weights_can_be_set_at_the_start():
    module = LayerParams("linear", lambda layer: layer.weight.fill_(0.5), in_features=1, out_features=1, bias=False).to_module()
    assert module(torch.ones(1, 1)).item() == 0.5


def test_an_mlp_ends_in_a_linear_layer():
    layers = build_mlp_param_list(3, [8, 8, 2], "tanh", dropout_p=0.1, layer_norm=True, out_bias=False)
    names = [layer.ltype for layer in layers]
    assert names == ["linear", "layernorm", "tanh", "dropout"] * 2 + ["linear"]
    module = SequentialParams(layers).to_module()
    assert module(torch.zeros(5, 4, 3)).shape == (5, 4, 2)
    assert module[-1].bias is None and module[0].bias is not None


def test_convolutions_one_after_another():
    layers = build_conv2d_param_list(3, [8, 4], [3, 3], [2, 1], [1, 0], batch_norm=True, dropout_p=0.2)
    assert [layer.ltype for layer in layers] == ["conv2d", "batchnorm2d", "relu", "dropout2d", "conv2d"]
    assert to_network(layers)(torch.zeros(2, 3, 9, 9)).shape == (2, 4, 3, 3)


def test_declarations_are_values():
    one = SequentialParams([LayerParams("linear", in_features=1, out_features=2), LayerParams("relu")])
    assert copy.deepcopy(one) == one
    assert one != SequentialParams([LayerParams("linear", in_features=1, out_features=3), LayerParams("relu")])
    assert repr(one) == "[linear(in_features=1, out_features=2), relu()]"


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: LayerParams("linear", in_feature=3, out_features=2),
            "linear(in_feature=3, out_features=2): no argument 'in_feature' (did you mean 'in_features'?); "
            "expected some of in_features, out_features, bias, device, dtype",
        ),
        (lambda: LayerParams(3), "LayerParams: ltype 3; expected the name of a layer, or a class"),
        (
            lambda: LayerParams(Picky, size=0).to_module(),
            "Picky(size=0): ValueError: size 0; expected arguments with which the layer can be built",
        ),
        (lambda: SequentialParams(["relu"]), "SequentialParams: 'relu'; expected LayerParams or SequentialParams"),
        (lambda: to_network("relu"), "network: 'relu'; expected LayerParams, SequentialParams or a list of them"),
        (
            lambda: build_mlp_param_list(3, []),
            "build_mlp_param_list: in_size 3, sizes []; expected at least one size, each of them 1 or more",
        ),
        (
            lambda: build_conv2d_param_list(3, [8], [3, 3], [1], [0]),
            "build_conv2d_param_list: lists of lengths [1, 2, 1, 1]; expected one value for each convolution in each list",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(LayerError) as error:
        make()
    assert str(error.value) == message


def test_an_unknown_layer_names_the_nearest():
    with pytest.raises(LayerError) as error:
        LayerParams("liner")
    assert str(error.value).startswith(
        "LayerParams('liner'): no such layer (did you mean 'linear'?); expected one of linear, conv1d"
    )


def test_a_missing_argument_is_told_before_building():
    with pytest.raises(LayerError) as error:
        LayerParams("linear", in_features=3)
    assert "missing a required argument: 'out_features'" in str(error.value)


def test_a_share_to_drop_is_between_0_and_1():
    for share in (-0.1, 1.0):
        with pytest.raises(LayerError) as error:
            build_mlp_param_list(2, [3, 4], dropout_p=share)
        assert str(error.value) == f"build_mlp_param_list: dropout_p {share}; expected 0 or more, and less than 1"
