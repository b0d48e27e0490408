import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import BasicModel, ModelError, RnnModel, StatisticsError
from muse.models.bc.action_decoders import MLPActionDecoder, RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.models.heads import CategoricalHead, DeterministicHead, GaussianHead, GaussianMixtureHead
from muse.specs import EnvSpec, Statistics
from muse.testing.check_model import check_model

LEAVES = [
    ("ego", (2,), (-5, 5), np.float32, "m"),
    ("objects/position", (2, 3), (-np.inf, np.inf), np.float32, "m"),
    ("touching", (1,), (0, 1), bool),
    ("image", (8, 8, 3), (0, 255), np.uint8),
    ("goal/ego", (2,), (-5, 5), np.float32, "m"),
    ("action", (2,), (-1, 1), np.float32),
    ("force", (1,), (-4, 2), np.float32, "N"),
    ("grip", (), (0, 2), np.int64),
]


def spec(observations=("ego", "objects/position", "touching", "image"), goals=("goal/ego",), actions=("action",)):
    return EnvSpec(
        d(
            names_shapes_limits_dtypes=LEAVES,
            observation_names=list(observations),
            goal_names=list(goals),
            action_names=list(actions),
        )
    )


def decoder(cls=RNNActionDecoder, **params):
    small = d(hidden_size=8, policy_size=0) if cls is RNNActionDecoder else d(mlp_size=8, mlp_depth=1)
    return d(cls=cls) & small & d(**params)


def make(env_spec=None, decoder_params=None, **params):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BaseGCBC(d(action_decoder=decoder_params or decoder(), **params), env_spec or spec())


def draw(model, batch=3, horizon=4, names=None):
    rng = np.random.default_rng(0)
    values = {}
    for name in names or model.batch_names:
        leaf = model.env_spec.leaf(name)
        low, high = np.maximum(leaf.low, -3), np.minimum(leaf.high, 3)
        values[name] = torch.from_numpy(rng.uniform(low, high, (batch, horizon, *leaf.shape)).round().astype(leaf.dtype))
    return values


def statistics_of(names, env_spec, mean=1.0, std=2.0):
    return {
        n: Statistics(*(np.full(env_spec.leaf(n).shape, v) for v in (mean, std, mean - 2 * std, mean + 2 * std)), 10)
        for n in names
    }


HEADS = [
    d(),
    d(policy_loss="l1", use_tanh_out=True),
    d(use_policy_dist=True),
    d(use_policy_dist=True, policy_num_mix=3, use_tanh_out=True),
    d(use_policy_dist=True, policy_num_mix=3, use_policy_dist_mean=True),
    d(normalize_actions=True, use_tanh_out=True),
    d(normalize_actions=True, normalize_mode="mean_std", use_policy_dist=True),
]


@pytest.mark.parametrize("cls", [RNNActionDecoder, MLPActionDecoder])
@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("actions", [("action",), ("force", "action", "grip"), ("grip",)], ids=str)
def test_the_contract_holds(cls, head, actions):
    check_model(BaseGCBC, d(action_decoder=decoder(cls) & head), spec(actions=actions))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("head", HEADS, ids=str)
def test_the_contract_holds_on_an_accelerator(head):
    params = d(device="cuda", use_goal=True, normalize_states=True, action_decoder=decoder() & head)
    check_model(BaseGCBC, params, spec(actions=("force", "action", "grip")))


@pytest.mark.parametrize(
    "params",
    [
        d(normalize_states=True),
        d(use_goal=True),
        d(use_goal=True, normalize_states=True, normalize_mode="min_max"),
        d(use_goal=True, use_last_state_goal=True, normalize_states=True),
    ],
    ids=str,
)
def test_the_contract_holds_with_goals_and_normalisation(params):
    check_model(BaseGCBC, d(action_decoder=decoder()) & params, spec())


def test_names_left_out_come_from_the_spec_but_images():
    model = make()
    assert model.input_names == ("ego", "objects/position", "touching")
    assert model.output_names == model.target_names == ("action",)
    assert model.batch_names == ("ego", "objects/position", "touching", "action")
    assert model["action_decoder/decoder"].in_size == 9


