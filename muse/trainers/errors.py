"""Errors of trainers."""

from muse.utils.errors import MuseError


class TrainerError(MuseError):
    """A trainer without a part that it needs, or a run that cannot go on."""
