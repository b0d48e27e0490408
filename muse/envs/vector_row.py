"""One env of a `VectorEnv`, whose observation and action are packed records, and all of them in one process.

All leaves of an env lie in one numpy record, the records of all envs in one array: any type passes, a step is one copy, and the
batch is read in place, also where other processes write it (`muse.envs.vector_processes`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from muse.envs.env import Env, EnvError, make
from muse.envs.failure import EnvFailure, as_muse_error
from muse.specs import EnvSpec
from muse.utils.attrdicts import Batch, has, nest
from muse.utils.errors import MuseError

_log = logging.getLogger(__name__)

#: Field of a record beside the spec's names, which cannot be called so: a name is no path that starts with a slash.
DONE = "/done"

#: An env, or its class (or dotted name) and options.
Source = Env | tuple[Any, Mapping[str, Any]]
#: What an env's step returns.
Answer = tuple[Batch, Batch, np.ndarray]
#: What begins an episode: the seed, and the presets by path.
Start = tuple[int | None, Mapping[str, Any] | None]
#: What went wrong, by row.
Errors = dict[int, MuseError]


def observation_dtype(spec: EnvSpec) -> np.dtype:
    """Returns the record of all that an env tells: observations, outputs, goals, params, finals and done."""
    names = [name for name in spec.all_names if spec.leaf(name).role not in ("action", "")]
    return np.dtype([*_fields(spec, names), (DONE, bool)], align=True)


def action_dtype(spec: EnvSpec) -> np.dtype:
    """Returns the record of all that an env is told."""
    return np.dtype(_fields(spec, spec.action_names), align=True)


def _fields(spec: EnvSpec, names: Iterable[str]) -> list[tuple[str, np.dtype, tuple[int, ...]]]:
    return [(name, spec.leaf(name).dtype, spec.leaf(name).shape) for name in names]


class VectorRow:
    """One Muse env that writes what it tells into a record. Errors of the env are raised.

    Args:
        source: The env, or what to build one from.
        spec: Its spec.
        record: The row's record `(1,)`, of `observation_dtype`.
    """

    def __init__(self, source: Source, spec: EnvSpec, record: np.ndarray) -> None:
        self._source, self._spec = source, spec
        self._env: Env | None = None
        self._action = nest({name: np.empty(0) for name in spec.action_names})
        # Views with the env's batch of one in front, so that leaves are compared and copied as they come.
        self._done = record[DONE]
        fields = [(name, record[name], spec.leaf(name).role) for name in record.dtype.names or () if name != DONE]
        self._at_reset = [field[:2] for field in fields if field[2] in ("observation", "param")]
        self._at_step = [field[:2] for field in fields if field[2] in ("observation", "output_observation")]
        self._finals = [field[:2] for field in fields if field[2] == "final"]
        self._goals = [field[:2] for field in fields if field[2] == "goal"]

    def build(self) -> None:
        """Builds the env where there is none."""
        if self._env is None:
            self._env = self._source if isinstance(self._source, Env) else make(*self._source, env_spec=self._spec)

    def discard(self) -> None:
        """Closes an env that failed; the next `reset` builds another. One that was handed in whole stays, there is no other."""
        if isinstance(self._source, Env):
            return
        try:
            self.close()
        except Exception as error:  # It has failed already, and nobody waits for what it says now.
            _log.debug("an env that had failed did not close: %s", error)

    def reset(self, seed: int | None, preset: Mapping[str, Any] | None) -> None:
        """Starts an episode."""
        self.build()
        obs, goal = self._opened().reset(None if preset is None else nest(preset), seed=seed)
        self._write(obs, self._at_reset, "reset")
        self._write(goal, self._goals, "reset")
        self._done[0] = False

    def step(self, action: np.ndarray) -> None:
        """Steps the env by a record of actions `(1,)` and writes what it answers."""
        self.write(self.play(action))

    def play(self, action: np.ndarray) -> Answer:
        """Steps the env by a record of actions `(1,)`, whose leading axis is the env's batch of one.

        One `AttrDict` serves all steps: making one costs as much as a third of a light env's step.
        """
        for name in self._spec.action_names:
            self._action[name] = action[name]
        return self._opened().step(self._action)

    def write(self, answer: Answer) -> None:
        """Writes the answer of a step into the record.

        Raises:
            EnvError: For a leaf that is missing or does not fit, and for an answer that is none.
        """
        where = f"{type(self._env).__name__}.step"
        if not isinstance(answer, tuple) or len(answer) != 3:
            got = f"a tuple of {len(answer)}" if isinstance(answer, tuple) else f"a {type(answer).__name__}"
            raise EnvError(where, f"returned {got}", "obs, goal, done")
        obs, goal, done = answer
        self._write(obs, self._at_step, "step")
        self._write(goal, self._goals, "step")
        if getattr(done, "shape", None) != (1,):
            got = f"shape {done.shape}" if hasattr(done, "shape") else f"a {type(done).__name__}"
            raise EnvError(f"{where}: done", got, "a numpy array of shape (1,) of bool")
        self._done[0] = done[0]
        if self._finals and done[0]:
            self._write(obs, self._finals, "last step")

    def is_success(self) -> bool:
        """Returns whether the task is solved."""
        return bool(self._opened().is_success())

    def rest(self) -> None:
        """Tells the env that no step comes for a while."""
        self._opened().rest()

    def render(self) -> np.ndarray | None:
        """Returns the env's picture."""
        return self._opened().render()

    def close(self) -> None:
        """Closes the env."""
        env, self._env = self._env, None
        if env is not None:
            env.close()

    def _opened(self) -> Env:
        assert self._env is not None, "a row is reset before anything else"
        return self._env

    def _write(self, values: Batch, fields: Iterable[tuple[str, np.ndarray]], call: str) -> None:
        for name, field in fields:
            try:
                value = values[name]
                if value.shape == field.shape and (
                    value.dtype == field.dtype or np.can_cast(value.dtype, field.dtype, "same_kind")
                ):
                    field[...] = value
                    continue
                got = f"shape {value.shape} of {value.dtype}"
            except (KeyError, AttributeError):
                got = f"a {type(values[name]).__name__}" if has(values, name) else "missing"
            where = f"{type(self._env).__name__}.{call}: '{name}'"
            raise EnvError(where, got, f"a numpy array of shape {field.shape} of {field.dtype}")


