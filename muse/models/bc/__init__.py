"""Behaviour cloning: `BaseGCBC`, and decoders from states to actions."""
