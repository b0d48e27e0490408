"""Corrections by take-over: does a policy get better by what a person does when it goes wrong?

    python benchmarks/dagger.py                                           half an hour on a busy machine of two cores
    python benchmarks/dagger.py --rounds 1 --seeds 1 --episodes 10        a look

A recurrent policy learns the point mass from a few demonstrations, and fails often. Then, round by round, it acts in a session as
`muse interactive_collect` runs one, and a program in the person's place takes over when the policy has not come nearer to the target for a
while, and gives back after some steps. What the person did is cut out (`muse data cut`), joins the data (`muse data merge`), and a policy
learns from all of it anew. Beside it the same with as many steps of whole demonstrations instead of corrections.

Writes `results/dagger.md` and `dagger.png`; data and experiments are made in a temporary folder (`--folder` keeps them).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before torch: its threads would else spin while the simulators want the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import script
from attrdict import AttrDict as d

import muse
from muse.cli.collecting import open_collection
from muse.cli.main import main as run_muse
from muse.datasets.loading import read_file
from muse.envs.teleop import TeleopInput
from muse.experiments.assemble import Experiment, recorded_spec
from muse.interactive.keeper import Keeper
from muse.interactive.panel import NoPanel
from muse.interactive.session import Session, SessionOptions
from muse.interactive.view import State
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.take_over_policy import NAMES
from muse.policies.who_acts import with_who_acts
from muse.rollouts.evaluation import load_evaluation, wilson_interval
from muse.teleop import Reading
from muse.testing.fake_device import FakeDevice
from muse.utils.files import atomic_write
from muse.utils.machine import machine_name

RECIPE, EXPERT = "cfgs/exp_point_mass/bc_rnn.py", "cfgs/policy/point_mass_expert.py"
#: Demonstrations of the first policy, steps of each training, episodes of each evaluation.
DEMONSTRATIONS, TRAIN_STEPS, EVAL_EPISODES = 10, 1000, 100
#: The person takes over after so many steps without coming nearer, and gives back after so many.
PATIENCE, HOLD = 3, 30


class Person:
    """A program in the person's place: it sees what the window shows, and presses what a person would press."""

    def __init__(self, experiment: Experiment) -> None:
        self.expert = PointMassExpert(d(), experiment.env_spec)
        self.session: Session | None = None
        self._forget()

    def read(self) -> Reading:
        """Returns what the hands do now."""
        session = self.session
        assert session is not None
        if session.state is State.READY:
            self._forget()
            self.expert.reset_policy(np.ones(1, bool), [None])
            return Reading(TeleopInput(), frozenset({"start"}))
        if session.state is State.ENDED:
            return Reading(TeleopInput(), frozenset({"keep"}))
        seen = {name: array[:, None] for name, array in session.observation.items()}
        x, y = self.expert.get_action(None, seen, {})["action"][0].tolist()
        buttons = frozenset({"take_over"}) if self._changes(session, seen) else frozenset()
        return Reading(TeleopInput((x, y, 0.0, 0.0, 0.0, 0.0)), buttons)

    def _changes(self, session: Session, seen: Mapping[str, np.ndarray]) -> bool:
        """Whether it takes over now, or gives back."""
        distance = float(np.linalg.norm(seen["target"][0, 0] - seen["ego"][0, 0]))
        comes_nearer = distance < self._nearest - 1e-3
        self._nearest, self._waited = (distance, 0) if comes_nearer else (self._nearest, self._waited + 1)
        self._held = self._held + 1 if session.policy.is_person else 0
        changes = self._held > HOLD if session.policy.is_person else self._waited >= PATIENCE
        if changes:
            self._forget()
        return changes

    def _forget(self) -> None:
        self._nearest, self._waited, self._held = np.inf, 0, 0


