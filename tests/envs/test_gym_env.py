import gymnasium
import numpy as np
import pytest
from attrdict import AttrDict as d
from gymnasium import spaces

from muse.envs import EnvError, make
from muse.envs.simple import gym, gym_env
from muse.envs.simple.gym import GymEnv
from muse.testing import check_env
from muse.utils.attrdicts import flatten
from muse.utils.errors import MissingExtraError


class Everything(gymnasium.Env):
    """An env whose spaces are given; it returns one array that it goes on changing, as some real ones do."""

    metadata = {"render_modes": []}

    def __init__(self, observation, action, length=4, solved_key="success", render_mode=None):
        self.observation_space, self.action_space = observation, action
        self.length, self.solved_key, self.render_mode = length, solved_key, render_mode
        self.taken = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.options = options
        return self._draw(self.observation_space), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.taken.append(action)
        self.t += 1
        return self._draw(self.observation_space), 0.5, self.t >= self.length, False, {self.solved_key: self.t >= self.length}

    def _draw(self, space):
        if isinstance(space, spaces.Dict):
            return {key: self._draw(inner) for key, inner in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            return tuple(self._draw(inner) for inner in space.spaces)
        if not hasattr(self, "kept"):
            self.kept = {}
        space.seed(int(self.np_random.integers(2**31)))
        value = space.sample()
        if not isinstance(space, spaces.Box):
            return value
        kept = self.kept.setdefault(id(space), np.zeros_like(value))
        kept[...] = value
        return kept


box = spaces.Box(-1, 1, (2,), np.float32)
SPACES = {
    "box": (spaces.Box(-1, 1, (2, 3), np.float64), spaces.Box(-2, np.array([1, 3], np.float32), (2,), np.float32)),
    "image": (spaces.Box(0, 255, (4, 5, 3), np.uint8), box),
    "scalar": (spaces.Box(-1, 1, (), np.float32), spaces.Box(0, 1, (), np.float32)),
    "discrete": (spaces.Discrete(5, start=-2), spaces.Discrete(3, start=1)),
    "multi_discrete": (spaces.MultiDiscrete([3, 4]), spaces.MultiDiscrete([2, 5])),
    "multi_binary": (spaces.MultiBinary(4), spaces.MultiBinary((2, 2))),
    "dict": (
        spaces.Dict({"arm": spaces.Dict({"joints": box, "open": spaces.Discrete(2)}), "camera": spaces.Box(0, 255, (2, 2, 3), np.uint8)}),
        spaces.Dict({"move": box, "grip": spaces.Discrete(2)}),
    ),
    "tuple": (spaces.Tuple((box, spaces.Tuple((spaces.Discrete(3), box)))), spaces.Tuple((box, spaces.Discrete(4)))),
    "goal": (
        spaces.Dict({"observation": box, "achieved_goal": box, "desired_goal": box}),
        box,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def registry():
    for name, (observation, action) in SPACES.items():
        kwargs = {"observation": observation, "action": action}
        gymnasium.register(f"Muse/{name}-v0", entry_point=Everything, kwargs=kwargs, max_episode_steps=20)
    yield
    for name in SPACES:
        del gymnasium.registry[f"Muse/{name}-v0"]


@pytest.mark.parametrize("name", SPACES)
def test_contract_over_every_space(name):
    check_env(GymEnv, d(env_type=f"Muse/{name}-v0"), steps=10)


@pytest.mark.parametrize("env_type", ["CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0"])
def test_contract_over_classic_control(env_type):
    check_env(GymEnv, d(env_type=env_type), steps=210)


def test_both_spellings_of_the_module():
    assert gym.GymEnv is gym_env.GymEnv


def test_names_and_leaves():
    spec = make(GymEnv, d(env_type="Muse/dict-v0")).env_spec
    assert spec.observation_names == ("obs/arm/joints", "obs/arm/open", "obs/camera")
    assert spec.action_names == ("action/grip", "action/move")
    spec = make(GymEnv, d(env_type="Muse/tuple-v0")).env_spec
    assert spec.observation_names == ("obs/0", "obs/1/0", "obs/1/1")
    spec = make(GymEnv, d(env_type="Muse/goal-v0")).env_spec
    assert (spec.observation_names, spec.goal_names) == (("obs/achieved_goal", "obs/observation"), ("goal",))
    leaf = make(GymEnv, d(env_type="Muse/discrete-v0")).env_spec.leaf("action")
    assert (leaf.shape, leaf.dtype, leaf.low.item(), leaf.high.item()) == ((1,), np.int64, 1, 3)
    leaf = make(GymEnv, d(env_type="Muse/box-v0")).env_spec.leaf("action")
    assert leaf.high.tolist() == [1, 3]
    assert make(GymEnv, d(env_type="Muse/scalar-v0")).env_spec.leaf("obs").shape == (1,)


def test_actions_arrive_as_the_space_wants_them():
    env = make(GymEnv, d(env_type="Muse/dict-v0"))
    env.reset(seed=0)
    env.step(d(action=d(grip=np.array([[0.9]]), move=np.array([[5.0, -0.5]], np.float32))))
    taken = env._gym.unwrapped.taken[-1]
    assert taken["grip"] == 1
    np.testing.assert_array_equal(taken["move"], np.array([1, -0.5], np.float32))
    with pytest.raises(EnvError) as error:
        env.step(d(action=d(grip=np.array([[2]]), move=np.zeros((1, 2), np.float32))))
    assert str(error.value) == "GymEnv.step: 'action/grip': [2] is outside its limits; expected within [0, 1]"


def test_rows_equal_the_bare_environment():
    env, bare = make(GymEnv, d(env_type="Pendulum-v1")), gymnasium.make("Pendulum-v1")
    obs, goal = env.reset(seed=7)
    np.testing.assert_array_equal(obs["obs"][0], bare.reset(seed=7)[0])
    assert not flatten(goal)
    rng = np.random.default_rng(0)
    for t in range(200):
        action = rng.uniform(-2, 2, (1, 1)).astype(np.float32)
        obs, _, done = env.step(d(action=action))
        value, reward, terminated, truncated, _ = bare.step(action[0])
        np.testing.assert_array_equal(obs["obs"][0], value)
        assert obs["reward"].item() == np.float32(reward)
        assert done.item() == (terminated or truncated) == (t == 199)
    assert obs["truncated"].item()


def test_an_end_is_no_truncation_and_success_comes_from_info():
    env = make(GymEnv, d(env_type="Muse/image-v0"))
    env.reset(seed=0)
    for _ in range(4):
        assert not env.is_success()
        obs, _, done = env.step(d(action=np.zeros((1, 2), np.float32)))
    assert done.item() and not obs["truncated"].item() and env.is_success()
    env = make(GymEnv, d(env_type="Muse/image-v0", env_kwargs=d(solved_key="is_success", length=1)))
    env.reset(seed=0)
    env.step(d(action=np.zeros((1, 2), np.float32)))
    assert env.is_success()


def test_success_by_return():
    env = make(GymEnv, d(env_type="CartPole-v1", success_return=3.0))
    env.reset(seed=0)
    solved = []
    for _ in range(4):
        env.step(d(action=np.array([[0]])))
        solved.append(env.is_success())
    assert solved == [False, False, True, True]
    env.reset(seed=0)
    assert not env.is_success()


def test_presets_are_reset_options():
    env = make(GymEnv, d(env_type="Pendulum-v1", preset_names=["x_init", "y_init"]))
    obs, _ = env.reset(d(x_init=0.0, y_init=0.0), seed=0)
    np.testing.assert_allclose(obs["obs"], [[1, 0, 0]], atol=1e-6)
    with pytest.raises(EnvError) as error:
        make(GymEnv, d(env_type="Pendulum-v1")).reset(d(x_init=0.0))
    assert str(error.value) == "GymEnv.reset: no preset 'x_init'; expected no presets"


def test_pictures_and_window(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = make(GymEnv, d(env_type="CartPole-v1"))
    env.reset(seed=0)
    assert env.render().shape == (400, 600, 3) and env.render().dtype == np.uint8
    assert pygame.display.get_surface() is None
    env.close()
    env = make(GymEnv, d(env_type="CartPole-v1", render=True))
    env.reset(seed=0)
    assert pygame.display.get_surface().get_size() == (600, 400)
    env.close()
    assert make(GymEnv, d(env_type="Muse/image-v0")).render() is None
    with pytest.raises(EnvError) as error:
        make(GymEnv, d(env_type="Muse/image-v0", render=True)).reset()
    assert str(error.value) == "GymEnv(Muse/image-v0): render: the environment draws no 'rgb_array'; expected render=False"


def test_unknown_environments_and_arguments():
    with pytest.raises(EnvError) as error:
        make(GymEnv, d(env_type="CartPol-v1"))
    assert error.value.where == "GymEnv: env_type 'CartPol-v1'" and "`CartPole`" in str(error.value)
    with pytest.raises(EnvError, match="no_such_module"):
        make(GymEnv, d(env_type="no_such_module:CartPole-v1"))
    with pytest.raises(EnvError, match="unexpected keyword argument 'gravitas'"):
        make(GymEnv, d(env_type="Pendulum-v1", env_kwargs=d(gravitas=1.0)))


def test_spaces_without_a_fixed_shape_are_refused():
    gymnasium.register("Muse/text-v0", entry_point=Everything, kwargs={"observation": spaces.Text(5), "action": box})
    try:
        with pytest.raises(EnvError) as error:
            make(GymEnv, d(env_type="Muse/text-v0"))
    finally:
        del gymnasium.registry["Muse/text-v0"]
    assert str(error.value) == (
        "GymEnv(Muse/text-v0): 'obs': a space Text; expected Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple\n"
        "  try: an observation or action wrapper of gymnasium"
    )


def test_a_spec_of_another_environment_is_refused():
    spec = make(GymEnv, d(env_type="Pendulum-v1")).env_spec
    with pytest.raises(EnvError, match="expected shape"):
        make(GymEnv, d(env_type="CartPole-v1"), env_spec=spec)


class Undrawable(Everything):
    """An env that lacks what it draws with."""

    metadata = {"render_modes": ["rgb_array"]}

    def render(self):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed")


def test_what_is_missing_for_a_picture_is_told():
    gymnasium.register("Muse/undrawable-v0", entry_point=Undrawable, kwargs={"observation": box, "action": box})
    env = make(GymEnv, d(env_type="Muse/undrawable-v0"))
    env.reset(seed=0)
    with pytest.raises(MissingExtraError, match=r"pygame is not installed.*\n.*\[window\]"):
        env.render()
    del gymnasium.registry["Muse/undrawable-v0"]
