"""Names that robomimic imports and, without images, does not use."""

from torchvision.transforms import functional

__all__ = ["ColorJitter", "Compose", "Lambda", "Normalize", "RandomCrop", "functional"]


class Lambda:
    """A name."""


class Compose:
    """A name."""


class ColorJitter:
    """A name."""


class RandomCrop:
    """A name."""


class Normalize:
    """A name."""
