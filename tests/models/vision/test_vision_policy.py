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
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.controllers.point_mass import PointMassExpert
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
