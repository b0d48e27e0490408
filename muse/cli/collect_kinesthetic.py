"""`muse collect_kinesthetic`: a person leads the arm by hand, the arm does it again by itself, and that is saved."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from attrdict import AttrDict

from muse.cli.acting import positive_int
from muse.cli.common import check_output, load_config, make_parser, run
from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import format_of, read_file
from muse.envs.polymetis.polymetis_panda_env import PolymetisPandaEnv
from muse.experiments.assemble import Experiment, assemble, recorded_fingerprint, recorded_spec
from muse.experiments.file_manager import ExperimentError
from muse.experiments.logger import logging_to
from muse.experiments.provenance import check_same_env
from muse.policies.kinesthetic_replay_policy import KinestheticReplayPolicy
from muse.rollouts.loop import rollout
from muse.specs import SUCCESS, Episode
from muse.utils.abstract import is_group, own_options
from muse.utils.attrdicts import flatten, nest
from muse.utils.errors import OptionError
from muse.utils.terminal_keys import TerminalKeys

_DESCRIPTION = """Lead the robot by hand; it does the same again by itself, and what it sees and does then is saved.

At a terminal, for each demonstration:
  Enter  it comes home, and becomes soft: lead it by hand. Space closes and opens the gripper.
  Enter  ends the demonstration; x drops it.
  Put things back, step away, Enter: it replays what was shown, within its limits. Ctrl-C stops it.
  y      keeps the replay as a success, f as a failure; n drops it.
  q      quits, wherever it asks.
Examples:
  python scripts/collect_kinesthetic.py --max_eps 20 --save_file data/panda/shown.npz cfgs/collect/kinesthetic.py
  python scripts/collect_kinesthetic.py --max_eps 1 --save_file data/panda/tried.npz \\
      cfgs/collect/kinesthetic.py %env_train cfgs/env/polymetis_panda_sim.py"""


class Keys(Protocol):
    """Where the person's keys come from; `TerminalKeys`."""

    def poll(self) -> str:
        """Returns the keys that were pressed since the last time, Enter as a line feed."""

    def wait(self, wanted: Collection[str]) -> str:
        """Waits until one of `wanted` is pressed, and returns it."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION)
    amount = parser.add_mutually_exclusive_group(required=True)
    amount.add_argument("--max_eps", type=positive_int, metavar="N", help="episodes to collect, those of --continue included")
    amount.add_argument("--max_steps", type=positive_int, metavar="N", help="collect until the data has so many steps")
    parser.add_argument("--save_file", required=True, metavar="FILE", help="where to save (.npz, or a .muse folder)")
    parser.add_argument(
        "--save_every_n_episodes", type=positive_int, default=1, metavar="N", help="save that often along the way (default: 1)"
    )
    parser.add_argument(
        "--guide_steps", type=positive_int, metavar="N", help="longest demonstration in steps (default: the env's horizon)"
    )
    parser.add_argument("--continue", dest="is_continue", action="store_true", help="add to the file")
    parser.add_argument("--overwrite", action="store_true", help="replace the file")
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    path = Path(args.save_file)
    format_of(path)
    if path.exists() and not (args.is_continue or args.overwrite):
        raise ExperimentError(str(path), "the file exists", "a new name", "--continue to add to it, --overwrite to replace it")
    check_output(path, overwrite=True, is_folder=path.suffix == ".muse")
    params, root, _ = load_config(args, unknown)
    experiment = assemble(
        AttrDict({**params, "policy": None}), root.get_exp_name(), with_datasets=False, with_model=False, num_envs=1
    )
    try:
        env = experiment.env
        if not isinstance(env, PolymetisPandaEnv):
            expected = "a PolymetisPandaEnv, which a person can lead by hand"
            raise OptionError(f"{args.config}: env_train", type(env).__name__, expected, "%env_train cfgs/env/polymetis_panda.py")
        with logging_to(debug=args.debug), TerminalKeys() as keys:
            writer = open_writer(path, experiment, args.is_continue)
            guide_steps = args.guide_steps or env.horizon
            options = own_options(params["policy"]) if is_group(params.get("policy")) else {}
            collect(env, keys, writer, args.max_eps, args.max_steps, guide_steps, args.save_every_n_episodes, options)
    finally:
        experiment.close()
    print(f"{path}: {writer.num_episodes} episodes, {writer.num_rows} steps")
    return 0


def open_writer(path: Path, experiment: Experiment, is_continue: bool) -> EpisodeWriter:
    """Returns what the episodes are written to: the file's own with `is_continue`, where there is one.

    Raises:
        FingerprintError: When it is to go on with another environment.
        DataError: When what is in the file is broken, or has other names.
    """
    spec = recorded_spec(experiment)
    spec = spec if SUCCESS.name in spec else spec.extended([SUCCESS])
    meta = {"fingerprint": recorded_fingerprint(experiment), "kinesthetic": True}
    if not (is_continue and path.exists()):
        return EpisodeWriter(path, spec, meta)
    there = read_file(path)
    before = there.meta.get("fingerprint")
    check_same_env(str(path), before if isinstance(before, dict) else {}, meta["fingerprint"], False)
    return EpisodeWriter(path, spec, there.meta, there=there)


def collect(
    env: PolymetisPandaEnv,
    keys: Keys,
    writer: EpisodeWriter,
    max_eps: int | None,
    max_steps: int | None,
    guide_steps: int,
    save_every: int = 1,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Collects demonstrations until there are enough or the person quits, and saves them, also when that is interrupted.

    Args:
        env: Armed by the first Enter.
        keys: Of the person.
        writer: Takes the replayed episodes.
        max_eps, max_steps: How many are enough; None for no limit.
        guide_steps: Longest demonstration.
        save_every: Episodes after which they are saved.
        options: Of the `KinestheticReplayPolicy`.
    """
    added = 0
    try:
        while (max_eps is None or writer.num_episodes < max_eps) and (max_steps is None or writer.num_rows < max_steps):
            print(f"{writer.num_episodes} episodes, {writer.num_rows} steps. Enter: it comes home and becomes soft; q: quit")
            if keys.wait("\nq") == "q":
                return
            env.arm()
            env.reset()
            shown = show(env, keys, guide_steps)
            if shown is None:
                print("dropped")
                continue
            print(f"{len(shown)} steps shown. Put things back and step away. Enter: it replays them; x: drop them; q: quit")
            key = keys.wait("\nxq")
            if key == "q":
                return
            if key == "x":
                continue
            episode = replay(env, shown, options or {})
            print("y: keep it as a success; f: as a failure; n: drop it; q: drop it and quit")
            key = keys.wait("yfnq")
            if key == "q":
                return
            if key != "n":
                writer.add_episode(replace(episode, success=key == "y"))
                added += 1
                if added % save_every == 0:
                    writer.save()
    finally:
        if added:
            writer.save()


