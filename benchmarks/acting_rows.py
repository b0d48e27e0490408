"""How long acting takes: one action, and a step of many envs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import square
import torch
from attrdict import AttrDict as d
from report import Row
from timing import Effort, Timing, interleave

from cfgs.env import point_mass
from configs.loading import resolve_export
from muse.envs.env import make, make_env_spec
from muse.envs.vector_env import VectorEnv
from muse.models.bc.gcbc import BaseGCBC
from muse.rollouts.loop import RolloutLoop
from muse.utils.abstract import own_options

ACTION_NAME, VECTOR_NAME = "get_action", "vector_env"
NUM_ENVS = 16


def make_forward(model: BaseGCBC, batch: int, onednn: bool) -> Callable[[], torch.Tensor]:
    """Returns a forward of the model's torch modules, with their memory: from a tensor that is there to a tensor of actions."""
    lstm, network = square.bare_modules(model)
    x = torch.randn(batch, 1, lstm.input_size)
    memory = (torch.zeros(lstm.num_layers, batch, lstm.hidden_size), torch.zeros(lstm.num_layers, batch, lstm.hidden_size))

    def forward() -> torch.Tensor:
        nonlocal memory
        torch.backends.mkldnn.enabled = onednn
        with torch.inference_mode():
            y, memory = lstm(x, memory)
            action = torch.tanh(network(y))
        torch.backends.mkldnn.enabled = True
        return action

    return forward


def measure_get_action(quick: bool) -> list[Row]:
    """Times `GCBCPolicy.get_action` of one env, as a rollout calls it: arrays in, clipped arrays out.

    The reference is the bare forward of the same modules on a tensor, with oneDNN or without, whichever is faster here.
    """
    spec = square.make_spec()
    model, policy = square.make_bc_rnn(spec).eval(), square.make_policy(spec)
    rng = np.random.default_rng(0)
    obs = d.from_dict({name: rng.standard_normal((1, 1, size), dtype=np.float32) for name, size in square.STATES.items()})
    goal = d()
    policy.reset_policy(np.ones(1, dtype=bool), [0])
    sides = {
        "muse": lambda: policy.get_action(model, obs, goal),
        "onednn": make_forward(model, 1, True),
        "native": make_forward(model, 1, False),
    }
    timing = interleave(sides, Effort(samples=20, turns=40, calls=10).quickened(quick))
    reference = timing.fastest("onednn", "native")
    name = f"{ACTION_NAME}: one env, BC-RNN (LSTM 2x400)"
    return [Row.of(name, "ms", "<= 2", _against_forward(timing, reference, 1), timing, "muse", reference)]


def _against_forward(timing: Timing, reference: str, batch: int) -> str:
    other = "onednn" if reference == "native" else "native"
    states = {"onednn": "with", "native": "without"}
    return (
        f"a bare forward of the same modules at batch {batch}, {states[reference]} oneDNN, the better here"
        f" ({states[other]}: {timing.median(other) / timing.median(reference):.1f} times its time)."
    )


def measure_vector_env(quick: bool) -> list[Row]:
    """Times `RolloutLoop.step` on 16 point masses with BC-RNN acting, ends of episodes and new starts included.

    The reference steps 16 bare envs one after another, resets those that are done, and runs one bare forward at batch 16, in
    the better oneDNN setting; its actions drive the envs. It makes no episodes and shows the model no observation.
    """
    params, _ = resolve_export(d(env_train=point_mass.export))
    group = params["env_train"]
    spec = make_env_spec(group["cls"], own_options(group))
    model, policy = square.make_bc_rnn(spec).eval(), square.make_policy(spec)
    env = VectorEnv(d(num_envs=NUM_ENVS), group, spec)
    loop = RolloutLoop(env, policy, model)
    loop.start(itertools.count())
    envs = [make(group["cls"], own_options(group), spec) for _ in range(NUM_ENVS)]
    for seed, bare in enumerate(envs):
        bare.reset(seed=seed)

    def make_bare(onednn: bool) -> Callable[[], None]:
        forward = make_forward(model, NUM_ENVS, onednn)

        def bare_step() -> None:
            actions = forward()[:, -1].numpy()
            for i, bare in enumerate(envs):
                if bare.step({"action": actions[i : i + 1]})[2][0]:
                    bare.reset()

        return bare_step

    sides = {"muse": loop.step, "onednn": make_bare(True), "native": make_bare(False)}
    # An episode has 100 steps at most, so every sample holds ends and starts.
    timing = interleave(sides, Effort(samples=15, turns=200).quickened(quick))
    env.close()
    reference = timing.fastest("onednn", "native")
    name = f"{VECTOR_NAME}: {NUM_ENVS} point masses in one process, BC-RNN (LSTM 2x400) acting"
    against = f"{NUM_ENVS} bare env steps and {_against_forward(timing, reference, NUM_ENVS)}"
    return [Row.of(name, "ms", "<= 1.5", against, timing, "muse", reference)]
