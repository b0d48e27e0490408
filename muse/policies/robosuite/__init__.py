"""Scripted experts of robosuite's tasks; they act by observations and need no robosuite."""
