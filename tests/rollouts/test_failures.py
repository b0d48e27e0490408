"""Rollouts whose envs fail: what it costs, what is told, and that the rest stays as it would have been."""

import logging

import numpy as np
import pytest
from attrdict import AttrDict as d
from unruly_env import IN_PROCESS, SAYS, UnrulyEnv, attempts

from muse.cli.report import show_evaluation
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file
from muse.datasets.np_dataset import NpDataset
from muse.envs.env import EnvError, make, make_env_spec
from muse.envs.vector_env import VectorEnv
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.compare import compare
from muse.rollouts.evaluation import evaluate, load_evaluation
from muse.rollouts.loop import RolloutError, RolloutLoop, rollout, run_episodes
from muse.rollouts.picture_recorder import PictureRecorder
from muse.rollouts.recorder import Recorder
from muse.rollouts.recorders import DatasetRecorder, OrderedRecorder, VideoRecorder
from muse.testing.fake_env import FakeEnv
from muse.utils.attrdicts import flatten
from muse.utils.progress import Progress
from muse.utils.seeding import episode_seeds

SPEC = make_env_spec(FakeEnv)
SEEDS = list(range(20, 29))
CASES = [("process", trouble) for trouble in ("kill", "exit", "hang", "error")] + [("sync", trouble) for trouble in IN_PROCESS]


def unruly(folder, num_envs=2, mode="sync", trouble="error", **options):
    group = d(cls=UnrulyEnv, success_rate=0.5, trouble=trouble, folder=str(folder), **options)
    return VectorEnv(d(num_envs=num_envs, mode=mode, step_timeout=2.0), group, SPEC)


def policy():
    return RandomPolicy(d(), SPEC)


def run(env, seeds=SEEDS, **options):
    try:
        return run_episodes(env, policy(), None, seeds, **options)
    finally:
        env.close()


def leaves(episode):
    return {**episode.to_rows(), **flatten(episode.onetime)}


def assert_same(some, others):
    assert [episode.seed for episode in some] == [episode.seed for episode in others]
    for one, other in zip(some, others, strict=True):
        assert one.success == other.success
        assert all(np.array_equal(value, leaves(other)[name]) for name, value in leaves(one).items())


@pytest.fixture(scope="module")
def undisturbed():
    return run(unruly("", 1))


