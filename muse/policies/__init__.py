"""Policies use a model to turn observations into actions; they hold neither it nor the env."""
