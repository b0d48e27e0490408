"""How long a round trip takes: random observations sent to a server, one after another. From the machine that will ask:

    python -m muse.serving.latency gpu-machine:6280 1000

Needs numpy alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from muse.serving.client import Flat, PolicyClient
from muse.serving.protocol import ServingError
from muse.serving.remote_leaf import RemoteLeaf

#: Limits beyond this are drawn from as if there were none.
_FAR = 1e6


@dataclass(frozen=True)
class Latency:
    """Times of round trips.

    Attributes:
        seconds: One for each, `(N,)`.
    """

    seconds: np.ndarray

    def percentile(self, q: float) -> float:
        """Returns the time that `q` percent of the round trips stay under [s]."""
        return float(np.percentile(self.seconds, q))

    def __str__(self) -> str:
        median, p95, p99 = (1e3 * self.percentile(q) for q in (50, 95, 99))
        return f"median {median:.2f} ms, 95% within {p95:.2f} ms, 99% within {p99:.2f} ms ({len(self.seconds)} actions)"


def measure_latency(client: PolicyClient, count: int, warmup: int = 20, seed: int = 0) -> Latency:
    """Asks for `count` actions of one episode and times each, from the arrays of an observation to those of the action.

    Args:
        client: Connected; an episode is begun.
        warmup: Actions before those that are timed.
        seed: Of the observations.
    """
    rng = np.random.default_rng(seed)
    script = [draw_observation(client.leaves, rng) for _ in range(min(count, 32))]
    client.reset(seed=seed)
    seconds = np.zeros(count)
    for i in range(warmup + count):
        obs, goal = script[i % len(script)]
        begin = time.perf_counter()
        client.get_action(obs, goal)
        if i >= warmup:
            seconds[i - warmup] = time.perf_counter() - begin
    return Latency(seconds)


def draw_observation(leaves: Mapping[str, RemoteLeaf], rng: np.random.Generator) -> tuple[Flat, Flat]:
    """Draws an observation and a goal within their limits, leaves `(*shape)`."""
    drawn: dict[str, Flat] = {"observation": {}, "param": {}, "goal": {}}
    for name, leaf in leaves.items():
        if leaf.role in drawn:
            drawn[leaf.role][name] = _draw(leaf, rng)
    return {**drawn["observation"], **drawn["param"]}, drawn["goal"]


def _draw(leaf: RemoteLeaf, rng: np.random.Generator) -> np.ndarray:
    if leaf.dtype.kind not in "iufb":
        return np.zeros(leaf.shape, leaf.dtype)
    bounded = np.all(np.abs(leaf.low) <= _FAR) and np.all(np.abs(leaf.high) <= _FAR)
    value = rng.uniform(leaf.low, leaf.high, leaf.shape) if bounded else np.clip(rng.standard_normal(leaf.shape), leaf.low, leaf.high)  # fmt: skip
    return np.asarray(np.rint(value) if leaf.dtype.kind in "iub" else value).astype(leaf.dtype)


def main(argv: Sequence[str] | None = None) -> int:
    """Measures what a command line says and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m muse.serving.latency", description="Time the answers of a server of policies."
    )
    parser.add_argument("address", help="host:port, or the path of a Unix socket")
    parser.add_argument("count", type=int, nargs="?", default=1000, help="actions to ask for (default: 1000)")
    args = parser.parse_args(argv)
    host, _, port = args.address.rpartition(":")
    try:
        place = {"host": host, "port": int(port)} if port.isdecimal() else {"path": args.address}
        with PolicyClient(**place, timeout=60.0) as client:
            print(measure_latency(client, max(args.count, 1)))
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
