"""`GroupedModel`, under the name of its noun."""

from muse.models.grouped_model import GroupedModel

__all__ = ["GroupedModel"]
