"""A skill of a hand as a list of legs: above the thing, down to it, close, lift. For any arm of `muse.policies.waypoints`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from muse.models.model import Model
from muse.policies.waypoints import Progress, Waypoint, WaypointPolicy, orientation_of, turn_to
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch


class Leg(NamedTuple):
    """Part of a skill: where the hand goes, and until when.

    Attributes:
        to: From what is seen and the row's progress to a waypoint. It is asked in every step, so a waypoint that is told relative to
            a thing follows the thing. `progress.since` is what was seen when the leg began.
        within: The leg is over when the hand is that near to its waypoint [m] ...
        turn_within: ... and turned like it [rad] ...
        least: ... and so many steps have passed: fingers take some to close.
        until: What else has to be so, from what is seen.
        most: Steps after which the leg is given up and the skill begins anew.
        moves_on: Whether it is gone on from after `most` steps instead.
        keeps: What has to stay so, from what is seen: the thing is held. Where it is not, the skill begins anew.
        is_delicate: Whether the leg is not to be disturbed by noise.
        may_slip: Whether the hand can recover from a slip there.
    """

    to: Callable[[Any, Progress], Waypoint]
    within: float = 0.01
    turn_within: float = 0.1
    least: int = 0
    until: Callable[[Any], bool] | None = None
    most: int = 60
    moves_on: bool = False
    keeps: Callable[[Any], bool] | None = None
    is_delicate: bool = False
    may_slip: bool = True


class LegPolicy(WaypointPolicy, ABC):
    """Goes from leg to leg; after the last one the skill was gone through, and begins anew where the episode goes on.

    A subclass lists its legs, and says what an arm sees and takes (see `WaypointPolicy`).
    """

    predefined_arguments = WaypointPolicy.predefined_arguments + [
        Argument("ends_when_done", type=bool, default=False, help="end the episode when the skill was gone through"),
    ]

    ends_when_done: bool

    @abstractmethod
    def get_legs(self) -> Sequence[Leg]:
        """Returns the legs, in order; asked for once, after the options were read."""

    @property
    def legs(self) -> Sequence[Leg]:
        """The legs, in order."""
        if not hasattr(self, "_legs"):
            self._legs = tuple(self.get_legs())
        return self._legs

    def advance(self, seen: Any, progress: Progress) -> int:
        """See `WaypointPolicy.advance`."""
        return self._following(seen, progress) % len(self.legs)

    def _following(self, seen: Any, progress: Progress) -> int:
        """Returns the leg that follows now; the number of legs where the skill was gone through."""
        leg = self.legs[progress.phase]
        if progress.since is None:
            return progress.phase
        if leg.keeps is not None and not leg.keeps(seen):
            return 0
        is_late = progress.steps >= leg.most
        if (is_late and leg.moves_on) or self._is_over(leg, seen, progress):
            return progress.phase + 1
        return 0 if is_late else progress.phase

    def _is_over(self, leg: Leg, seen: Any, progress: Progress) -> bool:
        if progress.steps < leg.least or (leg.until is not None and not leg.until(seen)):
            return False
        target = leg.to(seen, progress)
        turn = turn_to(seen.hand_quat, orientation_of(target))
        return bool(np.linalg.norm(target.position - seen.hand) < leg.within and np.linalg.norm(turn) < leg.turn_within)

    def plan(self, seen: Any, progress: Progress) -> Waypoint:
        """See `WaypointPolicy.plan`."""
        return self.legs[progress.phase].to(seen, progress)

    def is_delicate(self, seen: Any, progress: Progress) -> bool:
        """See `WaypointPolicy.is_delicate`."""
        return self.legs[progress.phase].is_delicate

    def may_slip(self, seen: Any, progress: Progress) -> bool:
        """See `WaypointPolicy.may_slip`."""
        return self.legs[progress.phase].may_slip

    def is_terminated(self, model: Model | None, obs: Batch, goal: Batch) -> np.ndarray:
        """See `Policy.is_terminated`: also rows that have gone through the skill, with `ends_when_done`."""
        ended = super().is_terminated(model, obs, goal)
        if not self.ends_when_done:
            return ended
        done = [
            self._following(seen, progress) == len(self.legs)
            for seen, progress in zip(self.see_rows(obs), self.progress, strict=True)
        ]
        return ended | np.array(done, dtype=bool)