def show(env: PolymetisPandaEnv, keys: Keys, guide_steps: int) -> Episode | None:
    """Returns what a person shows by hand, from where the arm is; None where it is dropped."""
    print("lead it by hand. Space: gripper; Enter: done; x: drop it")
    keys.poll()
    grip, rows, key = 0.0, [flatten(env.begin_guiding())], ""
    try:
        while key not in ("\n", "x") and len(rows) < guide_steps:
            rows.append(flatten(env.guide(grip)))
            for pressed in keys.poll():
                if pressed == " ":
                    grip = 255.0 - grip
                elif not key and pressed in "\nx":
                    key = pressed
    finally:
        env.end_guiding()
    return None if key == "x" else as_episode(rows)


def as_episode(rows: Sequence[dict[str, Any]]) -> Episode:
    """Returns an episode of observations `(1, *shape)`, one after another."""
    ended = np.arange(len(rows)) == len(rows) - 1
    outputs = {"done": ended, "truncated": ended[:, None]}
    return Episode(nest({name: np.concatenate([row[name] for row in rows]) for name in rows[0]}), nest(outputs))


def replay(env: PolymetisPandaEnv, shown: Episode, options: Mapping[str, Any]) -> Episode:
    """Returns what the arm sees and does as it repeats, by itself, what was shown."""
    params = AttrDict({**options, "episode": shown, "action_space": env.action_space, "delta_pivot": env.delta_pivot})
    policy = KinestheticReplayPolicy(params, env.env_spec)
    return rollout(env, policy, preset={"joint_positions": shown.inputs["joint_positions"][0]})
