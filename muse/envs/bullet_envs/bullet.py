"""One physics server of pybullet."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from muse.utils.optional import require


class Bullet:
    """A physics server of its own, in this process and without a window: every function of pybullet, called on it.

        bullet = Bullet("BlockEnv3D")
        bullet.stepSimulation()
        bullet.GEOM_BOX

    pybullet's functions take the server as `physicsClientId`, and work on another one where it is forgotten; here it is always
    given. The server ends with `close`, or with the object.

    Args:
        wanted_by: What needs it, for the message.

    Raises:
        MissingExtraError: Where pybullet is not installed.
    """

    def __init__(self, wanted_by: str) -> None:
        self._pybullet = require("pybullet", "bullet", wanted_by)
        self.data_path: str = require("pybullet_data", "bullet", wanted_by).getDataPath()
        self.client: int = self._pybullet.connect(self._pybullet.DIRECT)
        self._end = weakref.finalize(self, self._pybullet.disconnect, self.client)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._pybullet, name)
        if callable(value):
            value = functools.partial(value, physicsClientId=self.client)
        # Found as an ordinary attribute from now on.
        setattr(self, name, value)
        return value

    def close(self) -> None:
        """Ends the server. May be called twice."""
        self._end()
