"""The scripted expert of the point mass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.models.model import Model
from muse.policies.row_policy import RowPolicy, check_reads
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, has


class PointMassExpert(RowPolicy):
    """Chases `target` `(2,)` with `ego` `(2,)` around the circles `objects/position` `(n, 2)` [m].

    It goes straight for the target; where a circle is in the way, along the tangent of the nearest one that is. Its action is a
    function of the present observation alone, and continuous wherever the shorter way round does not change sides: that is
    what makes its demonstrations learnable without a memory.

    Radii come from the param `objects/size` `(n,)` where the observation has it, else from the option.
    """

    uses_model = False

    predefined_arguments = RowPolicy.predefined_arguments + [
        Argument("obstacle_radius", type=float, default=0.05, help="radius of circles whose size is not observed", unit="m"),
        Argument("margin", type=float, default=0.02, help="distance kept from a circle", unit="m"),
        Argument("ego_speed", type=float, default=0.025, help="way of the ego in a step at full action", unit="m"),
        Argument("action_noise_std", type=float, default=0.0, help="standard deviation of noise added to the action"),
    ]

    obstacle_radius: float
    margin: float
    ego_speed: float
    action_noise_std: float

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec, is_goal: bool = False) -> None:
        super().__init__(params, env_spec, is_goal)
        shapes = dict.fromkeys(("ego", "target", "action"), (2,))
        check_reads(env_spec, shapes, "PointMassExpert", "an env such as PointMassEnv")

    def get_action(self, model: Model | None, obs: Batch, goal: Batch) -> AttrDict:
        """See `Policy.get_action`. Uses no model."""
        ego = np.asarray(obs["ego"][:, -1], np.float64)
        self.count_rows(len(ego))
        way = np.asarray(obs["target"][:, -1], np.float64) - ego
        distance = np.linalg.norm(way, axis=-1, keepdims=True)
        heading = way / np.maximum(distance, 1e-9)
        if has(obs, "objects/position"):
            centres = np.asarray(obs["objects/position"][:, -1], np.float64) - ego[:, None]
            if has(obs, "objects/size"):
                radii = np.asarray(obs["objects/size"][:, -1], np.float64)
            else:
                radii = np.full(centres.shape[:2], self.obstacle_radius)
            heading = steer_around(heading, distance[:, 0], centres, radii, self.margin)
        action = heading * np.minimum(1.0, distance / self.ego_speed)
        if self.action_noise_std > 0:
            action = action + self.action_noise_std * self.draw_normal(2)
        return self.finish({"action": action})


def steer_around(heading: np.ndarray, distance: np.ndarray, centres: np.ndarray, radii: np.ndarray, margin: float) -> np.ndarray:
    """Turns a heading away from the nearest circle that it would run into before its end.

    Args:
        heading: Unit vectors `(B, 2)`.
        distance: Ways to go along them `(B,)` [m].
        centres: Circles as seen from the start of the heading `(B, n, 2)` [m].
        radii: `(B, n)` [m].
        margin: Distance to keep from a circle [m]; less, where the end of the way itself is nearer to it.

    Returns:
        Unit vectors `(B, 2)`: along the tangent where a circle is in the way, outwards too where its margin is already entered.
    """
    rows = np.arange(len(heading))
    end = heading * distance[:, None]
    reach = np.minimum(radii + margin, np.linalg.norm(centres - end[:, None], axis=-1))
    ahead = np.einsum("bnk,bk->bn", centres, heading)
    aside = heading[:, None, 0] * centres[..., 1] - heading[:, None, 1] * centres[..., 0]  # positive: centre on the left
    blocks = (ahead > 0) & (ahead < distance[:, None]) & (np.abs(aside) < reach)
    nearest = np.where(blocks, ahead - np.sqrt(np.maximum(reach**2 - aside**2, 0)), np.inf).argmin(axis=1)
    centre, reach = centres[rows, nearest], reach[rows, nearest]
    gap = np.maximum(np.linalg.norm(centre, axis=-1), 1e-9)
    side = np.where(aside[rows, nearest] > 0, -1.0, 1.0)  # left of the centre: 1
    angle = np.arctan2(centre[:, 1], centre[:, 0]) + side * np.arcsin(np.minimum(1.0, reach / gap))
    tangent = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    entered = np.maximum(0.0, reach - gap) / max(margin, 1e-9)
    tangent -= np.minimum(1.0, entered)[:, None] * centre / gap[:, None]
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    return np.where(blocks.any(axis=1)[:, None], tangent, heading)
