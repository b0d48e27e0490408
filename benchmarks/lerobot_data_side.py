"""LeRobot's side of `datasets_speed.py`: draws batches as its training does. Needs lerobot, not Muse."""

import sys

import numpy as np
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from peer import Batches, answer
from torch.utils.data import DataLoader


class Side:
    """What can be asked for."""

    def open(self, path, features, fps, batch_size, horizon, workers, threads):
        """Opens a folder, with windows of `horizon` rows of each feature; returns the number of rows."""
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        stamps = {name: [i / fps for i in range(horizon)] for name in features}
        self.dataset = LeRobotDataset("local/made", root=path, delta_timestamps=stamps, video_backend="pyav")
        self.batches = Batches(DataLoader(self.dataset, batch_size, shuffle=True, num_workers=workers, drop_last=True))
        return len(self.dataset)

    def get_window(self, index):
        """Returns a window by feature."""
        return {name: np.asarray(value) for name, value in self.dataset[index].items() if isinstance(value, torch.Tensor)}

    def draw(self, count):
        """Draws batches."""
        self.batches.draw(count)


if __name__ == "__main__":
    answer(Side(), sys.argv[1])
