"""Trackers against plain loops over episodes."""

import json

import numpy as np
import pytest
from attrdict import AttrDict as d

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.metrics.elementwise_metric import ElementwiseMetric
from muse.metrics.extract_metric import ExtractMetric, ReturnMetric, SuccessMetric
from muse.metrics.metric import MetricError
from muse.metrics.tracker import EPISODE_AGGREGATIONS, TIME_AGGREGATIONS, BufferedTracker, RunningTracker
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts import evaluate, run_episodes
from muse.specs import Episode
from muse.utils.attrdicts import nest
from muse.utils.seeding import episode_seeds

OVER_TIME = {
    "sum": sum, "mean": lambda v: sum(v) / len(v), "max": max, "min": min, "first": lambda v: v[0], "last": lambda v: v[-1],
}  # fmt: skip
OVER_EPISODES = {**{k: v for k, v in OVER_TIME.items() if k != "first"}}


def episodes(count=7, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        length = int(rng.integers(1, 9))
        done = np.arange(1, length + 1) == length
        inputs = {
            "ego": rng.normal(size=(length, 2)),
            "task": np.full((length, 1), i % 3),
            "phase": rng.integers(0, 2, (length, 1)),
        }
        outputs = {"reward": -rng.uniform(1, 2, (length, 1)).astype(np.float32), "done": done}
        made.append(Episode(nest(inputs), nest(outputs), success=bool(i % 2)))
    return made


@pytest.mark.parametrize("episode_agg", EPISODE_AGGREGATIONS)
@pytest.mark.parametrize("time_agg", TIME_AGGREGATIONS)
def test_aggregation_against_a_loop(time_agg, episode_agg):
    """Rewards are negative: an aggregation that began at 0 would show in the maximum."""
    metric = d(cls=ExtractMetric, key="reward")
    running = RunningTracker(d(metric=metric, time_agg=time_agg, episode_agg=episode_agg))
    buffered = BufferedTracker(d(metric=metric, time_agg=time_agg, episode_agg=episode_agg, buffer_len=3))
    assert not running.has_data and running.values() == {} and buffered.values() == {}
    singles = []
    for episode in episodes():
        singles.append(OVER_TIME[time_agg]([float(value) for value in episode.outputs["reward"][:, 0]]))
        assert running.add(episode)["reward"] == pytest.approx(singles[-1], rel=1e-5)
        buffered.add(episode)
        assert running.values()["reward"] == pytest.approx(OVER_EPISODES[episode_agg](singles), rel=1e-5)
        assert buffered.values()["reward"] == pytest.approx(OVER_EPISODES[episode_agg](singles[-3:]), rel=1e-5)
    assert running.has_data and running.num_episodes == buffered.num_episodes == 7


@pytest.mark.parametrize("group_by", ["task", "phase"])
@pytest.mark.parametrize("cls", [RunningTracker, BufferedTracker])
def test_groups_against_a_loop(cls, group_by):
    tracker = cls(d(metric=d(cls=ExtractMetric, key="reward", group_by=group_by), time_agg="mean"))
    by_group: dict[int, list[float]] = {}
    for episode in episodes():
        tracker.add(episode)
        rewards, groups = episode.outputs["reward"][:, 0], episode.inputs[group_by][:, 0]
        for group in sorted(set(groups.tolist())):
            by_group.setdefault(group, []).append(float(np.mean([r for r, g in zip(rewards, groups, strict=True) if g == group])))
    values = tracker.values()
    assert set(values) == {"reward", *(f"reward/group_{group}" for group in by_group)}
    for group, singles in by_group.items():
        assert values[f"reward/group_{group}"] == pytest.approx(np.mean(singles), rel=1e-5)


def test_success_and_return_of_real_episodes():
    spec = make_env_spec(PointMassEnv, d(num_obstacles=3))
    env = VectorEnv(d(num_envs=4), d(cls=PointMassEnv, num_obstacles=3), spec)
    success, returns = (RunningTracker(d(metric=d(cls=cls))) for cls in (SuccessMetric, ReturnMetric))
    for policy in (RandomPolicy(d(), spec), PointMassExpert(d(), spec)):
        success.reset()
        returns.reset()
        for episode in run_episodes(env, policy, None, episode_seeds(2, 10)):
            success.add(episode)
            returns.add(episode)
        result = evaluate(env, policy, None, episodes=10, seed=2)
        assert success.values() == {"success": pytest.approx(result.success_rate)}
        assert returns.values() == {"return": pytest.approx(result.mean_return, rel=1e-5)}


def test_the_outputs_of_a_model_may_be_tracked():
    tracker = BufferedTracker(d(metric=d(cls=ElementwiseMetric, names=["ego"], error="l1"), time_agg="max"))
    episode = episodes(1)[0]
    made = {"ego": episode.inputs["ego"] + 0.5}
    assert tracker.add(episode, made)["ego_l1"] == pytest.approx(0.5)
    np.testing.assert_allclose(tracker.step_values(episode, made)["ego_l1"], np.full(len(episode), 0.5), rtol=1e-6)
    with pytest.raises(MetricError, match=f"2 rows; expected {len(episode)}, as the episode has"):
        tracker.add(episode, {"ego": np.zeros((2, 2))})
    assert tracker.num_episodes == 1


@pytest.mark.parametrize("cls", [RunningTracker, BufferedTracker])
def test_a_tracker_goes_on_where_it_stopped(cls):
    params = d(metric=d(cls=ReturnMetric, group_by="task"), **({"buffer_len": 4} if cls is BufferedTracker else {}))
    whole, before, after = cls(params), cls(params), cls(params)
    for i, episode in enumerate(episodes()):
        whole.add(episode)
        (before if i < 5 else after).add(episode)
        if i == 4:
            after.load_state(json.loads(json.dumps(before.state())))
    assert after.values() == whole.values() and after.num_episodes == whole.num_episodes == 7
    whole.reset()
    assert not whole.has_data and whole.values() == {}


def test_a_buffer_needs_room():
    with pytest.raises(MetricError) as error:
        BufferedTracker(d(metric=d(cls=ReturnMetric), buffer_len=0))
    assert str(error.value) == "BufferedTracker: option 'buffer_len': 0; expected at least 1 episode"
