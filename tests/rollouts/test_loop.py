import itertools

import numpy as np
import pytest
from attrdict import AttrDict

from muse.envs.env import make, make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.models.bc.action_decoders import RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rewards.reward import Reward
from muse.rollouts.loop import RolloutError, RolloutLoop, rollout, run_episodes
from muse.rollouts.recorder import Recorder
from muse.specs import EnvSpec
from muse.specs.leaf import SpecError
from muse.testing.fake_env import FakeEnv
from muse.utils.attrdicts import flatten
from muse.utils.seeding import episode_seeds
from muse.utils.torch_utils import evaluation_mode

POINT_MASS = AttrDict(cls=PointMassEnv, num_obstacles=2, num_steps=40, noise_std=0.002, theta_noise_std=0.3)
POINT_MASS_SPEC = make_env_spec(PointMassEnv, POINT_MASS)
FAKE_SPEC = make_env_spec(FakeEnv)


def point_masses(count, **options):
    return VectorEnv(AttrDict(num_envs=count), AttrDict({**POINT_MASS, **options}), POINT_MASS_SPEC)


def fakes(count, **options):
    return VectorEnv(AttrDict(num_envs=count), AttrDict(cls=FakeEnv, **options), FAKE_SPEC)


def leaves(episode):
    return {**episode.to_rows(), **flatten(episode.onetime)}


