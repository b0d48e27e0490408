"""A step of each simulated world beside its bare physics engine, which steps the same scene under the same actions.

Prints a table and writes `worlds_speed.json` and `worlds_speed.md`. Takes some minutes.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import script
from attrdict import AttrDict as d
from report import Page, Row
from timing import Effort, interleave

from configs.helpers import load_base_config
from muse.envs.env import Env, make
from muse.envs.pymunk.scene import PHYSICS_DT
from muse.specs import Leaf

#: Takes an action `(k,)`.
Step = Callable[[np.ndarray], None]
#: Steps for which an action is kept: it gets somewhere.
_KEPT = 10

NOTES = """\
The bare engine does what moves the scene and nothing else: no observation, reward or success. Both sides begin in the same state and take
the same actions, and end in the same state to the bit, which is checked. No episode ends within a sample. Times are of the processor.
"""
PAGE = Page("Worlds beside their engines", "make bench-worlds", "worlds_speed.md", "worlds_speed.json", [*NOTES.splitlines(), ""])


@dataclass(frozen=True)
class World:
    """A recipe of `cfgs/env`, and how its engine is stepped without Muse.

    Attributes:
        recipe: Its name.
        endless: Options with which no episode ends.
        engine: What it is measured against, in words.
        make_bare: Takes an env in an episode of its own and returns a step of the engine in the env's scene.
        read: Takes an env, and returns where everything is, from the engine.
        draw_action: Takes a generator and the action's leaf, and returns an action that both sides can take.
    """

    recipe: str
    endless: d
    engine: str
    make_bare: Callable[[Any], Step]
    read: Callable[[Any], Sequence[Any]]
    draw_action: Callable[[np.random.Generator, Leaf], np.ndarray]


def make_bare_pymunk(env: Any) -> Step:
    """Returns what anyone would write with pymunk: a velocity for the body that drags the ego, then steps of the space."""
    scene = env._scene
    space, drive, substeps = scene.space, scene._drive, scene._substeps

    def step(action: np.ndarray) -> None:
        x, y, _ = action.tolist()
        drive.velocity = (x, y)
        for _ in range(substeps):
            space.step(PHYSICS_DT)

    return step


def draw_blocks_action(rng: np.random.Generator, leaf: Leaf) -> np.ndarray:
    """Draws a velocity; nothing is grabbed, for that would be a step of the env's own."""
    return rng.uniform(leaf.low, leaf.high) * [1.0, 1.0, 0.0]


def pymunk_world(recipe: str) -> World:
    """Returns a world of blocks in the plane."""
    return World(
        recipe, d(horizon=10**9, done_on_success=False), "pymunk's Space.step, 25 times", make_bare_pymunk,
        lambda env: env._scene.read(), draw_blocks_action,
    )  # fmt: skip


WORLDS = [
    pymunk_world(name)
    for name in ("push_block", "carry_block", "maze", "bottlenecks", "stack_blocks", "arrange_blocks", "slider", "push_t")
]


def measure(world: World, quick: bool) -> list[Row]:
    """Times both sides, each sample from another start."""
    group, _ = load_base_config(f"cfgs/env/{world.recipe}.py", [])
    options = {key: value for key, value in group.items() if key != "cls"}
    envs: dict[str, Env] = {side: make(group["cls"], d({**options, **world.endless})) for side in ("muse", "bare")}
    rng, leaf = np.random.default_rng(0), envs["muse"].env_spec.leaf("action")
    actions = [np.float32(world.draw_action(rng, leaf)) for _ in range(50)]
    seeds, turns = itertools.count(), dict[str, Iterator[np.ndarray]]()
    bare: list[Step] = []

    def prepare() -> None:
        _check_same(world, envs, bool(bare))
        seed = next(seeds)
        for side, env in envs.items():
            env.reset(seed=seed)
            turns[side] = itertools.cycle(np.repeat(actions, _KEPT, axis=0))
        bare[:] = [world.make_bare(envs["bare"])]

    sides = {
        "muse": lambda: envs["muse"].step({"action": next(turns["muse"])[None]}),
        "bare": lambda: bare[0](next(turns["bare"])),
    }
    timing = interleave(
        sides, Effort(samples=15, turns=20, calls=20, seconds=40).quickened(quick), prepare=prepare, clock=time.process_time
    )
    _check_same(world, envs, True)
    for env in envs.values():
        env.close()
    name = f"{world.recipe}: {group['cls'].__name__}"
    return [Row.of(name, "us", "<= 1.5", f"{world.engine}, the same scene and actions.", timing, "muse", "bare")]


def _check_same(world: World, envs: dict[str, Env], began: bool) -> None:
    if began and repr(world.read(envs["muse"])) != repr(world.read(envs["bare"])):
        raise SystemExit(f"{world.recipe}: the bare engine is somewhere else")


#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {world.recipe: functools.partial(measure, world) for world in WORLDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    return script.measure(PAGE, MEASUREMENTS, script.parse(__doc__, MEASUREMENTS, arguments))


if __name__ == "__main__":
    sys.exit(main())
