"""Scripted experts of the worlds of bullet, and the arm that they move."""
