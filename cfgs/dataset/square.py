"""Demonstrations of NutAssemblySquare: `data/hvsBlock3D/<dataset>.npz`, by its name in the root's `dataset`."""

from attrdict import AttrDict as d

from cfgs.dataset import np_seq
from configs.fields import Field as F

_COLLECT = """python scripts/collect.py --max_eps 200 --only_successful --save_file data/hvsBlock3D/scripted_square_30k.npz \\
        cfgs/exp_hvs/square/bc_rnn.py %policy cfgs/policy/square_expert.py"""
_HINT = f"""robomimic's human demonstrations, converted:
    python scripts/conversion/robomimic_to_npz.py <robomimic's square/ph/low_dim.hdf5> data/hvsBlock3D/human_square_30k.npz
  or scripted ones, collected in some minutes, and `--dataset scripted_square_30k` after the recipe:
    {_COLLECT}"""


def _hint_for(dataset: str) -> str:
    return f"collect them, which takes some minutes:\n    {_COLLECT}" if dataset == "scripted_square_30k" else _HINT


export = np_seq.export & d(
    file=F("dataset", "data/hvsBlock3D/{}.npz".format),
    missing_hint=F("dataset", _hint_for),
    # Recorded by Muse's own collection alone, and of no use in training.
    onetime_names=[],
)
