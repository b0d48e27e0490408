"""Muse beside robomimic's BC-RNN on NutAssemblySquare: training steps, loss curves, rollouts; and RobosuiteEnv beside robosuite.

Prints a table and writes `square_speed.json` and `square_speed.md`. Both sides take turns on the same two cores, with the same data,
sizes and number of threads. robomimic runs in an interpreter of its own, which MUSE_ROBOMIMIC_PYTHON names and
`make_robomimic_env.sh` makes. Takes a quarter of an hour at most.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import robomimic_peer
import robomimic_rows
import script
import simulation_rows
import torch
from report import Page

NOTES = """\
robomimic's side is robomimic 0.3.0 in an interpreter of its own, with the torch, numpy, MuJoCo and robosuite of Muse's:

    benchmarks/make_robomimic_env.sh FOLDER && export MUSE_ROBOMIMIC_PYTHON=FOLDER/bin/python

It reads what `muse convert` makes of `data/hvsBlock3D/scripted_square_30k.npz`, 200 episodes of a scripted expert, under the settings
of its paper's BC-RNN (Adam at 1e-4, nothing normalised), on 2 threads of torch as Muse; what one command costs (0.1 ms) counts as its time.
robomimic's `EnvRobosuite` runs as it is: of `mujoco_py`, which it imports, it reads one name, and a stand-in gives it MuJoCo's.

Where the two differ on purpose, or may seem to:

- Windows that reach beyond the end of an episode repeat its last row. robomimic learns from the repeats, Muse masks them, so
  there the losses are not of the same rows; the curves are compared on whole windows.
- The likelihood is the same: tanh of the means, softplus of the deviations plus 1e-4. Muse cuts deviations at 10, which none reaches,
  and writes the density out where robomimic asks `torch.distributions`.
- First weights are torch's own on both sides, but not the same for the same seed; the comparisons copy robomimic's into Muse's model.
- Both use Adam; Muse takes torch's fused form. robomimic reads the norm of each gradient and the loss at every step, Muse its scalars
  every 20 steps, as its recipes do.
- robomimic begins a new shuffled order every 100 steps, before it has seen every window; Muse begins one when it has.
- In acting robomimic draws one of the components and adds noise of 1e-4, Muse takes the mean of the most likely; both forget every 10
  steps. So that both take the same number of steps, no episode ends before the last.
- robomimic steps one env after another; Muse steps those of `cfgs/env/processes.py` together and asks its model once for all.
"""

#: What can be measured, by the name that `--only` takes.
MEASUREMENTS: dict[str, script.Measurement] = {
    robomimic_rows.TRAIN_NAME: robomimic_rows.measure_train_step,
    robomimic_rows.LOSS_NAME: robomimic_rows.measure_loss_curve,
    simulation_rows.ROLLOUT_NAME: simulation_rows.measure_rollouts,
    simulation_rows.STEP_NAME: simulation_rows.measure_env_step,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes; returns the exit status."""
    options = script.parse(__doc__, MEASUREMENTS, arguments)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: robomimic_peer.THREADS])
    torch.set_num_threads(robomimic_peer.THREADS)
    page = Page(
        "Muse beside robomimic, on NutAssemblySquare", "make bench-square", "square_speed.md", "square_speed.json",
        [*NOTES.splitlines(), ""], robomimic_peer.versions(),
    )  # fmt: skip
    return script.measure(page, MEASUREMENTS, options)


if __name__ == "__main__":
    sys.exit(main())
