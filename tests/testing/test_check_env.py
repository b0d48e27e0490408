import sys

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.envs import Env, EnvError, make
from muse.envs.checks import check_running, read_action, read_presets
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.specs import EnvSpec, Leaf
from muse.testing import FakeEnv, check_env, env_problems
from muse.utils.abstract import Argument
from muse.utils.seeding import make_generator


class CounterEnv(Env):
    """A good env; each broken one below changes one thing of it."""

    predefined_arguments = [Argument("length", type=int, default=4), Argument("start", type=float, default=0.5)]

    def __init__(self, params, env_spec):
        super().__init__(params, env_spec)
        self.rng = np.random.default_rng()
        self.running, self.t = False, 0
        self.state = np.zeros((1, 2), np.float32)

    @classmethod
    def get_default_env_spec_params(cls, params):
        return d(
            cls=EnvSpec,
            names_shapes_limits_dtypes=[
                ("state", (2,), (-100, 100), np.float32),
                ("weight", (1,), (0, 1), np.float32),
                ("goal", (1,), (0, 1), np.float32),
                ("action", (2,), (-1, 1), np.float32),
                ("reward", (1,), (-1, 1), np.float32),
                ("truncated", (1,), (0, 1), bool),
                ("summary", (1,), (0, 100), np.int64),
            ],
            observation_names=["state"],
            param_names=["weight"],
            goal_names=["goal"],
            action_names=["action"],
            output_observation_names=["reward", "truncated"],
            final_names=["summary"],
        )

    def reset(self, presets=None, seed=None):
        given = read_presets(presets, ["state"], "CounterEnv.reset")
        if seed is not None:
            self.rng = make_generator(seed, "env")
        self.t, self.running = 0, True
        self.state = self.rng.uniform(0, 1, (1, 2)).astype(np.float32)
        if "state" in given:
            self.state = np.array(given["state"], np.float32)[None]
        return d(state=self.observe(), weight=np.ones((1, 1), np.float32)), d(goal=np.ones((1, 1), np.float32))

    def step(self, action):
        check_running(self.running, "CounterEnv.step")
        self.state = self.state + read_action(self.env_spec, action, "CounterEnv.step")["action"] + self.noise()
        self.t += 1
        self.running = self.t < self.length
        obs = d(state=self.observe(), reward=np.zeros((1, 1), np.float32), truncated=np.array([[not self.running]]))
        if not self.running:
            obs.summary = np.array([[self.t]])
        return obs, d(goal=np.ones((1, 1), np.float32)), np.array([not self.running])

    def noise(self):
        return self.rng.normal(0, 0.1, (1, 2)).astype(np.float32)

    def observe(self):
        return self.state.copy()


def changed(method, change):
    """A class whose `method` returns `change(self, what the good one returned, its arguments)`."""

    def replaced(self, *args, **kwargs):
        return change(self, getattr(super(broken, self), method)(*args, **kwargs), args)

    broken = type("BrokenEnv", (CounterEnv,), {method: replaced})
    return broken


def with_leaf(name, value, part=0, only="step"):
    def change(_self, answer, _args):
        answer[part][name] = value
        return answer

    return changed(only, change)


def without_leaf(name, part=0, only="step"):
    def change(_self, answer, _args):
        answer = list(answer)
        answer[part] = d({key: value for key, value in answer[part].items() if key != name})
        return tuple(answer)

    return changed(only, change)


class NumpyRandom(CounterEnv):
    def noise(self):
        return np.random.normal(0, 0.1, (1, 2)).astype(np.float32)


class Reseeding(CounterEnv):
    def reset(self, presets=None, seed=None):
        np.random.seed(0 if seed is None else seed)
        return super().reset(presets, seed)


class Unseeded(CounterEnv):
    def reset(self, presets=None, seed=None):
        return super().reset(presets, None)


class NewGenerator(CounterEnv):
    def reset(self, presets=None, seed=None):
        if seed is None:
            self.rng = np.random.default_rng()
        return super().reset(presets, seed)


class SharedState(CounterEnv):
    steps = [0]

    def reset(self, presets=None, seed=None):
        self.steps[0] = 0
        return super().reset(presets, seed)

    def noise(self):
        self.steps[0] += 1
        return np.full((1, 2), 0.01 * self.steps[0], np.float32)


