"""Where the tip of an arm is for the angles of its joints, and the angles for where it is to be."""

from __future__ import annotations

import math

import numpy as np

from muse.utils.rotations import turn_between

#: What keeps steps small where the arm is stretched out.
_DAMPED = 1e-5 * np.eye(6)
#: Part of the way to the posture that a step of the solver goes, as far as that leaves the tip where it is.
_POSTURE_GAIN = 0.1
#: A step of the solver does not reach farther: [m] and [rad].
_REACH = 0.3


class Chain:
    """Joints that turn, one after another.

    Args:
        frames: Of each joint at angle 0 in the one before it, `(J, 4, 4)`; each turns about its own z.
        tip: Frame of the tip in the last joint's `(4, 4)`.
        low, high: Limits of the joints `(J,)` [rad].
    """

    def __init__(self, frames: np.ndarray, tip: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        self.low, self.high = low, high
        self._tip = tip
        self._x, self._y, self._rest = frames[:, :, 0], frames[:, :, 1], frames[:, :, 2:]

    def pose(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns position `(3,)` [m] and rotation `(3, 3)` of the tip for joint positions `(J,)` [rad]."""
        tip = self._frames(joints)[1]
        return tip[:3, 3], tip[:3, :3]

    def places(self, joints: np.ndarray) -> np.ndarray:
        """Returns where the joints themselves are `(J, 3)` [m]."""
        return self._frames(joints)[0][:, :3, 3]

    def jacobian(self, joints: np.ndarray) -> np.ndarray:
        """Returns how the tip moves, then turns, with each joint, `(6, J)`."""
        frames, tip = self._frames(joints)
        return _jacobian(frames, tip[:3, 3])

    def solve(
        self,
        joints: np.ndarray,
        position: np.ndarray,
        rotation: np.ndarray,
        posture: np.ndarray,
        iterations: int,
        close_enough: float = 1e-6,
    ) -> np.ndarray:
        """Returns joint positions `(J,)` within their limits that bring the tip to a pose, or near to one that is out of reach.

        Args:
            joints: Where to start from `(J,)` [rad].
            position, rotation: Of the tip, `(3,)` [m] and `(3, 3)`.
            posture: Joint positions to stay close to as far as the pose leaves a choice `(J,)` [rad].
            iterations: Steps at most.
            close_enough: Error of place [m] and turn [rad] together at which it stops.
        """
        for _ in range(iterations):
            frames, tip = self._frames(joints)
            error = np.concatenate([position - tip[:3, 3], turn_between(tip[:3, :3], rotation)])
            size = math.sqrt(error @ error)
            if size > _REACH:
                error *= _REACH / size
            jacobian = _jacobian(frames, tip[:3, 3])
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + _DAMPED)
            free = _POSTURE_GAIN * (posture - joints)
            joints = joints + inverse @ (error - jacobian @ free) + free
            joints = np.minimum(np.maximum(joints, self.low), self.high)
            # The next error would be about as large as this one's square.
            if size * size < close_enough:
                break
        return joints

    def _frames(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the frames of joints `(J, 4, 4)` and tip `(4, 4)`."""
        cos, sin = np.cos(joints)[:, None], np.sin(joints)[:, None]
        local = np.concatenate(
            [(self._x * cos + self._y * sin)[..., None], (self._y * cos - self._x * sin)[..., None], self._rest], -1
        )
        frames = [local[0]]
        for frame in local[1:]:
            frames.append(frames[-1] @ frame)
        return np.array(frames), frames[-1] @ self._tip


def _jacobian(frames: np.ndarray, tip: np.ndarray) -> np.ndarray:
    """Returns how the tip moves and turns with each joint, `(6, J)`."""
    (x, y, z), (a, b, c) = frames[:, :3, 2].T, (tip - frames[:, :3, 3]).T
    return np.array([y * c - z * b, z * a - x * c, x * b - y * a, x, y, z])
