"""Serve an experiment's policy to robots and other processes. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("serve"))