@pytest.mark.parametrize(
    "params, actions, heads",
    [
        (d(), ("action",), [DeterministicHead]),
        (d(use_policy_dist=True), ("action",), [GaussianHead]),
        (d(use_policy_dist=True, policy_num_mix=2), ("action", "grip"), [GaussianMixtureHead, CategoricalHead]),
        (d(), ("grip",), [CategoricalHead]),
        (d(discrete_actions=False), ("grip",), [DeterministicHead]),
        (d(head=d(cls=GaussianHead, policy_sig_min=0.5)), ("action",), [GaussianHead]),
    ],
    ids=str,
)
def test_the_options_choose_the_head(params, actions, heads):
    model = make(spec(actions=actions), decoder() & params)
    assert [type(head) for head in model.action_decoder.heads] == heads


def test_policy_size_shapes_the_layers_after_the_rnn():
    def sizes(**params):
        network = make(decoder_params=decoder() & d(**params))["action_decoder/decoder"].network
        return [layer.out_features for layer in network if hasattr(layer, "out_features")]

    assert sizes(policy_size=0) == [2]
    assert sizes(policy_size=5) == [5, 5, 2]
    assert sizes(policy_size=None) == [8, 8, 2]


def test_the_square_policy_has_two_million_parameters():
    shapes = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 14, "action": 7}
    env_spec = EnvSpec(
        d(
            names_shapes_limits_dtypes=[(name, (size,), (-1, 1), np.float32) for name, size in shapes.items()],
            observation_names=list(shapes)[:4],
            action_names=["action"],
        )
    )
    model = make(env_spec, decoder(hidden_size=400, rnn_type="lstm", use_tanh_out=True))
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_966_007


def test_actions_leave_within_the_limits_of_the_spec():
    model = make(spec(actions=("action", "force", "grip")), decoder(use_tanh_out=True))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1000.0)
        outputs = model(draw(model, 50))
    for name in ("action", "force", "grip"):
        leaf = model.env_spec.leaf(name)
        assert outputs[name].min() >= leaf.low.min() and outputs[name].max() <= leaf.high.max()
    assert outputs["force"].min() < -3.9 and outputs["force"].max() > 1.9
    assert outputs["grip"].dtype == torch.int64


def test_the_loss_is_the_mean_square_over_rows_that_count():
    model, inputs = make(), {}
    inputs = draw(model)
    mask = torch.zeros(3, 4, dtype=torch.bool)
    mask[1, 2:] = True
    result = model.loss(inputs, {"padding_mask": mask})
    error = (model(inputs)["action"] - inputs["action"]).square().mean(-1)
    torch.testing.assert_close(result.loss, error[~mask].mean())
    assert set(result.terms) == {"policy_loss/l2", "policy_error/action"}
    absolute = (model(inputs)["action"] - inputs["action"]).abs().mean(-1)
    torch.testing.assert_close(result.terms["policy_error/action"], absolute[~mask].mean())


def test_normalised_actions_are_learnt_on_their_scale_and_leave_in_units():
    model = make(spec(actions=("force",)), decoder(normalize_actions=True))
    model.load_statistics(statistics_of(["force"], model.env_spec))
    inputs = draw(model)
    force = model(inputs)["force"]
    expected = ((force - inputs["force"]) / 4.0).square().mean()
    torch.testing.assert_close(model.loss(inputs, {}).loss, expected)


def test_states_are_normalised_and_goals_as_their_states_are():
    model = make(use_goal=True, normalize_states=True)
    assert model.statistics_names == ("ego", "objects/position")
    inputs = draw(model)
    with pytest.raises(StatisticsError):
        model(inputs)
    model.load_statistics(statistics_of(model.statistics_names, model.env_spec))
    plain = make(use_goal=True)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if not name.startswith("normalizer")})
    scaled = {
        name: (value - 1) / 2 if name in ("ego", "objects/position", "goal/ego") else value for name, value in inputs.items()
    }
    torch.testing.assert_close(model(inputs)["action"], plain(scaled)["action"])


def test_the_last_state_of_the_window_is_the_goal_in_training():
    model = make(use_goal=True, use_last_state_goal=True, state_names=["ego"])
    assert model.goal_names == ("goal/ego",) and model.input_names == ("ego", "goal/ego")
    assert model.batch_names == ("ego", "action")
    inputs = draw(model)
    with_goal = {**inputs, "goal/ego": inputs["ego"][:, -1:].expand(-1, 4, -1)}
    error = (model(with_goal)["action"] - inputs["action"]).square().mean()
    torch.testing.assert_close(model.loss(inputs, {}).loss, error)
    other = {**inputs, "goal/ego": torch.full((3, 4, 2), 99.0)}
    torch.testing.assert_close(model.loss(other, {}).loss, error)


