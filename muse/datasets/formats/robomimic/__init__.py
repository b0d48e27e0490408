"""robomimic's HDF5 files.

    data                 attributes total, env_args (JSON: env_name, type, env_kwargs)
    data/demo_<int>      attributes num_samples, model_file (MJCF), ep_meta (JSON) ...
      actions (N, A)  rewards (N,)  dones (N,)  states (N, S)  [actions_abs (N, A)]  [action_dict/<key>]
      obs/<key> (N, ...)  [next_obs/<key>]  images (N, Y, X, C) uint8
    mask/<filter key>    names of episodes

Muse's names for it, unless a user says otherwise:

    actions, rewards              action, reward (N, 1)
    obs/<key>                     <key>; the main camera is image (agentview, for ToolHang sideview), that of the hand ego_image
    next_obs/<key>                final/next/<key> (E, ...), what follows the last row, where all other rows are the next row of <key>;
                                  next/<key> (N, ...) where they are not
    states                        states, float64: a simulator is set to them
    dones                         dones (N, 1): depends on the done_mode that the file was made with. Muse's done is true on the last
                                  row of each episode and follows from the episodes' lengths
    actions_abs, action_dict/<key>  the same
    mask/<filter key>             a split of _meta
    attributes                    _meta/robomimic; `demo_attributes` gives those of the episodes

All other float64 becomes float32. Added are policy_type -1, policy_name "unknown", policy_switch and truncated False, a row each. Quaternions are
(x, y, z, w) on both sides. `write` puts everything back in its place, in the types that Muse holds; compression and chunks are not
kept. A file that Muse wrote holds Muse's names and `_meta` in the attribute `data@muse_meta`, by which `Reader` finds them again.
"""

from muse.datasets.formats.robomimic.meta import demo_attributes
from muse.datasets.formats.robomimic.reading import Reader
from muse.datasets.formats.robomimic.robomimic_format import RobomimicFormat
from muse.datasets.formats.robomimic.writing import write

__all__ = ["Reader", "RobomimicFormat", "demo_attributes", "write"]
