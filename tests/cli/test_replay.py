"""`muse replay` and the bookkeeping of `muse collect` that it relies on, with worlds that are light."""

import os
from pathlib import Path

import numpy as np
import pytest

from muse.cli.main import main
from muse.datasets.formats import npz
from muse.datasets.formats.episode_data import EpisodeData

RECIPE = "cfgs/exp_point_mass/bc_rnn.py"
EXPERT = "%policy cfgs/policy/point_mass_expert.py"


def run(line: str) -> int:
    return main(line.split())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    before, folder = Path.cwd(), tmp_path_factory.mktemp("replay")
    os.chdir(folder)
    assert run(f"collect --max_eps 5 --save_file all.npz {RECIPE} {EXPERT}") == 0
    assert run(f"collect --max_eps 5 --only_successful --save_file good.npz {RECIPE} {EXPERT} %env_train --num_steps 30") == 0
    assert run("collect --max_eps 3 --save_file cart.npz cfgs/exp_gym/cartpole_bc.py %policy cfgs/policy/cartpole_expert.py") == 0
    yield folder
    os.chdir(before)


def changed(name, new, **parts):
    data = npz.read(name)
    values = {"steps": data.steps, "onetime": data.onetime, "ends": data.ends, "meta": data.meta, **parts}
    npz.write(new, EpisodeData(**values))


def test_the_places_of_kept_episodes_are_written_down(place):
    collection = npz.read("good.npz").meta["collection"]
    assert len(collection["kept"]) == 5 and collection["episodes_seen"] > 5 and collection["only_successful"]
    assert collection["kept"][-1] == collection["episodes_seen"] - 1
    assert npz.read("all.npz").meta["collection"]["kept"] == list(range(5))


@pytest.mark.parametrize("name", ["all.npz", "good.npz"])
def test_a_moving_target_moves_as_it_did(name, place, capsys):
    assert run(f"replay {name} --num_envs 1") == 0
    out = capsys.readouterr().out
    assert "replayed    5 ended with a reward, 100.0%" in out and "lengths     5 as recorded" in out
    assert out.count("0 at most") == 3


def test_rewards_that_are_no_verdict_are_compared_as_returns(place, capsys):
    assert run("replay cart.npz --num_envs 1") == 0
    out = capsys.readouterr().out
    assert "returns     differ by 0 at most" in out and "ended with a reward" not in out
    steps = npz.read("cart.npz").steps
    changed("cart.npz", "half.npz", steps={**steps, "reward": steps["reward"] / 2})
    assert run("replay half.npz --num_envs 1") == 1
    assert "worse       episodes 0, 1, 2" in capsys.readouterr().out
    changed("cart.npz", "none.npz", steps={name: array for name, array in steps.items() if name != "reward"}, meta={})
    assert run("replay none.npz --num_envs 1 --recipe cfgs/exp_gym/cartpole_bc.py") == 1
    assert "GymEnv cannot begin episode 0 again" in capsys.readouterr().err


def test_unknown_seeds_are_said(place, capsys):
    meta = {key: value for key, value in npz.read("all.npz").meta.items() if key != "collection"}
    changed("all.npz", "unseeded.npz", meta=meta)
    run("replay unseeded.npz --num_envs 1")
    assert "the seeds of the episodes are not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"fingerprint": "x"}, "_meta: 'fingerprint': a str; expected a JSON object"),
        ({"fingerprint": {"class": 3}}, "made in 3; expected an environment of Muse's own"),
        ({"fingerprint": {"class": "muse.envs.env.Env"}}, "made in muse.envs.env.Env, which is abstract"),
        ({"fingerprint": {"class": "muse.nowhere.Env"}}, "muse.nowhere"),
        ({"collection": "x"}, "_meta: 'collection': a str; expected a JSON object"),
    ],
)
def test_odd_meta_data_is_refused(meta, message, place, capsys):
    changed("all.npz", "odd.npz", meta={**npz.read("all.npz").meta, **meta})
    assert run("replay odd.npz --num_envs 1") == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "policy", "message"),
    [
        ("", EXPERT, "only_successful True, now False"),
        ("--only_successful --random_policy", EXPERT, "policy 'PointMassExpert', now 'RandomPolicy'"),
        ("--only_successful --seed 4", EXPERT, "seed 0, now 4"),
    ],
)
def test_a_file_goes_on_as_it_was_begun(flags, policy, message, place, capsys):
    line = f"collect --continue --max_eps 9 {flags} --save_file good.npz {RECIPE} {policy} %env_train --num_steps 30"
    assert run(line) == 2
    assert message in capsys.readouterr().err


def test_successes_that_never_come_are_given_up(place, capsys, monkeypatch):
    monkeypatch.setattr("muse.cli.collect._HOPELESS", 8)
    line = f"collect --only_successful --max_eps 2 --random_policy --save_file no.npz {RECIPE} %env_train --num_steps 3"
    assert run(line) == 1
    assert "episodes succeeded; expected a policy that succeeds now and then" in capsys.readouterr().err


def test_every_file_of_a_dataset_is_checked(place, capsys):
    changed("all.npz", "slow.npz", meta=slower(npz.read("all.npz").meta))
    Path("two.py").write_text(
        "from attrdict import AttrDict as d\nfrom cfgs.exp_point_mass.bc_rnn import export as base\n"
        "export = base & d(dataset_train=d(file=['all.npz', 'slow.npz'], load_episode_range=None), dataset_holdout=None)\n"
    )
    assert run("goal_train --no_wandb two.py") == 1
    assert "made in another environment: ego_speed 0.02, now 0.025" in capsys.readouterr().err


def slower(meta):
    fingerprint = meta["fingerprint"]
    return {**meta, "fingerprint": {**fingerprint, "params": {**fingerprint["params"], "ego_speed": 0.02}}}


def test_collection_goes_through_the_sweep_of_an_environment(place, monkeypatch):
    from muse.envs.simple.point_mass_env import PointMassEnv

    starts = [{"ego": np.array([0.1, 0.1 * i])} for i in (1, 2, 3)]
    monkeypatch.setattr(PointMassEnv, "get_presets", classmethod(lambda cls, params: starts))
    assert run(f"collect --max_eps 2 --save_file sweep.npz {RECIPE} {EXPERT} %env_train --num_obstacles 0") == 0
    assert run(f"collect --continue --max_eps 5 --save_file sweep.npz {RECIPE} {EXPERT} %env_train --num_obstacles 0") == 0
    data = npz.read("sweep.npz")
    firsts = data.steps["ego"][[0, *data.ends[:-1]]]
    np.testing.assert_allclose(firsts[:, 1], [0.1, 0.2, 0.3, 0.1, 0.2], atol=1e-6)
