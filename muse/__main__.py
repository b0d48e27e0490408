"""`python -m muse <verb>`."""

from muse.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
