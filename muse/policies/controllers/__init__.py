"""Scripted policies, and the controllers that they are made of."""
