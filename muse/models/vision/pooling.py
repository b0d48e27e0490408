"""From maps of features to vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from muse.models.errors import ModelError


class SpatialSoftmax(nn.Module):
    """Where on the map each keypoint lies: `(N, C, Y, X)` to `(N, 2 * num_keypoints)`.

    A 1x1 convolution makes one map for each keypoint; its softmax over the map weighs the positions (Finn et al., Deep Spatial
    Autoencoders, arXiv 1509.06113). Positions go from -1 to 1, x along the columns before y along the rows, keypoint after keypoint.

    Args:
        channels: `C`.
        num_keypoints: Keypoints; 0: one for each channel, without the convolution.
        temperature: Divides the maps before the softmax.

    Raises:
        ModelError: For a temperature that is not positive.
    """

    def __init__(self, channels: int, num_keypoints: int = 32, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ModelError("SpatialSoftmax: temperature", str(temperature), "more than 0")
        if num_keypoints < 0:
            raise ModelError("SpatialSoftmax: num_keypoints", str(num_keypoints), "0 or more")
        self.temperature = temperature
        self.to_keypoints = nn.Conv2d(channels, num_keypoints, 1) if num_keypoints else nn.Identity()
        self.out_size = 2 * (num_keypoints or channels)

    def forward(self, x: Tensor) -> Tensor:
        """Computes positions `(N, 2 * num_keypoints)` in [-1, 1]."""
        # In single precision: bfloat16 knows positions to a hundredth of the map only.
        maps = self.to_keypoints(x).float()
        weights = torch.softmax(maps.flatten(2) / self.temperature, dim=2).reshape(maps.shape)
        y, x = (torch.linspace(-1.0, 1.0, size, device=maps.device) for size in maps.shape[2:])
        return torch.stack([(weights.sum(2) * x).sum(2), (weights.sum(3) * y).sum(2)], dim=2).flatten(1)


class MeanPool(nn.Module):
    """The mean of each channel over the map: `(N, C, Y, X)` to `(N, C)`.

    Args:
        channels: `C`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_size = channels

    def forward(self, x: Tensor) -> Tensor:
        """Computes means `(N, C)`."""
        return x.mean((2, 3))
