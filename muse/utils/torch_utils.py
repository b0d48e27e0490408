"""Small tools around torch: devices, tensors of arrays, masked means, modes."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from muse.utils.attrdicts import Batch
from muse.utils.errors import MuseError

_log = logging.getLogger(__name__)


class DeviceError(MuseError):
    """A device that does not exist, on any machine or on this one."""


@functools.cache
def resolve_device(name: str | torch.device) -> torch.device:
    """Returns the device called `name`, or the CPU where this machine has no accelerator of that kind.

    Says so once in a process, in one line of the log.

    Raises:
        DeviceError: For a name that torch does not know, or the number of an accelerator beyond the last.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError("device", repr(name), "'cpu', 'cuda', 'cuda:0' or 'mps'") from error
    if device.type == "cuda" and torch.cuda.is_available():
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise DeviceError("device", repr(str(device)), f"one of the {count} here: 'cuda:0' to 'cuda:{count - 1}'")
        return device
    if device.type in ("cpu", "meta") or (device.type == "mps" and torch.backends.mps.is_available()):
        return device
    _log.warning("device '%s' is not available here; using the CPU instead", name)
    return torch.device("cpu")


def to_tensor(value: Any, device: torch.device | None = None) -> Tensor:
    """Returns an array, or a tensor, as a tensor on `device`, without copying where it can be shared.

    Without a device a tensor stays where it is, and an array comes to the CPU.
    """
    if isinstance(value, Tensor):
        return value if device is None else value.to(device)
    array = np.asarray(value)
    # torch warns about read-only memory and refuses negative strides.
    if not array.flags.writeable or not array.flags.c_contiguous:
        array = array.copy()
    tensor = torch.from_numpy(array)
    return tensor if device is None or device.type == "cpu" else tensor.to(device)


def padding_mask_of(outputs: Batch) -> Tensor | None:
    """Returns the mask `(B, H)` bool of padded rows, None where the batch has none."""
    mask = outputs.get("padding_mask")
    return None if mask is None else to_tensor(mask)


def masked_mean(values: Tensor, padding_mask: Tensor | None) -> Tensor:
    """Returns the mean of `values` over rows that are not padding; 0 when all of them are.

    Args:
        values: `(B, H)`.
        padding_mask: `(B, H)` bool, true where a row is padding; all rows count when None.
    """
    if padding_mask is None:
        return values.mean()
    counted = (~padding_mask).to(values.dtype)
    return (values * counted).sum() / counted.sum().clamp(min=1.0)


def mean_per_row(values: Tensor) -> Tensor:
    """Returns the mean over the elements of each row, `(B, H)`, of values `(B, H, *shape)`."""
    return values if values.ndim == 2 else values.flatten(2).mean(-1)


@contextlib.contextmanager
def evaluation_mode(module: nn.Module | None) -> Iterator[None]:
    """Puts a module in evaluation mode for a block; the parts of it that were in training mode return to it."""
    if module is None or not module.training:
        yield
        return
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def count_parameters(module: nn.Module) -> int:
    """Returns the number of trainable values of `module`."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@functools.cache
def cpu_has_bfloat16() -> bool:
    """Returns whether this CPU computes in bfloat16; without it, autocast to it is many times slower or fails (LSTM)."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False


def cpu_autocasts() -> bool:
    """Returns whether autocast is on for the CPU."""
    try:
        return torch.is_autocast_enabled("cpu")
    except TypeError:  # torch before 2.4
        return torch.is_autocast_cpu_enabled()


@contextlib.contextmanager
def without_onednn() -> Iterator[None]:
    """Switches oneDNN off for the block, where torch lets it be switched.

    oneDNN repacks the weights of an LSTM at every call, which for one row of a window costs up to nine times the step itself
    (measured: 2 layers of 400, one row, 4.1 ms with oneDNN and 0.9 ms without).
    """
    backend: Any = torch.backends.mkldnn
    if torch.backends.flags_frozen() or not backend.enabled:
        yield
        return
    backend.enabled = False
    try:
        yield
    finally:
        backend.enabled = True
