"""`muse interactive_collect`: a person drives, takes over from a policy, and says which episodes are kept."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrdict import AttrDict

from configs.helpers import load_base_config
from muse.cli.acting import add_acting_flags, load_weights, positive_int
from muse.cli.collecting import add_file_flags, check_collection, open_collection
from muse.cli.common import check_output, load_config, make_parser, run, spell_experiment
from muse.experiments.assemble import ROOT_KEYS, Experiment, assemble, recorded_spec
from muse.experiments.file_manager import ExperimentError, ExperimentFileManager
from muse.experiments.logger import logging_to
from muse.interactive.keeper import Keeper
from muse.interactive.panel import NoPanel, Panel
from muse.interactive.session import Session, SessionOptions
from muse.interactive.terminal_panel import TerminalPanel
from muse.interactive.window_panel import WindowPanel
from muse.policies.take_over_policy import NAMES
from muse.policies.who_acts import with_who_acts
from muse.teleop.device import InputDevice
from muse.teleop.recorded import DeviceLog
from muse.utils.abstract import build, is_group
from muse.utils.errors import OptionError
from muse.utils.stop_signals import StopSignals

#: What is in a person's hands where nobody says so.
DEFAULT_DEVICE = "cfgs/teleop/keyboard.py"

#: Keys are heard once in a step [1/s].
_SLOWEST = 0.1

_DESCRIPTION = """Collect episodes by hand, in a window or a terminal; or watch a policy, take over from it and give back.

Each episode is kept or dropped by a key; one that is kept is on the disk before the next begins. With exp=<folder> the trained policy
acts until you take over; with a recipe a scripted policy does, or, where its policy needs weights, you alone. Who acted is in the data
(`policy_type`, `policy_name`, `policy_switch`).

The device is a group of its own: %teleop cfgs/teleop/keyboard.py (the default), gamepad.py, space_mouse.py, vr.py, recorded.py.
Examples:
  python scripts/interactive_collect.py --save_file data/mine.npz cfgs/exp_worlds/push_block.py
  python scripts/interactive_collect.py --save_file data/corrections.npz exp=experiments/point_mass/...
  python scripts/interactive_collect.py --panel terminal --save_file data/mine.npz cfgs/exp_worlds/maze.py %teleop --gain 0.5"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    add_file_flags(parser)
    parser.add_argument("--max_eps", type=positive_int, metavar="N", help="quit when the file has so many episodes")
    parser.add_argument("--max_steps", type=positive_int, metavar="N", help="end an episode after so many steps")
    parser.add_argument(
        "--hz", type=float, default=10.0, metavar="F", help="steps a second; 0: as fast as the env goes, for one that keeps its own rate (default: 10)"
    )  # fmt: skip
    parser.add_argument(
        "--panel", choices=("auto", "window", "terminal", "none"), default="auto",
        help="where you see the session and press keys; none: for devices with buttons of their own (default: the window)",
    )  # fmt: skip
    parser.add_argument("--start_at_once", action="store_true", help="an episode starts without being asked to")
    parser.add_argument("--person_first", action="store_true", help="you act first in each episode, also where there is a policy")
    parser.add_argument(
        "--log_device", metavar="FILE", help="a new file for all that was pressed; cfgs/teleop/recorded.py presses it again"
    )
    add_acting_flags(parser, several=False)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    path = Path(args.save_file)
    check_collection(path, args.is_continue, args.overwrite)
    if args.log_device:  # It may be the log that is to be repeated.
        check_output(Path(args.log_device), args.overwrite)
    if not (args.hz == 0 or args.hz >= _SLOWEST):
        raise OptionError("--hz", str(args.hz), f"steps a second, at least {_SLOWEST}, or 0 for as fast as it goes")
    panel = _make_panel(args.panel)
    with logging_to(debug=args.debug), _assembled(args, unknown) as (experiment, device):
        env = experiment.env
        if not env.teleop_inputs:
            raise ExperimentError(
                f"{args.config}: {type(env).__name__}",
                "it cannot be driven by hand",
                "an env with teleop_inputs and get_teleop_action",
            )
        spec = with_who_acts(recorded_spec(experiment), NAMES)
        keeper = Keeper(open_collection(path, args.is_continue, experiment, spec, {"seed": args.seed, "by": "person"}))
        before = keeper.num_episodes
        options = SessionOptions(
            seed=args.seed, hz=args.hz, max_eps=args.max_eps or 0, max_steps=args.max_steps or 0, starts_at_once=args.start_at_once,
            begins_with_person=args.person_first, title=f"{type(env).__name__} -> {path}",
        )  # fmt: skip
        session = Session(
            env, experiment.policy, experiment.model, experiment.env_spec, device, panel, keeper, options,
            goal_policy=experiment.goal_policy, reward=experiment.reward, presets=env.get_presets(env.params),
            log=DeviceLog(args.log_device) if args.log_device else None,
        )  # fmt: skip
        with StopSignals() as stop:
            session.run(lambda: stop.requested is not None)
        count = keeper.num_episodes
    change = f"{count - before} of them new" if count >= before else f"{before - count} fewer than before"
    print(f"{path}: {count} episodes, {keeper.writer.num_rows} steps, {change}")
    return stop.exit_status


