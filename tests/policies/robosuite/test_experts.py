"""The experts of robosuite's tasks: that they solve what they are for."""

import pytest
from attrdict import AttrDict as d
from needs import needs_robosuite

from muse.envs.env import make, make_env_spec
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.policy import PolicyError
from muse.policies.robosuite.experts import CanExpert, LiftExpert, SquareExpert
from muse.rollouts.evaluation import evaluate
from muse.rollouts.loop import rollout

EXPERTS = {"NutAssemblySquare": SquareExpert, "Lift": LiftExpert, "PickPlaceCan": CanExpert}


def test_an_expert_of_another_task_says_so():
    with pytest.raises(PolicyError, match=r"LiftExpert: 'object' of shape \(14,\); expected 'object' of shape \(10,\)"):
        LiftExpert(d(), make_env_spec(RobosuiteEnv, d()))


@needs_robosuite
@pytest.mark.parametrize("task", EXPERTS)
def test_an_expert_solves_its_task_and_recovers(task):
    env = make(RobosuiteEnv, d(env_name=task))
    quiet = EXPERTS[task](d(), env.env_spec)
    shaken = EXPERTS[task](d(action_noise_std=0.05, slip_probability=0.03, slip_size=0.7), env.env_spec)
    for policy, seed in ((quiet, 0), (shaken, 1)):
        assert rollout(env, policy, seed=seed).success
    env.close()


@needs_robosuite
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", EXPERTS)
def test_an_expert_solves_nearly_all_resets(task):
    group = d(cls=RobosuiteEnv, env_name=task)
    spec = make_env_spec(RobosuiteEnv, group)
    env = VectorEnv(d(num_envs=4, mode="process"), group, spec)
    policy = EXPERTS[task](d(action_noise_std=0.05, slip_probability=0.03, slip_size=0.7), spec)
    evaluation = evaluate(env, policy, episodes=100, seed=1)
    env.close()
    assert evaluation.success_rate >= 0.96
