"""Recurrent models: one forward for whole windows and for single steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from muse.models.model import ModelError
from muse.models.network_model import NetworkModel
from muse.specs import EnvSpec
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.param_utils import LayerParams, to_network
from muse.utils.torch_utils import cpu_autocasts, cpu_has_bfloat16, without_onednn

#: Arguments of every model with a recurrent network inside.
RNN_ARGUMENTS = [
    Argument("rnn_type", type=str, default="gru", choices=("lstm", "gru"), help="kind of recurrent cell"),
    Argument("hidden_size", type=int, default=128, help="width of the recurrent layers"),
    Argument("rnn_depth", type=int, default=2, help="number of recurrent layers"),
    Argument("dropout_p", type=float, default=0.0, help="share of values dropped between layers"),
]


class RnnModel(NetworkModel):
    """Runs a recurrent network over the window, then a network over each row.

    Fed a window at once or row by row with its memory, it gives the same outputs up to rounding. The memory is a dict of
    tensors `(B, layers, hidden)`, batch first, so that rows can be reset one by one: `h`, and `c` for an LSTM.

        RnnModel(d(model_inputs=["ego"], model_output="action", rnn_type="lstm", hidden_size=64), env_spec)

    A bidirectional model sees the future of its window, so it has no memory and cannot go on from one.
    """

    predefined_arguments = (
        NetworkModel.predefined_arguments
        + RNN_ARGUMENTS
        + [
            Argument(
                "bidirectional", type=bool, default=False, help="read the window in both directions; such a model has no memory"
            ),
            Argument("network", help="layers from (B, H, hidden) to (B, H, out_size); None: one linear layer"),
        ]
    )

    rnn_type: str
    hidden_size: int
    rnn_depth: int
    dropout_p: float
    bidirectional: bool
    network: Any

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        for name in ("hidden_size", "rnn_depth"):
            if getattr(self, name) < 1:
                raise ModelError(f"RnnModel.{name}", str(getattr(self, name)), "1 or more")
        if not 0.0 <= self.dropout_p < 1.0:
            raise ModelError("RnnModel.dropout_p", str(self.dropout_p), "0 or more, and less than 1")
        cell = nn.LSTM if self.rnn_type == "lstm" else nn.GRU
        self.recurrent_network = cell(
            self.in_size, self.hidden_size, self.rnn_depth, batch_first=True, bidirectional=self.bidirectional,
            dropout=self.dropout_p if self.rnn_depth > 1 else 0.0,
        )  # fmt: skip
        width = self.hidden_size * (2 if self.bidirectional else 1)
        network = LayerParams("linear", in_features=width, out_features=self.out_size) if self.network is None else self.network
        self.network = to_network(network, "RnnModel.network")

    def forward(self, inputs: Batch, memory: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        """Computes `{model_output: (B, H, *shape)}`, with `memory` unless the model is bidirectional.

        Raises:
            ModelError: When a bidirectional model is given a memory, or the memory has another batch size.
        """
        x = self.gather(inputs)
        state = None if memory is None else self._state_of(memory, x.shape[0])
        y, state = self._run(x, state)
        value = self.shape_output(self.network(y))
        if self.bidirectional:
            return {self.model_output: value}
        return {self.model_output: value, "memory": self._memory_of(state)}

    def _run(self, x: Tensor, state: Any) -> Any:
        if x.device.type == "cpu":
            if x.shape[1] == 1 and self.rnn_type == "lstm" and not torch.is_grad_enabled():
                with without_onednn():
                    return self.recurrent_network(x, state)
            if cpu_autocasts() and not cpu_has_bfloat16():
                with torch.autocast("cpu", enabled=False):
                    return self.recurrent_network(x.float(), state)
        return self.recurrent_network(x, state)

    def _state_of(self, memory: Mapping[str, Tensor], batch: int) -> Any:
        if self.bidirectional:
            raise ModelError("RnnModel", "a memory", "none: a bidirectional model cannot go on from one")
        if len(memory["h"]) != batch:
            raise ModelError("RnnModel: memory", f"{len(memory['h'])} rows", f"{batch}, as the inputs have")
        h = memory["h"].transpose(0, 1).contiguous()
        return (h, memory["c"].transpose(0, 1).contiguous()) if self.rnn_type == "lstm" else h

    def _memory_of(self, state: Any) -> dict[str, Tensor]:
        if self.rnn_type == "lstm":
            return {"h": state[0].transpose(0, 1), "c": state[1].transpose(0, 1)}
        return {"h": state.transpose(0, 1)}

    def initial_memory(self, batch: int) -> dict[str, Tensor] | None:
        """Returns zeros `(B, layers, hidden)`; None for a bidirectional model."""
        if self.bidirectional:
            return None
        weight = self.recurrent_network.weight_ih_l0
        zeros = weight.new_zeros(batch, self.rnn_depth, self.hidden_size)
        return {"h": zeros, "c": zeros.clone()} if self.rnn_type == "lstm" else {"h": zeros}

    def reset_rows(self, memory: Mapping[str, Tensor] | None, rows: np.ndarray) -> Mapping[str, Tensor] | None:
        """Returns `memory` with `rows` `(B,)` bool at zero."""
        if memory is None or not rows.any():
            return memory
        begins = torch.as_tensor(rows, device=memory["h"].device)[:, None, None]
        return {name: value.masked_fill(begins, 0.0) for name, value in memory.items()}
