"""What a run writes and saves, against computations of its own; and what it says when something is missing."""

import copy
import json
import logging
import re

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from runs import BASE, OPTIMIZER, expert_episodes, make_dataset, make_model, make_trainer, read_run, run

from muse.models.errors import StatisticsError
from muse.trainers import Trainer
from muse.trainers.checkpoint import load_checkpoint, restore_model, save_checkpoint
from muse.trainers.errors import TrainerError
from muse.trainers.learner import HoldoutLoss, Learner, has_dropout
from muse.trainers.optimizers import CosineRate, SingleOptimizer
from muse.trainers.writers import WriterGroup, make_writer
from muse.utils.errors import OptionError


def scalars_of(folder, name):
    return [(step, value) for step, key, value in read_run(folder)["scalars"] if key == name]


def test_a_run_is_a_bare_loop(tmp_path):
    """Weights and written losses are those of the same modules in a loop of torch alone."""
    assert run(tmp_path, "plain", max_steps=12, optimizer=OPTIMIZER) == 0
    trainer = make_trainer(tmp_path / "other", "plain", optimizer=OPTIMIZER)
    model, dataset = trainer.model, trainer.datasets_train[0]
    sampler = trainer.learner.samplers[0]
    base = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    losses = []
    for i in range(12):
        for group in base.param_groups:
            group["lr"] = 1e-2 * CosineRate(d(warmup_steps=4, total_steps=24)).factor(i)
        inputs, outputs = dataset.get_batch(sampler.next_indices(), torch_device="cpu")
        loss = model.loss(inputs, outputs).loss
        base.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        base.step()
        losses.append(loss.item())
    saved = load_checkpoint(tmp_path / "models/model.pt")
    assert saved.step == 12
    for name, value in model.state_dict().items():
        assert torch.equal(value, saved.weights[name]), name
    assert scalars_of(tmp_path, "train/loss") == [(step, losses[step - 1]) for step in range(2, 13, 2)]


LONG = {"max_steps": 120, "optimizer": d(cls=SingleOptimizer, base_optimizer=d(cls=torch.optim.Adam, lr=1e-2))}


def test_it_learns(tmp_path):
    run(tmp_path, **LONG)
    losses = [value for _, value in scalars_of(tmp_path, "train/loss")]
    assert np.mean(losses[-5:]) < 0.2 * np.mean(losses[:5])


def test_what_is_written(tmp_path):
    run(tmp_path, "datasets")
    names = {name for _, name, _ in read_run(tmp_path)["scalars"]}
    assert {
        "train/loss", "train/policy_loss/l2", "train/grad_norm", "train/learning_rate_pg_0", "train_1/loss", "holdout/loss",
    } <= names  # fmt: skip
    assert [step for step, _ in scalars_of(tmp_path, "train/loss")] == list(range(2, 25, 2))
    # The second dataset is learned from at steps 3, 6, 9 ..., and every second time is written.
    assert [step for step, _ in scalars_of(tmp_path, "train_1/loss")] == [6, 12, 18, 24]
    assert [step for step, _ in scalars_of(tmp_path, "holdout/loss")] == [5, 10, 15, 20]
    rows = read_run(tmp_path)["csv"].splitlines()
    assert rows[0] == "step,train_loss,holdout_loss" and [int(row.split(",")[0]) for row in rows[1:]] == [
        2, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 20, 22, 24,
    ]  # fmt: skip


def test_files(tmp_path):
    run(tmp_path)
    names = sorted(p.name for p in (tmp_path / "models").iterdir())
    assert names == ["best_model.pt", "chkpt_0000000010.pt", "chkpt_0000000020.pt", "model.pt", "train_state.pt"]
    assert load_checkpoint(tmp_path / "models/chkpt_0000000010.pt").step == 10
    assert load_checkpoint(tmp_path / "models/model.pt").env_spec == expert_episodes()[0]


def test_the_best_model_has_the_lowest_holdout_loss(tmp_path):
    run(tmp_path, **LONG)
    losses = dict(scalars_of(tmp_path, "holdout/loss"))
    best = load_checkpoint(tmp_path / "models/best_model.pt")
    assert losses[best.step] == min(losses.values()) == best.extra["best"]["holdout/loss"]
    assert best.step != max(losses), "only a run that ends worse than its best shows the difference"


def test_no_best_model_without_an_evaluation(tmp_path):
    run(tmp_path, holdout_every_n_steps=0)
    assert not (tmp_path / "models/best_model.pt").exists()


