"""Pictures of RobosuiteEnv beside robosuite's own and beside MuJoCo's `Renderer`, 84x84 pixels of NutAssemblySquare.

Prints a table and writes `rendering.json` and `rendering.md`. All sides draw the same state in one process, with the same library. Takes
some minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import script
from attrdict import AttrDict as d
from report import Page, Row
from timing import Effort, interleave

import muse
from muse.envs.robosuite.camera import Camera
from muse.envs.robosuite.robosuite_env import RobosuiteEnv

TASK, SIZE = "NutAssemblySquare", 84
CAMERAS = {"agentview": "agentview", "hand": "robot0_eye_in_hand"}
#: What was drawn with: MuJoCo's `Renderer`, when freed, takes textures from whatever context is current.
_KEPT: list[Any] = []
NOTES = """\
Muse's default picture is robosuite's to the bit, which is checked before anything is timed; so is that of MuJoCo's `Renderer`, the straight
way to a picture. `reflections=False` leaves out what the floor mirrors. A time is that of one picture; where the machine is busy with
something else, the ratios and the processor's time in the notes hold.
"""
PAGE = Page("Pictures of NutAssemblySquare", "make bench-rendering", "rendering.md", "rendering.json", [*NOTES.splitlines(), ""])


def measure(camera: str, quick: bool) -> list[Row]:
    """Times pictures of one camera."""
    env = muse.make(RobosuiteEnv, d(env_name=TASK))
    env.reset(seed=0)
    name, simulation = CAMERAS[camera], env._simulation
    exact, plain = Camera(simulation), Camera(simulation, reflections=False)
    sides: dict[str, Callable[[], np.ndarray]] = {
        "muse": lambda: exact.draw(name, SIZE, SIZE),
        "no reflections": lambda: plain.draw(name, SIZE, SIZE),
        "robosuite": _make_robosuite(simulation, name),
        "mujoco": _make_mujoco(simulation, name),
    }
    _KEPT.append(sides)
    _check_same(sides)
    effort = Effort(samples=7, turns=2, calls=3).quickened(quick)
    timing = interleave(sides, effort)
    cpu = {side: _processor_time(draw, 2 if quick else 12) for side, draw in sides.items()}
    _check_same(sides)
    rows = []
    for side, reference, target in (
        ("muse", "robosuite", ">= 1"), ("muse", "mujoco", ">= 1"), ("no reflections", "robosuite", ">= 2"),
    ):  # fmt: skip
        against = (
            f"{'robosuite`s sim.render' if reference == 'robosuite' else 'mujoco.Renderer'}, the same state and camera.".replace(
                "`", "'"
            )
        )
        against += (
            f" Pictures a second of processor time: {1 / cpu[side]:.0f} and {1 / cpu[reference]:.0f};"
            f" of the clock: {1 / timing.median(side):.0f} and {1 / timing.median(reference):.0f}."
        )
        title = f"{camera}: {'reflections=False' if side != 'muse' else 'the same picture'}, beside {reference}"
        rows.append(Row.of(title, "ms", target, against, timing, side, reference))
    return rows


def _check_same(sides: Mapping[str, Callable[[], np.ndarray]]) -> None:
    picture = sides["muse"]()
    for side in ("robosuite", "mujoco"):
        if not np.array_equal(picture, sides[side]()):
            raise SystemExit(f"the picture of {side} is another one")


def _processor_time(draw: Callable[[], object], count: int) -> float:
    """Returns the time of all threads for one picture [s]."""
    begin = time.process_time()
    for _ in range(count):
        draw()
    return (time.process_time() - begin) / count


def _make_robosuite(simulation: Any, camera: str) -> Callable[[], np.ndarray]:
    from robosuite.utils.binding_utils import MjRenderContextOffscreen

    sim = simulation.env.sim
    context = MjRenderContextOffscreen(sim, device_id=-1)
    context.vopt.geomgroup[0], context.vopt.geomgroup[1] = 0, 1

    def draw() -> np.ndarray:
        context.gl_ctx.make_current()  # which robosuite does once, for it is alone
        return sim.render(camera_name=camera, width=SIZE, height=SIZE)[::-1]

    return draw


def _make_mujoco(simulation: Any, camera: str) -> Callable[[], np.ndarray]:
    import mujoco

    renderer, options = mujoco.Renderer(simulation.model, SIZE, SIZE), mujoco.MjvOption()
    options.geomgroup[0], options.geomgroup[1] = 0, 1

    def draw() -> np.ndarray:
        renderer.update_scene(simulation.data, camera, options)
        return renderer.render()

    return draw


#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {
    "agentview": lambda quick: measure("agentview", quick),
    "hand": lambda quick: measure("hand", quick),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    return script.measure(PAGE, MEASUREMENTS, script.parse(__doc__, MEASUREMENTS, arguments))


if __name__ == "__main__":
    sys.exit(main())
