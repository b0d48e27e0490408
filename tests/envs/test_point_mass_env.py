import math

import numpy as np
import pytest
from attrdict import AttrDict as d
from playing import check_window

from muse.envs import EnvError, make
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.testing import check_env
from muse.utils.attrdicts import flatten


def act(x, y):
    return d(action=np.array([[x, y]], np.float32))


def toward(obs):
    """The shortest way, at full speed until the last step."""
    way = (obs["target"][0] - obs["ego"][0]).astype(np.float64)
    return d(action=(way / max(np.abs(way).max(), 0.025))[None].astype(np.float32))


def play(env, policy, seed, presets=None):
    obs, _ = env.reset(presets, seed=seed)
    for steps in range(1, 1000):
        obs, _, done = env.step(policy(obs))
        if done:
            return obs, steps
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize(
    ("params", "presets"),
    [
        (d(), [d(ego=np.array([0.1, 0.2])), d(ego=np.array([0.1, 0.2]), target=np.array([0.8, 0.3]))]),
        (
            d(num_obstacles=3),
            [d(objects=d(position=np.array([[0.3, 0.3], [0.5, 0.5], [0.7, 0.3]]), size=np.array([0.05, 0.1, 0.02])))],
        ),
        (d(num_obstacles=2, obstacle_radii=[0.1, 0.05], noise_std=0.01, theta_noise_std=0.5, sparse_reward=False), []),
        (d(num_obstacles=1, imgs=True, img_width=24, img_height=16, num_steps=12), []),
        (d(target_speed=0.0, num_steps=1, collision_penalty=0.5), []),
        (d(initial_obs=[0.1, 0.1], initial_target=[0.9, 0.9]), []),
    ],
)
def test_contract(params, presets):
    check_env(PointMassEnv, params, presets=presets, steps=120)


def test_spec_has_the_names_of_the_documentation():
    spec = make(PointMassEnv, d(num_obstacles=3, imgs=True, img_width=32, img_height=48)).env_spec
    assert spec.observation_names == ("ego", "target", "objects/position", "image")
    assert spec.param_names == ("objects/size",)
    assert spec.output_observation_names == ("reward", "truncated")
    assert spec.leaf("image").shape == (48, 32, 3)
    assert spec.leaf("objects/position").shape == (3, 2)
    assert spec.leaf("ego").unit == "m"
    assert make(PointMassEnv).env_spec.all_names == ("ego", "target", "action", "reward", "truncated")


@pytest.mark.parametrize("obstacles", [0, 3, 6])
def test_starts_are_far_apart_and_in_the_open(obstacles):
    env = make(PointMassEnv, d(num_obstacles=obstacles, obstacle_radii=[0.07]))
    for seed in range(50):
        obs = flatten(env.reset(seed=seed)[0])
        assert np.linalg.norm(obs["ego"] - obs["target"]) >= 0.3 - 1e-6
        for name in ("ego", "target"):
            if obstacles:
                gaps = np.linalg.norm(obs["objects/position"][0] - obs[name], axis=1) - obs["objects/size"][0]
                assert gaps.min() >= 0.03 - 1e-6


def test_a_random_policy_fails_and_pursuit_succeeds():
    env = make(PointMassEnv)
    rng = np.random.default_rng(0)
    random_wins = sum(
        play(env, lambda _: act(*rng.uniform(-1, 1, 2)), seed) is not None and env.is_success() for seed in range(60)
    )
    pursuit_wins = sum(play(env, toward, seed) is not None and env.is_success() for seed in range(60))
    assert random_wins <= 3
    assert pursuit_wins == 60


def test_ending_is_told_apart_from_the_limit():
    env = make(PointMassEnv, d(num_steps=7))
    obs, steps = play(env, lambda _: act(0, 0), 0)
    assert (steps, bool(obs["truncated"]), env.is_success(), obs["reward"].item()) == (7, True, False, 0.0)
    near = d(ego=np.array([0.5, 0.5]), target=np.array([0.55, 0.5]))
    obs, steps = play(env, toward, 0, near)
    assert steps < 7 and not obs["truncated"] and env.is_success() and obs["reward"].item() == 1.0


