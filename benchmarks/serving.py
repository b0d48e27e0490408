"""What acting through a server costs: a round trip to another process of this machine beside the policy called in this one.

Prints a table and writes `serving.json` and `serving.md`. The two take turns on the same observations; a ratio is one of medians
over several samples. Takes a minute or two on two cores.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection

import numpy as np
import script
import square
from attrdict import AttrDict as d
from report import Page, Row
from timing import Effort, interleave

from cfgs.env import point_mass
from cfgs.model import vis_bc_rnn
from configs.loading import resolve_export
from muse.envs.env import make_env_spec
from muse.experiments.assemble import make_model
from muse.models.model import Model
from muse.serving.client import PolicyClient
from muse.serving.latency import draw_observation
from muse.serving.server import PolicyServer
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import own_options

PAGE = Page("A served policy, beside the same one in the process", "make bench-serving", "serving.md", "serving.json")
SIDE = 84


def point_mass_lstm() -> tuple[Model, EnvSpec]:
    """Returns the LSTM of 2x64 of the recipe for the point mass."""
    params, _ = resolve_export(d(env_train=point_mass.export))
    spec = make_env_spec(params["env_train"]["cls"], own_options(params["env_train"]))
    params, _ = resolve_export(d(device="cpu", model=square.bc_rnn.export & d(action_decoder=d(hidden_size=64))))
    return make_model(params["model"], spec, seed=0), spec


def square_lstm() -> tuple[Model, EnvSpec]:
    """Returns an LSTM of 2x400 on observations like those of NutAssemblySquare."""
    spec = square.make_spec()
    return square.make_bc_rnn(spec), spec


def two_pictures() -> tuple[Model, EnvSpec]:
    """Returns the small convolutional encoder for two cameras, and the LSTM of 2x400 after it."""
    pictures = [Leaf(name, (SIDE, SIDE, 3), 0, 255, np.dtype(np.uint8), role="observation") for name in ("image", "ego_image")]
    spec = square.make_spec().extended(pictures)
    params, _ = resolve_export(d(device="cpu", model=vis_bc_rnn.export & d(image_encoder=d(trunk="conv"))))
    return make_model(params["model"], spec, seed=0), spec


#: What is served, by the name that `--only` takes.
CASES: dict[str, tuple[Callable[[], tuple[Model, EnvSpec]], str]] = {
    "point_mass": (point_mass_lstm, "LSTM 2x64, 10 numbers"),
    "square": (square_lstm, "LSTM 2x400, 23 numbers"),
    "pictures": (two_pictures, f"two pictures of {SIDE}x{SIDE}, a small convolutional net, LSTM 2x400"),
}


def serve(name: str, pipe: Connection) -> None:
    """Serves a case until the pipe is written to; runs in a process of its own."""
    model, spec = CASES[name][0]()
    with PolicyServer(lambda: square.make_policy(spec), model.eval(), spec) as server:
        pipe.send(server.listen(port=0))
        pipe.recv()


@contextlib.contextmanager
def serving(name: str) -> Iterator[PolicyClient]:
    """Starts a server in another process and yields a client of it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(name, there), daemon=True)
    process.start()
    host, _, port = here.recv().rpartition(":")
    try:
        with PolicyClient(host, int(port), timeout=60.0) as client:
            yield client
    finally:
        here.send("end")
        process.join(timeout=20)


def measure(name: str, quick: bool) -> list[Row]:
    """Times one action of one robot, arrays in, arrays out."""
    model, spec = CASES[name][0]()
    policy = square.make_policy(spec)
    policy.reset_policy(np.ones(1, bool), [0])
    model.eval()
    with serving(name) as client:
        client.reset(seed=0)
        obs, _ = draw_observation(client.leaves, np.random.default_rng(0))
        rows = {key: value[None, None] for key, value in obs.items()}
        sides = {
            "served": lambda: client.get_action(obs),
            "here": lambda: policy.get_action(model, rows, {}),
        }
        timing = interleave(sides, Effort(samples=15, turns=60, calls=2, seconds=30).quickened(quick))
    against = "`GCBCPolicy.get_action` in the process that asks, on the same observation, one thread each."
    return [Row.of(f"{name}: {CASES[name][1]}", "ms", "<= 2", against, timing, "served", "here")]


#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {name: lambda quick, name=name: measure(name, quick) for name in CASES}  # type: ignore[misc]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    return script.measure(PAGE, MEASUREMENTS, script.parse(__doc__, MEASUREMENTS, arguments))


if __name__ == "__main__":
    sys.exit(main())
