"""Every head, with a perceptron and with a recurrent network, learns to repeat what it sees."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models.bc.action_decoders import MLPActionDecoder, RNNActionDecoder
from muse.models.bc.gcbc import BaseGCBC
from muse.specs import EnvSpec
from muse.testing.made_up import statistics_of

CONTINUOUS = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("target", (2,), (-3, 3), np.float32), ("action", (2,), (-3, 3), np.float32)],
        observation_names=["target"],
        action_names=["action"],
    )
)
DISCRETE = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("target", (2,), (0, 3), np.int64), ("action", (2,), (0, 3), np.int64)],
        observation_names=["target"],
        action_names=["action"],
    )
)
HEADS = {
    "l2": d(),
    "l1": d(policy_loss="l1"),
    "tanh": d(use_tanh_out=True),
    "normalised": d(normalize_actions=True, use_tanh_out=True),
    "gaussian": d(use_policy_dist=True, policy_sig_min=1e-2),
    "mixture": d(use_policy_dist=True, policy_num_mix=3, policy_sig_min=1e-2),
    "categorical": d(),
}
DECODERS = {
    "mlp": d(cls=MLPActionDecoder, mlp_size=64, mlp_depth=2),
    "lstm": d(cls=RNNActionDecoder, rnn_type="lstm", hidden_size=48, rnn_depth=1, policy_size=0),
    "gru": d(cls=RNNActionDecoder, rnn_type="gru", hidden_size=48, rnn_depth=1, policy_size=0),
}


def draw(env_spec, batch, rng):
    low, high = env_spec.leaf("target").low, env_spec.leaf("target").high
    size = (batch, 5, 2)
    value = rng.integers(low[0], high[0], size, endpoint=True) if env_spec is DISCRETE else rng.uniform(low, high, size)
    tensor = torch.from_numpy(value.astype(env_spec.leaf("target").dtype))
    return {"target": tensor, "action": tensor}


def train(env_spec, decoder, steps, seed=0):
    """Returns a model before and after training, and the losses."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        group = d(action_decoder=decoder, normalize_states=True)
        model, untrained = BaseGCBC(group, env_spec), BaseGCBC(group, env_spec)
    statistics = statistics_of(draw(env_spec, 500, rng)["target"].flatten(0, 1).numpy())
    for one in (model, untrained):
        one.load_statistics({"target": statistics, "action": statistics})
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(steps):
        loss = model.loss(draw(env_spec, 64, rng), {}).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return untrained, model, losses


def errors(model, env_spec):
    """Returns one error for each of 200 windows: the mean distance, or the share of wrong choices."""
    inputs = draw(env_spec, 200, np.random.default_rng(1))
    with torch.no_grad():
        action = model.eval()({"target": inputs["target"]})["action"]
    wrong = (action != inputs["action"]).float() if env_spec is DISCRETE else (action - inputs["action"]).abs()
    return wrong.mean((1, 2)).numpy()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("head", HEADS)
def test_it_learns_to_repeat_what_it_sees(head, decoder):
    env_spec = DISCRETE if head == "categorical" else CONTINUOUS
    untrained, model, losses = train(env_spec, DECODERS[decoder] & HEADS[head], 300)
    before, after = errors(untrained, env_spec), errors(model, env_spec)
    gain = before - after
    # Paired over windows: many standard errors away from no gain, and most of the error gone.
    assert gain.mean() / (gain.std() / np.sqrt(len(gain))) > 10.0
    assert after.mean() < 0.25 * before.mean(), f"{before.mean():.3f} -> {after.mean():.3f}"
    assert np.isfinite(losses).all() and np.mean(losses[-20:]) < np.mean(losses[:20])


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_same_seed_learns_the_same(decoder):
    runs = [train(CONTINUOUS, DECODERS[decoder] & HEADS["mixture"], 10, seed) for seed in (0, 0, 1)]
    weights = [torch.cat([parameter.flatten() for parameter in model.parameters()]) for _, model, _ in runs]
    assert runs[0][2] == runs[1][2] and torch.equal(weights[0], weights[1])
    assert runs[0][2] != runs[2][2] and not torch.equal(weights[0], weights[2])


def test_a_goal_is_followed():
    env_spec = EnvSpec(
        d(
            names_shapes_limits_dtypes=[
                ("ego", (2,), (-1, 1), np.float32),
                ("goal/ego", (2,), (-1, 1), np.float32),
                ("action", (2,), (-2, 2), np.float32),
            ],
            observation_names=["ego"],
            goal_names=["goal/ego"],
            action_names=["action"],
        )
    )
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BaseGCBC(d(use_goal=True, action_decoder=DECODERS["mlp"]), env_spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(301):
        ego, goal = (torch.from_numpy(rng.uniform(-1, 1, (64, 5, 2)).astype(np.float32)) for _ in range(2))
        result = model.loss({"ego": ego, "goal/ego": goal, "action": goal - ego}, {})
        optimizer.zero_grad()
        result.loss.backward()
        optimizer.step()
        if step == 0:
            first = result.terms["policy_error/action"].item()
    assert result.terms["policy_error/action"].item() < 0.15 * first
