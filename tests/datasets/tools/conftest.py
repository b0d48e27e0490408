"""Makes `made` importable from the tests of this folder."""
