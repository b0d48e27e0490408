"""Pictures of a robosuite simulation, drawn off the screen."""

from __future__ import annotations

import time

import numpy as np

from muse.envs.env import EnvError
from muse.envs.robosuite.drawing import Drawing
from muse.envs.robosuite.simulation import Simulation
from muse.utils.errors import nearest

#: robosuite's groups of shapes: what things collide with, and what they look like.
_COLLISION, _VISUAL = 0, 1


class Camera:
    """Draws what the cameras of a simulation see, as robosuite does, but the right way up.

    Args:
        simulation: What to draw.
        reflections: Draw what the floor reflects.
    """

    def __init__(self, simulation: Simulation, reflections: bool = True) -> None:
        self._simulation, self._reflections = simulation, reflections
        self._numbers = {simulation.model.camera(i).name: i for i in range(simulation.model.ncam)}
        self._drawing: Drawing | None = None

    def draw(self, name: str, height: int, width: int) -> np.ndarray:
        """Returns what a camera sees now, `(Y, X, 3)` uint8.

        Raises:
            EnvError: For a camera that the task does not have, and where this machine cannot draw.
        """
        import mujoco

        if name not in self._numbers:
            got = f"no camera '{name}'{nearest(name, self._numbers)}"
            raise EnvError("RobosuiteEnv: camera", got, "one of " + ", ".join(self._numbers))
        if self._drawing is None:
            self._drawing = self._make_drawing()
        # After a step, cameras on the arm and lights are still where they were a substep ago.
        mujoco.mj_camlight(self._simulation.model, self._simulation.data)
        return self._drawing.draw(self._simulation.data, self._numbers[name], height, width)

    @property
    def device(self) -> str:
        """What draws, by the name that it gives itself; empty before the first picture."""
        return "" if self._drawing is None else self._drawing.device

    def _make_drawing(self) -> Drawing:
        import mujoco

        options = mujoco.MjvOption()
        options.geomgroup[_COLLISION], options.geomgroup[_VISUAL] = 0, 1
        try:
            return Drawing(self._simulation.model, options, self._reflections)
        except Exception as error:
            raise EnvError(
                "RobosuiteEnv: pictures",
                f"no off-screen graphics ({type(error).__name__}: {error})",
                "OSMesa, or EGL and the driver of a graphics card",
                "apt-get install libosmesa6, and leave MUJOCO_GL and PYOPENGL_PLATFORM unset",
            ) from error

    def close(self) -> None:
        """Frees the graphics. May be called twice."""
        if self._drawing is not None:
            self._drawing.close()
            self._drawing = None


def try_camera(seconds: float = 0.5) -> tuple[str, float]:
    """Draws for a moment: the task Lift, 84x84 pixels.

    Args:
        seconds: How long, setting up apart [s].

    Returns:
        What draws, by the name that it gives itself, and how many pictures a second.

    Raises:
        EnvError: Where this machine cannot draw.
        MissingExtraError: Where robosuite is not installed.
    """
    simulation = Simulation("Lift")
    simulation.start()
    camera = Camera(simulation)
    try:
        camera.draw("agentview", 84, 84)
        begin, count = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            camera.draw("agentview", 84, 84)
            count += 1
        return camera.device, count / (time.perf_counter() - begin)
    finally:
        camera.close()
