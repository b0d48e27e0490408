"""robomimic in a process of its own, and experiments of Muse beside it: same data, same sizes, same weights."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import square
import torch
from attrdict import AttrDict as d
from peer import Call, PeerError, open_peer

import muse
from configs.loading import resolve_export
from muse.datasets.formats import robomimic
from muse.datasets.loading import read_file

ROOT = Path(__file__).parents[1]
VARIABLE = "MUSE_ROBOMIMIC_PYTHON"
DATA = ROOT / "data" / "hvsBlock3D" / "scripted_square_30k.npz"
#: Of torch, on both sides.
THREADS = 2


def find_python() -> str:
    """Returns the interpreter that has robomimic.

    Raises:
        PeerError: When none is named, or there are no data to train on.
    """
    python = os.environ.get(VARIABLE)
    if not python:
        raise PeerError(
            f"{VARIABLE} names no interpreter with robomimic: benchmarks/make_robomimic_env.sh FOLDER makes one (a minute), "
            f"then export {VARIABLE}=FOLDER/bin/python"
        )
    if not DATA.is_file():
        raise PeerError(f"no {DATA.relative_to(ROOT)}: cfgs/exp_hvs/square/bc_rnn.py says in its first lines how to collect it")
    return python


def versions() -> str:
    """Returns versions of what robomimic's interpreter has, empty where there is none."""
    python = os.environ.get(VARIABLE)
    if not python:
        return ""
    names = ("robomimic", "torch", "numpy", "robosuite", "mujoco")
    code = f"from importlib.metadata import version; print(', '.join(f'{{n}} {{version(n)}}' for n in {names}))"
    shown = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout
    return f"in robomimic's interpreter {shown.strip()}"


@contextlib.contextmanager
def open_robomimic(batch_size: int, mixture: bool, pads: bool = True, seed: int = 0) -> Iterator[Call]:
    """Converts the data and starts robomimic on them.

    Args:
        batch_size: Windows in a batch.
        mixture: Learn a mixture of five normal distributions by likelihood, instead of an action by squared error.
        pads: Windows may reach beyond the end of an episode.
        seed: Of first weights and order.

    Raises:
        PeerError: See `find_python`; and, from a call, when robomimic fails.
    """
    python = find_python()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "square.hdf5"
        robomimic.write(path, read_file(DATA))
        with open_peer("robomimic", python, "robomimic_side.py", MUJOCO_GL="disable") as call:
            call("open", path=str(path), batch_size=batch_size, mixture=mixture, pads=pads, threads=THREADS, seed=seed)
            yield call


def make_experiment(export: Mapping[str, Any], with_env: bool = False) -> muse.Experiment:
    """Builds a recipe of Square on the data that robomimic has: all episodes, on the CPU, no holdout."""
    data = d(file=str(DATA), load_episode_range=None)
    params, _ = resolve_export(export & d(device="cpu", dataset_train=data, dataset_holdout=None))
    return muse.assemble(params, with_env=with_env)


def copy_weights(call: Call, model: square.BaseGCBC) -> None:
    """Gives Muse's BC-RNN with a mixture the weights that robomimic has now."""
    arrays, order = call("get_weights")
    theirs = {name.removeprefix("policy.nets."): torch.from_numpy(array) for name, array in arrays.items()}
    lstm, network = square.bare_modules(model)
    weights = {name: theirs[f"rnn.nets.{name}"] for name, _ in lstm.named_parameters()}
    sizes = [model.env_spec.leaf(name).size for name in order]
    columns = dict(zip(order, weights["weight_ih_l0"].split(sizes, dim=1), strict=True))
    weights["weight_ih_l0"] = torch.cat([columns[name] for name in model.input_names], dim=1)
    lstm.load_state_dict(weights)
    modes = model.action_decoder.policy_num_mix
    for kind, parameter in network.named_parameters():
        kind = kind.rpartition(".")[2]
        mean, scale, logits = (theirs[f"decoder.nets.{part}.{kind}"] for part in ("mean", "scale", "logits"))
        # Here each component's means and deviations stand side by side, after the logits.
        each = torch.cat([mean.unflatten(0, (modes, -1)), scale.unflatten(0, (modes, -1))], dim=1)
        parameter.data.copy_(torch.cat([logits, each.flatten(0, 1)]))
