"""Drive by hand, or take over from a policy, and keep the good episodes. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("interactive_collect"))
