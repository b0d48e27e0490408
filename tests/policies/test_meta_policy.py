"""Skills one after another."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from configs.helpers import load_base_config
from muse.cli.main import main
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file
from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.experiments.assemble import assemble, recorded_spec
from muse.policies.basic_policy import BasicPolicy
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.meta_policy import MetaPolicy
from muse.policies.policy import PolicyError
from muse.policies.pymunk.push_block import CarryBlockExpert, PushBlockExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.loop import run_episodes
from muse.testing import FakePolicy
from muse.utils.abstract import build
from muse.utils.errors import OptionError

#: A target that is too fast to be reached.
GROUP = d(cls=PointMassEnv, num_steps=60, tolerance=0.002, target_speed=0.05)
SPEC = make_env_spec(PointMassEnv, GROUP)
SKILLS = d(
    policies=["chase", "jitter"],
    chase=d(cls=PointMassExpert, timeout=7, action_noise_std=0.1),
    jitter=d(cls=RandomPolicy, timeout=3),
)


def play(options=None, num_envs=1, seeds=(4, 5, 6)):
    """Returns the episodes of skills that are listed, one for each seed."""
    group = SKILLS & d(options or {})
    group = d({key: value for key, value in group.items() if key not in SKILLS["policies"] or key in group["policies"]})
    env = VectorEnv(d(num_envs=num_envs), GROUP, SPEC)
    try:
        return run_episodes(env, MetaPolicy(group, SPEC), None, list(seeds))
    finally:
        env.close()


def runs_of(episode):
    """Returns the names of an episode's skills, one after another, and how long each went on."""
    switches = np.flatnonzero(episode.inputs["policy_switch"][:, 0])
    assert switches[0] == 0
    lengths = np.diff([*switches, len(episode)])
    return [str(episode.inputs["policy_name"][at, 0]) for at in switches], lengths.tolist()


def test_a_skill_goes_on_until_it_is_over():
    for episode in play():
        names, lengths = runs_of(episode)
        assert set(names) == {"chase", "jitter"}
        assert all(length == {"chase": 7, "jitter": 3}[name] for name, length in zip(names[:-1], lengths[:-1], strict=True))
        types = episode.inputs["policy_type"]
        assert types.dtype == np.int64 and types.shape == (60, 1)
        assert (episode.inputs["policy_name"] == np.array(["chase", "jitter"])[types]).all()


def test_a_skill_is_ended_after_so_many_steps():
    for episode in play({"max_steps_per_policy": 5}):
        names, lengths = runs_of(episode)
        assert all(length == {"chase": 5, "jitter": 3}[name] for name, length in zip(names[:-1], lengths[:-1], strict=True))


def test_episodes_differ_by_their_seed_and_by_nothing_else():
    alone, together = play(), play(num_envs=3)
    for one, other in zip(alone, together, strict=True):
        for name in ("ego", "action", "policy_type", "policy_switch", "policy_name"):
            np.testing.assert_array_equal(one.inputs[name], other.inputs[name])
    assert runs_of(alone[0]) != runs_of(alone[1])


def test_the_actions_are_those_of_the_skill_begun_there():
    """A skill acts as one that begins an episode: with the noise of a generator of its own."""
    episode = play({"policies": ["jitter"]}, seeds=[4])[0]
    actions = episode.inputs["action"].reshape(-1, 3, 2)
    assert len(np.unique(actions[:, 0, 0])) == len(actions)
    chased = play({"policies": ["chase"], "chase": d(cls=PointMassExpert, action_noise_std=0.0)}, seeds=[4])[0]
    env = VectorEnv(d(num_envs=1), GROUP, SPEC)
    expected = run_episodes(env, PointMassExpert(d(), SPEC), None, [4])[0]
    np.testing.assert_array_equal(chased.inputs["action"], expected.inputs["action"])


def test_the_next_skill_may_depend_on_what_is_seen():
    def choose(obs, goal, previous, generator):
        assert obs["ego"].shape == (2,) and goal == {} and isinstance(generator, np.random.Generator)
        seen.append(previous)
        return "jitter" if previous == "chase" else "chase"

    seen = []
    names, _ = runs_of(play({"choose_fn": choose}, seeds=[4])[0])
    assert names == ["chase", "jitter"] * 6 and seen == [None, *names[:-1]]
    with pytest.raises(PolicyError, match="choose_fn: it returned 'jump'; expected one of chase, jitter"):
        play({"choose_fn": lambda *given: "jump"})


