"""Scripted experts solve what they are for; feedback control against closed forms."""

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.gym_env import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.classic_control import CartPoleExpert, PendulumExpert
from muse.policies.controllers.pid import PIDController, PIDPolicy
from muse.policies.controllers.point_mass import PointMassExpert, steer_around
from muse.policies.policy import PolicyError
from muse.rollouts import evaluate, run_episodes
from muse.utils.seeding import episode_seeds


def vector(cls, num_envs, **options):
    return VectorEnv(d(num_envs=num_envs), d(cls=cls, **options), make_env_spec(cls, d(options)))


@pytest.mark.parametrize("num_obstacles", [3, 5])
def test_the_point_mass_expert_succeeds(num_obstacles):
    env = vector(PointMassEnv, 20, num_obstacles=num_obstacles)
    result = evaluate(env, PointMassExpert(d(), env.env_spec), None, episodes=100, seed=3)
    assert result.successes >= 99


def test_steering_keeps_the_tangent():
    heading, distance = np.array([[1.0, 0.0]]), np.array([2.0])
    steered = steer_around(heading, distance, np.array([[[1.0, 0.1]]]), np.array([[0.2]]), margin=0.05)
    # The tangent touches the widened circle: the centre's distance from the line is its radius.
    x, y = steered[0]
    assert abs(x * 0.1 - y * 1.0) == pytest.approx(0.25)
    assert y < 0
    free = steer_around(heading, distance, np.array([[[1.0, 0.4]]]), np.array([[0.2]]), margin=0.05)
    np.testing.assert_array_equal(free, heading)


def test_cartpole_is_balanced():
    env = vector(GymEnv, 5, env_type="CartPole-v1", success_return=475.0)
    result = evaluate(env, CartPoleExpert(d(), env.env_spec), None, episodes=5, seed=0)
    assert result.success_rate == 1 and result.mean_return == 500


def test_the_pendulum_is_swung_up():
    env = vector(GymEnv, 10, env_type="Pendulum-v1")
    policy = PendulumExpert(d(), env.env_spec)
    episodes = run_episodes(env, policy, None, episode_seeds(0, 30))
    returns = [episode.total() for episode in episodes]
    assert -200 < np.mean(returns) < -100 and min(returns) > -450
    upright = [episode.inputs["obs"][-1, 0] for episode in episodes]
    assert min(upright) > 0.99


@pytest.mark.parametrize(("cls", "env_type"), [(CartPoleExpert, "CartPole-v1"), (PendulumExpert, "Pendulum-v1")])
def test_one_env_and_eight_give_the_same_episodes(cls, env_type):
    one, eight = vector(GymEnv, 1, env_type=env_type), vector(GymEnv, 8, env_type=env_type)
    runs = [run_episodes(env, cls(d(), env.env_spec), None, [5, 6, 7], max_steps=120) for env in (one, eight)]
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a.inputs["obs"], b.inputs["obs"])
        np.testing.assert_array_equal(a.inputs["action"], b.inputs["action"])


def test_experts_refuse_other_envs():
    pendulum = make_env_spec(GymEnv, d(env_type="Pendulum-v1"))
    with pytest.raises(PolicyError) as error:
        CartPoleExpert(d(), pendulum)
    assert str(error.value) == (
        "CartPoleExpert: 'obs' of shape (3,); expected 'obs' of shape (4,)\n  try: GymEnv with env_type='CartPole-v1'"
    )
    with pytest.raises(PolicyError) as error:
        PointMassExpert(d(), pendulum)
    assert str(error.value) == (
        "PointMassExpert: no 'ego' in the spec; expected 'ego' of shape (2,)\n  try: an env such as PointMassEnv"
    )


def test_pid_is_the_sum_of_its_parts():
    """Against the textbook sum, written out."""
    rng = np.random.default_rng(0)
    k_p, k_i, k_d, dt = np.array([1.0, 2.0]), 0.5, np.array([0.1, 0.0]), 0.05
    controller = PIDController(2, dt, k_p=k_p, k_i=k_i, k_d=k_d)
    controller.reset(np.ones(3, dtype=bool))
    errors = []
    for _ in range(5):
        value, target = rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
        errors.append(target - value)
        rate = (errors[-1] - errors[-2]) / dt if len(errors) > 1 else np.zeros((3, 2))
        expected = k_p * errors[-1] + k_i * dt * np.sum(errors, axis=0) + k_d * rate
        np.testing.assert_allclose(controller.compute(value, target), expected)


def test_a_row_that_begins_has_no_past():
    controller = PIDController(1, 0.1, k_p=0.0, k_i=1.0, k_d=1.0)
    controller.reset(np.ones(2, dtype=bool))
    for _ in range(3):
        controller.compute(np.zeros((2, 1)), np.ones((2, 1)))
    controller.reset(np.array([True, False]))
    np.testing.assert_allclose(controller.compute(np.zeros((2, 1)), np.ones((2, 1))), [[0.1], [0.4]])


def test_the_integral_does_not_wind_up():
    controller = PIDController(1, 0.1, k_p=1.0, k_i=10.0, limit=1.0)
    controller.reset(np.ones(1, dtype=bool))
    for _ in range(100):
        assert controller.compute(np.zeros((1, 1)), np.full((1, 1), 5.0)) == 1.0
    # Nothing piled up: the command turns with the error at once.
    assert controller.compute(np.zeros((1, 1)), np.full((1, 1), -0.5)) < 0


def test_an_integral_removes_a_steady_disturbance():
    controller = PIDController(1, 0.05, k_p=4.0, k_i=4.0, k_d=0.0)
    controller.reset(np.ones(1, dtype=bool))
    x = np.zeros((1, 1))
    for _ in range(400):
        x = x + 0.05 * (controller.compute(x, np.ones((1, 1))) - 1.5)
    np.testing.assert_allclose(x, 1.0, atol=1e-3)


def test_a_difference_may_go_round_the_circle():
    def wrapped(target, value):
        return (target - value + np.pi) % (2 * np.pi) - np.pi

    controller = PIDController(1, 1.0, difference_fn=wrapped)
    controller.reset(np.ones(1, dtype=bool))
    np.testing.assert_allclose(controller.compute(np.array([[3.0]]), np.array([[-3.0]])), 2 * np.pi - 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(k_p=[1, 2, 3]), "PIDController: k_p: shape (3,); expected one number, or 2 of them"),
        (dict(k_d=-1), "PIDController: k_d: -1.0; expected finite numbers of at least 0"),
        (dict(limit=0), "PIDController: limit: 0.0; expected positive numbers"),
        (dict(dt=0), "PIDController: dim 2, dt 0; expected at least one element, and a positive time [s]"),
    ],
)
def test_bad_gains_are_refused(options, message):
    with pytest.raises(PolicyError) as error:
        PIDController(2, **{"dt": 0.1, **options})
    assert str(error.value) == message


def test_a_pd_policy_chases_the_target():
    env = vector(PointMassEnv, 10)
    policy = PIDPolicy(d(value_name="ego", target_name="target", k_p=20.0), env.env_spec)
    assert evaluate(env, policy, None, episodes=20, seed=1).success_rate == 1
    with pytest.raises(PolicyError) as error:
        PIDPolicy(d(value_name="ego", target_name="reward"), env.env_spec)
    assert str(error.value) == "PIDPolicy: 'reward': 1 elements; expected 2, as 'action' has"
