"""Random, replayed and constant: policies that use no model."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.env import make, make_env_spec
from muse.envs.simple.gym_env import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.goal_policies import ConstantGoalPolicy, EpisodeGoalPolicy
from muse.policies.policy import PolicyError
from muse.policies.random_policy import RandomPolicy
from muse.policies.replay_policy import ReplayPolicy
from muse.rollouts import rollout, run_episodes
from muse.specs import EnvSpec, Leaf
from muse.specs.leaf import SpecError
from muse.testing import FakeEnv

SPEC = make_env_spec(PointMassEnv, d(num_obstacles=3))


def recorded(seed=4):
    return rollout(make(PointMassEnv, d(num_obstacles=3)), PointMassExpert(d(), SPEC), seed=seed)


def test_random_actions_fill_their_range():
    spec = EnvSpec.from_leaves(
        [
            Leaf("x", (2,), -1, 3, np.float64, role="action"), Leaf("k", (1,), -2, 2, np.int64, role="action"),
            Leaf("on", (1,), 0, 1, bool, role="action"), Leaf("obs", (1,), 0, 1, np.float32, role="observation"),
        ]
    )  # fmt: skip
    policy = RandomPolicy(d(), spec)
    policy.reset_policy(np.ones(2000, dtype=bool), list(range(2000)))
    action = policy.get_action(None, {"obs": np.zeros((2000, 1, 1), np.float32)}, {})
    assert (action["x"].min(), action["x"].max()) == pytest.approx((-1, 3), abs=0.02)
    assert action["x"].mean() == pytest.approx(1.0, abs=0.1)
    values, counts = np.unique(action["k"], return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2] and counts.min() > 330
    assert action["on"].dtype == bool and 0.45 < action["on"].mean() < 0.55


def test_random_needs_limits():
    spec = EnvSpec.from_leaves([Leaf("x", (1,), -np.inf, 3, np.float32, role="action")])
    with pytest.raises(PolicyError) as error:
        RandomPolicy(d(), spec)
    assert str(error.value) == (
        "RandomPolicy: 'x': no finite limits to draw from; expected a bounded leaf\n"
        "  try: give it limits in names_shapes_limits_dtypes of the env_spec"
    )


def test_a_replay_gives_the_episode_back():
    episode = recorded()
    again = rollout(make(PointMassEnv, d(num_obstacles=3)), ReplayPolicy(d(episode=episode), SPEC), seed=episode.seed)
    assert len(again) == len(episode) and again.success == episode.success
    for name in ("ego", "target", "action"):
        np.testing.assert_array_equal(again.inputs[name], episode.inputs[name])


def test_a_replay_ends_where_the_episode_does():
    episode = recorded()
    env = VectorEnv(d(num_envs=3), d(cls=PointMassEnv, num_obstacles=3), SPEC)
    for other in run_episodes(env, ReplayPolicy(d(episode=episode), SPEC), None, [50, 51, 52, 53]):
        assert len(other) <= len(episode)
        np.testing.assert_array_equal(other.inputs["action"], episode.inputs["action"][: len(other)])
    assert max(len(other) for other in run_episodes(env, ReplayPolicy(d(episode=episode), SPEC), None, [50, 51])) == len(episode)


def test_a_replay_asked_for_more_repeats_the_last_action():
    episode = recorded()
    policy = ReplayPolicy(d(episode=episode), SPEC)
    policy.reset_policy()
    for _ in range(len(episode) + 3):
        action = policy.get_action(None, {}, {})
    np.testing.assert_array_equal(action["action"][0], episode.inputs["action"][-1])
    assert policy.is_terminated(None, {}, {}).all()


def test_a_replay_needs_a_fitting_episode():
    with pytest.raises(PolicyError) as error:
        ReplayPolicy(d(episode="data/a.npz"), SPEC)
    assert str(error.value) == "ReplayPolicy: option 'episode': str; expected a muse.specs.Episode"
    with pytest.raises(PolicyError) as error:
        ReplayPolicy(d(episode=recorded()), make_env_spec(FakeEnv))
    assert (
        str(error.value) == "ReplayPolicy: 'gripper': not in the episode; expected one of ego, target, objects/position, action"
    )
    with pytest.raises(SpecError) as error:
        ReplayPolicy(d(episode=recorded()), make_env_spec(GymEnv, d(env_type="Pendulum-v1")))
    assert "'action': shape" in str(error.value)


def goal_spec():
    return make_env_spec(FakeEnv)


def test_goals_of_the_env_pass_through():
    spec = goal_spec()
    env = VectorEnv(d(num_envs=2), d(cls=FakeEnv), spec)
    acting = RandomPolicy(d(), spec)
    plain = run_episodes(env, acting, None, [1, 2, 3])
    same = run_episodes(env, acting, None, [1, 2, 3], goal_policy=ConstantGoalPolicy(d(), spec, is_goal=True))
    told = run_episodes(
        env, acting, None, [1, 2, 3], goal_policy=ConstantGoalPolicy(d(goal=d(goal=d(position=[0.5, -0.5]))), spec, is_goal=True)
    )
    for a, b, c in zip(plain, same, told, strict=True):
        np.testing.assert_array_equal(a.inputs["goal/position"], b.inputs["goal/position"])
        np.testing.assert_array_equal(c.inputs["goal/position"], np.tile(np.float32([0.5, -0.5]), (len(c), 1)))


def test_the_last_state_of_an_episode_is_the_goal():
    spec = goal_spec()
    env = VectorEnv(d(), d(cls=FakeEnv), spec)
    episode = run_episodes(env, RandomPolicy(d(), spec), None, [1])[0]
    policy = EpisodeGoalPolicy(d(episode=episode), spec, is_goal=True)
    policy.reset_policy(np.ones(2, dtype=bool))
    goal = policy.get_action(None, {"position": np.zeros((2, 1, 2), np.float32)}, {})
    np.testing.assert_array_equal(goal["goal/position"], episode.inputs["position"][[-1, -1]])


GOAL_MISTAKES = {
    "ConstantGoalPolicy: used for actions; expected the group 'goal_policy', or is_goal=True": lambda: ConstantGoalPolicy(
        d(), goal_spec(), is_goal=False
    ),
    "ConstantGoalPolicy: 'goal/positio': no goal of the spec (did you mean 'goal/position'?); expected one of goal/position": (
        lambda: ConstantGoalPolicy(d(goal={"goal/positio": [0, 0]}), goal_spec())
    ),
    "ConstantGoalPolicy: 'goal/position': shape (3,); expected shape (2)": lambda: ConstantGoalPolicy(
        d(goal={"goal/position": [0, 0, 0]}), goal_spec()
    ),
    "EpisodeGoalPolicy: no goal to make of none; expected goals called goal/<observation>": lambda: EpisodeGoalPolicy(
        d(episode=recorded()), SPEC
    ),
    "EpisodeGoalPolicy: 'ego': no goal of the spec named after an observation; expected 'goal/<name>' of one of position, image": (
        lambda: EpisodeGoalPolicy(d(episode=recorded(), goal_names=["ego"]), goal_spec())
    ),
}


@pytest.mark.parametrize("message", GOAL_MISTAKES)
def test_a_wrong_goal_policy_is_told(message):
    with pytest.raises((PolicyError, SpecError)) as error:
        GOAL_MISTAKES[message]()
    assert str(error.value) == message


def test_a_goal_that_nobody_gives_is_told():
    policy = ConstantGoalPolicy(d(), goal_spec())
    policy.reset_policy()
    with pytest.raises(PolicyError) as error:
        policy.get_action(None, {"position": np.zeros((1, 1, 2), np.float32)}, {})
    assert str(error.value) == (
        "ConstantGoalPolicy: 'goal/position': the env gives no such goal; expected a value for it, or an env that gives it"
    )


ROW_MISTAKES = [
    (np.ones(2), None, "RandomPolicy.reset_policy: rows of shape (2,) float64; expected a bool array (B,)"),
    (
        np.array([True, False]),
        None,
        "RandomPolicy.reset_policy: 2 rows, some of them false; expected 1 rows, or all of them true",
    ),
    (np.ones(2, bool), [1], "RandomPolicy.reset_policy: 1 seeds for 2 rows; expected one seed for each row that begins"),
]


@pytest.mark.parametrize(("rows", "seeds", "message"), ROW_MISTAKES)
def test_rows_that_do_not_fit_are_told(rows, seeds, message):
    policy = RandomPolicy(d(), SPEC)
    policy.reset_policy()
    with pytest.raises(PolicyError) as error:
        policy.reset_policy(rows, seeds)
    assert str(error.value) == message


def test_acting_before_a_reset_is_told():
    with pytest.raises(PolicyError) as error:
        RandomPolicy(d(), SPEC).get_action(None, {"ego": np.zeros((2, 1, 2), np.float32)}, {})
    assert str(error.value) == (
        "RandomPolicy.get_action: 2 rows, but no row has begun; expected as many rows as reset_policy was given\n"
        "  try: policy.reset_policy(np.ones(2, dtype=bool)) first"
    )


def test_a_timeout_ends_each_row_on_its_own():
    policy = RandomPolicy(d(timeout=2), SPEC)
    policy.reset_policy(np.ones(2, dtype=bool))
    obs = {"ego": np.zeros((2, 1, 2), np.float32)}
    policy.get_action(None, obs, {})
    policy.reset_policy(np.array([True, False]))
    policy.get_action(None, obs, {})
    assert policy.is_terminated(None, obs, {}).tolist() == [False, True]
    with pytest.raises(PolicyError, match="steps, or 0 for never"):
        RandomPolicy(d(timeout=-1), SPEC)


def test_scripted_policies_need_no_model():
    for cls in (RandomPolicy, ReplayPolicy, PointMassExpert, ConstantGoalPolicy, EpisodeGoalPolicy):
        assert cls.uses_model is False
