"""Who acts, and what is recorded of it, through the loop."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.env import make, make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.meta_policy import MetaPolicy
from muse.policies.policy import PolicyError
from muse.policies.take_over_policy import TakeOverPolicy
from muse.rollouts.loop import RolloutLoop

SPEC = make_env_spec(PointMassEnv, d(num_steps=20))


def loop_of(policy, steps=20):
    loop = RolloutLoop(make(PointMassEnv, d(num_steps=steps)), policy)
    loop.start([3])
    return loop


def play(policy, person=()):
    loop, t = loop_of(policy), 0
    while not loop.is_finished:
        policy.is_person, policy.person_action = t in person, d(action=np.array([[0.5, -0.5]], np.float32))
        episodes, t = loop.step(), t + 1
    return episodes[0]


def test_while_nobody_takes_over_it_is_the_policy():
    mine = play(TakeOverPolicy(PointMassExpert(d(), SPEC), SPEC))
    theirs = loop_of(PointMassExpert(d(), SPEC))
    while not theirs.is_finished:
        episodes = theirs.step()
    assert np.array_equal(mine.inputs["action"], episodes[0].inputs["action"])
    assert not mine.inputs["policy_type"].any() and mine.inputs["policy_switch"].sum() == 1


def test_the_person_acts_where_they_do():
    episode = play(TakeOverPolicy(PointMassExpert(d(), SPEC), SPEC), person=(0, 1, 5))
    assert episode.inputs["policy_type"][:8, 0].tolist() == [1, 1, 0, 0, 0, 1, 0, 0]
    assert episode.inputs["policy_switch"][:8, 0].tolist() == [True, False, True, False, False, True, True, False]
    assert np.array_equal(episode.inputs["action"][[0, 1, 5]], [[0.5, -0.5]] * 3)


def test_a_policy_ends_an_episode_only_while_it_acts():
    policy = TakeOverPolicy(PointMassExpert(d(timeout=4), SPEC), SPEC)
    assert len(play(policy, person=(3, 4))) == 6
    assert len(play(policy)) == 4


def test_play_may_be_taken_over():
    skills = d(policies=["one", "two"], one=d(cls=PointMassExpert), two=d(cls=PointMassExpert), max_steps_per_policy=3)
    inner = MetaPolicy(skills, SPEC)
    episode = play(TakeOverPolicy(inner, inner.env_spec), person=(2,))
    assert episode.inputs["policy_name"][:4, 0].tolist() == ["policy", "policy", "person", "policy"]


def test_a_person_alone():
    policy = TakeOverPolicy(None, SPEC)
    loop = loop_of(policy)
    with pytest.raises(PolicyError, match="TakeOverPolicy: 'action': no action of the person"):
        loop.step()
    policy.person_action = d(action=np.zeros((1, 2), np.float32))
    loop.step()
    with pytest.raises(PolicyError, match="2 rows; expected one"):
        policy.reset_policy(np.ones(2, bool), [0, 1])
