"""The experts of robosuite's tasks: their geometry, and that they solve what they are for."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from needs import needs_robosuite

from muse.envs.env import make, make_env_spec
from muse.envs.robosuite.robosuite_env import RobosuiteEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.policy import PolicyError
from muse.policies.robosuite.experts import CanExpert, LiftExpert, SquareExpert
from muse.policies.robosuite.waypoint_policy import pointing_down, reachable_turn, turn_to, yaw_of, yaw_of_hand
from muse.rollouts.evaluation import evaluate
from muse.rollouts.loop import rollout
from muse.utils.angles import wrap

EXPERTS = {"NutAssemblySquare": SquareExpert, "Lift": LiftExpert, "PickPlaceCan": CanExpert}
angles = st.floats(-7, 7)
directions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(directions, directions)
def test_a_turn_leads_from_one_orientation_to_another(a, b):
    from scipy.spatial.transform import Rotation

    a, b = np.array(a) / np.linalg.norm(a), np.array(b) / np.linalg.norm(b)
    turn = turn_to(a, b)
    assert np.linalg.norm(turn) <= np.pi + 1e-6
    assert ((Rotation.from_rotvec(turn) * Rotation.from_quat(a)).inv() * Rotation.from_quat(b)).magnitude() < 1e-5


@given(angles, angles)
def test_yaws(yaw, reference):
    from scipy.spatial.transform import Rotation

    assert abs(wrap(yaw_of_hand(pointing_down(yaw)) - yaw, 2 * np.pi)) < 1e-9
    assert abs(wrap(yaw_of(Rotation.from_euler("z", yaw).as_quat()) - yaw, 2 * np.pi)) < 1e-9
    # A hand that points down is one turned about x by half a turn, and then about the vertical.
    expected = Rotation.from_euler("z", yaw) * Rotation.from_quat(pointing_down(0.0))
    assert (expected.inv() * Rotation.from_quat(pointing_down(yaw))).magnitude() < 1e-6
    now = wrap(reference, np.pi)
    turn = reachable_turn(yaw, np.pi, now)
    assert abs(turn) <= np.pi / 2 + 0.35 + 1e-9 and abs(wrap(turn - yaw, np.pi)) < 1e-9
    # A hand that turns there goes on to the same turn.
    assert reachable_turn(yaw, np.pi, now + 0.3 * (turn - now)) == pytest.approx(turn)


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