@pytest.mark.parametrize("num_envs", [1, 2, 5])
@pytest.mark.parametrize(("mode", "trouble"), CASES)
def test_a_failure_changes_no_episode(mode, trouble, num_envs, tmp_path, undisturbed, caplog):
    env = unruly(tmp_path, num_envs, mode, trouble, seeds=[SEEDS[1], SEEDS[6]])
    assert_same(run(env), undisturbed)
    for index in (1, 6):
        assert len(attempts(tmp_path, SEEDS[index])) == 2
    told = sorted(record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert len(told) == 2 and told[0].startswith(f"episode 1 (seed {SEEDS[1]}): ")
    assert all(message.endswith(f"{SAYS[trouble]}; attempt 1 of 3") and "\n" not in message for message in told)


@pytest.mark.parametrize("where", ["reset", "is_success", "render"])
@pytest.mark.parametrize(("mode", "trouble"), [("process", "kill"), ("sync", "error")])
def test_a_failure_in_any_call_changes_no_episode_and_no_video(mode, trouble, where, tmp_path, undisturbed):
    videos = [VideoRecorder(tmp_path / name, fps=5, episodes=4, tile=2) for name in ("one.mp4", "other.mp4")]
    assert_same(run(unruly("", 2), recorders=[videos[0]]), undisturbed)
    env = unruly(tmp_path, 2, mode, trouble, where=where, seeds=[SEEDS[0], SEEDS[3]], times=2)
    assert_same(run(env, recorders=[videos[1]]), undisturbed)
    assert [len(attempts(tmp_path, SEEDS[i])) for i in (0, 3)] == [3, 3]
    assert videos[0].path.read_bytes() == videos[1].path.read_bytes()


@pytest.mark.parametrize("where", ["reset", "step", "is_success", "render"])
@pytest.mark.parametrize(("mode", "trouble"), [("process", "kill"), ("sync", "error")])
def test_a_failure_changes_no_dataset_of_pictures(mode, trouble, where, tmp_path):
    def film(name, env):
        run(env, recorders=[PictureRecorder(lambda spec: EpisodeWriter(tmp_path / name, spec))])
        return read_file(tmp_path / name)

    one = film("one.npz", unruly("", 2))
    other = film("other.npz", unruly(tmp_path, 2, mode, trouble, where=where, seeds=[SEEDS[0], SEEDS[3]], times=2))
    assert [len(attempts(tmp_path, SEEDS[i])) for i in (0, 3)] == [3, 3]
    assert np.array_equal(one.ends, other.ends) and np.array_equal(one.steps["image"], other.steps["image"])
    assert np.array_equal(one.onetime["final/success"], other.onetime["final/success"])
    given_up = film("less.npz", unruly(tmp_path, 2, where=where, seeds=[SEEDS[5]], times=99))
    assert len(given_up.ends) == len(one.ends) - 1 == len(SEEDS) - 1


@pytest.mark.parametrize("tile", [1, 3])
@pytest.mark.parametrize("where", ["reset", "step"])
def test_a_video_goes_on_after_an_episode_that_was_given_up(tile, where, tmp_path):
    video = VideoRecorder(tmp_path / "a.mp4", fps=5, episodes=5, tile=tile)
    run(unruly(tmp_path, 2, where=where, seeds=[SEEDS[1]], times=9), recorders=[video])
    assert video._writer.frames > 10 and not video._clips


@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("where", ["reset", "step"])
def test_an_episode_that_fails_at_every_attempt_is_given_up(where, num_envs, tmp_path, undisturbed, caplog):
    env = unruly(tmp_path, num_envs, where=where, seeds=[SEEDS[0], SEEDS[5]], times=99)
    loop = RolloutLoop(env, policy(), retries=1)
    loop.start(SEEDS)
    ended = {}
    while not loop.is_finished:
        ended.update(loop.advance())
    assert_same([ended[index] for index in sorted(ended)], [undisturbed[i] for i in (1, 2, 3, 4, 6, 7, 8)])
    assert sorted((lost.index, lost.seed) for lost in loop.lost) == [(0, SEEDS[0]), (5, SEEDS[5])]
    assert all(lost.error.summary.endswith(SAYS["error"]) for lost in loop.lost)
    assert len(attempts(tmp_path, SEEDS[0])) == 2
    assert [record.getMessage().endswith("attempt 2 of 2, given up") for record in caplog.records].count(True) == 2


class Log(Recorder):
    def __init__(self):
        self.calls = []

    def begin(self, row, index, seed):
        self.calls.append(("begin", row, index, seed))

    def step(self, rows):
        self.calls.append(("step", rows.tolist()))

    def end(self, row, index, episode):
        self.calls.append(("end", row, index, episode.seed))

    def fail(self, row, index, is_lost):
        self.calls.append(("fail", row, index, is_lost))


def test_recorders_are_told_of_failures_in_order(tmp_path):
    log = Log()
    run(unruly(tmp_path, 2, seeds=[1], times=99), [4, 1, 8], recorders=[log], max_steps=3, retries=1)
    assert log.calls == [
        ("begin", 0, 0, 4), ("begin", 1, 1, 1), ("step", [True, True]), ("step", [True, True]),
        ("step", [True, False]), ("end", 0, 0, 4), ("fail", 1, 1, False),
        ("begin", 0, 2, 8), ("begin", 1, 1, 1), ("step", [True, True]), ("step", [True, True]),
        ("step", [True, False]), ("end", 0, 2, 8), ("fail", 1, 1, True),
    ]  # fmt: skip
    log.calls.clear()
    run(unruly(tmp_path, 1, where="reset", seeds=[2], times=1), [2], recorders=[log], max_steps=1)
    assert log.calls == [("fail", 0, 0, False), ("begin", 0, 0, 2), ("step", [True]), ("end", 0, 0, 2)]


class Order(OrderedRecorder):
    def __init__(self):
        super().__init__()
        self.seeds = []

    def take(self, episode):
        self.seeds.append(episode.seed)


@pytest.mark.parametrize("num_envs", [1, 4])
def test_nothing_waits_for_an_episode_that_was_given_up(num_envs, tmp_path):
    recorder = Order()
    run(unruly(tmp_path, num_envs, seeds=[SEEDS[0], SEEDS[3], SEEDS[8]], times=99), recorders=[recorder])
    assert recorder.seeds == [SEEDS[i] for i in (1, 2, 4, 5, 6, 7)]
    assert (recorder.taken, recorder.lost) == (9, 3) and recorder.solved_share == recorder.solved / 6
    assert Order().solved_share is None


def test_a_dataset_has_the_same_rows_whatever_failed(tmp_path):
    arrays = []
    for name, mode, trouble, num_envs in (("a", "sync", "", 1), ("b", "process", "kill", 3), ("c", "sync", "error", 2)):
        (tmp_path / name).mkdir()
        dataset = NpDataset(d(output_file=str(tmp_path / f"{name}.npz"), horizon=2), SPEC)
        recorder = DatasetRecorder(dataset, save_every_n_episodes=4)
        run(unruly(tmp_path / name, num_envs, mode, trouble, seeds=[SEEDS[0], SEEDS[4]]), recorders=[recorder])
        with np.load(tmp_path / f"{name}.npz") as file:
            arrays.append({key: file[key] for key in SPEC.observation_names + SPEC.action_names + ("done",)})
    for other in arrays[1:]:
        assert all(np.array_equal(value, other[key]) for key, value in arrays[0].items())


@pytest.mark.parametrize(("num_envs", "mode"), [(1, "sync"), (3, "sync"), (2, "process")])
def test_an_evaluation_counts_crashed_episodes_as_failed_and_says_so(num_envs, mode, tmp_path, capsys):
    seeds = episode_seeds(3, 8)
    plain = evaluate(unruly("", 1), policy(), episodes=8, seed=3)
    env = unruly(tmp_path, num_envs, mode, seeds=[seeds[2], seeds[7]], times=99)
    bar = Progress("evaluate", total=8, unit="episodes")
    result = evaluate(env, policy(), episodes=8, seed=3, progress=bar)
    env.close()
    assert [record.index for record in result.records] == list(range(8)) and bar.done == 8
    for i, (record, other) in enumerate(zip(result.records, plain.records, strict=True)):
        if i in (2, 7):
            assert (record.seed, record.success, record.length, record.returns, record.truncated) == (
                seeds[i],
                False,
                0,
                None,
                False,
            )
            assert record.error.endswith(SAYS["error"])
        else:
            assert record == other
    assert (result.crashed, result.successes) == (2, sum(r.success for i, r in enumerate(plain.records) if i not in (2, 7)))
    assert result.mean_length == np.mean([record.length for i, record in enumerate(plain.records) if i not in (2, 7)])
    assert repr(result).endswith(", 2 crashed)") and "crashed" not in repr(plain)
    assert result.summary()["crashed"] == 2 and plain.summary()["crashed"] == 0
    result.save(tmp_path / "eval")
    assert load_evaluation(tmp_path / "eval") == result
    show_evaluation(result, 1.0)
    out = capsys.readouterr().out
    assert f"crashed  2 episodes, which count as failed; episode 2: {result.records[2].error}\n" in out
    show_evaluation(plain, 1.0)
    assert "crashed" not in capsys.readouterr().out
    comparison = compare(plain, result)
    assert (comparison.crashed_a, comparison.crashed_b, comparison.episodes) == (0, 2, 8)
    assert "crashed: 0 episodes of A, 2 of B, which count as not solved" in comparison.describe()
    assert "crashed" not in compare(plain, plain).describe()


@pytest.mark.parametrize(("num_envs", "mode", "trouble"), [(1, "sync", "error"), (4, "sync", "error"), (2, "process", "kill")])
def test_when_no_env_works_that_is_an_error(num_envs, mode, trouble, tmp_path, caplog):
    env = unruly(tmp_path, num_envs, mode, trouble, seeds=list(range(100)), times=99)
    with pytest.raises(RolloutError) as error:
        run(env, list(range(100)))
    assert str(error.value).startswith(
        "RolloutLoop: the env failed in every episode, 3 times in each; the last time in the first one: env 0 of a VectorEnv: "
        + SAYS[trouble]
    )
    assert trouble == "kill" or any("unruly_env.py" in note for note in error.value.__notes__)
    assert len(caplog.records) == 3 * {1: 3, 2: 4, 4: 4}[num_envs], "the first three episodes at least, and one of each env"


def test_a_queue_of_nothing_but_failures_is_an_error_also_when_it_is_short(tmp_path):
    with pytest.raises(RolloutError, match="the env failed in every episode, 1 times in each"):
        run(unruly(tmp_path, 4, seeds=[7], times=9), [7], retries=0)
    single = make(UnrulyEnv, d(trouble="error", folder=str(tmp_path), seeds=[8], times=9), SPEC)
    with pytest.raises(RolloutError, match="the simulation blew up"):
        rollout(single, policy(), seed=8)


def test_a_single_env_is_reset_and_goes_on(tmp_path):
    single = make(UnrulyEnv, d(trouble="error", folder=str(tmp_path), seeds=[8]), SPEC)
    assert rollout(single, policy(), seed=8).seed == 8 and len(attempts(tmp_path, 8)) == 2


def test_a_mistake_ends_the_run_at_once(tmp_path):
    class Mistaken(FakeEnv):
        def step(self, action):
            raise EnvError("Mistaken.step", "a mistake")

    env = VectorEnv(d(num_envs=2), d(cls=Mistaken), SPEC)
    with pytest.raises(EnvError, match=r"Mistaken.step: a mistake"):
        run(env)
    with pytest.raises(RolloutError, match="RolloutLoop: retries: -1; expected a number of times, or 0 for never"):
        RolloutLoop(env, policy(), retries=-1)


def test_an_endless_queue_goes_on(tmp_path):
    env = unruly(tmp_path, 3, seeds=[1, 4, 5], times=99)
    loop = RolloutLoop(env, policy())
    loop.start(iter(range(1000)))
    seen = [episode.seed for _ in range(120) for episode in loop.step()]
    assert {lost.seed for lost in loop.lost} == {1, 4, 5}
    assert sorted({*seen, 1, 4, 5})[:20] == list(range(20))
