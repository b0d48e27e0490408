import numpy as np
import pytest
from attrdict import AttrDict as d
from needs import needs_pymunk

from muse.envs.env import make
from muse.envs.pymunk.arrange_block_env_2d import ArrangeBlockEnv2D
from muse.testing import check_env

pytestmark = needs_pymunk


@pytest.mark.parametrize("params", [d(horizon=10), d(horizon=6, num_blocks=2, imgs=True, img_width=24, use_dense_reward=True)])
def test_contract(params):
    check_env(ArrangeBlockEnv2D, params, steps=12)


def test_places_are_free_and_on_the_floor():
    env = make(ArrangeBlockEnv2D)
    orders = set()
    for seed in range(30):
        seen = {name: value[0] for name, value in env.reset(seed=seed)[0].items()}
        places = np.concatenate([seen["block_positions"], seen["goal_block_positions"]])
        sizes = np.tile(seen["block_sizes"], (2, 1))
        np.testing.assert_allclose(places[:, 1], sizes[:, 1] / 2, atol=1e-3)
        order = places[:, 0].argsort()
        gaps = np.diff(places[order, 0]) - (sizes[order][1:, 0] + sizes[order][:-1, 0]) / 2
        assert gaps.min() >= 11.9 and not env.is_success()
        orders.add(tuple(order))
    assert len(orders) > 20
    # Where every block already is at its place, it is solved.
    env.reset(
        d(goal_block_positions=seen["block_positions"], block_positions=seen["block_positions"], block_sizes=seen["block_sizes"])
    )
    assert env.is_success()