class ReturnsItsBuffer(CounterEnv):
    def reset(self, presets=None, seed=None):
        obs, goal = super().reset(presets, seed)
        self.buffer = self.state.copy()
        obs.state = self.buffer
        return obs, goal

    def step(self, action):
        obs, goal, done = super().step(action)
        self.buffer[...] = self.state
        obs.state = self.buffer
        return obs, goal, done


class ReturnsItsState(CounterEnv):
    def observe(self):
        return self.state


class KeepsTheAction(CounterEnv):
    kept = None

    def reset(self, presets=None, seed=None):
        self.kept = None
        return super().reset(presets, seed)

    def step(self, action):
        if self.kept is not None:
            self.state = self.state + 0.1 * self.kept
        answer = super().step(action)
        self.kept = action["action"]
        return answer


class ChangesTheAction(CounterEnv):
    def step(self, action):
        action["action"] *= 0.5
        return super().step(action)


class ChangesItsParams(CounterEnv):
    def step(self, action):
        self.params.length = self.t
        return super().step(action)


class ForgetsTheEnd(CounterEnv):
    def step(self, action):
        self.running = True
        return super().step(action)


class AcceptsAnyAction(CounterEnv):
    def step(self, action):
        check_running(self.running, "step")
        if "action" not in action or np.shape(action["action"]) != (1, 2):
            return super().step(d(action=np.zeros((1, 2), np.float32)))
        return super().step(d(action=np.nan_to_num(action["action"])))


class WrongError(CounterEnv):
    def step(self, action):
        if not self.running:
            raise RuntimeError("reset first")
        return super().step(action)


class IgnoresPresets(CounterEnv):
    def reset(self, presets=None, seed=None):
        read_presets(presets, ["state"], "reset")
        return super().reset(None, seed)


class AcceptsAnyPreset(CounterEnv):
    def reset(self, presets=None, seed=None):
        return super().reset(presets if presets and "state" in presets else None, seed)


class RendersBadly(CounterEnv):
    def render(self):
        return np.zeros((4, 4), np.float32)


class RenderSteps(CounterEnv):
    def render(self):
        self.rng.random()


class Driven(CounterEnv):
    teleop_inputs = ("x", "pointer")

    def get_teleop_action(self, given):
        if not np.isfinite(given.twist).all():
            raise EnvError("Driven", "not finite")
        return d(action=np.array([given.twist[:2]], np.float32))


class DrivenByFeet(Driven):
    teleop_inputs = ("x", "pedal")


class DrivenTooFar(Driven):
    def get_teleop_action(self, given):
        return d(action=100 * super().get_teleop_action(given)["action"])


class DrivenOn(Driven):
    def get_teleop_action(self, given):
        self.rng.random()
        return super().get_teleop_action(given)


class DrivenByAnything(Driven):
    def get_teleop_action(self, given):
        return super().get_teleop_action(given._replace(twist=np.nan_to_num(given.twist)))


class ClosesOnce(CounterEnv):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class SuccessIsArray(CounterEnv):
    def is_success(self):
        return np.array([True])


class NoReward(CounterEnv):
    @classmethod
    def get_default_env_spec_params(cls, params):
        group = super().get_default_env_spec_params(params)
        group.output_observation_names = ["truncated"]
        return group


class WideReward(CounterEnv):
    @classmethod
    def get_default_env_spec_params(cls, params):
        group = super().get_default_env_spec_params(params)
        group.names_shapes_limits_dtypes[4] = ("reward", (), (-1, 1), np.int64)
        return group


class CannotBuild(CounterEnv):
    def __init__(self, params, env_spec):
        raise ValueError("no such thing")


class FailsInStep(CounterEnv):
    def noise(self):
        raise ZeroDivisionError("division by zero")


