"""The one place that talks to the arm: some forty times a second it reads its state, checks it, and tells it where to be next.

servo = Servo(robot, clock, limits, ...)
servo.start("pose")                         # the arm is held where it is
while True:
    servo.aim_at_pose(position, rotation)   # returns at once; ticks move the arm there
    clock.sleep_until(...)
    servo.check()                           # raises what stopped it
    servo.reading
servo.stop("done")

Its ticks go on whatever becomes of who aims: this is the watchdog. When nobody has aimed for too long, when the state that the robot
tells does not change, when a call takes too long or fails, when a limit is passed, it stops the arm: it slows down what the arm is
told as fast as accelerations allow, then ends the controller, upon which the robot's own server holds the arm where it is.
"""

from __future__ import annotations

import enum
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from muse.envs.bullet_envs.kinematics import Chain
from muse.envs.polymetis.arm import JOINTS
from muse.envs.polymetis.interface import RobotError, RobotInterface, RobotStopped
from muse.envs.polymetis.motion import Motion
from muse.envs.polymetis.reading import Reading, check_error, check_finite, read_state
from muse.envs.polymetis.safety import SHARE, Limits, exceeded
from muse.envs.polymetis.wire import Fault, Patience, Wire, describe
from muse.utils.clock import Clock

_log = logging.getLogger(__name__)

#: Gains of joints while a person guides the arm: no stiffness, and just enough damping to feel calm [N m s/rad].
GUIDED_KQ, GUIDED_KQD = (0.0,) * JOINTS, (0.5, 0.5, 0.5, 0.5, 0.2, 0.2, 0.2)
#: How long slowing down may take before the controller is ended anyhow [s].
_LONGEST_BRAKE = 1.5
#: Joints that are as slow [rad/s] rest.
_RESTING = 0.05
#: How far what is told may be ahead of the tip [m]; the stiffness of the controller makes a force of it.
_LONGEST_LEAD = 0.1
_UNITS = {"workspace": "m outside its box", "speed": "m/s", "turn_speed": "rad/s", "joint_speed": "rad/s", "force": "N"}
_LOOK = "look what happened, then env.recover() and env.arm()"


class Mode(enum.Enum):
    """What the servo is at."""

    OFF = "off"
    POSE = "pose"
    JOINTS = "joints"
    GUIDED = "guided"
    BRAKING = "braking"
    STOPPED = "stopped"


