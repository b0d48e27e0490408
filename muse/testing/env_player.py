"""Plays an environment the way `check_env` needs it: guarded, copied, compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import Env, EnvError
from muse.utils.attrdicts import flatten, nest

#: A step's flat observation, flat goal and done.
Row = tuple[dict[str, Any], dict[str, Any], Any]


class Stop(Exception):
    """Nothing more can be checked."""


class EnvPlayer:
    """Builds and plays envs, and collects sentences about what they do wrong.

    Args:
        build: Makes an env.
        steps: Longest episode played.
        seed: Of resets.
    """

    def __init__(self, build: Callable[[], Env], steps: int, seed: int) -> None:
        self.problems: list[str] = []
        self.envs: list[Env] = []
        self.actions: list[dict[str, np.ndarray]] = []
        self.build, self.steps, self.seed = build, steps, seed

    def new(self) -> Env:
        """Builds another env, which `close` will close."""
        env = self.guarded("building the env", self.build)
        self.envs.append(env)
        return env

    def close(self) -> None:
        """Closes every env that was built."""
        for env in self.envs:
            try:
                env.close()
            except Exception as error:
                self.tell(f"close() raised {describe(error)}; it must be possible to close at any time.")

    def tell(self, problem: str) -> None:
        """Notes a problem, once."""
        if problem not in self.problems:
            self.problems.append(problem)

    def guarded(self, what: str, call: Callable[[], Any]) -> Any:
        """Returns `call()`; an error there ends the checks."""
        try:
            return call()
        except Exception as error:
            self.tell(f"{what} raised {describe(error)}.")
            raise Stop from error

    def action(self, i: int) -> AttrDict:
        """Returns a copy of action `i`."""
        return nest({name: value.copy() for name, value in self.actions[i].items()})

    def reset(self, env: Env, seed: int | None, presets: Mapping[str, Any] | None = None) -> Row:
        """Resets `env`; an answer that is no observation and goal ends the checks."""
        answer = self.guarded("reset", lambda: env.reset(presets, seed=seed))
        if not (isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, Mapping) for part in answer)):
            self.tell(f"reset returned {kind(answer)}; it must return (observation, goal), two AttrDicts.")
            raise Stop
        return flatten(answer[0]), flatten(answer[1]), np.array([False])

    def step(self, env: Env, action: AttrDict) -> Row:
        """Steps `env`; an answer that is no observation, goal and done ends the checks."""
        answer = self.guarded("step", lambda: env.step(action))
        if not (isinstance(answer, tuple) and len(answer) == 3 and all(isinstance(part, Mapping) for part in answer[:2])):
            self.tell(f"step returned {kind(answer)}; it must return (observation, goal, done), two AttrDicts and an array.")
            raise Stop
        obs, goal, done = answer
        if not isinstance(done, np.ndarray) or done.shape != (1,) or done.dtype != bool:
            self.tell(f"step returned done as {kind(done)}; it must be a bool array of shape (1,).")
            raise Stop
        return flatten(obs), flatten(goal), done

    def play(self, env: Env, between: Callable[[Row, AttrDict | None], None] | None = None, presets: Any = None) -> list[Row]:
        """Plays the actions until the episode ends; returns copies of every row. `between` is called after each call."""
        row = self.reset(env, self.seed, presets)
        rows = [copied(row)]
        if between:
            between(row, None)
        for i in range(self.steps):
            action = self.action(i)
            row = self.step(env, action)
            rows.append(copied(row))
            if between:
                between(row, action)
            if row[2].all():
                break
        return rows

    def refused(self, what: str, call: Callable[[], Any]) -> None:
        """Notes it when `call()` does not raise `EnvError`."""
        try:
            call()
        except EnvError:
            return
        except Exception as error:
            self.tell(f"{what[0].upper()}{what[1:]} raised {describe(error)}; it must raise EnvError.")
        else:
            self.tell(f"{what[0].upper()}{what[1:]} passed; it must raise EnvError.")

    def compare(self, rows: list[Row], others: list[Row], sentence: str) -> None:
        """Notes `sentence`, with the place, when two episodes differ in any bit."""
        for t, (row, other) in enumerate(zip(rows, others, strict=False)):
            for part, (values, other_values) in enumerate(zip(row[:2], other[:2], strict=True)):
                for name in values:
                    if not same(values[name], other_values.get(name)):
                        at = "at reset" if t == 0 else f"at step {t}"
                        self.tell(f"{sentence}, in {'the goal ' if part else ''}'{name}' {at}.")
                        return
        if len(rows) != len(others):
            self.tell(f"{sentence}, of {len(others) - 1} steps instead of {len(rows) - 1}.")


def copied(row: Row) -> Row:
    """Returns a copy of a row and its arrays."""
    obs, goal = (
        {name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in part.items()} for part in row[:2]
    )
    return obs, goal, row[2].copy()


def same(value: Any, other: Any) -> bool:
    """Returns whether two arrays are equal to the bit."""
    if not isinstance(value, np.ndarray) or not isinstance(other, np.ndarray):
        return value is other
    return value.shape == other.shape and value.tobytes() == other.tobytes()


def kind(value: Any) -> str:
    """Returns a phrase for what a value is."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} of {value.dtype}"
    return f"a tuple of {len(value)}" if isinstance(value, tuple) else f"{type(value).__name__}"


def describe(error: Exception) -> str:
    """Returns an error's type and message."""
    return f"{type(error).__name__}: {error}"
