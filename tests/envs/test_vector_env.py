import contextlib
import os
import pickle

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs import EnvError, VectorEnv, make
from muse.envs.env import make_env_spec
from muse.envs.failure import EnvFailure
from muse.envs.simple.gym import GymEnv
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.specs.leaf import SpecError
from muse.testing import FakeEnv
from muse.utils.abstract import Argument
from muse.utils.attrdicts import flatten

POINT = d(cls=PointMassEnv, num_obstacles=2, num_steps=12, noise_std=0.01)
FAKE = d(cls=FakeEnv, success_rate=0.5)


class TroubledEnv(FakeEnv):
    """Fails in the way that its option says."""

    predefined_arguments = FakeEnv.predefined_arguments + [Argument("trouble", type=str, default="")]

    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        if self.trouble == "build":
            raise SpecError("TroubledEnv", "no way to build this", "a way", "another env")

    def reset(self, presets=None, seed=None):
        if self.trouble == "reset":
            raise SpecError("TroubledEnv.reset", "no", "yes", "again")
        return super().reset(presets, seed)

    def step(self, action):
        assert action.gripper.shape == (1, 1)  # an AttrDict, as the contract has it
        obs, goal, done = super().step(action)
        if self.trouble == "plain":
            raise ZeroDivisionError("a plain mistake")
        if self.trouble == "exit":
            raise SystemExit(0)
        if self.trouble == "die":
            os._exit(3)
        if self.trouble == "shape":
            obs["position"] = np.zeros((1, 3), np.float32)
        if self.trouble == "missing":
            obs = obs < ["image"]
        if self.trouble == "dtype":
            obs["image"] = obs["image"].astype(np.float32)
        if self.trouble == "two":
            return obs, done
        return obs, goal, bool(done[0]) if self.trouble == "done" else done


def vector(group, num_envs=3, mode="sync"):
    options = {key: value for key, value in group.items() if key != "cls"}
    return VectorEnv(d(num_envs=num_envs, mode=mode), group, make_env_spec(group["cls"], options))


def zeros(env):
    return env.env_spec.get_zeros(env.env_spec.action_names, env.num_envs)


def scripted(obs, goal, spec):
    """A policy of the observation alone, row by row."""
    del goal
    values = flatten(obs)
    total = sum(values[name].reshape(len(values[name]), -1).astype(np.float64).sum(1) for name in spec.observation_names)
    action = {}
    for name in spec.action_names:
        leaf = spec.leaf(name)
        wave = np.sin(7 * total).reshape(-1, *[1] * len(leaf.shape)) * np.ones(leaf.shape)
        action[name] = (wave if leaf.dtype.kind == "f" else wave > 0).astype(leaf.dtype)
    return action


def play_all(env, seeds):
    """A work queue over the rows; returns each seed's rows as bytes, and its success."""
    spec, waiting, episodes = env.env_spec, list(seeds), {}
    current = [None] * env.num_envs
    running = np.zeros(env.num_envs, bool)
    obs = goal = None
    while waiting or running.any():
        begin = ~running & (np.cumsum(~running) <= len(waiting))
        if begin.any():
            taken = [waiting.pop(0) for _ in range(begin.sum())]
            for i, seed in zip(np.flatnonzero(begin), taken, strict=True):
                current[i] = seed
                episodes[seed] = []
            obs, goal = env.reset(seeds=taken, rows=begin)
            running |= begin
        action = scripted(obs, goal, spec)
        obs, goal, done = env.step(action, rows=running)
        success = env.is_success()
        for i in np.flatnonzero(running):
            values = {**flatten(obs), **flatten(goal)}
            names = [name for name in values if done[i] or name not in spec.final_names]
            episodes[current[i]].append(b"".join(values[name][i].tobytes() for name in sorted(names)))
            if done[i]:
                episodes[current[i]].append(bool(success[i]))
        running &= ~done
    return episodes


