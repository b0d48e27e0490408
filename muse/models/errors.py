"""What goes wrong with models."""

from muse.utils.errors import MuseError


class ModelError(MuseError):
    """A model built or called against its contract."""


class StatisticsError(ModelError):
    """A normaliser without the statistics that it needs."""
