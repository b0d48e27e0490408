"""Marks of tests that want what is not everywhere."""

import importlib.util

import pytest

from muse.utils.graphics import graphics

needs_robosuite = pytest.mark.skipif(importlib.util.find_spec("robosuite") is None, reason="robosuite is not installed")
needs_pymunk = pytest.mark.skipif(importlib.util.find_spec("pymunk") is None, reason="pymunk is not installed")
needs_pybullet = pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="pybullet is not installed")
needs_drawing = pytest.mark.skipif(graphics() == "disable", reason="no off-screen graphics: apt-get install libosmesa6")
