"""Muse: from robot demonstrations to a working policy."""

__version__ = "0.1.0"
