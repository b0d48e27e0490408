"""How well the worlds of `cfgs/env` are solved: by their experts, and by policies that learn from these.

    python benchmarks/worlds.py                              every expert, on 200 seeded resets
    python benchmarks/worlds.py --world maze --bc            the expert of one world, and the policy of cfgs/exp_worlds/maze.py
    python benchmarks/worlds.py --only speed                 steps a second of each world, on a quiet machine

What is found is written into `results/worlds.json` as it comes (the form is described in `muse/cli/envs/results.py`). What is there is
not measured again, so that the same command goes on after an interruption; `--again` replaces it. `muse envs --write docs` then makes
the page of the worlds anew.

`--bc` does for a world what a person would type: collects demonstrations that succeed into the recipe's data, trains, and evaluates the
best checkpoint. Data and trainings that are there go on where they are.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before torch: its threads would else spin while the simulators want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import script
import torch
from square_results import train_minutes

from configs.helpers import load_base_config
from muse.cli.envs.measuring import measure_speed
from muse.cli.envs.results import ExpertResult, Speed, TrainedResult, read_results, record
from muse.cli.envs.worlds import DEMONSTRATIONS, World, assemble_expert, find_worlds, own_experiment
from muse.cli.main import main as run_muse
from muse.experiments.assemble import ROOT_KEYS
from muse.experiments.file_manager import experiment_path
from muse.rollouts.evaluation import evaluate, load_evaluation
from muse.utils.errors import MuseError, OptionError
from muse.utils.machine import machine_name
from muse.utils.progress import Progress

SEED = 0


@dataclass(frozen=True)
class Effort:
    """How much is done: episodes of an expert and of a trained policy, demonstrations, environments together (None: the recipe's).

    `recipe` is what is trained instead of `cfgs/exp_worlds/<world>.py`.
    """

    expert_episodes: int = 200
    bc_episodes: int = 100
    demonstrations: int = DEMONSTRATIONS
    num_envs: int | None = None
    recipe: str | None = None


def measure_expert(world: World, effort: Effort) -> ExpertResult | None:
    """Evaluates a world's expert; None where it has none."""
    if not world.expert:
        return None
    experiment = assemble_expert(world, effort.num_envs or 4)
    try:
        with Progress(world.name, total=effort.expert_episodes, unit="episodes", description="expert") as bar:
            found = evaluate(experiment.vector_env, experiment.policy, episodes=effort.expert_episodes, seed=SEED, progress=bar)
    finally:
        experiment.close()
    return ExpertResult(found.episodes, found.successes, round(found.mean_length, 1), SEED, world.expert)


def measure_bc(world: World, effort: Effort) -> TrainedResult | None:
    """Collects, trains and evaluates by a world's recipe; None where it has no recipe or no expert."""
    recipe = effort.recipe or own_experiment(world)
    if not world.expert or not recipe:
        return None
    envs = [] if effort.num_envs is None else ["--num_envs", str(effort.num_envs)]
    params, root = load_base_config(recipe, [], reads=ROOT_KEYS)
    data, folder = Path(params["dataset_train"]["file"]), experiment_path(root.get_exp_name())
    amount = ["--max_eps", str(effort.demonstrations), "--only_successful", "--save_file", str(data)]
    _run("collect", *amount, "--continue", *envs, recipe, "%policy", world.expert)
    _run("goal_train", "--no_wandb", "--continue", recipe)
    results = folder / "eval" / "worlds"
    _run("eval", "--max_eps", str(effort.bc_episodes), "--seed", str(SEED), "--save_dir", str(results), *envs, f"exp={folder}")
    found = load_evaluation(results)
    steps = torch.load(folder / "models" / "train_state.pt", weights_only=True)["step"]
    minutes = round(train_minutes(folder), 1)
    return TrainedResult(
        found.episodes, found.successes, round(found.mean_length, 1), SEED, recipe, effort.demonstrations, steps, minutes, _device(params)
    )  # fmt: skip


def measure_speed_of(world: World, effort: Effort) -> Speed:
    """Times the steps of a world. What else the machine does makes them slower even by processor time, so its load is told."""
    found = measure_speed(world)
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    return Speed(float(f"{found:.2g}"), machine_name() + load)


#: What can be measured of a world, by the name of its entry.
MEASUREMENTS: dict[str, Callable[[World, Effort], Any]] = {
    "expert": measure_expert, "bc": measure_bc, "speed": measure_speed_of,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes; returns 1 where something could not be measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--world", action="append", metavar="NAME", help="this world alone, may be repeated (default: all)")
    parser.add_argument("--bc", action="store_true", help="train and evaluate, too")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="measure this alone, may be repeated")
    parser.add_argument("--again", action="store_true", help="measure what is there already, too")
    parser.add_argument("--episodes", type=int, default=200, help="episodes of each expert (default: 200)")
    parser.add_argument("--bc_episodes", type=int, default=100, help="episodes of each trained policy (default: 100)")
    parser.add_argument(
        "--demonstrations", type=int, default=DEMONSTRATIONS, help="demonstrations to learn from (default: %(default)s)"
    )
    parser.add_argument(
        "--recipe", metavar="FILE", help="what --bc trains, with one --world (default: cfgs/exp_worlds/<world>.py)"
    )
    parser.add_argument("--num_envs", type=int, help="environments stepped together (default: 4 for experts, else the recipe's)")
    parser.add_argument("--out", type=Path, default=script.RESULTS / "worlds.json", help="file of results")
    options = parser.parse_args(arguments)
    kinds = options.only or ["expert", *(["bc"] if options.bc else [])]
    effort = Effort(options.episodes, options.bc_episodes, options.demonstrations, options.num_envs, options.recipe)
    if options.recipe and len(options.world or ()) != 1:
        parser.error("--recipe is for one --world")
    status = 0
    try:
        worlds = _choose(options.world)
        for world in worlds:
            for kind in kinds:
                status |= _measure(world, kind, effort, options)
    except MuseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return status


def _choose(names: Sequence[str] | None) -> list[World]:
    worlds = {world.name: world for world in find_worlds()}
    for name in names or ():
        if name not in worlds:
            raise OptionError("--world", f"no world '{name}'", "one of " + ", ".join(worlds))
    return [worlds[name] for name in names or (name for name, world in worlds.items() if not world.cls.is_physical)]


def _measure(world: World, kind: str, effort: Effort, options: argparse.Namespace) -> int:
    """Measures and writes one entry, and says what came out; returns the status."""
    if not options.again and kind in read_results(options.out).get(world.name, {}):
        return 0
    try:
        world.check_installed()
        found = MEASUREMENTS[kind](world, effort)
    except MuseError as error:
        print(f"{world.name}, {kind}: {error}", file=sys.stderr)
        return 1
    if found is None:
        print(f"{world.name}, {kind}: nothing to measure, it has no {'expert' if not world.expert else 'recipe'}")
        return 0
    record(world.name, kind, found, options.out)
    print(f"{world.name}, {kind}: {found}")
    return 0


def _run(*words: str) -> None:
    """Runs a verb of Muse.

    Raises:
        MuseError: When it fails; it has said why.
    """
    print("muse", *words, flush=True)
    if run_muse(words):
        raise MuseError(f"muse {words[0]}", "it failed, as said above", "status 0")


def _device(params: Any) -> str:
    is_cuda = str(params.get("device", "cpu")).startswith("cuda") and torch.cuda.is_available()
    return torch.cuda.get_device_name() if is_cuda else machine_name()


if __name__ == "__main__":
    sys.exit(main())