class SyncRows:
    """Rows stepped one after another in this process. Each call goes on to the last row, and returns what went wrong by row.

    A step of 16 point masses takes 410 us bare and 660 us through this class (most of what is left is building the `AttrDict`s
    that an env is given and the caller gets): it writes each name for all rows at once.

    Args:
        source: The one env, or what to build each from.
        count: Number of rows, `B`.
        spec: The spec of one env.

    Attributes:
        records: What each env told last, `(B,)` of `observation_dtype`; zero before it tells anything.
    """

    def __init__(self, source: Source, count: int, spec: EnvSpec) -> None:
        self.records = np.zeros(count, observation_dtype(spec))
        self._rows = [VectorRow(source, spec, self.records[i : i + 1]) for i in range(count)]
        names = (*spec.observation_names, *spec.output_observation_names)
        self._columns = [(0, name, self.records[name]) for name in names]
        self._columns += [(1, name, self.records[name]) for name in spec.goal_names]
        self._done, self._has_finals = self.records[DONE], bool(spec.final_names)

    def build(self) -> Errors:
        """Builds the envs."""
        return self.call("build", range(len(self._rows)))[1]

    def reset(self, starts: Mapping[int, Start]) -> Errors:
        """Starts an episode in each of the rows given. One whose env has failed gets a new env."""
        return self._call("reset", starts)[1]

    def step(self, actions: np.ndarray, rows: Sequence[int]) -> Errors:
        """Steps some rows.

        Args:
            actions: `(B,)` of `action_dtype`; the envs may keep it.
            rows: The rows to step.
        """
        answers, errors = {}, {}
        for i in rows:
            try:
                answers[i] = self._rows[i].play(actions[i : i + 1])
            except (Exception, SystemExit) as error:
                errors[i] = self._take(i, error)
        if answers and not self._write_together(list(answers), list(answers.values())):
            for i, answer in answers.items():
                try:
                    self._rows[i].write(answer)
                except Exception as error:
                    errors[i] = self._take(i, error)
        return errors

    def _write_together(self, rows: list[int], answers: Sequence[Answer]) -> bool:
        """Writes all answers name by name; returns False where one is odd, for its row to look into."""
        where = slice(None) if len(rows) == len(self._rows) else rows
        try:
            done = np.concatenate([answer[2] for answer in answers])
            if done.shape != (len(answers),) or (self._has_finals and done.any()):
                return False
            for part, name, column in self._columns:
                values = np.concatenate([answer[part][name] for answer in answers])
                if values.shape != (len(answers), *column.shape[1:]) or values.dtype != column.dtype:
                    return False
                column[where] = values
            self._done[where] = done
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            return False
        return True

    def call(self, name: str, rows: Iterable[int]) -> tuple[dict[int, Any], Errors]:
        """Calls a method of some rows, and returns what they answer by row."""
        return self._call(name, dict.fromkeys(rows, ()))

    def _call(self, name: str, arguments: Mapping[int, tuple[Any, ...]]) -> tuple[dict[int, Any], Errors]:
        values, errors = {}, {}
        for i, args in arguments.items():
            try:
                values[i] = getattr(self._rows[i], name)(*args)
            except (Exception, SystemExit) as error:
                errors[i] = self._take(i, error)
        return values, errors

    def _take(self, row: int, error: BaseException) -> MuseError:
        taken = as_muse_error(error, row)
        if isinstance(taken, EnvFailure):
            self._rows[row].discard()
        return taken

    def close(self) -> None:
        """Closes every env."""
        with contextlib.ExitStack() as stack:
            for row in self._rows:
                stack.callback(row.close)