@pytest.mark.parametrize("group", [POINT, FAKE, d(cls=GymEnv, env_type="CartPole-v1")], ids=["point mass", "fake", "cart pole"])
def test_episodes_do_not_depend_on_how_many_envs_play_them(group):
    seeds = list(range(100, 111))
    runs = []
    for env in (vector(group, 1), vector(group, 4), vector(group, 8), VectorEnv.of(make(group["cls"], group))):
        runs.append(play_all(env, seeds))
        env.close()
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("group", [POINT, FAKE], ids=["point mass", "fake"])
def test_processes_play_the_same_episodes(group):
    env, other = vector(group, 2, "process"), vector(group, 3)
    assert play_all(env, range(5)) == play_all(other, range(5))
    env.close()
    env.close()


@pytest.mark.parametrize("mode", ["sync", "process"])
def test_rows_are_one_env_each(mode):
    env = vector(POINT, 2, mode)
    obs, goal = env.reset(seeds=[3, 4])
    singles = [make(PointMassEnv, POINT) for _ in range(2)]
    for i, single in enumerate(singles):
        alone = flatten(single.reset(seed=3 + i)[0])
        assert set(alone) == set(flatten(obs))
        for name, value in alone.items():
            np.testing.assert_array_equal(obs[name][i : i + 1], value)
            assert obs[name].dtype == value.dtype and obs[name].flags.owndata
    assert not flatten(goal)
    action = {"action": np.array([[0.1, 0.2], [-1, 1]], np.float32)}
    obs, goal, done = env.step(action)
    for i, single in enumerate(singles):
        alone, _, its_done = single.step({"action": action["action"][i : i + 1]})
        for name, value in flatten(alone).items():
            np.testing.assert_array_equal(obs[name][i : i + 1], value)
        assert done[i] == its_done[0]
    assert "objects/size" in flatten(obs)  # a param is repeated
    np.testing.assert_array_equal(env.render()[1], singles[1].render())
    assert env.render(np.array([True, False]))[1] is None
    assert env.is_success().tolist() == [False, False]
    env.close()


def test_rows_that_do_not_step_are_left_alone():
    env = vector(POINT, 3)
    first, _ = env.reset(seeds=[1, 2, 3])
    rows = np.array([True, False, True])
    second, _, done = env.step({"action": np.ones((3, 2), np.float32)}, rows=rows)
    assert done.tolist() == [False, True, False]
    np.testing.assert_array_equal(second["ego"][1], first["ego"][1])
    assert (second["ego"][rows] != first["ego"][rows]).any(1).all()
    # A row that paused goes on as if nothing had been.
    third, _, done = env.step({"action": np.ones((3, 2), np.float32)})
    single = make(PointMassEnv, POINT)
    single.reset(seed=2)
    np.testing.assert_array_equal(third["ego"][1:2], single.step(d(action=np.ones((1, 2), np.float32)))[0]["ego"])
    assert not done.any()


def test_some_rows_reset_and_the_others_keep_their_values():
    env = vector(POINT, 3)
    rows = np.array([False, True, False])
    obs, _ = env.reset(seeds=[5], rows=rows)
    assert not obs["ego"][0].any() and obs["ego"][1].any()
    before, _ = env.reset(seeds=[1, 2], rows=~rows)
    np.testing.assert_array_equal(before["ego"][1], obs["ego"][1])
    after, _ = env.reset(
        seeds=[1], presets=[d(ego=np.array([0.5, 0.5]), objects=d(position=np.array([[0.3, 0.3], [0.7, 0.7]])))], rows=rows
    )
    np.testing.assert_allclose(after["ego"][1], [0.5, 0.5])
    np.testing.assert_allclose(after["objects/position"][1], [[0.3, 0.3], [0.7, 0.7]], atol=1e-7)
    np.testing.assert_array_equal(after["ego"][[0, 2]], before["ego"][[0, 2]])
    assert env.reset(rows=np.zeros(3, bool))[0]["ego"].shape == (3, 2)


def test_without_seeds_the_generators_go_on():
    env = vector(POINT, 2)
    env.reset(seeds=[1, 1])
    obs, _ = env.reset()
    np.testing.assert_array_equal(obs["ego"][0], obs["ego"][1])
    again, _ = env.reset(seeds=[1, None])
    assert (again["ego"][0] != again["ego"][1]).any()


