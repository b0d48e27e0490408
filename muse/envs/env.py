"""The contract of environments. The loop that calls it (`muse.rollouts`):

obs, goal = env.reset(presets, seed=seed)
while True:
    action = policy.get_action(model, obs, goal)
    obs, goal, done = env.step(action)
    if done.all():
        break
env.is_success()
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from attrdict import AttrDict

from muse.envs.teleop import TeleopInput
from muse.specs import EnvSpec
from muse.utils.abstract import BaseClass, build
from muse.utils.errors import MuseError


class EnvError(MuseError):
    """An environment used against its contract, or one that breaks it."""


class Env(BaseClass, ABC):
    """One simulated or real world, `B = 1`.

    Rules that `muse.testing.check_env` checks:

    * `reset` returns the observation and param names, and the goal names; `step` the observation and output names, the goal
      names, and `done` `(1,)` bool. Every leaf is `(1, *shape)` in the spec's type, and the caller's to keep.
    * The step that ends an episode also returns the final names, where the spec has any.
    * A step names `reward` `(1, 1)` float and `truncated` `(1, 1)` bool among its output observations. `done` is true when the
      task ends or a limit does; `truncated` is true when only the limit did.
    * `step` before the first `reset` or after `done` raises `EnvError`, and so does an action of the wrong shape or not finite.
    * All randomness comes from one generator made from the seed of `reset`; without a seed the generator goes on. Same
      seed, presets and actions: same episode. Two instances share nothing.
    * A mistake of its caller is raised as a `MuseError`. Anything else that it raises, or an `EnvFailure` (`muse.envs.failure`),
      is a failure of the simulator: a rollout builds the env anew and runs the episode again.
    * Importing the module, and building an env without the window param `render`, opens no window.

    Args:
        params: The options declared in `predefined_arguments`; `default_params` fills what is missing. An option `render` is
            read into `self.render_window`.
        env_spec: The spec, as `get_default_env_spec_params` gives it, or an extension of it.
    """

    #: Default values of the options that differ from those of `predefined_arguments`.
    default_params: ClassVar[Mapping[str, Any]] = AttrDict()
    #: Distributions whose version decides how the env behaves (a simulator): part of its fingerprint.
    fingerprint_packages: ClassVar[tuple[str, ...]] = ()
    #: Options that change what is seen of an episode, or its length, but not how the world answers an action.
    cosmetic_params: ClassVar[tuple[str, ...]] = ("render",)
    #: Whether it moves things outside this computer: nothing tries it, times it or takes pictures in it that nobody asked for.
    is_physical: ClassVar[bool] = False
    #: What it listens to when a person drives it, some of `muse.envs.teleop.TELEOP_INPUTS`; none: it cannot be driven.
    teleop_inputs: ClassVar[tuple[str, ...]] = ()
    #: Whether it may move. One that is not armed refuses `reset` and `step` until a person calls `recover` and `arm`.
    is_armed: bool = True

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.params = AttrDict({**self.default_params, **params})
        self.env_spec = env_spec
        self.read_predefined_params(self.params)
        # The option `render` would hide the method of that name.
        self.render_window = bool(self.__dict__.pop("render", False))

    @classmethod
    @abstractmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the group of the spec, `cls` included, for these options (defaults filled in by the caller)."""

    @classmethod
    def get_presets(cls, params: Mapping[str, Any]) -> Sequence[Mapping[str, Any]] | None:
        """Returns the starts that an evaluation goes through again and again (a sweep), None for the random ones of `reset`.

        Args:
            params: Options, defaults filled in.
        """
        return None

    @classmethod
    def get_cosmetic_params(cls, params: Mapping[str, Any]) -> Sequence[str]:
        """Returns the names of the options that are cosmetic under `params`: `cosmetic_params`, unless some depend on others."""
        return cls.cosmetic_params

    @classmethod
    def get_time_limit(cls, params: Mapping[str, Any]) -> int | None:
        """Returns the number of steps after which an episode is cut, None where it is not, or where that is not known.

        Args:
            params: Options, defaults filled in. The limit is called `horizon`, `num_steps` or `max_steps`, unless a class says more.
        """
        limit = next((params[name] for name in ("horizon", "num_steps", "max_steps") if params.get(name)), None)
        return limit if isinstance(limit, int) else None

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the presets with which a recorded episode begins again, None where an env cannot be put there.

        Args:
            params: Options, defaults filled in.
            first: The first row of each recorded name, and the one-time names, without batch dimension.
        """
        return None

    @abstractmethod
    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode.

        Args:
            presets: Values to start from instead of random ones, by name, without batch dimension.
            seed: Makes the env's generator anew.

        Returns:
            Observation and goal.

        Raises:
            EnvError: For a preset that the env does not have.
        """

    @abstractmethod
    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Applies `action`, leaves `(1, *shape)`, and returns observation, goal and done `(1,)`."""

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Returns the action, leaves `(1, *shape)`, by which a person drives the env from its present state; changes nothing.

        Who collects by hand calls it once for each step, with what the device reads; see `muse.envs.teleop`.

        Raises:
            EnvError: Where it cannot be driven, no episode has begun, or a number is not finite.
        """
        raise EnvError(f"{type(self).__name__}.get_teleop_action", "no teleop_inputs", "an env that can be driven by hand")

    def is_success(self) -> bool:
        """Whether the task is solved in the present state."""
        return False

    def render(self) -> np.ndarray | None:
        """Returns the present picture `(Y, X, 3)` uint8 without opening a window, or None where there is none."""
        return None

    def rest(self) -> None:
        """Is told that no step comes for a while: the episode was ended by somebody else than the env, or waits for a person.

        A robot slows down, holds, and does not count that as silence. Another step, or a reset, may follow.
        """

    def recover(self) -> None:
        """Forgets why it was stopped: for a person who has looked. It has to be armed again."""

    def arm(self) -> None:
        """Lets it move from now on: for a person who stands beside it. An env that moves nothing needs none of this."""

    def close(self) -> None:
        """Frees what the env holds. May be called twice."""


