"""Scripted controllers of Gymnasium's classic control problems, as demonstrators for `GymEnv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy, check_reads
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch


class CartPoleExpert(RowPolicy):
    """Keeps the pole of CartPole-v1 upright: pushes right where a linear feedback of the state is positive, else left.

    Reads `obs` `(4,)`: position [m], velocity [m/s], angle [rad], angular velocity [rad/s]; writes `action` `(1,)` int64.
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument(
            "gains",
            type=list,
            default=[0.1, 0.3, 3.0, 1.0],
            element_type=float,
            help="of position, velocity, angle, its velocity",
        ),
    ]

    gains: list[float]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        _check_leaves("CartPoleExpert", env_spec, (4,), "CartPole-v1", is_integer=True)
        if len(self.gains) != 4:
            raise PolicyError("CartPoleExpert: option 'gains'", f"{len(self.gains)} numbers", "4")

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        state = np.asarray(obs["obs"][:, -1], np.float64)
        self.count_rows(len(state))
        # A sum in a fixed order: a matrix product rounds differently with the number of rows.
        push = np.zeros(len(state))
        for i, gain in enumerate(self.gains):
            push += gain * state[:, i]
        return self.finish({"action": (push > 0).astype(np.int64)[:, None]})


class PendulumExpert(RowPolicy):
    """Swings the pendulum of Pendulum-v1 up by its energy, and holds it upright by a PD controller.

    Away from the top the torque pumps energy in or out until there is just enough to reach it (K. J. Åström, K. Furuta,
    Swinging up a pendulum by energy control, Automatica 36 (2000) 287-295).

    Reads `obs` `(3,)`: cosine and sine of the angle from upright, angular velocity [rad/s]; writes `action` `(1,)` [N m].
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("k_energy", type=float, default=2.0, help="gain of the missing energy", unit="N m/J"),
        Argument("k_p", type=float, default=12.0, help="gain of the angle near the top", unit="N m/rad"),
        Argument("k_d", type=float, default=3.0, help="gain of the angular velocity near the top", unit="N m s/rad"),
        Argument("catch_angle", type=float, default=0.6, help="angle from upright within which it is held", unit="rad"),
    ]

    #: Of the environment: mass [kg], length [m], gravity [m/s^2].
    MASS, LENGTH, GRAVITY = 1.0, 1.0, 10.0

    k_energy: float
    k_p: float
    k_d: float
    catch_angle: float

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        _check_leaves("PendulumExpert", env_spec, (3,), "Pendulum-v1", is_integer=False)

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        cosine, sine, speed = np.moveaxis(np.asarray(obs["obs"][:, -1], np.float64), -1, 0)
        self.count_rows(len(cosine))
        angle = np.arctan2(sine, cosine)
        # A rod about its end: inertia m l^2 / 3, its centre of mass at l / 2.
        energy = self.MASS * self.LENGTH**2 * speed**2 / 6 + self.MASS * self.GRAVITY * self.LENGTH * (cosine - 1) / 2
        # At rest any direction is as good; away from the top is downhill.
        direction = np.where(np.abs(speed) > 1e-3, np.sign(speed), np.where(sine < 0, -1.0, 1.0))
        pump = -self.k_energy * energy * direction
        hold = -self.k_p * angle - self.k_d * speed
        torque = np.where(np.abs(angle) < self.catch_angle, hold, pump)
        return self.finish({"action": torque[:, None]})


def _check_leaves(where: str, env_spec: EnvSpec, shape: tuple[int, ...], env_type: str, is_integer: bool) -> None:
    hint = f"GymEnv with env_type='{env_type}'"
    check_reads(env_spec, {"obs": shape, "action": (1,)}, where, hint)
    if (env_spec.leaf("action").dtype.kind in "iu") != is_integer:
        raise PolicyError(
            where, f"'action' of {env_spec.leaf('action').dtype}", "a whole number" if is_integer else "a real number", hint
        )