def correct(experiment: Experiment, file: Path, episodes: int, seed: int) -> None:
    """Lets a policy act in a session, and corrects it; writes every episode."""
    person = Person(experiment)
    spec = with_who_acts(recorded_spec(experiment), NAMES)
    keeper = Keeper(open_collection(file, False, experiment, spec, {"seed": seed, "by": "person"}))
    options = SessionOptions(seed=seed, hz=0, max_eps=episodes)
    person.session = Session(
        experiment.env,
        experiment.policy,
        experiment.model,
        experiment.env_spec,
        FakeDevice(person.read),
        NoPanel(),
        keeper,
        options,
    )
    person.session.run()


def train(data: Path, name: str, seed: int) -> Path:
    """Learns from a file and returns the experiment's folder."""
    (Path("data/point_mass") / f"{name}.npz").unlink(missing_ok=True)
    os.link(data, f"data/point_mass/{name}.npz")
    options = ["--dataset", name, "--seed", str(seed), "%trainer", "--max_steps", str(TRAIN_STEPS)]
    before = set(Path("experiments/point_mass").glob("*"))
    _run("goal_train", "--no_wandb", RECIPE, *options, "--rollout_train_env_every_n_steps", "0")
    (folder,) = set(Path("experiments/point_mass").glob("*")) - before
    return folder


def evaluate(folder: Path) -> int:
    """Returns how many of `EVAL_EPISODES` episodes the last weights solve."""
    results = folder / "eval" / "dagger"
    _run(
        "eval",
        "--max_eps",
        str(EVAL_EPISODES),
        "--seed",
        "77",
        "--model_file",
        "model.pt",
        "--save_dir",
        str(results),
        f"exp={folder}",
    )
    return load_evaluation(results).successes


def run_seed(seed: int, rounds: int, episodes: int) -> list[dict[str, Any]]:
    """Returns what each round of both ways came to."""
    data = Path("data/point_mass")
    first = data / f"first_{seed}.npz"
    _collect(first, DEMONSTRATIONS, 1000 + seed)
    rows, held = [], {"corrections": first, "demonstrations": first}
    steps = read_file(first).num_rows
    folder = train(first, f"start_{seed}", seed)
    solved = evaluate(folder)
    for way in held:
        rows.append(_row(way, seed, 0, steps, 0, solved))
    for number in range(1, rounds + 1):
        whole, cut, plain = (data / f"{kind}_{seed}_{number}.npz" for kind in ("session", "cut", "plain"))
        with contextlib.closing(muse.load(str(folder), model_file="model.pt")) as experiment:
            correct(experiment, whole, episodes, 10 * seed + number)
        _run("data", "cut", str(whole), str(cut), "--where", "policy_type == 1", "--min_length", "2")
        _run("data", "relabel", str(cut), str(plain), "--drop", "policy_type", "policy_name", "policy_switch")
        found = read_file(whole)
        person = float(np.mean(found.steps["policy_type"]))
        added = read_file(plain).num_rows
        held["corrections"] = _join(held["corrections"], plain, data / f"corrections_{seed}_{number}.npz")
        more = data / f"more_{seed}_{number}.npz"
        _collect(more, added, 5000 + 10 * seed + number, unit="--max_steps")
        held["demonstrations"] = _join(held["demonstrations"], more, data / f"demonstrations_{seed}_{number}.npz")
        for way, file in held.items():
            trained = train(file, f"{way}_{seed}_{number}_data", seed)
            rows.append(_row(way, seed, number, read_file(file).num_rows, person, evaluate(trained)))
            folder = trained if way == "corrections" else folder
    return rows


def _row(way: str, seed: int, number: int, steps: int, person: float, solved: int) -> dict[str, Any]:
    return dict(way=way, seed=seed, round=number, steps=steps, person=round(person, 3), successes=solved, episodes=EVAL_EPISODES)


def _collect(file: Path, amount: int, seed: int, unit: str = "--max_eps") -> None:
    _run("collect", unit, str(amount), "--seed", str(seed), "--save_file", str(file), RECIPE, "%policy", EXPERT)


def _join(one: Path, other: Path, target: Path) -> Path:
    _run("data", "merge", str(one), str(other), str(target))
    return target


