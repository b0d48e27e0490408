"""Executes the present chunk of actions while the next one is computed.

    with PolicyClient("gpu-machine") as client, ChunkExecutor(client) as executor:
        executor.reset(seed=0)
        while running:                                  # at the robot's own rate
            action = executor.get_action(obs)           # leaves (*shape); does not wait while there are actions left
            robot.apply(action["action"])

A chunk asked for at step `s` holds the actions of the steps `s`, `s + 1` ... `s + K - 1`. It comes when some of them have passed: those
are dropped, and the rest replaces what the chunk before it said of the same steps. Needs numpy alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Literal

import numpy as np

from muse.serving.client import Flat, LateAnswerError, PolicyClient
from muse.serving.protocol import ServingError


@dataclass
class ChunkCounts:
    """What happened in an episode.

    Attributes:
        steps: Actions given.
        chunks: Chunks that came.
        waited: Steps that waited for a chunk, the first one not counted.
        held: Steps that repeated the action before them.
        dropped: Actions of chunks that came when their time had passed.
    """

    steps: int = 0
    chunks: int = 0
    waited: int = 0
    held: int = 0
    dropped: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{value} {name}" for name, value in asdict(self).items())


class ChunkExecutor:
    """Gives an action at every step, and asks for the next chunk in the background when few are left.

    A policy that makes one action at a time (`K = 1`: recurrent ones) is asked at every step, in the foreground.

    Args:
        client: Asked for chunks, from a thread of the executor; nobody else uses it meanwhile.
        threshold: The next chunk is asked for once at most this share of the present one is left, 0 to 1. The time that an answer
            takes must fit into what is left: at 20 steps a second and `K = 8`, 0.5 leaves it 0.2 s.
        when_late: What a step does for which no action is there: `wait` for the chunk, or `hold`: repeat the action before it.
            Holding suits actions that are targets; a velocity that is held moves on.
        timeout: Seconds of waiting, or of holding without an action between, that are an error.
        pool: What calls the client, one call at a time; a thread of its own when None.
        clock: Seconds since some time.

    Attributes:
        counts: What happened since `reset`.

    Raises:
        ServingError: For a threshold or a timeout out of range.
    """

    def __init__(
        self,
        client: PolicyClient,
        *,
        threshold: float = 0.5,
        when_late: Literal["wait", "hold"] = "wait",
        timeout: float = 5.0,
        pool: Executor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value, wanted, fits in (
            ("threshold", threshold, "0 to 1", 0 <= threshold <= 1), ("timeout", timeout, "seconds above 0", timeout > 0),
            ("when_late", when_late, "'wait' or 'hold'", when_late in ("wait", "hold")),
        ):  # fmt: skip
            if not fits:
                raise ServingError(f"ChunkExecutor: {name}", repr(value), wanted)
        self.client, self.threshold, self.when_late, self.timeout = client, threshold, when_late, timeout
        self._pool = ThreadPoolExecutor(1, "muse-chunks") if pool is None else pool
        self._clock = clock
        self._pending: Future[Flat] | None = None
        self._begin()

    def _begin(self) -> None:
        self.counts = ChunkCounts()
        self._step = 0
        #: The chunk that is executed, `(K, *shape)`, the step of its first action, and `K`, 0 before it is known.
        self._chunk: Flat = {}
        self._start, self._length = 0, 0
        #: The step that the pending chunk begins with.
        self._asked_step = 0
        self._last: Flat = {}
        self._held_since: float | None = None

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode, when what is being computed has come; see `PolicyClient.reset`.

        Raises:
            LateAnswerError: When it does not come in time.
            ServingError: See `PolicyClient`.
        """
        if self._pending is not None:
            # What is wrong with an answer to the last episode is no matter of this one; a lost connection shows again at once.
            try:
                self._wait(self._pending)
            except LateAnswerError:
                raise
            except ServingError:
                pass
            self._pending = None
        self.client.reset(seed)
        self._begin()

    def get_action(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None = None) -> Flat:
        """Returns the action of this step, leaves `(*shape)`, and counts the step.

        Args:
            obs, goal: See `PolicyClient.get_action`. Copied where they are sent later, so the caller's arrays are free again.

        Raises:
            LateAnswerError: When no chunk came for `timeout` seconds.
            ServingError: What asking for a chunk raised, at the first step after it.
        """
        if self._pending is not None and self._pending.done():
            self._take(self._wait(self._pending))
        if self._left() == 0:
            self._fill(obs, goal)
        if self._left() > 0:
            action = {name: value[self._step - self._start].copy() for name, value in self._chunk.items()}
            self._held_since = None
        else:
            self.counts.held += 1
            action = {name: value.copy() for name, value in self._last.items()}
        self._step += 1
        self.counts.steps += 1
        self._last = action
        # A chunk of this observation lasts from the next step on where it holds more than one action; the present one may be it.
        is_newer = self._length > 1 and self._start < self._step - 1
        if self._pending is None and is_newer and self._left() <= self.threshold * self._length:
            self._ask(obs, goal, self._step - 1)
        return {name: value.copy() for name, value in action.items()}

    def close(self) -> None:
        """Ends the thread, when what is being computed has come. The client stays open."""
        self._pool.shutdown(wait=True)

    def __enter__(self) -> ChunkExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _left(self) -> int:
        """Returns the number of actions from this step on."""
        return max(0, self._start + self._length - self._step) if self._chunk else 0

    def _fill(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None) -> None:
        """Gets a chunk that has an action for this step, or leaves it to be held."""
        if self.when_late == "hold" and self._last and self._length > 1:
            if self._held_since is None:
                self._held_since = self._clock()
            if self._clock() - self._held_since > self.timeout:
                raise self._late()
            if self._pending is None:
                self._ask(obs, goal, self._step)
            return
        self.counts.waited += self._step > 0 and self._length > 1
        # The one that is on its way may be all too late when it comes; one that is asked for now is not.
        while self._left() == 0:
            if self._pending is None:
                self._ask(obs, goal, self._step)
            assert self._pending is not None
            self._take(self._wait(self._pending))

    def _ask(self, obs: Mapping[str, Any], goal: Mapping[str, Any] | None, step: int) -> None:
        seen, wanted = ({name: np.array(value) for name, value in (part or {}).items()} for part in (obs, goal))
        self._asked_step = step
        self._pending = self._pool.submit(self.client.get_action_chunk, seen, wanted)

    def _wait(self, pending: Future[Flat]) -> Flat:
        try:
            chunk = pending.result(self.timeout)
        except FutureTimeoutError:
            raise self._late() from None
        except BaseException:
            self._pending = None
            raise
        return chunk

    def _take(self, chunk: Flat) -> None:
        self._pending = None
        self._length = len(next(iter(chunk.values())))
        self._chunk, self._start = chunk, self._asked_step
        self.counts.chunks += 1
        self.counts.dropped += min(self._step - self._start, self._length)

    def _late(self) -> LateAnswerError:
        return LateAnswerError(
            f"ChunkExecutor, step {self._step}",
            f"no action for {self.timeout:g} s ({self.counts})",
            "one in time",
            "a higher threshold, a longer chunk, a faster model",
        )
