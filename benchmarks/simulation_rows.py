"""How long acting in robosuite takes: rollouts beside robomimic's, a step of the env beside robosuite's own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from attrdict import AttrDict as d
from peer import PeerError
from report import Row
from robomimic_peer import copy_weights, make_experiment, open_robomimic
from robomimic_rows import GMM
from timing import Effort, interleave

import muse
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.robosuite.simulation import import_robosuite

ROLLOUT_NAME, STEP_NAME = "rollouts", "env_step"
TASK = "NutAssemblySquare"
#: Steps in which the arm goes around once.
ROUND = 100


def measure_rollouts(quick: bool) -> list[Row]:
    """Times whole evaluations, resets included; envs and processes are there and warm on both sides."""
    episodes, steps = (2, 10) if quick else (50, 400)
    recipe = GMM.recipe & d(env_train=d(done_on_success=False))
    with (
        open_robomimic(GMM.batch_size, GMM.mixture) as call,
        contextlib.closing(make_experiment(recipe, with_env=True)) as made,
    ):
        env, policy, model = made.vector_env, made.policy, made.model
        copy_weights(call, model)
        call("make_env")

        def ours(episodes: int = episodes, steps: int = steps) -> None:
            evaluation = muse.evaluate(env, policy, model, episodes=episodes, seed=0, max_steps=steps)
            _check_lengths(evaluation.lengths, steps)

        def theirs(episodes: int = episodes, steps: int = steps) -> None:
            _check_lengths([call("roll_out", episodes=episodes, steps=steps)], steps)

        ours(env.num_envs, 5)
        theirs(1, 5)
        timing = interleave({"muse": ours, "robomimic": theirs}, Effort(samples=2, turns=1, warmup=0))
        reset = call("time_resets", count=1 if quick else 5)
    against = (
        f"robomimic's rollout_with_stats with its RolloutPolicy and EnvRobosuite, same weights, every episode of {steps} steps; its "
        f"resets build the model anew, as is robosuite's default, and take {reset:.2g} s each. Muse has {env.num_envs} envs in processes."
    )
    name = f"{ROLLOUT_NAME}: {episodes} episodes of {steps} steps, {GMM.name}, two cores"
    return [Row.of(name, "s", ">= 1.8", against, timing, "muse", "robomimic")]


def _check_lengths(lengths: Iterable[int], steps: int) -> None:
    if set(lengths) != {steps}:
        raise PeerError(f"every episode was to have {steps} steps, not {sorted(set(lengths))}")


def measure_env_step(quick: bool) -> list[Row]:
    """Times `RobosuiteEnv.step` beside robosuite's: each sample from the same state, with the same actions, an arm that goes around."""
    env, bare = muse.make(RobosuiteEnv, d(env_name=TASK, num_steps=10**9)), _make_bare_env()
    start = {"initial_state": env.reset(seed=0)[0]["initial_state"][0]}
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, 7)
    angles = 2 * np.pi * np.arange(ROUND)[:, None] / ROUND + phases
    actions = (0.2 * np.sin(angles)).astype(np.float32)
    turns: dict[str, Iterator[np.ndarray]] = {}

    def prepare() -> None:
        turns.update({name: itertools.cycle(actions) for name in sides})
        env.reset(start)
        bare.reset()
        bare.sim.set_state_from_flattened(start["initial_state"])
        bare.sim.forward()

    sides = {
        "muse": lambda: env.step({"action": next(turns["muse"])[None]}),
        "robosuite": lambda: bare.step(next(turns["robosuite"])),
    }
    timing = interleave(sides, Effort(samples=12, turns=20, calls=20).quickened(quick), prepare=prepare)
    env.close()
    against = "robosuite's own step of the same task (use_object_obs, no renderer, hard_reset off), from the same state."
    return [Row.of(f"{STEP_NAME}: RobosuiteEnv, {TASK}", "ms", "<= 1.05", against, timing, "muse", "robosuite")]


def _make_bare_env() -> Any:
    """Returns the task as robosuite makes it."""
    robosuite = import_robosuite("the benchmark")
    return robosuite.make(
        TASK, robots="Panda", has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False,
        use_object_obs=True, ignore_done=True, hard_reset=False, control_freq=20, renderer="mujoco",
    )  # fmt: skip
