"""Every Gymnasium environment as a Muse env."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from attrdict import AttrDict
from gymnasium import spaces

from muse.envs.checks import check_running, read_action, read_presets
from muse.envs.env import Env, EnvError
from muse.envs.spaces import flatten_space, flatten_value, space_to_leaf, unflatten_value
from muse.envs.window import Window
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument
from muse.utils.attrdicts import nest
from muse.utils.errors import MissingExtraError
from muse.utils.optional import hush_pygame

_GOAL_KEY = "desired_goal"


class GymEnv(Env):
    """An environment of Gymnasium's registry, by its id.

    Names: the observation is `obs` and the action `action`; parts of a `Dict` or `Tuple` space follow after a slash
    (`obs/position`, `action/0`). In a `Dict` observation with `desired_goal`, the convention of Gymnasium-Robotics, that part
    is no observation but the goal, called `goal` (the rest stays: `obs/observation`, `obs/achieved_goal`). Scalars have shape
    `(1,)`; a `Discrete` value is int64 within its limits. Types are those of the spaces.

    Continuous actions are clipped to the space; a discrete one outside of it is an error. The env's time limit gives
    `truncated`. An episode counts as solved when the last `info` says so under `is_success` or `success`, or when its return
    reached `success_return`.
    """

    predefined_arguments = [
        Argument(
            "env_type", type=str, default="BipedalWalker-v3", help="id in Gymnasium's registry; 'module:id' imports module first"
        ),
        Argument("env_kwargs", type=dict, default={}, help="arguments of the environment"),
        Argument("render", type=bool, default=False, help="show a window (render() works without)"),
        Argument(
            "preset_names", type=list, default=[], element_type=str, help="options that the environment's reset takes, as presets"
        ),
        Argument("success_return", type=float, default=None, help="return from which an episode counts as solved"),
    ]

    cosmetic_params = (*Env.cosmetic_params, "success_return")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self._gym = _make(self.env_type, self.env_kwargs, with_pictures=True)
        leaves = {leaf.name: leaf for leaf in _leaves(self._gym, f"GymEnv({self.env_type})")}
        self._actions = [leaf for leaf in leaves.values() if leaf.role == "action"]
        self._goals = {leaf.name for leaf in leaves.values() if leaf.role == "goal"}
        for name, leaf in leaves.items():
            if name not in env_spec or env_spec.leaf(name).shape != leaf.shape:
                self._gym.close()
                raise EnvError(
                    f"GymEnv({self.env_type}): '{name}'",
                    "not so in the spec",
                    f"shape {leaf.shape}",
                    "the env's own spec, or an extension of it",
                )
        self._is_running = False
        self._is_solved = False
        self._return = 0.0
        self._window = Window(f"Muse: {self.env_type}", fps=int(self._gym.metadata.get("render_fps", 30)))

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group. Builds the environment for a moment, to see its spaces."""
        env = _make(params["env_type"], params["env_kwargs"], with_pictures=False)
        try:
            leaves = _leaves(env, f"GymEnv({params['env_type']})")
        finally:
            env.close()
        infinite = (-np.inf, np.inf)
        entries = [(leaf.name, leaf.shape, (leaf.low, leaf.high), leaf.dtype) for leaf in leaves]
        return AttrDict(
            cls=EnvSpec,
            names_shapes_limits_dtypes=[*entries, ("reward", (1,), infinite, np.float32), ("truncated", (1,), (0, 1), bool)],
            observation_names=[leaf.name for leaf in leaves if leaf.role == "observation"],
            goal_names=[leaf.name for leaf in leaves if leaf.role == "goal"],
            action_names=[leaf.name for leaf in leaves if leaf.role == "action"],
            output_observation_names=["reward", "truncated"],
        )

    @classmethod
    def get_time_limit(cls, params: Mapping[str, Any]) -> int | None:
        """Returns the limit that Gymnasium's registry says, unless `env_kwargs` has another."""
        known = gymnasium.registry.get(params["env_type"].rpartition(":")[2])
        return params["env_kwargs"].get("max_episode_steps", None if known is None else known.max_episode_steps)

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode; see `Env.reset`. Presets are handed to Gymnasium as the options of its reset."""
        options = read_presets(presets, self.preset_names, "GymEnv.reset")
        # gymnasium takes 32-bit seeds in some environments.
        value, info = self._gym.reset(seed=None if seed is None else int(seed) % 2**31, options=options or None)
        self._is_running, self._return, self._is_solved = True, 0.0, _is_solved(info)
        self._show()
        return self._read(value, {})

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Steps the environment; see `Env.step`."""
        check_running(self._is_running, "GymEnv.step")
        values = read_action(self.env_spec, action, "GymEnv.step")
        for leaf in self._actions:
            values[leaf.name] = self._in_space(leaf, values[leaf.name])
        value, reward, terminated, truncated, info = self._gym.step(unflatten_value(self._gym.action_space, values, "action"))
        self._return += float(reward)
        self._is_solved = _is_solved(info) or (self.success_return is not None and self._return >= self.success_return)
        self._is_running = not (terminated or truncated)
        outputs = {"reward": np.array([[reward]], np.float32), "truncated": np.array([[bool(truncated) and not terminated]])}
        self._show()
        return *self._read(value, outputs), np.array([not self._is_running])

    def is_success(self) -> bool:
        """Whether `info` said so, or the return reached `success_return`."""
        return self._is_solved

    def render(self) -> np.ndarray | None:
        """Returns the environment's `rgb_array`, or None where it draws none.

        Raises:
            MissingExtraError: When what it draws with is not installed.
        """
        if self._gym.render_mode != "rgb_array":
            return None
        try:
            picture = self._gym.render()
        except gymnasium.error.DependencyNotInstalled as error:
            where, expected = (
                f"GymEnv({self.env_type}).render",
                "the extra 'window' to be installed, for Gymnasium's own environments",
            )
            raise MissingExtraError(where, f"{error}", expected, "pip install -e '.[window]' -c constraints.txt") from error
        return None if picture is None else np.array(picture, np.uint8)

    def close(self) -> None:
        """Closes the environment and its window."""
        self._is_running = False
        self._gym.close()
        self._window.close()

    def _in_space(self, leaf: Leaf, value: np.ndarray) -> np.ndarray:
        if leaf.dtype.kind == "f":
            return np.clip(value, leaf.low.astype(leaf.dtype), leaf.high.astype(leaf.dtype))
        if np.any(value < leaf.low) or np.any(value > leaf.high):
            limits = f"within [{leaf.low.min():g}, {leaf.high.max():g}]"
            raise EnvError(f"GymEnv.step: '{leaf.name}'", f"{value.tolist()} is outside its limits", limits)
        return value.copy()

    def _read(self, value: Any, outputs: Mapping[str, np.ndarray]) -> tuple[AttrDict, AttrDict]:
        observation, goal = dict(outputs), {}
        for name, part in flatten_value(self._gym.observation_space, value, "obs"):
            name = _rename(name)
            leaf = self.env_spec.leaf(name)
            # A copy always: some environments return the array that they go on changing.
            (goal if name in self._goals else observation)[name] = np.array(part, leaf.dtype).reshape(1, *leaf.shape)
        return nest(observation), nest(goal)

    def _show(self) -> None:
        if not self.render_window:
            return
        picture = self.render()
        if picture is None:
            raise EnvError(f"GymEnv({self.env_type}): render", "the environment draws no 'rgb_array'", "render=False")
        self._window.show(picture)