def test_what_is_returned_is_the_callers():
    env = vector(POINT, 2)
    held = [env.reset(seeds=[1, 2])[0]]
    copies = [{name: value.copy() for name, value in flatten(held[0]).items()}]
    done = np.zeros(2, bool)
    for _ in range(3):
        obs, _, done = env.step({"action": np.ones((2, 2), np.float32)})
        held.append(obs)
        copies.append({name: value.copy() for name, value in flatten(obs).items()})
    for mine, copy in zip(held, copies, strict=True):
        for name, value in copy.items():
            np.testing.assert_array_equal(mine[name], value)
    done[:] = True
    env.step({"action": np.ones((2, 2), np.float32)})  # the caller's done is not ours


def test_finals_come_with_the_last_step():
    env = vector(d(cls=FakeEnv, episode_length=2), 2)
    env.reset(seeds=[0, 1])
    env.step(zeros(env))
    obs, goal, done = env.step(zeros(env))
    assert done.all() and obs["final/note"].dtype == np.dtype("U8") and (obs["final/note"] != "").all()
    assert goal["goal/position"].shape == (2, 2)
    assert env.is_success().all() and (obs["reward"] == 1).all()


def test_of_wraps_one_env_and_closes_it():
    single = make(FakeEnv)
    env = VectorEnv.of(single)
    assert env.num_envs == 1 and env.env_spec is single.env_spec
    env.reset(seeds=[0])
    env.close()
    with pytest.raises(EnvError, match="no episode is running"):
        single.step({"action": np.zeros((1, 2), np.float32), "gripper": np.zeros((1, 1), np.int64)})


def test_wrong_use():
    env = vector(POINT, 2)
    action = {"action": np.zeros((2, 2), np.float32)}
    calls = [
        (lambda: env.step(action), "VectorEnv.step: no episode is running in env 0, 1; expected a reset of these rows, or rows=~done"),
        (lambda: env.reset(seeds=[1]), "VectorEnv.reset: seeds: 1 values; expected 2, one for each row that begins"),
        (lambda: env.reset(rows=np.ones(3, bool)), "VectorEnv.reset: rows: shape (3,) bool; expected a bool array (2,)"),
        (lambda: env.reset(seeds=[1, 2]), None),
        (lambda: env.step({"action": np.zeros((1, 2))}), "VectorEnv.step: 'action': shape (1, 2); expected shape (2, 2)"),
        (lambda: env.step({}), "VectorEnv.step: 'action': missing; expected shape (2, 2)"),
        (lambda: env.step({"action": np.full((2, 2), np.nan)}), "PointMassEnv.step: 'action': not finite: [nan, nan]; expected finite numbers"),
        (lambda: env.reset(presets=[None, d(egg=np.zeros(2))]), "PointMassEnv.reset: no preset 'egg' (did you mean 'ego'?); expected one of ego, target, objects/position, objects/size"),
        (env.close, None),
        (lambda: env.step(action), "VectorEnv: closed; expected an open one"),
        (lambda: vector(POINT, 0), "VectorEnv: num_envs: 0; expected at least 1"),
        (lambda: VectorEnv(d(), d(), env.env_spec), "VectorEnv: env_params: no 'cls'; expected the env's group, with its class"),
    ]  # fmt: skip
    for call, message in calls:
        if message is None:
            call()
            continue
        with pytest.raises(EnvError) as error:
            call()
        assert str(error.value) == message


@pytest.mark.parametrize("mode", ["sync", "process"])
@pytest.mark.parametrize("trouble", ["build", "reset"])
def test_a_typed_error_comes_back_as_it_was(mode, trouble):
    with pytest.raises(SpecError) as error:
        vector(d(cls=TroubledEnv, trouble=trouble), 2, mode).reset(seeds=[0, 1])
    assert error.value.hint in ("another env", "again")
    assert any("in env 0 of a VectorEnv" in note for note in error.value.__notes__)
    if mode == "process":
        assert any("test_vector_env.py" in note for note in error.value.__notes__)


