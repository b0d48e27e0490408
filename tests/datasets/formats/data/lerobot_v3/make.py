"""Makes the two datasets beside it with LeRobot's own library (0.4.4), in an interpreter that has it.

PYTHONPATH=tests/datasets $MUSE_LEROBOT_PYTHON tests/datasets/formats/data/lerobot_v3/make.py FOLDER
"""

import sys
from pathlib import Path

from lerobot.datasets.lerobot_dataset import LeRobotDataset
from made_lerobot import FPS, LENGTHS, PICTURES, SIZE, TASKS, row_of

NUMBERS = {
    "observation.state": {"dtype": "float32", "shape": (3,), "names": ["x", "y", "grip.pos"]},
    "observation.grid": {"dtype": "float64", "shape": (2, 2), "names": None},
    "action": {"dtype": "float32", "shape": (2,), "names": ["dx", "dy"]},
    "next.reward": {"dtype": "float32", "shape": (1,), "names": None},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    "note": {"dtype": "string", "shape": (1,), "names": None},
}
#: Not all in both: a column takes half a kilobyte for each of its statistics.
HELD = {
    "video": ("observation.state", "action", "next.reward", PICTURES[0]),
    "image": ("observation.grid", "next.done", "note", PICTURES[1]),
}


def make(folder, kind):
    camera = {"dtype": kind, "shape": (*SIZE, 3), "names": ["height", "width", "channels"]}
    features = {key: NUMBERS.get(key, camera) for key in HELD[kind]}
    dataset = LeRobotDataset.create("muse/tiny", FPS, features, folder, "arm", use_videos=kind == "video")
    for episode, (length, task) in enumerate(zip(LENGTHS, TASKS, strict=True)):
        for step in range(length):
            row = row_of(episode, step)
            dataset.add_frame({**{key: row[key] for key in features}, "task": task})
        dataset.save_episode(parallel_encoding=False)
    dataset.finalize()


if __name__ == "__main__":
    for kind in HELD:
        make(Path(sys.argv[1]) / kind, kind)
