"""Acting through a server is acting."""

import gc

import numpy as np
import pytest
from attrdict import AttrDict as d
from served import SPEC, make_policy
from test_server import wait_until

from configs.helpers import load_base_config
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.policy import PolicyError
from muse.rollouts.loop import run_episodes
from muse.serving.client import ConnectError
from muse.serving.protocol import ConnectionLostError, ServingError
from muse.serving.remote_policy import RemotePolicy
from muse.serving.server import PolicyServer
from muse.specs import EnvSpec
from muse.testing import check_policy
from muse.utils.abstract import build


@pytest.fixture
def envs():
    env = VectorEnv(d(num_envs=3), d(cls=PointMassEnv, num_steps=30), SPEC)
    yield env
    env.close()


def test_episodes_are_those_of_the_policy_itself(model, port, envs):
    seeds = list(range(7))
    here = run_episodes(envs, make_policy(), model, seeds)
    there = run_episodes(envs, RemotePolicy(d(port=port), SPEC), None, seeds)
    for one, other in zip(here, there, strict=True):
        assert (len(one), one.success, one.seed) == (len(other), other.success, other.seed)
        for name in ("ego", "action"):
            assert np.allclose(one.inputs[name], other.inputs[name], atol=1e-5)


def test_it_keeps_the_contract(model):
    # It builds dozens of them, whose connections end when they are collected.
    with PolicyServer(make_policy, model, SPEC, max_clients=200) as server:
        check_policy(RemotePolicy(d(port=int(server.listen(port=0).split(":")[1]), timeout=4), SPEC))


def test_chunks(port):
    policy = RemotePolicy(d(port=port), SPEC)
    policy.reset_policy(np.ones(2, bool), [1, 2])
    obs = {name: value[:, None] for name, value in SPEC.get_uniform(SPEC.observation_names, 2, np.random.default_rng(0)).items()}
    chunk = policy.get_action_chunk(None, obs, {})["action"]
    policy.reset_policy(np.ones(2, bool), [1, 2])
    assert chunk.shape == (2, 1, 2) and np.array_equal(chunk[:, 0], policy.get_action(None, obs, {})["action"])


def test_the_timeout_of_the_policy_that_is_served_ends_episodes(model, envs):
    with PolicyServer(lambda: GCBCPolicy(d(timeout=5), SPEC), model, SPEC) as server:
        port = int(server.listen(port=0).split(":")[1])
        episodes = run_episodes(envs, RemotePolicy(d(port=port), SPEC), None, [1, 2])
        assert [len(episode) for episode in episodes] == [5, 5]


def test_the_connection_goes_with_the_policy(server, port):
    policy = RemotePolicy(d(port=port), SPEC)
    assert server.clients == 1
    del policy
    gc.collect()
    wait_until(lambda: server.clients == 0)


def test_what_is_refused_when_it_is_built(server, port):
    with pytest.raises(PolicyError, match="used for goals"):
        RemotePolicy(d(port=port), SPEC, is_goal=True)
    other = EnvSpec.from_leaves(SPEC.leaf(name) for name in SPEC.all_names if name != "target")
    with pytest.raises(ServingError, match="env_spec: 'target': missing"):
        RemotePolicy(d(port=port), other)
    server.close()
    with pytest.raises(ConnectError, match="Connection refused"):
        RemotePolicy(d(port=port), SPEC)


def test_a_server_that_was_restarted_goes_on_with_new_episodes(model, envs):
    rows, here = np.ones(1, bool), {name: value[:, None] for name, value in SPEC.get_uniform(SPEC.observation_names, 1, np.random.default_rng(0)).items()}  # fmt: skip
    with PolicyServer(make_policy, model, SPEC, {"step": 1}) as server:
        port = int(server.listen(port=0).rpartition(":")[2])
        policy = RemotePolicy(d(port=port), SPEC)
        policy.reset_policy(rows, [1])
        first = policy.get_action(None, here, {})["action"]
    with pytest.raises(ConnectionLostError, match="ended the connection"):
        policy.get_action(None, here, {})
    with pytest.raises(ConnectError, match="Connection refused"):
        policy.reset_policy(rows, [1])
    with PolicyServer(make_policy, model, SPEC, {"step": 2}) as server:
        server.listen(port=port)
        with pytest.raises(ServingError, match="'step': 1.*as before"):
            policy.reset_policy(rows, [1])
    with PolicyServer(make_policy, model, SPEC, {"step": 1}) as server:
        server.listen(port=port)
        with pytest.raises(ConnectionLostError, match="not connected"):
            policy.get_action(None, here, {})
        with pytest.raises(ConnectionLostError, match="not connected"):
            policy.reset_policy(np.array([True, False]), [1])
        policy.reset_policy(rows, [1])
        assert np.array_equal(policy.get_action(None, here, {})["action"], first)


def test_the_recipe(port):
    params, _ = load_base_config("cfgs/policy/remote.py", ["--port", str(port), "--answer_timeout", "2"])
    policy = build(params, SPEC, where="policy")
    assert isinstance(policy, RemotePolicy) and policy.answer_timeout == 2.0
