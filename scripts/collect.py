"""Roll out a policy and save the episodes as a dataset. `--help` lists the flags."""

from muse.cli.collect import main

if __name__ == "__main__":
    raise SystemExit(main())
