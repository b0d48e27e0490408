import json

import numpy as np
import pytest
from attrdict import AttrDict
from hypothesis import given
from hypothesis import strategies as st

from muse.envs.env import EnvError, make, make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.evaluation import (
    EpisodeRecord,
    Evaluation,
    EvaluationError,
    evaluate,
    load_evaluation,
    make_record,
    wilson_interval,
)
from muse.rollouts.loop import run_episodes
from muse.testing.fake_env import FakeEnv
from muse.utils.progress import Progress
from muse.utils.seeding import episode_seeds

SPEC = make_env_spec(FakeEnv)


def fakes(count, **options):
    return VectorEnv(AttrDict(num_envs=count), AttrDict(cls=FakeEnv, **options), SPEC)


def random_policy():
    return RandomPolicy(AttrDict(), SPEC)


def sample(successes=(True, False, True), seed=5, returns=(1.0, 0.0, 2.5)):
    seeds = episode_seeds(seed, len(successes))
    records = [EpisodeRecord(i, seeds[i], successes[i], 10 + i, returns[i], not successes[i]) for i in range(len(successes))]
    return Evaluation(tuple(records), seed)


def test_records_are_those_of_the_episodes_in_order():
    evaluation = evaluate(fakes(4, success_rate=0.5), random_policy(), None, episodes=11, seed=2)
    episodes = run_episodes(fakes(1, success_rate=0.5), random_policy(), None, episode_seeds(2, 11))
    assert evaluation.records == tuple(make_record(i, episode) for i, episode in enumerate(episodes))
    assert [record.seed for record in evaluation.records] == episode_seeds(2, 11)
    assert evaluation.successes == sum(episode.success for episode in episodes)
    assert 0 < evaluation.success_rate < 1
    assert evaluation.mean_return == pytest.approx(np.mean([episode.total() for episode in episodes]))
    assert evaluation.mean_length == 5.0


def test_a_single_env_is_evaluated_too():
    single = evaluate(make(FakeEnv, AttrDict(success_rate=0.5)), random_policy(), None, episodes=4, seed=2)
    with pytest.raises(EnvError) as caught:
        evaluate("PointMassEnv", random_policy(), episodes=1, seed=0)
    assert str(caught.value) == "VectorEnv.of: str; expected an Env"
    assert single.records == evaluate(fakes(3, success_rate=0.5), random_policy(), None, episodes=4, seed=2).records


def test_an_evaluation_is_shown_in_one_line():
    assert repr(sample()) == "Evaluation(3 episodes, seed=5, success 66.7% [20.8, 93.9])"


def test_the_first_episodes_do_not_depend_on_how_many_there_are():
    short = evaluate(fakes(3, success_rate=0.5), random_policy(), None, episodes=4, seed=0)
    long = evaluate(fakes(2, success_rate=0.5), random_policy(), None, episodes=9, seed=0)
    other = evaluate(fakes(2, success_rate=0.5), random_policy(), None, episodes=9, seed=1)
    assert long.records[:4] == short.records
    assert [record.seed for record in other.records] != [record.seed for record in long.records]


@pytest.mark.parametrize(("reduce_returns", "expected"), [("sum", -6.0), ("mean", -1.5), ("max", 0.5), ("min", -4.0)])
def test_returns_are_reduced_as_asked(reduce_returns, expected):
    episode = run_episodes(fakes(1, episode_length=4), random_policy(), None, [0])[0]
    episode.outputs["reward"][:, 0] = [-4.0, 0.5, -2.0, -0.5]
    assert make_record(0, episode, reduce_returns).returns == pytest.approx(expected)


def test_presets_are_gone_through_again_and_again():
    class Starts:
        def __init__(self):
            self.seen = {}

        def start(self, env): ...
        def begin(self, row, index, seed): ...
        def step(self, rows): ...
        def close(self): ...

        def end(self, row, index, episode):
            self.seen[index] = episode.inputs["position"][0].tolist()

    starts = Starts()
    presets = [{"position": [0.25, 0.5]}, {"position": [-0.5, 0.125]}]
    evaluate(fakes(2), random_policy(), None, episodes=5, seed=0, presets=presets, recorders=[starts])
    assert starts.seen == {i: presets[i % 2]["position"] for i in range(5)}


def test_the_expert_beats_chance_with_intervals_apart():
    params = AttrDict(cls=PointMassEnv, num_steps=60)
    spec = make_env_spec(PointMassEnv, params)
    env = VectorEnv(AttrDict(num_envs=8), params, spec)
    expert = evaluate(env, PointMassExpert(AttrDict(), spec), None, episodes=30, seed=0)
    chance = evaluate(env, RandomPolicy(AttrDict(), spec), None, episodes=30, seed=0)
    assert expert.success_low > 0.8 > 0.3 > chance.success_high


def test_max_steps_cuts_every_episode():
    evaluation = evaluate(fakes(2), random_policy(), None, episodes=3, seed=0, max_steps=2)
    assert [(record.length, record.truncated, record.success) for record in evaluation.records] == [(2, True, False)] * 3


def test_progress_is_told_the_count_and_the_success_rate():
    bar = Progress("evaluate", total=4, unit="episodes")
    evaluation = evaluate(fakes(2, success_rate=0.5), random_policy(), None, episodes=4, seed=3, progress=bar)
    assert (bar.done, bar.success) == (4, evaluation.success_rate)