def default_env_params(env_cls: type[Env], params: Mapping[str, Any] | None = None) -> AttrDict:
    """Returns all declared options of `env_cls`: those of `params`, else of `default_params`, else of the arguments."""
    declared = {name: argument.default for name, argument in env_cls.get_predefined_arguments().items() if not argument.required}
    given = {key: value for key, value in (params or {}).items() if key != "cls"}
    return AttrDict({**declared, **env_cls.default_params, **given})


def make_env_spec(
    env_cls: type[Env], params: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None
) -> EnvSpec:
    """Builds the spec that `env_cls` has under `params`, with the values of `overrides` over it."""
    group = env_cls.get_default_env_spec_params(default_env_params(env_cls, params))
    return build(AttrDict({**group, **(overrides or {})}), where="env_spec")


def make(env_cls: type[Env] | str, params: Mapping[str, Any] | None = None, env_spec: EnvSpec | None = None) -> Env:
    """Builds an environment, with its default options and spec where none are given.

        env = make(PointMassEnv, AttrDict(render=True))
        env.env_spec

    Args:
        env_cls: The class, or its dotted name.
        params: Options over the defaults.
        env_spec: The spec; the env's own when None.

    Raises:
        EnvError: When a dotted name leads to no environment.
        OptionError: For an option that the class does not declare.
    """
    env_cls = find_env_class(env_cls)
    given = {key: value for key, value in (params or {}).items() if key != "cls"}
    return env_cls(AttrDict({**env_cls.default_params, **given}), env_spec or make_env_spec(env_cls, params))


def find_env_class(env_cls: type[Env] | str) -> type[Env]:
    """Returns an env's class, given itself or its dotted name.

    Raises:
        EnvError: When the name leads nowhere, or to something else.
    """
    if isinstance(env_cls, str):
        module, _, name = env_cls.rpartition(".")
        try:
            env_cls = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise EnvError(
                f"make('{env_cls}')", str(error), "a dotted name such as 'muse.envs.simple.point_mass_env.PointMassEnv'"
            ) from error
    if not (isinstance(env_cls, type) and issubclass(env_cls, Env)):
        raise EnvError(f"make({env_cls!r})", "not an Env", "a class that derives from muse.envs.Env")
    return env_cls
