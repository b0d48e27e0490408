"""Placeholder to be written with the models."""
from torch import nn


class Normalizer(nn.Module):
    names = ()
    def load(self, statistics): ...
