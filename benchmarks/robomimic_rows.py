"""Training beside robomimic's: how long a step takes, and whether both learn the same."""

from __future__ import annotations

import contextlib
import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from attrdict import AttrDict as d
from report import Row
from robomimic_peer import copy_weights, make_experiment, open_robomimic
from timing import Effort, interleave
from training_rows import NO_BF16, LossCurve, make_step

from cfgs.exp_hvs.square import bc_rnn, bc_rnn_gmm
from muse.utils.seeding import derive_seed
from muse.utils.torch_utils import cpu_has_bfloat16

TRAIN_NAME, LOSS_NAME = "train_step", "loss_curve"
LEARNING_RATE = 1e-4
#: What `autocast` is in each precision that this CPU computes in.
PRECISIONS = {"fp32": None, "bf16": "bf16"} if cpu_has_bfloat16() else {"fp32": None}


@dataclass(frozen=True)
class Setup:
    """A recipe and what robomimic calls it."""

    name: str
    recipe: Mapping[str, Any]
    mixture: bool

    @property
    def batch_size(self) -> int:
        """Windows in a batch."""
        return self.recipe["batch_size"]

    @property
    def what(self) -> str:
        """The setup in words."""
        return f"{self.name} (LSTM 2x400), batch {self.batch_size}, horizon {self.recipe['horizon']}"


GMM = Setup("BC-RNN, mixture of five", bc_rnn_gmm.export, mixture=True)
L2 = Setup("BC-RNN, squared error", bc_rnn.export, mixture=False)


def measure_train_step(quick: bool) -> list[Row]:
    """Times whole steps of both trainers, batches and scalars included."""
    return [row for setup in (GMM, L2) for row in _time_steps(setup, quick)]


def _time_steps(setup: Setup, quick: bool) -> list[Row]:
    effort = Effort(samples=15, turns=4, calls=5, seconds=90).quickened(quick)
    with contextlib.ExitStack() as stack:
        call = stack.enter_context(open_robomimic(setup.batch_size, setup.mixture))
        sides = {"robomimic": functools.partial(call, "train", steps=1)}
        for precision, autocast in PRECISIONS.items():
            made = make_experiment(setup.recipe)
            step = make_step(made.model, made.datasets_train[0], [], 20, autocast, LEARNING_RATE)
            sides[precision] = stack.enter_context(step)
        timing = interleave(sides, effort)
    against = (
        "the step of robomimic's run_epoch in fp32: its DataLoader over its SequenceDataset (cache 'all', 0 workers), "
        "train_on_batch, log_info."
    )
    rows = []
    for precision, target in (("fp32", ">= 1"), ("bf16", ">= 1.4")):
        name = f"{TRAIN_NAME}: {setup.what}, {precision}"
        if precision in PRECISIONS:
            rows.append(Row.of(name, "ms", target, against, timing, precision, "robomimic"))
        else:
            rows.append(Row(name, "ms", target, against, note=NO_BF16))
    return rows


def measure_loss_curve(quick: bool) -> list[Row]:
    """Trains both sides from the same weights on the same batches, and compares their losses step by step.

    The windows are whole: in one that reaches beyond the end of its episode the two losses are not of the same rows. The measure of
    what may differ is how far runs of robomimic with other seeds, first weights and order of batches, are apart.
    """
    steps = 5 if quick else 200
    theirs, ours = _aligned_curves(steps)
    spread = _spread([_seeded_curve(steps, seed) for seed in (0, 1, 2)])
    against = f"the standard deviation between three seeds of robomimic at one step, mean of {steps} steps."
    rows = []
    for precision, target in (("fp32", "<= 0.01"), ("bf16", "<= 1")):
        name = f"{LOSS_NAME}: {GMM.what}, {precision}, largest difference in {steps} steps"
        if precision not in ours:
            rows.append(Row(name, "nats", target, against, note=NO_BF16))
            continue
        apart = max(abs(a - b) for a, b in zip(ours[precision], theirs, strict=True))
        fall = f"The loss fell from {theirs[0]:.4f} to {theirs[-1]:.4f} there, to {ours[precision][-1]:.4f} here."
        rows.append(Row(name, "nats", target, f"{against} {fall}", apart, spread))
    return rows


def _aligned_curves(steps: int) -> tuple[list[float], dict[str, list[float]]]:
    """Returns the losses of robomimic, and those of Muse by precision, on the same windows from the same weights."""
    recipe = GMM.recipe & d(dataset_train=d(pad_end_sequence=False))
    curves = {precision: LossCurve() for precision in PRECISIONS}
    theirs = []
    with contextlib.ExitStack() as stack:
        call = stack.enter_context(open_robomimic(GMM.batch_size, GMM.mixture, pads=False))
        steppers = []
        for precision, autocast in PRECISIONS.items():
            made = make_experiment(recipe)
            dataset = made.datasets_train[0]
            copy_weights(call, made.model)
            step = make_step(made.model, dataset, [curves[precision]], 1, autocast, LEARNING_RATE)
            steppers.append(stack.enter_context(step))
        # The windows that the trainers draw; both sides number them alike.
        order = dataset.get_sampler(derive_seed(0, "sampler", 0))
        for _ in range(steps):
            theirs.append(call("train_on", windows=order.next_indices().tolist()))
            for step in steppers:
                step()
    return theirs, {precision: curve.losses for precision, curve in curves.items()}


def _seeded_curve(steps: int, seed: int) -> list[float]:
    with open_robomimic(GMM.batch_size, GMM.mixture, pads=False, seed=seed) as call:
        return call("train", steps=steps)


def _spread(curves: list[list[float]]) -> float:
    return statistics.fmean(np.std(curves, axis=0, ddof=1).tolist())
