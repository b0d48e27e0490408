"""Makes `made_data` importable from the tests of this folder and below."""