F = np.float32
BROKEN = {
    "reset forgets a param": (without_leaf("weight", only="reset"), "reset's observation lacks 'weight', which the spec lists."),
    "reset forgets the goal": (without_leaf("goal", 1, "reset"), "reset's goal lacks 'goal', which the spec lists."),
    "step forgets the goal": (without_leaf("goal", 1), "step's goal lacks 'goal', which the spec lists."),
    "step forgets the reward": (without_leaf("reward"), "step's observation lacks 'reward', which the spec lists."),
    "no final": (without_leaf("summary"), "step's observation lacks 'summary', which the spec lists."),
    "unknown name": (with_leaf("extra", np.zeros((1, 1), F)), "step's observation has 'extra', which the spec does not know."),
    "no batch dimension": (
        with_leaf("state", np.zeros(2, F)),
        "step's observation has 'state' with shape (2,); the spec says (1, 2), batch of one included.",
    ),
    "wrong dtype": (with_leaf("state", np.zeros((1, 2))), "step's observation has 'state' of float64; the spec says float32."),
    "not an array": (with_leaf("reward", 0.0), "step's observation has 'reward' as float; it must be a numpy array."),
    "NaN": (with_leaf("state", np.full((1, 2), np.nan, F)), "step's observation has 'state' with NaN or infinity; the spec says finite numbers."),
    "outside limits": (
        with_leaf("reward", np.full((1, 1), 5, F)),
        "step's observation has 'reward' with values from 5.0 to 5.0; the spec says within [-1.0, 1.0].",
    ),
    "truncated without done": (
        with_leaf("truncated", np.array([[True]])),
        "step returned truncated without done; a limit that ends the episode sets both.",
    ),
    "done is a bool": (
        changed("step", lambda _s, answer, _a: (*answer[:2], bool(answer[2][0]))),
        "step returned done as bool; it must be a bool array of shape (1,).",
    ),
    "gym's five": (
        changed("step", lambda _s, answer, _a: (*answer, False, {})),
        "step returned a tuple of 5; it must return (observation, goal, done), two AttrDicts and an array.",
    ),
    "reset returns obs only": (
        changed("reset", lambda _s, answer, _a: answer[0]),
        "reset returned AttrDict; it must return (observation, goal), two AttrDicts.",
    ),
    "global random": (NumpyRandom, "The env draws from, or seeds, the global generators of numpy or random; use one made from the seed of reset."),
    "seeds the global random": (
        Reseeding,
        "The env draws from, or seeds, the global generators of numpy or random; use one made from the seed of reset.",
    ),
    "ignores the seed": (
        Unseeded,
        "The same env, reset with the same seed and given the same actions, played another episode, in 'state' at reset.",
    ),
    "new generator": (
        NewGenerator,
        "After the same seed, resets without a seed differ between two envs; the generator must go on, not start anew. It was seen, in 'state' at reset.",
    ),
    "shared state": (SharedState, "Stepping one env changed what another one does; two envs must share nothing. It was seen, in 'state' at step 1."),
    "returns its buffer": (ReturnsItsBuffer, "An array that was returned changed later; return a copy. It was seen, in 'state' at reset."),
    "returns its state": (
        ReturnsItsState,
        "Writing to a returned array, or to the action afterwards, changed the episode; copy what is kept. It was seen, in 'state' at step 1.",
    ),
    "keeps the action": (
        KeepsTheAction,
        "Writing to a returned array, or to the action afterwards, changed the episode; copy what is kept. It was seen, in 'state' at step 2.",
    ),
    "changes the action": (ChangesTheAction, "step changed the action that it was given; work on a copy."),
    "changes its params": (ChangesItsParams, "Playing an episode changed env.params; they are read and never written."),
    "step after done": (ForgetsTheEnd, "Step after done passed; it must raise EnvError."),
    "accepts a wrong shape": (AcceptsAnyAction, "Step with a wrong shape of 'action' passed; it must raise EnvError."),
    "accepts NaN": (AcceptsAnyAction, "Step with NaN in 'action' passed; it must raise EnvError."),
    "accepts no action": (AcceptsAnyAction, "Step without 'action' passed; it must raise EnvError."),
    "untyped error": (WrongError, "Step before the first reset raised RuntimeError: reset first; it must raise EnvError."),
    "ignores presets": (IgnoresPresets, "reset was given 'state' = [0.25, 0.75] as a preset, and began with [0.298555, 0.423232]."),
    "accepts any preset": (AcceptsAnyPreset, "Reset with an unknown preset passed; it must raise EnvError."),
    "bad picture": (RendersBadly, "render returned an array of shape (4, 4) of float32; it must be a uint8 array (Y, X, 3), or None."),
    "render changes the episode": (RenderSteps, "Calling render changed the episode. It was seen, in 'state' at step 1."),
    "driven by what there is not": (DrivenByFeet, "teleop_inputs has pedal; known are x, y, z, roll, pitch, yaw, grip, pointer."),
    "driven beyond limits": (DrivenTooFar, "get_teleop_action's action has 'action' with values from 100.0 to 100.0; the spec says within [-1.0, 1.0]."),
    "driving changes the episode": (DrivenOn, "Asking for an action of a person's changed the episode. It was seen, in 'state' at step 1."),
    "driven by NaN": (DrivenByAnything, "Get_teleop_action of a number that is not finite passed; it must raise EnvError."),
    "closes once": (ClosesOnce, "close, called a second time, raised RuntimeError: closed already."),
    "success is an array": (SuccessIsArray, "is_success returned an array of shape (1,) of bool; it must be a bool."),
    "no reward in the spec": (NoReward, "The spec does not list 'reward' among its output_observation_names."),
    "scalar reward": (WideReward, "The spec has 'reward' with shape () of int64; it must be (1,) float."),
    "cannot be built": (CannotBuild, "building the env raised ValueError: no such thing."),
    "fails in step": (FailsInStep, "step raised ZeroDivisionError: division by zero."),
}  # fmt: skip
PRESETS = [d(state=np.array([0.25, 0.75]))]


