"""The last part of a cloned policy: from encoded states to actions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from muse.models.basic_model import MLP_ARGUMENTS, MLPModel
from muse.models.bc.chunks import look_ahead
from muse.models.heads import ActionHead, CategoricalHead, DeterministicHead, GaussianHead, GaussianMixtureHead
from muse.models.heads.categorical_head import is_categorical
from muse.models.model import CHUNK_PREFIX, Model, ModelError
from muse.models.network_model import NetworkModel, concat_inputs, get_target
from muse.models.normalizer import Normalizer
from muse.models.rnn_model import RNN_ARGUMENTS, RnnModel
from muse.specs import EnvSpec, Leaf, LossResult
from muse.utils.abstract import Argument, build, resolve_arguments
from muse.utils.attrdicts import Batch
from muse.utils.param_utils import build_mlp_param_list
from muse.utils.torch_utils import masked_mean, mean_per_row, padding_mask_of

RAW = "policy_raw"


class ActionDecoder(Model):
    """Computes actions from `model_inputs`: a network gives numbers, a head makes actions and a loss of them.

    Continuous actions get one head together: deterministic, Gaussian (`use_policy_dist`), a mixture (`policy_num_mix` above 1),
    or the one that `head` names. Bounded whole numbers get a categorical head. A subclass declares the network.

    Actions leave in physical units. Inside, a head sees them normalised (`normalize_actions`), or with the spec's limits
    mapped to [-1, 1] where its output is bounded by a tanh, or as they are.
    """

    predefined_arguments = resolve_arguments(
        Model.predefined_arguments,
        DeterministicHead.predefined_arguments,
        GaussianMixtureHead.predefined_arguments,
        [
            Argument(
                "model_inputs",
                type=list,
                element_type=str,
                help="names to decode from; None: what the model around it has, or all observations",
            ),
            Argument("action_names", type=list, element_type=str, help="actions to decode; None: all of the spec"),
            Argument("use_policy_dist", type=bool, default=False, help="a distribution of actions, trained by its likelihood"),
            Argument("policy_num_mix", type=int, default=1, help="components of the distribution; 1: a single Gaussian"),
            Argument(
                "use_policy_dist_mean", type=bool, default=False, help="act with the most likely action instead of a drawn one"
            ),
            Argument(
                "discrete_actions",
                type=bool,
                default=True,
                help="a categorical head for bounded whole numbers; else they are quantities",
            ),
            Argument("normalize_actions", type=bool, default=False, help="learn actions on a common scale"),
            Argument(
                "normalize_mode", type=str, default="min_max", choices=("mean_std", "min_max"), help="how actions are normalised"
            ),
            Argument("head", help="group of the head of continuous actions; None: as the options above say"),
        ],
    )

    model_inputs: list[str]
    action_names: tuple[str, ...]
    use_policy_dist: bool
    policy_num_mix: int
    use_policy_dist_mean: bool
    discrete_actions: bool
    normalize_actions: bool
    normalize_mode: str
    head: Any
    heads: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if self.chunk < 1:
            raise ModelError(f"{type(self).__name__}.chunk", str(self.chunk), "a number of actions, at least 1")
        names = self.env_spec.action_names if self.action_names is None else self.action_names
        if not names:
            raise ModelError(f"{type(self).__name__}.action_names", "none", "at least one action in the spec")
        self.action_names = tuple(names)
        self.model_inputs = list(self.env_spec.observation_names if self.model_inputs is None else self.model_inputs)
        leaves = [self.env_spec.leaf(name) for name in self.action_names]
        choices = [leaf for leaf in leaves if self.discrete_actions and is_categorical(leaf)]
        quantities = [leaf for leaf in leaves if leaf not in choices]
        self.heads = nn.ModuleList()
        if quantities:
            self.heads.append(self._continuous_head(quantities))
        if choices:
            self.heads.append(CategoricalHead({"use_tanh_out": False}, choices))
        self.normalizer = self._make_normalizer(quantities)
        self.raw_sizes = [head.raw_size for head in self.heads]
        self.decoder = self.build_decoder(self.chunk * sum(self.raw_sizes))

    def _continuous_head(self, leaves: list[Leaf]) -> ActionHead:
        if self.head is not None:
            group, self.head = self.head, None
            return group if isinstance(group, ActionHead) else build(group, leaves, where="head")
        cls: type[ActionHead] = DeterministicHead
        if self.use_policy_dist:
            cls = GaussianMixtureHead if self.policy_num_mix > 1 else GaussianHead
        return cls({name: getattr(self, name) for name in cls.get_predefined_arguments()}, leaves)

    def _make_normalizer(self, leaves: list[Leaf]) -> Normalizer | None:
        is_bounded = bool(leaves) and self.heads[0].use_tanh_out
        if self.normalize_actions and leaves:
            if is_bounded and self.normalize_mode == "mean_std":
                raise ModelError(
                    f"{type(self).__name__}.use_tanh_out", "a tanh over actions normalised by mean and deviation cuts off what is beyond one deviation",
                    "normalize_mode 'min_max', or no tanh",
                )  # fmt: skip
            return Normalizer({leaf.name: leaf.shape for leaf in leaves}, self.normalize_mode)
        if is_bounded and not all(np.all(leaf.low == -1.0) and np.all(leaf.high == 1.0) for leaf in leaves):
            return Normalizer.from_limits(leaves)
        return None

    @abstractmethod
    def build_decoder(self, raw_size: int) -> NetworkModel:
        """Returns the model from `model_inputs` to `RAW` `(B, H, raw_size)`."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """What is decoded."""
        return tuple(self.model_inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The actions."""
        return self.action_names

    @property
    def target_names(self) -> tuple[str, ...]:
        """The actions."""
        return self.action_names

    @property
    def noise_size(self) -> int:
        """Values that the heads draw with; 0 where the most likely action is wanted."""
        return 0 if self.use_policy_dist_mean else self.chunk * sum(head.noise_size for head in self.heads)

    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes every action `(B, H, *shape)`, and `memory` where the decoder is recurrent.

        With `chunk` above 1 also `chunk/<name>` `(B, H, K, *shape)`: the actions of the row and of the `K - 1` steps after it.
        """
        decoded = self.decoder(inputs, memory)
        noise = None if self.noise_size == 0 else inputs.get("noise")
        results: dict[str, Any] = self._act(self._by_step(decoded[RAW]), None if noise is None else self._by_step(noise))
        if self.chunk > 1:
            results = self._first_and_all(results)
        if "memory" in decoded:
            results["memory"] = decoded["memory"]
        return results

    def _by_step(self, value: Tensor) -> Tensor:
        """Returns `(B, H, K * S)`, what a row says of `K` steps, as `(B, H * K, S)`, for heads that know of single steps."""
        return value if self.chunk == 1 else value.reshape(value.shape[0], -1, value.shape[2] // self.chunk)

    def _first_and_all(self, actions: Mapping[str, Tensor]) -> dict[str, Any]:
        chunks = {name: value.unflatten(1, (-1, self.chunk)) for name, value in actions.items()}
        return {
            **{name: value[:, :, 0] for name, value in chunks.items()},
            **{CHUNK_PREFIX + name: value for name, value in chunks.items()},
        }

    def _act(self, raw: Tensor, noise: Tensor | None) -> dict[str, Tensor]:
        actions: dict[str, Tensor] = {}
        used = 0
        for head, part in zip(self.heads, self._parts(raw), strict=True):
            own = None if noise is None else noise[..., used : used + head.noise_size]
            used += head.noise_size
            value = head.act(part, own)
            pieces = (value,) if len(head.leaves) == 1 else value.split([leaf.size for leaf in head.leaves], dim=-1)
            scale = self._scale_of(head)
            for leaf, piece in zip(head.leaves, pieces, strict=True):
                if len(leaf.shape) != 1:
                    piece = piece.reshape(*piece.shape[:2], *leaf.shape)
                actions[leaf.name] = piece if scale is None else scale.unnormalize(leaf.name, piece)
        return actions

    def _parts(self, raw: Tensor) -> tuple[Tensor, ...]:
        return (raw,) if len(self.raw_sizes) == 1 else raw.split(self.raw_sizes, dim=-1)

    def _scale_of(self, head: ActionHead) -> Normalizer | None:
        return None if isinstance(head, CategoricalHead) else self.normalizer

    def loss(self, inputs: Batch, outputs: Batch) -> LossResult:
        """Computes the heads' loss of the actions in the batch.

        Terms: `policy_loss/<kind>` (l2, l1, nll), and for each action `policy_error/<name>`: the mean absolute error of the most
        likely action in physical units, or the share of wrong choices of a whole number.
        """
        inputs = self.preprocess(inputs)
        raw = self._by_step(self.decoder(inputs)[RAW])
        mask = padding_mask_of(outputs)
        targets = {name: get_target(name, inputs, outputs) for name in self.action_names}
        if self.chunk > 1:
            targets, mask = look_ahead(targets, mask, self.chunk)
        terms: dict[str, Tensor] = {}
        loss: Tensor | None = None
        for head, part in zip(self.heads, self._parts(raw), strict=True):
            target = concat_inputs(targets, head.leaves, self._scale_of(head))
            value = masked_mean(head.loss(part, target), mask)
            term = f"policy_loss/{head.loss_name}"
            terms[term] = terms.get(term, 0.0) + value.detach()
            loss = value if loss is None else loss + value
        assert loss is not None
        with torch.no_grad():
            actions = self._act(raw, None)
            for name, action in actions.items():
                terms[f"policy_error/{name}"] = masked_mean(self._error(action, targets[name]), mask)
        return LossResult(loss, terms, self.postprocess(inputs, actions if self.chunk == 1 else self._first_and_all(actions)))

    @staticmethod
    def _error(action: Tensor, target: Tensor) -> Tensor:
        wrong = (action - target.float()).abs() if action.is_floating_point() else (action != target).float()
        return mean_per_row(wrong)

    def initial_memory(self, batch: int) -> Any:
        """Returns the decoder's."""
        return self.decoder.initial_memory(batch)

    def reset_rows(self, memory: Any, rows: np.ndarray) -> Any:
        """Returns the decoder's memory with `rows` back at the beginning."""
        return self.decoder.reset_rows(memory, rows)