def test_the_holdout_loss_is_the_mean_over_fixed_windows():
    model, dataset = make_model(dropout_p=0.5), make_dataset((0, 1))
    model.load_statistics(dataset.get_statistics(model.statistics_names))
    learner = Learner(model, SingleOptimizer(d(), model), [dataset], 0, None)
    holdout = HoldoutLoss(learner, dataset, 0, "holdout/0")
    values = holdout.compute()
    assert values == holdout.compute()
    assert model.training
    model.eval()
    per_window = [model.loss(*dataset.get_batch(np.array([i]), torch_device="cpu")).loss.item() for i in range(len(dataset))]
    by_batch = [
        model.loss(*dataset.get_batch(indices, torch_device="cpu")).loss.item() * len(indices)
        for indices in holdout._get_batches()
    ]
    assert sorted(np.concatenate(holdout._get_batches())) == list(range(len(dataset)))
    assert values["loss"] == pytest.approx(sum(by_batch) / len(dataset), rel=1e-5)
    assert values["loss"] == pytest.approx(np.mean(per_window), rel=0.2)


def test_only_what_is_learned_from_is_augmented(tmp_path):
    losses = {}
    for kind in ("plain", "augmented"):
        trainer = make_trainer(tmp_path / kind, kind, datasets=1, train_every_n_steps_per_dataset=[])
        holdout = trainer.holdout_losses[0].compute()["loss"]
        losses[kind] = (holdout, trainer.learner.step(0, 1)[0].loss.item())
    assert losses["plain"][0] == losses["augmented"][0] and losses["plain"][1] != losses["augmented"][1]


def test_a_model_can_be_used_before_the_run(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.model.loss(*trainer.datasets_train[0].get_batch(np.arange(2), torch_device="cpu"))
    without = make_trainer(tmp_path, load_statistics_initial=False)
    with pytest.raises(StatisticsError):
        without.model.loss(*without.datasets_train[0].get_batch(np.arange(2), torch_device="cpu"))


def test_a_pretrained_model_brings_its_statistics(tmp_path):
    trainer = make_trainer(tmp_path)
    with torch.no_grad():
        for value in trainer.model.state_dict().values():
            value.mul_(2.0)
    save_checkpoint(tmp_path / "a.pt", trainer.model, trainer.model.env_spec, 3)
    other = make_trainer(tmp_path, pretrained_model_file=str(tmp_path / "a.pt"))
    assert other.step == 0
    for name, value in trainer.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name])


def test_the_average_is_what_is_written(tmp_path):
    run(tmp_path, "ema")
    state = torch.load(tmp_path / "models/train_state.pt", weights_only=True)
    model = make_model()
    restore_model(model, tmp_path / "models/model.pt")
    for parameter, average in zip(model.parameters(), state["average"]["average"], strict=True):
        assert torch.equal(parameter, average)
    assert any(not torch.equal(value, state["weights"][name]) for name, value in model.state_dict().items())


def test_the_global_generator_is_left_alone(tmp_path):
    before = torch.get_rng_state()
    run(tmp_path, "dropout")
    assert torch.equal(before, torch.get_rng_state())


def test_models_that_draw_are_found(tmp_path):
    assert has_dropout(make_model(dropout_p=0.1)) and not has_dropout(make_model())
    trainer = make_trainer(tmp_path)
    loss = trainer.model.loss
    trainer.model.loss = lambda *batch: (torch.rand(1), loss(*batch))[1]
    trainer.run()
    assert trainer.learner.draws is True
    other = make_trainer(tmp_path / "b")
    other.run()
    assert other.learner.draws is False
    for one in (trainer, other):
        one.writer.close()


def test_a_holdout_loss_before_the_first_step_does_not_hide_what_a_model_draws(tmp_path):
    trainer = make_trainer(tmp_path)
    loss, model = trainer.model.loss, trainer.model
    model.loss = lambda *batch: (torch.rand(1) if model.training else None, loss(*batch))[1]
    trainer.holdout_losses[0].compute()
    before = torch.get_rng_state()
    trainer.learner.step(0, 1)
    assert trainer.learner.draws is True and torch.equal(before, torch.get_rng_state())


def test_learning_begins_after_the_blocked_steps(tmp_path):
    run(tmp_path, block_train_on_first_n_steps=5)
    assert [step for step, _ in scalars_of(tmp_path, "train/loss")] == list(range(7, 25, 2))


