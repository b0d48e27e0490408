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
from muse.envs.bullet_envs import panda
from muse.envs.bullet_envs.scene import INNER_STEPS
from muse.envs.env import Env, make
from muse.envs.pymunk.scene import PHYSICS_DT
from muse.specs import Leaf

Step = Callable[[], None]
#: Options with which no episode ends.
_ENDLESS = d(horizon=10**9, done_on_success=False)
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
        engine: What it is measured against, in words.
        make_bare: Takes an env at the start of an episode and actions `(T, k)`, and returns a step of the engine in the env's scene,
            which begins there and takes one action after the other.
        read: Takes an env, and returns where everything is, from the engine, as plain numbers.
        draw_action: Takes a generator and the action's leaf, and returns an action that both sides can take.
        effort: How long to measure.
    """

    recipe: str
    engine: str
    make_bare: Callable[[Any, np.ndarray], Step]
    read: Callable[[Any], Any]
    draw_action: Callable[[np.random.Generator, Leaf], np.ndarray]
    effort: Effort


def make_bare_pymunk(env: Any, actions: np.ndarray) -> Step:
    """Returns what anyone would write with pymunk: a velocity for the body that drags the ego, then steps of the space."""
    scene = env._scene
    space, drive, substeps, turns = scene.space, scene._drive, scene._substeps, iter(actions)

    def step() -> None:
        x, y, _ = next(turns).tolist()
        drive.velocity = (x, y)
        for _ in range(substeps):
            space.step(PHYSICS_DT)

    return step


def make_bare_bullet(env: Any, actions: np.ndarray) -> Step:
    """Returns what anyone would write with pybullet who knew what to tell the motors: it is noted while the env plays, which then begins
    again."""
    begin, told = env.get_state(), []
    arm, tell = env._scene.arm, env._scene.arm.tell

    def note(joints: np.ndarray, velocities: np.ndarray) -> None:
        told.append((joints.tolist(), velocities.tolist()))
        tell(joints, velocities)

    arm.tell = note
    for action in actions:
        env.step({"action": action[None]})
    env.set_state(begin)
    bullet, body, repeats, turns = env._scene.bullet, env._scene.arm.body, env.physics.repeats, iter(told)

    def step() -> None:
        for _ in range(repeats):
            joints, velocities = next(turns)
            bullet.setJointMotorControlArray(
                body,
                panda._MOTORS,
                bullet.POSITION_CONTROL,
                targetPositions=joints,
                targetVelocities=velocities,
                forces=panda._FORCES,
                positionGains=panda._GAINS,
                velocityGains=panda._FOLLOW,
            )
            for _ in range(INNER_STEPS):
                bullet.stepSimulation()

    return step


def read_bullet(env: Any) -> dict[str, list[float]]:
    """Returns all that bullet tells of arm, objects and desk."""
    return {name: value.tolist() for name, value in env.read_state(env._scene).items()}


def draw_arm_action(rng: np.random.Generator, leaf: Leaf) -> np.ndarray:
    """Draws a pose of the hand and the gripper."""
    return rng.uniform(leaf.low, leaf.high)


def draw_blocks_action(rng: np.random.Generator, leaf: Leaf) -> np.ndarray:
    """Draws a velocity; nothing is grabbed, for that would be a step of the env's own."""
    return rng.uniform(leaf.low, leaf.high) * [1.0, 1.0, 0.0]


def pymunk_world(recipe: str) -> World:
    """Returns a world of blocks in the plane."""
    effort = Effort(samples=15, turns=20, calls=20, seconds=40)
    return World(
        recipe, "pymunk's Space.step, 25 times", make_bare_pymunk, lambda env: env._scene.read(), draw_blocks_action, effort
    )


def bullet_world(recipe: str) -> World:
    """Returns a world of an arm at a table."""
    engine = "pybullet's setJointMotorControlArray, 5 times, and stepSimulation, 25 times, with the commands already there"
    # A step takes some fifty times as long as one of pymunk's worlds.
    effort = Effort(samples=15, turns=20, calls=5, seconds=40)
    return World(recipe, engine, make_bare_bullet, read_bullet, draw_arm_action, effort)


_PYMUNK = ("push_block", "carry_block", "maze", "bottlenecks", "stack_blocks", "arrange_blocks", "slider", "push_t")
_BULLET = ("block3d_lift", "block3d_push", "mug3d_lift", "platform3d_onto", "playroom_open_drawer", "playroom_press_button")
WORLDS = [*map(pymunk_world, _PYMUNK), *map(bullet_world, _BULLET)]


def measure(world: World, quick: bool) -> list[Row]:
    """Times both sides, each sample from another start."""
    group, _ = load_base_config(f"cfgs/env/{world.recipe}.py", [])
    options = {key: value for key, value in group.items() if key != "cls"}
    envs: dict[str, Env] = {side: make(group["cls"], d({**options, **_ENDLESS})) for side in ("muse", "bare")}
    rng, leaf = np.random.default_rng(0), envs["muse"].env_spec.leaf("action")
    effort = world.effort.quickened(quick)
    steps = max(effort.turns, effort.warmup) * effort.calls
    drawn = [np.float32(world.draw_action(rng, leaf)) for _ in range(-(-steps // _KEPT))]
    actions = np.repeat(drawn, _KEPT, axis=0)[:steps]
    seeds, turns, bare = itertools.count(), list[Iterator[np.ndarray]](), list[Step]()

    def prepare() -> None:
        _check_same(world, envs, bool(bare))
        seed = next(seeds)
        for env in envs.values():
            env.reset(seed=seed)
        turns[:], bare[:] = [iter(actions)], [world.make_bare(envs["bare"], actions)]

    sides = {"muse": lambda: envs["muse"].step({"action": next(turns[0])[None]}), "bare": lambda: bare[0]()}
    timing = interleave(sides, effort, prepare=prepare, clock=time.process_time)
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
