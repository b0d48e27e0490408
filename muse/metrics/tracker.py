"""What a metric says of episodes, one after another:

tracker = BufferedTracker(d(metric=d(cls=ReturnMetric), buffer_len=50))
for episode in loop.step():
    tracker.add(episode)
tracker.values()            # {"return": mean over the last 50 episodes}
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from muse.metrics.metric import Metric, MetricError, fit_groups
from muse.specs import Episode
from muse.utils.abstract import Argument, BaseClass, build
from muse.utils.attrdicts import flatten

#: How the steps of an episode make one value.
TIME_AGGREGATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": Tensor.sum,
    "mean": Tensor.mean,
    "max": Tensor.amax,
    "min": Tensor.amin,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
#: How the values of episodes make one.
EPISODE_AGGREGATIONS: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda values: float(np.mean(values)),
    "sum": lambda values: float(np.sum(values)),
    "max": max,
    "min": min,
    "last": lambda values: values[-1],
}


class Tracker(BaseClass, ABC):
    """Keeps the values of a metric over episodes.

    An episode is shown to the metric as a batch of one window, `(1, T, *shape)`, with `success` `(1, T, 1)` among the outputs
    where the episode knows it. A value for every step becomes one for the episode by `time_agg`, from its own steps alone; one
    for the whole episode stays. With the metric's `group_by` there is one for each group as well, of the steps in it, and an
    episode says nothing of groups that it does not touch.

    Args:
        params: The options of the class.
    """

    predefined_arguments = [
        Argument("metric", required=True, help="group of the Metric, or a Metric"),
        Argument(
            "time_agg",
            type=str,
            default="last",
            choices=tuple(TIME_AGGREGATIONS),
            help="how the steps of an episode make one value",
        ),
        Argument(
            "episode_agg",
            type=str,
            default="mean",
            choices=tuple(EPISODE_AGGREGATIONS),
            help="how the values of episodes make one",
        ),
    ]

    metric: Any
    time_agg: str
    episode_agg: str

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.read_predefined_params(params)
        if not isinstance(self.metric, Metric):
            self.metric = build(self.metric, where="metric")
        #: Episodes added since the last `reset`.
        self.num_episodes = 0

    @property
    def has_data(self) -> bool:
        """Whether an episode was added since the last `reset`."""
        return self.num_episodes > 0

    def add(self, episode: Episode, model_outputs: Mapping[str, Any] | None = None) -> dict[str, float]:
        """Takes an episode in and returns its own values by name.

        Args:
            episode: A whole one.
            model_outputs: What a model made of it, leaves `(T, *shape)`, where the metric needs that.
        """
        inputs, outputs, made = _as_batch(episode, model_outputs or {})
        groups = self.metric.get_groups(inputs, outputs, made)
        values: dict[str, float] = {}
        for name, steps in self.metric.compute(inputs, outputs, made).items():
            values[name] = self._over_time(steps)
            if groups is None:
                continue
            fitting = fit_groups(groups, steps).reshape(-1)
            for group in torch.unique(fitting).tolist():
                values[f"{name}/group_{group}"] = self._over_time(steps.reshape(-1)[fitting == group])
        self.num_episodes += 1
        self._keep(values)
        return values

    def step_values(self, episode: Episode, model_outputs: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Returns the metric's values at every step of an episode, `(T,)`, or `(1,)`; nothing is kept."""
        values = self.metric.compute(*_as_batch(episode, model_outputs or {}))
        return {name: steps.detach().cpu().numpy()[0].reshape(-1) for name, steps in values.items()}

    def _over_time(self, values: Tensor) -> float:
        return float(TIME_AGGREGATIONS[self.time_agg](values.detach().float().reshape(-1)))

    @abstractmethod
    def _keep(self, values: dict[str, float]) -> None:
        """Takes the values of an episode in."""

    @abstractmethod
    def values(self) -> dict[str, float]:
        """Returns a value for every name, over the episodes that count; nothing before the first of them."""

    @abstractmethod
    def reset(self) -> None:
        """Forgets every episode."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Returns all that it knows, as plain values for a checkpoint."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from what `state` returned."""


class RunningTracker(Tracker):
    """Tracks every episode since the last `reset`, in constant memory."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        self._running: dict[str, list[float]] = {}

    def _keep(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            if name not in self._running:
                self._running[name] = [value, 1.0]
                continue
            old, count = self._running[name]
            if self.episode_agg in ("mean", "sum"):
                value += old
            elif self.episode_agg != "last":
                value = EPISODE_AGGREGATIONS[self.episode_agg]([old, value])
            self._running[name] = [value, count + 1]

    def values(self) -> dict[str, float]:
        """See `Tracker.values`."""
        is_mean = self.episode_agg == "mean"
        return {name: value / count if is_mean else value for name, (value, count) in self._running.items()}

    def reset(self) -> None:
        """See `Tracker.reset`."""
        self.num_episodes, self._running = 0, {}

    def state(self) -> dict[str, Any]:
        """See `Tracker.state`."""
        return {"num_episodes": self.num_episodes, "running": {name: list(pair) for name, pair in self._running.items()}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Tracker.load_state`."""
        self.num_episodes = int(state["num_episodes"])
        self._running = {str(name): [float(value) for value in pair] for name, pair in state["running"].items()}


class BufferedTracker(Tracker):
    """Tracks the last `buffer_len` episodes."""

    predefined_arguments = [
        *Tracker.predefined_arguments,
        Argument("buffer_len", type=int, default=50, help="episodes that count", unit="episodes"),
    ]

    buffer_len: int

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__(params)
        if self.buffer_len < 1:
            raise MetricError("BufferedTracker: option 'buffer_len'", str(self.buffer_len), "at least 1 episode")
        self._buffer: deque[dict[str, float]] = deque(maxlen=self.buffer_len)

    def _keep(self, values: dict[str, float]) -> None:
        self._buffer.append(values)

    def values(self) -> dict[str, float]:
        """See `Tracker.values`."""
        names = dict.fromkeys(name for values in self._buffer for name in values)
        aggregate = EPISODE_AGGREGATIONS[self.episode_agg]
        return {name: aggregate([values[name] for values in self._buffer if name in values]) for name in names}

    def reset(self) -> None:
        """See `Tracker.reset`."""
        self.num_episodes = 0
        self._buffer.clear()

    def state(self) -> dict[str, Any]:
        """See `Tracker.state`."""
        return {"num_episodes": self.num_episodes, "buffer": [dict(values) for values in self._buffer]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Tracker.load_state`."""
        self.num_episodes = int(state["num_episodes"])
        self._buffer = deque(
            ({str(k): float(v) for k, v in values.items()} for values in state["buffer"]), maxlen=self.buffer_len
        )


def _as_batch(
    episode: Episode, model_outputs: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, Any]]:
    inputs, outputs = flatten(episode.inputs), flatten(episode.outputs)
    if episode.success is not None and "success" not in outputs:
        outputs["success"] = np.full((len(episode), 1), episode.success)
    made = flatten(model_outputs)
    for name, value in made.items():
        if len(value) != len(episode):
            raise MetricError(f"Tracker.add: model output '{name}'", f"{len(value)} rows", f"{len(episode)}, as the episode has")
    return _windows(inputs), _windows(outputs), _windows(made)


def _windows(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value[None] for name, value in columns.items()}
