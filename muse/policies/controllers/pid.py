"""Feedback control of a vector, for every row on its own: P, PD, PI and PID."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.policy import PolicyError
from muse.policies.row_policy import RowPolicy
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, has
from muse.utils.errors import nearest

Gain = float | Sequence[float] | np.ndarray


class PIDController:
    """Computes `k_p e + k_i * integral of e + k_d * de/dt` of the error `e = target - value`, `(B, dim)`.

        controller = PIDController(2, dt=0.1, k_p=4.0, k_d=[1.0, 0.5], limit=1.0)
        controller.reset(rows)                          # rows (B,) bool: those that begin
        command = controller.compute(value, target)     # (B, 2)

    Where the command is at its `limit`, the integral does not grow any further in that direction (anti-windup by clamping).
    The first step of a row has no derivative, unless a `rate` is given.

    Args:
        dim: Elements of the vector.
        dt: Time between two steps [s].
        k_p, k_i, k_d: Gains, one number or one for each element.
        limit: Largest magnitude of the command, likewise.
        difference_fn: `fn(target, value)` -> error `(B, dim)`, for angles and the like; the plain difference when None.

    Raises:
        PolicyError: For gains of another size, negative or not finite, a step of no time, or no positive limit.
    """

    def __init__(
        self,
        dim: int,
        dt: float,
        *,
        k_p: Gain = 1.0,
        k_i: Gain = 0.0,
        k_d: Gain = 0.0,
        limit: Gain = np.inf,
        difference_fn: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        if dim < 1 or not (np.isfinite(dt) and dt > 0):
            raise PolicyError("PIDController", f"dim {dim}, dt {dt}", "at least one element, and a positive time [s]")
        self.dim, self.dt = dim, float(dt)
        self.k_p, self.k_i, self.k_d = (_vector(k, dim, name) for k, name in ((k_p, "k_p"), (k_i, "k_i"), (k_d, "k_d")))
        self.limit = _vector(limit, dim, "limit", is_gain=False)
        self._difference = difference_fn or np.subtract
        self._integral = self._error = np.zeros((0, dim))
        self._is_new = np.zeros(0, dtype=bool)

    def reset(self, rows: np.ndarray) -> None:
        """Forgets integral and last error of the rows `(B,)` bool; `B` is theirs from now on.

        Raises:
            PolicyError: When the number of rows changes and not all of them begin.
        """
        if len(rows) != len(self._is_new):
            if not rows.all():
                raise PolicyError(
                    "PIDController.reset",
                    f"{len(rows)} rows, some of them false",
                    f"{len(self._is_new)} rows, or all of them true",
                )
            self._integral, self._error = np.zeros((len(rows), self.dim)), np.zeros((len(rows), self.dim))
            self._is_new = np.ones(len(rows), dtype=bool)
        self._integral[rows], self._error[rows], self._is_new[rows] = 0.0, 0.0, True

    def compute(self, value: np.ndarray, target: np.ndarray, rate: np.ndarray | None = None) -> np.ndarray:
        """Returns the command of every row, `(B, dim)` float64, and takes note of the step.

        Args:
            value, target: `(B, dim)`.
            rate: Time derivative of the error `(B, dim)` [1/s], where it is measured; differences of the error when None.

        Raises:
            PolicyError: For another shape than that of the rows that began.
        """
        error = np.asarray(self._difference(np.asarray(target, np.float64), np.asarray(value, np.float64)))
        if error.shape != self._error.shape:
            raise PolicyError(
                "PIDController.compute",
                f"an error of shape {error.shape}",
                f"shape {self._error.shape}",
                "reset(rows) before the first step",
            )
        if rate is None:
            rate = np.where(self._is_new[:, None], 0.0, (error - self._error) / self.dt)
        integral = self._integral + error * self.dt
        command = self.k_p * error + self.k_i * integral + self.k_d * rate
        winds_up = (np.abs(command) > self.limit) & (np.sign(command) == np.sign(error))
        self._integral = np.where(winds_up, self._integral, integral)
        self._error, self._is_new = error, np.zeros(len(error), dtype=bool)
        command = self.k_p * error + self.k_i * self._integral + self.k_d * rate
        return np.clip(command, -self.limit, self.limit)


class PIDPolicy(RowPolicy):
    """Drives the observation `value_name` to the observation or goal `target_name`; the command is the action.

    PIDPolicy(d(value_name="ego", target_name="target", k_p=40.0), env_spec)
    """

    uses_model = False

    predefined_arguments = [
        *RowPolicy.predefined_arguments,
        Argument("value_name", type=str, required=True, help="observation to control"),
        Argument("target_name", type=str, required=True, help="observation or goal to drive it to"),
        Argument("action_name", type=str, help="action to write; None: the only one of the spec"),
        Argument("dt", type=float, default=1.0, help="time between two steps", unit="s"),
        Argument("k_p", default=1.0, help="gain of the error, one number or one for each element"),
        Argument("k_i", default=0.0, help="gain of its integral, likewise"),
        Argument("k_d", default=0.0, help="gain of its derivative, likewise"),
        Argument("difference_fn", help="fn(target, value) -> error (B, dim); None: their difference"),
    ]

    value_name: str
    target_name: str
    action_name: str | None
    dt: float
    k_p: Gain
    k_i: Gain
    k_d: Gain
    difference_fn: Callable[[np.ndarray, np.ndarray], np.ndarray] | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        if self.action_name is None and len(self.output_names) == 1:
            self.action_name = self.output_names[0]
        if self.action_name not in self.output_names or len(self.output_names) != 1:
            raise PolicyError(
                "PIDPolicy: action_name",
                f"{self.action_name}, of {', '.join(self.output_names) or 'none'}",
                "the only action of the spec",
            )
        leaf = env_spec.leaf(self.action_name)
        for name in (self.value_name, self.target_name):
            if env_spec.leaf(name).size != leaf.size:
                raise PolicyError(
                    f"PIDPolicy: '{name}'", f"{env_spec.leaf(name).size} elements", f"{leaf.size}, as '{leaf.name}' has"
                )
        limit = np.minimum(np.abs(leaf.low), np.abs(leaf.high)).ravel()
        self._controller = PIDController(
            leaf.size, self.dt, k_p=self.k_p, k_i=self.k_i, k_d=self.k_d, difference_fn=self.difference_fn,
            limit=np.where(limit > 0, limit, np.inf),
        )  # fmt: skip

    def reset_policy(self, rows: np.ndarray | None = None, seeds: Sequence[int | None] | None = None) -> None:
        """See `Policy.reset_policy`."""
        begun = self.begun_rows(rows, seeds)
        super().reset_policy(rows, seeds)
        self._controller.reset(begun)

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        assert self.action_name is not None, "the constructor has found it"
        rows = self.count_rows_of(obs)
        value, target = (_read(name, obs, goal)[:, -1].reshape(rows, -1) for name in (self.value_name, self.target_name))
        command = self._controller.compute(value, target)
        return self.finish({self.action_name: command.reshape(rows, *self.env_spec.leaf(self.action_name).shape)})


def _read(name: str, obs: Batch, goal: Batch) -> np.ndarray:
    for batch in (obs, goal):
        if has(batch, name):
            return np.asarray(batch[name])
    raise PolicyError(
        f"PIDPolicy.get_action: '{name}'",
        f"neither in the observation nor in the goal{nearest(name, [*obs, *goal])}",
        "both names given",
    )


def _vector(value: Gain, dim: int, name: str, is_gain: bool = True) -> np.ndarray:
    array = np.asarray(value, np.float64)
    if array.shape not in ((), (1,), (dim,)):
        raise PolicyError(f"PIDController: {name}", f"shape {array.shape}", f"one number, or {dim} of them")
    if is_gain and not (np.isfinite(array).all() and (array >= 0).all()):
        raise PolicyError(f"PIDController: {name}", f"{array.tolist()}", "finite numbers of at least 0")
    if not is_gain and not (array > 0).all():
        raise PolicyError(f"PIDController: {name}", f"{array.tolist()}", "positive numbers")
    return np.broadcast_to(array, (dim,)).copy()
