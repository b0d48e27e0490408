"""Several environments stepped together. The loop that calls it (`muse.rollouts`):

obs, goal = env.reset(seeds=seeds)                  # leaves (B, *shape)
while True:
    action = policy.get_action(model, obs, goal)    # leaves (B, *shape)
    obs, goal, done = env.step(action, rows=running)
    obs, goal = env.reset(seeds=more, rows=done)    # where episodes are left to run
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict
from gymnasium.vector import AsyncVectorEnv, AutoresetMode

from muse.envs.env import Env, EnvError
from muse.envs.vector_row import ACTIVE, DONE, SyncRows, VectorRow, action_dtype, observation_dtype
from muse.specs import EnvSpec
from muse.utils.abstract import Argument, BaseClass, add_note, own_options
from muse.utils.attrdicts import Batch, flatten, has, nest


class VectorEnv(BaseClass):
    """`B` environments of one class, over `gymnasium.vector`.

    Rows are independent: what happens in one depends on its seed, presets and actions alone. Params that an env tells at reset
    are repeated in every later observation of its episode, so that policies find them there. Every array returned is the
    caller's to keep.

    With `mode="process"` each env has a process of its own, started by forkserver (spawn where there is none) and given the
    class and its params, never a live object. The main module of the program is imported there: guard its code with
    `if __name__ == "__main__":`. An error of an env is raised here as it was there, with the worker's traceback as a note.

    Args:
        params: The options.
        env_params: The env's group: its class, or dotted name, under `cls`, and its options.
        env_spec: The spec of one env.

    Raises:
        EnvError: When there is no env to build, or less than one.
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
    ]

    def __init__(self, params: Mapping[str, Any], env_params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        if self.num_envs < 1:
            raise EnvError("VectorEnv: num_envs", str(self.num_envs), "at least 1")
        if not env_params.get("cls"):
            raise EnvError("VectorEnv: env_params", "no 'cls'", "the env's group, with its class")
        self._open(env_spec, [(env_params["cls"], own_options(env_params))] * self.num_envs)

    @classmethod
    def of(cls, env: Env) -> VectorEnv:
        """Wraps one existing env as `B = 1`. Closing it closes the env.

        Raises:
            EnvError: For anything else than an `Env`.
        """
        if not isinstance(env, Env):
            raise EnvError("VectorEnv.of", type(env).__name__, "an Env")
        self = cls.__new__(cls)
        self.read_predefined_params({})
        self._open(env.env_spec, [env])
        return self

    def _open(self, env_spec: EnvSpec, sources: Sequence[Env | tuple[Any, Mapping[str, Any]]]) -> None:
        self.env_spec = env_spec
        self.num_envs: int = len(sources)
        in_process = self.mode == "process"
        if in_process:
            sources = [_source_for_process(source) for source in sources]
        rows = [functools.partial(VectorRow, i, source, env_spec, in_process) for i, source in enumerate(sources)]
        self._vector: Any = None
        self._vector = _start_processes(rows, sources[0][0]) if in_process else SyncRows(rows, env_spec)
        observation, action = observation_dtype(env_spec), action_dtype(env_spec)
        self._record_dtype, self._action_dtype = observation, action
        by_role = {
            role: [n for n in observation.names[:-1] if env_spec.leaf(n).role == role]
            for role in ("observation", "output_observation", "param", "final", "goal")
        }
        self._at_reset = by_role["observation"] + by_role["param"]
        self._at_step = self._at_reset + by_role["output_observation"] + by_role["final"]
        self._goals = by_role["goal"]
        self._began = np.zeros(self.num_envs, bool)
        self._done = np.ones(self.num_envs, bool)
        try:
            with self._vector_errors() as vector:
                self._raise_first(vector.call("build"))
                # gymnasium has no observation of a row that has not begun; a step in which no row acts gives it one.
                self._buffer = vector.step(self._bytes_of(np.zeros(self.num_envs, action)))[0]
        except BaseException:
            self.close()
            raise

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
            row_seeds: list[int | None] = [None] * self.num_envs
            for i, seed in zip(indices, seeds or (), strict=bool(seeds)):
                row_seeds[i] = None if seed is None else int(seed)
            by_row = {i: flatten(preset) for i, preset in zip(indices, presets or (), strict=bool(presets)) if preset}
            with self._vector_errors() as vector:
                self._buffer, infos = vector.reset(seed=row_seeds, options={"reset_mask": chosen.copy(), "presets": by_row})
            self._raise_first(infos.get("error", ()))
            self._began |= chosen
            self._done &= ~chosen
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
        chosen = self._read_rows(rows, "VectorEnv.step")
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
        packed[ACTIVE] = chosen
        with self._vector_errors() as vector:
            self._buffer, *_, infos = vector.step(self._bytes_of(packed))
        self._raise_first(infos.get("error", ()))
        self._done[chosen] = self._records()[DONE][chosen]
        return self._read(self._at_step), self._read(self._goals), self._done | ~chosen

    def is_success(self) -> np.ndarray:
        """Returns `(B,)` bool: rows whose task is solved; false where no episode has begun."""
        with self._vector_errors() as vector:
            return np.asarray(vector.call("succeeded"), bool) & self._began

    def render(self, rows: np.ndarray | None = None) -> list[np.ndarray | None]:
        """Returns a picture `(Y, X, 3)` uint8 for each row, None for those that `rows` leaves out or that have none."""
        chosen = self._read_rows(rows, "VectorEnv.render") & self._began
        with self._vector_errors() as vector:
            return list(vector.call("picture", chosen))

    def close(self) -> None:
        """Closes the envs and ends their processes. May be called twice."""
        vector, self._vector = self._vector, None
        if vector is None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # gymnasium's, about a step that was interrupted
                vector.close()
        except Exception:
            if self.mode == "sync":
                raise
            _kill(vector)

    def _read_rows(self, rows: np.ndarray | None, where: str) -> np.ndarray:
        if rows is None:
            return np.ones(self.num_envs, bool)
        rows = np.asarray(rows)
        if rows.shape != (self.num_envs,) or rows.dtype != bool:
            raise EnvError(f"{where}: rows", f"shape {rows.shape} {rows.dtype}", f"a bool array ({self.num_envs},)")
        return rows

    def _bytes_of(self, records: np.ndarray) -> np.ndarray:
        return records.view(np.uint8).reshape(self.num_envs, -1)

    def _records(self) -> np.ndarray:
        return self._buffer.view(self._record_dtype)[:, 0]

    def _read(self, names: Sequence[str]) -> AttrDict:
        records = self._records()
        return nest({name: records[name].copy() for name in names})

    @contextlib.contextmanager
    def _vector_errors(self) -> Iterator[Any]:
        """Gives gymnasium's vector env; a worker that died becomes an `EnvError`, and the others are ended."""
        vector = self._vector
        if vector is None:
            raise EnvError("VectorEnv", "closed", "an open one")
        try:
            yield vector
        except (EOFError, ConnectionError) as error:
            if self.mode == "sync":
                raise
            self._vector = None
            codes = _kill(vector)
            dead = [f"env {i} (exit status {code})" for i, code in enumerate(codes) if code is not None]
            raise EnvError(
                "VectorEnv", f"the process of {', '.join(dead) or 'an env'} died", "", "mode='sync', to see why"
            ) from error

    def _raise_first(self, errors: Iterable[Any]) -> None:
        for i, error in enumerate(errors):
            if error is not None:
                add_note(error, f"in env {i} of a VectorEnv; in its process:\n{error.trace}")
                raise error


def _source_for_process(source: tuple[Any, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Returns an env's class as a dotted name, and its options as plain values."""
    env_cls, params = source
    if isinstance(env_cls, type):
        if "." in env_cls.__qualname__:
            raise EnvError(
                "VectorEnv: mode='process'", f"class {env_cls.__qualname__}", "a class at the top of its module", "mode='sync'"
            )
        env_cls = f"{env_cls.__module__}.{env_cls.__qualname__}"
    return env_cls, {key: value.toDict() if isinstance(value, AttrDict) else value for key, value in params.items()}


def _start_processes(rows: Sequence[Callable[[], VectorRow]], env_cls: str) -> AsyncVectorEnv:
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    if method == "forkserver":
        # The server imports once what every worker needs (torch takes seconds), as long as it is not running yet.
        multiprocessing.get_context(method).set_forkserver_preload([VectorRow.__module__, env_cls.rpartition(".")[0]])
    return AsyncVectorEnv(rows, context=method, shared_memory=True, copy=False, autoreset_mode=AutoresetMode.DISABLED)


def _kill(vector: AsyncVectorEnv) -> list[int | None]:
    """Ends all workers of a vector that cannot be closed in order; returns the exit status of those that had died before."""
    for process in vector.processes:
        process.join(timeout=0.2)
    codes = [process.exitcode for process in vector.processes]
    for process in vector.processes:
        if process.is_alive():
            process.terminate()
    for pipe, process in zip(vector.parent_pipes, vector.processes, strict=True):
        if pipe is not None:
            pipe.close()
        process.join()
    vector.closed = True
    return codes
