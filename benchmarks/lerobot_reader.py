"""Reads a dataset with LeRobot's own library, and saves what that saw. Run by an interpreter that has LeRobot, not Muse.

    benchmarks/make_lerobot_env.sh lr
    lr/bin/python benchmarks/lerobot_reader.py FOLDER seen.npz

`tests/datasets/formats/test_lerobot_reader.py` compares what was seen with what Muse holds, where the variable
MUSE_LEROBOT_PYTHON names the interpreter.
"""

import json
import sys

import numpy as np
from lerobot.datasets.compute_stats import aggregate_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.utils import cast_stats_to_numpy, dataset_to_policy_features, load_nested_dataset, unflatten_dict

WINDOW = 4


def main(folder: str, out: str) -> None:
    """Reads everything in `folder`: items, the rows' values, descriptions, statistics, windows, the last episode by itself."""
    dataset = LeRobotDataset("muse/seen", root=folder, video_backend="pyav")
    items = [dataset[index] for index in range(len(dataset))]
    seen = {f"item/{key}": stacked([item[key] for item in items]) for key in items[0]}
    # Items hold float32 whatever the files hold; these are the files' own values.
    rows = load_nested_dataset(dataset.root / "data").with_format("arrow")[:]
    for key, feature in dataset.features.items():
        if feature["dtype"] not in ("image", "video"):
            seen[f"row/{key}"] = np.array(rows[key].to_pylist()).reshape(len(items), -1)
    episodes = load_nested_dataset(dataset.root / "meta" / "episodes").to_list()
    each = [{key.removeprefix("stats/"): value for key, value in row.items() if key.startswith("stats/")} for row in episodes]
    together = aggregate_stats([cast_stats_to_numpy(unflatten_dict(row)) for row in each])
    for key, found in dataset.meta.stats.items():
        for name, value in found.items():
            seen[f"stats/{key}/{name}"] = value
            seen[f"aggregated/{key}/{name}"] = together[key][name]
    seen["policy"] = json.dumps(
        {key: [str(f.type), list(f.shape)] for key, f in dataset_to_policy_features(dataset.features).items()}
    )
    seen["info"] = json.dumps(dataset.meta.info)
    cameras = dataset.meta.camera_keys
    times = {key: [step / dataset.fps for step in range(WINDOW)] for key in ("action", *cameras) if key in dataset.features}
    windows = LeRobotDataset("muse/seen", root=folder, video_backend="pyav", delta_timestamps=times)
    listed = [windows[index] for index in range(len(windows))]
    seen |= {f"window/{key}": stacked([item[key] for item in listed]) for name in times for key in (name, f"{name}_is_pad")}
    last = LeRobotDataset("muse/seen", root=folder, video_backend="pyav", episodes=[dataset.num_episodes - 1])
    seen |= {f"last/{key}": stacked([last[index][key] for index in range(len(last))]) for key in ("index", *cameras)}
    np.savez(out, **seen)
    print(f"{folder}: {dataset.num_episodes} episodes, {len(dataset)} rows, {', '.join(dataset.features)}")


def stacked(values):
    """Returns tensors or texts as one array."""
    return np.array(values) if isinstance(values[0], str) else np.stack([np.asarray(value) for value in values])


if __name__ == "__main__":
    main(*sys.argv[1:3])
