"""One env of a `VectorEnv` as gymnasium's vector classes see it: an env whose observation and action are packed records.

gymnasium builds and copies a batch leaf by leaf, through Python, and has no types for strings. Here all leaves of an env lie in
one numpy record, seen by gymnasium as a `Box` of bytes: any type passes, a step is one copy, and the batch is read in place.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np

from muse.envs.env import Env, EnvError, make
from muse.specs import EnvSpec
from muse.utils.abstract import add_note
from muse.utils.attrdicts import Batch, has, nest
from muse.utils.errors import MuseError

#: Fields of a record beside the spec's names, which cannot have these: a name is no path that starts with a slash.
DONE, ACTIVE = "/done", "/active"


def observation_dtype(spec: EnvSpec) -> np.dtype:
    """Returns the record of all that an env tells: observations, outputs, goals, params, finals and done."""
    names = [name for name in spec.all_names if spec.leaf(name).role not in ("action", "")]
    return _record(spec, names, DONE)


def action_dtype(spec: EnvSpec) -> np.dtype:
    """Returns the record of all that an env is told: actions, and whether to act at all."""
    return _record(spec, spec.action_names, ACTIVE)


def _record(spec: EnvSpec, names: Iterable[str], flag: str) -> np.dtype:
    return np.dtype([(name, spec.leaf(name).dtype, spec.leaf(name).shape) for name in names] + [(flag, bool)], align=True)


def bytes_space(dtype: np.dtype) -> gymnasium.spaces.Box:
    """Returns the space of a record's bytes."""
    return gymnasium.spaces.Box(0, 255, (dtype.itemsize,), np.uint8)


class VectorRow(gymnasium.Env):
    """Steps one Muse env for gymnasium's vector classes.

    gymnasium never learns that an episode is done, since it would refuse to step the other rows: `done` is a field of the
    record, and a row that is not active repeats its last record. An error of the env is returned in `info["error"]`, so that
    it crosses a process boundary as it is and leaves the worker alive.

    Args:
        index: The row's number.
        env: The env, or `(class, params)` to build one when `build` is called.
        spec: Its spec.
        safe: Return errors in `info` instead of raising them.
    """

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, index: int, env: Env | tuple[Any, Mapping[str, Any]], spec: EnvSpec, safe: bool) -> None:
        self._index, self._source, self._spec, self._safe = index, env, spec, safe
        self._env: Env | None = None
        record = observation_dtype(spec)
        self.observation_space, self.action_space = bytes_space(record), bytes_space(action_dtype(spec))
        self._action_dtype = action_dtype(spec)
        self._bytes = np.zeros(record.itemsize, np.uint8)
        fields = self._bytes.view(record)[0]
        self._fields = {name: fields[name] for name in record.names if name != DONE}
        self._done = self._bytes.view(record)[DONE]
        roles = {name: spec.leaf(name).role for name in self._fields}
        self._at_reset = [name for name, role in roles.items() if role in ("observation", "param")]
        self._at_step = [name for name, role in roles.items() if role in ("observation", "output_observation")]
        self._finals = [name for name, role in roles.items() if role == "final"]
        self._goals = [name for name, role in roles.items() if role == "goal"]

    def build(self) -> MuseError | None:
        """Builds the env; returns the error that it raised, when rows are safe."""
        if self._safe:
            signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # an interrupt is the main process's to handle, which then closes this one
        try:
            if self._env is None:
                self._env = self._source if isinstance(self._source, Env) else make(*self._source, env_spec=self._spec)
        except Exception as error:
            return self._returned(error)
        return None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; `options["presets"]` maps row numbers to presets."""
        presets = (options or {}).get("presets", {}).get(self._index)
        try:
            obs, goal = self._opened().reset(None if presets is None else nest(presets), seed=seed)
            self._write(obs, self._at_reset, "reset")
            self._write(goal, self._goals, "reset")
            self._done[0] = False
        except Exception as error:
            return self._bytes, {"error": self._returned(error)}
        return self._bytes, {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Steps the env, when the action says so. Reward, terminated and truncated are left empty: they are in the record."""
        record = action.view(self._action_dtype)
        if not record[ACTIVE][0]:
            return self._bytes, 0.0, False, False, {}
        try:
            # The leading axis of one record is the env's batch of one.
            obs, goal, done = self._opened().step({name: record[name] for name in self._spec.action_names})
            self._write(obs, self._at_step, "step")
            self._write(goal, self._goals, "step")
            self._done[0] = done[0]
            if self._finals and done[0]:
                self._write(obs, self._finals, "last step")
        except Exception as error:
            return self._bytes, 0.0, False, False, {"error": self._returned(error)}
        return self._bytes, 0.0, False, False, {}

    def succeeded(self) -> bool:
        """Whether the task is solved."""
        return bool(self._opened().is_success())

    def picture(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the env's picture when `rows` `(B,)` has this row, else None."""
        return self._opened().render() if rows[self._index] else None

    def close(self) -> None:
        """Closes the env."""
        if self._env is not None:
            self._env.close()

    def _opened(self) -> Env:
        assert self._env is not None, "VectorEnv builds its rows first"
        return self._env

    def _write(self, values: Batch, names: Iterable[str], call: str) -> None:
        for name in names:
            field = self._fields[name]
            try:
                value = values[name]
                if value.shape[1:] != field.shape or value.shape[0] != 1:
                    raise EnvError(
                        f"{type(self._env).__name__}.{call}: '{name}'", f"shape {value.shape}", f"shape {(1, *field.shape)}"
                    )
                np.copyto(field, value[0], casting="same_kind")
            except (KeyError, AttributeError, TypeError) as error:
                got = (
                    f"{type(values[name]).__name__} of {getattr(values[name], 'dtype', '?')}" if has(values, name) else "missing"
                )
                raise EnvError(
                    f"{type(self._env).__name__}.{call}: '{name}'", got, f"an array {(1, *field.shape)} of {field.dtype}"
                ) from error

    def _returned(self, error: Exception) -> MuseError:
        """Returns an error that survives the way between processes, or raises it when the row is not safe."""
        if not self._safe:
            add_note(error, f"in env {self._index} of a VectorEnv")
            raise error
        trace = "".join(traceback.format_exception(error))
        if not isinstance(error, MuseError):
            error = EnvError(
                f"env {self._index} of a VectorEnv",
                f"{type(error).__name__}: {error}",
                "",
                "mode='sync', to see it where it happens",
            )
        error.trace = trace  # type: ignore[attr-defined]  # notes do not survive pickling, attributes do
        return error