class Servo:
    """See the module's docstring.

    Args:
        robot: The arm.
        clock: Whose time.
        chain: Of its joints, to the tip.
        limits: What it is held to.
        patience: How long things may take.
        period: Between ticks [s].
        posture: Joint positions `(7,)` to stay close to [rad].
        name: What messages call it.

    Attributes:
        reading: The latest; None before the first.
        mode: What it is at.
        counts: Ticks in which the arm gave way to a force (`force`) waited for what was in its way (`lead`), or was not told to move, for
            every way led outside (`held`); stops, by kind.
    """

    def __init__(
        self,
        robot: RobotInterface,
        clock: Clock,
        chain: Chain,
        limits: Limits,
        patience: Patience,
        period: float,
        posture: np.ndarray,
        name: str,
    ) -> None:
        self.clock, self.limits = clock, limits
        self._wire = Wire(robot, clock, patience.call)
        self.mode, self.counts = Mode.OFF, Counter[str]()
        self.reading: Reading | None = None
        self._chain, self._patience, self.period, self._name = chain, patience, period, name
        self._motion = Motion(chain, limits, posture, period)
        # Held for moments only, by whoever aims and by a tick; never during a call to the robot.
        self._lock = threading.RLock()
        self._target: Callable[[], None] | None = None
        self._aimed: float | None = None
        self._advanced = self._beat = clock.now()
        self._brake_end = 0.0
        self._was_inside = False
        self._reason: tuple[str, str] | None = None
        self._end_ticks: Callable[[], None] | None = None

    # What others call.

    def start(self, space: str) -> None:
        """Starts an impedance controller that holds the arm where it is, and the ticks.

        Args:
            space: `pose`, stiff in the directions of the hand, or `joints`.

        Raises:
            RobotStopped: Where the robot was stopped, or does not answer as it should.
        """
        method = {"pose": "start_cartesian_impedance", "joints": "start_joint_impedance"}[space]
        self._begin(Mode(space), lambda: self._wire.call(method))

    def guide(self) -> None:
        """Lets a person move the arm by hand: a controller without stiffness. Limits are those of the person.

        Raises:
            RobotStopped: As `start`.
        """
        stiffness, damping = torch.tensor(GUIDED_KQ), torch.tensor(GUIDED_KQD)
        gains = {"Kq": stiffness, "Kqd": damping, "adaptive": False}
        self._begin(Mode.GUIDED, lambda: self._wire.call("start_joint_impedance", **gains))

    def aim_at_pose(self, position: np.ndarray, rotation: np.ndarray, lasting: bool = False) -> None:
        """Says where the tip is to go, `(3,)` [m] and `(3, 3)`; with `lasting`, nothing need be said after.

        Raises:
            RobotStopped: Where the robot was stopped.
        """
        self._aim(Mode.POSE, lambda: self._motion.toward_pose(position, rotation), lasting)

    def aim_at_joints(self, joints: np.ndarray, lasting: bool = False) -> None:
        """Says where joints are to go `(7,)` [rad]; see `aim_at_pose`."""
        self._aim(Mode.JOINTS, lambda: self._motion.toward_joints(joints), lasting)

    def rest(self) -> None:
        """Slows down and holds the arm; nothing need be said after."""
        with self._lock:
            if self.mode in (Mode.POSE, Mode.JOINTS):
                self._target, self._aimed = None, None

    def settle(self) -> None:
        """Does `rest`, and returns when the arm rests, or was given the time to.

        Raises:
            RobotStopped: Where it was stopped.
        """
        self.rest()
        end = self.clock.now() + _LONGEST_BRAKE
        while self.mode in (Mode.POSE, Mode.JOINTS) and not self._rests() and self.clock.now() < end:
            self.clock.sleep_until(self.clock.now() + self.period)
        self.check()

    def stop(self, kind: str, why: str) -> None:
        """Slows down, ends the controller, and returns when that is done. Where it is stopped already the first reason stays."""
        self._stop(kind, why)
        self._await_stop()

    def check(self) -> None:
        """Raises `RobotStopped` where the arm was stopped, after it has come to rest, or where the servo itself hangs in a call."""
        silent = self.clock.now() - self._beat
        is_running = self.mode not in (Mode.OFF, Mode.STOPPED)
        if is_running and silent > self._patience.call + 2 * self.period:
            self._stop("call", f"the robot has not answered for {silent:.1f} s")
        self._await_stop()
        if self._reason is not None:
            kind, why = self._reason
            raise RobotStopped(f"{self._name}: stopped ({kind})", why, "", _LOOK)

    def pause(self) -> None:
        """Ends the ticks, for a simulated arm that is put somewhere; `start` or `guide` begin them anew.

        Raises:
            RobotStopped: Where the robot was stopped.
        """
        self.check()
        self._end()
        self.mode, self.reading = Mode.OFF, None

    def recover(self) -> None:
        """Forgets why it was stopped, where the robot answers and tells no error. Where it was not stopped it slows down and holds.

        Raises:
            RobotStopped: Where it does not.
        """
        self._await_stop()
        if self._reason is None:
            self.rest()
            return
        self._end()
        try:
            check_error(self._wire.call("get_robot_state"))
        except Exception as error:
            raise RobotStopped(
                f"{self._name}.recover", describe(error), "a robot that answers", "see docs/real-robot.md"
            ) from error
        self._reason, self.mode, self.reading = None, Mode.OFF, None

    def read(self) -> Reading:
        """Asks the robot for its state, for who needs one without ticks.

        Raises:
            RobotStopped: Where it does not answer.
        """
        try:
            state = self._wire.call("get_robot_state")
            check_error(state)
            self.reading = read_state(state, self._chain)
            check_finite(self.reading)
        except Exception as error:
            self._stop(error.kind if isinstance(error, Fault) else "connection", describe(error))
            self.check()
            raise
        return self.reading

    def close(self) -> None:
        """Stops the arm where it moves, and ends the ticks. May be called twice."""
        if self.mode not in (Mode.OFF, Mode.STOPPED):
            self._stop("closed", "the env was closed")
            self._await_stop()
        self._end()

    @property
    def is_guided(self) -> bool:
        """Whether a person may move the arm by hand."""
        return self.mode is Mode.GUIDED

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped, or is about to be, and has not recovered."""
        return self._reason is not None

    @property
    def told(self) -> np.ndarray:
        """Joint positions that the arm is told at present `(7,)` [rad]."""
        with self._lock:
            return self._motion.joints.copy()

    # Inside.

    def _begin(self, mode: Mode, start: Callable[[], Any]) -> None:
        # A controller begins at rest: one that was begun in a motion would end it at once.
        self.settle()
        self._end()
        try:
            reading = self.read()
            start()
        except RobotStopped:
            raise
        except Exception as error:
            self._stop("connection", describe(error))
            self.check()
        with self._lock:
            self._motion.begin(reading.joints)
            self._target = self._aimed = None
            self._was_inside = False
            self._beat = self._advanced = self.clock.now()
            self.mode = mode
        self._end_ticks = self.clock.every(self.period, self._tick)

    def _aim(self, mode: Mode, target: Callable[[], None], lasting: bool) -> None:
        self.check()
        with self._lock:
            if self.mode is not mode:
                raise RobotError(f"{self._name}: aim", f"the servo is {self.mode.value}", f"start('{mode.value}') before")
            self._target, self._aimed = target, None if lasting else self.clock.now()

    def _tick(self) -> None:
        """Reads, checks, moves on by one period."""
        if self.mode in (Mode.OFF, Mode.STOPPED):
            return
        try:
            state = self._wire.call("get_robot_state")
            reading = read_state(state, self._chain)
            self._beat = self.clock.now()
            if self.mode is Mode.BRAKING:
                self.reading = reading
                self._brake(reading)
                return
            check_error(state)
            self._check_fresh(reading)
            check_finite(reading)
            self.reading = reading
            if self.mode is Mode.GUIDED:
                return
            if not self._wire.call("is_running_policy"):
                raise Fault("controller", "the robot's side has ended the controller (a reflex, or its own limits)")
            self._check_reading(reading)
            self._check_aimed()
            self._move(reading)
        except Exception as error:
            if self.mode is Mode.BRAKING:
                self._end_controller()
            else:
                self._stop(error.kind if isinstance(error, Fault) else "connection", describe(error))
        finally:
            self._beat = self.clock.now()

    def _move(self, reading: Reading) -> None:
        with self._lock:
            force = float(np.linalg.norm(reading.wrench[:3])) / (SHARE * self.limits.force)
            lead = float(np.linalg.norm(self._motion.position - reading.position)) / _LONGEST_LEAD
            if max(force, lead) > 1:
                self.counts["force" if force > 1 else "lead"] += 1
                self._motion.yield_to(reading.joints, 1 / max(force, lead))
            elif self._target is None:
                self._motion.brake()
            else:
                self._target()
                self.counts["held"] += int(self._motion.is_held)
        self._tell()

    def _rests(self) -> bool:
        reading = self.reading
        return not np.any(self._motion.joint_velocity) and (
            reading is None or bool(np.abs(reading.joint_velocities).max() < _RESTING)
        )

    def _brake(self, reading: Reading) -> None:
        """A tick of stopping."""
        with self._lock:
            rests = self._motion.brake() and np.abs(reading.joint_velocities).max() < _RESTING
        if not rests and self.clock.now() < self._brake_end:
            self._tell()
        else:
            self._end_controller()

    def _tell(self) -> None:
        self._wire.call("update_desired_joint_positions", torch.tensor(self.told, dtype=torch.float32))

    def _check_fresh(self, reading: Reading) -> None:
        now = self.clock.now()
        if self.reading is None or reading.stamp > self.reading.stamp:
            self._advanced = now
        elif now - self._advanced > self._patience.state:
            raise Fault("state", f"the robot has told the same state for {now - self._advanced:.2f} s")

    def _check_reading(self, reading: Reading) -> None:
        limits = self.limits
        over = exceeded(limits, reading.position, reading.twist, reading.joint_velocities, reading.wrench[:3])
        # An arm that begins outside its box may come in.
        if not self._was_inside:
            self._was_inside = bool(over["workspace"] <= 0)
            over.pop("workspace")
        for kind, excess in over.items():
            if excess > 0:
                limit = getattr(limits, kind, 0.0)
                raise Fault(kind, f"{limit + float(excess):.3g} {_UNITS[kind]}{f', limit {limit:g}' if limit else ''}")

    def _check_aimed(self) -> None:
        late = 0.0 if self._aimed is None else self.clock.now() - self._aimed
        if late > self._patience.command:
            raise Fault("command", f"no action for {late:.2f} s; the policy is too slow or has ended")

    def _stop(self, kind: str, why: str) -> None:
        """Begins to stop, once."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = (kind, why)
            self._target = self._aimed = None
            can_brake = self.mode in (Mode.POSE, Mode.JOINTS) and kind not in ("connection", "call", "controller")
            was_running = self.mode is not Mode.OFF
            self.mode = Mode.BRAKING if can_brake else Mode.STOPPED
            self._brake_end = self.clock.now() + _LONGEST_BRAKE
        if kind != "closed":
            self.counts[f"stop: {kind}"] += 1
            _log.error("%s: stopping the arm (%s): %s", self._name, kind, why)
        if was_running and not can_brake:
            self._end_controller()

    def _await_stop(self) -> None:
        """Waits until a stop that has begun is over; one whose calls hang is ended."""
        end = self.clock.now() + _LONGEST_BRAKE + 1.0
        while self.mode is Mode.BRAKING:
            if self.clock.now() > end or self._end_ticks is None:
                self._end_controller()
                return
            self.clock.sleep_until(self.clock.now() + self.period)

    def _end_controller(self) -> None:
        """Tells the robot's server to hold the arm by itself, and waits only so long for it."""
        self.mode = Mode.STOPPED
        failure = self._wire.end()
        if failure and self._reason is not None:
            kind, why = self._reason
            lost = "the stop could not be told to the robot, which holds the last pose that it was told: press its emergency stop"
            self._reason = (kind, f"{why}; {lost} ({failure})")
            _log.error("%s: %s", self._name, lost)

    def _end(self) -> None:
        if self._end_ticks is not None:
            self._end_ticks()
            self._end_ticks = None
