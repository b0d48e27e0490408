"""The gripper, told only what is new, and never waited for."""

from __future__ import annotations

import numpy as np

from muse.envs.polymetis.interface import GripperInterface

#: Gripper action, and `gripper_pos`, of the closed gripper; 0 is open, as in the worlds of bullet.
CLOSED = 255.0
MODES = ("binary", "continuous")
#: Changes of the width that are not worth a command [m].
_SAME = 1e-3


class Hand:
    """Opens and closes.

    Args:
        gripper: The gripper; None where there is none: width 0, and commands go nowhere.
        mode: `binary` opens below the middle and grasps above it, which holds what is there by force; `continuous` goes to widths.
        speed, force: [m/s], [N].
    """

    def __init__(self, gripper: GripperInterface | None, mode: str, speed: float, force: float) -> None:
        self._gripper, self._mode, self._speed, self._force = gripper, mode, speed, force
        self.max_width = 0.0 if gripper is None else gripper.get_state().max_width
        self._told: float | None = None

    def tell(self, value: float) -> None:
        """Says how far to close, from 0, open, to 255, closed; returns at once."""
        if self._gripper is None:
            return
        share = value / CLOSED if self._mode == "continuous" else float(value > CLOSED / 2)
        width = self.max_width * (1.0 - share)
        if self._told is not None and abs(width - self._told) < _SAME:
            return
        self._told = width
        if self._mode == "binary" and share:
            self._gripper.grasp(speed=self._speed, force=self._force, blocking=False)
        else:
            self._gripper.goto(width=width, speed=self._speed, force=self._force, blocking=False)

    def go_to(self, width: float) -> None:
        """Goes to a width [m], whatever the mode and whatever was told before; returns at once."""
        self._told = None
        if self._gripper is not None:
            self._gripper.goto(width=min(width, self.max_width), speed=self._speed, force=self._force, blocking=False)

    def forget(self) -> None:
        """The next command is told whatever was told before."""
        self._told = None

    def read(self) -> float:
        """Returns the width between the fingers [m]."""
        return 0.0 if self._gripper is None else float(self._gripper.get_state().width)

    def closing(self, width: float) -> float:
        """Returns how far closed a width [m] is, from 0 to 255; 0 without a gripper."""
        return float(np.clip(CLOSED * (1.0 - width / self.max_width), 0.0, CLOSED)) if self.max_width else 0.0