def assert_equal(one, other, tolerance=0.0):
    assert (len(one), one.success, one.seed, one.truncated) == (len(other), other.success, other.seed, other.truncated)
    mine, theirs = leaves(one), leaves(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        if tolerance and value.dtype.kind == "f":
            np.testing.assert_allclose(value, theirs[name], atol=tolerance, rtol=0, err_msg=name)
        else:
            assert value.dtype == theirs[name].dtype and np.array_equal(value, theirs[name]), name


@pytest.mark.parametrize(("policy", "options"), [(PointMassExpert, {"action_noise_std": 0.3}), (RandomPolicy, {})])
@pytest.mark.parametrize("envs", [3, 8, 20])
def test_one_env_and_many_give_bit_equal_episodes_in_the_order_of_the_seeds(policy, options, envs):
    seeds = episode_seeds(3, 13)
    alone, together = (
        run_episodes(point_masses(count), policy(AttrDict(options), POINT_MASS_SPEC), None, seeds) for count in (1, envs)
    )
    assert [episode.seed for episode in together] == seeds
    assert len({len(episode) for episode in alone}) > 1 or policy is RandomPolicy
    for one, other in zip(alone, together, strict=True):
        assert_equal(one, other)


@pytest.mark.parametrize("sample", [False, True])
def test_one_env_and_many_give_the_same_episodes_with_a_recurrent_model(sample):
    decoder = AttrDict(cls=RNNActionDecoder, hidden_size=32, rnn_depth=2, use_policy_dist=sample, policy_num_mix=2)
    model = BaseGCBC(AttrDict(action_decoder=decoder), POINT_MASS_SPEC)
    seeds = episode_seeds(0, 10)
    runs = []
    for count in (1, 8):
        policy = GCBCPolicy(AttrDict(replan_horizon=10, sample=sample), POINT_MASS_SPEC)
        runs.append(run_episodes(point_masses(count), policy, model, seeds, max_steps=25))
    for one, other in zip(*runs, strict=True):
        assert_equal(one, other, 1e-5)
    assert np.ptp(runs[0][0].inputs["action"], axis=0).max() > 0


def test_processes_give_what_one_process_gives():
    policy = PointMassExpert(AttrDict(), POINT_MASS_SPEC)
    here = run_episodes(point_masses(2), policy, None, range(4))
    env = VectorEnv(AttrDict(num_envs=2, mode="process"), POINT_MASS, POINT_MASS_SPEC)
    try:
        there = run_episodes(env, PointMassExpert(AttrDict(), POINT_MASS_SPEC), None, range(4))
    finally:
        env.close()
    for one, other in zip(here, there, strict=True):
        assert_equal(one, other)


def test_the_same_loop_and_policy_run_again_alike():
    env, policy = point_masses(4), PointMassExpert(AttrDict(action_noise_std=0.5), POINT_MASS_SPEC)
    for one, other in zip(*(run_episodes(env, policy, None, range(6)) for _ in range(2)), strict=True):
        assert_equal(one, other)


def test_a_row_is_what_was_seen_then_done_then_returned():
    """Against a loop of its own around a bare env."""
    expert = PointMassExpert(AttrDict(action_noise_std=0.4), POINT_MASS_SPEC)
    episode = run_episodes(point_masses(3), expert, None, [11, 12, 13, 14])[2]
    env, rows = make(PointMassEnv, POINT_MASS), []
    policy = PointMassExpert(AttrDict(action_noise_std=0.4), POINT_MASS_SPEC)
    policy.reset_policy(np.ones(1, bool), [13])
    obs, _ = env.reset(seed=13)
    size, done = obs["objects/size"], np.zeros(1, bool)
    while not done[0]:
        seen = {name: obs[name] for name in POINT_MASS_SPEC.observation_names}
        action = policy.get_action(None, {**{n: v[:, None] for n, v in seen.items()}, "objects/size": size[:, None]}, {})
        obs, _, done = env.step(action)
        rows.append({**seen, "action": action["action"], "reward": obs["reward"], "truncated": obs["truncated"], "done": done})
    assert len(episode) == len(rows) and episode.success is env.is_success()
    for name, value in episode.to_rows().items():
        assert np.array_equal(value, np.concatenate([row[name] for row in rows])), name
    assert np.array_equal(episode.onetime["objects/size"], size[0])
    episode.check(POINT_MASS_SPEC)


def test_every_role_of_a_spec_finds_its_place():
    episode = run_episodes(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(3))[1]
    assert set(flatten(episode.inputs)) == {"position", "image", "goal/position", "action", "gripper"}
    assert set(flatten(episode.outputs)) == {"reward", "truncated", "done"}
    assert set(flatten(episode.onetime)) == {"objects/size", "final/note"}
    assert episode.inputs["image"].shape == (5, 4, 6, 3) and episode.inputs["image"].dtype == np.uint8
    assert episode.inputs["gripper"].dtype == np.int64
    episode.check(FAKE_SPEC)


def test_names_without_a_role_are_recorded_when_the_policy_makes_them():
    spec = FAKE_SPEC.extended([EnvSpec(AttrDict(names_shapes_limits_dtypes=[("kind", (1,), (0, 9), np.uint8)])).leaf("kind")])

    class Labelled(RandomPolicy):
        def get_action(self, model, obs, goal):
            action = super().get_action(model, obs, goal)
            action["kind"] = np.full((len(action["action"]), 1), 7, np.uint8)
            action["unknown"] = np.zeros((len(action["action"]), 1))
            return action

    class Tolerant(FakeEnv):
        def _check_action(self, action):
            super()._check_action({name: action[name] for name in ("action", "gripper")})

    env = VectorEnv(AttrDict(num_envs=2), AttrDict(cls=Tolerant), spec)
    episode = run_episodes(env, Labelled(AttrDict(), spec), None, [0])[0]
    assert episode.inputs["kind"].tolist() == [[7]] * 5
    assert "unknown" not in episode.inputs


def test_success_is_that_of_the_last_state():
    episodes = run_episodes(fakes(3, success_rate=0.5), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(30))
    assert {episode.success for episode in episodes} == {True, False}
    for episode in episodes:
        assert episode.success == (episode.total() == 1.0) == (not episode.truncated)


def test_max_steps_cuts_and_marks_truncated():
    episodes = run_episodes(fakes(3), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(7), max_steps=3)
    for episode in episodes:
        assert len(episode) == 3 and episode.truncated and not episode.success
        assert episode.outputs["truncated"][:, 0].tolist() == [False, False, True]
        assert "final/note" not in flatten(episode.onetime), "the env tells finals only where it ends itself"
    whole = run_episodes(fakes(3), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(7), max_steps=5)
    assert all(len(episode) == 5 and not episode.truncated for episode in whole)


def test_a_policy_can_end_an_episode():
    episodes = run_episodes(fakes(2), RandomPolicy(AttrDict(timeout=2), FAKE_SPEC), None, range(5))
    assert [len(episode) for episode in episodes] == [2] * 5
    assert all(episode.truncated for episode in episodes)


class ConstantGoal(RandomPolicy):
    """Makes the goal that its episode's first observation was."""

    def get_action(self, model, obs, goal):
        self.count_rows(len(obs["position"]))
        fresh = self.steps == 1
        held = getattr(self, "_held", obs["position"][:, 0])
        self._held = np.where(fresh[:, None], obs["position"][:, 0], held)
        return self.finish({"goal/position": self._held})


class SeesGoal(RandomPolicy):
    """Goes where the goal is."""

    def get_action(self, model, obs, goal):
        self.count_rows(len(obs["position"]))
        return self.finish({"action": goal["goal/position"], "gripper": np.zeros((len(self.steps), 1))})


def test_a_goal_policy_makes_the_goal_that_is_seen_and_recorded():
    options = {"goal_policy": ConstantGoal(AttrDict(), FAKE_SPEC, is_goal=True)}
    for episode in run_episodes(fakes(3), SeesGoal(AttrDict(), FAKE_SPEC), None, range(7), **options):
        first = np.broadcast_to(episode.inputs["position"][0], (5, 2))
        assert np.array_equal(episode.inputs["goal/position"], first)
        assert np.array_equal(episode.inputs["action"], first)


def test_without_a_goal_policy_the_env_s_goal_is_seen_and_recorded():
    for episode in run_episodes(fakes(2), SeesGoal(AttrDict(), FAKE_SPEC), None, range(3)):
        assert np.array_equal(episode.inputs["goal/position"], episode.inputs["action"])
        assert np.ptp(episode.inputs["action"], axis=0).min() > 0


def test_a_goal_policy_can_end_an_episode():
    goal_policy = ConstantGoal(AttrDict(timeout=4), FAKE_SPEC, is_goal=True)
    episodes = run_episodes(fakes(2), SeesGoal(AttrDict(), FAKE_SPEC), None, range(3), goal_policy=goal_policy)
    assert [len(episode) for episode in episodes] == [4] * 3


class Travelled(Reward):
    """Rewards the way from the present to the next position, plus the number of its step, plus the action's first number."""

    def reset_reward(self, rows=None):
        count = len(rows)
        self._steps = np.where(rows, 0, getattr(self, "_steps", np.zeros(count)))

    def get_reward(self, model, obs, goal, action, next_obs, next_goal, done):
        self._steps = self._steps + 1
        way = np.linalg.norm(next_obs["position"] - obs["position"], axis=-1)
        return (way + self._steps + action["action"][:, 0])[:, None].astype(np.float32)


def test_a_reward_object_replaces_the_reward():
    reward = Travelled(AttrDict(), FAKE_SPEC)
    plain = run_episodes(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(5))
    rewarded = run_episodes(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), None, range(5), reward=reward)
    for without, episode in zip(plain, rewarded, strict=True):
        assert np.array_equal(without.inputs["position"], episode.inputs["position"])
        way = np.linalg.norm(np.diff(episode.inputs["position"], axis=0), axis=-1)
        expected = way + np.arange(1, 5) + episode.inputs["action"][:4, 0]
        np.testing.assert_allclose(episode.outputs["reward"][:4, 0], expected, rtol=1e-6)
        assert episode.outputs["reward"].dtype == np.float32


