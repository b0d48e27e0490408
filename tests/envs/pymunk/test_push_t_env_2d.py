import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st
from needs import needs_pymunk

from muse.envs.env import EnvError, default_env_params, make
from muse.envs.pymunk.push_t_env_2d import PushTEnv2D
from muse.testing import check_env
from muse.utils.attrdicts import flatten

#: A T upright at its goal, the ego right of it.
START = d(
    position=np.array([300.0, 200.0]),
    block_positions=np.array([[200.0, 200.0]]),
    block_angles=np.zeros(1),
    goal_block_positions=np.array([[200.0, 200.0]]),
    goal_block_angles=np.zeros(1),
)


def at(x=0.0, y=0.0, angle=0.0):
    return START & d(block_positions=START.block_positions + [x, y], block_angles=np.array([angle]))


def run(env, x, y, steps):
    for _ in range(steps):
        obs, _, done = env.step(d(action=np.array([[x, y, 0.0]], np.float32)))
        if done:
            break
    return {name: value[0] for name, value in flatten(obs).items()}


@needs_pymunk
@pytest.mark.parametrize(
    ("params", "presets"),
    [
        (d(horizon=12), [at(30.0)]),
        (d(horizon=8, use_coverage_reward=True, imgs=True, img_width=24, block_bbox=True), []),
        (d(horizon=8, use_dense_reward=True, num_blocks=2, block_size_lower=[40.0, 40.0], block_size_upper=[50.0, 60.0]), []),
    ],
)
def test_contract(params, presets):
    check_env(PushTEnv2D, params, presets=presets, steps=15)


@needs_pymunk
@pytest.mark.parametrize(
    ("where", "solved"),
    [(at(), True), (at(x=2.0), True), (at(x=2.2), False), (at(y=-2.2), False), (at(angle=0.04), True), (at(angle=0.05), False)],
)
def test_it_is_solved_by_what_is_covered(where, solved):
    env = make(PushTEnv2D)
    env.reset(where, seed=0)
    assert env.is_success() is solved
    obs, _, done = env.step(d(action=np.zeros((1, 3), np.float32)))
    assert obs["reward"].item() == solved and bool(done) is solved


@needs_pymunk
def test_a_tee_of_the_wrong_angle_covers_only_a_part():
    env = make(PushTEnv2D, d(use_coverage_reward=True, done_on_success=False))
    # Head over heels around the centre of mass, 456 / 14 px below the top, the stems share all that is between the two tops.
    for angle, covered in ((np.pi, 2 * 456 / 14 * 24 / 4032), (0.0, 1.0)):
        env.reset(at(angle=angle), seed=0)
        assert env.coverage(env._state) == pytest.approx([covered], abs=1e-5)
        obs, _, _ = env.step(d(action=np.zeros((1, 3), np.float32)))
        assert obs["reward"].item() == pytest.approx(min(1.0, env.coverage(env._state)[0] / 0.95), abs=1e-6)
    env.reset(at(x=150.0) & d(position=np.array([100.0, 100.0])), seed=0)
    assert env.coverage(env._state) == [0.0]


@needs_pymunk
@settings(max_examples=30)
@given(st.floats(-8, 8), st.floats(-8, 8), st.floats(-0.2, 0.2), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_no_solution_is_passed_over_for_its_distance(x, y, angle, least):
    env = make(PushTEnv2D, d(min_coverage=least))
    env.reset(at(x, y, angle), seed=0)
    assert env.is_success() == (env.coverage(env._state)[0] >= least)


@needs_pymunk
def test_a_push_at_the_middle_moves_it_and_one_at_an_end_turns_it():
    env = make(PushTEnv2D, d(horizon=1000))
    env.reset(at() & d(goal_block_positions=np.array([[280.0, 280.0]]), position=np.array([200.0, 250.0])), seed=0)
    seen = run(env, 0, -60, 10)
    assert seen["block_positions"][0, 1] < 180 and abs(seen["block_angles"][0]) < 0.01
    np.testing.assert_allclose(seen["block_positions"][0, 1] - seen["position"][1], -32.57 - 10, atol=0.3)
    env.reset(at() & d(goal_block_positions=np.array([[280.0, 280.0]]), position=np.array([240.0, 250.0])), seed=0)
    seen = run(env, 0, -60, 10)
    assert seen["block_angles"][0] < -0.3


@needs_pymunk
def test_starts_have_room_and_goals_are_away():
    env = make(PushTEnv2D)
    angles = []
    for seed in range(40):
        seen = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        assert env._scene.find_overlap()[0] == 0 and not env.is_success()
        assert np.linalg.norm(seen["block_positions"] - seen["goal_block_positions"]) >= 80
        angles += [*seen["block_angles"], *seen["goal_block_angles"]]
    assert np.min(angles) < -2.5 and np.max(angles) > 2.5


@needs_pymunk
def test_an_episode_begins_again_from_what_was_recorded():
    env = make(PushTEnv2D)

    def play(presets, seed):
        first = {name: value[0] for name, value in env.reset(presets, seed=seed)[0].items()}
        rng, rows = np.random.default_rng(0), []
        for _ in range(60):
            way = first["block_positions"][0] - env._state.position
            rows.append(run(env, *(3 * way + rng.normal(0, 30, 2)), 1)["block_positions"])
        return first, np.array(rows)

    first, rows = play(None, 5)
    assert np.ptp(rows, axis=0).max() > 1
    again, others = play(PushTEnv2D.get_start(default_env_params(PushTEnv2D), first), 9)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    np.testing.assert_array_equal(rows, others)


@needs_pymunk
def test_a_picture_shows_one_tee_without_a_seam_and_the_goal_as_its_outline():
    env = make(PushTEnv2D)
    env.reset(at(y=-80.0) & d(goal_block_positions=np.array([[200.0, 300.0]])), seed=0)
    picture = env.render(424).astype(int)  # a pixel for each px, 12 of them beyond each edge
    column = picture[:, 12 + 200]
    blue = np.flatnonzero((np.abs(column - (37, 99, 178)).sum(-1) < 30) & (np.arange(424) > 200))
    assert len(blue) > 80 and np.ptp(blue) == len(blue) - 1
    pale = np.flatnonzero(np.abs(column - (168, 193, 224)).sum(-1) < 9)
    assert len(pale) > 80 and np.ptp(pale) == len(pale) - 1
    assert pale.mean() < blue.mean()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(min_coverage=1.1), "PushTEnv2D: min_coverage: 1.1; expected at most 1"),
        (d(min_coverage=0.0), "PushTEnv2D: min_coverage: 0.0; expected more than 0"),
        (d(num_blocks=0), "PushTEnv2D: num_blocks: 0; expected more than 0"),
        (d(use_coverage_reward=True, use_dense_reward=True), "PushTEnv2D: use_coverage_reward: use_dense_reward, too"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError) as error:
        make(PushTEnv2D, params)
    assert str(error.value).startswith(message)
