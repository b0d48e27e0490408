"""Models that plan several actions from one row."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models.bc import BaseGCBC, MLPActionDecoder
from muse.models.bc.chunks import look_ahead
from muse.models.model import ModelError
from muse.policies.bc.gcbc_policy import GCBCPolicy
from muse.specs import EnvSpec
from muse.testing import check_model, check_policy

SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[
            ("ego", (2,), (-1, 1), np.float32), ("move", (2, 2), (-2, 2), np.float32), ("grip", (1,), (0, 2), np.int64),
        ],
        observation_names=["ego"],
        action_names=["move", "grip"],
    )
)  # fmt: skip
K = 4


def make(**options):
    torch.manual_seed(0)
    decoder = d(cls=MLPActionDecoder, mlp_size=16, mlp_depth=1, chunk=K, **options)
    return BaseGCBC(d(action_decoder=decoder), SPEC)


def test_targets_are_the_rows_ahead_and_what_is_not_there_is_masked():
    action = torch.arange(5.0).reshape(1, 5, 1)
    padding = torch.tensor([[True, False, False, False, True]])
    targets, mask = look_ahead({"action": action}, padding, 3)
    assert targets["action"].reshape(5, 3).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 4], [4, 4, 4]]
    assert (~mask).reshape(5, 3).tolist() == [
        [False] * 3, [True, True, True], [True, True, False], [True, False, False], [False] * 3,
    ]  # fmt: skip


def test_windows_that_are_too_short_are_refused():
    model = make()
    inputs = {"ego": torch.zeros(2, 3, 2), "move": torch.zeros(2, 3, 2, 2), "grip": torch.zeros(2, 3, 1, dtype=torch.int64)}
    with pytest.raises(ModelError, match="chunk of 4 actions: windows of 3 rows; expected at least 4"):
        model.loss(inputs, {})
    with pytest.raises(ModelError, match=r"chunk: 0; expected a number of actions"):
        BaseGCBC(d(action_decoder=d(cls=MLPActionDecoder, chunk=0)), SPEC)


@pytest.mark.parametrize("options", [{}, {"use_tanh_out": True}, {"use_policy_dist": True, "policy_num_mix": 2}])
def test_models_with_chunks_keep_the_contract(options):
    check_model(make(**options), SPEC)


def test_a_loss_of_one_row_is_that_of_its_chunk():
    model = make()
    inputs = {"ego": torch.rand(1, K, 2), "move": torch.rand(1, K, 2, 2), "grip": torch.ones(1, K, 1, dtype=torch.int64)}
    only_first = torch.tensor([[False, False, False, False]])
    before = model.loss(inputs, {"padding_mask": only_first}).loss
    changed = {**inputs, "move": inputs["move"].clone()}
    changed["move"][:, -1] += 1
    assert model.loss(changed, {"padding_mask": only_first}).loss != before
    cut = torch.tensor([[False, False, False, True]])
    assert model.loss(changed, {"padding_mask": cut}).loss == model.loss(inputs, {"padding_mask": cut}).loss


@pytest.mark.parametrize("options", [{}, {"use_policy_dist": True}])
def test_a_policy_gives_the_chunk(options):
    model = make(**options).eval()
    policy = GCBCPolicy(d(recurrent=False), SPEC)
    obs = {"ego": np.random.default_rng(0).uniform(-1, 1, (3, 1, 2)).astype(np.float32)}
    policy.reset_policy(np.ones(3, bool), [1, 2, 3])
    chunk = policy.get_action_chunk(model, obs, {})
    policy.reset_policy(np.ones(3, bool), [1, 2, 3])
    action = policy.get_action(model, obs, {})
    for name, shape in (("move", (2, 2)), ("grip", (1,))):
        assert chunk[name].shape == (3, K, *shape) and chunk[name].dtype == SPEC.leaf(name).dtype
        assert np.array_equal(chunk[name][:, 0], action[name])
        SPEC.check(chunk, [name], (3, K), limits=True)
    assert not np.array_equal(chunk["move"][:, 0], chunk["move"][:, 1])
    check_policy(policy, model)


def test_a_chunk_is_learnt():
    """Actions that count down to a time that the observation tells."""
    rng = np.random.default_rng(0)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(300):
        start = torch.from_numpy(rng.uniform(-1, 0, (64, 1, 1)).astype(np.float32))
        time = start + 0.1 * torch.arange(6.0).reshape(1, 6, 1)
        inputs = {"ego": time.expand(64, 6, 2), "move": time[..., None].expand(64, 6, 2, 2), "grip": (time > 0).long()}
        loss = model.loss(inputs, {}).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    planned = model({"ego": torch.full((1, 1, 2), -0.5)})["chunk/move"][0, 0, :, 0, 0]
    assert planned.tolist() == pytest.approx([-0.5, -0.4, -0.3, -0.2], abs=0.05)
