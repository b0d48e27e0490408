import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import BasicModel, MLPModel, ModelError
from muse.specs import EnvSpec, LossResult, Statistics
from muse.testing.check_model import check_model
from muse.testing.made_up import fake_env_spec
from muse.utils.param_utils import LayerParams, SequentialParams, build_mlp_param_list

SPEC = fake_env_spec()
INPUTS = {"ego": torch.ones(2, 3, 2), "objects/position": torch.full((2, 3, 2, 3), 2.0)}


def linear(size):
    return LayerParams("linear", lambda layer: (layer.weight.fill_(1.0), layer.bias.zero_()), in_features=8, out_features=size)


def test_inputs_stand_side_by_side_in_order():
    model = BasicModel(d(model_inputs=["objects/position", "ego"], model_output="state"), SPEC)
    assert model.env_spec.leaf("state").shape == (8,)
    assert torch.equal(model(INPUTS)["state"][0, 0], torch.tensor([2.0] * 6 + [1.0] * 2))
    assert torch.equal(model(d.from_dict(INPUTS))["state"], model(INPUTS)["state"])


def test_a_declared_network_computes_the_output():
    model = BasicModel(
        d(model_inputs=["ego", "objects/position"], model_output="action", network=SequentialParams([linear(2)])), SPEC
    )
    assert torch.equal(model(INPUTS)["action"], torch.full((2, 3, 2), 14.0))


def test_inputs_are_normalised_where_asked_for():
    model = BasicModel(d(model_inputs=["ego"], model_output="state", normalize_inputs=True), SPEC)
    assert model.statistics_names == ("ego",)
    two = np.full(2, 2.0)
    model.load_statistics({"ego": Statistics(two, two, two, two, 3)})
    assert torch.equal(model(INPUTS)["state"], torch.full((2, 3, 2), -0.5))


def test_the_loss_is_a_masked_mean_square():
    model = BasicModel(d(model_inputs=["ego", "objects/position"], model_output="action", network=[linear(2)]), SPEC)
    mask = torch.tensor([[False, False, True], [False, True, True]])
    target = torch.where(mask[..., None], 1e3, 13.0).expand(2, 3, 2)
    result = model.loss(INPUTS, {"action": target, "padding_mask": mask})
    assert result.loss.item() == 1.0 and result.terms["action/l2"].item() == 1.0
    assert model.loss({**INPUTS, "action": target}, {"padding_mask": mask}).loss.item() == 1.0


def test_a_loss_of_ones_own():
    def loss_fn(model, outputs, inputs, targets):
        return LossResult(outputs["action"].sum() * targets["weight"])

    model = MLPModel(d(model_inputs=["ego"], model_output="action", loss_fn=loss_fn), SPEC)
    assert model.target_names == ()
    assert model.loss(INPUTS, {"weight": 0.0}).loss.item() == 0.0


def test_the_mlp_has_the_layers_asked_for():
    model = MLPModel(
        d(model_inputs=["ego"], model_output="action", mlp_size=7, mlp_depth=2, activation="tanh", dropout_p=0.5), SPEC
    )
    assert [type(layer).__name__ for layer in model.network] == ["Linear", "Tanh", "Dropout"] * 2 + ["Linear"]
    assert model.network[0].weight.shape == (7, 2) and model.network[-1].weight.shape == (2, 7)


@pytest.mark.parametrize(
    "cls, params",
    [
        (BasicModel, d(model_inputs=["ego"], model_output="action")),
        (BasicModel, d(model_inputs=["ego", "objects/position"], model_output="action", network=build_mlp_param_list(8, [4, 2]))),
        (MLPModel, d(model_inputs=["objects/position"], model_output="action", normalize_inputs=True, normalize_mode="min_max")),
        (
            MLPModel,
            d(model_inputs=["ego"], model_output="plan", out_size=4, loss_fn=lambda m, o, i, t: LossResult(o["plan"].mean())),
        ),
    ],
)
def test_the_contract_holds(cls, params):
    check_model(cls, params)


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: BasicModel(d(model_inputs=["ego"], model_output="plan", network=linear(3)), SPEC),
            "BasicModel.model_output: 'plan', which the spec does not know, and no out_size; expected a name of the spec, or out_size",
        ),
        (
            lambda: BasicModel(d(model_inputs=["objects/position"], model_output="action"), SPEC),
            "BasicModel.network: none, with 6 elements in and 2 out; expected a network",
        ),
        (
            lambda: MLPModel(d(model_inputs=["ego"], model_output="action", out_size=3), SPEC),
            "MLPModel.out_size: 3; expected 2, the elements of 'action' in the spec, or 0",
        ),
        (
            lambda: MLPModel(d(model_inputs=[], model_output="action"), SPEC),
            "MLPModel.model_inputs: empty; expected at least one name",
        ),
        (
            lambda: MLPModel(d(model_inputs=["ego"], model_output="action"), SPEC)({"eggo": INPUTS["ego"]}),
            "model input 'ego': missing (did you mean 'eggo'?); there are: eggo; expected all of input_names",
        ),
        (
            lambda: MLPModel(d(model_inputs=["ego"], model_output="action"), SPEC)({"ego": torch.zeros(4, 2)}),
            "model input 'ego': shape (4, 2); expected (B, H, 2)",
        ),
        (
            lambda: MLPModel(d(model_inputs=["ego"], model_output="action"), SPEC).loss(INPUTS, {"actions": 0}),
            "target 'action': missing (did you mean 'actions'?); expected a batch that holds it\n  try: add it to the dataset's batch_names_to_get",
        ),
    ],
)
def test_mistakes_are_told(call, message):
    with pytest.raises(ModelError) as error:
        call()
    assert str(error.value) == message


def test_an_unknown_input_is_told():
    from muse.specs.leaf import SpecError

    with pytest.raises(SpecError) as error:
        MLPModel(d(model_inputs=["eggo"], model_output="action"), EnvSpec.from_leaves([SPEC.leaf("ego"), SPEC.leaf("action")]))
    assert str(error.value) == "EnvSpec: unknown name 'eggo' (did you mean 'ego'?); expected one of ego, action"
