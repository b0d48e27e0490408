"""Rewards turn a step into one number per row; they may use a model, and can be reset."""
