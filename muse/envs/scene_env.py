"""Worlds whose scene is built anew for each episode: what those of pymunk and of bullet have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from attrdict import AttrDict

from muse.envs.checks import check_running, read_action, read_start
from muse.envs.env import Env, default_env_params
from muse.envs.window import Window
from muse.specs import EnvSpec
from muse.utils.attrdicts import nest, node_of
from muse.utils.seeding import make_generator

#: Physics of one episode.
SceneT = TypeVar("SceneT")
#: What is seen of it at one time.
StateT = TypeVar("StateT")


class SceneEnv(Env, ABC, Generic[SceneT, StateT]):
    """A scene that is built for each episode from values by name, and then goes on by actions alone.

    The reward is 1 in a state that solves the task and 0 in any other, unless `use_dense_reward` is on. With `done_on_success` the
    episode ends in the first such state; without, and where there is none, it is truncated after `horizon` steps. An episode
    starts at rest, from numbers that float32 holds: its first observation and params, given as presets, begin it again to the bit.

    Args:
        params, env_spec: See `Env`. A family of worlds declares `horizon`, `done_on_success`, `use_dense_reward` and `render`.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.name = type(self).__name__
        self.rng = np.random.Generator(np.random.PCG64())
        #: What the episode began with, by name, without batch dimension.
        self.start: dict[str, np.ndarray] = {}
        options = default_env_params(type(self), self.params)
        self._start_names = self.get_start_names(options)
        self._fixed_names = [leaf[0] for leaf in self.get_task_leaves(options)[0]]
        self._scene: SceneT | None = None
        self._actions: list[Any] = []
        self._is_running = False
        self._where = f"{self.name}.step"
        # The names of many worlds have no slash; theirs is the shorter way.
        self._to_tree = nest if any("/" in name for name in env_spec.names) else node_of
        self._window = Window(f"Muse: {self.name}")

    # What a world says.

    @classmethod
    @abstractmethod
    def get_task_leaves(cls, params: Mapping[str, Any]) -> tuple[list[tuple], list[tuple]]:
        """Returns the leaves of the task that stay the same for an episode: observations (its goal), and params.

        Args:
            params: Options, defaults filled in.
        """

    @abstractmethod
    def draw_start(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns a value for every start name: the given one, else one drawn from `self.rng`.

        Raises:
            EnvError: When there is no room.
        """

    @abstractmethod
    def is_solved(self, state: StateT) -> bool:
        """Whether the task is solved in a state."""

    @abstractmethod
    def distance_left(self, state: StateT) -> float:
        """Returns the way that is left in a state, in the unit of the world."""

    def get_reward(self, state: StateT, is_solved: bool) -> float:
        """Returns the reward of a step that led to a state."""
        return -self.distance_left(state) if self.use_dense_reward else float(is_solved)

    # What a family of worlds says.

    @classmethod
    @abstractmethod
    def get_start_names(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the names of the spec that say how an episode begins.

        Args:
            params: Options, defaults filled in.
        """

    @abstractmethod
    def place(self, given: Mapping[str, np.ndarray]) -> None:
        """Begins a scene from what is drawn and given, with `self.start_from`.

        Raises:
            EnvError: When there is no room.
        """

    @abstractmethod
    def make_scene(self, values: Mapping[str, np.ndarray]) -> SceneT:
        """Returns a scene at its start.

        Args:
            values: `self.start` in float64.
        """

    @abstractmethod
    def read_move(self, action: np.ndarray) -> Any:
        """Returns what a scene makes of an action, noise and all: the same moves lead to the same state."""

    @abstractmethod
    def move(self, scene: SceneT, move: Any) -> None:
        """Goes on by a step."""

    @abstractmethod
    def read_state(self, scene: SceneT) -> StateT:
        """Returns what is seen of a scene."""

    @abstractmethod
    def observe(self, state: StateT) -> dict[str, np.ndarray]:
        """Returns the observations by name, `(1, *shape)`; `self._fixed` are those that stay the same."""

    @classmethod
    def get_extra_presets(cls) -> Sequence[str]:
        """Returns names that a reset may be given besides those of the start."""
        return ()

    # The contract.

    @classmethod
    def get_cosmetic_params(cls, params: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the cosmetic options, with the size of pictures that are not observed."""
        seen = params.get("imgs") or params.get("ego_imgs")
        return tuple(cls.cosmetic_params) if seen else (*cls.cosmetic_params, "img_width", "img_height")

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns where everything was: with the same actions, the same episode to the bit, where actions have no noise."""
        names = cls.get_start_names(params)
        return {name: first[name] for name in names} if all(name in first for name in names) else None

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Starts an episode; see `Env.reset`.

        Raises:
            EnvError: For an unknown preset, one of the wrong shape, outside the world or inside something else, or without room.
        """
        names = [*self._start_names, *self.get_extra_presets()]
        given = read_start(presets, names, self.env_spec, f"{self.name}.reset")
        if seed is not None:
            self.rng = make_generator(seed, "env")
        self.place(given)
        return self._begin()

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Goes on by a step; see `Env.step`."""
        check_running(self._is_running, self._where)
        move = self.read_move(read_action(self.env_spec, action, self._where)["action"])
        self._actions.append(move)
        scene = self._running_scene()
        self.move(scene, move)
        state = self._state = self.read_state(scene)
        solved = self.is_solved(state)
        ended = solved and self.done_on_success
        truncated = len(self._actions) >= self.horizon and not ended
        self._is_running = not (ended or truncated)
        observation = self.observe(state)
        observation["reward"] = np.array([[self.get_reward(state, solved)]], np.float32)
        observation["truncated"] = np.array([[truncated]])
        if self.render_window:
            self._show()
        return self._to_tree(observation), node_of({}), np.array([not self._is_running])

    def is_success(self) -> bool:
        """Whether the task is solved in the present state."""
        return self._scene is not None and self.is_solved(self._state)

    def get_state(self) -> dict[str, Any]:
        """Returns all that the rest of the episode depends on, to come back to it with `set_state`, here or in another env.

        Engines do not give away all that they know of contacts; so this is how the episode began and what was done since.
        """
        return {
            "start": {name: value.copy() for name, value in self.start.items()},
            "actions": list(self._actions),
            "is_running": self._is_running,
            "rng": self.rng.bit_generator.state,
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[AttrDict, AttrDict]:
        """Goes to a state that `get_state` returned, by doing again what led there; returns observation and goal, as `reset` does."""
        self.start_from(state["start"])
        for move in state["actions"]:
            self.move(self._running_scene(), move)
        self._actions = list(state["actions"])
        self.rng = np.random.Generator(np.random.PCG64())
        self.rng.bit_generator.state = state["rng"]
        observation, goal = self._begin()
        self._is_running = state["is_running"]
        return observation, goal

    def close(self) -> None:
        """Closes the window, where there is one."""
        self._is_running = False
        self._window.close()

    # For subclasses.

    def start_from(self, values: Mapping[str, Any]) -> None:
        """Builds the scene that begins with `values`, by the start names."""
        self.start = {name: np.array(values[name], self.env_spec.leaf(name).dtype) for name in self._start_names}
        #: Observations that stay the same for the episode.
        self._fixed = {name: self.start[name][None] for name in self._fixed_names}
        self._scene, self._actions = None, []
        self._scene = self.make_scene({name: value.astype(np.float64) for name, value in self.start.items()})

    def _running_scene(self) -> SceneT:
        assert self._scene is not None, "an episode has begun"
        return self._scene

    def _begin(self) -> tuple[AttrDict, AttrDict]:
        self._state = self.read_state(self._running_scene())
        self._is_running = True
        observation = self.observe(self._state)
        for name in self.env_spec.param_names:
            observation[name] = self.start[name][None].copy()
        if self.render_window:
            self._show()
        return self._to_tree(observation), AttrDict()

    def _show(self) -> None:
        if (picture := self.render()) is not None:
            self._window.show(picture)
