"""Look at datasets, check them and rework them: `python scripts/data.py <verb> ...`. `--help` lists the verbs."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("data"))
