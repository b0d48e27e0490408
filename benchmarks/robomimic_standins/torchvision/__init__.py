"""A stand-in: robomimic imports torchvision, which does not install beside a CPU build of torch, and needs it for images alone."""

from torchvision import models, transforms

__all__ = ["models", "transforms"]
