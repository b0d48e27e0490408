"""Convert a dataset of robomimic (.hdf5) to Muse's form (.npz, or a .muse folder): `convert`, by the name of what it is for.

Example:
  python scripts/conversion/robomimic_to_npz.py low_dim.hdf5 data/hvsBlock3D/human_square_30k.npz
"""

import sys

from muse.cli.convert import main

if __name__ == "__main__":
    raise SystemExit(main(prog=sys.argv[0], description=__doc__))
