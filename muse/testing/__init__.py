"""Checks of the contracts that you can run on your own classes, and fakes that complain about what they are given."""

import importlib
import sys
from types import ModuleType
from typing import Any

#: Where each name lives; imported when first asked for.
_MODULES = {
    "FakeEnv": "muse.testing.fake_env",
    "FakeModel": "muse.testing.fake_model",
    "check_env": "muse.testing.check_env",
    "check_model": "muse.testing.check_model",
    "model_problems": "muse.testing.check_model",
    "env_problems": "muse.testing.check_env",
    "FakePolicy": "muse.testing.fake_policy",
    "check_policy": "muse.testing.check_policy",
    "policy_problems": "muse.testing.check_policy",
    "FakeDataset": "muse.testing.fake_dataset",
    "check_dataset": "muse.testing.check_dataset",
    "dataset_problems": "muse.testing.check_dataset",
    "FakeDevice": "muse.testing.fake_device",
    "check_device": "muse.testing.check_device",
    "device_problems": "muse.testing.check_device",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'muse.testing' has no attribute '{name}'")


class _Package(ModuleType):
    """Keeps a submodule from hiding the function that has its name: importing it would set the attribute."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in _MODULES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
