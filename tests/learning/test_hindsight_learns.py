"""From motion whose goals nobody recorded, a policy learns to reach any goal: each later state is one."""

import numpy as np
import torch
from attrdict import AttrDict as d

from muse.datasets import GoalRelabelling, NpDataset
from muse.models.bc.action_decoders import MLPActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.specs import EnvSpec, Episode
from muse.trainers.learner import Learner
from muse.trainers.optimizers import SingleOptimizer

SPEED = 0.05
SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("ego", (2,), (0, 1), np.float32, "m"), ("action", (2,), (-1, 1), np.float32)],
        observation_names=["ego"],
        action_names=["action"],
    )
)


def towards(ego, goal):
    way = goal - ego
    return way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), SPEED)


def dataset_of(count, rng, **options):
    """Returns episodes in which a point goes to a place that is not in the data."""
    dataset = NpDataset(d(horizon=1, batch_size=256, **options), SPEC)
    for _ in range(count):
        ego, place = rng.uniform(0, 1, (2, 2))
        rows = []
        while np.linalg.norm(place - ego) > SPEED:
            rows.append((ego, towards(ego, place)))
            ego = ego + SPEED * rows[-1][1]
        if len(rows) > 1:
            egos, actions = (np.array(column, np.float32) for column in zip(*rows, strict=True))
            done = np.arange(len(rows)) == len(rows) - 1
            dataset.add_episode(Episode(d(ego=egos, action=actions), d(done=done)))
    return dataset


def reached(model, rng, steps=40, trials=200):
    """Returns the share of random goals that the model comes within two steps of."""
    ego, goal = rng.uniform(0, 1, (2, trials, 2))
    there = np.zeros(trials, bool)
    model.eval()
    for _ in range(steps):
        seen = {"ego": ego, "goal/ego": goal}
        with torch.no_grad():
            action = model({name: torch.tensor(value[:, None], dtype=torch.float32) for name, value in seen.items()})["action"]
        ego = ego + SPEED * action[:, 0].clamp(-1, 1).numpy()
        there |= np.linalg.norm(goal - ego, axis=-1) < 2 * SPEED
    return there.mean()


def test_goals_from_later_states_teach_to_reach():
    rng = np.random.default_rng(0)
    dataset = dataset_of(300, rng, goal_relabelling=d(cls=GoalRelabelling, names={"goal/ego": "ego"}, per="row"))
    decoder = d(cls=MLPActionDecoder, mlp_size=64, mlp_depth=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BaseGCBC(d(action_decoder=decoder, normalize_states=True, use_goal=True, goal_names=["goal/ego"]), SPEC)
    model.load_statistics(dataset.get_statistics(model.statistics_names))
    before = reached(model, rng)
    optimizer = SingleOptimizer(d(base_optimizer=d(cls=torch.optim.Adam, lr=3e-3)), model)
    learner = Learner(model, optimizer, [dataset], seed=0)
    for step in range(600):
        learner.step(0, step)
    after = reached(model, rng)
    assert before < 0.4 and after > 0.9, (before, after)
