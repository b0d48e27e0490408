"""Worlds of robosuite. The package `robosuite` itself is imported when an env is built."""
