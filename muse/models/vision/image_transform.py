"""What happens to a picture before a network sees it, in learning and in acting."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from muse.models.errors import ModelError

#: Mean and deviation of ImageNet's pictures, channel by channel, on the scale from 0 to 1: what torchvision's weights were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Weights of red, green and blue in the brightness that an eye sees (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)
#: From RGB to luma and two axes of colour (YIQ), about whose plane a hue turns.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


class ImageTransform(nn.Module):
    """Makes `(B, H, Y, X, C)` uint8 pictures normalised floats `(B * H, C, Y', X')`, where they are.

    While a model learns, it crops at random, changes colours and adds noise; in evaluation it crops the middle and does nothing else
    at random. Scaling and normalisation are the same in both, and all of it is in single precision, under autocast too. Everything
    random is drawn from torch's own generator on the device of the pictures, as dropout is: by the seed and the step in training.

    Args:
        size: `(Y, X, C)` of the pictures.
        crop_frac: Height and width of the crop, as a share of the picture's; 1: no crop.
        color_jitter: Largest change of brightness, contrast, saturation (factors from `1 - v` to `1 + v`, `v` at most 1) and hue
            (a share of the full turn, 0.5 at most), applied in this order; none: no change.
        noise_std: Deviation of noise on each value, on the scale from 0 to 1.
        per_frame: Draw for every frame; else once for all frames of a window.
        mean, std: For each channel, or one for all, on the scale from 0 to 1.

    Raises:
        ModelError: For values out of range, or jitter of pictures that have not three channels.
    """

    def __init__(
        self,
        size: Sequence[int],
        crop_frac: float = 1.0,
        color_jitter: Sequence[float] = (),
        noise_std: float = 0.0,
        per_frame: bool = False,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        height, width, channels = size
        if not 0.0 < crop_frac <= 1.0:
            raise ModelError("ImageTransform: crop_frac", str(crop_frac), "more than 0, and 1 at most")
        if not 0 <= noise_std < math.inf:
            raise ModelError("ImageTransform: noise_std", str(noise_std), "0 or more")
        if len(color_jitter) not in (0, 4) or not all(
            0 <= v <= limit for v, limit in zip(color_jitter, (1, 1, 1, 0.5), strict=False)
        ):
            raise ModelError(
                "ImageTransform: color_jitter", str(list(color_jitter)), "none, or 4 values from 0 to 1, the last 0.5 at most"
            )
        if color_jitter and channels != 3:
            raise ModelError("ImageTransform: color_jitter", f"pictures of {channels} channels", "3: red, green, blue")
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, channels):
                got = f"{len(values)} values for {channels} channels"
                raise ModelError(
                    f"ImageTransform: {name}", got, "one for each, or one for all", f"image_{name} of the encoder: 0.5"
                )
        if not all(0 <= value <= 1 for value in mean):
            raise ModelError("ImageTransform: mean", str(list(mean)), "from 0 to 1, as for pictures divided by 255")
        if not all(0 < value <= 1 for value in std):
            raise ModelError("ImageTransform: std", str(list(std)), "more than 0, and 1 at most, as for pictures divided by 255")
        self.size, self.out_size = (height, width, channels), (_share(height, crop_frac), _share(width, crop_frac), channels)
        self.color_jitter, self.noise_std, self.per_frame = tuple(color_jitter), noise_std, per_frame
        # Not in the state dict: they are options, and a checkpoint brings its options with it.
        self.register_buffer("shift", torch.tensor(list(mean), dtype=torch.float32), persistent=False)
        self.register_buffer("scale", torch.tensor(list(std), dtype=torch.float32), persistent=False)
        # Where the pictures are: a GPU that is sent a constant in each step is waited for in each step.
        to_yiq = torch.tensor(_YIQ)
        for name, constant in (("luma", torch.tensor(_LUMA)), ("to_yiq", to_yiq), ("from_yiq", torch.linalg.inv(to_yiq))):
            self.register_buffer(name, constant, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Computes `(B * H, C, Y', X')` float, channels last in memory, of `(B, H, Y, X, C)` uint8."""
        batch, horizon = images.shape[:2]
        if self.per_frame:
            images = images.flatten(0, 1).unsqueeze(1)
        x = self._crop(images).float() / 255.0
        if self.training:
            if any(self.color_jitter):
                # Under autocast the colours of training would be rounded to bfloat16, a little off those of acting.
                with torch.autocast(x.device.type, enabled=False):
                    x = self._jitter(x)
            if self.noise_std > 0:
                x = x + self.noise_std * torch.randn_like(x)
        x = (x - self.shift) / self.scale
        return x.reshape(batch * horizon, *self.out_size).permute(0, 3, 1, 2)

    def _crop(self, images: Tensor) -> Tensor:
        (height, width, _), (h, w, _) = self.size, self.out_size
        if (h, w) == (height, width):
            return images
        if not self.training:
            top, left = (height - h) // 2, (width - w) // 2
            return images[:, :, top : top + h, left : left + w]
        count, device = len(images), images.device
        top = torch.randint(height - h + 1, (count, 1), device=device) + torch.arange(h, device=device)
        left = torch.randint(width - w + 1, (count, 1), device=device) + torch.arange(w, device=device)
        samples = torch.arange(count, device=device)
        return (
            images.transpose(1, 2)
            .transpose(2, 3)[samples[:, None, None], top[:, :, None], left[:, None, :]]
            .permute(0, 3, 1, 2, 4)
        )

    def _jitter(self, x: Tensor) -> Tensor:
        """Changes colours of `(S, F, Y, X, 3)` in [0, 1], with one draw for each of `S`: all four changes are one affine map."""
        brightness, contrast, saturation = (
            1.0 + limit * (2.0 * torch.rand(len(x), 1, 1, device=x.device) - 1.0) for limit in self.color_jitter[:3]
        )
        angle = 2.0 * math.pi * self.color_jitter[3] * (2.0 * torch.rand(len(x), device=x.device) - 1.0)
        one, grey = torch.eye(3, device=x.device), self.luma.expand(3, 3)
        mean_grey = (x.mean((1, 2, 3)) @ self.luma)[:, None, None] * brightness
        after = self._turn_of_hue(angle) @ (saturation * one + (1.0 - saturation) * grey)
        matrix = after * (contrast * brightness)
        offset = after @ ((1.0 - contrast) * mean_grey * x.new_ones(3, 1))
        flat = x.reshape(len(x), -1, 3)
        return torch.baddbmm(offset.transpose(1, 2), flat, matrix.transpose(1, 2)).clamp_(0.0, 1.0).reshape(x.shape)

    def _turn_of_hue(self, angle: Tensor) -> Tensor:
        """Returns for each angle `(S,)` [rad] the matrix `(S, 3, 3)` that turns colours about the axis of greys."""
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        turn = torch.stack([zero + 1, zero, zero, zero, cos, -sin, zero, sin, cos], dim=1).reshape(-1, 3, 3)
        return self.from_yiq @ turn @ self.to_yiq


def _share(size: int, fraction: float) -> int:
    return max(1, round(size * fraction))
