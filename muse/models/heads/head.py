"""The contract of action heads: from the last layer's numbers to actions, and to their loss.

head = GaussianHead(params, [leaf, ...])
network = ... -> (B, H, head.raw_size)
action = head.act(raw, noise)                       # (B, H, A)
loss = masked_mean(head.loss(raw, target), mask)    # head.loss: (B, H)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from muse.specs import Leaf
from muse.utils.abstract import Argument, BaseClass


class ActionHead(BaseClass, nn.Module, ABC):
    """Actions of some leaves side by side, `(B, H, A)`, from `raw` `(B, H, raw_size)`.

    A head works on the decoder's own scale, where values between -1 and 1 fill the action's range when the output is bounded
    (`use_tanh_out`). It computes in float32 whatever the network's type is, so that autocast leaves its logarithms alone. A
    stochastic head draws only from the `noise` it is given.

    Args:
        params: The options of the class.
        leaves: The actions, in order.
    """

    predefined_arguments = [
        Argument("use_tanh_out", type=bool, default=False, help="keep actions within their limits by a tanh"),
    ]

    #: Name of the loss in a log.
    loss_name: ClassVar[str] = "loss"

    use_tanh_out: bool

    def __init__(self, params: Mapping[str, Any], leaves: Sequence[Leaf]) -> None:
        nn.Module.__init__(self)
        self.read_predefined_params(params)
        self.leaves = list(leaves)
        self.size = sum(leaf.size for leaf in leaves)

    @property
    @abstractmethod
    def raw_size(self) -> int:
        """Numbers that the head takes from the network, per row."""

    @property
    def noise_size(self) -> int:
        """Standard normal values that one draw takes, per row; 0 for a deterministic head."""
        return 0

    @abstractmethod
    def act(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns actions `(B, H, A)`: drawn with `noise` `(B, H, noise_size)`, or the most likely ones without."""

    @abstractmethod
    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Returns the loss of every row, `(B, H)`, for `target` `(B, H, A)`."""

    def bound(self, value: Tensor) -> Tensor:
        """Returns `value` between -1 and 1 where the head's output is bounded."""
        return value.tanh() if self.use_tanh_out else value
