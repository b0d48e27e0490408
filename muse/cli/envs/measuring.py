"""A picture of a world, and how fast it is."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from muse.cli.envs.worlds import World, assemble_expert
from muse.envs.env import Env, make
from muse.rollouts.loop import rollout
from muse.utils.attrdicts import flatten, nest
from muse.utils.files import atomic_write
from muse.utils.video import VideoError, check_frame

#: How many random actions are drawn beforehand, so that drawing them takes no time of the steps.
_ACTIONS = 256


def measure_speed(world: World, runs: int = 5, seconds: float = 0.2, seed: int = 0) -> float:
    """Returns how many steps one environment takes in a second of processor time, under random actions, resets apart.

    That is the median of several runs. On a machine that does nothing else it is what a clock says.

    Args:
        runs: How many.
        seconds: Processor time of the steps of each run [s].
        seed: Of starts and actions.

    Raises:
        SpecError: For actions without limits.
    """
    world.check_installed()
    env = make(world.cls, world.options)
    try:
        spec, rng = env.env_spec, np.random.default_rng(seed)
        drawn = spec.get_uniform(spec.action_names, _ACTIONS, rng)
        actions = [nest({name: values[i : i + 1] for name, values in drawn.items()}) for i in range(_ACTIONS)]
        env.reset(seed=seed)
        # The first steps fill caches.
        return statistics.median([_run(env, actions, seconds) for _ in range(runs + 1)][1:])
    finally:
        env.close()


def _run(env: Env, actions: Sequence[Any], seconds: float) -> float:
    count, spent = 0, 0.0
    while spent < seconds:
        begin = time.process_time()
        _, _, done = env.step(actions[count % len(actions)])
        spent += time.process_time() - begin
        count += 1
        if done.all():
            env.reset()
    return count / spent


def save_picture(picture: np.ndarray, path: str | os.PathLike[str], size: int = 0) -> None:
    """Writes a picture `(Y, X, 3)` uint8, in the form that the ending of its name says.

    Args:
        size: Makes it no larger than this [px], and gives it a palette, for a page; 0 leaves it as it is.

    Raises:
        VideoError: For an ending that is none of a picture.
    """
    from PIL import Image

    image = Image.fromarray(picture)
    if size:
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
        # The other methods drop the colours of small things, such as goals.
        image = image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    Image.init()
    suffix = Path(path).suffix.lower()
    if Image.EXTENSION.get(suffix) not in Image.SAVE:
        raise VideoError(str(path), f"no form of pictures '{suffix}'", "a name that ends in .png")
    with atomic_write(path) as file:
        image.save(file, Image.EXTENSION[suffix], **({"optimize": True} if size else {}))


def take_picture(world: World, seed: int = 0, at: float = 0.4) -> np.ndarray:
    """Returns a picture of an episode, `(Y, X, 3)` uint8: of a moment while the expert is at work, else of its start.

    Args:
        seed: Of the episode.
        at: When, as a share of the expert's episode: 0 its start.

    Raises:
        VideoError: When the world draws none.
    """
    world.check_installed()
    experiment = assemble_expert(world)
    try:
        env, actions = experiment.env, []
        if experiment.policy is not None:
            episode = rollout(env, experiment.policy, seed=seed)
            rows = {name: flatten(episode.inputs)[name] for name in env.env_spec.action_names}
            actions = [nest({name: row[t : t + 1] for name, row in rows.items()}) for t in range(int(at * len(episode)))]
        # An episode is the same again from its seed, and only one of its pictures is drawn.
        env.reset(seed=seed)
        for action in actions:
            env.step(action)
        picture = env.render()
        if picture is None:
            raise VideoError(world.name, "the world has no picture", "an env whose render() returns (Y, X, 3) uint8")
        check_frame(picture, f"{world.cls.__name__}.render")
        return picture
    finally:
        experiment.close()
