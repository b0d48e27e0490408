"""Several environments stepped together. The loop that calls it (`muse.rollouts`):

obs, goal = env.reset(seeds=seeds)                  # leaves (B, *shape)
while True:
    action = policy.get_action(model, obs, goal)    # leaves (B, *shape)
    obs, goal, done = env.step(action, rows=running)
    obs, goal = env.reset(seeds=more, rows=done)    # where episodes are left to run
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.env import Env, EnvError, default_env_params, find_env_class
from muse.envs.failure import EnvFailure, name_row
from muse.envs.vector_processes import ProcessRows
from muse.envs.vector_row import DONE, Errors, Source, SyncRows, action_dtype
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, BaseClass, add_note, own_options
from muse.utils.attrdicts import Batch, flatten, has, nest
from muse.utils.errors import nearest

__all__ = ["EnvFailure", "VectorEnv"]


class VectorEnv(BaseClass):
    """`B` environments of one class.

    Rows are independent: what happens in one depends on its seed, presets and actions alone. Params that an env tells at reset
    are repeated in every later observation of its episode, so that policies find them there. Every array returned is the
    caller's to keep.

    With `mode="process"` each env has a process of its own, started by forkserver (spawn where there is none) and given the
    class and its params, never a live object. The main module of the program is imported there: guard its code with
    `if __name__ == "__main__":`.

    A mistake, which is any `MuseError` (a leaf that does not fit the spec, an action that is not finite), is raised here as the
    env raised it, with the worker's traceback as a note. Anything else that an env raises is a *failure* of the simulator, and
    so are a process that dies and one that does not answer in time. It costs its row the episode and leaves the others alone: the
    row has no episode running until it is reset, which first builds its env anew, in a new process where it has one. A failure is
    raised as an `EnvFailure`, unless the caller tolerates it:

        with env.tolerating():
            obs, goal, done = env.step(action)
            env.failures                        # {2: EnvFailure("env 2 of a VectorEnv: its process was killed by SIGSEGV")}

    Args:
        params: The options.
        env_params: The env's group: its class, or dotted name, under `cls`, and its options.
        env_spec: The spec of one env.

    Attributes:
        presets: The starts that an evaluation goes through (`Env.get_presets`), None for random ones.
        failures: Why each row that failed did so, by row, until the row is reset. Such a row reads as zeros, and as done.

    Raises:
        EnvError: When there is no env to build, or less than one. What the env's constructor raises.
    """

    predefined_arguments = [
        Argument("num_envs", type=int, default=1, help="environments stepped together"),
        Argument(
            "mode",
            type=str,
            default="sync",
            choices=("sync", "process"),
            help="in this process (light envs), or one process for each",
        ),
        Argument(
            "step_timeout",
            type=float,
            default=60.0,
            help="an env in a process that takes longer to answer a step is replaced; 0: never",
            unit="s",
        ),
        Argument(
            "reset_timeout", type=float, default=300.0, help="the same for building an env and for a reset; 0: never", unit="s"
        ),
    ]

    def __init__(self, params: Mapping[str, Any], env_params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        if self.num_envs < 1:
            raise EnvError("VectorEnv: num_envs", str(self.num_envs), "at least 1")
        for name in ("step_timeout", "reset_timeout"):
            if not getattr(self, name) >= 0:
                raise EnvError(f"VectorEnv: {name}", str(getattr(self, name)), "seconds, or 0 for no limit")
        if not env_params.get("cls"):
            raise EnvError("VectorEnv: env_params", "no 'cls'", "the env's group, with its class")
        env_cls, options = find_env_class(env_params["cls"]), own_options(env_params)
        self.presets = env_cls.get_presets(default_env_params(env_cls, options))
        self._open(env_spec, (env_params["cls"], options))

    @classmethod
    def of(cls, env: Env) -> VectorEnv:
        """Wraps one existing env as `B = 1`. Closing it closes the env. When it fails it is reset, for there is no other.

        Raises:
            EnvError: For anything else than an `Env`.
        """
        if not isinstance(env, Env):
            raise EnvError("VectorEnv.of", type(env).__name__, "an Env")
        self = cls.__new__(cls)
        self.read_predefined_params({})
        self.presets = env.get_presets(default_env_params(type(env), env.params))
        self._open(env.env_spec, env)
        return self

    def _open(self, env_spec: EnvSpec, source: Source) -> None:
        self.env_spec = env_spec
        self.failures: dict[int, EnvFailure] = {}
        self._is_tolerant = False
        self._began = np.zeros(self.num_envs, bool)
        self._done = np.ones(self.num_envs, bool)
        self._envs: SyncRows | ProcessRows | None = (
            SyncRows(source, self.num_envs, env_spec)
            if self.mode == "sync"
            else ProcessRows(source, self.num_envs, env_spec, self.step_timeout, self.reset_timeout)
        )
        self._records, self._action_dtype = self._envs.records, action_dtype(env_spec)
        by_role = {
            role: [n for n in self._records.dtype.names[:-1] if env_spec.leaf(n).role == role]
            for role in ("observation", "output_observation", "param", "final", "goal")
        }
        self._at_reset = by_role["observation"] + by_role["param"]
        self._at_step = self._at_reset + by_role["output_observation"] + by_role["final"]
        self._goals = by_role["goal"]
        try:
            self._settle(self._envs.build())
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def tolerating(self) -> Iterator[None]:
        """Inside the `with` block envs that fail are told in `failures`, and nothing is raised for them."""
        before, self._is_tolerant = self._is_tolerant, True
        try:
            yield
        finally:
            self._is_tolerant = before

    def reset(
        self,
        presets: Sequence[Mapping[str, Any] | None] | None = None,
        seeds: Sequence[int | None] | None = None,
        rows: np.ndarray | None = None,
    ) -> tuple[AttrDict, AttrDict]:
        """Starts episodes.

        Args:
            presets: One (or None) for each true row, in order.
            seeds: One (or None) for each true row, in order.
            rows: `(B,)` bool, the rows that begin; all when None. The others keep their last values.

        Returns:
            Observation (params included) and goal, leaves `(B, *shape)`.

        Raises:
            EnvError: For rows, seeds or presets of another number, and what the env raises.
        """
        chosen = self._read_rows(rows, "VectorEnv.reset")
        count = int(chosen.sum())
        for name, values in (("presets", presets), ("seeds", seeds)):
            if values is not None and len(values) != count:
                raise EnvError(f"VectorEnv.reset: {name}", f"{len(values)} values", f"{count}, one for each row that begins")
        if count:
            indices = np.flatnonzero(chosen).tolist()
            row_seeds = [None if seed is None else int(seed) for seed in seeds] if seeds is not None else [None] * count
            row_presets = [flatten(preset) if preset else None for preset in presets] if presets is not None else [None] * count
            errors = self._opened().reset(dict(zip(indices, zip(row_seeds, row_presets, strict=True), strict=True)))
            for i in indices:
                self._began[i], self._done[i] = i not in errors, i in errors
                self.failures.pop(i, None)
            self._settle(errors)
        return self._read(self._at_reset), self._read(self._goals)

    def step(self, action: Batch, rows: np.ndarray | None = None) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Steps the envs.

        Args:
            action: Leaves `(B, *shape)`.
            rows: `(B,)` bool, the rows to step; all when None. The others repeat their last values, with done true.

        Returns:
            Observation (outputs, params and, where an episode ended, finals included), goal and done `(B,)` bool.

        Raises:
            EnvError: For an action that does not fit, a row that has no episode running, and what the env raises.
        """
        envs, chosen = self._opened(), self._read_rows(rows, "VectorEnv.step")
        idle = chosen & self._done
        if idle.any():
            which = ", ".join(map(str, np.flatnonzero(idle).tolist()))
            raise EnvError("VectorEnv.step", f"no episode is running in env {which}", "a reset of these rows, or rows=~done")
        # A new array every time: an env may keep what it was given.
        packed = np.zeros(self.num_envs, self._action_dtype)
        for name in self.env_spec.action_names:
            leaf, value = self.env_spec.leaf(name), np.asarray(action[name]) if has(action, name) else None
            if value is None or value.shape != (self.num_envs, *leaf.shape):
                got = "missing" if value is None else f"shape {value.shape}"
                raise EnvError(f"VectorEnv.step: '{name}'", got, f"shape {(self.num_envs, *leaf.shape)}")
            if value.dtype.kind == "f" and leaf.dtype.kind in "iub":
                if not np.isfinite(value[chosen]).all():
                    raise EnvError(f"VectorEnv.step: '{name}'", "not finite", "finite numbers")
                value = np.rint(np.nan_to_num(value))
            packed[name] = value
        errors = envs.step(packed, np.flatnonzero(chosen).tolist())
        self._done[chosen] = self._records[DONE][chosen]
        self._settle(errors)
        return self._read(self._at_step), self._read(self._goals), self._done | ~chosen

    def is_success(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Returns `(B,)` bool: rows whose task is solved; false where `rows` leaves one out or no episode has begun."""
        solved = np.zeros(self.num_envs, bool)
        for i, value in self._call("is_success", rows).items():
            solved[i] = value
        return solved

    def render(self, rows: np.ndarray | None = None) -> list[np.ndarray | None]:
        """Returns a picture `(Y, X, 3)` uint8 for each row, None for those that `rows` leaves out or that have none."""
        pictures = self._call("render", rows)
        return [pictures.get(i) for i in range(self.num_envs)]

    def rest(self, rows: np.ndarray | None = None) -> None:
        """Tells the envs of `rows` that no step comes for a while; see `Env.rest`."""
        self._call("rest", rows)

    def observe(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Returns the last observation of each env by name, leaves `(B, *shape)`, with zeros for rows that failed.

        Raises:
            EnvError: For a name that is no observation.
        """
        names, there = tuple(names), self.env_spec.observation_names
        for name in names:
            if name not in there:
                raise EnvError(
                    f"VectorEnv.observe: '{name}'", f"no observation{nearest(name, there)}", "one of " + ", ".join(there)
                )
        return {name: self._records[name].copy() for name in names}

    def close(self) -> None:
        """Closes the envs and ends their processes. May be called twice."""
        envs, self._envs = self._envs, None
        if envs is not None:
            envs.close()

    def _read_rows(self, rows: np.ndarray | None, where: str) -> np.ndarray:
        if rows is None:
            return np.ones(self.num_envs, bool)
        rows = np.asarray(rows)
        if rows.shape != (self.num_envs,) or rows.dtype != bool:
            raise EnvError(f"{where}: rows", f"shape {rows.shape} {rows.dtype}", f"a bool array ({self.num_envs},)")
        return rows

    def _read(self, names: Sequence[str]) -> AttrDict:
        return nest({name: self._records[name].copy() for name in names})

    def _call(self, name: str, rows: np.ndarray | None) -> dict[int, Any]:
        chosen = self._read_rows(rows, f"VectorEnv.{name}") & self._began
        values, errors = self._opened().call(name, np.flatnonzero(chosen).tolist())
        self._settle(errors)
        return values

    def _opened(self) -> SyncRows | ProcessRows:
        if self._envs is None:
            raise EnvError("VectorEnv", "closed", "an open one")
        return self._envs

    def _settle(self, errors: Errors) -> None:
        """Notes which rows failed, and raises the first error that is not to be tolerated."""
        for i, error in errors.items():
            if isinstance(error, EnvFailure):
                self.failures[i] = error
                self._began[i], self._done[i] = False, True
                self._records[i] = np.zeros((), self._records.dtype)  # The row may have been half written.
        for i, error in errors.items():
            if self._is_tolerant and isinstance(error, EnvFailure):
                continue
            trace = getattr(error, "trace", "")
            add_note(error, f"in {name_row(i)}" + (f"; there:\n{trace}" if trace else ""))
            raise error