def test_a_reward_of_the_wrong_shape_is_named():
    class Flat(Travelled):
        def get_reward(self, *args):
            return super().get_reward(*args)[:, 0]

    with pytest.raises(RolloutError) as error:
        run_episodes(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), None, [0, 1], reward=Flat(AttrDict(), FAKE_SPEC))
    assert str(error.value) == "Flat.get_reward: shape (2,); expected shape (2, 1)"


def test_presets_begin_their_episode():
    presets = [None if i % 2 else {"ego": np.array([0.1 * i, 0.05])} for i in range(6)]
    episodes = run_episodes(
        point_masses(4, num_obstacles=2), PointMassExpert(AttrDict(), POINT_MASS_SPEC), None, range(6), presets=presets
    )
    for i in (0, 2, 4):
        np.testing.assert_allclose(episodes[i].inputs["ego"][0], [0.1 * i, 0.05], atol=1e-6)
    plain = run_episodes(point_masses(4), PointMassExpert(AttrDict(), POINT_MASS_SPEC), None, range(6))
    assert_equal(plain[1], episodes[1])


class Log(Recorder):
    def __init__(self):
        self.calls = []

    def start(self, env):
        self.calls.append(("start", env.num_envs))

    def begin(self, row, index, seed):
        self.calls.append(("begin", row, index, seed))

    def step(self, rows):
        self.calls.append(("step", rows.tolist()))

    def end(self, row, index, episode):
        self.calls.append(("end", row, index, episode.seed))

    def close(self):
        self.calls.append(("close",))


