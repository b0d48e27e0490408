"""What models share that read some names side by side and write one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from muse.models.model import Model, ModelError
from muse.models.normalizer import Normalizer
from muse.specs import EnvSpec, Leaf, LossResult
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch, flatten, has
from muse.utils.errors import nearest
from muse.utils.torch_utils import masked_mean, mean_per_row, padding_mask_of


class NetworkModel(Model):
    """A model that lays `model_inputs` side by side, `(B, H, S)`, and computes `model_output` `(B, H, *shape)` from it.

    The loss is the mean squared error to the batch's own values of `model_output`, or what `loss_fn` says.
    """

    predefined_arguments = Model.predefined_arguments + [
        Argument(
            "model_inputs", type=list, required=True, element_type=str, help="names to read, laid side by side in this order"
        ),
        Argument("model_output", type=str, required=True, help="name to write"),
        Argument("out_size", type=int, default=0, help="elements of the output; 0: as the spec says"),
        Argument("normalize_inputs", type=bool, default=False, help="normalise each input with its statistics"),
        Argument(
            "normalize_mode",
            type=str,
            default="mean_std",
            choices=("mean_std", "min_max", "quantiles"),
            help="how inputs are normalised",
        ),
        Argument(
            "loss_fn", help="fn(model, outputs, inputs, targets) -> LossResult; None: mean squared error to the batch's values"
        ),
    ]

    model_inputs: list[str]
    model_output: str
    out_size: int
    normalize_inputs: bool
    normalize_mode: str
    loss_fn: Callable[..., LossResult] | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if not self.model_inputs:
            raise ModelError(f"{type(self).__name__}.model_inputs", "empty", "at least one name")
        self._input_leaves = [self.env_spec.leaf(name) for name in self.model_inputs]
        self.in_size = self.env_spec.dim(self.model_inputs)
        self.normalizer = (
            Normalizer({l.name: l.shape for l in self._input_leaves}, self.normalize_mode) if self.normalize_inputs else None
        )
        self.output_shape, self.out_size = self._shape_of_output()

    def _shape_of_output(self) -> tuple[tuple[int, ...], int]:
        if self.model_output in self.env_spec:
            leaf = self.env_spec.leaf(self.model_output)
            if self.out_size in (0, leaf.size):
                return leaf.shape, leaf.size
            raise ModelError(
                f"{type(self).__name__}.out_size",
                f"{self.out_size}",
                f"{leaf.size}, the elements of '{leaf.name}' in the spec, or 0",
            )
        if self.out_size < 1:
            raise ModelError(
                f"{type(self).__name__}.model_output", f"'{self.model_output}', which the spec does not know, and no out_size",
                "a name of the spec, or out_size",
            )  # fmt: skip
        return (self.out_size,), self.out_size

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the output's leaf, when its size is given and the spec does not know it."""
        name, size = params.get("model_output"), params.get("out_size")
        if not isinstance(name, str) or name in env_spec or not isinstance(size, int) or size < 1:
            return []
        return [Leaf(name, (size,), float("-inf"), float("inf"), "float32")]  # type: ignore[arg-type]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The model's inputs."""
        return tuple(self.model_inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The model's output."""
        return (self.model_output,)

    @property
    def target_names(self) -> tuple[str, ...]:
        """The output's own values, unless a `loss_fn` reads what it likes."""
        return () if self.loss_fn is not None else (self.model_output,)

    def gather(self, inputs: Batch) -> Tensor:
        """Returns the inputs side by side, float, normalised where asked for, `(B, H, S)`."""
        return concat_inputs(inputs, self._input_leaves, self.normalizer)

    def shape_output(self, value: Tensor) -> Tensor:
        """Returns `value` `(B, H, out_size)` in the output's own shape."""
        return value if len(self.output_shape) == 1 else value.reshape(*value.shape[:2], *self.output_shape)

    def loss(self, inputs: Batch, outputs: Batch) -> LossResult:
        """Computes `loss_fn`, or the mean squared error over rows that are not padding."""
        results = self(inputs)
        if self.loss_fn is not None:
            return self.loss_fn(self, results, inputs, outputs)
        target = get_target(self.model_output, inputs, outputs)
        error = mean_per_row((results[self.model_output].float() - target.float()).square())
        loss = masked_mean(error, padding_mask_of(outputs))
        return LossResult(loss, {f"{self.model_output}/l2": loss.detach()}, {k: v for k, v in results.items() if k != "memory"})


def concat_inputs(inputs: Batch, leaves: Sequence[Leaf], normalizer: Normalizer | None = None) -> Tensor:
    """Returns the values of `leaves` side by side, float, `(B, H, S)`.

    Args:
        inputs: Values `(B, H, *shape)`.
        leaves: What to read, in order.
        normalizer: Applied to each value before it is flattened.

    Raises:
        ModelError: For a name that is missing or has another shape.
    """
    parts = []
    for leaf in leaves:
        value = get_input(inputs, leaf.name)
        if value.shape[2:] != leaf.shape or value.ndim < 2:
            raise ModelError(
                f"model input '{leaf.name}'", f"shape {tuple(value.shape)}", f"({', '.join(map(str, ('B', 'H', *leaf.shape)))})"
            )
        if not value.is_floating_point() or value.dtype == torch.float64:
            value = value.float()
        if normalizer is not None:
            value = normalizer.normalize(leaf.name, value)
        parts.append(value if value.ndim == 3 else value.flatten(2) if value.ndim > 3 else value.unsqueeze(2))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def get_input(inputs: Batch, name: str, hint: str = "") -> Tensor:
    """Returns `inputs[name]`.

    Args:
        hint: What to try when it is missing.

    Raises:
        ModelError: When it is missing.
    """
    try:
        return inputs[name]  # type: ignore[no-any-return]
    except KeyError:
        known = flatten(inputs)
        got = f"missing{nearest(name, known)}; there are: {', '.join(known) or 'none'}"
        raise ModelError(f"model input '{name}'", got, "all of input_names", hint) from None


def get_target(name: str, inputs: Batch, outputs: Batch) -> Tensor:
    """Returns the values of `name` to learn, from the batch's inputs or outputs.

    Raises:
        ModelError: When it is in neither.
    """
    for batch in (inputs, outputs):
        if has(batch, name):
            return batch[name]  # type: ignore[no-any-return]
    known = [*flatten(inputs), *flatten(outputs)]
    raise ModelError(
        f"target '{name}'",
        f"missing{nearest(name, known)}",
        "a batch that holds it",
        "add it to the dataset's batch_names_to_get",
    )
