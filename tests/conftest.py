"""One thread per worker, so that tests run side by side and sum in one order; no display, no network services."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.pop("DISPLAY", None)

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)
settings.register_profile("muse", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("muse")


@pytest.fixture(autouse=True)
def _global_generators_are_left_alone():
    """Library code draws from its own generators: torch's global one may only be used inside `fork_rng`."""
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)