def _make(env_type: str, kwargs: Mapping[str, Any], with_pictures: bool) -> gymnasium.Env:
    where = f"GymEnv: env_type '{env_type}'"
    try:
        # The checker warns about what check_env tells in full, and slows every step.
        kwargs = {"disable_env_checker": True, **(kwargs.toDict() if isinstance(kwargs, AttrDict) else kwargs)}
        if with_pictures and "rgb_array" in _render_modes(env_type):
            kwargs.setdefault("render_mode", "rgb_array")
        hush_pygame()
        return gymnasium.make(env_type, **kwargs)
    except gymnasium.error.DependencyNotInstalled as error:
        raise EnvError(
            where, f"{error}", "its packages to be installed", "pip install 'gymnasium[...]' with the extra that Gymnasium names"
        ) from error
    except TypeError as error:
        raise EnvError(where, f"{error}", "env_kwargs that the environment takes") from error
    except (gymnasium.error.Error, ModuleNotFoundError) as error:
        raise EnvError(where, f"{error}", "an id of Gymnasium's registry, or 'module:id'") from error


def _render_modes(env_type: str) -> list[str]:
    """Returns the modes that the environment's class declares; it is not built."""
    module, _, name = env_type.rpartition(":")
    if module:
        __import__(module)
    entry_point = gymnasium.spec(name).entry_point
    creator = gymnasium.envs.registration.load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return list((getattr(creator, "metadata", None) or {}).get("render_modes", ()))


def _leaves(env: gymnasium.Env, where: str) -> list[Leaf]:
    leaves = []
    for name, space in flatten_space(env.observation_space, "obs"):
        renamed = _rename(name) if isinstance(env.observation_space, spaces.Dict) else name
        leaves.append(space_to_leaf(renamed, space, "observation" if renamed == name else "goal", where))
    leaves += [space_to_leaf(name, space, "action", where) for name, space in flatten_space(env.action_space, "action")]
    return leaves


def _rename(name: str) -> str:
    goal = f"obs/{_GOAL_KEY}"
    return "goal" + name[len(goal) :] if name == goal or name.startswith(goal + "/") else name


def _is_solved(info: Mapping[str, Any]) -> bool:
    return bool(np.any(info.get("is_success", False)) or np.any(info.get("success", False)))
