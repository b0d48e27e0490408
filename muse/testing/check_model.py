"""Tells in sentences what a model does against the contract of `muse.models.model`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from muse.models.model import CHUNK_PREFIX, Model, ModelError, StatisticsError
from muse.specs import EnvSpec, LossResult
from muse.testing.made_up import draw_values, fake_env_spec, statistics_of
from muse.testing.problems import listed
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.seeding import make_generator
from muse.utils.torch_utils import evaluation_mode

#: Outputs of a batch and of its rows one by one may differ by so much: matrix products round differently by size.
CLOSE: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-5}
BATCH = 3


def check_model(
    model_or_cls: Model | type[Model], params: Mapping[str, Any] | None = None, env_spec: EnvSpec | None = None
) -> None:
    """Runs a model through everything that trainers and policies will ask of it, on made-up data.

        check_model(MyModel, d(hidden_size=8), env_spec)

    A class is built from `params` and `env_spec`; a model is used as it is, its weights unchanged, its statistics loaded.

    Args:
        model_or_cls: A class, or a model.
        params: Options for the class.
        env_spec: Names, shapes and limits; a small made-up spec when None.

    Raises:
        ModelError: With a sentence for each thing that is wrong.
    """
    problems = model_problems(model_or_cls, params, env_spec)
    if problems:
        name = model_or_cls.__name__ if isinstance(model_or_cls, type) else type(model_or_cls).__name__
        raise ModelError(f"check_model({name})", listed(problems))


def model_problems(
    model_or_cls: Model | type[Model], params: Mapping[str, Any] | None = None, env_spec: EnvSpec | None = None
) -> list[str]:
    """Returns what `check_model` would raise as a list of sentences, empty for a good model."""
    with torch.random.fork_rng(devices=[]):
        return _Check(model_or_cls, params, env_spec).run()


class _Check:
    """One run over one model; each method looks at one subject and notes what is wrong."""

    def __init__(self, model_or_cls: Any, params: Mapping[str, Any] | None, env_spec: EnvSpec | None) -> None:
        self.problems: list[str] = []
        self.params, self.given_spec = params or {}, env_spec or getattr(model_or_cls, "env_spec", None) or fake_env_spec()
        self.cls = model_or_cls if isinstance(model_or_cls, type) else None
        self.model: Model = self._build() if self.cls else model_or_cls
        self.spec = self.model.env_spec
        self.horizon = self.model.horizon or max(4, self.model.chunk)
        self.rng = make_generator(0, "check_model")

    def _build(self) -> Model:
        torch.manual_seed(0)
        assert self.cls is not None
        model: Model = self.cls(self.params, self.given_spec)
        return model

    def run(self) -> list[str]:
        """Returns the sentences."""
        with evaluation_mode(self.model):
            for check in (self.names, self.construction):
                self._guarded(check)
            if not self.problems:
                self._guarded(self.statistics)
            if not self.problems:
                for check in (
                    self.outputs,
                    self.inputs_are_left_alone,
                    self.rows,
                    self.memory,
                    self.noise,
                    self.loss,
                    self.weights,
                ):
                    self._guarded(check)
        return self.problems

    def _guarded(self, check: Callable[[], None]) -> None:
        try:
            check()
        except Exception as error:
            self.problems.append(f"{check.__name__}: raised {type(error).__name__}: {error}.")

    def expect(self, condition: bool, sentence: str) -> None:
        """Notes the sentence unless the condition holds."""
        if not condition:
            self.problems.append(sentence)

    def draw(self, names: Iterable[str], batch: int, horizon: int) -> dict[str, Tensor]:
        """Returns made-up values `(B, H, *shape)` of the spec's names, within their limits."""
        drawn = draw_values(self.spec, names, (batch, horizon), self.rng)
        return {name: torch.from_numpy(value).to(self.model.device) for name, value in drawn.items()}

    @contextmanager
    def same_global_random_state(self, what: str) -> Iterator[None]:
        """Notes a problem when the block draws from torch's or numpy's global generator."""
        before, numpy_before = torch.get_rng_state(), _numpy_state()
        yield
        self.expect(
            torch.equal(before, torch.get_rng_state()),
            f"{what} draws from torch's global generator; randomness comes from inputs['noise'].",
        )
        self.expect(numpy_before == _numpy_state(), f"{what} draws from numpy's global generator.")

    def names(self) -> None:
        """The declared names are in the spec."""
        for kind in ("input_names", "output_names", "target_names", "statistics_names"):
            value = getattr(self.model, kind)
            self.expect(isinstance(value, tuple), f"{kind} is a {type(value).__name__}, not a tuple.")
            for name in value:
                self.expect(
                    name in self.spec, f"{kind} holds '{name}', which the spec does not know; get_spec_leaves can add it."
                )
        self.expect(bool(self.model.output_names), "output_names is empty, so the model is of no use.")

    def construction(self) -> None:
        """The same params build the same model again, and stay as they were."""
        if self.cls is None:
            return
        before = list(flatten(self.params))
        again = self._build()
        self.expect(before == list(flatten(self.params)), "The constructor changed its params.")
        pairs = zip(self.model.parameters(), again.parameters(), strict=True)
        same = all(torch.equal(one, other) for one, other in pairs)
        self.expect(same, "Built twice under one torch.manual_seed, the model has different weights.")
        places = {str(tensor.device) for tensor in (*self.model.parameters(), *self.model.buffers())}
        self.expect(len(places) < 2, f"Parameters lie on several devices: {', '.join(sorted(places))}.")

    def statistics(self) -> None:
        """Statistics are needed before use, one by one, and are then part of the weights."""
        names = self.model.statistics_names
        if not names or self.cls is None:
            return
        try:
            self.model(self.draw(self.model.input_names, BATCH, self.horizon))
            self.model.loss(*self.batch())
            self.expect(False, "forward and loss worked before statistics were loaded; they must raise a StatisticsError.")
        except StatisticsError:
            pass
        statistics = {name: statistics_of(value) for name, value in draw_values(self.spec, names, (64,), self.rng).items()}
        for name in names:
            try:
                self._build().load_statistics({other: value for other, value in statistics.items() if other != name})
                self.expect(False, f"load_statistics accepted that the statistics of '{name}' are missing.")
            except ModelError:
                pass
        self.model.load_statistics(statistics)

    def outputs(self) -> None:
        """Forward returns what it declares, finite, in the declared shapes, twice the same, for flat and nested inputs."""
        inputs = self.draw(self.model.input_names, BATCH, self.horizon)
        with torch.no_grad(), self.same_global_random_state("forward"):
            outputs = self.model(inputs, self.model.initial_memory(BATCH))
            again = self.model(nest(inputs))
        self.expect(isinstance(outputs, dict), f"forward returned a {type(outputs).__name__}, not a dict.")
        chunks = [CHUNK_PREFIX + name for name in self.model.output_names] if self.model.chunk > 1 else []
        extra = set(outputs) - set(self.model.output_names) - {"memory", *chunks}
        self.expect(not extra, f"forward returned {', '.join(sorted(extra))}, which output_names does not list.")
        for name in self.model.output_names:
            if name not in outputs:
                self.expect(False, f"forward returned no '{name}', which output_names lists.")
                continue
            shape = (BATCH, self.horizon, *self.spec.leaf(name).shape)
            self.expect(
                tuple(outputs[name].shape) == shape,
                f"forward returned '{name}' in the shape {tuple(outputs[name].shape)} instead of {shape}.",
            )
            self.expect(bool(torch.isfinite(outputs[name]).all()), f"forward returned '{name}' with NaN or infinity.")
            self.expect(
                _close(outputs[name], again[name]),
                f"forward gave '{name}' differently the second time; without noise it is deterministic.",
            )

        self.chunks(outputs)

    def chunks(self, outputs: dict[str, Tensor]) -> None:
        """A model that plans several steps says so of each action, and its first step is the action."""
        for name in self.model.output_names if self.model.chunk > 1 else ():
            chunk, shape = outputs.get(CHUNK_PREFIX + name), self.spec.leaf(name).shape
            if chunk is None or tuple(chunk.shape) != (BATCH, self.horizon, self.model.chunk, *shape):
                got = "nothing" if chunk is None else f"the shape {tuple(chunk.shape)}"
                self.expect(False, f"chunk is {self.model.chunk}, but forward returned {got} for '{CHUNK_PREFIX}{name}'.")
            elif name in outputs:
                self.expect(_close(chunk[:, :, 0], outputs[name]), f"The first step of '{CHUNK_PREFIX}{name}' is not '{name}'.")

    def inputs_are_left_alone(self) -> None:
        """Neither forward nor loss writes to what it was given."""
        inputs, outputs = self.batch()
        given = ({**inputs}, {**outputs})
        kept = [{name: value.clone() for name, value in part.items()} for part in given]
        self.model(given[0])
        self.model.loss(*given)
        for part, before in zip(given, kept, strict=True):
            same = part.keys() == before.keys() and all(torch.equal(part[name], before[name]) for name in part)
            self.expect(same, "forward or loss wrote to its inputs.")

    def rows(self) -> None:
        """A row's result does not depend on the other rows."""
        inputs = self.draw(self.model.input_names, BATCH, self.horizon)
        with torch.no_grad():
            together = self.model(inputs)
            alone = self.model({name: value[1:2] for name, value in inputs.items()})
        for name in self.model.output_names:
            self.expect(_close(together[name][1:2], alone[name]), f"'{name}' of a row changes with the other rows of the batch.")

    def memory(self) -> None:
        """Row by row with the memory gives what the whole window gives; resetting a row makes it new."""
        model, names = self.model, self.model.output_names
        memory = model.initial_memory(BATCH)
        inputs = self.draw(model.input_names, BATCH, self.horizon)
        with torch.no_grad():
            window = model(inputs, memory)
            if memory is None:
                self.expect(
                    "memory" not in window or model.horizon is not None,
                    "forward returned a memory, but initial_memory gives None.",
                )
                return
            self.expect("memory" in window, "forward returned no memory, but initial_memory gives one.")
            for t in range(self.horizon):
                step = model({name: value[:, t : t + 1] for name, value in inputs.items()}, memory)
                memory = step["memory"]
                for name in names:
                    self.expect(
                        _close(step[name], window[name][:, t : t + 1]),
                        f"Row by row, '{name}' at row {t} differs from the whole window's.",
                    )
            rows = np.array([False, True, False])
            first = {name: value[:, :1] for name, value in inputs.items()}
            kept = model(first, memory)
            begun = model(first, model.reset_rows(memory, rows))
            again = model(first, memory)
        for name in names:
            self.expect(
                _close(begun[name][1], window[name][1, :1]), f"After reset_rows, '{name}' of the row is not what a new row gives."
            )
            self.expect(_close(begun[name][0], kept[name][0]), f"reset_rows changed '{name}' of a row that was not to be reset.")
            self.expect(_close(again[name], kept[name]), "reset_rows changed the memory that it was given.")

    def noise(self) -> None:
        """Noise decides what is drawn, and nothing else does."""
        size = self.model.noise_size
        if size == 0:
            return
        inputs = self.draw(self.model.input_names, BATCH, self.horizon)
        noise = torch.from_numpy(self.rng.standard_normal((2, BATCH, self.horizon, size)).astype(np.float32)).to(
            self.model.device
        )
        with torch.no_grad(), self.same_global_random_state("forward with noise"):
            one, two, other = (self.model({**inputs, "noise": value}) for value in (noise[0], noise[0], noise[1]))
        names = self.model.output_names
        self.expect(all(_close(one[name], two[name]) for name in names), "The same noise gave different outputs.")
        self.expect(
            not all(torch.equal(one[name], other[name]) for name in names),
            f"noise_size is {size}, but other noise gave the same outputs.",
        )

    def batch(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Returns a made-up batch, its last row padding."""
        inputs = self.draw(self.model.batch_names, BATCH, self.horizon)
        inputs.update(self.draw([name for name in self.model.input_names if name not in inputs], BATCH, self.horizon))
        mask = torch.zeros(BATCH, self.horizon, dtype=torch.bool, device=self.model.device)
        mask[:, -1] = self.horizon > 1
        return inputs, {"padding_mask": mask}

    def loss(self) -> None:
        """The loss is a finite scalar with gradients, with detached terms, that padded rows do not touch."""
        inputs, outputs = self.batch()
        inputs = {name: value for name, value in inputs.items() if name in self.model.batch_names}
        result = self.model.loss(inputs, outputs)
        if not isinstance(result, LossResult):
            self.expect(False, f"loss returned a {type(result).__name__}, not a LossResult.")
            return
        self.expect(
            result.loss.ndim == 0 and bool(torch.isfinite(result.loss)), f"The loss is {result.loss}, not one finite number."
        )
        for name, value in result.terms.items():
            fits = isinstance(value, Tensor) and value.ndim == 0 and not value.requires_grad
            self.expect(fits, f"The term '{name}' is not a detached scalar tensor.")
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        has_graph = result.loss.requires_grad
        gradients = torch.autograd.grad(result.loss, parameters, allow_unused=True) if parameters and has_graph else ()
        learns = not parameters or any(gradient is not None for gradient in gradients)
        self.expect(learns, "The loss has no gradient for any parameter.")
        if self.horizon > 1:
            changed = {name: value.clone() for name, value in inputs.items()}
            for name, value in self.draw([n for n in self.model.target_names if has(inputs, n)], BATCH, self.horizon).items():
                changed[name][:, -1] = value[:, -1]
            with torch.no_grad():
                other = self.model.loss(changed, outputs).loss
            self.expect(_close(result.loss, other), "The loss changes with the targets of padded rows.")

    def weights(self) -> None:
        """A state dict holds tensors alone and makes another model the same."""
        state = self.model.state_dict()
        self.expect(all(isinstance(value, Tensor) for value in state.values()), "The state dict holds more than tensors.")
        if self.cls is None:
            return
        other = self._build()
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.zero_()
        other.load_state_dict(state)
        other.eval()
        inputs = self.draw(self.model.input_names, BATCH, self.horizon)
        with torch.no_grad():
            mine, theirs = self.model(inputs), other(inputs)
        for name in self.model.output_names:
            self.expect(_close(mine[name], theirs[name]), f"Restored from the state dict, the model gives another '{name}'.")


def _numpy_state() -> str:
    return str(np.random.get_state(legacy=False))


def _close(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(torch.allclose(one.double(), other.double(), **CLOSE))
