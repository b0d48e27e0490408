import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import ModelError, RnnModel
from muse.specs import EnvSpec
from muse.testing.check_model import check_model
from muse.utils.param_utils import build_mlp_param_list

SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[
            ("ego", (2,), (-1, 1), np.float32),
            ("objects/pose", (2, 3), (-1, 1), np.float64),
            ("count", (), (0, 9), np.int64),
            ("action", (2, 2), (-1, 1), np.float32),
        ],
        observation_names=["ego", "objects/pose", "count"],
        action_names=["action"],
    )
)
INPUTS = ["ego", "objects/pose", "count"]


def make(**params):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RnnModel(d(**{"model_inputs": INPUTS, "model_output": "action", "hidden_size": 16, **params}), SPEC)


def draw(batch, horizon):
    generator = torch.Generator().manual_seed(1)
    return {
        "ego": torch.randn(batch, horizon, 2, generator=generator),
        "objects/pose": torch.randn(batch, horizon, 2, 3, generator=generator, dtype=torch.float64),
        "count": torch.randint(0, 10, (batch, horizon), generator=generator),
    }


@pytest.mark.parametrize("rnn_type", ["lstm", "gru"])
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("grad", [False, True])
def test_one_row_at_a_time_equals_the_window(rnn_type, batch, grad):
    model, inputs = make(rnn_type=rnn_type), draw(batch, 12)
    with torch.set_grad_enabled(grad):
        window = model(inputs)["action"]
        memory = model.initial_memory(batch)
        rows = []
        for t in range(12):
            step = model({name: value[:, t : t + 1] for name, value in inputs.items()}, memory)
            memory = step["memory"]
            rows.append(step["action"])
    torch.testing.assert_close(torch.cat(rows, 1), window, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("rnn_type", ["lstm", "gru"])
def test_two_halves_of_a_window_equal_the_window(rnn_type):
    model, inputs = make(rnn_type=rnn_type), draw(3, 10)
    first = model({name: value[:, :4] for name, value in inputs.items()})
    second = model({name: value[:, 4:] for name, value in inputs.items()}, first["memory"])
    torch.testing.assert_close(torch.cat([first["action"], second["action"]], 1), model(inputs)["action"], atol=1e-5, rtol=1e-5)


def test_the_network_is_the_one_of_torch():
    model, inputs = make(rnn_type="lstm"), draw(3, 4)
    reference = torch.nn.LSTM(9, 16, 2, batch_first=True)
    reference.load_state_dict(model.recurrent_network.state_dict())
    x = torch.cat([inputs["ego"], inputs["objects/pose"].float().flatten(2), inputs["count"].float()[..., None]], -1)
    y, _ = reference(x)
    torch.testing.assert_close(model(inputs)["action"], model.network(y).reshape(3, 4, 2, 2))


@pytest.mark.parametrize("rnn_type", ["lstm", "gru"])
def test_reset_rows_begins_only_those(rnn_type):
    model, inputs = make(rnn_type=rnn_type), draw(3, 1)
    memory = model(draw(3, 5))["memory"]
    kept = {name: value.clone() for name, value in memory.items()}
    reset = model.reset_rows(memory, np.array([True, False, True]))
    for name in memory:
        assert torch.equal(memory[name], kept[name])
        assert not reset[name][[0, 2]].any() and torch.equal(reset[name][1], kept[name][1])
    torch.testing.assert_close(model(inputs, reset)["action"][[0, 2]], model(inputs)["action"][[0, 2]])


def test_memory_has_rows_first():
    model = make(rnn_type="lstm", rnn_depth=3)
    assert {name: value.shape for name, value in model.initial_memory(7).items()} == {"h": (7, 3, 16), "c": (7, 3, 16)}
    assert {name: value.shape for name, value in model(draw(7, 2))["memory"].items()} == {"h": (7, 3, 16), "c": (7, 3, 16)}


def test_a_bidirectional_model_has_no_memory():
    model = make(bidirectional=True, rnn_depth=1, dropout_p=0.1)
    assert model.initial_memory(2) is None
    outputs = model(draw(2, 4))
    assert set(outputs) == {"action"}
    with pytest.raises(ModelError) as error:
        model(draw(2, 4), {"h": torch.zeros(2, 1, 16)})
    assert str(error.value) == "RnnModel: a memory; expected none: a bidirectional model cannot go on from one"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("hidden_size", 0, "1 or more"),
        ("rnn_depth", 0, "1 or more"),
        ("dropout_p", 1.5, "0 or more, and less than 1"),
        ("dropout_p", -0.1, "0 or more, and less than 1"),
    ],
)
def test_sizes_that_are_none_are_told(option, value, expected):
    with pytest.raises(ModelError) as error:
        make(**{option: value})
    assert str(error.value) == f"RnnModel.{option}: {value}; expected {expected}"


def test_memory_of_other_rows_is_told():
    with pytest.raises(ModelError) as error:
        make()(draw(2, 1), make().initial_memory(3))
    assert str(error.value) == "RnnModel: memory: 3 rows; expected 2, as the inputs have"


def test_a_network_of_ones_own_follows():
    model = make(network=build_mlp_param_list(16, [8, 4], "tanh"))
    assert len(model.network) == 3 and model(draw(2, 3))["action"].shape == (2, 3, 2, 2)


def test_bfloat16_autocast_trains():
    model, inputs = make(rnn_type="lstm"), draw(4, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = model.loss(inputs, {"action": torch.zeros(4, 5, 2, 2)})
    result.loss.backward()
    assert result.loss.dtype == torch.float32 and torch.isfinite(model.recurrent_network.weight_ih_l0.grad).all()


@pytest.mark.parametrize("params", [d(rnn_type="lstm"), d(rnn_type="gru", normalize_inputs=True), d(bidirectional=True)])
def test_the_contract_holds(params):
    check_model(RnnModel, d(model_inputs=["ego", "objects/position"], model_output="action", hidden_size=8) & params)
