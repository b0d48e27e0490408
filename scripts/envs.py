"""The worlds that there are, and one of them in full: `python scripts/envs.py [world]`."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("envs"))
