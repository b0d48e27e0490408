"""The Panda of `PolymetisPandaEnv`, simulated: everything but the wire."""

from __future__ import annotations

import numpy as np
from attrdict import AttrDict

from muse.envs.polymetis.interface import GripperInterface, RobotInterface
from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv
from muse.envs.polymetis.simulated_robot import SimulatedRobot
from muse.utils.abstract import Argument, resolve_arguments
from muse.utils.clock import Clock, SimulatedClock, WallClock

_RENDER_SIZE = 256


class SimulatedPandaEnv(PolymetisPandaEnv):
    """A `PolymetisPandaEnv` whose arm and gripper are simulated by pybullet, above an empty table whose top is at 0.

    Its time is simulated, too, and goes by as fast as it can be computed; with `real_time` it is that of the wall. It is armed from
    the beginning. An episode begins with the world made anew, the arm at rest where it begins: the same actions lead to the same
    episode to the bit; without `teleport` the arm moves there, as a real one does.
    """

    predefined_arguments = resolve_arguments(
        PolymetisPandaEnv.predefined_arguments,
        [
            Argument("real_time", type=bool, default=False, help="run by the clock of the wall"),
            Argument(
                "teleport", type=bool, default=True, help="begin each episode in a world made anew, instead of moving there"
            ),
        ],
    )
    default_params = AttrDict(armed=True)
    fingerprint_packages = ("pybullet",)
    is_physical = False

    robot: SimulatedRobot

    def make_clock(self) -> Clock:
        """See `PolymetisPandaEnv.make_clock`."""
        return WallClock() if self.real_time else SimulatedClock()

    def connect(self, clock: Clock) -> tuple[RobotInterface, GripperInterface | None]:
        """See `PolymetisPandaEnv.connect`."""
        self.robot = SimulatedRobot(clock, self.name)
        return self.robot, self.robot.gripper if self.use_gripper else None

    def come_to(self, joints: np.ndarray, width: float) -> None:
        """See `PolymetisPandaEnv.come_to`."""
        if not self.teleport:
            super().come_to(joints, width)
            return
        self._servo.pause()
        self.robot.begin(joints, width)
        self._hand.forget()

    def render(self) -> np.ndarray | None:
        """Returns the picture `(256, 256, 3)` uint8 from beside the table, or None before the first reset."""
        return None if self._clock is None else self.robot.draw(_RENDER_SIZE, _RENDER_SIZE)

    def close(self) -> None:
        """Ends the physics, too."""
        was_open = self._clock is not None
        super().close()
        if was_open:
            self.robot.close()
