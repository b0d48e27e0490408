"""Metrics compute named values of a batch, in groups where asked for; trackers keep what they say of episodes."""
