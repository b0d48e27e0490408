"""What every world of blocks keeps, tried on the one of pushing."""

import gc
import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk
from playing import assert_same_rows, check_window

from muse.envs.env import EnvError, default_env_params, make, make_env_spec
from muse.envs.pymunk.block_env_2d import BlockEnv2D
from muse.envs.pymunk.push_block_env_2d import PushBlockEnv2D
from muse.experiments.provenance import env_fingerprint, fingerprint_differences
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.errors import MissingExtraError

CARRY = d(use_goal_angles=True, grab_action_binary=True, grab_one_only=True)
#: An ego and a block side by side, a goal far away.
SIDE = d(
    position=np.array([100.0, 200.0]),
    block_positions=np.array([[142.0, 200.0]]),
    block_angles=np.zeros(1),
    goal_block_positions=np.array([[300.0, 300.0]]),
)


def act(x, y, grab=0.0):
    return d(action=np.array([[x, y, grab]], np.float32))


def run(env, *action, steps=10):
    for _ in range(steps):
        obs, _, _ = env.step(act(*action))
    return {name: value[0] for name, value in flatten(obs).items()}


def walk(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    low, high = env.env_spec.leaf("action").low, env.env_spec.leaf("action").high
    return [flatten(env.step(d(action=rng.uniform(low, high)[None].astype(np.float32)))[0]) for _ in range(steps)]


@needs_pymunk
@pytest.mark.parametrize(
    ("params", "presets"),
    [
        (d(horizon=12), [SIDE]),
        (
            d(
                horizon=8,
                num_blocks=3,
                block_bbox=True,
                block_offsets=True,
                imgs=True,
                img_width=24,
                img_height=16,
                block_corner_radius=2.0,
            ),
            [],
        ),
        (d(horizon=8, action_noise_prob=0.5, use_dense_reward=True, damping=0.5, ego_block_size=30.0), []),
        (CARRY & d(horizon=8, block_size_lower=[20.0, 30.0], block_size_upper=[30.0, 60.0]), []),
        (d(horizon=8, done_on_success=False, grid_size=[500.0, 400.0], grab_one_only=True), []),
    ],
)
def test_contract(params, presets):
    check_env(PushBlockEnv2D, params, presets=presets, steps=15)


def test_the_base_is_abstract_and_the_spec_needs_no_pymunk():
    with pytest.raises(TypeError, match="abstract"):
        make(BlockEnv2D, {}, make_env_spec(PushBlockEnv2D))
    spec = make_env_spec(PushBlockEnv2D, d(num_blocks=2, block_bbox=True, use_goal_angles=True, imgs=True))
    assert spec.observation_names == (
        "position", "velocity", "block_positions", "block_angles", "block_velocities", "block_angular_velocities",
        "active_constraints", "bounding_box", "block_bounding_boxes", "goal_block_positions", "goal_block_angles", "image",
    )  # fmt: skip
    assert spec.param_names == ("block_sizes",)
    assert spec.leaf("action").high.tolist() == [100, 100, 500] and spec.leaf("position").unit == "px"
    assert "bounding_box" not in make_env_spec(PushBlockEnv2D)


def test_without_pymunk_a_reset_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymunk", None)
    with pytest.raises(MissingExtraError, match="BlockEnv2D: cannot import 'pymunk'(.|\n)*extra 'pymunk'"):
        make(PushBlockEnv2D).reset(seed=0)


@needs_pymunk
@pytest.mark.parametrize("params", [d(horizon=60, num_blocks=3), CARRY & d(horizon=60)])
def test_an_episode_begins_again_from_what_was_recorded(params):
    env = make(PushBlockEnv2D, params)
    first = {name: value[0] for name, value in flatten(env.reset(seed=3)[0]).items()}
    rows = walk(env, 60)
    presets = PushBlockEnv2D.get_start(default_env_params(PushBlockEnv2D, params), first)
    env.reset(seed=9)
    walk(env, 5)
    again, _ = env.reset(presets, seed=4)
    assert_same_rows([{name: value[0] for name, value in flatten(again).items()}], [first])
    assert_same_rows(rows, walk(env, 60))


@needs_pymunk
def test_a_state_is_restored_in_another_env():
    params = CARRY & d(num_blocks=2, action_noise_prob=0.5)
    env, other = make(PushBlockEnv2D, params), make(PushBlockEnv2D, params)
    env.reset(seed=1)
    last = walk(env, 40)[-1]
    state = env.get_state()
    rows = walk(env, 30, seed=1)
    obs, _ = other.set_state(state)
    seen = flatten(obs)
    assert all(np.array_equal(seen[name], last[name]) for name in env.env_spec.observation_names)
    assert_same_rows(rows, walk(other, 30, seed=1))


@needs_pymunk
def test_the_ego_moves_by_its_velocity_and_walls_stop_it():
    env = make(PushBlockEnv2D, d(horizon=1000))
    env.reset(SIDE, seed=0)
    seen = run(env, 0, 80, steps=5)
    np.testing.assert_allclose(seen["position"], [100, 240], atol=0.5)
    np.testing.assert_allclose(seen["velocity"], [0, 80], atol=1e-3)
    seen = run(env, -900, 0, steps=30)
    assert 19.0 < seen["position"][0] < 20.5
    # It does not jump when it goes back: what drove it against the wall is not kept.
    assert run(env, 50, 0, steps=1)["position"][0] < 26


@needs_pymunk
def test_a_block_is_pushed_and_not_through_a_wall():
    env = make(PushBlockEnv2D, d(horizon=1000))
    env.reset(SIDE, seed=0)
    seen = run(env, 100, 0, steps=10)
    assert seen["block_positions"][0, 0] > 230 and abs(seen["block_positions"][0, 0] - seen["position"][0] - 40) < 1
    seen = run(env, 100, 0, steps=40)
    assert abs(seen["block_positions"][0, 0] - 380) < 1 and abs(seen["position"][0] - 340) < 1
    before = seen["block_positions"]
    # Without damping's rest it stays where it is left.
    np.testing.assert_allclose(run(env, -100, 0, steps=10)["block_positions"], before, atol=0.5)


@needs_pymunk
def test_grabbing_rigidly():
    env = make(PushBlockEnv2D, CARRY & d(horizon=1000))
    start = SIDE & d(block_angles=np.array([0.05]), goal_block_angles=np.zeros(1))
    env.reset(start, seed=0)
    assert run(env, 0, 0, 240)["active_constraints"] == 0
    assert run(env, 0, 0, 260, steps=1)["active_constraints"] == 1
    seen = run(env, 30, 60, 500, steps=20)
    np.testing.assert_allclose(seen["block_positions"][0] - seen["position"], [42, 0], atol=0.3)
    assert abs(seen["block_angles"][0] - 0.05) < 0.01
    seen = run(env, -50, 0, 0)
    assert seen["active_constraints"] == 0 and seen["block_positions"][0, 0] - seen["position"][0] > 80


@needs_pymunk
def test_grabbing_on_a_rod_pulls_with_a_force_that_grows():
    def pulled(grab, damping=0.5):
        env = make(PushBlockEnv2D, d(horizon=1000, damping=damping, grab_action_max_force=5000.0))
        env.reset(SIDE, seed=0)
        return run(env, -80, 0, grab)["block_positions"][0, 0]

    assert pulled(0) == pytest.approx(142, abs=0.1)
    assert pulled(500) < pulled(50) < 141


@needs_pymunk
def test_a_rod_that_is_hardly_asked_for_holds_nothing():
    env = make(PushBlockEnv2D, d(horizon=1000))
    env.reset(SIDE, seed=0)
    assert run(env, -80, 0, 49, steps=2)["active_constraints"] == 0
    assert run(env, 80, 0, 51, steps=3)["active_constraints"] == 1


@needs_pymunk
def test_a_block_out_of_reach_is_caught_when_the_ego_comes():
    env = make(PushBlockEnv2D, CARRY & d(horizon=1000))
    env.reset(SIDE & d(position=np.array([80.0, 200.0]), goal_block_angles=np.zeros(1)), seed=0)
    assert run(env, 0, 0, 500)["active_constraints"] == 0
    assert run(env, 50, 0, 500, steps=5)["active_constraints"] == 1


@needs_pymunk
@pytest.mark.parametrize(("angle", "solved"), [(0.0, True), (np.pi, True), (np.pi / 2, False), (0.3, False)])
def test_a_pose_counts_as_what_it_looks_like(angle, solved):
    env = make(PushBlockEnv2D, CARRY & d(block_size_lower=[30.0, 60.0], block_size_upper=[30.0, 60.0]))
    at = np.array([[200.0, 200.0]])
    presets = d(block_positions=at, goal_block_positions=at + 9, block_angles=np.zeros(1), goal_block_angles=np.array([angle]))
    env.reset(presets, seed=0)
    assert env.is_success() is solved


@needs_pymunk
def test_success_ends_an_episode_and_the_horizon_truncates_it():
    for done_on_success in (True, False):
        env = make(PushBlockEnv2D, d(horizon=3, done_on_success=done_on_success))
        env.reset(SIDE & d(goal_block_positions=np.array([[145.0, 200.0]])), seed=0)
        obs, _, done = env.step(act(0, 0))
        assert env.is_success() and obs["reward"] == 1 and not obs["truncated"] and bool(done) is done_on_success
    env.reset(SIDE, seed=0)
    ends = [bool(env.step(act(0, 0))[2]) for _ in range(3)]
    assert ends == [False, False, True] and not env.is_success()


@needs_pymunk
def test_starts_have_room_and_goals_are_away():
    env = make(PushBlockEnv2D, d(num_blocks=3))
    for seed in range(30):
        seen = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        assert env._scene.find_overlap()[0] == 0
        ways = np.linalg.norm(seen["block_positions"] - seen["goal_block_positions"], axis=1)
        assert ways.min() >= 80 and not env.is_success()


@needs_pymunk
def test_long_random_play_stays_finite_and_inside():
    env = make(PushBlockEnv2D, d(horizon=10**6, num_blocks=3, done_on_success=False))
    env.reset(seed=0)
    for row in walk(env, 3000):
        for name in ("position", "block_positions"):
            assert (row[name] > 5).all() and (row[name] < 395).all()
        assert all(np.isfinite(value).all() for value in row.values())


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


@needs_pymunk
def test_resets_keep_no_memory():
    env = make(PushBlockEnv2D, d(num_blocks=3))

    def reset(times):
        for seed in range(times):
            env.reset(seed=seed)
            env.step(act(10, 10))
        gc.collect()
        return resident()

    before = reset(100)
    assert reset(1000) - before < 3


@needs_pymunk
def test_pictures_are_to_scale():
    env = make(PushBlockEnv2D)
    env.reset(SIDE & d(goal_block_positions=np.array([[300.0, 320.0]])), seed=0)
    picture = env.render(424).astype(int)
    # 3% around a world of 400: one pixel for each px, the ego's middle at (100, 200).
    for (x, y), colour in {(100, 200): (206, 52, 52), (142, 200): (37, 99, 178)}.items():
        found = np.argwhere(np.abs(picture - colour).sum(-1)[150:] < 30) + [150, 0]
        assert found.mean(0) == pytest.approx([412 - y, 12 + x], abs=1.5)
    assert np.ptp(np.argwhere(np.abs(picture - (206, 52, 52)).sum(-1) < 30), axis=0) == pytest.approx([34, 34], abs=3)
    pale = np.argwhere((picture[:, :, 2] - picture[:, :, 0]) > 20)
    assert ((np.abs(pale - [412 - 320, 312]) < 15).all(axis=1)).sum() > 400


def test_the_look_of_pictures_matters_where_they_are_observed():
    def fingerprint(**params):
        return env_fingerprint(d(cls=PushBlockEnv2D, **default_env_params(PushBlockEnv2D, d(params))))

    assert fingerprint_differences(fingerprint(), fingerprint(img_width=32, horizon=7, imgs=True)) == []
    assert fingerprint_differences(fingerprint(imgs=True), fingerprint(img_width=32, imgs=True)) != []
    assert fingerprint_differences(fingerprint(), fingerprint(damping=0.5)) != []


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (d(horizon=0), "PushBlockEnv2D: horizon: 0; expected at least 1"),
        (d(dt=0.0), "PushBlockEnv2D: dt: 0.0; expected more than 0"),
        (d(damping=1.5), "PushBlockEnv2D: damping: 1.5; expected from 0 to 1"),
        (d(block_grabbing_frac=0.5), "PushBlockEnv2D: block_grabbing_frac: 0.5; expected at least 1"),
        (d(block_size_lower=[30.0, 30.0]), "PushBlockEnv2D: block_size_lower, block_size_upper: [30.0, 30.0], None; expected"),
        (d(num_blocks=0), "PushBlockEnv2D: num_blocks: 0; expected more than 0"),
        (d(ego_block_size=0.0), "PushBlockEnv2D: ego_block_size: 0.0; expected more than 0, or None"),
    ],
)
def test_wrong_options(params, message):
    with pytest.raises(EnvError) as error:
        make(PushBlockEnv2D, params)
    assert str(error.value).startswith(message)


@needs_pymunk
@pytest.mark.parametrize(
    ("presets", "message"),
    [
        (d(block_position=np.zeros(2)), r"no preset 'block_position' \(did you mean 'block_positions'\?\)"),
        (d(position=np.zeros(3)), r"PushBlockEnv2D.reset: 'position': shape \(3,\); expected shape \(2,\)"),
        (d(position=np.array([1.0, 401.0])), "'position': .* expected finite, within"),
        (d(position=np.array([1.0, np.nan])), "'position': .* expected finite, within"),
        (SIDE & d(position=np.array([120.0, 200.0])), "the ego and block 0 overlap by 18"),
        (SIDE & d(position=np.array([10.0, 200.0])), "the ego and a wall overlap by 10"),
    ],
)
def test_wrong_presets(presets, message):
    with pytest.raises(EnvError, match=message):
        make(PushBlockEnv2D).reset(presets, seed=0)


@needs_pymunk
def test_no_room():
    with pytest.raises(EnvError, match="no room"):
        make(PushBlockEnv2D, d(num_blocks=40)).reset(seed=0)


@needs_pymunk
def test_window(monkeypatch):
    check_window(make(PushBlockEnv2D, d(render=True)), act(1, 0), monkeypatch)
