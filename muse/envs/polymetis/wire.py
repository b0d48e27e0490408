"""Calls to the robot that fail, hang or take too long, told apart from those that do not."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from muse.envs.polymetis.interface import RobotInterface
from muse.utils.clock import Clock
from muse.utils.errors import brief


@dataclass(frozen=True)
class Patience:
    """How long things may take [s].

    Args:
        command: Without anybody aiming.
        state: Without a new state of the robot.
        call: For a call to the robot.
    """

    command: float = 0.5
    state: float = 0.2
    call: float = 0.5


class Fault(Exception):
    """Something that stops the arm: a kind, in a word, and why."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class Wire:
    """The way to the arm, one call at a time.

    Args:
        robot: The arm.
        clock: Whose time.
        patience: How long a call may take [s].
    """

    def __init__(self, robot: RobotInterface, clock: Clock, patience: float) -> None:
        self.robot = robot
        self._clock, self._patience = clock, patience
        self._lock = threading.RLock()

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Returns what the robot's method does.

        Raises:
            Fault: For a call that took too long, or one that waited too long for another to come back.
        """
        began = self._clock.now()
        if not self._lock.acquire(timeout=self._patience):
            raise Fault("call", f"another call to the robot has not come back in {self._patience:g} s")
        try:
            answer = getattr(self.robot, method)(*args, **kwargs)
        finally:
            self._lock.release()
        took = self._clock.now() - began
        if took > self._patience:
            raise Fault("call", f"{method} took {took:.2f} s")
        return answer

    def end(self) -> str:
        """Ends the robot's controller, beside any call that hangs; returns what went wrong, empty where nothing did."""
        done: list[str] = []

        def work() -> None:
            try:
                self.robot.terminate_current_policy(return_log=False)
                done.append("")
            except BaseException as error:
                done.append(describe(error))

        thread = threading.Thread(target=work, name="muse-stop", daemon=True)
        thread.start()
        thread.join(self._patience)
        return done[0] if done else f"no answer in {self._patience:g} s"


def describe(error: BaseException) -> str:
    """Returns what went wrong in one line."""
    return error.why if isinstance(error, Fault) else brief(error, with_kind=True)