class MLPActionDecoder(ActionDecoder):
    """Decodes every row on its own; with `chunk` into the actions of several steps (action chunking; T. Zhao et al., 2023).

    A chunk is learnt from windows that are at least as long.
    """

    predefined_arguments = (
        ActionDecoder.predefined_arguments
        + MLP_ARGUMENTS
        + [
            Argument("chunk", type=int, default=1, help="actions decoded from a row: its own, and those of the steps after it"),
        ]
    )

    chunk = 1
    mlp_size: int
    mlp_depth: int
    activation: str
    dropout_p: float

    def build_decoder(self, raw_size: int) -> NetworkModel:
        """Returns a multi-layer perceptron."""
        own = {argument.name: getattr(self, argument.name) for argument in MLP_ARGUMENTS}
        return MLPModel({"model_inputs": self.model_inputs, "model_output": RAW, "out_size": raw_size, **own}, self.env_spec)


class RNNActionDecoder(ActionDecoder):
    """Decodes with a recurrent network, then with a perceptron for each row."""

    predefined_arguments = (
        ActionDecoder.predefined_arguments
        + RNN_ARGUMENTS
        + [
            Argument(
                "policy_size",
                type=int,
                help="width of the two layers after the recurrent ones; 0: one linear layer; None: hidden_size",
            ),
        ]
    )

    hidden_size: int
    rnn_depth: int
    rnn_type: str
    dropout_p: float
    policy_size: int | None

    def build_decoder(self, raw_size: int) -> NetworkModel:
        """Returns a recurrent model."""
        width = self.hidden_size if self.policy_size is None else self.policy_size
        sizes = [width, width, raw_size] if width > 0 else [raw_size]
        network = build_mlp_param_list(self.hidden_size, sizes, dropout_p=self.dropout_p)
        own = {argument.name: getattr(self, argument.name) for argument in RNN_ARGUMENTS}
        return RnnModel(
            {"model_inputs": self.model_inputs, "model_output": RAW, "out_size": raw_size, "network": network, **own},
            self.env_spec,
        )