def test_what_was_saved_loads_alike(tmp_path):
    evaluation = sample()
    path = evaluation.save(tmp_path / "eval" / "now", checkpoint="models/best_model.pt", extra={"step": 300})
    assert load_evaluation(path.parent) == evaluation
    assert sorted(p.name for p in path.parent.iterdir()) == ["episodes.jsonl", "summary.json"]
    lines = (path.parent / "episodes.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {
        "index": 1, "seed": evaluation.records[1].seed, "success": False, "length": 11, "returns": 0.0, "truncated": True, "error": ""
    }  # fmt: skip


def test_files_from_before_there_were_errors_load_alike(tmp_path):
    evaluation = sample()
    evaluation.save(tmp_path)
    path = tmp_path / "episodes.jsonl"
    path.write_text(path.read_text().replace(', "error": ""', ""))
    assert "error" not in path.read_text() and load_evaluation(tmp_path) == evaluation


def test_the_summary_has_the_promised_keys(tmp_path):
    summary = json.loads(sample().save(tmp_path, checkpoint=tmp_path / "model.pt", extra={"note": "x"}).read_text())
    low, high = wilson_interval(2, 3)
    assert summary == {
        "success_rate": 2 / 3,
        "success_low": low,
        "success_high": high,
        "episodes": 3,
        "checkpoint": str(tmp_path / "model.pt"),
        "seed": 5,
        "truncated": 1,
        "crashed": 0,
        "reduce_returns": "sum",
        "returns": {"mean": 3.5 / 3, "std": pytest.approx(np.std([1, 0, 2.5])), "min": 0.0, "max": 2.5},
        "lengths": {"mean": 11.0, "std": pytest.approx(np.std([10, 11, 12])), "min": 10.0, "max": 12.0},
        "note": "x",
    }


def test_episodes_without_rewards_have_no_returns(tmp_path):
    evaluation = sample(returns=(None, None, None))
    assert evaluation.mean_return is None
    assert json.loads(evaluation.save(tmp_path).read_text())["returns"] is None
    assert load_evaluation(tmp_path) == evaluation


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "summary.json").unlink(), "{f}/summary.json: no such file; expected the folder of a finished evaluation\n  try: run the evaluation again"),
        (lambda f: (f / "episodes.jsonl").unlink(), "{f}/episodes.jsonl: no such file; expected the folder of a finished evaluation\n  try: run the evaluation again"),
        (lambda f: (f / "summary.json").write_text('{"seed": 1}'), "{f}/summary.json: not a summary (KeyError: 'episodes'); expected the file that Evaluation.save wrote"),
        (lambda f: (f / "episodes.jsonl").write_text('{"index": '),
         "{f}/episodes.jsonl, line 1: not JSON (Expecting value: line 1 column 11 (char 10)); expected one episode"),
        (lambda f: (f / "episodes.jsonl").write_text('{"index": 0}\n'),
         "{f}/episodes.jsonl, line 1: keys ['index']; expected keys ['error', 'index', 'length', 'returns', 'seed', 'success', 'truncated']"),
        (lambda f: (f / "episodes.jsonl").write_text("".join((f / "episodes.jsonl").read_text().splitlines(True)[:2])),
         "{f}/episodes.jsonl: 2 episodes; expected 3, as the summary says"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, damage, message):
    sample().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(EvaluationError) as error:
        load_evaluation(tmp_path)
    assert str(error.value) == message.format(f=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episodes": 0}, "evaluate: episodes: 0; expected at least 1"),
        ({"episodes": 1, "reduce_returns": "median"}, "evaluate: reduce_returns: 'median'; expected one of sum, mean, max, min"),
        ({"episodes": 1, "presets": []}, "evaluate: presets: an empty list; expected at least one preset, or None"),
    ],
)
def test_what_cannot_be_evaluated_is_said(options, message):
    with pytest.raises(EvaluationError) as error:
        evaluate(fakes(1), random_policy(), None, seed=0, **options)
    assert str(error.value) == message


def test_extra_values_cannot_hide_the_summary_s_own(tmp_path):
    with pytest.raises(EvaluationError, match=r"Evaluation.save: extra: key 'seed'; expected none of success_rate, "):
        sample().save(tmp_path, extra={"seed": 1})
    assert not list(tmp_path.iterdir())


# Table I of Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998) 857-872, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_that_of_the_literature(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 400), data=st.data())
def test_wilson_interval_holds_the_share_and_mirrors(n, data):
    successes = data.draw(st.integers(0, n))
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n <= high <= 1 and low < high
    mirrored = wilson_interval(n - successes, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)
    # Its ends are the shares p that a score test just does not reject: |share - p| = z sqrt(p (1 - p) / n).
    for end in (low, high):
        if 0 < end < 1:
            assert abs(successes / n - end) == pytest.approx(1.959963984540054 * np.sqrt(end * (1 - end) / n), abs=1e-9)


def test_wilson_interval_refuses_what_is_no_share():
    with pytest.raises(EvaluationError) as error:
        wilson_interval(4, 3)
    assert str(error.value) == "wilson_interval: 4 successes of 3; expected 0 <= successes <= n and n >= 1"
