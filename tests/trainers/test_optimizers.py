"""Optimisers, learning rates and the average of the weights, against independent computations."""

import copy
import math

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.trainers.ema import WeightAverage
from muse.trainers.optimizers import ConstantRate, CosineRate, ExponentialRate, LinearRate, SingleOptimizer
from muse.trainers.schedule import Schedule, schedules_for
from muse.utils.errors import OptionError


def make_model(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))


def batches(count):
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(size=(5, 3)).astype(np.float32)) for _ in range(count)]


def loss_of(model, x):
    return model(x).square().sum()


def test_rates():
    assert [ConstantRate(d(warmup_steps=4)).factor(i) for i in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert [LinearRate(d(total_steps=4, final_factor=0.2)).factor(i) for i in range(6)] == pytest.approx(
        [1, 0.8, 0.6, 0.4, 0.2, 0.2]
    )
    cosine = CosineRate(d(warmup_steps=2, total_steps=6))
    assert [cosine.factor(i) for i in range(8)] == pytest.approx(
        [0.5, 1.0] + [0.5 * (1 + math.cos(math.pi * i / 4)) for i in range(5)] + [0.0]
    )
    exponential = ExponentialRate(d(half_life=2.0, final_factor=0.3))
    assert [exponential.factor(i) for i in range(5)] == pytest.approx([1, 2**-0.5, 0.5, 2**-1.5, 0.3])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LinearRate(d(total_steps=3, warmup_steps=3)), "LinearRate: 'total_steps': 3; expected more than warmup_steps (3)"),
        (lambda: CosineRate(d()), "CosineRate: no option 'total_steps'; expected a value for it (optimiser steps, warm-up included, until the final factor)"),
        (lambda: ExponentialRate(d(half_life=0.0)), "ExponentialRate: 'half_life': 0.0; expected more than 0"),
        (lambda: ConstantRate(d(warmup_steps=-1)), "ConstantRate: 'warmup_steps': -1; expected 0 or more"),
        (lambda: SingleOptimizer(d(max_grad_norm=0.0), make_model()), "SingleOptimizer: 'max_grad_norm': 0.0; expected more than 0, or None"),
        (lambda: SingleOptimizer(d(base_optimizer=d(cls=int)), make_model()), "optimizer/base_optimizer: <class 'int'>; expected a class of torch.optim"),
        (
            lambda: SingleOptimizer(d(base_scheduler=d(cls=torch.optim.lr_scheduler.ReduceLROnPlateau)), make_model()),
            "optimizer/base_scheduler: <class 'torch.optim.lr_scheduler.ReduceLROnPlateau'>; expected a LearningRate, or a torch scheduler that needs no metric",
        ),
        (lambda: SingleOptimizer(d(lr_factors=["0:2"]), make_model()), "optimizer: 'lr_factors': '0:2'; expected path=factor, as image_encoder=0.1, with a factor of 0 or more"),
        (lambda: SingleOptimizer(d(lr_factors=["0=-1"]), make_model()), "optimizer: 'lr_factors': '0=-1'; expected path=factor, as image_encoder=0.1, with a factor of 0 or more"),
        (lambda: SingleOptimizer(d(lr_factors=["1=2"]), make_model()), "optimizer: 'lr_factors': no parameter to train under '1'; expected a path of 0, 2, or one below it"),
        (lambda: SingleOptimizer(d(), torch.nn.Tanh()), "optimizer: a model without parameters to train; expected at least one that requires a gradient"),
    ],
)  # fmt: skip
def test_messages(make, message):
    with pytest.raises(OptionError) as caught:
        make()
    assert str(caught.value) == message


def test_a_misspelt_option_of_torch_is_named():
    with pytest.raises(OptionError) as caught:
        SingleOptimizer(d(base_optimizer=d(cls=torch.optim.Adam, lrr=1.0)), make_model())
    assert str(caught.value).startswith(
        "optimizer/base_optimizer: no option 'lrr' (did you mean 'lr'?); expected one of lr, betas"
    )
    with pytest.raises(OptionError, match=r"optimizer/base_optimizer \(Adam\): Invalid learning rate: -1"):
        SingleOptimizer(d(base_optimizer=d(cls=torch.optim.Adam, lr=-1.0)), make_model())


def test_the_steps_are_those_of_torch():
    model, other = make_model(), make_model()
    ours = SingleOptimizer(
        d(
            base_optimizer=d(cls=torch.optim.AdamW, lr=0.1, weight_decay=0.2, betas=[0.8, 0.9], fused=False),
            base_scheduler=d(cls=LinearRate, total_steps=5, final_factor=0.1),
            max_grad_norm=0.7,
        ),
        model,
    )
    theirs = torch.optim.AdamW(other.parameters(), lr=0.1, weight_decay=0.2, betas=(0.8, 0.9), fused=False)
    schedule = torch.optim.lr_scheduler.LinearLR(theirs, 1.0, 0.1, 5)
    for x in batches(8):
        assert ours.learning_rates == pytest.approx([group["lr"] for group in theirs.param_groups])
        norm = ours.step(loss_of(model, x))
        theirs.zero_grad()
        loss_of(other, x).backward()
        whole = math.sqrt(sum(float(p.grad.square().sum()) for p in other.parameters()))
        torch.nn.utils.clip_grad_norm_(other.parameters(), 0.7)
        theirs.step()
        schedule.step()
        assert float(norm) == pytest.approx(whole, rel=1e-5)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_norm_is_computed_when_wanted():
    model = make_model()
    ours = SingleOptimizer(d(), model)
    (x,) = batches(1)
    gradients = torch.autograd.grad(loss_of(model, x), list(model.parameters()))
    norm = ours.step(loss_of(model, x), want_norm=True)
    assert float(norm) == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in gradients)), rel=1e-5)
    assert ours.step(loss_of(model, x)) is None


