import math

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from torch import distributions as D

from muse.models.errors import ModelError
from muse.models.heads import CategoricalHead, DeterministicHead, GaussianHead, GaussianMixtureHead
from muse.models.heads.gaussian_head import pick
from muse.specs import Leaf

LEAVES = [Leaf("a", (2,), -1, 1, np.dtype("float32")), Leaf("b", (1,), -1, 1, np.dtype("float32"))]
CHOICES = [Leaf("c", (2,), [0, -1], [2, 3], np.dtype("int64")), Leaf("d", (), 0, 1, np.dtype("bool"))]
B, H, A, K = 4, 3, 3, 5


def draw(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("kind", ["l2", "l1"])
def test_deterministic(kind, tanh):
    head = DeterministicHead(d(policy_loss=kind, use_tanh_out=tanh), LEAVES)
    raw, target = draw(B, H, head.raw_size), draw(B, H, A, seed=1)
    action = head.act(raw)
    assert torch.equal(action, raw.tanh() if tanh else raw)
    error = (action - target).numpy()
    np.testing.assert_allclose(head.loss(raw, target).numpy(), (error**2 if kind == "l2" else abs(error)).mean(-1), rtol=1e-5)
    assert head.noise_size == 0 and head.loss_name == kind


@pytest.mark.parametrize("tanh", [False, True])
def test_gaussian_agrees_with_torch(tanh):
    head = GaussianHead(d(use_tanh_out=tanh, policy_sig_min=1e-2), LEAVES)
    raw, target = draw(B, H, head.raw_size), draw(B, H, A, seed=1)
    mean, spread = raw[..., :A], raw[..., A:]
    reference = D.Independent(D.Normal(mean.tanh() if tanh else mean, torch.nn.functional.softplus(spread) + 1e-2), 1)
    torch.testing.assert_close(head.loss(raw, target), -reference.log_prob(target))
    torch.testing.assert_close(head.act(raw), reference.mean)
    noise = draw(B, H, head.noise_size, seed=2)
    torch.testing.assert_close(head.act(raw, noise), reference.mean + reference.stddev * noise)


@pytest.mark.parametrize("tanh", [False, True])
def test_mixture_agrees_with_torch(tanh):
    head = GaussianMixtureHead(d(use_tanh_out=tanh, policy_num_mix=K, policy_sig_min=1e-2), LEAVES)
    raw, target = draw(B, H, head.raw_size), draw(B, H, A, seed=1)
    logits, rest = raw[..., :K], raw[..., K:].reshape(B, H, K, 2 * A)
    mean = rest[..., :A].tanh() if tanh else rest[..., :A]
    deviation = torch.nn.functional.softplus(rest[..., A:]) + 1e-2
    reference = D.MixtureSameFamily(D.Categorical(logits=logits), D.Independent(D.Normal(mean, deviation), 1))
    torch.testing.assert_close(head.loss(raw, target), -reference.log_prob(target))
    best = logits.argmax(-1)
    expected = torch.stack([torch.stack([mean[i, j, best[i, j]] for j in range(H)]) for i in range(B)])
    torch.testing.assert_close(head.act(raw), expected)


def test_mixture_draws_as_its_distribution_does():
    head = GaussianMixtureHead(d(policy_num_mix=2), LEAVES[1:])
    raw = torch.tensor([0.0, math.log(3.0), -5.0, 0.0, 5.0, 0.0]).expand(20000, 1, -1)
    drawn = head.act(raw, draw(20000, 1, head.noise_size)).flatten()
    assert abs((drawn > 0).float().mean() - 0.75) < 0.02
    assert abs(drawn[drawn > 0].mean() - 5.0) < 0.05
    assert abs(drawn[drawn > 0].std() - (math.log(2.0) + 1e-5)) < 0.05


def test_deviations_stay_between_their_limits():
    head = GaussianHead(d(policy_sig_min=0.1, policy_sig_max=2.0), LEAVES)
    raw = torch.tensor([0.0] * A + [-100.0, 0.0, 100.0]).expand(1, 1, -1)
    _, deviation = head.parameters_of(raw)
    torch.testing.assert_close(deviation.flatten(), torch.tensor([0.1, math.log(2.0) + 0.1, 2.0]))


def test_categorical_agrees_with_torch():
    head = CategoricalHead(d(), CHOICES)
    sizes, low = [3, 5, 2], torch.tensor([0, -1, 0])
    assert head.raw_size == 3 * 5
    raw = draw(B, H, head.raw_size)
    references = [D.Categorical(logits=raw.reshape(B, H, 3, 5)[:, :, i, :n]) for i, n in enumerate(sizes)]
    target = torch.stack([reference.sample() for reference in references], -1) + low
    expected = -sum(reference.log_prob(target[..., i] - low[i]) for i, reference in enumerate(references))
    torch.testing.assert_close(head.loss(raw, target), expected)
    torch.testing.assert_close(head.loss(raw, target.float()), expected)
    most_likely = torch.stack([reference.probs.argmax(-1) for reference in references], -1) + low
    assert torch.equal(head.act(raw), most_likely)


def test_categorical_never_draws_what_is_impossible():
    head = CategoricalHead(d(), CHOICES)
    noise = torch.tensor([-50.0, -1.0, 0.0, 1.0, 50.0]).reshape(5, 1, 1).expand(5, 1, 3)
    drawn = head.act(draw(5, 1, head.raw_size) * 20, noise)
    assert (drawn >= torch.tensor([0, -1, 0])).all() and (drawn <= torch.tensor([2, 3, 1])).all()


def test_picks_follow_the_probabilities():
    logits = torch.tensor([0.1, 0.6, 0.3]).log().expand(30000, 3)
    share = torch.bincount(pick(logits, draw(30000)), minlength=3) / 30000
    torch.testing.assert_close(share, torch.tensor([0.1, 0.6, 0.3]), atol=0.015, rtol=0)


@pytest.mark.parametrize("head", [
    DeterministicHead(d(), LEAVES), GaussianHead(d(), LEAVES), GaussianMixtureHead(d(policy_num_mix=3), LEAVES), CategoricalHead(d(), CHOICES),
])  # fmt: skip
def test_half_precision_numbers_are_scored_in_float(head):
    raw = draw(B, H, head.raw_size).bfloat16().requires_grad_()
    target = torch.ones(B, H, head.size)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head.loss(raw, target)
    assert loss.dtype == torch.float32 and torch.isfinite(loss).all()
    loss.sum().backward()
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: GaussianHead(d(policy_sig_min=0.0), LEAVES),
            "GaussianHead: policy_sig_min 0.0, policy_sig_max 1000.0; expected 0 < min < max",
        ),
        (lambda: GaussianMixtureHead(d(policy_num_mix=0), LEAVES), "GaussianMixtureHead.policy_num_mix: 0; expected 1 or more"),
        (
            lambda: CategoricalHead(d(), LEAVES),
            "CategoricalHead: 'a': float32, limits not whole or too wide; expected an integer of at most 1024 values",
        ),
        (
            lambda: CategoricalHead(d(), CHOICES).loss(torch.zeros(1, 1, 15), torch.full((1, 1, 3), 9)),
            "target of c, d: whole numbers beyond the spec's limits; expected values within them",
        ),
    ],
)
def test_mistakes_are_told(make, message):
    with pytest.raises(ModelError) as error:
        make()
    assert str(error.value) == message
