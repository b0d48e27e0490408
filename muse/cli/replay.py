"""`muse replay`: a dataset's actions, once more in its environment."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.cli.acting import add_mismatch_flag, positive_int
from muse.cli.common import make_parser, run
from muse.cli.load import load_params
from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file
from muse.envs.env import default_env_params, find_env_class, make_env_spec
from muse.envs.vector_env import VectorEnv
from muse.experiments.logger import logging_to
from muse.experiments.provenance import check_same_env, env_fingerprint
from muse.policies.replay_policy import ReplayPolicy
from muse.rollouts.evaluation import wilson_interval
from muse.rollouts.loop import RolloutLoop, run_loop
from muse.specs import EnvSpec, Episode
from muse.utils.abstract import is_group, own_options
from muse.utils.attrdicts import flatten, has, nest
from muse.utils.progress import Progress, format_success
from muse.utils.seeding import episode_seed

_DESCRIPTION = """Replay the recorded actions of a dataset in its environment, from where each episode began, and compare.

The environment is the one that the file names, when it is one of Muse's, or that of --recipe. Prints how many episodes ended with a
reward then and now, and the largest differences of the observations. Exit status 1 when fewer do now.
Examples:
  python scripts/replay.py data/hvsBlock3D/scripted_square_30k.npz
  python scripts/replay.py data/hvsBlock3D/human_square_30k.npz --recipe cfgs/exp_hvs/square/bc_rnn.py"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Runs the verb and returns its exit status."""
    parser = make_parser(prog, _DESCRIPTION, config=False)
    parser.add_argument("file", help="the dataset: an .npz file or a .muse folder")
    parser.add_argument("--recipe", metavar="FILE", help="a recipe whose 'env_train' to replay in (default: what the file names)")
    parser.add_argument("--max_eps", type=positive_int, metavar="N", help="replay so many episodes (default: all)")
    parser.add_argument("--num_envs", type=positive_int, default=4, metavar="N", help="processes to replay in (default: 4)")
    add_mismatch_flag(parser)
    return run(_work, parser, argv)


def _work(args: argparse.Namespace, unknown: list[str]) -> int:
    with logging_to(debug=args.debug):
        data = read_file(args.file)
        group = _env_group(args, data)
        params = default_env_params(group["cls"], own_options(group))
        episodes, presets = _read_episodes(data, group["cls"], params, args.max_eps)
        spec = make_env_spec(group["cls"], own_options(group))
        replayed = _replay(args, group, spec, episodes, presets)
    return _report(args.file, episodes, replayed, spec.observation_names)


def _env_group(args: argparse.Namespace, data: EpisodeData) -> AttrDict:
    """Returns the group of the environment to replay in.

    Raises:
        DataError: When the file names none, or one that is not part of Muse: data does not say what is to be imported.
        FingerprintError: When the recipe's is not the one that the file names.
    """
    fingerprint = data.meta.get("fingerprint") or {}
    if args.recipe is not None:
        group = load_params(args.recipe).get("env_train")
        if not is_group(group):
            raise DataError(args.recipe, "no environment", "a recipe with a group 'env_train'")
        params = default_env_params(group["cls"], own_options(group))
        check_same_env(args.file, fingerprint, env_fingerprint({**params, "cls": group["cls"]}), args.allow_mismatch)
        return group
    name = fingerprint.get("class", "")
    if not name.startswith("muse."):
        got = f"made in {name}" if name else "it does not say in which environment it was made"
        raise DataError(args.file, got, "an environment of Muse's own", "--recipe <a recipe with that environment>")
    cls = find_env_class(name)
    known = cls.get_predefined_arguments()
    options = {key: value for key, value in fingerprint.get("params", {}).items() if key in known}
    group = AttrDict({**options, "cls": cls})
    check_same_env(args.file, fingerprint, env_fingerprint(group), args.allow_mismatch)
    return group


