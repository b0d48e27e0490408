"""One step of learning, and the loss on data that is not learned from."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from attrdict import AttrDict

from muse.datasets.augmentation import DataAugmentation, augmented
from muse.datasets.dataset import Dataset
from muse.datasets.prefetch import Prefetcher
from muse.models.model import Model
from muse.specs import LossResult
from muse.trainers.optimizers.optimizer import Optimizer
from muse.utils.attrdicts import flatten, nest
from muse.utils.seeding import derive_seed, make_generator
from muse.utils.torch_utils import cpu_has_bfloat16, evaluation_mode

_log = logging.getLogger(__name__)


class Learner:
    """Takes batches of datasets and steps the optimiser.

    torch's global generators are seeded for each step, as a function of (seed, step), inside `fork_rng`, when the model draws
    from them: when it has dropout, or drew in the first step that this object took. A model that begins to draw later than that
    cannot be resumed exactly. One that never draws pays nothing.

    Args:
        model: What learns.
        optimizer: Steps it.
        datasets: Where batches come from, each in the order of its own sampler.
        seed: Root of the samplers' and the model's random streams.
        autocast: `"bf16"`, or None for full precision. On a CPU that does not compute in bfloat16 one line says that it is off.
        prefetch: Batches that a thread gathers ahead for each frozen dataset; 0: none. They are the same batches.
        augmentations: By name; change the batches that are learned from, as a function of (seed, step, dataset).
    """

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer,
        datasets: Sequence[Dataset],
        seed: int,
        autocast: str | None = None,
        prefetch: int = 0,
        augmentations: Mapping[str, DataAugmentation] | None = None,
    ) -> None:
        self.augmentations = dict(augmentations or {})
        self.model, self.optimizer, self.datasets, self.seed = model, optimizer, tuple(datasets), seed
        self.samplers = [dataset.get_sampler(derive_seed(seed, "sampler", i)) for i, dataset in enumerate(datasets)]
        self.prefetch = prefetch
        self._prefetchers: dict[int, Prefetcher] = {}
        self.device = model.device
        self._waited = self._learnt = 0.0
        self.uses_autocast = autocast == "bf16"
        if self.uses_autocast and self.device.type == "cpu" and not cpu_has_bfloat16():
            _log.warning("autocast: this CPU does not compute in bfloat16; training in float32")
            self.uses_autocast = False
        self.draws: bool | None = True if has_dropout(model) else None

    def step(self, index: int, step: int, want_norm: bool = False) -> tuple[LossResult, torch.Tensor | None]:
        """Learns from the next batch of dataset `index`.

        Returns:
            The loss before the step, and the 2-norm of its gradient where it was known or wanted, both still on the device.
        """
        began = time.perf_counter()
        inputs, outputs = self._next_batch(index)
        self._waited += time.perf_counter() - began
        if self.augmentations:
            inputs, outputs = self._augmented(inputs, outputs, derive_seed(self.seed, "augment", step, index))
        if not self.model.training:
            self.model.train()
        with self.random_stream("train", step, index):
            with self.precision():
                result = self.model.loss(inputs, outputs)
            norm = self.optimizer.step(result.loss, want_norm)
        self._learnt += time.perf_counter() - began
        return result, norm

    @property
    def waiting_share(self) -> float:
        """Share of the time in `step` that went into waiting for data: at most so much of it a GPU is idle for want of them."""
        return self._waited / self._learnt if self._learnt else 0.0

    def _next_batch(self, index: int) -> tuple[AttrDict, AttrDict]:
        dataset, sampler = self.datasets[index], self.samplers[index]
        # A dataset that grows may not be read by a thread meanwhile.
        if not self.prefetch or not getattr(dataset, "frozen", False):
            return dataset.draw_batch(sampler, torch_device=self.device)
        if index not in self._prefetchers:
            self._prefetchers[index] = Prefetcher(dataset, sampler, torch_device=self.device, depth=self.prefetch)
        return self._prefetchers[index].next_batch()

    def _augmented(self, inputs: AttrDict, outputs: AttrDict, seed: int) -> tuple[AttrDict, AttrDict]:
        sides = flatten(inputs), flatten(outputs)
        batch = augmented(self.augmentations, {**sides[0], **sides[1]}, self.device, seed)
        first, second = (nest({name: batch[name] for name in side}) for side in sides)
        return first, second

    def close(self) -> None:
        """Ends the threads that gather batches; the next step begins them again where they were."""
        for prefetcher in self._prefetchers.values():
            prefetcher.close()
        self._prefetchers.clear()

    def precision(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the context in which losses are computed."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.uses_autocast else contextlib.nullcontext()

    @contextlib.contextmanager
    def random_stream(self, *path: str | int) -> Iterator[None]:
        """Gives the block a stream of torch's own, a function of the seed and `path`, where the model draws."""
        if self.draws is False:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed(self.seed, *path))
            # What a model draws in training it need not draw in evaluation: a holdout loss before the first step tells nothing.
            before = self._random_state() if self.draws is None and self.model.training else None
            yield
            if before is not None:
                self.draws = not torch.equal(before, self._random_state())

    def _random_state(self) -> torch.Tensor:
        states = [torch.get_rng_state()]
        if self.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self.device))
        return torch.cat(states)

    def state(self) -> dict[str, Any]:
        """Returns plain values and tensors, without the weights."""
        taken = [self._prefetchers.get(index, sampler).state() for index, sampler in enumerate(self.samplers)]
        return {"optimizer": self.optimizer.state(), "samplers": taken}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Reverses `state`."""
        self.close()
        self.optimizer.load_state(state["optimizer"])
        for sampler, saved in zip(self.samplers, state["samplers"], strict=True):
            sampler.load_state(saved)


class HoldoutLoss:
    """The mean loss over a fixed set of windows of a dataset: each time the same ones, as long as the dataset does not grow.

    Args:
        learner: Its model and precision are used.
        dataset: Where the windows are from.
        max_batches: At most so many batches, of the size that the dataset's sampler says; 0: all windows.
        name: Names the random streams.
    """

    def __init__(self, learner: Learner, dataset: Dataset, max_batches: int, name: str) -> None:
        self.learner, self.dataset, self.max_batches, self.name = learner, dataset, max_batches, name
        self.batch_size = dataset.get_sampler(0).batch_size
        self._windows = -1
        self._batches: list[np.ndarray] = []

    def compute(self) -> dict[str, float]:
        """Returns the mean of `loss` and of each term of the loss, every window counted once; nothing for an empty dataset."""
        model, learner = self.learner.model, self.learner
        totals: dict[str, torch.Tensor] = {}
        batches = self._get_batches()
        with evaluation_mode(model), torch.no_grad(), learner.random_stream(self.name), learner.precision():
            for indices in batches:
                result = model.loss(*self.dataset.get_batch(indices, torch_device=learner.device))
                for name, value in {"loss": result.loss, **result.terms}.items():
                    totals[name] = totals.get(name, 0.0) + value.double() * len(indices)
        count = sum(map(len, batches))
        return to_floats({name: total / count for name, total in totals.items()})

    def _get_batches(self) -> list[np.ndarray]:
        count = len(self.dataset)
        if count != self._windows:
            order = make_generator(self.learner.seed, self.name).permutation(count)
            self._batches = [order[i : i + self.batch_size] for i in range(0, count, self.batch_size)]
            self._batches = self._batches[: self.max_batches or None]
            self._windows = count
        return self._batches


def to_floats(values: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """Returns scalar tensors as floats, with one wait for the device."""
    if not values:
        return {}
    numbers = torch.stack([value.detach().double() for value in values.values()]).tolist()
    return dict(zip(values, numbers, strict=True))


def has_dropout(model: torch.nn.Module) -> bool:
    """Returns whether a module of `model` draws random numbers while it learns."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0:
            return True
        if isinstance(module, (torch.nn.RNNBase, torch.nn.MultiheadAttention)) and module.dropout > 0:
            return True
    return False
