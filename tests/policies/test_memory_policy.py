"""MemoryPolicy and BasicPolicy: what the function is given, and whose memory is whose."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.models.model import Model
from muse.models.rnn_model import RnnModel
from muse.policies.basic_policy import BasicPolicy
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.memory_policy import MemoryPolicy, forward_inputs
from muse.policies.policy import PolicyError
from muse.rollouts import run_episodes
from muse.testing import FakeModel

SPEC = make_env_spec(PointMassEnv, d(num_obstacles=3))


def vector(num_envs):
    return VectorEnv(d(num_envs=num_envs), d(cls=PointMassEnv, num_obstacles=3), SPEC)


def rnn(rnn_type="lstm"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        names = ["ego", "target"]
        return RnnModel(d(model_inputs=names, model_output="action", rnn_type=rnn_type, hidden_size=16), SPEC).eval()


def observation(rows, seed=0):
    rng = np.random.default_rng(seed)
    names = (*SPEC.observation_names, *SPEC.param_names)
    return {name: rng.uniform(0, 1, (rows, 1, *SPEC.leaf(name).shape)).astype(np.float32) for name in names}


def begin(policy, rows, seeds=None):
    policy.reset_policy(np.ones(rows, dtype=bool), seeds)
    return policy


def test_the_function_gets_tensors_of_everything():
    seen = {}

    def forward(model, obs, goal, memory):
        seen.update(obs=obs, goal=goal, memory=memory)
        return {"action": 3 * obs["ego"], "memory": {"count": memory["count"] + 1}}

    policy = begin(MemoryPolicy(d(policy_model_forward_fn=forward), SPEC), 2)
    obs = observation(2)
    action = policy.get_action(FakeModel(d(recurrent=True), SPEC), obs, {"extra": np.ones((2, 1, 3))})
    np.testing.assert_array_equal(action["action"], np.clip(3 * obs["ego"][:, 0], -1, 1))
    assert set(seen["obs"]) == set(obs) and set(seen["goal"]) == {"extra"}
    assert all(isinstance(value, torch.Tensor) for value in (*seen["obs"].values(), *seen["goal"].values()))
    assert not seen["memory"]["count"].any()
    policy.get_action(FakeModel(d(recurrent=True), SPEC), obs, {})
    assert seen["memory"]["count"].tolist() == [[0.0], [0.0]], "another model's memory is not used"


def test_the_memory_is_kept_and_rows_are_reset():
    counts = []

    def forward(model, obs, goal, memory):
        counts.append(memory["count"][:, 0].tolist())
        return forward_inputs(model, obs, goal, memory)

    policy, model = begin(MemoryPolicy(d(policy_model_forward_fn=forward), SPEC), 3), FakeModel(d(recurrent=True), SPEC)
    for t in range(4):
        if t == 2:
            policy.reset_policy(np.array([False, True, False]))
        policy.get_action(model, observation(3), {})
    assert counts == [[0, 0, 0], [1, 1, 1], [2, 0, 2], [3, 1, 3]]


@pytest.mark.parametrize("rnn_type", ["lstm", "gru"])
def test_it_acts_as_gcbc_does(rnn_type):
    model = rnn(rnn_type)
    runs = [run_episodes(vector(3), cls(d(timeout=20), SPEC), model, [1, 2, 3, 4]) for cls in (MemoryPolicy, GCBCPolicy)]
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one.inputs["action"], other.inputs["action"])


def test_recurrent_actions_are_those_of_the_whole_window():
    model = rnn()
    episode = run_episodes(vector(1), MemoryPolicy(d(timeout=25), SPEC), model, [5])[0]
    with torch.no_grad():
        window = model({name: torch.from_numpy(episode.inputs[name])[None] for name in model.input_names})["action"][0].numpy()
    np.testing.assert_allclose(episode.inputs["action"], np.clip(window, -1, 1), rtol=1e-4, atol=1e-5)


def test_a_basic_policy_remembers_nothing():
    model = rnn()
    episode = run_episodes(vector(1), BasicPolicy(d(timeout=10), SPEC), model, [5])[0]
    assert len(episode) == 10 and episode.truncated
    with torch.no_grad():
        rows = model({name: torch.from_numpy(episode.inputs[name])[:, None] for name in model.input_names})["action"][:, 0]
    np.testing.assert_allclose(episode.inputs["action"], np.clip(rows.numpy(), -1, 1), rtol=1e-4, atol=1e-5)


def test_noise_comes_only_when_asked_for_and_drawn():
    def seen_by(cls, sample, draws):
        names = []

        def forward(model, obs, goal, *memory):
            names.extend(obs)
            return forward_inputs(model, obs, goal)

        policy = begin(cls(d(policy_model_forward_fn=forward, sample=sample), SPEC), 2, [1, 2])
        policy.get_action(FakeModel(d(draws=draws), SPEC), observation(2), {})
        return "noise" in names

    for cls in (MemoryPolicy, BasicPolicy):
        assert [seen_by(cls, sample, draws) for sample in (True, False, None) for draws in (True, False)] == [
            True, False, False, False, True, False,
        ]  # fmt: skip


def test_sampling_depends_on_the_seed_alone():
    model = FakeModel(d(draws=True), SPEC)
    policy = MemoryPolicy(d(sample=True), SPEC)
    obs = observation(2)
    obs = {name: np.repeat(value[:1], 2, axis=0) for name, value in obs.items()}
    one = begin(policy, 2, [7, 8]).get_action(model, obs, {})["action"]
    other = begin(policy, 2, [8, 7]).get_action(model, obs, {})["action"]
    assert not np.allclose(one[0], one[1])
    np.testing.assert_allclose(one, other[::-1], rtol=1e-5)


def test_it_may_end_an_episode():
    def ended(model, obs, goal, memory):
        return np.array([memory["count"][0, 0].item() >= 3, False])

    policy = begin(MemoryPolicy(d(is_terminated_fn=ended), SPEC), 2)
    model, obs = FakeModel(d(recurrent=True), SPEC), observation(2)
    answers = []
    for _ in range(3):
        policy.get_action(model, obs, {})
        answers.append(policy.is_terminated(model, obs, {}).tolist())
    assert answers == [[False, False], [False, False], [True, False]]


class Forgetful(FakeModel):
    """Returns a memory, but cannot reset its rows."""

    reset_rows = Model.reset_rows


def not_a_mapping(model, obs, goal, memory):
    return obs["ego"]


MISUSES = {
    "MemoryPolicy.get_action: no model; expected the model to act with": (d(), None, 0),
    "MemoryPolicy.get_action: the model returns no 'action' (did you mean 'acton'?); expected one of: acton": (
        d(policy_model_forward_fn=lambda model, obs, goal, memory: {"acton": obs["ego"]}), FakeModel(d(), SPEC), 0
    ),
    "MemoryPolicy: a model's output that is a Tensor; expected a mapping of outputs by name": (
        d(policy_model_forward_fn=not_a_mapping), FakeModel(d(), SPEC), 0
    ),
    "MemoryPolicy: 'action': shape (2, 1, 3, 2); expected shape (2, 2)": (
        d(policy_model_forward_fn=lambda model, obs, goal, memory: {"action": obs["objects/position"]}), FakeModel(d(), SPEC), 0
    ),
    "MemoryPolicy: memory: Forgetful cannot reset the rows of a memory one by one; expected a model with initial_memory and "
    "reset_rows, or one env": (d(), Forgetful(d(recurrent=True), SPEC), 1),
    "MemoryPolicy: is_terminated_fn: shape () bool; expected shape (2,) bool": (
        d(is_terminated_fn=lambda *a: True), FakeModel(d(), SPEC), 0
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", MISUSES)
def test_misuse_is_told(message):
    params, model, steps = MISUSES[message]
    policy = begin(MemoryPolicy(params, SPEC), 2)
    with pytest.raises(PolicyError) as error:
        for _ in range(steps):
            policy.get_action(model, observation(2), {})
            policy.reset_policy(np.array([True, False]))
        policy.get_action(model, observation(2), {})
        policy.is_terminated(model, observation(2), {})
    assert str(error.value).startswith(message)


def test_a_missing_input_is_told():
    policy = begin(MemoryPolicy(d(), SPEC), 1)
    obs = {name: value for name, value in observation(1).items() if name != "target"}
    with pytest.raises(PolicyError) as error:
        policy.get_action(rnn(), obs, {})
    assert str(error.value) == (
        "forward_inputs: 'target': neither in the observation nor in the goal; expected what the model reads: ego, target\n"
        "  try: compare the model's names with the env's spec"
    )
