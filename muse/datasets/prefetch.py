"""Batches gathered ahead of time by a thread, while the model learns from the one before.

with Prefetcher(dataset, dataset.get_sampler(seed), torch_device=device) as batches:
    for _ in range(steps):
        inputs, outputs = batches.next_batch()
    state = batches.state()
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple

from attrdict import AttrDict

from muse.datasets.dataset import DataError, Dataset
from muse.datasets.samplers.sampler import Sampler

#: How often a thread that waits for room looks whether it should end [s].
_PATIENCE = 0.1


class _Item(NamedTuple):
    """A batch with the sampler's state after it, or what went wrong instead."""

    batch: tuple[AttrDict, AttrDict] | None
    state: dict[str, int] | None
    error: BaseException | None


class Prefetcher:
    """Gives exactly the batches that the sampler and the dataset would give, in their order.

    While it runs, the sampler and the dataset are its own: neither may be changed or drawn from, so the dataset may not grow.

    Args:
        dataset: Where the batches come from.
        sampler: Says which windows; goes on from where it stands.
        torch_device: As in `Dataset.get_batch`.
        names: As in `Dataset.get_batch`.
        depth: Batches held ready.

    Raises:
        DataError: When the depth is no positive number.
    """

    def __init__(
        self, dataset: Dataset, sampler: Sampler, torch_device: Any = None, names: Iterable[str] | None = None, depth: int = 2
    ) -> None:
        if depth < 1:
            raise DataError("Prefetcher: 'depth'", str(depth), "at least 1")
        self.dataset, self.sampler, self.torch_device = dataset, sampler, torch_device
        self.names = None if names is None else tuple(names)
        self._ready: queue.Queue[_Item] = queue.Queue(depth)
        self._stop = threading.Event()
        self._state = sampler.state()
        self._held = self._windows_held()
        self._error: BaseException | None = None
        # A daemon: a script that fails without close() must still end.
        self._thread = threading.Thread(target=self._run, name="muse-prefetch", daemon=True)
        self._thread.start()

    def next_batch(self) -> tuple[AttrDict, AttrDict]:
        """Returns the next inputs and outputs.

        Raises:
            DataError: When it is closed, or the dataset has changed.
            Exception: Whatever the sampler or the dataset raised, at the batch at which they did, and at every call after it.
        """
        if self._error is not None:
            raise self._error
        if self._stop.is_set():
            raise DataError("Prefetcher.next_batch", "closed", "a new Prefetcher")
        try:
            # Batches held ready are of the dataset as it was.
            self._check_unchanged()
        except DataError as error:
            self._error = error
            raise
        item = self._ready.get()
        if item.error is not None:
            self._error = item.error
            raise item.error
        assert item.batch is not None and item.state is not None
        self._state = item.state
        return item.batch

    def state(self) -> dict[str, int]:
        """Returns the sampler's state after the last batch that `next_batch` returned: the next one is the first not seen."""
        return dict(self._state)

    def close(self) -> None:
        """Ends the thread and puts the sampler back to `state()`. Calling it again does nothing."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._ready = queue.Queue()
        self.sampler.load_state(self._state)

    def __iter__(self) -> Iterator[tuple[AttrDict, AttrDict]]:
        return self

    def __next__(self) -> tuple[AttrDict, AttrDict]:
        return self.next_batch()

    def __enter__(self) -> Prefetcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self) -> None:
        item = _Item(None, None, None)
        while item.error is None and not self._stop.is_set():
            try:
                batch = self.dataset.draw_batch(self.sampler, self.names, self.torch_device)
                self._check_unchanged()
                item = _Item(batch, self.sampler.state(), None)
            except BaseException as error:
                item = _Item(None, None, error)
            self._put(item)

    def _windows_held(self) -> tuple[int, int]:
        """Returns how many windows there are, and how many have left: a full buffer that grows keeps its length."""
        return len(self.dataset), getattr(self.dataset, "first_window", 0)

    def _check_unchanged(self) -> None:
        (count, left), (count_before, left_before) = self._windows_held(), self._held
        if (count, left) != (count_before, left_before):
            got = (
                f"{count} windows, {count_before} before" if count != count_before else f"{left - left_before} windows have left"
            )
            hint = "close the Prefetcher before episodes are added"
            raise DataError("Prefetcher", got, "a dataset that does not change", hint)

    def _put(self, item: _Item) -> None:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
