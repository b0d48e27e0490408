"""Recipes: data only. Each file has an `export`."""
