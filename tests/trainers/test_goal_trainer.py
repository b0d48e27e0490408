"""Rollouts and collection while a model learns."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from runs import ENV, KINDS, at_action, expert_episodes, make_trainer, read_run, run

from muse.envs.vector_env import VectorEnv
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.rollouts import evaluate
from muse.trainers import GoalTrainer
from muse.trainers.best_model import BestModel
from muse.trainers.checkpoint import load_checkpoint, restore_model
from muse.trainers.errors import TrainerError
from muse.utils.errors import OptionError
from muse.utils.seeding import derive_seed


def scalars_of(folder, name):
    return {step: value for step, key, value in read_run(folder)["scalars"] if key == name}


def test_rollouts_are_evaluations_that_can_be_repeated(tmp_path):
    run(tmp_path, "rollouts", save_checkpoint_every_n_steps=6)
    success, returns, length = (scalars_of(tmp_path, f"env_train/{name}") for name in ("success", "returns", "length"))
    assert list(success) == list(returns) == list(length) == [6, 12, 18, 24]
    trainer = make_trainer(tmp_path / "other", "rollouts")
    restore_model(trainer.model, tmp_path / "models/chkpt_0000000012.pt")
    spec, _ = expert_episodes()
    again = evaluate(
        VectorEnv({"num_envs": 2}, ENV, spec), GCBCPolicy(d(replan_horizon=4), spec), trainer.model,
        episodes=3, seed=derive_seed(0, "env_train", "rollout", 12),
    )  # fmt: skip
    assert (again.success_rate, again.mean_return, again.mean_length) == (success[12], returns[12], length[12])


def test_the_best_model_by_success_then_returns(tmp_path):
    run(tmp_path, "rollouts")
    success, returns = scalars_of(tmp_path, "env_train/success"), scalars_of(tmp_path, "env_train/returns")
    best = max(success, key=lambda step: (success[step], returns[step], step))
    checkpoint = load_checkpoint(tmp_path / "models/best_model.pt")
    assert checkpoint.step == best
    assert checkpoint.extra["best"] == {"env_train/success": success[best], "env_train/returns": returns[best]}


def test_another_scalar_may_choose(tmp_path):
    run(tmp_path, "rollouts", track_best_name="env_train/length")
    length = scalars_of(tmp_path, "env_train/length")
    assert load_checkpoint(tmp_path / "models/best_model.pt").step == max(length, key=lambda step: (length[step], step))


def test_best():
    best = BestModel(("a/success", "a/returns"))
    assert best.take({"a/success": 0.5, "a/returns": 1.0}, 1)
    assert not best.take({"a/success": 0.5, "a/returns": 0.5}, 2)
    assert best.take({"a/success": 0.5, "a/returns": 1.0}, 3)
    assert not best.take({"a/success": float("nan")}, 4)
    assert not best.take({"b": 3.0}, 5)
    assert best.take({"a/success": 0.6}, 6)
    assert (best.values, best.step) == ([0.6, -float("inf")], 6)
    loss = BestModel(("holdout/loss",))
    assert loss.take({"holdout/loss": 2.0}, 1) and loss.take({"holdout/loss": 1.0}, 2) and not loss.take({"holdout/loss": 1.5}, 3)
    assert not BestModel(()).take({"a": 1.0}, 1)


def test_collected_episodes_join_the_dataset(tmp_path):
    trainer = make_trainer(tmp_path, "online", capacity=100000)
    before = trainer.datasets_train[0].get_num_episodes()
    trainer.run()
    trainer.writer.close()
    dataset = trainer.datasets_train[0]
    files = sorted((tmp_path / "models/collected").glob("*.pt"))
    saved = [episode for path in files for episode in torch.load(path, weights_only=True)["episodes"]]
    assert dataset.get_num_episodes() == before + len(saved) and len(saved) > 4
    for i, episode in enumerate(saved):
        actions = dataset.get_episode(before + i, ["action"])["action"]
        assert np.array_equal(actions, episode["inputs"]["action"].numpy())
    assert {name for _, name, _ in read_run(tmp_path)["scalars"] if name.startswith("env_train")} == {
        "env_train/success", "env_train/returns", "env_train/length",
    }  # fmt: skip


def test_collected_episodes_may_be_left_out(tmp_path):
    trainer = make_trainer(tmp_path, "online", no_data_saving=True)
    before = trainer.datasets_train[0].get_num_episodes()
    trainer.run()
    trainer.writer.close()
    assert trainer.datasets_train[0].get_num_episodes() == before
    assert not (tmp_path / "models/collected").exists()
    assert scalars_of(tmp_path, "env_train/length")


def test_the_policy_is_asked_after_the_random_steps_only(tmp_path):
    options = {**KINDS["online"], "rollout_holdout_env_every_n_steps": 0}
    trainer = make_trainer(tmp_path, "plain", **options)
    asked = []
    at_action(1, lambda: asked.append(trainer.step))(trainer)
    trainer.run()
    trainer.writer.close()
    assert asked == [5]


def test_the_env_is_left_alone_in_the_blocked_steps(tmp_path):
    run(tmp_path, "rollouts", block_env_on_first_n_steps=12)
    assert list(scalars_of(tmp_path, "env_train/success")) == [12, 18, 24]
    run(tmp_path / "later", "rollouts", block_env_on_first_n_steps=13)
    assert list(scalars_of(tmp_path / "later", "env_train/success")) == [18, 24]


def make(tmp_path, without=(), **options):
    trainer = make_trainer(tmp_path, "rollouts")
    parts = {
        name: getattr(trainer, name)
        for name in ("model", "datasets_train", "datasets_holdout", "policy", "env_train", "env_holdout")
    }
    parts.update(dict.fromkeys(without))
    return GoalTrainer(d(max_steps=1, **options), writer=trainer.writer, folder=tmp_path, **parts)


@pytest.mark.parametrize(
    "without, options, message",
    [
        (
            ["env_train"], {"rollout_train_env_every_n_steps": 1},
            "trainer/rollout_train_env_every_n_steps: no 'env_train'; expected an environment\n"
            "  try: a group 'env_train', or trainer/rollout_train_env_every_n_steps 0",
        ),
        (
            ["policy"], {"step_train_env_every_n_steps": 1},
            "trainer/step_train_env_every_n_steps: no policy; expected one that acts\n"
            "  try: a group 'policy', or trainer/step_train_env_every_n_steps 0",
        ),
        (
            ["env_holdout"], {"rollout_holdout_env_every_n_steps": 1},
            "trainer/rollout_holdout_env_every_n_steps: no 'env_holdout'; expected an environment\n"
            "  try: a group 'env_holdout', or trainer/rollout_holdout_env_every_n_steps 0",
        ),
        (
            [], {"rollout_train_env_every_n_steps": 1, "rollout_train_env_n_per_step": 0},
            "trainer/rollout_train_env_n_per_step: 0; expected at least 1",
        ),
        (
            [], {"rollout_train_env_every_n_steps": 1, "step_train_env_every_n_steps": 1},
            "trainer: env_train: both rollouts and steps; expected one of them, for they would reset each other's episodes\n"
            "  try: rollouts in env_holdout, steps in env_train",
        ),
        (
            [], {"step_train_env_every_n_steps": 1, "random_policy_on_first_n_steps": 3},
            "trainer/random_policy_on_first_n_steps: no 'random_policy'; expected its group\n  try: cfgs.policy.random",
        ),
    ],
)  # fmt: skip
def test_messages(without, options, message, tmp_path):
    with pytest.raises(TrainerError) as caught:
        make(tmp_path, without, **options)
    assert str(caught.value) == message


def test_a_frozen_dataset_cannot_be_collected_for(tmp_path):
    trainer = make_trainer(tmp_path, "online")
    trainer.datasets_train[0].frozen = True
    with pytest.raises(TrainerError) as caught:
        trainer._check_env("env_train")
    assert str(caught.value) == (
        "trainer/step_train_env_every_n_steps: dataset_train is frozen; expected a dataset that may grow\n"
        "  try: frozen=False, or no_data_saving=True"
    )


def test_a_misspelt_scalar(tmp_path):
    with pytest.raises(OptionError) as caught:
        make_trainer(tmp_path, "rollouts", track_best_name="env_train/succes")
    assert str(caught.value) == (
        "trainer: 'track_best_name': 'env_train/succes' (did you mean 'env_train/success'?), which this run does not compute; "
        "expected one of env_train/success, env_train/returns, env_train/length, holdout/loss"
    )


def test_the_runs_that_the_other_tests_stop_collect_and_forget(tmp_path):
    trainer = make_trainer(tmp_path, "online")
    first = trainer.datasets_train[0].get_episode(0)["action"]
    trainer.run()
    trainer.writer.close()
    assert not np.array_equal(first, trainer.datasets_train[0].get_episode(0)["action"]), "the oldest episodes should have left"


def test_collecting_in_vain_is_said_once(tmp_path, caplog):
    run(tmp_path, "online", step_train_env_n_per_step=1)
    messages = [record.getMessage() for record in caplog.records if record.name == "muse.trainers.collector"]
    assert messages == [
        "env_train: no episode ended between steps 0 and 7, where all begin anew; save or evaluate less often, or step more"
    ]
