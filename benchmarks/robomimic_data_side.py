"""robomimic's side of `datasets_speed.py`: draws batches as its training does. Needs robomimic, not Muse."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "robomimic_standins"))

import numpy as np
import robomimic.utils.obs_utils as ObsUtils
import torch
from peer import Batches, answer
from robomimic.utils.dataset import SequenceDataset
from torch.utils.data import DataLoader


class Side:
    """What can be asked for."""

    def open(self, path, low_dim, images, batch_size, horizon, cache, workers, threads):
        """Opens a file as `scripts/train.py` does for BC-RNN; returns the number of windows."""
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        ObsUtils.initialize_obs_utils_with_obs_specs({"obs": {"low_dim": low_dim, "rgb": images}})
        self.dataset = SequenceDataset(
            path, low_dim + images, ("actions", "rewards", "dones"), seq_length=horizon, pad_seq_length=False,
            hdf5_cache_mode=cache, load_next_obs=False,
        )  # fmt: skip
        self.batches = Batches(DataLoader(self.dataset, batch_size, shuffle=True, num_workers=workers, drop_last=True))
        return len(self.dataset)

    def get_window(self, index):
        """Returns a window: observations by name, and actions."""
        window = self.dataset[index]
        return {**window["obs"], "action": np.asarray(window["actions"])}

    def draw(self, count):
        """Draws batches."""
        self.batches.draw(count)


if __name__ == "__main__":
    answer(Side(), sys.argv[1])
