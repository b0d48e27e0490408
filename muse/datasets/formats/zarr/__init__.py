"""The replay buffers of diffusion_policy: zarr of format 2, in a folder (`.zarr`) or an archive (`.zarr.zip`).

    data/<key>          (N, ...) episodes one after another; pictures (N, Y, X, C)
    meta/episode_ends   (E,) int64, the row after each episode's last
    meta/<key>          anything else, which diffusion_policy carries along

Muse's names for it, unless a user says otherwise:

    data/img, data/action(s)    image, action
    data/<key>                  <key>, an observation; numbers (N,) become (N, 1). Its tasks have state, keypoint, n_contacts,
                                robot_eef_pose, camera_0, timestamp, and the observations of robomimic
    meta/<key>                  param/<key> where it has a row for each episode; left out where it has not
    attributes                  left out

Types stay as they are. `write` puts names with a slash at the same place with an underscore (`data/objects_position`), since keys there lie
side by side; one-time names at `meta/<name>`; done and rollout_timestep follow from `episode_ends`. What Muse's names and types were, and
`_meta`, is kept in the root's attribute `muse`, by which Muse finds everything again.

Nothing in a buffer is run: arrays of objects, filters, and compressors that are not plain ones are refused by what `.zarray` says of
them, before a chunk is opened, and chunks that claim another size than theirs before they are unpacked.
"""

from muse.datasets.formats.zarr.zarr_format import ZarrFormat

__all__ = ["ZarrFormat"]
