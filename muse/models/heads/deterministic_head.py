"""One action, by regression."""

from __future__ import annotations

from torch import Tensor

from muse.models.heads.head import ActionHead
from muse.utils.abstract import Argument


class DeterministicHead(ActionHead):
    """The network's numbers are the action; the loss is their mean squared or absolute error over the action's elements."""

    predefined_arguments = ActionHead.predefined_arguments + [
        Argument("policy_loss", type=str, default="l2", choices=("l2", "l1"), help="squared (l2) or absolute (l1) error"),
    ]

    policy_loss: str

    @property
    def loss_name(self) -> str:  # type: ignore[override]
        """`l2` or `l1`."""
        return self.policy_loss

    @property
    def raw_size(self) -> int:
        """One number per element."""
        return self.size

    def act(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns the action `(B, H, A)`."""
        return self.bound(raw.float())

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Returns the error of every row, `(B, H)`."""
        error = self.act(raw) - target.float()
        return (error.square() if self.policy_loss == "l2" else error.abs()).mean(-1)
