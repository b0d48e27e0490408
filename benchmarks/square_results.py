"""Success of trained NutAssemblySquare policies over 100 fixed initial states: `results/square.json` and `square.md`.

    python benchmarks/square_results.py experiments/hvsBlock3D/quick_*

Evaluates the best checkpoint and the last three numbered ones of each experiment, on the same 100 seeded episodes. What is in
`square.json` of the same recipe, command line, seed, steps and checkpoint is replaced, the rest stays; `--page_only` writes the page anew.
Train with `--seed 0`, `--seed 1` ... for the seeds of a recipe.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Before torch: its threads would else spin while the simulators want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import script
import torch

import muse
from muse.cli.acting import restore
from muse.experiments.file_manager import ExperimentError, ExperimentFileManager
from muse.rollouts.evaluation import Evaluation, evaluate, wilson_interval
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write
from muse.utils.machine import cpu_name
from muse.utils.progress import Progress, format_success

EPISODES, SEED = 100, 0
DATA, PAGE = script.RESULTS / "square.json", script.RESULTS / "square.md"
PAGE_HEAD = """# NutAssemblySquare from state, on scripted demonstrations

Written by `python benchmarks/square_results.py experiments/hvsBlock3D/...`: success over the 100 initial states of seed 0, with Wilson's 95%
interval. `best` is the checkpoint that did best in the 50 rollouts along the way, on other initial states. The last column is the mean of
the last three numbered checkpoints, each on the same 100 states; it has no interval, for these are no independent episodes. Minutes are
those of training, rollouts apart. Every run was given what stands under the table.
"""
PAGE_TAIL = """
## To repeat it

```text
pip install -e '.[robosuite]' -c constraints.txt
python scripts/collect.py --max_eps 200 --only_successful --save_file data/hvsBlock3D/scripted_square_30k.npz \\
    cfgs/exp_hvs/square/bc_rnn.py %policy cfgs/policy/square_expert.py
python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_quick.py --seed 0        # and 1, 2
python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn_gmm.py --dataset scripted_square_30k
python scripts/goal_train.py --no_wandb cfgs/exp_hvs/square/bc_rnn.py --dataset scripted_square_30k
python benchmarks/square_results.py experiments/hvsBlock3D/...
```

A shorter run, with evaluations and numbered checkpoints along it (the last column needs three):
`%trainer --max_steps 50000 --block_env_on_first_n_steps 0 --rollout_train_env_every_n_steps 10000 --save_checkpoint_every_n_steps 10000`.
"""


@dataclass(frozen=True)
class Result:
    """What came out of the checkpoints of one experiment; `checkpoint` is `best` or `last3`, `options` what its command line had."""

    recipe: str
    seed: int
    steps: int
    train_minutes: float
    device: str
    checkpoint: str
    episodes: int
    successes: int
    options: str = ""

    @property
    def key(self) -> tuple[Any, ...]:
        """What a newer result replaces."""
        return self.recipe, self.options, self.seed, self.steps, self.checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates, prints and writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("experiments", nargs="*", type=Path, metavar="FOLDER", help="experiments to evaluate")
    parser.add_argument(
        "--recipe", help="recipe that they are of (default: the one in cfgs/exp_hvs/square that is their config.py)"
    )
    parser.add_argument("--episodes", type=int, default=EPISODES, help=f"episodes of each checkpoint (default: {EPISODES})")
    parser.add_argument("--num_envs", type=int, default=4, help="simulators that run together (default: 4)")
    parser.add_argument("--device", help="what they were trained on (default: this machine)")
    parser.add_argument("--page_only", action="store_true", help="write the page from what is in square.json")
    options = parser.parse_args(arguments)
    if not options.experiments and not options.page_only:
        parser.error("no experiments; --page_only writes the page from square.json")
    try:
        evaluate_all(options)
    except (MuseError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def evaluate_all(options: argparse.Namespace) -> None:
    """Evaluates the experiments, and writes after each."""
    results = {result.key: result for result in read_results()}
    folders = () if options.page_only else options.experiments
    recipes = [options.recipe or recipe_of(folder) for folder in folders]
    for folder, recipe in zip(folders, recipes, strict=True):
        for result in measure(folder, recipe, options.device or _device(), options.episodes, options.num_envs):
            results[result.key] = result
            write_results(sorted(results.values(), key=lambda one: one.key))
    write_results(sorted(results.values(), key=lambda one: one.key))
    print(table_of(results.values()))


def recipe_of(folder: Path) -> str:
    """Returns the stem of the recipe whose file is the experiment's `config.py`."""
    text = (ExperimentFileManager.open(folder).exp_dir / "config.py").read_text(encoding="utf-8")
    for path in sorted((Path(__file__).parents[1] / "cfgs/exp_hvs/square").glob("*.py")):
        if path.read_text(encoding="utf-8") == text:
            return path.stem
    raise ExperimentError(f"{folder}/config.py", "none of cfgs/exp_hvs/square as they are now", "one of them", "--recipe NAME")


