"""robomimic's side of `square_speed.py`: trains and rolls out as robomimic does, on command. Needs robomimic, not Muse.

Gets the name of a method of `Side` and its arguments through the connection whose file descriptor stands on the command line, and
answers with what it returns. `make_robomimic_env.sh` makes the interpreter that runs it.
"""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "robomimic_standins"))

import numpy as np
import robomimic.utils.env_utils as EnvUtils
import robomimic.utils.file_utils as FileUtils
import robomimic.utils.obs_utils as ObsUtils
import robomimic.utils.train_utils as TrainUtils
import torch
from peer import Batches, answer
from robomimic.algo import RolloutPolicy, algo_factory
from robomimic.config import config_factory
from torch.utils.data import DataLoader, default_collate

OBSERVATIONS = ["robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object"]
#: `experiment.epoch_every_n_steps` of the paper: the loader begins anew so often.
EPOCH_STEPS = 100


def make_config(path, batch_size, mixture, pads):
    """Returns the paper's BC-RNN for low-dimensional human data (`generate_paper_configs.py`), with a mixture or squared error."""
    config = config_factory("bc")
    with config.values_unlocked():
        config.train.data = path
        config.train.batch_size = batch_size
        config.train.seq_length = config.algo.rnn.horizon = 10
        config.train.pad_seq_length = pads
        config.train.hdf5_cache_mode = "all"
        config.train.num_data_workers = 0
        config.algo.rnn.enabled = True
        config.algo.rnn.hidden_dim = 400
        config.algo.actor_layer_dims = ()
        config.algo.gmm.enabled = mixture
        config.algo.optim_params.policy.learning_rate.initial = 1e-4
        config.observation.modalities.obs.low_dim = OBSERVATIONS
    return config


class Side:
    """What can be asked for."""

    def open(self, path, batch_size, mixture, pads, threads, seed=0):
        """Makes data and model as `scripts/train.py` does; returns the number of windows."""
        torch.set_num_threads(threads)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self.config = make_config(path, batch_size, mixture, pads)
        ObsUtils.initialize_obs_utils_with_config(self.config)
        shapes = FileUtils.get_shape_metadata_from_dataset(path, all_obs_keys=OBSERVATIONS)
        self.model = algo_factory("bc", self.config, shapes["all_shapes"], shapes["ac_dim"], torch.device("cpu"))
        self.dataset, _ = TrainUtils.load_data_for_training(self.config, obs_keys=OBSERVATIONS)
        self.loader = DataLoader(self.dataset, batch_size=batch_size, shuffle=True, num_workers=0, drop_last=True)
        self.steps = 0
        return len(self.dataset)

    def train(self, steps):
        """Trains as `TrainUtils.run_epoch` does, whose epoch may go on in the next call; returns the loss of each step."""
        self.model.set_train()
        losses = []
        for _ in range(steps):
            if self.steps % EPOCH_STEPS == 0:
                self.batches = Batches(self.loader)
            losses.append(self._train_on(self.batches.next()))
            self.steps += 1
        return losses

    def train_on(self, windows):
        """Trains for one step on given windows; returns the loss."""
        self.model.set_train()
        return self._train_on(default_collate([self.dataset[index] for index in windows]))

    def _train_on(self, batch):
        batch = self.model.process_batch_for_training(batch)
        batch = self.model.postprocess_batch_for_training(batch, obs_normalization_stats=None)
        return self.model.log_info(self.model.train_on_batch(batch, epoch=0))["Loss"]

    def get_weights(self):
        """Returns the weights by name, and the order of the observations that go into the recurrent network."""
        return {name: value.numpy() for name, value in self.model.serialize().items()}, list(self.model.obs_shapes)

    def make_env(self):
        """Makes the env that the dataset tells of."""
        meta = FileUtils.get_env_metadata_from_dataset(self.config.train.data)
        self.env = EnvUtils.create_env_from_metadata(meta, render=False, render_offscreen=False, use_image_obs=False)

    def roll_out(self, episodes, steps):
        """Runs episodes as evaluation in training does, but on to the last step; returns their mean length."""
        envs = {self.env.name: self.env}
        logs, _ = TrainUtils.rollout_with_stats(
            RolloutPolicy(self.model), envs, horizon=steps, num_episodes=episodes, terminate_on_success=False
        )
        return float(logs[self.env.name]["Horizon"])

    def time_resets(self, count):
        """Returns the seconds of one reset."""
        begin = time.perf_counter()
        for _ in range(count):
            self.env.reset()
        return (time.perf_counter() - begin) / count


if __name__ == "__main__":
    answer(Side(), sys.argv[1])
