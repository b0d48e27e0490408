"""Checks of the contracts that you can run on your own classes, and fakes that complain about what they are given."""

import importlib
from typing import Any

#: Where each name lives; imported when first asked for.
_MODULES = {
    "FakeEnv": "muse.testing.fake_env",
    "FakeModel": "muse.testing.fake_model",
    "check_env": "muse.testing.check_env",
    "check_model": "muse.testing.check_model",
    "env_problems": "muse.testing.check_env",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'muse.testing' has no attribute '{name}'")
