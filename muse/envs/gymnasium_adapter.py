"""A Muse env for those who expect a `gymnasium.Env`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from muse.envs.env import Env, EnvError
from muse.envs.spaces import leaf_to_space
from muse.utils.attrdicts import Batch, has, nest


class GymnasiumAdapter(gymnasium.Env):
    """Shows a Muse env through Gymnasium's interface.

    The observation is a `Dict` of the env's observations and goals under their names (slashes and all); with one name alone
    it is that leaf. The action likewise. Outputs other than reward and truncated, params and `is_success` are in `info`.
    Presets are given as `reset(options={"presets": ...})`.

    Args:
        env: The env; closing the adapter closes it.

    Raises:
        EnvError: For a spec that Gymnasium cannot express: strings, no observation, no action, or no reward.
    """

    def __init__(self, env: Env) -> None:
        spec = env.env_spec
        self.env = env
        self._observation_names = [*spec.observation_names, *spec.goal_names]
        self._action_names = list(spec.action_names)
        for what, names in (("observations", self._observation_names), ("actions", self._action_names)):
            if not names:
                raise EnvError("to_gymnasium", f"a spec without {what}", "one at least")
        if "reward" not in spec:
            raise EnvError("to_gymnasium", "a spec without 'reward'", "an output observation 'reward' of shape (1,)")
        self._info_names = [*spec.output_observation_names, *spec.final_names]
        self.observation_space = self._space(self._observation_names)
        self.action_space = self._space(self._action_names)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
        self.render_mode = "rgb_array"

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        obs, goal = self.env.reset((options or {}).get("presets"), seed=seed)
        return self._observation(obs, goal), {
            **_unbatched(obs, self.env.env_spec.param_names),
            "is_success": self.env.is_success(),
        }

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps the env."""
        parts = action if isinstance(self.action_space, gymnasium.spaces.Dict) else {self._action_names[0]: action}
        spec = self.env.env_spec
        batch = {name: np.asarray(parts[name]).reshape(1, *spec.leaf(name).shape) for name in self._action_names}
        obs, goal, done = self.env.step(nest(batch))
        truncated = "truncated" in spec and bool(obs["truncated"].any())
        info = _unbatched(obs, [name for name in self._info_names if name not in ("reward", "truncated") and has(obs, name)])
        info["is_success"] = self.env.is_success()
        return self._observation(obs, goal), float(obs["reward"][0, 0]), bool(done[0]) and not truncated, truncated, info

    def render(self) -> np.ndarray | None:
        """Returns the env's picture."""
        return self.env.render()

    def close(self) -> None:
        """Closes the env."""
        self.env.close()

    def _space(self, names: list[str]) -> gymnasium.Space:
        leaves = {name: leaf_to_space(self.env.env_spec.leaf(name)) for name in names}
        return leaves[names[0]] if len(names) == 1 else gymnasium.spaces.Dict(leaves)

    def _observation(self, obs: Batch, goal: Batch) -> Any:
        spec = self.env.env_spec
        values = {**_unbatched(obs, spec.observation_names), **_unbatched(goal, spec.goal_names)}
        for name, value in values.items():
            space = (
                self.observation_space[name]
                if isinstance(self.observation_space, gymnasium.spaces.Dict)
                else self.observation_space
            )
            if isinstance(space, gymnasium.spaces.Discrete):
                values[name] = np.int64(value[0])
        return values if isinstance(self.observation_space, gymnasium.spaces.Dict) else values[self._observation_names[0]]


def to_gymnasium(env: Env) -> gymnasium.Env:
    """Returns `env` as a `gymnasium.Env`; see `GymnasiumAdapter`."""
    return GymnasiumAdapter(env)


def _unbatched(batch: Batch, names: Any) -> dict[str, Any]:
    return {name: batch[name][0] for name in names}