def test_the_good_one_has_no_problem():
    assert env_problems(CounterEnv, presets=PRESETS) == []
    assert env_problems(make(CounterEnv, d(length=2)), presets=PRESETS) == []
    check_env(CounterEnv, d(length=200), presets=PRESETS, steps=20)
    check_env(Driven, presets=PRESETS)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_env_is_told_in_a_sentence(name):
    cls, sentence = BROKEN[name]
    assert sentence in env_problems(cls, presets=PRESETS)


@pytest.mark.parametrize("cls", [NumpyRandom, ChangesTheAction, ForgetsTheEnd])
def test_the_process_is_left_as_it_was(cls):
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    env_problems(CounterEnv)
    assert np.random.random() == expected


def test_a_window_is_told(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")

    class OpensWindow(CounterEnv):
        def reset(self, presets=None, seed=None):
            pygame.display.init()
            pygame.display.set_mode((8, 8))
            return super().reset(presets, seed)

    assert "pygame" in sys.modules
    assert "The env opened a window without being asked to (render=False)." in env_problems(OpensWindow)
    pygame.display.quit()


def test_the_error_lists_all():
    with pytest.raises(EnvError) as error:
        check_env(AcceptsAnyAction)
    assert str(error.value) == (
        "check_env(AcceptsAnyAction): 4 problems\n"
        "  - Step without 'action' passed; it must raise EnvError.\n"
        "  - Step with a wrong shape of 'action' passed; it must raise EnvError.\n"
        "  - Step with a batch of two of 'action' passed; it must raise EnvError.\n"
        "  - Step with NaN in 'action' passed; it must raise EnvError."
    )


def test_by_dotted_name():
    check_env("muse.envs.simple.point_mass_env.PointMassEnv", d(num_steps=5))


@settings(max_examples=15, deadline=None)
@given(
    obstacles=st.integers(0, 3),
    images=st.booleans(),
    sparse=st.booleans(),
    noise=st.sampled_from([0.0, 0.02]),
    theta=st.sampled_from([0.0, 0.5]),
    steps=st.integers(1, 12),
    speed=st.sampled_from([0.0, 0.0125, 0.1]),
    seed=st.integers(0, 2**31),
)
def test_every_point_mass_keeps_the_contract(obstacles, images, sparse, noise, theta, steps, speed, seed):
    params = d(
        num_obstacles=obstacles, imgs=images, img_width=12, img_height=10, sparse_reward=sparse, noise_std=noise, theta_noise_std=theta,
        num_steps=steps, target_speed=speed,
    )  # fmt: skip
    check_env(PointMassEnv, params, presets=[d(ego=np.array([0.05, 0.05]))], steps=15, seed=seed)


@st.composite
def leaves(draw):
    """Any spec: every role, kind of type, shape and limits, nested names."""
    made = [
        Leaf("reward", (1,), 0, 1, np.float32, role="output_observation"),
        Leaf("truncated", (1,), 0, 1, bool, role="output_observation"),
    ]
    roles = [
        "observation",
        "action",
        *draw(st.lists(st.sampled_from(["observation", "action", "goal", "param", "final"]), max_size=4)),
    ]
    for i, role in enumerate(roles):
        dtype = np.dtype(
            draw(st.sampled_from(["float32", "float64", "int64", "uint8", "bool", *(["U5"] if role != "action" else [])]))
        )
        shape = tuple(draw(st.lists(st.integers(1, 3), max_size=3)))
        limits = {"u": [(0, 255), (3, 7)], "b": [(0, 1)], "U": [(-np.inf, np.inf)]}.get(
            dtype.kind, [(-1, 1), (0, 10), (-np.inf, np.inf), (2, np.inf), (-1e30, 1e30)]
        )
        low, high = draw(st.sampled_from(limits))
        made.append(Leaf(draw(st.sampled_from(["x", "a/b", "a/c/d"])) + str(i), shape, low, high, dtype, role=role))
    return made


@settings(max_examples=40, deadline=None)
@given(leaves(), st.integers(1, 6), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_fake_of_any_spec_keeps_the_contract(made, length, success_rate):
    env = make(FakeEnv, d(episode_length=length, success_rate=success_rate), env_spec=EnvSpec.from_leaves(made))
    check_env(env, steps=8)


def test_a_fakes_own_spec():
    check_env(FakeEnv, presets=[d(position=np.array([0.5, -0.5], np.float32), goal=d(position=np.array([0.1, 0.2], np.float32)))])


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (d(action=np.zeros((1, 2), F)), "FakeEnv.step: 'gripper': missing; expected a numpy array of shape (1, 1)"),
        (d(gripper=np.zeros((1, 1), np.int64), action=[[0, 0]]), "FakeEnv.step: 'action': list; expected a numpy array of shape (1, 2)"),
        (d(gripper=np.zeros((1, 1), np.int64), action=np.zeros((1, 2))), "FakeEnv.step: 'action': shape (1, 2) of float64; expected shape (1, 2) of float32"),
        (d(gripper=np.zeros((1, 1), np.int64), action=np.zeros(2, F)), "FakeEnv.step: 'action': shape (2,) of float32; expected shape (1, 2) of float32"),
        (d(gripper=np.zeros((1, 1), np.int64), action=np.full((1, 2), np.inf, F)), "FakeEnv.step: 'action': not finite: [inf, inf]; expected finite numbers"),
        (d(gripper=np.zeros((1, 1), np.int64), action=np.full((1, 2), 1.5, F)), "FakeEnv.step: 'action': [1.5, 1.5]; expected within [-1, 1]"),
        (d(gripper=np.full((1, 1), 2), action=np.zeros((1, 2), F)), "FakeEnv.step: 'gripper': [2]; expected within [0, 1]"),
        (d(gripper=np.zeros((1, 1), np.int64), action=np.zeros((1, 2), F), more=1), "FakeEnv.step: 'more': is no action of the spec; expected one of action, gripper"),
    ],
)  # fmt: skip
def test_a_fake_complains(action, message):
    env = make(FakeEnv)
    env.reset(seed=0)
    with pytest.raises(EnvError) as error:
        env.step(action)
    assert str(error.value) == message


def test_a_fake_ends_as_its_options_say():
    for rate, solved in ((1.0, True), (0.0, False)):
        env = make(FakeEnv, d(episode_length=3, success_rate=rate))
        env.reset(seed=0)
        rows = [env.step({"action": np.zeros((1, 2), F), "gripper": np.zeros((1, 1), np.int64)}) for _ in range(3)]
        assert [bool(done[0]) for _, _, done in rows] == [False, False, True]
        assert env.is_success() is solved and rows[-1][0]["truncated"].item() is not solved
        assert [obs["reward"].item() for obs, _, _ in rows] == [0, 0, float(solved)]
    outcomes = []
    for seed in range(200):
        env = make(FakeEnv, d(episode_length=1, success_rate=0.3))
        env.reset(seed=seed)
        env.step({"action": np.zeros((1, 2), F), "gripper": np.zeros((1, 1), np.int64)})
        outcomes.append(env.is_success())
    assert 0.2 < np.mean(outcomes) < 0.4
