"""Behaviour cloning: `BaseGCBC`, and decoders from states to actions."""

from muse.models.bc.action_decoders import ActionDecoder, MLPActionDecoder, RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC

__all__ = ["ActionDecoder", "BaseGCBC", "MLPActionDecoder", "RNNActionDecoder"]