def test_dense_reward_is_minus_the_distance():
    env = make(PointMassEnv, d(sparse_reward=False))
    env.reset(seed=0)
    obs, _, _ = env.step(act(0.3, -0.2))
    assert math.isclose(obs["reward"].item(), -float(np.linalg.norm(obs["ego"] - obs["target"])), rel_tol=1e-5)


def test_a_step_moves_the_ego_by_its_speed():
    env = make(PointMassEnv, d(ego_speed=0.05, target_speed=0.0))
    obs, _ = env.reset(d(ego=np.array([0.3, 0.4]), target=np.array([0.9, 0.9])), seed=0)
    obs, _, _ = env.step(act(1, -0.5))
    np.testing.assert_allclose(obs["ego"], [[0.35, 0.375]], atol=1e-6)
    obs, _, _ = env.step(act(7, 0))
    np.testing.assert_allclose(obs["ego"], [[0.40, 0.375]], atol=1e-6)


def test_the_target_moves_with_bounded_speed_and_flees():
    env = make(PointMassEnv, d(target_speed=0.01, num_obstacles=2))
    ways, gains = [], []
    for seed in range(20):
        obs, _ = env.reset(seed=seed)
        for _ in range(15):
            before = obs
            obs, _, done = env.step(toward(obs))
            ways.append(np.linalg.norm(obs["target"] - before["target"]))
            gains.append(np.linalg.norm(obs["target"] - obs["ego"]) - np.linalg.norm(before["target"] - obs["ego"]))
            if done:
                break
    assert max(ways) <= 0.01 + 1e-6
    assert np.mean(ways) > 0.008
    assert np.mean(gains) > 0.004  # its own motion takes it away from the ego


def test_theta_noise_changes_the_targets_way_only():
    plain, noisy = (make(PointMassEnv, d(theta_noise_std=std, num_steps=5)) for std in (0.0, 0.8))
    (first, _), (second, _) = play(plain, lambda _: act(0.2, 0.2), 3), play(noisy, lambda _: act(0.2, 0.2), 3)
    np.testing.assert_array_equal(first["ego"], second["ego"])


def test_obstacles_block_and_cost_what_the_option_says():
    env = make(PointMassEnv, d(num_obstacles=1, obstacle_radii=[0.1], target_speed=0.0, collision_penalty=0.25))
    start = d(ego=np.array([0.38, 0.5]), target=np.array([0.9, 0.5]), objects=d(position=np.array([[0.5, 0.5]])))
    env.reset(start, seed=0)
    obs, _, _ = env.step(act(1, 0))
    assert 0.5 - obs["ego"][0, 0] >= 0.1
    assert obs["reward"].item() == -0.25


def test_options_are_fixed_starts_and_presets_stand_over_them():
    env = make(
        PointMassEnv,
        d(initial_obs=[0.1, 0.2], initial_target=[0.8, 0.9], num_obstacles=1, initial_obstacle_positions=[[0.5, 0.5]]),
    )
    obs, _ = env.reset(seed=0)
    np.testing.assert_allclose(obs["ego"], [[0.1, 0.2]], atol=1e-7)
    np.testing.assert_allclose(obs["target"], [[0.8, 0.9]], atol=1e-7)
    np.testing.assert_allclose(obs["objects/position"], [[[0.5, 0.5]]], atol=1e-7)
    obs, _ = env.reset(d(ego=np.array([0.3, 0.2])), seed=0)
    np.testing.assert_allclose(obs["ego"], [[0.3, 0.2]], atol=1e-7)
    assert env.initial_obs == [0.1, 0.2]


def test_pictures_show_the_state_and_not_the_past():
    env = make(PointMassEnv, d(imgs=True, target_speed=0.0))
    at = d(ego=np.array([0.3, 0.4]), target=np.array([0.8, 0.9]))
    start, _ = env.reset(at, seed=0)
    env.step(act(1, 0))
    back, _, _ = env.step(act(-1, 0))
    np.testing.assert_array_equal(start["image"], back["image"])
    y, x = np.argwhere((start["image"][0].astype(int) - (37, 99, 178)).__abs__().sum(-1) < 60).mean(0)
    assert abs((x + 0.5) / 64 * 1.07 - 0.035 - 0.3) < 0.02
    assert abs(1.035 - (y + 0.5) / 64 * 1.07 - 0.4) < 0.02


