"""Pictures of a MuJoCo model, drawn off the screen in the one OpenGL context of a process."""

from __future__ import annotations

import atexit
import os
import weakref
from typing import Any

import numpy as np

from muse.envs.robosuite.sight import Sight
from muse.utils.graphics import choose_graphics

#: Shapes in a scene at most, as robosuite has it.
_MAX_SHAPES = 10_000


class GraphicsContext:
    """The OpenGL context of this process: made for the first drawing, freed at the end.

    Raises:
        Exception: Whatever MuJoCo, PyOpenGL or a library below them raises where they cannot draw.
    """

    _of_process: GraphicsContext | None = None

    def __init__(self) -> None:
        kind = choose_graphics()
        # Not `mujoco.gl_context`, whose kind was settled when MuJoCo was imported, maybe before the choice.
        if kind == "egl":
            from mujoco.egl import GLContext
        elif kind == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.gl_context import GLContext
        # Its own buffer goes unused: pictures are drawn into one of MuJoCo's.
        self._context, self._process = GLContext(16, 16), os.getpid()
        self._drawings: weakref.WeakSet[Drawing] = weakref.WeakSet()
        atexit.register(self._free)

    @classmethod
    def get(cls) -> GraphicsContext:
        """Returns that of this process."""
        if cls._of_process is None:
            cls._of_process = cls()
        return cls._of_process

    def add(self, drawing: Drawing) -> None:
        """Frees `drawing` at the end, if it still is there."""
        self._drawings.add(drawing)

    def enter(self) -> None:
        """Makes it the current one.

        Raises:
            RuntimeError: In a process that was forked from the one that it belongs to: its threads are not there.
        """
        if os.getpid() != self._process:
            raise RuntimeError("this process was forked from one that draws; start it by 'spawn' or 'forkserver'")
        self._context.make_current()

    def _free(self) -> None:
        if os.getpid() == self._process:
            for drawing in list(self._drawings):
                drawing.close()
            self._context.free()


class Drawing:
    """The meshes and textures of a model in the process's OpenGL context, and pictures of them.

    A context takes long to make and much memory, so there is one, for any number of models, cameras and sizes; one thread draws. A
    picture depends on model, data, camera and size alone, not on what else was drawn.

    Args:
        model: A `mujoco.MjModel`.
        options: A `mujoco.MjvOption`: what is shown.
        reflections: Draw what a mirror shows, which is every shape once more.

    Raises:
        Exception: See `GraphicsContext`.
    """

    def __init__(self, model: Any, options: Any, reflections: bool = True) -> None:
        self._shapes: Any = None
        import mujoco

        self._model, self._options, self._reflections = model, options, reflections
        self._graphics = GraphicsContext.get()
        self._graphics.enter()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_SHAPES)
        self._sight = Sight(model)
        self._shapes = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150)
        self._graphics.add(self)

    @property
    def device(self) -> str:
        """What draws, by the name that it gives itself."""
        from OpenGL import GL

        self._graphics.enter()
        return str(GL.glGetString(GL.GL_RENDERER).decode())

    def draw(self, data: Any, camera: int, height: int, width: int) -> np.ndarray:
        """Returns what a camera sees, `(Y, X, 3)` uint8.

        Args:
            data: A `mujoco.MjData` in which the poses of shapes, cameras and lights are up to date.
            camera: The camera's number.
            height: Of the picture [px].
            width: Of the picture [px].
        """
        import mujoco

        shapes, scene = self._shapes, self._scene
        self._graphics.enter()
        # Else the first picture goes into the buffer of the model that was made or drawn last.
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, shapes)
        if height > shapes.offHeight or width > shapes.offWidth:
            mujoco.mjr_resizeOffscreen(max(width, shapes.offWidth), max(height, shapes.offHeight), shapes)
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
        scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = self._reflections
        self._sight.reduce(scene, data, width / height)
        area, picture = mujoco.MjrRect(0, 0, width, height), np.empty((height, width, 3), np.uint8)
        mujoco.mjr_render(area, scene, shapes)
        mujoco.mjr_readPixels(picture, None, area, shapes)
        # OpenGL's first row is the lowest.
        return picture[::-1].copy()

    def close(self) -> None:
        """Takes the model out of the graphics. May be called twice."""
        if self._shapes is not None:
            # In another context, things of the same numbers would go.
            self._graphics.enter()
            self._shapes.free()
            self._shapes = None

    def __del__(self) -> None:
        self.close()