@contextlib.contextmanager
def _assembled(args: argparse.Namespace, unknown: list[str]) -> Iterator[tuple[Experiment, InputDevice]]:
    """Builds what acts and the device, weights included, and closes the env after."""
    params, root, manager = load_config(args, _with_device(args.config, unknown), reads=("teleop",))
    device = build(params["teleop"], where="teleop")
    params = _without_idle_policy(params, args, manager)
    uses_model = is_group(params["policy"]) and getattr(params["policy"]["cls"], "uses_model", True)
    experiment = assemble(
        params, root.get_exp_name(), with_env=False, with_datasets=uses_model and args.no_model_file, with_model=uses_model,
        allow_mismatch=args.allow_mismatch,
    )  # fmt: skip
    try:
        if experiment.env_group is None:
            raise ExperimentError(args.config, "no environment", "a recipe with a group 'env_train'")
        if uses_model:
            load_weights(experiment, args, manager)
        yield experiment, device
    finally:
        experiment.close()


def _with_device(config: str, words: list[str]) -> list[str]:
    """Returns the words after a recipe with the default device among them, unless they or the recipe name one."""
    places = [place for place, word in enumerate(words) if word == "%teleop"]
    if any(words[place + 1 : place + 2] and words[place + 1].endswith(".py") for place in places):
        return words
    if is_group(load_base_config(spell_experiment(config), [], reads=(*ROOT_KEYS, "teleop"))[0].get("teleop")):
        return words
    place = places[0] if places else len(words)
    return [*words[:place], "%teleop", DEFAULT_DEVICE, *words[place + 1 :]]


def _without_idle_policy(params: AttrDict, args: argparse.Namespace, manager: ExperimentFileManager | None) -> AttrDict:
    """Returns the params without a policy that has no weights: then the person drives alone."""
    group = params.get("policy")
    if is_group(group) and getattr(group["cls"], "uses_model", True) and manager is None and not args.no_model_file:
        print(f"{args.config}: its policy has no weights, you drive alone (exp=<folder> lets a trained one act)", file=sys.stderr)
        group = None
    # No window of the env's own beside the panel's.
    env = params.get("env_train")
    if is_group(env) and "render" in env:
        env = AttrDict({**env, "render": False})
    return AttrDict({**params, "policy": group, "env_train": env})


def _make_panel(kind: str) -> Panel:
    """Returns the panel that was asked for; by itself the window.

    Raises:
        PanelError: For a window without a display; it tells of the terminal.
    """
    if kind == "none":
        return NoPanel()
    if kind == "terminal":
        return TerminalPanel()
    panel = WindowPanel("Muse: interactive collection")
    panel.check_display()
    return panel