def test_a_row_that_begins_again_draws_a_skill_again():
    policy = MetaPolicy(SKILLS, SPEC)
    obs = d.from_dict({name: np.full((3, 1, 2), 0.5, np.float32) for name in ("ego", "target")})
    policy.reset_policy(np.ones(3, dtype=bool), [1, 2, 3])
    first = [policy.get_action(None, obs, d()) for _ in range(2)]
    policy.reset_policy(np.array([False, True, False]), [2])
    again = policy.get_action(None, obs, d())
    assert again["policy_switch"].tolist() == [[False], [True], [False]]
    assert again["policy_type"][1] == first[0]["policy_type"][1]
    np.testing.assert_array_equal(again["action"][1], first[0]["action"][1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policies": []}, PolicyError, r"option 'policies': \[\]; expected names of skills"),
        ({"policies": ["chase", "chase"]}, PolicyError, "names of skills, each once"),
        ({"policies": ["chase", "jump"]}, PolicyError, r"no group 'jump'; expected jump=d\(cls=...\)"),
        ({"max_steps_per_policy": -1}, PolicyError, "max_steps_per_policy': -1"),
        ({"jitter": d(cls=RandomPolicy, timeout="7")}, OptionError, "option 'timeout': '7'"),
        ({"jitter": d(cls=BasicPolicy)}, PolicyError, "skill 'jitter': a BasicPolicy, which needs a model"),
    ],
)
def test_what_is_no_skill_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        build(d(cls=MetaPolicy) & SKILLS & d(options), SPEC, where="policy")


def test_goals_are_not_its_to_make():
    with pytest.raises(PolicyError, match="used for goals"):
        MetaPolicy(SKILLS, SPEC, is_goal=True)


def test_the_loop_knows_what_a_policy_writes_from_the_policys_spec():
    """`FakePolicy` writes actions alone; nothing is asked of it for what another policy would write."""
    env = VectorEnv(d(num_envs=1), GROUP, SPEC)
    extended = MetaPolicy(SKILLS, SPEC).env_spec
    episode = run_episodes(env, FakePolicy(d(), extended), None, [1])[0]
    assert "policy_type" not in episode.inputs and "policy_type" in extended


@pytest.fixture
def recipe(monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    return load_base_config("cfgs/collect/blocks_play.py", ["%env_train", "--horizon", "150"])[0]


@needs_pymunk
@pytest.mark.parametrize("file", ["play.npz", "play.muse"])
def test_play_is_collected_with_the_names_of_its_skills(recipe, tmp_path, file):
    experiment = assemble(recipe, with_datasets=False, num_envs=2)
    try:
        episodes = run_episodes(experiment.vector_env, experiment.policy, None, [0, 1, 2])
    finally:
        experiment.close()
    writer = EpisodeWriter(tmp_path / file, recorded_spec(experiment))
    for episode in episodes:
        writer.add_episode(episode)
    writer.save()
    there = read_file(tmp_path / file)
    assert there.steps["policy_name"].dtype == np.dtype("<U5") and set(there.steps["policy_name"].ravel()) <= {"push", "carry"}
    for name in ("policy_type", "policy_name", "policy_switch"):
        np.testing.assert_array_equal(there.steps[name], np.concatenate([episode.inputs[name] for episode in episodes]))
    assert sum(episode.inputs["policy_switch"].sum() for episode in episodes) >= 6


@needs_pymunk
def test_random_actions_in_the_place_of_play_have_no_names(recipe, tmp_path):
    line = f"collect --max_eps 1 --random_policy --save_file {tmp_path}/random.npz cfgs/collect/blocks_play.py %env_train --horizon 5"
    assert main(line.split()) == 0
    there = read_file(tmp_path / "random.npz")
    assert there.num_rows == 5 and not any(name.startswith("policy_") for name in there.steps)


@needs_pymunk
@pytest.mark.parametrize("cls", [PushBlockExpert, CarryBlockExpert])
def test_an_expert_reaches_goals_of_its_own(recipe, cls):
    experiment = assemble(recipe, with_datasets=False, num_envs=1)
    try:
        policy = cls(d(draws_goals=True), experiment.own_spec)
        for seed in range(4):
            episode = run_episodes(experiment.vector_env, policy, None, [seed])[0]
            before, after = episode.inputs["block_positions"][[0, -1]]
            moved = np.linalg.norm(after - before, axis=-1)
            # One block was brought somewhere, and the episode ended there.
            assert len(episode) < 150 and moved.max() > 60 and moved.min() < 8
    finally:
        experiment.close()
