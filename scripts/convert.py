"""Convert a dataset from or to another project's form. `--help` lists the flags."""

from muse.cli.main import run_script

if __name__ == "__main__":
    raise SystemExit(run_script("convert"))