def test_goals_change_the_action():
    model = make(use_goal=True)
    inputs = draw(model)
    assert model.input_names[-1] == "goal/ego" and "goal/ego" in model.batch_names
    assert not torch.equal(model(inputs)["action"], model({**inputs, "goal/ego": inputs["goal/ego"] + 1})["action"])


def test_goals_that_the_spec_lacks_are_added_to_it():
    env_spec = EnvSpec(d(names_shapes_limits_dtypes=LEAVES[:2] + LEAVES[5:6], observation_names=["ego"], action_names=["action"]))
    model = make(env_spec, use_goal=True, use_last_state_goal=True)
    leaf = model.env_spec.leaf("goal/ego")
    assert leaf.shape == (2,) and leaf.role == "goal" and "goal/ego" not in env_spec


def test_only_goals_that_the_data_must_hold_are_asked_for():
    env_spec = EnvSpec(d(names_shapes_limits_dtypes=LEAVES[:2] + LEAVES[5:6], observation_names=["ego"], action_names=["action"]))
    encoder = d(cls=BasicModel, model_inputs=["ego"], model_output="proprio")
    group = d(use_goal=True, goal_names=["goal/ego"], state_encoder_order=["encoder"], encoder=encoder, action_decoder=decoder())
    assert [leaf.name for leaf in BaseGCBC.get_spec_leaves(group, env_spec)] == ["goal/ego"]
    assert BaseGCBC.get_spec_leaves(group & d(use_last_state_goal=True), env_spec) == []


def test_encoders_come_before_the_decoder():
    encoder = d(cls=BasicModel, model_inputs=["ego", "touching"], model_output="proprio")
    rnn = d(cls=RnnModel, model_inputs=["proprio"], model_output="belief", out_size=5, hidden_size=3)
    model = make(state_names=["objects/position"], state_encoder_order=["proprio", "belief"], proprio=encoder, belief=rnn)
    assert model.input_names == ("ego", "touching", "objects/position")
    assert model.action_decoder.input_names == ("objects/position", "proprio", "belief")
    assert model["belief"].in_size == 3 and "belief" in model and "nothing" not in model
    inputs = draw(model)
    outputs = model(inputs)
    assert set(outputs) == {"action", "memory"} and set(outputs["memory"]) == {"belief", "action_decoder"}
    reset = model.reset_rows(outputs["memory"], np.array([True, False, False]))
    assert not reset["belief"]["h"][0].any() and not reset["action_decoder"]["h"][0].any()


def test_an_encoder_of_images():
    class MeanColour(BasicModel):
        def forward(self, inputs, memory=None):
            return {self.model_output: inputs["image"].float().mean((2, 3)) / 255.0}

    encoder = d(cls=MeanColour, model_inputs=["image"], model_output="colour", out_size=3, network=[])
    model = make(state_names=[], state_encoder_order=["vision"], vision=encoder)
    assert model.input_names == ("image",)
    assert model(draw(model))["action"].shape == (3, 4, 2)


def test_noise_draws_and_its_absence_does_not():
    model = make(decoder_params=decoder(use_policy_dist=True, policy_num_mix=2))
    inputs = draw(model)
    assert model.noise_size == 3
    mean = model(inputs)["action"]
    zero = model({**inputs, "noise": torch.zeros(3, 4, 3)})["action"]
    drawn = model({**inputs, "noise": torch.ones(3, 4, 3)})["action"]
    assert torch.equal(mean, model(inputs)["action"]) and not torch.equal(zero, drawn)
    still = make(decoder_params=decoder(use_policy_dist=True, policy_num_mix=2, use_policy_dist_mean=True))
    assert still.noise_size == 0 and torch.equal(still(inputs)["action"], mean)


def test_nested_batches_are_read_too():
    model = make()
    inputs = draw(model)
    assert torch.equal(model(d.from_dict(inputs))["action"], model(inputs)["action"])
    assert torch.equal(model.loss(d.from_dict(inputs), d()).loss, model.loss(inputs, {}).loss)


