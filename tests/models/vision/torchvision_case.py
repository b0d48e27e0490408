"""Weights and pictures that are computed, not stored: the same for torchvision's networks and for ours. Needs torch and numpy alone."""

import math
import zlib

import numpy as np
import torch


def made_up(name, shape):
    """Returns values from -1 to 1 that depend on the name alone."""
    values = np.random.default_rng(zlib.crc32(name.encode())).random(shape) * 2 - 1
    return torch.tensor(values, dtype=torch.float32)


def made_up_state(state):
    """Returns a state dict of the same names and shapes, with weights under which signals neither die nor explode."""
    made = {}
    for name, tensor in state.items():
        value = made_up(name, tuple(tensor.shape))
        if name.endswith("num_batches_tracked"):
            made[name] = tensor
        elif name.endswith("running_var"):
            made[name] = 1.0 + 0.5 * value
        elif tensor.ndim > 1:
            made[name] = value * math.sqrt(2.0 / tensor[0].numel())
        elif name.endswith("weight"):
            made[name] = 1.0 + 0.2 * value
        else:
            made[name] = 0.2 * value
    return made


def pictures():
    """Returns normalised pictures `(N, C, Y, X)`, of odd sizes."""
    return 2.0 * made_up("pictures", (2, 3, 69, 52))
