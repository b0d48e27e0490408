"""An environment made of nothing but a spec, that complains about what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import Env, EnvError
from muse.specs import EnvSpec
from muse.testing.made_up import draw_values
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has, nest
from muse.utils.errors import nearest
from muse.utils.seeding import make_generator


class FakeEnv(Env):
    """Draws every value that its spec lists at random, within limits. Any `EnvSpec` will do.

    Every action must be what a policy promises: all names and no others, of the spec's shapes and exact types, finite and within
    limits. Each observation, goal, param and final may be preset for the reset.

    An episode lasts `episode_length` steps; with the chance `success_rate` it ends solved, else truncated. `reward` is 1 in the
    step that solves it and 0 before, where the spec has a reward of shape `(1,)`.
    """

    predefined_arguments = [
        Argument("episode_length", type=int, default=5, help="length of every episode", unit="steps"),
        Argument("success_rate", type=float, default=1.0, help="chance that an episode ends solved"),
    ]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if self.episode_length < 1:
            raise EnvError("FakeEnv: episode_length", str(self.episode_length), "at least 1")
        self._rng = np.random.Generator(np.random.PCG64())
        self._steps = 0
        self._is_running = False
        self._will_succeed = False
        self._has_succeeded = False

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns a small spec with a name of every role."""
        return AttrDict(
            cls=EnvSpec,
            names_shapes_limits_dtypes=[
                ("position", (2,), (-1, 1), np.float32, "m"),
                ("objects/size", (3,), (0, 1), np.float32, "m"),
                ("image", (4, 6, 3), (0, 255), np.uint8),
                ("goal/position", (2,), (-1, 1), np.float32, "m"),
                ("action", (2,), (-1, 1), np.float32),
                ("gripper", (1,), (0, 1), np.int64),
                ("reward", (1,), (0, 1), np.float32),
                ("truncated", (1,), (0, 1), bool),
                ("final/note", (), (-np.inf, np.inf), "U8"),
            ],
            observation_names=["position", "image"],
            goal_names=["goal/position"],
            param_names=["objects/size"],
            action_names=["action", "gripper"],
            output_observation_names=["reward", "truncated"],
            final_names=["final/note"],
        )

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Draws a start; see `Env.reset`."""
        spec = self.env_spec
        names = [*spec.observation_names, *spec.param_names, *spec.goal_names]
        given = flatten(presets or {})
        for name, value in given.items():
            if name not in names:
                raise EnvError("FakeEnv.reset", f"no preset '{name}'{nearest(name, names)}", "one of " + ", ".join(names))
            spec.check({name: np.asarray(value)}, [name], (), "FakeEnv.reset, presets", limits=True)
        if seed is not None:
            self._rng = make_generator(seed, "env")
        self._steps, self._is_running, self._has_succeeded = 0, True, False
        self._will_succeed = bool(self._rng.random() < self.success_rate)
        drawn = {**self._draw(names), **{name: np.array(value, spec.leaf(name).dtype)[None] for name, value in given.items()}}
        goals = {name: drawn.pop(name) for name in spec.goal_names}
        return nest(drawn), nest(goals)

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Draws what comes next; see `Env.step`."""
        if not self._is_running:
            raise EnvError("FakeEnv.step", "no episode is running", "a reset before the first step and after 'done'")
        self._check_action(action)
        spec = self.env_spec
        self._steps += 1
        done = self._steps >= self.episode_length
        self._is_running, self._has_succeeded = not done, done and self._will_succeed
        obs = self._draw([*spec.observation_names, *spec.output_observation_names, *(spec.final_names if done else ())])
        for name, value in (("reward", float(self._has_succeeded)), ("truncated", done and not self._has_succeeded)):
            if name in spec.output_observation_names and spec.leaf(name).shape == (1,):
                obs[name] = np.array([[value]], spec.leaf(name).dtype)
        return nest(obs), nest(self._draw(spec.goal_names)), np.array([done])

    def is_success(self) -> bool:
        """Whether the episode has ended solved."""
        return self._has_succeeded

    def render(self) -> np.ndarray:
        """Returns a grey picture that grows brighter with the episode, `(8, 8, 3)`."""
        return np.full((8, 8, 3), 255 * self._steps // self.episode_length, np.uint8)

    def close(self) -> None:
        """Ends the episode."""
        self._is_running = False

    def _check_action(self, action: Batch) -> None:
        spec = self.env_spec
        for name in flatten(action):
            if name not in spec.action_names:
                raise EnvError(f"FakeEnv.step: '{name}'", "is no action of the spec", "one of " + ", ".join(spec.action_names))
        for name in spec.action_names:
            leaf = spec.leaf(name)
            value = action[name] if has(action, name) else None
            if not isinstance(value, np.ndarray):
                got = "missing" if value is None else type(value).__name__
                raise EnvError(f"FakeEnv.step: '{name}'", got, f"a numpy array of shape {(1, *leaf.shape)}")
            if value.shape != (1, *leaf.shape) or value.dtype != leaf.dtype:
                raise EnvError(
                    f"FakeEnv.step: '{name}'",
                    f"shape {value.shape} of {value.dtype}",
                    f"shape {(1, *leaf.shape)} of {leaf.dtype}",
                )
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                raise EnvError(f"FakeEnv.step: '{name}'", f"not finite: {value[0].tolist()}", "finite numbers")
            if value.dtype.kind in "iufb" and (np.any(value < leaf.low) or np.any(value > leaf.high)):
                raise EnvError(
                    f"FakeEnv.step: '{name}'", f"{value[0].tolist()}", f"within [{leaf.low.min():g}, {leaf.high.max():g}]"
                )

    def _draw(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        return draw_values(self.env_spec, names, (1,), self._rng)
