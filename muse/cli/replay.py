"""`muse replay`: a dataset's actions, once more in its environment."""

from __future__ import annotations

import argparse
import inspect
import logging
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
from muse.envs.env import Env, default_env_params, find_env_class, make_env_spec
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

_log = logging.getLogger(__name__)

_DESCRIPTION = """Replay the recorded actions of a dataset in its environment, from where each episode began, and compare.

The environment is the one that the file names, when it is one of Muse's, or that of --recipe. Prints lengths, rewards and successes
then and now, and the largest differences of the observations. Exit status 1 when the replay falls behind: fewer episodes end with a
reward of 1 where rewards are 0 and 1; with other rewards, or none, when a length differs, or a return by more than a thousandth.
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
    fingerprint = _mapping(data, "fingerprint")
    if args.recipe is not None:
        group = load_params(args.recipe).get("env_train")
        if not is_group(group):
            raise DataError(args.recipe, "no environment", "a recipe with a group 'env_train'")
        params = default_env_params(group["cls"], own_options(group))
        check_same_env(args.file, fingerprint, env_fingerprint({**params, "cls": group["cls"]}), args.allow_mismatch)
        return group
    name = fingerprint.get("class") or ""
    if not str(name).startswith("muse."):
        got = f"made in {name}" if name else "it does not say in which environment it was made"
        raise DataError(args.file, got, "an environment of Muse's own", "--recipe <a recipe with that environment>")
    cls = find_env_class(name)
    if inspect.isabstract(cls):
        raise DataError(args.file, f"made in {name}, which is abstract", "an environment", "--recipe <a recipe with one>")
    known = cls.get_predefined_arguments()
    params = fingerprint.get("params")
    options = {key: value for key, value in (params if isinstance(params, dict) else {}).items() if key in known}
    # No window for each process.
    group = AttrDict({**options, "cls": cls, **({"render": False} if "render" in known else {})})
    check_same_env(args.file, fingerprint, env_fingerprint(group), args.allow_mismatch)
    return group


def _mapping(data: EpisodeData, key: str) -> dict[str, Any]:
    value = data.meta.get(key) or {}
    if not isinstance(value, dict):
        raise DataError(f"{data.where}: _meta: '{key}'", f"a {type(value).__name__}", "a JSON object", "copy or collect it again")
    return value


def _read_episodes(
    data: EpisodeData, cls: type[Env], params: Mapping[str, Any], limit: int | None
) -> tuple[list[Episode], list[Mapping[str, Any] | None]]:
    """Returns the recorded episodes, each with the seed that it is replayed with, and the presets that they begin with.

    Raises:
        DataError: When the file holds neither the seeds of its episodes nor where they began.
    """
    collection, count = _mapping(data, "collection"), len(data.ends)
    kept, seed = collection.get("kept"), collection.get("seed")
    is_seeded = isinstance(seed, int) and isinstance(kept, list) and len(kept) == count
    if not is_seeded:
        _log.warning("the seeds of the episodes are not known: what the environment draws along the way will differ")
    sweep = cls.get_presets(params)
    outputs = {leaf["name"] for leaf in data.meta.get("spec", {}).get("leaves", ()) if leaf["role"] == "output_observation"}
    episodes: list[Episode] = []
    presets: list[Mapping[str, Any] | None] = []
    begin = 0
    for i, end in enumerate(data.ends[:limit].tolist()):
        steps = {name: array[begin:end] for name, array in data.steps.items()}
        onetime = {name: array[i] for name, array in data.onetime.items()}
        # As in the collection: the seed says all but which start of a sweep it was.
        if is_seeded:
            start = sweep[kept[i] % len(sweep)] if sweep else None
        else:
            start = cls.get_start(params, {**{name: array[0] for name, array in steps.items()}, **onetime})
            if start is None:
                expected = "data that says where its episodes began, or that `muse collect` made"
                raise DataError(data.where, f"{cls.__name__} cannot begin episode {i} again", expected)
        told = {name: array for name, array in steps.items() if name in outputs or name == "reward"}
        told.setdefault("truncated", np.zeros((end - begin, 1), bool))
        told["done"] = np.arange(end - begin) == end - begin - 1
        seen = {name: array for name, array in steps.items() if name not in told}
        number = episode_seed(seed, kept[i]) if is_seeded else episode_seed(0, i)
        episodes.append(Episode(nest(seen), nest(told), nest(onetime), None, number))
        presets.append(start)
        begin = end
    return episodes, presets


def _replay(
    args: argparse.Namespace, group: AttrDict, spec: EnvSpec, episodes: list[Episode], presets: list[Mapping[str, Any] | None]
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
    """Prints what became of the episodes, and returns the exit status."""
    count, numbers = len(episodes), range(len(episodes))
    print(f"{file}: {count} episodes, {sum(map(len, episodes))} steps")
    same = [i in replayed and len(replayed[i]) == len(episodes[i]) for i in numbers]
    rewards = [_rewards(episode) for episode in episodes]
    if not all(len(reward) for reward in rewards):
        print("  rewards     none recorded")
        worse = [i for i in numbers if not same[i]]
    elif all(_is_verdict(reward) for reward in rewards):
        then = [bool(reward[-1]) for reward in rewards]
        now = [i in replayed and bool(_rewards(replayed[i])[-1] == 1) for i in numbers]
        print(f"  recorded    {sum(then)} ended with a reward")
        print(
            f"  replayed    {sum(now)} ended with a reward, {format_success(sum(now) / count, wilson_interval(sum(now), count))}"
        )
        worse = [i for i in numbers if then[i] and not now[i]] if sum(now) < sum(then) else []
    else:
        returns = [(float(rewards[i].sum()), float(_rewards(replayed[i]).sum()) if i in replayed else np.nan) for i in numbers]
        print(f"  returns     differ by {max(abs(a - b) for a, b in returns):.3g} at most")
        worse = [i for i, (a, b) in enumerate(returns) if not (same[i] and np.isclose(a, b, rtol=1e-3, atol=1e-3))]
    print(f"  solved      {sum(bool(episode.success) for episode in replayed.values())} in the state where they ended")
    print(f"  lengths     {sum(same)} as recorded")
    for name, difference in _differences(episodes, replayed, observations).items():
        print(f"  difference  {name:<24}{difference:.3g} at most")
    if worse:
        print(f"  worse       episodes {', '.join(map(str, worse[:20]))}{' ...' if len(worse) > 20 else ''}")
    return int(bool(worse))


def _is_verdict(reward: np.ndarray) -> bool:
    """Whether a reward says that a task is solved: 0 and 1, and not 1 from the first of several steps on (1 for staying alive)."""
    return bool(np.isin(reward, (0, 1)).all()) and not (len(reward) > 1 and reward[0] == 1)


def _rewards(episode: Episode) -> np.ndarray:
    """Returns the rewards of an episode `(T,)`; empty where there are none."""
    return np.ravel(episode.outputs["reward"]) if has(episode.outputs, "reward") else np.zeros(0)


def _differences(episodes: list[Episode], replayed: Mapping[int, Episode], observations: Iterable[str]) -> dict[str, float]:
    """Returns the largest difference of each recorded observation, over the steps that both episodes have."""
    largest: dict[str, float] = {}
    for i, episode in replayed.items():
        before, now = flatten(episodes[i].inputs), flatten(episode.inputs)
        for name in observations:
            if name not in before or before[name].shape[1:] != now[name].shape[1:] or before[name].dtype.kind not in "biuf":
                continue
            length = min(len(before[name]), len(now[name]))
            gap = np.abs(before[name][:length].astype(np.float64) - now[name][:length].astype(np.float64))
            largest[name] = max(largest.get(name, 0.0), float(gap.max(initial=0.0)))
    return largest
