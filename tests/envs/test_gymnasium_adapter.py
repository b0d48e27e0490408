import warnings

import gymnasium
import numpy as np
import pytest
from attrdict import AttrDict as d
from gymnasium.utils.env_checker import check_env as gymnasium_check_env

from muse.envs import EnvError, make
from muse.envs.gymnasium_adapter import to_gymnasium
from muse.envs.simple.gym import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.specs import EnvSpec
from muse.testing import FakeEnv


def build(name):
    return {
        "point mass": lambda: make(PointMassEnv, d(num_obstacles=2)),
        "images": lambda: make(PointMassEnv, d(imgs=True, noise_std=0.01)),
        "pendulum": lambda: make(GymEnv, d(env_type="Pendulum-v1")),
        "cart pole": lambda: make(GymEnv, d(env_type="CartPole-v1")),
    }[name]()


@pytest.mark.parametrize("name", ["point mass", "images", "pendulum", "cart pole"])
def test_gymnasiums_own_check_passes(name):
    with warnings.catch_warnings():
        # Advice about the limits that an environment has chosen, and that it is not in the registry.
        warnings.filterwarnings("ignore", ".*(infinity|symmetric and normalized|not having a spec).*")
        gymnasium_check_env(to_gymnasium(build(name)))


@pytest.mark.parametrize("env_type", ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "Acrobot-v1"])
def test_there_and_back_gives_the_same_spaces(env_type):
    env, bare = to_gymnasium(make(GymEnv, d(env_type=env_type))), gymnasium.make(env_type)
    assert env.action_space == bare.action_space
    assert env.observation_space == bare.observation_space
    np.testing.assert_array_equal(env.reset(seed=3)[0], bare.reset(seed=3)[0])


def test_an_episode_is_the_same_from_both_sides():
    inner = make(PointMassEnv, d(num_obstacles=1, num_steps=8))
    env = to_gymnasium(make(PointMassEnv, d(num_obstacles=1, num_steps=8)))
    obs, _ = inner.reset(d(ego=np.array([0.1, 0.1])), seed=5)
    value, info = env.reset(seed=5, options={"presets": d(ego=np.array([0.1, 0.1]))})
    assert set(value) == {"ego", "target", "objects/position"}
    np.testing.assert_array_equal(info["objects/size"], obs["objects/size"][0])
    for _ in range(8):
        action = np.array([0.5, -0.1], np.float32)
        obs, _, done = inner.step(d(action=action[None]))
        value, reward, terminated, truncated, info = env.step(action)
        for name in value:
            np.testing.assert_array_equal(value[name], obs[name][0])
        assert (reward, terminated or truncated, info["is_success"]) == (obs["reward"].item(), done.item(), inner.is_success())
    assert truncated and not terminated


def test_pictures():
    env = to_gymnasium(build("point mass"))
    env.reset(seed=0)
    assert env.render().shape == (400, 400, 3)
    env.close()


def test_several_actions_and_goals_are_dicts():
    spec = EnvSpec(d(
        names_shapes_limits_dtypes=[
            ("p", (2,), (-1, 1), np.float32), ("g", (2,), (-1, 1), np.float32), ("move", (2,), (-1, 1), np.float32),
            ("grip", (1,), (0, 1), np.int64), ("reward", (1,), (0, 1), np.float32), ("truncated", (1,), (0, 1), bool),
        ],
        observation_names=["p"], goal_names=["g"], action_names=["move", "grip"], output_observation_names=["reward", "truncated"],
    ))  # fmt: skip
    env = to_gymnasium(make(FakeEnv, d(), env_spec=spec))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*not having a spec.*")
        gymnasium_check_env(env)
    assert set(env.observation_space.spaces) == {"p", "g"} and env.action_space["grip"] == gymnasium.spaces.Discrete(2)


@pytest.mark.parametrize(
    ("names", "roles", "message"),
    [
        (
            [("p", (1,), (0, 1), np.float32)],
            d(observation_names=["p"]),
            "to_gymnasium: a spec without actions; expected one at least",
        ),
        (
            [("p", (), (0, 1), "U4"), ("a", (1,), (0, 1), np.float32), ("reward", (1,), (0, 1), np.float32)],
            d(observation_names=["p"], action_names=["a"], output_observation_names=["reward"]),
            "spec leaf 'p': dtype <U4; expected numbers, for a gymnasium space",
        ),
        (
            [("p", (1,), (0, 1), np.float32), ("a", (1,), (0, 1), np.float32)],
            d(observation_names=["p"], action_names=["a"]),
            "to_gymnasium: a spec without 'reward'; expected an output observation 'reward' of shape (1,)",
        ),
    ],
)
def test_what_gymnasium_cannot_express(names, roles, message):
    env = make(FakeEnv, d(), env_spec=EnvSpec(d(names_shapes_limits_dtypes=names, **roles)))
    with pytest.raises(EnvError) as error:
        to_gymnasium(env)
    assert str(error.value) == message
