"""Small real runs for the tests of trainers: a point mass, its expert's episodes, a recurrent policy.

As a script, `python runs.py <folder> <options as JSON>`: goes on with the run in the folder. For tests that kill a process.
"""

import functools
import json
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from attrdict import AttrDict as d

from muse.datasets.augmentation import GaussianNoise
from muse.datasets.concat_dataset import ConcatDataset
from muse.datasets.goals import GoalRelabelling
from muse.datasets.np_dataset import NpDataset
from muse.datasets.samplers import MixtureSampler
from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.models.bc.action_decoders import RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts import run_episodes
from muse.trainers.goal_trainer import GoalTrainer
from muse.trainers.optimizers import CosineRate, SingleOptimizer
from muse.trainers.trainer import Trainer
from muse.trainers.writers import make_writer

ENV = d(cls=PointMassEnv, num_obstacles=1, num_steps=12)
STEPS = 24
BASE = {
    "max_steps": STEPS, "holdout_every_n_steps": 5, "save_every_n_steps": 7, "save_checkpoint_every_n_steps": 10,
    "write_to_tensorboard_every_n_train_steps": 2, "log_every_n_steps": 3,
}  # fmt: skip
OPTIMIZER = d(
    cls=SingleOptimizer,
    base_optimizer=d(cls=torch.optim.Adam, lr=1e-2),
    base_scheduler=d(cls=CosineRate, warmup_steps=4, total_steps=STEPS),
    max_grad_norm=0.5,
)
#: What the runs of the tests differ in; `model` and `datasets` are for `make_trainer`, the rest are options of the trainer.
KINDS = {
    "plain": {},
    "dropout": {"dropout_p": 0.3},
    "schedule": {"optimizer": OPTIMIZER},
    "torch_schedule": {
        "optimizer": d(
            cls=SingleOptimizer, base_optimizer=d(cls=torch.optim.SGD, lr=0.1, momentum=0.9),
            base_scheduler=d(cls=torch.optim.lr_scheduler.StepLR, step_size=3, gamma=0.5),
        )
    },
    "ema": {"ema_decay": 0.9},
    "datasets": {"datasets": 2, "train_every_n_steps_per_dataset": [1, 3]},
    "augmented": {
        "augmentations": d(
            ego=d(cls=GaussianNoise, names=["ego"], std=0.1, relative=True), all=d(cls=GaussianNoise, std=0.01, share_horizon=True)
        ),
        "datasets": 2, "train_every_n_steps_per_dataset": [1, 3],
    },
    "relabelled": {
        "goal_relabelling": d(cls=GoalRelabelling, names={"goal/ego": "ego"}),
        "model": {"use_goal": True, "goal_names": ["goal/ego"]},
    },
    "mixture": {
        "mixture": [3.0, 1.0], "goal_relabelling": d(cls=GoalRelabelling, names={"goal/ego": "ego"}, per="row", choose="geometric"),
        "model": {"use_goal": True, "goal_names": ["goal/ego"]},
    },
    "everything": {
        "dropout_p": 0.3, "optimizer": OPTIMIZER, "ema_decay": 0.9, "datasets": 2, "train_every_n_steps_per_dataset": [1, 3],
    },
    "rollouts": {"rollout_train_env_every_n_steps": 6, "rollout_train_env_n_per_step": 3, "ema_decay": 0.9},
    "online": {
        "step_train_env_every_n_steps": 1, "step_train_env_n_per_step": 6, "random_policy_on_first_n_steps": 5,
        "random_policy": d(cls=RandomPolicy), "block_env_on_first_n_steps": 2, "capacity": 80,
        "rollout_holdout_env_every_n_steps": 8, "rollout_holdout_env_n_per_step": 2,
        "write_average_episode_returns_every_n_env_steps": 20,
    },
}  # fmt: skip


@functools.cache
def expert_episodes():
    spec = make_env_spec(PointMassEnv, ENV)
    env = VectorEnv({"num_envs": 3}, ENV, spec)
    return spec, run_episodes(env, PointMassExpert(d(), spec), None, range(6))


def make_dataset(which=(0, 4), **options):
    spec, episodes = expert_episodes()
    dataset = NpDataset(d(batch_size=8, horizon=4, pad_end_sequence=True, **options), spec)
    for episode in episodes[which[0] : which[1]]:
        dataset.add_episode(episode)
    return dataset


