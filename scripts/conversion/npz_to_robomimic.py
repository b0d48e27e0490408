"""Convert a dataset of Muse (.npz, or a .muse folder) to robomimic's form (.hdf5): `convert`, by the name of what it is for.

What came from robomimic goes back with its attributes and filter keys. Data that Muse collected has no `env_args`: they are made from
the environment that it was collected in.

Example:
  python scripts/conversion/npz_to_robomimic.py data/square/mine.npz mine.hdf5
"""

import sys

from muse.cli.convert import main

if __name__ == "__main__":
    raise SystemExit(main(prog=sys.argv[0], description=__doc__))