def _read_episodes(
    data: EpisodeData, cls: Any, params: Mapping[str, Any], limit: int | None
) -> tuple[list[Episode], list[dict[str, Any] | None]]:
    """Returns the recorded episodes, each with the seed that it is replayed with, and the presets that they begin with.

    Raises:
        DataError: When the file holds neither where its episodes began nor the seeds that led there.
    """
    collection, count = data.meta.get("collection") or {}, len(data.ends)
    # The seeds are those of the collection as long as none of its episodes was left out.
    has_seeds = collection.get("episodes_seen") == count
    seeds = [episode_seed(collection["seed"] if has_seeds else 0, i) for i in range(count)]
    outputs = {leaf["name"] for leaf in data.meta.get("spec", {}).get("leaves", ()) if leaf["role"] == "output_observation"}
    episodes, presets = [], []
    begin = 0
    for i, end in enumerate(data.ends[:limit].tolist()):
        steps = {name: array[begin:end] for name, array in data.steps.items()}
        onetime = {name: array[i] for name, array in data.onetime.items()}
        start = cls.get_start(params, {**{name: array[0] for name, array in steps.items()}, **onetime})
        if start is None and not has_seeds:
            expected = "data that says where its episodes began, or that `muse collect` kept whole"
            raise DataError(data.where, f"{cls.__name__} cannot begin episode {i} again", expected)
        told = {name: array for name, array in steps.items() if name in outputs or name == "reward"}
        told.setdefault("truncated", np.zeros((end - begin, 1), bool))
        told["done"] = np.arange(end - begin) == end - begin - 1
        seen = {name: array for name, array in steps.items() if name not in told}
        episodes.append(Episode(nest(seen), nest(told), nest(onetime), None, seeds[i]))
        presets.append(start)
        begin = end
    return episodes, presets


def _replay(
    args: argparse.Namespace, group: AttrDict, spec: EnvSpec, episodes: list[Episode], presets: list[dict[str, Any] | None]
) -> dict[int, Episode]:
    """Returns the replayed episodes by number; one whose simulator failed again and again is missing."""
    policy = ReplayPolicy(AttrDict(episode=episodes), spec)
    count = min(args.num_envs, len(episodes))
    env = VectorEnv({"num_envs": count, "mode": "process" if count > 1 else "sync"}, group, spec)
    try:
        seeds = [episode.seed for episode in episodes]
        with Progress("replay", total=len(episodes), unit="episodes", description=group["cls"].__name__) as bar:
            return dict(run_loop(RolloutLoop(env, policy), seeds, presets, bar))
    finally:
        env.close()


def _report(file: str, episodes: list[Episode], replayed: Mapping[int, Episode], observations: Iterable[str]) -> int:
    recorded = [_is_rewarded(episode) for episode in episodes]
    again = [i in replayed and _is_rewarded(replayed[i]) for i in range(len(episodes))]
    solved = sum(bool(episode.success) for episode in replayed.values())
    same = sum(len(replayed[i]) == len(episodes[i]) for i in replayed)
    interval = wilson_interval(sum(again), len(again))
    print(f"{file}: {len(episodes)} episodes, {sum(map(len, episodes))} steps")
    print(f"  recorded    {sum(recorded)} ended with a reward")
    print(
        f"  replayed    {sum(again)} ended with a reward, {format_success(sum(again) / len(again), interval)}; {solved} solved the task"
    )
    print(f"  lengths     {same} as recorded")
    for name, difference in _differences(episodes, replayed, observations).items():
        print(f"  difference  {name:<24}{difference:.3g} at most")
    lost = [i for i, (then, now) in enumerate(zip(recorded, again, strict=True)) if then and not now]
    if lost:
        print(f"  lost        episodes {', '.join(map(str, lost[:20]))}{' ...' if len(lost) > 20 else ''}")
    return int(sum(again) < sum(recorded))


def _is_rewarded(episode: Episode) -> bool:
    return has(episode.outputs, "reward") and bool(np.all(episode.outputs["reward"][-1] > 0))


def _differences(episodes: list[Episode], replayed: Mapping[int, Episode], observations: Iterable[str]) -> dict[str, float]:
    """Returns the largest difference of each recorded observation, over the steps that both episodes have."""
    largest: dict[str, float] = {}
    for i, episode in replayed.items():
        before, now = flatten(episodes[i].inputs), flatten(episode.inputs)
        for name in observations:
            if name not in before:
                continue
            length = min(len(before[name]), len(now[name]))
            gap = np.abs(before[name][:length].astype(np.float64) - now[name][:length].astype(np.float64))
            largest[name] = max(largest.get(name, 0.0), float(gap.max(initial=0.0)))
    return largest