def test_functions_before_and_after_run_once():
    model = make(
        preproc_fn=lambda inputs: {**inputs, "ego": inputs["ego"] + 1},
        postproc_fn=lambda inputs, outputs: {**outputs, "action": outputs["action"] * 0},
    )
    plain, inputs = make(), draw(make())
    assert not model(inputs)["action"].any()
    moved = {**inputs, "ego": inputs["ego"] + 1}
    result = model.loss(inputs, {})
    torch.testing.assert_close(result.loss, plain.loss(moved, {}).loss)
    assert not result.outputs["action"].any()


def test_a_bfloat16_step_is_finite():
    model = make(spec(actions=("action", "grip")), decoder(MLPActionDecoder, use_policy_dist=True, policy_num_mix=3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = model.loss(draw(model), {})
    result.loss.backward()
    assert result.loss.dtype == torch.float32
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_recurrent_steps_equal_the_window():
    model = make(decoder_params=decoder(rnn_type="lstm"), normalize_states=True)
    model.load_statistics(statistics_of(model.statistics_names, model.env_spec))
    inputs, memory = draw(model, 5, 10), model.initial_memory(5)
    with torch.no_grad():
        window = model(inputs)["action"]
        for t in range(10):
            step = model({name: value[:, t : t + 1] for name, value in inputs.items()}, memory)
            memory = step["memory"]
            torch.testing.assert_close(step["action"], window[:, t : t + 1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: make(use_last_state_goal=True), "BaseGCBC.use_last_state_goal: true without use_goal; expected use_goal=True too"),
        (
            lambda: make(spec(goals=()), use_goal=True),
            "BaseGCBC.use_goal: true, and the spec has no goals; expected goal_names, or use_last_state_goal=True",
        ),
        (
            lambda: make(use_goal=True, goal_names=["target"]),
            "BaseGCBC.goal_names: 'target', which the spec does not know; expected a name of the spec, or 'goal/<name>' of one",
        ),
        (
            lambda: make(use_goal=True, use_last_state_goal=True, goal_names=["goal/reward"], state_names=["ego"]),
            "BaseGCBC.goal_names: 'goal/reward' with use_last_state_goal; expected 'goal/<name>' of a state: ego",
        ),
        (lambda: make(spec(observations=("image",))), "BaseGCBC.state_names: none, and no encoder; expected at least one observation to act upon"),
        (lambda: make(spec(actions=())), "RNNActionDecoder.action_names: none; expected at least one action in the spec"),
        (
            lambda: make(decoder_params=decoder(use_tanh_out=True, normalize_actions=True, normalize_mode="mean_std")),
            "RNNActionDecoder.use_tanh_out: a tanh over actions normalised by mean and deviation cuts off what is beyond one deviation; "
            "expected normalize_mode 'min_max', or no tanh",
        ),
        (
            lambda: make(spec(actions=("objects/position",), observations=("ego",)), decoder(use_tanh_out=True)),
            "spec leaf 'objects/position': no finite limits; expected limits to map to [-1, 1]",
        ),
        (
            lambda: make(use_goal=True, state_names=["ego"])({"ego": torch.zeros(1, 1, 2)}),
            "model input 'goal/ego': missing; there are: ego; expected all of input_names\n  try: an environment or a goal policy that gives it",
        ),
        (
            lambda: make(state_encoder_order=["vision"]),
            "BaseGCBC/vision: missing; expected a group with 'cls', or a model",
        ),
        (
            lambda: BaseGCBC(d(), spec()),
            "BaseGCBC/action_decoder: missing; expected a group with 'cls', or a model",
        ),
        (
            lambda: make()["action_decoder/decodr"],
            "BaseGCBC['action_decoder/decodr']: no model 'decodr' (did you mean 'decoder'?); expected one of decoder",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_told(call, message):
    with pytest.raises(ModelError) as error:
        call()
    assert str(error.value) == message


def test_an_undeclared_option_of_the_decoder_is_told_with_its_path():
    from muse.utils.errors import MuseError

    with pytest.raises(MuseError) as error:
        RNNActionDecoder(d(hiden_size=3), spec())
    assert "no option 'hiden_size' (did you mean 'hidden_size'?)" in str(error.value)
