"""How long a step of learning takes."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import square
import torch
from attrdict import AttrDict as d
from report import Row
from timing import Effort, interleave

from muse.datasets import NpDataset
from muse.datasets.dataset import Dataset
from muse.models.model import Model
from muse.trainers import Trainer
from muse.trainers.optimizers import SingleOptimizer
from muse.trainers.writers import Writer, WriterGroup, make_writer
from muse.utils.seeding import derive_seed
from muse.utils.stop_signals import StopSignals
from muse.utils.torch_utils import cpu_has_bfloat16

NAME, BF16_NAME = "train_step", "train_step_bf16"
WHAT = f"BC-RNN (LSTM 2x400), batch {square.BATCH}, horizon {square.HORIZON}"
LEARNING_RATE = 1e-3
#: Steps of a sample, as many as lie between two scalars of a recipe.
STEPS = 20
NO_BF16 = "this CPU does not compute in bf16 (no avx512_bf16, no amx)"
#: Largest relative difference of the losses of one step that leaves two curves equal.
CURVE_TOLERANCE = 0.05


class LossCurve(Writer):
    """Keeps the train loss of every step that is written."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def scalar(self, name: str, value: float, step: int) -> None:
        """Keeps `train/loss`."""
        if name == "train/loss":
            self.losses.append(value)


@contextlib.contextmanager
def make_step(
    model: Model,
    dataset: Dataset,
    writers: list[Writer],
    write_every: int,
    autocast: str | None = None,
    learning_rate: float = LEARNING_RATE,
) -> Iterator[Callable[[], None]]:
    """Makes a trainer as recipes do, and gives what `Trainer.run` does for each step: batch, loss, optimiser, scalars.

    Saves are left out: how often they come is the recipe's choice.
    """
    options = d(
        max_steps=10**9, save_every_n_steps=0, log_every_n_steps=0, write_to_tensorboard_every_n_train_steps=write_every, autocast=autocast,
        optimizer=d(cls=SingleOptimizer, base_optimizer=d(cls=torch.optim.Adam, lr=learning_rate)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        writer = WriterGroup([*writers, make_writer(folder)])
        trainer = Trainer(options, model=model, datasets_train=[dataset], writer=writer, folder=Path(folder), seed=0)
        stop = StopSignals()
        yield lambda: trainer._advance(stop)
        writer.close()


def make_bare_step(dataset: NpDataset, losses: list[float], read_every: int) -> Callable[[], None]:
    """Returns a step written by hand for this one model and these data.

    It draws the same windows in the same order from one matrix of states and one of actions, and runs the same modules with
    the same fused Adam; it knows neither names nor masks, and reads its loss as often as the trainer does.
    """
    model = square.make_bc_rnn(dataset.env_spec)
    lstm, network = square.bare_modules(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    steps = dataset.to_data().steps
    states = np.concatenate([steps[name] for name in dataset.env_spec.observation_names], axis=1)
    actions, starts, offsets = np.ascontiguousarray(steps["action"]), square.window_starts(), np.arange(square.HORIZON)
    order = dataset.get_sampler(derive_seed(0, "sampler", 0))
    taken = 0

    def step() -> None:
        nonlocal taken
        rows = starts[order.next_indices()][:, None] + offsets
        x, target = torch.from_numpy(states.take(rows, axis=0)), torch.from_numpy(actions.take(rows, axis=0))
        predicted = torch.tanh(network(lstm(x)[0]))
        loss = torch.nn.functional.mse_loss(predicted, target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        taken += 1
        if taken % read_every == 0:
            losses.append(loss.item())

    return step


def measure_train_step(quick: bool) -> list[Row]:
    """Times a step of the trainer beside the bare one, and checks that both learn the same."""
    dataset = square.make_dataset(square.make_spec())
    curve, losses, every = LossCurve(), [], 2 if quick else STEPS
    effort = Effort(samples=12, turns=STEPS, warmup=5, seconds=90).quickened(quick)
    with make_step(square.make_bc_rnn(dataset.env_spec), dataset, [curve], write_every=every) as step:
        timing = interleave({"muse": step, "bare": make_bare_step(dataset, losses, every)}, effort)
    if not np.allclose(curve.losses, losses, rtol=1e-3) or len(curve.losses) != len(losses):
        raise RuntimeError(f"both sides were to learn the same; losses {curve.losses} and {losses}")
    against = "the same modules in a bare torch loop with the same fused Adam, fed the same windows from two packed matrices."
    return [Row.of(f"{NAME}: {WHAT}, fp32", "ms", "<= 1.05", against, timing, "muse", "bare")]


def measure_bf16(quick: bool) -> list[Row]:
    """Times a step with bf16 autocast beside one without, on the CPU and on CUDA where there is a device."""
    rows = [_measure_bf16("cpu", quick)]
    return [*rows, _measure_bf16("cuda", quick)] if torch.cuda.is_available() else rows


def _measure_bf16(device: str, quick: bool) -> Row:
    """The reference is the same step of the same trainer in fp32, from the same weights, over the same windows."""
    name, target = f"{BF16_NAME}: {WHAT}, on {device}", ">= 1.4"
    against = "the same step of the trainer in fp32, on the same windows, at an equal loss curve."
    if device == "cpu" and not cpu_has_bfloat16():
        return Row(name, "ms", target, against, note=NO_BF16)
    dataset = square.make_dataset(square.make_spec())
    curves = LossCurve(), LossCurve()
    on_cuda = device == "cuda"
    effort = Effort(samples=12, turns=STEPS, calls=10 if on_cuda else 1, seconds=90).quickened(quick)
    with contextlib.ExitStack() as stack:
        fp32, bf16 = (
            stack.enter_context(make_step(square.make_bc_rnn(dataset.env_spec, device), dataset, [curve], 5, autocast))
            for curve, autocast in zip(curves, (None, "bf16"), strict=True)
        )
        timing = interleave({"bf16": bf16, "fp32": fp32}, effort, torch.cuda.synchronize if on_cuda else None)
    row = Row.of(name, "ms", target, against, timing, "bf16", "fp32")
    apart = max(abs(a - b) / a for a, b in zip(*(curve.losses for curve in curves), strict=True))
    return row if apart <= CURVE_TOLERANCE else replace(row, note=f"the loss curves are up to {apart:.0%} apart")
