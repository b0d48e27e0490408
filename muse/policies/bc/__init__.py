"""Policies of behaviour cloning."""