def test_recorders_are_told_of_everything_in_order():
    log = Log()
    run_episodes(fakes(2, episode_length=2), RandomPolicy(AttrDict(), FAKE_SPEC), None, [10, 11, 12], recorders=[log])
    assert log.calls == [
        ("start", 2),
        ("begin", 0, 0, 10),
        ("begin", 1, 1, 11),
        ("step", [True, True]),
        ("step", [True, True]),
        ("end", 0, 0, 10),
        ("end", 1, 1, 11),
        ("begin", 0, 2, 12),
        ("step", [True, False]),
        ("step", [True, False]),
        ("end", 0, 2, 12),
        ("close",),
    ]


def test_recorders_are_closed_after_an_error():
    class Broken(RandomPolicy):
        def get_action(self, model, obs, goal):
            raise ZeroDivisionError

    log = Log()
    with pytest.raises(ZeroDivisionError):
        run_episodes(fakes(2), Broken(AttrDict(), FAKE_SPEC), None, [0], recorders=[log])
    assert log.calls[-1] == ("close",)


def test_an_empty_queue_is_finished():
    log = Log()
    assert run_episodes(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), None, [], recorders=[log]) == []
    assert log.calls == [("start", 2), ("close",)]


def test_more_envs_than_episodes_are_no_matter():
    """A policy that has acted for another number of envs before, and rows that never begin."""
    policy = RandomPolicy(AttrDict(), FAKE_SPEC)
    few = run_episodes(fakes(2), policy, None, [5, 6])
    many = run_episodes(fakes(7), policy, None, [5, 6])
    for one, other in zip(few, many, strict=True):
        assert_equal(one, other)


def test_a_queue_may_be_endless():
    loop = RolloutLoop(fakes(3), RandomPolicy(AttrDict(), FAKE_SPEC))
    loop.start(itertools.count())
    finished = [episode.seed for _ in range(20) for episode in loop.step()]
    assert sorted(finished) == list(range(12)) and not loop.is_finished


def test_rollout_takes_an_env_or_a_vector():
    policy = PointMassExpert(AttrDict(), POINT_MASS_SPEC)
    one = rollout(make(PointMassEnv, POINT_MASS), policy, seed=3)
    other = rollout(point_masses(2), PointMassExpert(AttrDict(), POINT_MASS_SPEC), seed=3)
    assert_equal(one, other)
    fixed = rollout(make(PointMassEnv, POINT_MASS), PointMassExpert(AttrDict(), POINT_MASS_SPEC), preset={"ego": [0.1, 0.1]})
    assert fixed.seed is None and fixed.inputs["ego"][0].tolist() == pytest.approx([0.1, 0.1])


def test_a_model_in_training_mode_acts_in_evaluation_mode_and_returns():
    decoder = AttrDict(cls=RNNActionDecoder, hidden_size=8, dropout_p=0.5)
    model = BaseGCBC(AttrDict(action_decoder=decoder), POINT_MASS_SPEC)
    runs = []
    for training in (True, False):
        model.train(training)
        frozen = next(module for module in model.modules() if not list(module.children()))
        frozen.eval()
        before = [module.training for module in model.modules()]
        runs.append(run_episodes(point_masses(2), GCBCPolicy(AttrDict(), POINT_MASS_SPEC), model, range(2), max_steps=5))
        assert [module.training for module in model.modules()] == before
    for one, other in zip(*runs, strict=True):
        assert_equal(one, other)