def test_any_other_error_becomes_one_with_its_traceback():
    env = vector(d(cls=TroubledEnv, trouble="plain"), 2, "process")
    env.reset(seeds=[0, 1])
    with pytest.raises(EnvError) as error:
        env.step(zeros(env))
    assert (
        str(error.value)
        == "env 0 of a VectorEnv: ZeroDivisionError: a plain mistake\n  try: mode='sync', to see it where it happens"
    )
    assert any('raise ZeroDivisionError("a plain mistake")' in note for note in error.value.__notes__)
    env.reset(seeds=[0, 1])  # the workers live on
    env.close()
    sync = vector(d(cls=TroubledEnv, trouble="plain"), 2)
    sync.reset(seeds=[0, 1])
    with pytest.raises(EnvFailure, match="env 0 of a VectorEnv: ZeroDivisionError: a plain mistake") as error:
        sync.step(zeros(sync))
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("mode", ["sync", "process"])
def test_an_env_that_exits_does_not_end_the_run_as_if_all_were_well(mode):
    env = vector(d(cls=TroubledEnv, trouble="exit"), 2, mode)
    env.reset(seeds=[0, 1])
    with pytest.raises(EnvError, match="SystemExit: 0"):
        env.step(zeros(env))
    env.close()


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("shape", "TroubledEnv.step: 'position': shape (1, 3) of float32; expected a numpy array of shape (1, 2) of float32"),
        ("missing", "TroubledEnv.step: 'position': missing; expected a numpy array of shape (1, 2) of float32"),
        (
            "dtype",
            "TroubledEnv.step: 'image': shape (1, 4, 6, 3) of float32; expected a numpy array of shape (1, 4, 6, 3) of uint8",
        ),
        ("two", "TroubledEnv.step: returned a tuple of 2; expected obs, goal, done"),
        ("done", "TroubledEnv.step: done: a bool; expected a numpy array of shape (1,) of bool"),
    ],
)
@pytest.mark.parametrize("mode", ["sync", "process"])
def test_answers_that_do_not_fit_the_spec_are_refused(trouble, message, mode):
    env = vector(d(cls=TroubledEnv, trouble=trouble), 2, mode)
    env.reset(seeds=[0, 1])
    with contextlib.closing(env), pytest.raises(EnvError) as error:
        env.step(zeros(env))
    assert str(error.value) == message


def test_a_class_inside_a_function_cannot_go_to_a_process():
    class LocalEnv(FakeEnv):
        pass

    with pytest.raises(EnvError) as error:
        vector(d(cls=LocalEnv), 2, "process")
    assert str(error.value).endswith("expected a class at the top of its module\n  try: mode='sync'")


def test_helper_values_of_a_recipe_are_left_out():
    group = d(cls=PointMassEnv, num_steps=3, read_by_a_field=7)
    env = VectorEnv(d(), group, make_env_spec(PointMassEnv, d(num_steps=3)))
    env.reset(seeds=[0])
    env.close()


def test_integer_actions_given_as_floats_are_rounded():
    env = vector(d(cls=GymEnv, env_type="CartPole-v1"), 2)
    env.reset(seeds=[0, 0])
    obs, _, _ = env.step({"action": np.array([[0.9], [1.0]])})
    np.testing.assert_array_equal(obs["obs"][0], obs["obs"][1])
    with pytest.raises(EnvError, match="not finite"):
        env.step({"action": np.array([[np.nan], [1.0]])})
    env.step({"action": np.array([[np.nan], [1.0]])}, rows=np.array([False, True]))


def test_muse_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(EnvError("where", "got", "expected", "hint")))
    assert str(error) == "where: got; expected expected\n  try: hint"


@pytest.mark.parametrize("mode", ["sync", "process"])
def test_the_last_observations_can_be_asked_for(mode):
    with contextlib.closing(vector(FAKE, 2, mode)) as env:
        obs, _ = env.reset(seeds=[1, 2])
        seen = env.observe(["image", "position"])
        assert list(seen) == ["image", "position"] and all(np.array_equal(seen[name], obs[name]) for name in seen)
        seen["image"][:] = 7
        assert np.array_equal(env.observe(["image"])["image"], obs["image"])
        with pytest.raises(EnvError, match=r"observe: 'imag': no observation \(did you mean 'image'\?\)"):
            env.observe(["imag"])
