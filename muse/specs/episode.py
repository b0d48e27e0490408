"""One episode as a value that has checked itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from attrdict import AttrDict

from muse.specs.env_spec import EnvSpec
from muse.specs.leaf import Leaf, SpecError
from muse.utils.attrdicts import flatten, has

#: How datasets hold `Episode.success`.
SUCCESS = Leaf("final/success", (1,), 0, 1, np.dtype(bool), role="final", description="whether the task was solved")


@dataclass(frozen=True, eq=False)
class Episode:
    """What happened between a reset and its end, `T` steps.

    Row `t` holds the observation and goal before action `t`, action `t`, and the output observations (reward, truncated ...)
    that step `t` returned.

    Attributes:
        inputs: Observations, goals, actions and names without a role, leaves `(T, *shape)`.
        outputs: Output observations and `done`, leaves `(T, *shape)`; `done` `(T,)` bool, true on the last row only.
        onetime: Params (known at reset) and finals (known at the end), leaves `(*shape)`.
        success: Whether the task was solved; None where the env cannot say.
        seed: The seed of the reset, or None.
    """

    inputs: AttrDict
    outputs: AttrDict
    onetime: AttrDict = field(default_factory=AttrDict)
    success: bool | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if not has(self.outputs, "done"):
            raise SpecError("Episode: 'done'", "missing", "a bool array (T,) in outputs")
        done = self.outputs["done"]
        if done.ndim != 1 or len(done) == 0 or done.dtype != bool or not done[-1] or done[:-1].any():
            raise SpecError(
                "Episode: 'done'", f"shape {done.shape}, {int(done.sum())} true", "a bool array (T,), true on its last row only"
            )
        for part in (self.inputs, self.outputs):
            for name, value in flatten(part).items():
                if len(value) != len(done):
                    raise SpecError(f"Episode: '{name}'", f"{len(value)} rows", f"{len(done)}, as 'done' has")

    def __repr__(self) -> str:
        return f"Episode(T={len(self)}, success={self.success}, seed={self.seed}, names={', '.join(self.to_rows())})"

    def __len__(self) -> int:
        return len(self.outputs["done"])

    @property
    def truncated(self) -> bool:
        """Whether a limit ended the episode rather than the task."""
        return bool(self.outputs["truncated"][-1].any()) if has(self.outputs, "truncated") else False

    def total(self, name: str = "reward") -> float:
        """Returns the sum of an output over the episode."""
        return float(self.outputs[name].sum())

    def check(self, spec: EnvSpec) -> None:
        """Raises `SpecError` when a leaf does not fit `spec`."""
        lead = (len(self),)
        spec.check(self.inputs, (n for n in flatten(self.inputs) if n in spec), lead, "Episode")
        spec.check(self.outputs, (n for n in flatten(self.outputs) if n in spec), lead, "Episode")
        spec.check(self.onetime, (n for n in flatten(self.onetime) if n in spec), (), "Episode")

    def to_rows(self) -> Mapping[str, object]:
        """Returns inputs and outputs as one flat dict by path."""
        return {**flatten(self.inputs), **flatten(self.outputs)}

    def to_onetime(self) -> dict[str, object]:
        """Returns params and finals as one flat dict by path, with `final/success` where the success is known."""
        known = {} if self.success is None else {SUCCESS.name: np.array([self.success], bool)}
        return {**known, **flatten(self.onetime)}
