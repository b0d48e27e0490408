"""What tests of several environments do alike."""

import numpy as np
import pytest


def assert_same_rows(rows, others):
    """Checks that two lists of flat dicts of arrays are equal to the bit."""
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert set(row) == set(other)
        for name in row:
            np.testing.assert_array_equal(row[name], other[name], err_msg=name)


def check_window(env, action, monkeypatch):
    """Plays a step of an env with `render=True`, and looks at what its window shows; closes the env."""
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env.reset(seed=0)
    env.step(action)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(shown, env.render())
    env.close()
    env.close()
    assert pygame.display.get_surface() is None
