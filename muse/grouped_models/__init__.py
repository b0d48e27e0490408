"""Models made of named models. `GroupedModel` is their contract; concrete groups stand beside it."""

from muse.grouped_models.grouped_model import GroupedModel

__all__ = ["GroupedModel"]