def test_bfloat16_learns_alike(tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "b", autocast="bf16")
    a, b = (np.array([value for _, value in scalars_of(tmp_path / name, "train/loss")]) for name in "ab")
    np.testing.assert_allclose(a, b, rtol=0.05)


def test_a_loss_that_is_not_finite_ends_the_run_and_saves_nothing(tmp_path):
    def spoil(trainer):
        loss, calls = trainer.model.loss, 0

        def spoiled(*batch):
            nonlocal calls
            calls += 1
            result = loss(*batch)
            if calls == 10:
                return (
                    copy.replace(result, loss=result.loss * torch.nan)
                    if hasattr(copy, "replace")
                    else type(result)(result.loss * torch.nan)
                )
            return result

        trainer.model.loss = spoiled

    with pytest.raises(TrainerError) as caught:
        run(tmp_path, prepare=spoil, holdout_every_n_steps=0)
    assert str(caught.value) == (
        "step 10: train/loss: nan; expected a finite number\n"
        "  try: a lower learning rate, %trainer %%optimizer --max_grad_norm 1.0, or data without wild values"
    )
    assert torch.load(tmp_path / "models/train_state.pt", weights_only=True)["step"] == 7


def test_progress_and_log(tmp_path, caplog, capsys):
    with caplog.at_level(logging.DEBUG, logger="muse"):
        run(tmp_path, "plain", save_every_n_steps=0)
        run(tmp_path, "plain")
    messages = [record.getMessage() for record in caplog.records if record.name == "muse.trainers.trainer"]
    assert messages[0] == f"no complete checkpoint in {tmp_path}/models; beginning at step 0"
    assert messages[1].startswith("step 3 of 24  train/loss 0.")
    assert messages[-3:-1] == ["going on after step 24", "the run has its 24 steps already; a larger trainer/max_steps goes on"]
    assert all(re.fullmatch(r"waited for data  \d+\.\d% of the time in which it learnt", messages[i]) for i in (-1, -4))
    assert "train  978 parameters  24/24 steps (100%)  loss 0." in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"max_steps": -1}, OptionError, "trainer: 'max_steps': -1; expected 0 or more"),
        ({"ema_decay": 1.0}, OptionError, "trainer: 'ema_decay': 1.0; expected less than 1"),
        ({"autocast": "fp16"}, OptionError, "Trainer option 'autocast': 'fp16'; expected one of 'bf16'"),
        (
            {"track_best_name": "env_train/success"}, OptionError,
            "trainer: 'track_best_name': 'env_train/success', which this run does not compute; expected one of holdout/loss",
        ),
        (
            {"holdout_every_n_steps": 0, "track_best_name": "holdout/loss"}, OptionError,
            "trainer: 'track_best_name': 'holdout/loss', which this run does not compute; "
            "expected one of none: there are neither rollouts nor a holdout loss",
        ),
        (
            {"train_every_n_steps_per_dataset": [1, 2]}, OptionError,
            "trainer: 'train_every_n_steps_per_dataset': 2 numbers; expected one for each of 1 datasets",
        ),
    ],
)  # fmt: skip
def test_messages(options, error, message, tmp_path):
    with pytest.raises(error) as caught:
        make_trainer(tmp_path, **options)
    assert str(caught.value) == message


def test_missing_parts(tmp_path):
    def make(**parts):
        given = {"model": make_model(), "datasets_train": [make_dataset()], "writer": WriterGroup(), "folder": tmp_path}
        return Trainer(d(max_steps=1), **{**given, **parts})

    for parts, message in (
        ({"model": None}, "trainer: no model; expected one to train\n  try: a group 'model' in the recipe"),
        (
            {"datasets_train": []},
            "trainer: no train dataset; expected at least one\n  try: a group 'dataset_train' in the recipe",
        ),
    ):
        with pytest.raises(TrainerError) as caught:
            make(**parts)
        assert str(caught.value) == message
    with pytest.raises(OptionError, match="Trainer: no option 'max_steps'"):
        Trainer(d(), model=make_model(), datasets_train=[make_dataset()], writer=WriterGroup(), folder=tmp_path)


def test_tensorboard_has_the_same_scalars(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, writer=make_writer(tmp_path))
    events = EventAccumulator(str(tmp_path)).Reload()
    theirs = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert theirs == [(step, np.float32(value)) for step, value in scalars_of(tmp_path, "train/loss")]
    assert (
        json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["step"]
        == BASE["write_to_tensorboard_every_n_train_steps"]
    )