def options_of(folder: Path) -> str:
    """Returns what the command line of an experiment had behind its recipe, the seed aside."""
    words = shlex.split((folder / "config_args.txt").read_text(encoding="utf-8"))
    kept, skip = [], False
    for word in words:
        if not skip and word != "--seed":
            kept.append(word)
        skip = word == "--seed"
    return shlex.join(kept)


def measure(folder: Path, recipe: str, device: str, episodes: int, num_envs: int) -> list[Result]:
    """Evaluates the best checkpoint of an experiment, and its last three."""
    manager = ExperimentFileManager.open(folder)
    numbered = [path.name for path in sorted((folder / "models").glob("chkpt_*.pt"))[-3:]]
    experiment = muse.load(folder, num_envs=num_envs)
    try:
        found = {name: _evaluate(experiment, manager, name, episodes) for name in dict.fromkeys(["best_model.pt", *numbered])}
    finally:
        experiment.close()
    steps = torch.load(folder / "models/train_state.pt", weights_only=True)["step"]
    common, given = (recipe, experiment.seed, steps, round(train_minutes(folder), 1), device), options_of(folder)
    results = [Result(*common, "best", episodes, found["best_model.pt"].successes, given)]
    if len(numbered) == 3:
        results.append(Result(*common, "last3", 3 * episodes, sum(found[name].successes for name in numbered), given))
    return results


def _evaluate(experiment: Any, manager: ExperimentFileManager, name: str, episodes: int) -> Evaluation:
    restore(experiment, manager, name)
    with Progress(name, total=episodes, unit="episodes", description=manager.exp_dir.name) as bar:
        return evaluate(
            experiment.vector_env, experiment.policy, experiment.model, episodes=episodes, seed=SEED, progress=bar,
            goal_policy=experiment.goal_policy, reward=experiment.reward,
        )  # fmt: skip


def train_minutes(folder: Path) -> float:
    """Returns how long an experiment trained. Longer gaps between its losses are rollouts, or the time between two runs."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    times = [line["time"] for line in lines if line["name"] == "train/loss"]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    return sum(min(gap, 5 * statistics.median(gaps)) for gap in gaps) / 60


def _device() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{cpu_name()}, {torch.get_num_threads()} cores"


def read_results() -> list[Result]:
    """Returns what `square.json` holds."""
    return [Result(**values) for values in json.loads(DATA.read_text(encoding="utf-8"))] if DATA.is_file() else []


def write_results(results: Sequence[Result]) -> None:
    """Writes `square.json` and `square.md`."""
    with atomic_write(DATA, "w") as file:
        file.write(json.dumps([asdict(result) for result in results], indent=2) + "\n")
    with atomic_write(PAGE, "w") as file:
        file.write("\n".join([PAGE_HEAD, table_of(results), PAGE_TAIL]))


def table_of(results: Any) -> str:
    """Returns the results as a Markdown table, a row for each experiment."""
    rows: dict[tuple[Any, ...], dict[str, Result]] = {}
    for result in results:
        rows.setdefault(result.key[:-1], {})[result.checkpoint] = result
    lines = [
        "| recipe | seed | steps | minutes | on | best | mean of the last 3 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    notes = []
    for (recipe, given, seed, steps), found in rows.items():
        any_result = next(iter(found.values()))
        cells = [_share(found[name]) if name in found else "" for name in ("best", "last3")]
        lines.append(
            f"| {recipe} | {seed} | {steps:,} | {any_result.train_minutes:g} | {any_result.device} | {' | '.join(cells)} |"
        )
        notes.append(
            f"- {recipe}, seed {seed}, {steps:,} steps: `{given}`" if given else f"- {recipe}, seed {seed}: the recipe as it is"
        )
    return "\n".join([*lines, "", *notes])


def _share(result: Result) -> str:
    share = result.successes / result.episodes
    if result.checkpoint == "last3":
        return f"{100 * share:.1f}% of 3 x {result.episodes // 3}"
    return f"{format_success(share, wilson_interval(result.successes, result.episodes))} of {result.episodes}"


if __name__ == "__main__":
    sys.exit(main())
