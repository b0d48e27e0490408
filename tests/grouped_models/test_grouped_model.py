import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.grouped_models import GroupedModel
from muse.models import BasicModel, MLPModel, ModelError, RnnModel
from muse.specs import LossResult, Statistics
from muse.testing.check_model import check_model
from muse.testing.made_up import fake_env_spec


class EncodeThenAct(GroupedModel):
    required_models = ("encoder", "decoder")

    @property
    def input_names(self):
        return self.encoder.input_names

    @property
    def output_names(self):
        return self.decoder.output_names

    @property
    def target_names(self):
        return self.decoder.target_names

    def forward(self, inputs, memory=None):
        encoded = self.encoder(inputs)
        outputs = self.decoder(encoded, None if memory is None else memory["decoder"])
        return {"action": outputs["action"], "memory": {"decoder": outputs["memory"]}}

    def loss(self, inputs, outputs):
        results = self(inputs)
        error = (results["action"] - inputs["action"]).square().mean(-1)
        counted = ~outputs["padding_mask"]
        return LossResult((error * counted).sum() / counted.sum())


def group(**params):
    return d(
        encoder=d(cls=MLPModel, model_inputs=["ego"], model_output="code", out_size=4, mlp_size=8, normalize_inputs=True),
        decoder=d(cls=RnnModel, model_inputs=["code"], model_output="action", hidden_size=8, normalize_inputs=False),
    ) & d(**params)


def statistics(names):
    return {name: Statistics(np.zeros(2), np.ones(2), -np.ones(2), np.ones(2), 5) for name in names}


def test_the_contract_holds():
    check_model(EncodeThenAct, group())


def test_sub_models_are_found_by_name_and_path():
    outer = EncodeThenAct(group(), fake_env_spec())
    assert list(outer.models) == ["encoder", "decoder"]
    assert outer["encoder"] is outer.encoder and outer["decoder"].model_inputs == ["code"]
    assert "encoder" in outer and "encoder/network" not in outer
    assert "code" in outer.env_spec and "code" not in fake_env_spec()


def test_statistics_and_weights_are_handled_together():
    model, other = (EncodeThenAct(group(), fake_env_spec()) for _ in range(2))
    assert model.statistics_names == ("ego",)
    model.load_statistics(statistics(["ego"]))
    other.load_state_dict(model.state_dict())
    inputs = {"ego": torch.ones(2, 3, 2)}
    assert torch.equal(model(inputs)["action"], other(inputs)["action"])


def test_memories_are_kept_by_name():
    model = EncodeThenAct(group(), fake_env_spec())
    memory = model.initial_memory(2)
    assert set(memory) == {"decoder"}
    full = {"decoder": {"h": torch.ones(2, 2, 8)}}
    reset = model.reset_rows(full, np.array([True, False]))
    assert not reset["decoder"]["h"][0].any() and reset["decoder"]["h"][1].all() and full["decoder"]["h"].all()


def test_the_device_is_the_groups():
    model = EncodeThenAct(group(device="meta"), fake_env_spec())
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert model.encoder.device.type == "meta"


def test_a_model_can_be_given_ready_made():
    encoder = BasicModel(d(model_inputs=["ego"], model_output="code"), fake_env_spec())
    decoder = d(cls=RnnModel, model_inputs=["ego"], model_output="action")
    assert EncodeThenAct(d(encoder=encoder, decoder=decoder), fake_env_spec())["encoder"] is encoder


@pytest.mark.parametrize(
    "params, message",
    [
        (d(decoder=d(cls=RnnModel)), "EncodeThenAct/encoder: missing; expected a group with 'cls', or a model"),
        (group(model_order=["encoder"]), "EncodeThenAct.model_order: no 'decoder'; expected all of encoder, decoder"),
    ],
)
def test_what_is_missing_is_told(params, message):
    with pytest.raises(ModelError) as error:
        EncodeThenAct(params, fake_env_spec())
    assert str(error.value) == message


def test_errors_of_a_sub_model_name_it():
    with pytest.raises(ModelError) as error:
        EncodeThenAct(group(decoder=d(network=3, model_output="plan")), fake_env_spec())
    assert any("while building 'decoder'" in note for note in error.value.__notes__)
