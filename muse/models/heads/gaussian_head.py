"""One normal distribution, or a mixture of several, over the joint action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from muse.models.errors import ModelError
from muse.models.heads.head import ActionHead
from muse.specs import Leaf
from muse.utils.abstract import Argument

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class NormalHead(ActionHead):
    """What heads made of normal distributions share: means, and deviations by a softplus."""

    predefined_arguments = ActionHead.predefined_arguments + [
        Argument("policy_sig_min", type=float, default=1e-5, help="added to each deviation"),
        Argument("policy_sig_max", type=float, default=1e3, help="the largest deviation"),
    ]
    loss_name = "nll"

    policy_sig_min: float
    policy_sig_max: float

    def __init__(self, params: Mapping[str, Any], leaves: Sequence[Leaf]) -> None:
        super().__init__(params, leaves)
        if not 0.0 < self.policy_sig_min < self.policy_sig_max:
            raise ModelError(
                type(self).__name__,
                f"policy_sig_min {self.policy_sig_min}, policy_sig_max {self.policy_sig_max}",
                "0 < min < max",
            )

    def parameters_of(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Returns means and deviations, the last dimension of each half that of `raw`."""
        mean, spread = raw.float().chunk(2, dim=-1)
        return self.bound(mean), (functional.softplus(spread) + self.policy_sig_min).clamp(max=self.policy_sig_max)


class GaussianHead(NormalHead):
    """A normal distribution with a deviation of its own for every element.

    `raw` holds the means, then the deviations before their softplus. The loss is the negative log-probability of the joint
    action; the most likely action is the mean.
    """

    @property
    def raw_size(self) -> int:
        """A mean and a deviation per element."""
        return 2 * self.size

    @property
    def noise_size(self) -> int:
        """One value per element."""
        return self.size

    def act(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns `mean + deviation * noise`, or the mean."""
        mean, deviation = self.parameters_of(raw)
        return mean if noise is None else mean + deviation * noise.float()

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Returns the negative log-probability of every row, `(B, H)`."""
        return -normal_log_prob(*self.parameters_of(raw), target.float()).sum(-1)


class GaussianMixtureHead(NormalHead):
    """A mixture of normal distributions over the joint action (as in robomimic, Mandlekar et al. 2021).

    `raw` holds the logits of the components, then for each its means and deviations. The most likely action is the mean of the
    most likely component. Of the noise, the first value picks the component by its place in the normal distribution, the
    rest are as for one normal distribution.
    """

    predefined_arguments = NormalHead.predefined_arguments + [
        Argument("policy_num_mix", type=int, default=5, help="number of components"),
    ]

    policy_num_mix: int

    def __init__(self, params: Mapping[str, Any], leaves: Sequence[Leaf]) -> None:
        super().__init__(params, leaves)
        if self.policy_num_mix < 1:
            raise ModelError("GaussianMixtureHead.policy_num_mix", f"{self.policy_num_mix}", "1 or more")

    @property
    def raw_size(self) -> int:
        """A logit per component, a mean and a deviation per component and element."""
        return self.policy_num_mix * (1 + 2 * self.size)

    @property
    def noise_size(self) -> int:
        """One value for the component, one per element."""
        return 1 + self.size

    def components_of(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns logits `(B, H, K)`, means and deviations `(B, H, K, A)`."""
        raw = raw.float()
        logits, rest = raw.split([self.policy_num_mix, raw.shape[-1] - self.policy_num_mix], dim=-1)
        mean, deviation = self.parameters_of(rest.unflatten(-1, (self.policy_num_mix, 2 * self.size)))
        return logits, mean, deviation

    def act(self, raw: Tensor, noise: Tensor | None = None) -> Tensor:
        """Returns an action of one component: of the one that `noise` picks, or the mean of the most likely."""
        logits, mean, deviation = self.components_of(raw)
        chosen = logits.argmax(-1) if noise is None else pick(logits, noise[..., 0])
        index = chosen[..., None, None].expand(*chosen.shape, 1, self.size)
        action = mean.gather(-2, index).squeeze(-2)
        if noise is None:
            return action
        return action + deviation.gather(-2, index).squeeze(-2) * noise[..., 1:].float()

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Returns the negative log-probability of every row, `(B, H)`."""
        logits, mean, deviation = self.components_of(raw)
        joint = normal_log_prob(mean, deviation, target.float().unsqueeze(-2)).sum(-1)
        return -torch.logsumexp(logits.log_softmax(-1) + joint, dim=-1)


def normal_log_prob(mean: Tensor, deviation: Tensor, value: Tensor) -> Tensor:
    """Returns the logarithm of the normal density, element by element."""
    return -0.5 * ((value - mean) / deviation).square() - deviation.log() - _HALF_LOG_TWO_PI


def pick(logits: Tensor, noise: Tensor) -> Tensor:
    """Draws categories by inverting their cumulative distribution at the place of `noise` in the standard normal one.

    Args:
        logits: `(..., K)`.
        noise: `(...)`, standard normal.

    Returns:
        Categories `(...)`, int64.
    """
    cumulative = logits.float().softmax(-1).cumsum(-1)
    # Rounding may not carry the sum to 1, nor keep the place below it: then a category without probability could be drawn.
    cumulative = cumulative / cumulative[..., -1:]
    place = torch.special.ndtr(noise.float()).clamp(max=1.0 - 2.0**-24).unsqueeze(-1)
    return (cumulative <= place).sum(-1)
