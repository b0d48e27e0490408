"""Weights on disk: tensors and plain values, read with `torch.load(weights_only=True)` and nothing else.

    save_checkpoint("models/model.pt", model, env_spec, step=1000)
    checkpoint = load_checkpoint("models/model.pt")        # checkpoint.step, .weights, .env_spec, .extra
    restore_model(model, checkpoint)                       # or a path

A file holds dict, list, str, int, float, bool, None and tensors; a type is a string, a random state the dict of a numpy
generator. Anything else is refused when writing and when reading, and reading runs nothing.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from muse.specs import EnvSpec
from muse.utils.errors import MuseError
from muse.utils.files import atomic_write

VERSION = 1
_SCALARS = (str, int, float, bool, type(None))
_TRY_ANOTHER = "another checkpoint of the run (models/chkpt_*.pt, models/best_model.pt)"


class CheckpointError(MuseError):
    """A checkpoint that is no checkpoint, holds what it must not, or does not fit. Names the file."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights with the spec they were trained for.

    Attributes:
        step: Steps of training that led to them.
        weights: A `state_dict`, on the CPU.
        env_spec: Names, shapes, limits and roles.
        extra: Plain values of whoever saved it.
        path: Where it was read from.
    """

    step: int
    weights: dict[str, Any]
    env_spec: EnvSpec
    extra: dict[str, Any] = field(default_factory=dict)
    path: str = ""


def save_checkpoint(
    path: str | os.PathLike[str],
    model: torch.nn.Module,
    env_spec: EnvSpec,
    step: int,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Writes the weights of `model` with the spec and the step; a crash leaves the old file or the new one.

    Raises:
        CheckpointError: When `extra` holds more than plain values and tensors.
    """
    values = {"env_spec": env_spec.to_dict(), "weights": model.state_dict(), "extra": dict(extra or {})}
    write_values(path, "model", step, values)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Reads what `save_checkpoint` wrote.

    Raises:
        CheckpointError: When the file is missing, cut short, no checkpoint, or holds pickled objects.
    """
    values = read_values(path, "model")
    weights, extra = values.get("weights"), values.get("extra")
    if not isinstance(weights, dict) or not isinstance(extra, dict):
        raise CheckpointError(str(path), "no weights inside", "a file that save_checkpoint wrote", _TRY_ANOTHER)
    try:
        env_spec = EnvSpec.from_dict(values["env_spec"])
    except (KeyError, TypeError, ValueError, MuseError) as error:
        raise CheckpointError(
            str(path), f"an unreadable spec ({error})", "a file that save_checkpoint wrote", _TRY_ANOTHER
        ) from error
    return Checkpoint(values["step"], weights, env_spec, extra, str(path))


def restore_model(model: torch.nn.Module, checkpoint: Checkpoint | str | os.PathLike[str]) -> Checkpoint:
    """Gives a model the weights of a checkpoint (or of the file at a path) and returns the checkpoint.

    Raises:
        CheckpointError: When they do not fit; every weight that is missing, unexpected or of another shape is listed, and
            the model stays as it was.
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    load_weights(model, checkpoint.weights, checkpoint.path or "checkpoint")
    return checkpoint


def load_weights(model: torch.nn.Module, weights: Mapping[str, Any], where: str) -> None:
    """Gives a model all of `weights`; raises `CheckpointError` with the whole list when they do not fit."""
    own = model.state_dict()
    wrong = [
        f"missing: {name} {tuple(value.shape)}"
        for name, value in own.items()
        if name not in weights and isinstance(value, torch.Tensor)
    ]
    wrong += [f"unexpected: {name}" for name in weights if name not in own]
    for name in own:
        came, wanted = weights.get(name), own[name]
        if isinstance(came, torch.Tensor) and isinstance(wanted, torch.Tensor) and came.shape != wanted.shape:
            wrong.append(f"shape of {name}: {tuple(came.shape)} instead of {tuple(wanted.shape)}")
    if wrong:
        listed = "\n  ".join(wrong)
        raise CheckpointError(
            where, f"{len(wrong)} weights do not fit the model:\n  {listed}", "weights of this very model",
            "the recipe that made the checkpoint (exp=<its folder>)",
        )  # fmt: skip
    model.load_state_dict(weights)


def write_values(path: str | os.PathLike[str], kind: str, step: int, values: Mapping[str, Any]) -> None:
    """Writes plain values and tensors atomically, marked with what they are and the step they belong to.

    Raises:
        CheckpointError: When `values` holds anything else.
    """
    plain = _to_plain(values, str(path))
    with atomic_write(path) as file:
        torch.save({"muse": kind, "version": VERSION, "step": int(step), **plain}, file)


def read_values(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Reads what `write_values` wrote under the same `kind`; tensors come on the CPU.

    Raises:
        CheckpointError: When the file is missing, cut short, of another kind, or holds anything but plain values.
    """
    where = str(path)
    expected = f"a {kind} file that Muse wrote"
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(where, "no such file", expected) from error
    except IsADirectoryError as error:
        raise CheckpointError(where, "a folder", expected) from error
    except PermissionError as error:
        raise CheckpointError(where, "not readable with these permissions", expected) from error
    except Exception as error:
        raise CheckpointError(where, _what_is_wrong(path, error), expected, _TRY_ANOTHER) from error
    _check_plain(values, where)
    if not isinstance(values, dict) or values.get("muse") != kind:
        raise CheckpointError(where, "other contents", expected, "the files in an experiment's models/ folder")
    if values.get("version") != VERSION or not isinstance(values.get("step"), int):
        raise CheckpointError(
            where, f"version {values.get('version')!r}", f"version {VERSION}", "the version of Muse that wrote it"
        )
    return values


def _what_is_wrong(path: str | os.PathLike[str], error: Exception) -> str:
    if zipfile.is_zipfile(path) and isinstance(error, pickle.UnpicklingError):
        return "pickled objects inside; refused, nothing was run"
    with open(path, "rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04" or len(start) < 4:
        return "cut short or damaged"
    return "no checkpoint, or one that holds pickled objects; refused, nothing was run"


def _to_plain(value: Any, where: str) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {_plain_key(key, where): _to_plain(item, f"{where}: '{key}'") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(item, where) for item in value]
    if isinstance(value, np.generic) and type(value.item()) in _SCALARS:
        return value.item()
    raise CheckpointError(where, f"a {type(value).__name__}", "a tensor, dict, list, str, int, float, bool or None")


def _plain_key(key: Any, where: str) -> str | int:
    if type(key) not in (str, int):
        raise CheckpointError(where, f"a key of type {type(key).__name__}", "str or int")
    return key


def _check_plain(value: Any, where: str) -> None:
    if type(value) is dict:
        for key, item in value.items():
            _check_plain(item, f"{where}: '{_plain_key(key, where)}'")
    elif type(value) is list:
        for item in value:
            _check_plain(item, where)
    elif type(value) not in _SCALARS and not isinstance(value, torch.Tensor):
        raise CheckpointError(where, f"a {type(value).__name__}", "a tensor, dict, list, str, int, float, bool or None")
