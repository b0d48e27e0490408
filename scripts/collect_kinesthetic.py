"""Lead the robot by hand, let it repeat that, and save it. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("collect_kinesthetic"))
