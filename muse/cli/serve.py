"""`muse serve`: an experiment's policy, for whoever asks over a socket."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import muse
from muse.cli.acting import add_mismatch_flag, add_weights_flags, load_weights, positive_int
from muse.cli.common import load_config, make_parser, run
from muse.experiments.assemble import assemble, make_acting_spec
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.serving import latency
from muse.serving.protocol import HOST, PORT
from muse.serving.server import PolicyServer
from muse.specs import EnvSpec
from muse.utils.abstract import build
from muse.utils.stop_signals import StopSignals

#: Between two looks at whether it is to stop [s].
_PATIENCE = 0.1

_DESCRIPTION = """Serve an experiment's policy: observations in, actions out, over a socket of this machine.

Prints one line when it is ready and answers until it is stopped (Ctrl-C, SIGTERM). Builds no environment. Anyone who can reach
the port can ask: listen on another address than this machine's own (--host) only in a network that you trust. Examples:
  python scripts/serve.py exp=experiments/point_mass/...
  python scripts/serve.py --latency 1000 exp=experiments/point_mass/...
  python scripts/eval.py exp=experiments/point_mass/... %policy cfgs/policy/remote.py"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_weights_flags(parser)
    add_mismatch_flag(parser)
    parser.add_argument("--host", default=HOST, help=f"address to listen on; 0.0.0.0: all of this machine (default: {HOST})")
    parser.add_argument("--port", type=_port, default=PORT, help=f"port to listen on; 0: any free one (default: {PORT})")
    parser.add_argument("--socket", metavar="PATH", help="a Unix socket to listen on, instead of host and port")
    parser.add_argument("--max_clients", type=positive_int, default=16, metavar="N", help="connections at a time (default: 16)")
    parser.add_argument(
        "--latency", type=positive_int, metavar="N", help="ask itself for N actions on random observations, print how long they took, and end"
    )  # fmt: skip
    return run(_work, parser, argv)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return int(text)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        server = make_server(args, unknown)
        with server:
            address = server.listen(args.host, 0 if args.latency else args.port, args.socket)
            if args.latency:
                print(_describe(server), flush=True)
                # Another process asks, as it will be: in this one, the two would wait for one another's turn at the interpreter.
                return subprocess.run([sys.executable, "-m", latency.__name__, address, str(args.latency)]).returncode
            with StopSignals() as stop:
                print(f"serving on {address}: {_describe(server)}; {_describe_spec(server)}", flush=True)
                while not stop.requested:
                    time.sleep(_PATIENCE)
    print(f"stopped after {server.actions} actions", flush=True)
    return 0


def make_server(args: argparse.Namespace, unknown: list[str]) -> PolicyServer:
    """Assembles what a command line says is served, weights included, without environments.

    Raises:
        ExperimentError: When the recipe lacks a policy, a model or weights for it.
    """
    params, root, manager = load_config(args, unknown)
    group = params.get("policy")
    uses_model = getattr(getattr(group, "cls", None), "uses_model", True)
    experiment = assemble(
        params, root.get_exp_name(), with_env=False, with_datasets=uses_model and args.no_model_file, with_model=uses_model,
        allow_mismatch=args.allow_mismatch,
    )  # fmt: skip
    if experiment.policy is None:
        raise ExperimentError(args.config, "no policy", "a recipe with a group 'policy'")
    checkpoint = load_weights(experiment, args, manager) if uses_model else None
    spec: EnvSpec = make_acting_spec(experiment.env_spec, params)
    about: dict[str, Any] = {"muse": muse.__version__, "name": experiment.name}
    if checkpoint is not None:
        about.update(checkpoint=checkpoint.path.rpartition("/")[2], step=checkpoint.step)
    return PolicyServer(
        lambda: build(group, spec, is_goal=False, where="policy"), experiment.model, spec, about, args.max_clients
    )


def _describe(server: PolicyServer) -> str:
    about = server.about
    weights = f"{about['checkpoint']} (step {about['step']})" if "checkpoint" in about else "first weights" if about["model"] else "no model"  # fmt: skip
    return f"{about['name'] or about['policy']}, {weights}"


def _describe_spec(server: PolicyServer) -> str:
    reads, actions = (
        ", ".join(f"{name} {server.env_spec.leaf(name).shape}" for name in names) for names in (server.reads, server.action_names)
    )
    return f"reads {reads or 'nothing'}; acts by {actions}"
