"""Every sentence of `check_model` is drawn from a model that deserves it."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import Model, ModelError, Normalizer
from muse.specs import LossResult
from muse.testing import FakeModel, check_model, model_problems
from muse.testing.made_up import draw_values, fake_env_spec
from muse.utils.seeding import make_generator


class Good(Model):
    """The smallest model: the action is a weight times the position."""

    input_names = ("ego",)
    output_names = ("action",)
    target_names = ("action",)

    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        self.weight = torch.nn.Parameter(torch.randn(()))

    def forward(self, inputs, memory=None):
        return {"action": inputs["ego"] * self.weight}

    def loss(self, inputs, outputs):
        error = (self(inputs)["action"] - inputs["action"]).square().mean(-1)
        counted = ~outputs["padding_mask"]
        loss = (error * counted).sum() / counted.sum()
        return LossResult(loss, {"l2": loss.detach()})


class Counting(Good):
    """Remembers how many rows it saw."""

    def forward(self, inputs, memory=None):
        count = torch.zeros(len(inputs["ego"]), 1) if memory is None else memory
        rows = count + torch.arange(inputs["ego"].shape[1])
        return {"action": inputs["ego"] * self.weight + rows[..., None], "memory": count + inputs["ego"].shape[1]}

    def initial_memory(self, batch):
        return torch.zeros(batch, 1)

    def reset_rows(self, memory, rows):
        return memory.masked_fill(torch.from_numpy(rows)[:, None], 0.0)


class Drawing(Good):
    noise_size = 2

    def forward(self, inputs, memory=None):
        return {"action": inputs["ego"] * self.weight + inputs.get("noise", 0.0)}


class Normalised(Good):
    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        self.normalizer = Normalizer({"ego": (2,)})

    def forward(self, inputs, memory=None):
        return {"action": self.normalizer.normalize("ego", inputs["ego"]) * self.weight}


@pytest.mark.parametrize("cls", [Good, Counting, Drawing, Normalised])
def test_nothing_is_said_about_good_models(cls):
    assert model_problems(cls) == []
    check_model(cls)


def test_a_model_that_is_built_already_is_checked_as_it_is():
    model = Good(d(), fake_env_spec())
    before, mode = model.weight.clone(), model.training
    check_model(model)
    assert torch.equal(model.weight, before) and model.training == mode


@pytest.mark.parametrize(
    "params", [d(), d(recurrent=True), d(draws=True), d(recurrent=True, draws=True, normalize_inputs=True)], ids=str
)
def test_the_fake_keeps_the_contract(params):
    check_model(FakeModel, params)


def broken(base=Good, **methods):
    return type("Broken", (base,), methods)


def forward_of(fn):
    return lambda self, inputs, memory=None: fn(self, inputs)


def loss_of(fn):
    return lambda self, inputs, outputs: fn(self, inputs, outputs, Good.loss(self, inputs, outputs))


def write(self, inputs):
    inputs["ego"].add_(1.0)
    return {"action": inputs["ego"] * self.weight}


def add_name(self, inputs):
    inputs["more"] = inputs["ego"]
    return {"action": inputs["ego"] * self.weight}


def unseeded_weights(self, params, env_spec):
    Good.__init__(self, params, env_spec)
    self.weight.data.fill_(float(np.random.default_rng().normal()))


BROKEN = [
    (broken(output_names=["action"]), "output_names is a list, not a tuple."),
    (broken(input_names=("eggo",)), "input_names holds 'eggo', which the spec does not know; get_spec_leaves can add it."),
    (broken(output_names=()), "output_names is empty, so the model is of no use."),
    (broken(__init__=unseeded_weights), "Built twice under one torch.manual_seed, the model has different weights."),
    (
        broken(Normalised, forward=forward_of(lambda self, i: {"action": i["ego"] * self.weight})),
        "forward and loss worked before statistics were loaded; they must raise a StatisticsError.",
    ),
    (broken(Normalised, load_statistics=lambda self, s: None), "load_statistics accepted that the statistics of 'ego' are missing."),
    (broken(forward=forward_of(lambda self, i: {})), "forward returned no 'action', which output_names lists."),
    (
        broken(forward=forward_of(lambda self, i: {"action": i["ego"] * self.weight, "z": i["ego"]})),
        "forward returned z, which output_names does not list.",
    ),
    (
        broken(forward=forward_of(lambda self, i: {"action": (i["ego"] * self.weight)[:, :1]})),
        "forward returned 'action' in the shape (3, 1, 2) instead of (3, 4, 2).",
    ),
    (
        broken(forward=forward_of(lambda self, i: {"action": i["ego"] * self.weight * torch.nan})),
        "forward returned 'action' with NaN or infinity.",
    ),
    (
        broken(forward=forward_of(lambda self, i: {"action": i["ego"] * self.weight + torch.randn(())})),
        "forward draws from torch's global generator; randomness comes from inputs['noise'].",
    ),
    (broken(forward=forward_of(write)), "forward or loss wrote to its inputs."),
    (broken(forward=forward_of(add_name)), "forward or loss wrote to its inputs."),
    (
        broken(forward=forward_of(lambda self, i: {"action": (i["ego"] - i["ego"].mean(0)) * self.weight})),
        "'action' of a row changes with the other rows of the batch.",
    ),
    (
        broken(Counting, initial_memory=lambda self, batch: None),
        "forward returned a memory, but initial_memory gives None.",
    ),
    (
        broken(Counting, forward=forward_of(lambda self, i: {"action": i["ego"].cumsum(1) * self.weight, "memory": torch.zeros(3, 1)})),
        "Row by row, 'action' at row 1 differs from the whole window's.",
    ),
    (broken(Counting, reset_rows=lambda self, m, rows: m), "After reset_rows, 'action' of the row is not what a new row gives."),
    (broken(Counting, reset_rows=lambda self, m, rows: m * 0), "reset_rows changed 'action' of a row that was not to be reset."),
    (
        broken(Counting, reset_rows=lambda self, m, rows: m.masked_fill_(torch.from_numpy(rows)[:, None], 0.0)),
        "reset_rows changed the memory that it was given.",
    ),
    (broken(noise_size=2), "noise_size is 2, but other noise gave the same outputs."),
    (broken(loss=loss_of(lambda self, i, o, r: r.loss)), "loss returned a Tensor, not a LossResult."),
    (broken(loss=loss_of(lambda self, i, o, r: LossResult(r.loss / 0))), "The loss is inf, not one finite number."),
    (broken(loss=loss_of(lambda self, i, o, r: LossResult(r.loss, {"l2": r.loss}))), "The term 'l2' is not a detached scalar tensor."),
    (broken(loss=loss_of(lambda self, i, o, r: LossResult(self.weight.detach() * 1.0))), "The loss has no gradient for any parameter."),
    (
        broken(loss=loss_of(lambda self, i, o, r: LossResult((self(i)["action"] - i["action"]).square().mean()))),
        "The loss changes with the targets of padded rows.",
    ),
    (
        broken(state_dict=lambda self, *args, **kwargs: {"weight": self.weight, "extra": 3}),
        "The state dict holds more than tensors.",
    ),
    (
        broken(load_state_dict=lambda self, *args, **kwargs: None),
        "Restored from the state dict, the model gives another 'action'.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("cls, sentence", BROKEN, ids=[sentence for _, sentence in BROKEN])
def test_what_is_broken_is_said(cls, sentence):
    problems = model_problems(cls)
    assert any(sentence in problem for problem in problems), problems


def test_the_error_lists_the_sentences():
    with pytest.raises(ModelError) as error:
        check_model(broken(output_names=["action"], input_names=("eggo",)))
    assert str(error.value) == (
        "check_model(Broken): 2 problems\n"
        "  - input_names holds 'eggo', which the spec does not know; get_spec_leaves can add it.\n"
        "  - output_names is a list, not a tuple."
    )


def fake(**params):
    return FakeModel(d(**params), fake_env_spec())


def values(model, batch=2, horizon=3):
    drawn = draw_values(model.env_spec, model.batch_names, (batch, horizon), make_generator(0, "fake"))
    return {name: torch.from_numpy(value) for name, value in drawn.items()}


MASK = {"padding_mask": torch.zeros(2, 3, dtype=torch.bool)}
MISTAKES = [
    (lambda m, i: m({"ego": i["ego"]}), d(), "FakeModel: 'objects/position': missing; expected all of input_names and, for the loss, target_names"),
    (lambda m, i: m({**i, "ego": i["ego"].numpy()}), d(), "FakeModel: 'ego': ndarray; expected a tensor"),
    (lambda m, i: m({**i, "ego": i["ego"][0]}), d(), "FakeModel: 'ego': shape (3, 2); expected (3, 2, 2), (B, H, *shape)"),
    (
        lambda m, i: m({**i, "objects/position": i["objects/position"][:1]}),
        d(),
        "FakeModel: 'objects/position': shape (1, 3, 2, 3); expected (2, 3, 2, 3), (B, H, *shape)",
    ),
    (lambda m, i: m({**i, "ego": i["ego"] * torch.nan}), d(), "FakeModel: 'ego': NaN or infinity; expected finite numbers"),
    (lambda m, i: m({**i, "ego": i["ego"].to("meta")}), d(), "FakeModel: 'ego': on meta; expected on cpu, as the model is"),
    (lambda m, i: m(i, {"count": 0}), d(), "FakeModel: memory: given to a model without memory; expected None"),
    (lambda m, i: m(i, 3), d(recurrent=True), "FakeModel: memory: 3; expected what an earlier call, or initial_memory, returned"),
    (lambda m, i: m(i, m.initial_memory(5)), d(recurrent=True), "FakeModel: memory: 5 rows; expected 2, as the inputs have"),
    (lambda m, i: m({**i, "noise": torch.zeros(2, 3)}), d(draws=True), "FakeModel: noise: shape torch.Size([2, 3]); expected a tensor (2, 3, 1)"),
    (
        lambda m, i: m.reset_rows(m.initial_memory(2), np.array([1, 0])),
        d(recurrent=True),
        "FakeModel.reset_rows: rows int64 (2,); expected bool (2,)",
    ),
    (lambda m, i: m.loss(i, {}), d(), "FakeModel: 'padding_mask': missing, or not bool; expected a bool tensor (B, H) in outputs"),
    (
        lambda m, i: m.loss({k: v for k, v in i.items() if k != "action"}, MASK),
        d(),
        "FakeModel: 'action': missing; expected all of input_names and, for the loss, target_names",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, params, message", MISTAKES)
def test_the_fake_complains_about_its_callers(call, params, message):
    model = fake(**params)
    with pytest.raises(ModelError) as error:
        call(model, values(model))
    assert str(error.value) == message


def test_the_fake_acts_within_the_limits_and_counts():
    model = fake(recurrent=True)
    inputs = values(model)
    outputs = model(inputs, model.initial_memory(2))
    assert outputs["action"].abs().max() <= 1.0 and outputs["memory"]["count"].flatten().tolist() == [3.0, 3.0]
    assert model.loss(inputs, MASK).loss.requires_grad and model.calls == 2
