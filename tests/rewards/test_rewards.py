"""Rewards in the loop, and against the formula."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.rewards.env_reward import EnvReward
from muse.rewards.goal_distance_reward import GoalDistanceReward
from muse.rewards.reward import RewardError
from muse.rollouts import run_episodes
from muse.testing import FakeEnv

SPEC = make_env_spec(PointMassEnv, d(num_obstacles=3))


def played(reward):
    env = VectorEnv(d(num_envs=3), d(cls=PointMassEnv, num_obstacles=3), SPEC)
    return run_episodes(env, PointMassExpert(d(), SPEC), None, [1, 2, 3, 4], reward=reward)


def test_the_env_reward_is_the_envs():
    for plain, same, scaled in zip(
        played(None), played(EnvReward(d(), SPEC)), played(EnvReward(d(scale=2.0, offset=-1.0), SPEC)), strict=True
    ):
        np.testing.assert_array_equal(plain.outputs["reward"], same.outputs["reward"])
        np.testing.assert_allclose(scaled.outputs["reward"], 2 * plain.outputs["reward"] - 1)


def test_the_distance_is_that_after_the_step():
    for episode in played(GoalDistanceReward(d(state_names=["ego"], goal_names=["target"]), SPEC)):
        expected = [
            -np.hypot(*(ego - target)) for ego, target in zip(episode.inputs["ego"], episode.inputs["target"], strict=True)
        ]
        np.testing.assert_allclose(episode.outputs["reward"][:-1, 0], expected[1:], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [-5.0, -np.sqrt(3)]),
        ({"norm": "l1"}, [-7.0, -3.0]),
        ({"norm": "max"}, [-4.0, -1.0]),
        ({"threshold": 2.0}, [0.0, 1.0]),
    ],
)
def test_norms_and_threshold(options, expected):
    spec = make_env_spec(FakeEnv)
    reward = GoalDistanceReward(d(state_names=["position", "reward"], goal_names=["goal/position", "reward"], **options), spec)
    state = {"position": np.float32([[3, 0], [0, 1]]), "reward": np.float32([[0], [0]])}
    goal = {"goal/position": np.float32([[0, 4], [1, 0]]), "reward": np.float32([[0], [1]])}
    value = reward.get_reward(None, {}, {}, {}, state, goal, np.zeros(2, dtype=bool))
    assert value.dtype == np.float32
    np.testing.assert_allclose(value[:, 0], expected, rtol=1e-6)


def test_the_goal_of_a_state_is_found_by_its_name():
    spec = make_env_spec(FakeEnv)
    reward = GoalDistanceReward(d(state_names=["position"]), spec)
    given = [{"position": np.zeros((1, 2))}, {"goal/position": np.ones((1, 2))}]
    assert reward.get_reward(None, {}, {}, {}, *given, np.zeros(1, bool)) == pytest.approx(-np.sqrt(2))
    with pytest.raises(RewardError) as error:
        reward.get_reward(None, {}, {}, {}, given[0], {}, np.zeros(1, bool))
    assert str(error.value) == (
        "GoalDistanceReward: 'goal/position': neither goal nor observation (did you mean 'position'?)"
        "; expected a goal that the env or the goal policy gives"
    )


MISTAKES = {
    "EnvReward: 'ego': observation, shape (2,); expected one number that a step returns, such as 'reward' (1,)": lambda: (
        EnvReward(d(key="ego"), SPEC)
    ),
    "GoalDistanceReward: 1 states, 2 goals; expected as many, and at least one": lambda: GoalDistanceReward(
        d(state_names=["ego"], goal_names=["target", "ego"]), SPEC
    ),
    "GoalDistanceReward: 'reward': shape (1,); expected shape (2,), as 'ego' has": lambda: GoalDistanceReward(
        d(state_names=["ego"], goal_names=["reward"]), SPEC
    ),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_told(message):
    with pytest.raises(RewardError) as error:
        MISTAKES[message]()
    assert str(error.value) == message
