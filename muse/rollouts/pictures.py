"""What recorders see of envs: what these render, or observations of theirs that hold pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from muse.envs.vector_env import VectorEnv
from muse.specs import EnvSpec
from muse.utils.errors import nearest
from muse.utils.video import VideoError, check_frame, is_picture, lay_beside


class Pictures:
    """A picture of each env in its present state, RGB.

    Args:
        names: Observations that hold pictures (`(Y, X, 1)`, `(Y, X, 3)` or `(Y, X, 4)` uint8), laid beside one another in this
            order; none: what the env renders.
        where: Begins messages.
    """

    def __init__(self, names: Sequence[str], where: str) -> None:
        self.names, self.where = tuple(names), where
        self._env: VectorEnv | None = None

    def start(self, env: VectorEnv) -> None:
        """Looks at these envs from now on.

        Raises:
            VideoError: For a name that is no observation of theirs, holds no pictures, or is given twice.
        """
        check_picture_names(self.names, env.env_spec, self.where)
        self._env = env

    def take(self, rows: Iterable[int]) -> dict[int, np.ndarray]:
        """Returns a frame `(Y, X, 3)` uint8 of each env of `rows`, but of those that fail.

        Raises:
            VideoError: When the env renders nothing, or something else than a picture.
        """
        assert self._env is not None, "start comes before take"
        env, rows = self._env, list(rows)
        if self.names:
            seen = env.observe(self.names)
            return {row: lay_beside([seen[name][row] for name in self.names]) for row in rows if row not in env.failures}
        rendered = env.render(np.isin(np.arange(env.num_envs), rows))
        frames: dict[int, np.ndarray] = {}
        for row in rows:
            frame = rendered[row]
            if row in env.failures:
                continue  # The loop says what becomes of the episode.
            if frame is None:
                expected, names = "an env whose render() returns (Y, X, 3) uint8", picture_names(env.env_spec)
                hint = f"an observation with pictures (--image_key {names[0]})" if names else ""
                raise VideoError(self.where, "the env has no picture", expected, hint)
            check_frame(frame, f"{self.where}: render()")
            frames[row] = frame
        return frames


def picture_names(spec: EnvSpec) -> list[str]:
    """Returns the observations that hold pictures."""
    return [name for name in spec.observation_names if is_picture(spec.leaf(name).shape, spec.leaf(name).dtype)]


def check_picture_names(names: Sequence[str], spec: EnvSpec, where: str) -> None:
    """Raises `VideoError` for the first of `names` that is no observation with pictures, or is there twice."""
    there = picture_names(spec)
    for name in names:
        if names.count(name) > 1:
            raise VideoError(f"{where}: '{name}'", "given twice", "each picture once")
        if name not in spec.observation_names:
            got = f"no observation{nearest(name, there or spec.observation_names)}"
        elif name not in there:
            got = f"shape {spec.leaf(name).shape} {spec.leaf(name).dtype}, no picture (Y, X, 3) uint8"
        else:
            continue
        raise VideoError(f"{where}: '{name}'", got, "an observation with pictures: " + (", ".join(there) or "this env has none"))
