"""Encoders inside a policy: one path for pictures, whether they come from a file or from an env."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

import muse
from cfgs.model import vis_bc_rnn
from configs.helpers import load_base_config
from muse.datasets import NpDataset
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.models import ModelError
from muse.models.bc.action_decoders import RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.models.vision import VisionEncoder
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.controllers.point_mass import PointMassExpert
from muse.specs import EnvSpec, Statistics
from muse.testing.check_model import check_model
from muse.trainers.optimizers import SingleOptimizer
from muse.utils.abstract import build
from muse.utils.torch_utils import evaluation_mode


@pytest.fixture(scope="module")
def world():
    env = muse.make(PointMassEnv, d(imgs=True, img_width=32, img_height=32))
    yield env
    env.close()


def make(env_spec, **encoder):
    group = vis_bc_rnn.export & d(
        device="cpu", exp_name="", image_encoder=d(trunk="conv") & d(**encoder), action_decoder=d(hidden_size=16, exp_name="")
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(group, env_spec, where="model")


def test_the_contract_holds(world):
    model = make(world.env_spec)
    assert model.input_names == ("image",) and model.batch_names == ("image", "action")
    check_model(model)


def test_an_episode_looks_the_same_in_learning_and_in_acting(world):
    model = make(world.env_spec, crop_frac=0.8, color_jitter=[0.3, 0.3, 0.3, 0.05], noise_std=0.1)
    episode = muse.rollout(world, PointMassExpert(d(), world.env_spec), seed=3)
    steps = len(episode)
    data = NpDataset(d(horizon=steps, batch_size=1), world.env_spec)
    data.add_episode(episode)
    inputs, outputs = data.get_batch(np.array([0]), torch_device="cpu")
    assert inputs["image"].dtype == torch.uint8 and inputs["image"].shape == (1, steps, 32, 32, 3)
    with evaluation_mode(model), torch.no_grad():
        learnt = model.loss(inputs, outputs).outputs["action"][0].numpy()

    policy = GCBCPolicy(d(), world.env_spec)
    policy.reset_policy(np.array([True]), [0])
    obs, goal = world.reset(seed=3)
    acted = []
    for row in range(steps):
        with evaluation_mode(model):
            acted.append(policy.get_action(model, {"image": obs["image"][:, None]}, goal)["action"][0])
        obs, goal, _ = world.step({"action": episode.inputs["action"][None, row]})
    assert np.abs(np.clip(learnt, -1, 1) - acted).max() < 1e-5
    assert np.abs(np.diff(learnt, axis=0)).max() > 1e-4  # it does look at the pictures
    # While it learns the pictures do change, by the seed.
    torch.manual_seed(0)
    first = model.train().loss(inputs, outputs).loss
    torch.manual_seed(0)
    assert torch.equal(model.loss(inputs, outputs).loss, first) and not torch.equal(model.loss(inputs, outputs).loss, first)


IMAGES = [
    ("image", (16, 12, 3), (0, 255), np.uint8),
    ("ego", (2,), (-1, 1), np.float32),
    ("goal/image", (16, 12, 3), (0, 255), np.uint8),
    ("goal/ego", (2,), (-1, 1), np.float32),
    ("action", (2,), (-1, 1), np.float32),
]


def spec_of(goals=("goal/image",)):
    roles = d(observation_names=["image", "ego"], goal_names=list(goals), action_names=["action"])
    return EnvSpec(d(names_shapes_limits_dtypes=IMAGES) & roles)


def make_with_goals(env_spec, **params):
    """A policy that sees `image` with one encoder, its goal with another, and acts upon `ego` too."""
    encoder = d(cls=VisionEncoder, trunk="conv", img_embed_size=5)
    group = d(
        state_names=["ego"],
        use_goal=True,
        state_encoder_order=["image_encoder", "goal_encoder"],
        image_encoder=encoder,
        goal_encoder=encoder & d(model_inputs=["goal/image"], model_output="goal_embedding"),
        action_decoder=d(cls=RNNActionDecoder, hidden_size=8, policy_size=0),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BaseGCBC(group & d.from_dict(params), env_spec)


def draw(model, batch=2, horizon=3):
    rng, leaves = np.random.default_rng(0), [model.env_spec.leaf(name) for name in model.batch_names]
    shapes = {leaf: (batch, horizon, *leaf.shape) for leaf in leaves}
    return {leaf.name: torch.from_numpy(rng.uniform(leaf.low, leaf.high, shapes[leaf]).astype(leaf.dtype)) for leaf in leaves}


@pytest.mark.parametrize("states", [["ego"], ["ego", "image"]])
def test_a_picture_of_a_goal_goes_to_its_encoder_and_nowhere_else(states):
    model = make_with_goals(spec_of(), state_names=states, normalize_states=True)
    assert model["image_encoder"].input_names == ("image",) and model["goal_encoder"].input_names == ("goal/image",)
    assert model.action_decoder.input_names == ("ego", "img_embedding", "goal_embedding")
    assert set(model.input_names) == {"ego", "image", "goal/image"} and model.statistics_names == ("ego",)
    statistics = Statistics(*(np.full(2, value) for value in (0.0, 1.0, -1.0, 1.0)), 10)
    model.load_statistics({"ego": statistics})
    inputs = draw(model.eval())
    other = {**inputs, "goal/image": inputs["goal/image"].flip(3)}
    assert not torch.equal(model(inputs)["action"], model(other)["action"])


def test_the_last_picture_of_a_window_may_be_the_goal():
    model = make_with_goals(spec_of(goals=()), use_last_state_goal=True, state_names=["ego", "image"]).eval()
    assert model.action_decoder.input_names == ("ego", "img_embedding", "goal_embedding", "goal/ego")
    assert set(model.batch_names) == {"ego", "image", "action"}
    inputs = draw(model)
    goals = {f"goal/{name}": inputs[name][:, -1:].expand_as(inputs[name]) for name in ("ego", "image")}
    learnt = model.loss(inputs, {}).outputs["action"]
    assert torch.allclose(learnt, model({**inputs, **goals})["action"], atol=1e-6)


@pytest.mark.parametrize(
    ("goals", "params", "message"),
    [
        (
            ["goal/ego", "goal/image"],
            {"goal_encoder": {"model_inputs": ["image"]}},
            "BaseGCBC.use_goal: 'goal/image' is a picture that no encoder reads; expected an encoder with it among its model_inputs\n"
            "  try: goal_names without it",
        ),
        (
            ["goal/image"],
            {"goal_encoder": {"model_output": "img_embedding"}},
            "BaseGCBC: encoder 'goal_encoder': it writes 'img_embedding', which is what 'image_encoder' writes; "
            "expected a model_output of its own",
        ),
        (
            ["goal/image"],
            {"image_encoder": {"model_output": "ego", "img_embed_size": 2}},
            "BaseGCBC: encoder 'image_encoder': it writes 'ego', which is a state; expected a model_output of its own",
        ),
        (
            ["goal/image"],
            {"image_encoder": {"model_output": "action", "img_embed_size": 2}},
            "BaseGCBC: encoder 'image_encoder': it writes 'action', which is an action; expected a model_output of its own",
        ),
        (
            ["goal/image"],
            {"state_encoder_order": ["image_encoder", "goal_encoder", "image_encoder"]},
            "BaseGCBC: encoder 'image_encoder': it writes 'img_embedding', which is what 'image_encoder' writes; "
            "expected a model_output of its own",
        ),
    ],
)
def test_encoders_that_do_not_fit_together(goals, params, message):
    with pytest.raises(ModelError) as caught:
        make_with_goals(spec_of(goals), **params)
    assert str(caught.value) == message


def test_encoder_and_decoder_may_learn_at_rates_of_their_own(world):
    optimizer = SingleOptimizer(
        d(base_optimizer=d(cls=torch.optim.Adam, lr=1e-3), lr_factors=["image_encoder=0.1"]), make(world.env_spec)
    )
    assert sorted(optimizer.learning_rates) == pytest.approx([1e-4, 1e-3])


@pytest.mark.parametrize(
    "recipe, name",
    [
        ("cfgs/exp_point_mass/vis_bc_rnn.py", "point_mass/b32_h10_scripted_100_imgs_vis-conv-64_bc-l2_lstm-hs64-ps0"),
        (
            "cfgs/exp_hvs/square/bc_rnn_imgs.py",
            "hvsBlock3D/vis_b16_h10_scripted_square_30k_imgs_vis-resnet18-64_bc-nll-ns_lstm-hs400-ps0-pd5",
        ),
    ],
)
def test_the_recipes(recipe, name):
    _, root = load_base_config(recipe, [])
    assert root.get_exp_name() == name
