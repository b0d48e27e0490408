"""GCBCPolicy: when it forgets, what it reads, what may change its action."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.models.bc.action_decoders import RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.goal_policies import ConstantGoalPolicy
from muse.policies.policy import PolicyError
from muse.rollouts import run_episodes
from muse.testing import FakeModel

SPEC = make_env_spec(PointMassEnv, d(num_obstacles=3))


def vector(num_envs):
    return VectorEnv(d(num_envs=num_envs), d(cls=PointMassEnv, num_obstacles=3), SPEC)


def bc_rnn(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = d(cls=RNNActionDecoder, rnn_type="lstm", hidden_size=16, policy_size=0, use_policy_dist=True)
        return BaseGCBC(d(action_decoder=decoder, **options), SPEC).eval()


def counts_of(params, steps):
    """Rows of the memory, as FakeModel counts them, before each step."""
    model, counts = FakeModel(d(recurrent=True), SPEC), []
    original = model.forward

    def forward(inputs, memory=None):
        counts.append(int(memory["count"][0, 0]))
        return original(inputs, memory)

    model.forward = forward
    policy = GCBCPolicy(d(params), SPEC)
    policy.reset_policy(np.ones(1, dtype=bool))
    obs = {name: np.zeros((1, 1, *SPEC.leaf(name).shape), np.float32) for name in SPEC.observation_names}
    for _ in range(steps):
        policy.get_action(model, obs, {})
    return counts


@pytest.mark.parametrize(
    ("params", "counts"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"replan_horizon": 3}, [0, 1, 2, 0, 1, 2, 0]),
        ({"recurrent": False}, [0] * 7),
    ],
)
def test_when_the_memory_is_flushed(params, counts):
    assert counts_of(params, 7) == counts


def test_flushing_gives_what_windows_of_training_give():
    """With replan_horizon = H the actions are those of the episode cut into windows of H rows."""
    model = bc_rnn()
    episode = run_episodes(vector(1), GCBCPolicy(d(replan_horizon=5, timeout=20, sample=False), SPEC), model, [3])[0]
    rows = {name: torch.from_numpy(episode.inputs[name]).reshape(4, 5, *SPEC.leaf(name).shape) for name in model.input_names}
    with torch.no_grad():
        actions = model(rows)["action"].reshape(20, 2).numpy()
    np.testing.assert_allclose(episode.inputs["action"], np.clip(actions, -1, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sample", [True, False])
def test_one_env_and_four_give_the_same_episodes(sample):
    model = bc_rnn()
    policy = GCBCPolicy(d(sample=sample, timeout=30, replan_horizon=7), SPEC)
    for one, other in zip(*(run_episodes(vector(n), policy, model, [1, 2, 3, 4, 5, 6]) for n in (1, 4)), strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(one.inputs["action"], other.inputs["action"], rtol=1e-3, atol=1e-4)


def test_the_action_may_be_changed_before_it_is_clipped():
    seen = []

    def postproc(model, obs, goal, action):
        seen.append(action["action"].shape)
        return {"action": action["action"] * 0 + 5, "note": np.ones((2, 1))}

    policy = GCBCPolicy(d(online_action_postproc_fn=postproc), SPEC)
    policy.reset_policy(np.ones(2, dtype=bool))
    obs = {name: np.zeros((2, 1, *SPEC.leaf(name).shape), np.float32) for name in SPEC.observation_names}
    action = policy.get_action(bc_rnn(), obs, {})
    assert seen == [(2, 2)] and (action["action"] == 1).all() and action["action"].dtype == np.float32


def test_goals_reach_the_model():
    model = bc_rnn(use_goal=True, use_last_state_goal=True, state_names=["ego"])
    spec = model.env_spec
    env = VectorEnv(d(num_envs=2), d(cls=PointMassEnv, num_obstacles=3), SPEC)
    goals = [ConstantGoalPolicy(d(goal={"goal/ego": [x, x]}), spec, is_goal=True) for x in (0.1, 0.9)]
    actions = [
        run_episodes(env, GCBCPolicy(d(timeout=1), spec), model, [1], goal_policy=goal)[0].inputs["action"] for goal in goals
    ]
    assert not np.allclose(*actions)


def test_misuse_is_told():
    with pytest.raises(PolicyError) as error:
        GCBCPolicy(d(replan_horizon=-1), SPEC)
    assert str(error.value) == "GCBCPolicy: option 'replan_horizon': -1; expected steps, or 0 for never"
    with pytest.raises(PolicyError) as error:
        GCBCPolicy(d(policy_out_names=["ego"]), SPEC)
    assert str(error.value) == (
        "GCBCPolicy: option 'policy_out_names': ego: no 'action'; expected action\n"
        "  try: name every output, or give an online_action_postproc_fn that makes the rest"
    )
    policy = GCBCPolicy(d(), SPEC)
    policy.reset_policy(np.ones(1, dtype=bool))
    with pytest.raises(PolicyError) as error:
        policy.get_action(FakeModel(d(), SPEC), {"egg": np.zeros((1, 1, 2), np.float32)}, {})
    assert str(error.value).startswith(
        "GCBCPolicy.get_action: 'ego': neither in the observation nor in the goal (did you mean 'egg'?); expected what the model reads"
    )


def test_a_broken_model_is_told():
    model = FakeModel(d(), SPEC)
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    policy = GCBCPolicy(d(), SPEC)
    policy.reset_policy(np.ones(2, dtype=bool))
    obs = {name: np.zeros((2, 1, *SPEC.leaf(name).shape), np.float32) for name in SPEC.observation_names}
    with pytest.raises(PolicyError) as error:
        policy.get_action(model, obs, {})
    assert str(error.value) == (
        "GCBCPolicy: 'action': NaN or infinity in row 0; expected finite numbers\n"
        "  try: look at the observation and at the model's loss"
    )


def test_torch_is_left_as_it_was():
    policy = GCBCPolicy(d(), SPEC)
    policy.reset_policy(np.ones(1, dtype=bool))
    obs = {name: np.zeros((1, 1, *SPEC.leaf(name).shape), np.float32) for name in SPEC.observation_names}
    model = bc_rnn()
    action = policy.get_action(model, obs, {})["action"]
    assert torch.backends.mkldnn.enabled and torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert action.flags.writeable
    assert all(parameter.grad is None and not parameter.is_inference() for parameter in model.parameters())


def test_a_model_may_be_moved_between_steps():
    policy = GCBCPolicy(d(), SPEC)
    policy.reset_policy(np.ones(1, dtype=bool))
    obs = {name: np.zeros((1, 1, *SPEC.leaf(name).shape), np.float32) for name in SPEC.observation_names}
    model = FakeModel(d(), SPEC)
    policy.get_action(model, obs, {})
    model.to("meta")
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        policy.get_action(model, obs, {})