def _run(*words: str) -> None:
    print("muse", *words, flush=True)
    if run_muse(words):
        raise SystemExit(f"muse {words[0]} failed")


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns a line for each way and round: successes over all seeds, with Wilson's interval."""
    lines = []
    for way, number in sorted({(row["way"], row["round"]) for row in rows}):
        some = [row for row in rows if (row["way"], row["round"]) == (way, number)]
        solved, episodes = (sum(row[key] for row in some) for key in ("successes", "episodes"))
        low, high = wilson_interval(solved, episodes)
        steps, person = (float(np.mean([row[key] for row in some])) for key in ("steps", "person"))
        lines.append(
            dict(way=way, round=number, steps=steps, person=person, rate=solved / episodes, low=low, high=high, seeds=some)
        )
    return lines


def write(rows: list[dict[str, Any]], folder: Path, command: str) -> None:
    """Writes the results, a page and a plot."""
    from matplotlib.figure import Figure

    lines = summarise(rows)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for way, color in (("corrections", "tab:blue"), ("demonstrations", "tab:grey")):
        some = [line for line in lines if line["way"] == way]
        steps = [line["steps"] for line in some]
        label = {"corrections": "corrections by take-over", "demonstrations": "as many steps of whole demonstrations"}[way]
        axes.plot(steps, [100 * line["rate"] for line in some], "o-", color=color, label=label)
        axes.fill_between(
            steps, [100 * line["low"] for line in some], [100 * line["high"] for line in some], color=color, alpha=0.2
        )
        for line in some:
            axes.plot(
                [line["steps"]] * len(line["seeds"]), [row["successes"] for row in line["seeds"]], ".", color=color, alpha=0.6
            )
    axes.set(
        xlabel="steps of data, mean of the seeds",
        ylabel="success [%]",
        ylim=(0, 101),
        title="Point mass: corrections by take-over",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(folder / "dagger.png", dpi=130)
    table = "\n".join(
        f"| {line['way']} | {line['round']} | {line['steps']:.0f} | {line['person']:.0%} | {100 * line['rate']:.1f} "
        f"[{100 * line['low']:.1f}, {100 * line['high']:.1f}] | {', '.join(str(row['successes']) for row in line['seeds'])} |"
        for line in lines
    )
    text = f"""# Corrections by take-over on the point mass

Written by `{command}` on {machine_name()}. Success of the last weights over {EVAL_EPISODES} seeded episodes for each seed, all together with
Wilson's 95% interval; `person` is the share of the round's steps in which the person acted.

![success over steps of data](dagger.png)

| data | round | steps | person | success [%] | of {EVAL_EPISODES}, by seed |
|---|---|---|---|---|---|
{table}
"""
    with atomic_write(folder / "dagger.md", "w") as file:
        file.write(text)


@contextlib.contextmanager
def _working_in(folder: str | None) -> Iterator[None]:
    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        os.chdir(folder or stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(os.chdir, before)
        for name in ("data/point_mass", "experiments/point_mass"):
            Path(name).mkdir(parents=True, exist_ok=True)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and writes; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--rounds", type=int, default=4, help="rounds of corrections (default: 4)")
    parser.add_argument("--seeds", type=int, default=3, help="how often all of it is done (default: 3)")
    parser.add_argument("--episodes", type=int, default=30, help="episodes in each session (default: 30)")
    parser.add_argument("--folder", help="an empty folder for data and experiments (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=script.RESULTS, help="folder of results (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    command = f"python benchmarks/dagger.py --rounds {options.rounds} --seeds {options.seeds} --episodes {options.episodes}"
    rows: list[dict[str, Any]] = []
    out = options.out.resolve()
    with _working_in(options.folder):
        for seed in range(options.seeds):
            rows += run_seed(seed, options.rounds, options.episodes)
            write(rows, out, command)
    for line in summarise(rows):
        print(f"{line['way']:<15} round {line['round']}  {line['steps']:6.0f} steps  {100 * line['rate']:5.1f}%")
    return 0


if __name__ == "__main__":
    sys.exit(main())
