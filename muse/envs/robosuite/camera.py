"""Pictures of a robosuite simulation, drawn off the screen."""

from __future__ import annotations

from typing import Any

import numpy as np

from muse.envs.env import EnvError
from muse.envs.robosuite.simulation import Simulation
from muse.utils.errors import nearest

#: robosuite's groups of shapes: what things collide with, and what they look like.
_COLLISION, _VISUAL = 0, 1


class Camera:
    """Draws what the cameras of a simulation see; one renderer for each size of picture, made when first needed.

    Args:
        simulation: What to draw.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._names = [simulation.model.camera(i).name for i in range(simulation.model.ncam)]
        self._renderers: dict[tuple[int, int], Any] = {}
        self._options: Any = None

    def draw(self, name: str, height: int, width: int) -> np.ndarray:
        """Returns what a camera sees now, `(Y, X, 3)` uint8.

        Raises:
            EnvError: For a camera that the task does not have, and where this machine cannot draw.
        """
        renderer = self._renderers.get((height, width))
        if renderer is None:
            renderer = self._renderers[height, width] = self._make_renderer(height, width)
        if name not in self._names:
            got = f"no camera '{name}'{nearest(name, self._names)}"
            raise EnvError("RobosuiteEnv: camera", got, "one of " + ", ".join(self._names))
        renderer.update_scene(self._simulation.data, camera=name, scene_option=self._options)
        return renderer.render().copy()

    def _make_renderer(self, height: int, width: int) -> Any:
        import mujoco

        if self._options is None:
            self._options = mujoco.MjvOption()
            self._options.geomgroup[_COLLISION], self._options.geomgroup[_VISUAL] = 0, 1
        model = self._simulation.model
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        try:
            return mujoco.Renderer(model, height, width)
        except Exception as error:
            raise EnvError(
                "RobosuiteEnv: pictures",
                f"no off-screen graphics ({type(error).__name__}: {error})",
                "EGL on a GPU, or OSMesa",
                "apt-get install libosmesa6 and MUJOCO_GL=osmesa PYOPENGL_PLATFORM=osmesa",
            ) from error

    def close(self) -> None:
        """Frees the graphics. May be called twice."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
