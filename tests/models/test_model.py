import logging

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import Model, ModelError
from muse.specs import EnvSpec, Leaf, LossResult
from muse.utils.abstract import Argument
from muse.utils.torch_utils import resolve_device

SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("ego", (2,), (-1, 1), np.float32), ("action", (2,), (-1, 1), np.float32)],
        observation_names=["ego"],
        action_names=["action"],
    )
)


class Scale(Model):
    predefined_arguments = Model.predefined_arguments + [Argument("start", type=float, default=2.0)]

    input_names = ("ego",)
    output_names = ("action",)

    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        self.scale = torch.nn.Parameter(torch.tensor(self.start))

    def forward(self, inputs, memory=None):
        return {"action": inputs["ego"] * self.scale}

    def loss(self, inputs, outputs):
        return LossResult((self(inputs)["action"] - inputs["action"]).square().mean())


class WithPlan(Scale):
    @classmethod
    def get_spec_leaves(cls, params, env_spec):
        return [Leaf("plan", (3,), -np.inf, np.inf, np.dtype("float32"))]


def test_pre_and_postprocessing_wrap_forward_and_loss():
    model = Scale(
        d(preproc_fn=lambda i: {**i, "ego": i["ego"] + 1}, postproc_fn=lambda i, o: {"action": o["action"] + 10 * i["ego"]}), SPEC
    )
    inputs = {"ego": torch.zeros(1, 1, 2), "action": torch.zeros(1, 1, 2)}
    assert torch.equal(model(inputs)["action"], torch.full((1, 1, 2), 12.0))
    assert torch.equal(model.forward(inputs)["action"], torch.zeros(1, 1, 2))
    assert model.loss(inputs, {}).loss.item() == 144.0
    assert torch.equal(inputs["ego"], torch.zeros(1, 1, 2))


def test_the_model_stands_on_its_device():
    assert Scale(d(), SPEC).device == torch.device("cpu")
    assert Scale(d(device="meta"), SPEC).scale.device.type == "meta"


def test_an_absent_accelerator_falls_back_with_one_line(caplog, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    resolve_device.cache_clear()
    with caplog.at_level(logging.WARNING):
        model = Scale(d(device="cuda"), SPEC)
        Scale(d(device="cuda"), SPEC)
    assert model.scale.device.type == "cpu" and model.device.type == "cpu"
    assert caplog.messages == ["device 'cuda' is not available here; using the CPU instead"]
    resolve_device.cache_clear()


def test_a_model_adds_its_names_to_the_spec():
    model = WithPlan(d(), SPEC)
    assert "plan" in model.env_spec and "plan" not in SPEC
    assert "plan" in WithPlan(d(), model.env_spec).env_spec


def test_batch_names_are_inputs_and_targets():
    assert Scale(d(), SPEC).batch_names == ("ego",)


def test_a_wrong_option_is_told():
    from muse.utils.errors import MuseError

    with pytest.raises(MuseError) as error:
        Scale(d(strat=1.0), SPEC)
    assert "no option 'strat' (did you mean 'start'?)" in str(error.value)


def test_the_contract_itself_is_no_model():
    with pytest.raises(TypeError):
        Model(d(), SPEC)
    assert issubclass(ModelError, Exception)
