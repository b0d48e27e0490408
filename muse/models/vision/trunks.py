"""Convolutional networks from pictures to maps of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from muse.models.errors import ModelError

#: Blocks in each of the four stages, by the number of layers.
_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
_WIDTHS = (64, 128, 256, 512)
#: Channels of one group, where groups are normalised.
_GROUP = 16

NORMS = ("group", "batch")


def make_norm(norm: str, channels: int) -> nn.Module:
    """Returns the normalisation that `norm` names, of `(N, channels, Y, X)`.

    Raises:
        ModelError: For an unknown name.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(max(1, channels // _GROUP), channels)
    raise ModelError("vision trunk: norm", f"'{norm}'", "one of " + ", ".join(NORMS))


class ResNetTrunk(nn.Module):
    """A residual network without its classifier (He et al., Deep Residual Learning, arXiv 1512.03385), `(N, C, Y, X)` to `(N, C', Y/32, X/32)`.

    Parameters are named as torchvision's are (`conv1`, `layer1.0.bn1`, ...), so that its weights can be loaded: `load_torchvision`.

    Args:
        depth: 18 or 34 layers.
        norm: `"batch"` as in the paper, or `"group"` (Wu and He, arXiv 1803.08494), which needs no statistics of a batch: better with small
            batches, with rows that resemble one another, and with averaged weights.
        stages: How many of the four stages are kept. Each beyond the first halves the map, so that fewer leave a finer one.
        in_channels: Channels of the picture.

    Raises:
        ModelError: For another depth, norm or number of stages.
    """

    def __init__(self, depth: int = 18, norm: str = "group", stages: int = 4, in_channels: int = 3) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise ModelError("ResNetTrunk: depth", str(depth), "one of " + ", ".join(map(str, _BLOCKS)))
        if not 1 <= stages <= 4:
            raise ModelError("ResNetTrunk: stages", str(stages), "1 to 4")
        self.stages = stages
        self.conv1 = nn.Conv2d(in_channels, _WIDTHS[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = make_norm(norm, _WIDTHS[0])
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        before = _WIDTHS[0]
        for i in range(stages):
            blocks = [
                _Block(before if k == 0 else _WIDTHS[i], _WIDTHS[i], norm, 2 if i and k == 0 else 1)
                for k in range(_BLOCKS[depth][i])
            ]
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
            before = _WIDTHS[i]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Computes features `(N, C', Y', X')` of normalised pictures `(N, C, Y, X)`."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for i in range(self.stages):
            x = self.get_submodule(f"layer{i + 1}")(x)
        return x

    def load_torchvision(self, state: Mapping[str, Tensor], where: str = "weights") -> None:
        """Takes over a state dict of torchvision's network of the same depth.

        Its classifier and the stages that this trunk has not are left out; so are, with group norm, the statistics of batches.

        Raises:
            ModelError: When a parameter is missing, or has another shape. Nothing is taken over then.
        """
        own = self.state_dict()
        for name, tensor in own.items():
            if name not in state:
                raise ModelError(where, f"no '{name}'", "the state dict of torchvision's network of the same depth")
            if state[name].shape != tensor.shape:
                raise ModelError(where, f"'{name}' of shape {tuple(state[name].shape)}", f"shape {tuple(tensor.shape)}")
        self.load_state_dict({name: state[name] for name in own})


class _Block(nn.Module):
    def __init__(self, before: int, after: int, norm: str, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = make_norm(norm, after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = make_norm(norm, after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), make_norm(norm, after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ConvTrunk(nn.Module):
    """A small convolution net, `(N, C, Y, X)` to `(N, channels[-1], Y', X')`: for simple worlds and small machines.

    Args:
        channels: After each convolution.
        kernel_sizes, strides: Of each convolution; as many as `channels`.
        norm: `"group"` or `"batch"`, before each activation.
        in_channels: Channels of the picture.

    Raises:
        ModelError: When the lists differ in length.
    """

    def __init__(
        self,
        channels: Sequence[int] = (32, 32, 32),
        kernel_sizes: Sequence[int] = (5, 3, 3),
        strides: Sequence[int] = (2, 2, 1),
        norm: str = "group",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not channels or len({len(channels), len(kernel_sizes), len(strides)}) != 1:
            lengths = f"lists of lengths {len(channels)}, {len(kernel_sizes)}, {len(strides)}"
            raise ModelError("ConvTrunk", lengths, "one value for each convolution in channels, kernel_sizes and strides")
        layers: list[nn.Module] = []
        before = in_channels
        for after, kernel, stride in zip(channels, kernel_sizes, strides, strict=True):
            layers += [nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), make_norm(norm, after), nn.ReLU()]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Computes features `(N, C', Y', X')` of normalised pictures `(N, C, Y, X)`."""
        return self.layers(x)  # type: ignore[no-any-return]


#: Trunks that an option names.
TRUNKS: dict[str, Callable[[str, int, int], nn.Module]] = {
    "resnet18": lambda norm, stages, channels: ResNetTrunk(18, norm, stages, channels),
    "resnet34": lambda norm, stages, channels: ResNetTrunk(34, norm, stages, channels),
    "conv": lambda norm, stages, channels: ConvTrunk(norm=norm, in_channels=channels),
}