@pytest.mark.parametrize(
    "group",
    [
        d(),
        d(
            base_optimizer=d(cls=torch.optim.SGD, lr=0.1, momentum=0.9),
            base_scheduler=d(cls=torch.optim.lr_scheduler.StepLR, step_size=2),
        ),
        d(base_optimizer=d(cls=torch.optim.RAdam, lr=0.1), base_scheduler=d(cls=CosineRate, total_steps=9, warmup_steps=2)),
    ],
)
def test_a_state_goes_on_to_the_bit(group, tmp_path):
    whole = make_model()
    optimizer = SingleOptimizer(group, whole)
    for i, x in enumerate(batches(9)):
        if i == 4:
            torch.save(optimizer.state(), tmp_path / "state.pt")
            half = copy.deepcopy(whole)
        optimizer.step(loss_of(whole, x))
    resumed = SingleOptimizer(group, half)
    resumed.load_state(torch.load(tmp_path / "state.pt", weights_only=True))
    for x in batches(9)[4:]:
        resumed.step(loss_of(half, x))
    for a, b in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(a, b)
    assert optimizer.learning_rates == resumed.learning_rates


def test_frozen_parameters_are_left_alone():
    model = make_model()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    optimizer = SingleOptimizer(d(base_optimizer=d(cls=torch.optim.AdamW, lr=0.1, weight_decay=1.0)), model)
    for x in batches(2):
        optimizer.step(loss_of(model, x))
    assert torch.equal(model[0].weight, before)


def test_the_average():
    model = make_model()
    average = WeightAverage(model, 0.5)
    expected = model[0].bias.detach().double().clone()
    for n in range(1, 20):
        with torch.no_grad():
            model[0].bias.add_(n)
        average.update()
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * model[0].bias.detach().double()
    trained = model[0].bias.detach().clone()
    with average.applied():
        torch.testing.assert_close(model[0].bias.detach().double(), expected, rtol=1e-5, atol=1e-4)
    assert torch.equal(model[0].bias, trained)
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert torch.equal(model[0].bias, trained)


def test_schedules():
    schedule = Schedule(3, first=4)
    assert [step for step in range(13) if schedule.is_due(step)] == [6, 9, 12]
    assert not any(Schedule(0).is_due(step) for step in range(5))
    assert [s.every for s in schedules_for("train_every_n_steps", 2, [], 3)] == [2, 2, 2]
    with pytest.raises(OptionError) as caught:
        schedules_for("train_every_n_steps", 2, [1], 2)
    assert str(caught.value) == "trainer: 'train_every_n_steps_per_dataset': 1 numbers; expected one for each of 2 datasets"


@pytest.mark.parametrize("base", [d(cls=torch.optim.SGD, lr=0.1), d(cls=torch.optim.Adam)])
def test_sub_models_learn_at_rates_of_their_own(base):
    model, plain = make_model(), make_model()
    optimizer = SingleOptimizer(d(base_optimizer=base, lr_factors=["0=0.5", "0/bias=0", "2=1"]), model)
    rate = base.get("lr", 1e-3)
    assert sorted(optimizer.learning_rates) == pytest.approx([0.0, 0.5 * rate, rate])
    x = batches(1)[0]
    optimizer.step(loss_of(model, x))
    SingleOptimizer(d(base_optimizer=base), plain).step(loss_of(plain, x))
    first = make_model()
    for i, name, factor in [(0, "weight", 0.5), (0, "bias", 0.0), (2, "weight", 1.0), (2, "bias", 1.0)]:
        began, moved, whole = (getattr(m[i], name).detach() for m in (first, model, plain))
        assert torch.allclose(moved - began, factor * (whole - began), atol=1e-7), name


def test_a_schedule_moves_the_rates_of_all_sub_models():
    model = make_model()
    rate = d(cls=LinearRate, total_steps=2)
    optimizer = SingleOptimizer(
        d(base_optimizer=d(cls=torch.optim.Adam, lr=0.2), base_scheduler=rate, lr_factors=["2=0.1"]), model
    )
    assert optimizer.learning_rates == pytest.approx([0.2, 0.02])
    optimizer.step(loss_of(model, batches(1)[0]))
    assert optimizer.learning_rates == pytest.approx([0.1, 0.01])
    other = SingleOptimizer(
        d(base_optimizer=d(cls=torch.optim.Adam, lr=0.2), base_scheduler=rate, lr_factors=["2=0.1"]), make_model()
    )
    other.load_state(optimizer.state())
    assert other.learning_rates == pytest.approx([0.1, 0.01])