def test_evaluation_mode_returns_after_an_error():
    decoder = AttrDict(cls=RNNActionDecoder, hidden_size=8)
    model = BaseGCBC(AttrDict(action_decoder=decoder), POINT_MASS_SPEC).train()
    with pytest.raises(ZeroDivisionError), evaluation_mode(model):
        assert not model.training
        raise ZeroDivisionError
    assert model.training


def test_what_cannot_be_done_is_said():
    loop = RolloutLoop(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC))
    with pytest.raises(RolloutError) as error:
        loop.step()
    assert str(error.value) == "RolloutLoop.step: no episode is running; expected start(seeds) before it"
    loop.start([0])
    with pytest.raises(RolloutError) as error:
        loop.start([1])
    assert str(error.value) == (
        "RolloutLoop.start: 1 episodes still running; expected a finished loop\n  try: make a new RolloutLoop"
    )
    with pytest.raises(RolloutError) as error:
        RolloutLoop(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC)).start([0, 1], [None])
    assert str(error.value) == "RolloutLoop.start: 1 presets; expected one for each of the 2 seeds"
    with pytest.raises(RolloutError) as error:
        RolloutLoop(fakes(2), RandomPolicy(AttrDict(), FAKE_SPEC), max_steps=-1)
    assert str(error.value) == "RolloutLoop: max_steps: -1; expected a number of actions, or 0 for no limit"


def test_an_action_that_does_not_fit_is_named():
    class Short(RandomPolicy):
        def get_action(self, model, obs, goal):
            return AttrDict(action=super().get_action(model, obs, goal)["action"])

    with pytest.raises(SpecError) as error:
        run_episodes(fakes(2), Short(AttrDict(), FAKE_SPEC), None, [0])
    assert str(error.value) == "Short.get_action: 'gripper': missing; expected an array of shape (..., 1)"


def test_a_cut_ends_what_runs_where_it_is():
    told = []

    class Telling(Recorder):
        def end(self, row, index, episode):
            told.append(("end", index, len(episode)))

        def fail(self, row, index, is_lost):
            told.append(("fail", index, is_lost))

    policy = PointMassExpert(AttrDict(), POINT_MASS_SPEC)
    loop = RolloutLoop(point_masses(2), policy, recorders=[Telling()])
    loop.start(episode_seeds(0, 2))
    for _ in range(4):
        assert not loop.step()
    episodes = loop.cut()
    assert loop.is_finished and told == [("end", 0, 4), ("end", 1, 4)]
    whole = run_episodes(point_masses(2), PointMassExpert(AttrDict(), POINT_MASS_SPEC), None, episode_seeds(0, 2), max_steps=4)
    for one, other in zip(episodes, whole, strict=True):
        assert_equal(one, other)
    loop.start(episode_seeds(5, 2))
    assert loop.cut() == [] and told[2:] == [("fail", 0, True), ("fail", 1, True)], "without a step there is no episode"
    loop.start(episode_seeds(0, 2))
    while not loop.is_finished:
        loop.step()
    assert loop.cut() == []


def test_an_abandoned_loop_begins_anew():
    loop = RolloutLoop(point_masses(3), PointMassExpert(AttrDict(), POINT_MASS_SPEC))
    loop.start(itertools.count(7))
    for _ in range(5):
        loop.step()
    loop.abandon()
    assert loop.is_finished
    loop.start(episode_seeds(0, 3))
    episodes = []
    while not loop.is_finished:
        episodes += loop.step()
    fresh = run_episodes(point_masses(3), PointMassExpert(AttrDict(), POINT_MASS_SPEC), None, episode_seeds(0, 3))
    for one, other in zip(sorted(episodes, key=lambda e: e.seed), sorted(fresh, key=lambda e: e.seed), strict=True):
        assert_equal(one, other)