def make_mixture(folder, weights, **options):
    """Returns a dataset of two files, mixed by weight."""
    parts = {}
    for i in range(len(weights)):
        file = make_dataset((2 * i, 2 * i + 2)).save(Path(folder) / f"part_{i}.npz")
        parts[f"part_{i}"] = d(cls=NpDataset, file=str(file), frozen=True, horizon=4, pad_end_sequence=True, **options)
    sampler = d(cls=MixtureSampler, weights=weights)
    return ConcatDataset(d(datasets=parts, batch_size=8, sampler=sampler), expert_episodes()[0])


def make_model(dropout_p=0.0, **options):
    spec, _ = expert_episodes()
    decoder = d(cls=RNNActionDecoder, hidden_size=8, rnn_depth=2, dropout_p=dropout_p)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BaseGCBC(d(action_decoder=decoder, normalize_states=True, **options), spec)


def make_trainer(folder, kind="plain", cls=None, writer=None, seed=0, **options):
    options = {**BASE, **KINDS[kind], **options}
    spec, _ = expert_episodes()
    of_data = {name: options.pop(name) for name in ("capacity", "goal_relabelling") if name in options}
    train = [make_dataset((i, i + 4), **of_data) for i in range(options.pop("datasets", 1))]
    of_data.pop("capacity", None)
    if (weights := options.pop("mixture", None)) is not None:
        train = [make_mixture(folder, weights, **of_data)]
    for dataset in train if options.get("prefetch_batches") and weights is None else ():
        dataset.frozen = True
    model = make_model(options.pop("dropout_p", 0.0), **options.pop("model", {}))
    goal = any("_env_" in name for name in options)
    cls = cls or (GoalTrainer if goal else Trainer)
    envs = (
        {"env_train": VectorEnv({"num_envs": 2}, ENV, spec), "env_holdout": VectorEnv({"num_envs": 2}, ENV, spec)} if goal else {}
    )
    policy = GCBCPolicy(d(replan_horizon=4), spec) if goal else None
    writer = writer or make_writer(folder, tensorboard=False)
    return cls(
        d(options), model=model, datasets_train=train, datasets_holdout=[make_dataset((4, 6), **of_data)], policy=policy, writer=writer,
        folder=folder, seed=seed, **envs,
    )  # fmt: skip


def run(folder, kind="plain", restore=True, prepare=None, **options):
    """Makes everything anew, goes on with the run in `folder`, and returns the exit status."""
    trainer = make_trainer(folder, kind, **options)
    if restore:
        trainer.restore()
    if prepare is not None:
        prepare(trainer)
    try:
        trainer.run()
    except SystemExit as stop:
        return stop.code
    finally:
        trainer.writer.close()
    return 0


def at_step(number, what):
    """Returns what does `what()` in the training step `number` from now; for `prepare`."""

    def prepare(trainer):
        loss, calls = trainer.model.loss, 0

        def counting(*args):
            nonlocal calls
            calls += trainer.model.training
            if trainer.model.training and calls == number:
                what()
            return loss(*args)

        trainer.model.loss = counting

    return prepare


def at_action(number, what):
    """Returns what does `what()` at the action `number` from now; for `prepare`."""

    def prepare(trainer):
        get_action, calls = trainer.policy.get_action, 0

        def counting(*args):
            nonlocal calls
            calls += 1
            if calls == number:
                what()
            return get_action(*args)

        trainer.policy.get_action = counting

    return prepare


def terminate():
    signal.raise_signal(signal.SIGTERM)


def read_run(folder):
    """Returns all that two equal runs share: states, weights of every checkpoint, scalars, losses."""
    folder = Path(folder)
    models = {p.name: torch.load(p, weights_only=True) for p in (folder / "models").glob("*.pt")}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scalars = [(line["step"], line["name"], line["value"]) for line in lines]
    return {"models": models, "scalars": scalars, "csv": (folder / "loss.csv").read_text()}


def assert_same(a, b, path=""):
    assert type(a) is type(b), path
    if isinstance(a, dict):
        assert list(a) == list(b) or sorted(map(str, a)) == sorted(map(str, b)), (path, list(a), list(b))
        for key in a:
            assert_same(a[key], b[key], f"{path}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), (path, a, b)
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}/{i}")
    elif isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape, path
        assert np.array_equal(a.numpy(), b.numpy(), equal_nan=True), path
    else:
        assert a == b, (path, a, b)


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = json.loads(sys.argv[2])
    sys.exit(run(sys.argv[1], given.pop("kind"), **given))
