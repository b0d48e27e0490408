"""The config language: Python recipes, a command line over all their groups, fields, names. Imports nothing of muse."""
