"""Reads an HDF5 file with robomimic's own reader, and saves what that saw. Run by an interpreter that has robomimic, not Muse.

    benchmarks/make_robomimic_env.sh rm
    rm/bin/python benchmarks/robomimic_reader.py data.hdf5 seen.npz

`tests/datasets/formats/test_robomimic_reader.py` compares what was seen with what Muse holds, where the variable
MUSE_ROBOMIMIC_PYTHON names the interpreter.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "robomimic_standins"))

import h5py
import numpy as np
import robomimic.utils.file_utils as FileUtils
import robomimic.utils.obs_utils as ObsUtils
from robomimic.utils.dataset import SequenceDataset

HORIZON = 10
DATASET_KEYS = ("actions", "rewards", "dones")


def main(path: str, out: str) -> None:
    """Reads everything in `path`: the descriptions, every row of every name, the rows of each filter key, windows."""
    with h5py.File(path) as file:
        demo = next(iter(file["data"].values()))
        keys, masks = sorted(demo["obs"]), list(file.get("mask", ()))
        has_next = set(keys) <= set(demo.get("next_obs", ()))
    images = [key for key in keys if key.endswith("image")]
    numbers = [key for key in keys if key not in images]
    ObsUtils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": numbers, "rgb": images}})
    shapes = FileUtils.get_shape_metadata_from_dataset(path, all_obs_keys=keys)
    seen = {
        "env": json.dumps(FileUtils.get_env_metadata_from_dataset(path)),
        "action_size": shapes["ac_dim"],
        "shapes": json.dumps(shapes["all_shapes"]),
        **rows_of(make_reader(path, keys, has_next)),
    }
    for mask in masks:
        demos = FileUtils.get_demos_for_filter_key(path, mask)
        seen[f"mask/{mask}"] = np.array(demos)
        if demos:
            seen[f"mask_actions/{mask}"] = rows_of(make_reader(path, keys, has_next, filter_by_attribute=mask))["actions"]
    windows = make_reader(path, keys, has_next, seq_length=HORIZON)
    seen["windows"] = np.stack([windows[index]["actions"] for index in range(len(windows))])
    np.savez(out, **seen)
    print(
        f"{path}: {windows.n_demos} demonstrations, {len(windows)} windows, {seen['env']}, action {seen['action_size']}, {seen['shapes']}"
    )


def make_reader(path, keys, has_next, **options):
    """Returns robomimic's dataset, which reads from the file whenever it is asked."""
    options = {"load_next_obs": has_next, "hdf5_cache_mode": None, **options}
    return SequenceDataset(path, obs_keys=keys, dataset_keys=DATASET_KEYS, **options)


def rows_of(reader):
    """Returns every row of every name, `(N, ...)`, `obs/` and `next_obs/` before those of observations."""
    rows = [flat(reader[index]) for index in range(len(reader))]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def flat(item):
    """Returns an item of robomimic as one dict of arrays with a row each."""
    sides = {f"{side}/{key}": value for side in ("obs", "next_obs") for key, value in item.get(side, {}).items()}
    return {**sides, **{key: item[key] for key in DATASET_KEYS}}


if __name__ == "__main__":
    main(*sys.argv[1:3])