def test_render_draws_the_trail_and_opens_nothing():
    env = make(PointMassEnv, d(num_obstacles=2, obstacle_face_colors=["#ff0000"]))
    env.reset(seed=1)
    before = env.render()
    for _ in range(10):
        env.step(act(1, 1))
    after = env.render()
    assert before.shape == after.shape == (400, 400, 3) and before.dtype == np.uint8
    assert (before != after).any(-1).sum() > 200
    assert (after == (255, 0, 0)).all(-1).sum() > 500
    assert env.render(64).shape == (64, 64, 3)


def test_window(monkeypatch):
    check_window(make(PointMassEnv, d(render=True)), act(1, 0), monkeypatch)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(num_steps=0), "PointMassEnv: num_steps: 0; expected at least 1"),
        (d(target_speed=-0.1), "PointMassEnv: target_speed: -0.1; expected at least 0"),
        (d(tolerance=0.0), "PointMassEnv: tolerance: 0.0; expected more than 0.001 m"),
        (d(obstacle_bounds=[0.7, 0.2]), "PointMassEnv: obstacle_bounds: [0.7, 0.2]; expected [low, high] within [0, 1]"),
        (
            d(num_obstacles=3, obstacle_radii=[0.1, 0.2]),
            "PointMassEnv: obstacle_radii: [0.1, 0.2]; expected one radius, or 3, each in (0, 0.5]",
        ),
        (
            d(obstacle_face_colors=["red"]),
            "PointMassEnv: obstacle_face_colors: 'red' is no colour like '#4c6b8a'; expected colours such as '#616c7c'",
        ),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError) as error:
        make(PointMassEnv, params)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (
            d(egg=np.zeros(2)),
            "PointMassEnv.reset: no preset 'egg' (did you mean 'ego'?); expected one of ego, target, objects/position, objects/size",
        ),
        (d(ego=np.zeros(3)), "PointMassEnv: start 'ego': shape (3,); expected shape (2,)"),
        (d(ego=np.array([0.5, 1.5])), "PointMassEnv: start 'ego': [0.5, 1.5]; expected within [0, 1] m"),
        (
            d(ego=np.array([0.5, 0.5]), objects=d(position=np.array([[0.5, 0.5]]))),
            "PointMassEnv.reset: 'ego': (0.5, 0.5) is inside an obstacle; expected a start outside every obstacle",
        ),
    ],
)
def test_wrong_presets(presets, message):
    with pytest.raises(EnvError) as error:
        make(PointMassEnv, d(num_obstacles=1)).reset(presets, seed=0)
    assert str(error.value) == message


def test_no_room():
    with pytest.raises(EnvError) as error:
        make(PointMassEnv, d(num_obstacles=6, obstacle_radii=[0.3])).reset(seed=0)
    assert (
        str(error.value)
        == "PointMassEnv.reset: no room for 6 obstacles; expected fewer or smaller ones, or wider obstacle_bounds"
    )


def test_wrong_use():
    env = make(PointMassEnv)
    for call, message in [
        (
            lambda: env.step(act(0, 0)),
            "PointMassEnv.step: no episode is running; expected a reset before the first step and after 'done'",
        ),
        (lambda: env.step(d(action=np.zeros(2))), "PointMassEnv.step: 'action': shape (2,); expected shape (1, 2)"),
        (
            lambda: env.step(d()),
            "PointMassEnv.step: 'action': missing; expected an array of shape (1, 2)\n  try: give one of: action",
        ),
        (lambda: env.step(act(np.nan, 0)), "PointMassEnv.step: 'action': not finite: [nan, 0.0]; expected finite numbers"),
    ]:
        with pytest.raises(EnvError) as error:
            call()
        assert str(error.value) == message
        env.reset(seed=0)
