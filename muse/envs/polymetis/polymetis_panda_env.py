"""A real Franka Panda, by way of polymetis."""

from __future__ import annotations

import atexit
import contextlib
import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.checks import check_running, read_action, read_teleop
from muse.envs.env import Env, EnvError
from muse.envs.polymetis.arm import HOMES, make_chain, pose_of, rotation_of
from muse.envs.polymetis.hand import CLOSED, Hand
from muse.envs.polymetis.interface import ActionRefused, GripperInterface, RobotError, RobotInterface, RobotStopped, connect
from muse.envs.polymetis.observing import Told, observe_arm
from muse.envs.polymetis.panda_spec import ARGUMENTS, PIVOTS, SENSORS, check_times, make_group, read_limits
from muse.envs.polymetis.reading import Reading, check_flange
from muse.envs.polymetis.sensors import Sensor
from muse.envs.polymetis.servo import Servo
from muse.envs.polymetis.targets import Targets, check_start, read_start
from muse.envs.polymetis.wire import Patience
from muse.envs.teleop import TELEOP_INPUTS, TeleopInput
from muse.specs import EnvSpec
from muse.utils.abstract import build
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.clock import Clock, WallClock
from muse.utils.errors import brief
from muse.utils.rate import Rate

_log = logging.getLogger(__name__)

#: Joint positions count as reached when they are as close [rad], and the joints as slow [rad/s].
_CLOSE, _SLOW = 0.05, 0.02


