"""Data shaped like the NutAssemblySquare demonstrations of robosuite, and BC-RNN on them: an LSTM of 2x400, a linear layer, a tanh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from attrdict import AttrDict as d

from cfgs.model import bc_rnn
from cfgs.policy import gcbc
from configs.loading import resolve_export
from muse.datasets import NpDataset
from muse.experiments.assemble import make_model
from muse.models.bc.gcbc import BaseGCBC
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.specs import EnvSpec, Episode
from muse.utils.abstract import build

#: The observations of the recipe for Square, and how many numbers each has.
STATES = {"robot0_eef_pos": 3, "robot0_eef_quat": 4, "robot0_gripper_qpos": 2, "object": 14}
ACTION_SIZE = 7
BATCH, HORIZON = 256, 10
EPISODES, EPISODE_LENGTH = 200, 150


def make_spec(states: Mapping[str, int] = STATES) -> EnvSpec:
    """Returns a spec of float32 columns: `states`, the action, and the reward."""
    leaves: list[tuple] = [(name, (size,), (-np.inf, np.inf), np.float32) for name, size in states.items()]
    leaves += [("action", (ACTION_SIZE,), (-1, 1), np.float32), ("reward", (1,), (-np.inf, np.inf), np.float32)]
    return EnvSpec(
        d(
            names_shapes_limits_dtypes=leaves, observation_names=list(states), output_observation_names=["reward"],
            action_names=["action"],
        )
    )  # fmt: skip


def make_dataset(spec: EnvSpec) -> NpDataset:
    """Returns episodes of random states, with actions that follow from them."""
    rng = np.random.default_rng(0)
    sizes = {name: spec.leaf(name).size for name in spec.observation_names}
    weights = rng.standard_normal((sum(sizes.values()), ACTION_SIZE)) / 5.0
    dataset = NpDataset(d(batch_size=BATCH, horizon=HORIZON), spec)
    for _ in range(EPISODES):
        inputs = {name: rng.standard_normal((EPISODE_LENGTH, size), dtype=np.float32) for name, size in sizes.items()}
        inputs["action"] = np.tanh(np.concatenate(list(inputs.values()), axis=1) @ weights).astype(np.float32)
        done = np.arange(EPISODE_LENGTH) == EPISODE_LENGTH - 1
        outputs = {"reward": rng.standard_normal((EPISODE_LENGTH, 1), dtype=np.float32), "done": done}
        dataset.add_episode(Episode(d.from_dict(inputs), d.from_dict(outputs)))
    return dataset


def window_starts() -> np.ndarray:
    """Returns the first row of every window, `(W,)`: what the dataset's indices mean, found independently of it."""
    first = np.arange(EPISODES)[:, None] * EPISODE_LENGTH
    return (first + np.arange(EPISODE_LENGTH - HORIZON + 1)).reshape(-1)


def make_bc_rnn(spec: EnvSpec, device: str = "cpu") -> BaseGCBC:
    """Returns the model of `cfgs/model/bc_rnn.py`; each call gives the same first weights."""
    params, _ = resolve_export(d(device=device, model=bc_rnn.export))
    return make_model(params["model"], spec, seed=0)


def make_policy(spec: EnvSpec) -> GCBCPolicy:
    """Returns the policy of `cfgs/policy/gcbc.py`, which forgets every `HORIZON` steps."""
    params, _ = resolve_export(d(horizon=HORIZON, policy=gcbc.export))
    return build(params["policy"], spec, where="policy")


def bare_modules(model: BaseGCBC) -> tuple[torch.nn.LSTM, torch.nn.Module]:
    """Returns the modules of torch that hold all of the model's parameters: the LSTM, and the layer after it."""
    decoder: Any = model.action_decoder.decoder
    return decoder.recurrent_network, decoder.network
