import numpy as np
import pytest
import torch

from muse.models import ModelError
from muse.models.vision import MeanPool, SpatialSoftmax


def test_keypoints_lie_where_a_plain_loop_says():
    torch.manual_seed(0)
    maps = torch.randn(2, 3, 4, 5)
    pool = SpatialSoftmax(3, num_keypoints=0, temperature=0.5)
    found = pool(maps).reshape(2, 3, 2).numpy()
    for n in range(2):
        for c in range(3):
            weights = np.exp(maps[n, c].double().numpy() / 0.5)
            weights /= weights.sum()
            x = sum(weights[i, j] * (-1 + 2 * j / 4) for i in range(4) for j in range(5))
            y = sum(weights[i, j] * (-1 + 2 * i / 3) for i in range(4) for j in range(5))
            assert np.allclose(found[n, c], [x, y], atol=1e-6)


def test_a_lone_peak_is_found_at_its_pixel():
    maps = torch.full((1, 2, 9, 9), -50.0)
    maps[0, 0, 0, 8] = maps[0, 1, 4, 4] = 50.0
    assert torch.allclose(SpatialSoftmax(2, 0)(maps), torch.tensor([[1.0, -1.0, 0.0, 0.0]]), atol=1e-6)


def test_keypoints_are_mixed_from_channels_and_learn():
    pool = SpatialSoftmax(6, num_keypoints=4)
    maps = torch.randn(3, 6, 5, 5, requires_grad=True)
    assert pool(maps).shape == (3, 8) == (3, pool.out_size)
    pool(maps).sum().backward()
    assert all(p.grad is not None for p in pool.parameters()) and bool((maps.grad != 0).any())


def test_a_softmax_stays_in_single_precision():
    pool = SpatialSoftmax(2, 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert pool(torch.randn(1, 2, 8, 8, dtype=torch.bfloat16)).dtype == torch.float32


def test_means():
    maps = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert torch.equal(MeanPool(2)(maps), torch.tensor([[5.5, 17.5]]))


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"num_keypoints": -1}])
def test_values_that_are_none(options):
    with pytest.raises(ModelError, match="SpatialSoftmax"):
        SpatialSoftmax(2, **options)