class PolymetisPandaEnv(Env):
    """A Franka Panda that is led by its tip or by its joints, and a gripper.

    It does not move until a person has armed it: `env.arm()`, or the option `armed`. `action`, `hz` times a second, is by
    `action_space` a pose of the tip (`ee-euler`), a change of that pose (`ee-euler-delta`), positions of the joints (`joint`) or
    changes of them (`joint-delta`), and then the gripper from 0, open, to 255, closed: the `pose`, `delta_pose` and `joint` of the
    worlds of bullet, with the same frames and angles, so that a policy moves between them. Everything is in the frame of the
    arm's base, x ahead, y to the left, z up.

    An action outside the limits is clipped, which the output `clipped` and `counts` tell, or refused with `ActionRefused`
    (`on_violation`). One that is not finite is always refused; the arm goes on to what it was told before. What the arm is told
    moves to an action's target within all limits, many times in a step. What stops the arm, smoothly, and until a person has looked:
    a limit passed by the arm itself (box of the tip, speeds, force), no action in time, a state that does not change, a call that
    fails or takes too long, an error of the robot, Ctrl-C, `close`. A stopped robot raises `RobotStopped`, no rollout begins again
    on it by itself, and it takes `env.recover()` and `env.arm()` to go on.

    The reward is 0 and nothing ends an episode but its length: success is what a person says. Steps end on a grid of `1 / hz`; one
    that is asked for too late tells how late in `late`, and `summary` tells of all of them.

    Presets: `joint_positions`, the nine to begin from.
    """

    predefined_arguments = ARGUMENTS
    fingerprint_packages = ("polymetis",)
    cosmetic_params = (
        *Env.cosmetic_params, "horizon", "armed", "home", "home_joints", "home_timeout", "command_timeout", "state_timeout",
        "call_timeout", "franka_ip", "connect_timeout",
    )  # fmt: skip
    is_physical = True
    teleop_inputs = tuple(name for name in TELEOP_INPUTS if name != "pointer")

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.name = type(self).__name__
        #: Violations of actions by kind, and refused actions, since it was made.
        self.counts: Counter[str] = Counter()
        self._limits = read_limits(vars(self), self.name)
        check_times(vars(self), self.name)
        self._chain = make_chain(self.tool_length)
        home = HOMES[self.home] if self.home_joints is None else self.home_joints
        self._home = check_start(np.array(home, np.float64), self._limits, self._chain, f"{self.name}: home_joints")
        pivot = PIVOTS[self.delta_pivot]
        self._targets = Targets(self._chain, self._limits, self.action_space, pivot, 1.0 / self.hz, self._home)
        self._is_pose = self._targets.is_pose
        self.is_armed, self._is_running, self._steps = bool(self.armed), False, 0
        #: Whether nobody acts for a while, so that the next step begins a grid of deadlines.
        self._is_resting = False
        #: What the last action meant, within limits: a pose `(6,)` or joint positions `(7,)`.
        self._told: np.ndarray | None = None
        #: What the gripper was last told, from 0, open, to 255, closed.
        self._grip = 0.0
        self._clock: Clock | None = None
        self._sensors: list[Sensor] = []

    # What a robot is.

    def make_clock(self) -> Clock:
        """Returns the clock that the robot runs by."""
        return WallClock()

    def connect(self, clock: Clock) -> tuple[RobotInterface, GripperInterface | None]:
        """Returns arm and gripper; called once.

        Raises:
            RobotError: Where nobody answers.
            MissingExtraError: Where polymetis is not installed.
        """
        # A worker that dies is begun anew by itself: a real arm must not be.
        if multiprocessing.parent_process() is not None:
            raise RobotError(
                self.name, "a worker process", "a real robot driven by the main process", "one env, and no processes"
            )
        return connect(self.franka_ip, self.connect_timeout, self.name, self.use_gripper)

    def come_to(self, joints: np.ndarray, width: float) -> None:
        """Brings the arm to joint positions `(7,)` [rad], and fingers to a width [m], within all limits.

        Raises:
            RobotStopped: Where it does not get there in time, and for whatever else stops it.
        """
        servo, clock = self._servo, self._running_clock()
        self._hand.go_to(width)
        servo.start("joints")
        servo.aim_at_joints(joints, lasting=True)
        end = clock.now() + self.home_timeout
        while True:
            clock.sleep_until(clock.now() + servo.period)
            servo.check()
            reading = self._reading()
            way = np.abs(reading.joints - joints).max()
            if way < _CLOSE and np.abs(reading.joint_velocities).max() < _SLOW:
                return
            if clock.now() > end:
                servo.stop("home", f"it is {way:.2f} rad from where the episode begins after {self.home_timeout:g} s")

    # The contract.

    @classmethod
    def get_default_env_spec_params(cls, params: Mapping[str, Any]) -> AttrDict:
        """Returns the spec's group."""
        return make_group(params, cls.__name__)

    @classmethod
    def get_start(cls, params: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns where joints and fingers were; things on a real table are for a person to put back."""
        return {"joint_positions": first["joint_positions"]} if "joint_positions" in first else None

    def reset(self, presets: Mapping[str, Any] | None = None, seed: int | None = None) -> tuple[AttrDict, AttrDict]:
        """Brings the arm home, or to `joint_positions`, and starts an episode; see `Env.reset`. Nothing is random.

        Raises:
            EnvError: For an unknown preset, or one outside the limits.
            RobotError: Where the arm is not armed, or cannot be reached.
            RobotStopped: Where it was stopped, or is now.
        """
        start = read_start(presets, self._limits, self._chain, f"{self.name}.reset: presets")
        joints, width = (self._home, None) if start is None else start
        self._is_running = False
        self._prepare()
        with self._stopping():
            self.come_to(joints, self._hand.max_width if width is None else width)
            self._servo.start("pose" if self._is_pose else "joints")
            self._told, self._grip = self._present(), 0.0 if width is None else self._hand.closing(width)
            self._rate.start()
            self._steps, self._is_resting = 0, False
            observation = self._observe()
        self._is_running = True
        return nest(observation), AttrDict()

    def step(self, action: Mapping[str, Any]) -> tuple[AttrDict, AttrDict, np.ndarray]:
        """Leads the arm until the step's period ends; see `Env.step`.

        Raises:
            EnvError: For an action that is not one; the arm goes on to what it was told before.
            ActionRefused: The same for one outside the limits, where these refuse.
            RobotStopped: Where it was stopped, or is now.
        """
        if self._clock is not None:
            self._servo.check()
        check_running(self._is_running, f"{self.name}.step")
        value = self._read_action(action)
        with self._stopping():
            self._servo.check()
        target, kinds = self._targets.admit(value[:-1], self._present(), self._told)
        grip = min(max(float(value[-1]), 0.0), CLOSED)
        kinds += ["gripper"] if grip != value[-1] else []
        self.counts.update(kinds)
        if kinds and self.on_violation == "refuse":
            self.counts["refused"] += 1
            expected = "one within the limits (docs/real-robot.md), or on_violation='clip'"
            raise ActionRefused(f"{self.name}.step", f"an action outside the limits: {', '.join(kinds)}", expected)
        if self._is_resting:
            self._rate.start()
            self._is_resting = False
        with self._stopping():
            self._aim(target)
            self._close_hand(grip)
            late = self._rate.wait()
            self._servo.check()
            observation = self._observe()
        self._steps += 1
        is_over = self._steps >= self.horizon
        if is_over:
            self._is_running = False
            self._servo.rest()
        outputs = {"reward": np.zeros(1, np.float32), "truncated": is_over, "clipped": bool(kinds), "late": np.float32(late)}
        observation.update({name: np.array(value).reshape(1, 1) for name, value in outputs.items()})
        return nest(observation), AttrDict(), np.array([is_over])

    def get_teleop_action(self, given: TeleopInput) -> AttrDict:
        """Returns the action that moves the tip at its told speeds along and about x, y and z of the base."""
        check_running(self._told is not None, f"{self.name}.get_teleop_action")
        given = read_teleop(given, f"{self.name}.get_teleop_action")
        value = self._targets.drive(np.array(given.twist), self._told)
        leaf = self.env_spec.leaf("action")
        action = np.clip([*value, CLOSED * given.grip], leaf.low, leaf.high)
        return nest({"action": action[None].astype(leaf.dtype)})

    def render(self) -> np.ndarray | None:
        """Returns what `camera` sees, where there is one."""
        return next((sensor.read()["image"] for sensor in self._sensors if sensor.name == "image"), None)

    def rest(self) -> None:
        """Slows down and holds the arm, whose watchdog does not wait for actions until the next step; see `Env.rest`.

        The next step goes on from where it came to rest. A stop meanwhile is raised there.
        """
        if self._clock is None or self._told is None or self._servo.is_stopped or self._servo.is_guided:
            return
        with contextlib.suppress(RobotStopped), self._stopping():
            self._servo.settle()
            self._told, self._is_resting = self._present(), True

    def close(self) -> None:
        """Stops the arm where it moves, and closes the sensors. The end of the program does, too."""
        atexit.unregister(self.close)
        self._is_running = False
        if self._clock is not None:
            # What a person has not looked at does not go on in a connection made anew.
            self.is_armed = self.is_armed and not self._servo.is_stopped
            self._servo.close()
            for sensor in self._sensors:
                sensor.close()
            _log.info("%s: %s", self.name, self.summary)
            self._clock, self._sensors = None, []

    # Besides the contract: what a person does.

    def arm(self) -> None:
        """Lets it move from now on.

        Raises:
            RobotStopped: Where it was stopped and has not recovered.
            RobotError: Where it cannot be reached.
        """
        self._open()
        self._servo.check()
        self._servo.read()
        self.is_armed = True

    def disarm(self) -> None:
        """Ends an episode, slows down and holds the arm, a soft one too; it does not move again until it is armed."""
        self.is_armed, self._is_running = False, False
        if self._clock is not None:
            self._servo.rest()
            if self._servo.is_guided:
                self.end_guiding()

    def stop(self, why: str = "somebody called stop()") -> None:
        """Stops the arm smoothly; see `recover`."""
        self._is_running = False
        if self._clock is not None:
            self._servo.stop("stop", why)

    def recover(self) -> None:
        """Forgets why it was stopped: for a person who has looked. It has to be armed again.

        Raises:
            RobotStopped: Where the robot still does not answer, or reports an error.
        """
        self.is_armed, self._is_running = False, False
        if self._clock is not None:
            self._servo.recover()

    def begin_guiding(self) -> AttrDict:
        """Makes the arm soft, for a person to lead it by hand, from where it is; returns the first observation.

        Raises:
            RobotError: As `reset`.
        """
        self._is_running = False
        self._prepare()
        with self._stopping():
            self._servo.guide()
            self._told = None
            self._rate.start()
            return nest(self._observe())

    def guide(self, grip: float) -> AttrDict:
        """Waits until a period ends while a person leads the arm, and returns what is observed then.

        Args:
            grip: What the gripper is to do, from 0, open, to 255, closed.

        Raises:
            RobotError: Where it is not guided.
            RobotStopped: Where it was stopped, or is now.
        """
        self._check_guided("guide")
        with self._stopping():
            self._close_hand(min(max(grip, 0.0), CLOSED))
            self._rate.wait()
            self._servo.check()
            return nest(self._observe())

    def end_guiding(self) -> None:
        """Holds the arm where the person left it.

        Raises:
            RobotError, RobotStopped: As `guide`.
        """
        self._check_guided("end_guiding")
        with self._stopping():
            self._servo.start("joints")

    @property
    def summary(self) -> str:
        """How the rate was kept, and what was clipped or gave way, in words."""
        if self._clock is None:
            return "not connected"
        counts = +(self.counts + self._servo.counts)
        found = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())) or "none"
        return f"{self._rate.summary}; violations and stops: {found}"

    # Inside.

    def _open(self) -> None:
        """Connects, once.

        Raises:
            RobotError: Where the robot cannot be reached, or is no Panda.
        """
        if self._clock is not None:
            return
        clock = self.make_clock()
        robot, gripper = self.connect(clock)
        check_flange(robot, self.name)
        self._hand = Hand(gripper, self.gripper_mode, self.gripper_speed, self.gripper_force)
        patience = Patience(self.command_timeout, self.state_timeout, self.call_timeout)
        period = 1.0 / (self.hz * max(1, round(self.command_hz / self.hz)))
        self._servo = Servo(robot, clock, self._chain, self._limits, patience, period, self._home, self.name)
        self._rate = Rate(clock, self.hz)
        self._clock = clock
        # The servo's thread ends with the program, wherever the arm is then on its way.
        atexit.register(self.close)
        try:
            for option, name in SENSORS.items():
                if (group := getattr(self, option)) is not None:
                    sensor: Sensor = build(group, name, where=option)
                    sensor.open(robot)
                    self._sensors.append(sensor)
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        """Connects, and sees that it may move."""
        if self._clock is not None:
            self._servo.check()
        if not self.is_armed:
            raise RobotError(
                f"{self.name}: not armed", "asked to move", "a person who lets it", "env.arm(), or the option armed=True"
            )
        self._open()
        self._servo.check()

    def _check_guided(self, method: str) -> None:
        if self._clock is not None:
            self._servo.check()
        if self._clock is None or not self._servo.is_guided:
            raise RobotError(f"{self.name}.{method}", "nobody guides it", "begin_guiding() before")

    @contextlib.contextmanager
    def _stopping(self) -> Iterator[None]:
        """Whatever goes wrong inside stops the arm, and is raised as `RobotStopped`."""
        try:
            yield
        except RobotStopped:
            self._is_running = False
            raise
        except EnvError as error:
            self._is_running = False
            self._servo.stop("env", error.got)
            self._servo.check()
            raise
        except Exception as error:
            self._is_running = False
            self._servo.stop("connection", brief(error, with_kind=True))
            self._servo.check()
            raise
        except BaseException as error:
            self._is_running = False
            self._servo.stop("interrupt", type(error).__name__)
            raise

    def _read_action(self, action: Mapping[str, Any]) -> np.ndarray:
        if has(action, "action"):
            value = np.asarray(action["action"])
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                self.counts["not_finite"] += 1
        return read_action(self.env_spec, action, f"{self.name}.step")["action"].astype(np.float64)

    def _aim(self, target: np.ndarray) -> None:
        self._told = target
        if self._is_pose:
            self._servo.aim_at_pose(target[:3], rotation_of(target))
        else:
            self._servo.aim_at_joints(target)

    def _close_hand(self, grip: float) -> None:
        self._grip = grip
        self._hand.tell(grip)

    def _present(self) -> np.ndarray:
        """Returns where the arm is, as a target would say it."""
        reading = self._reading()
        return pose_of(reading.position, reading.rotation) if self._is_pose else reading.joints

    def _reading(self) -> Reading:
        assert self._servo.reading is not None, "the servo has been started"
        return self._servo.reading

    def _observe(self) -> dict[str, np.ndarray]:
        reading, width = self._reading(), self._hand.read()
        if self._told is None:
            pose, joints = pose_of(reading.position, reading.rotation), reading.joints
        elif self._is_pose:
            pose, joints = self._told, self._servo.told
        else:
            pose, joints = pose_of(*self._chain.pose(self._told)), self._told
        observation = observe_arm(reading, width, self._hand.closing(width), Told(pose, joints, self._grip))
        for sensor in self._sensors:
            observation.update({name: value[None] for name, value in flatten(sensor.read()).items()})
        return observation

    def _running_clock(self) -> Clock:
        assert self._clock is not None, "connected"
        return self._clock
