import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from muse.models import ModelError
from muse.models.vision import ImageTransform


def draw(batch=3, horizon=2, size=(10, 12, 3), seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(256, size=(batch, horizon, *size)).astype(np.uint8))


def test_in_evaluation_it_is_the_middle_scaled_and_normalised():
    images = draw()
    transform = ImageTransform((10, 12, 3), 0.8, [0.3, 0.3, 0.3, 0.1], 0.1, mean=[0.1, 0.2, 0.3], std=[0.5, 0.6, 0.7]).eval()
    middle = images.numpy()[:, :, 1:9, 1:11].astype(np.float64) / 255
    expected = ((middle - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]).reshape(6, 8, 10, 3).transpose(0, 3, 1, 2)
    made = transform(images)
    assert made.shape == (6, 3, 8, 10) and made.is_contiguous(memory_format=torch.channels_last)
    assert np.abs(made.numpy() - expected).max() < 1e-5
    assert torch.equal(made, transform(images))


@pytest.mark.parametrize("per_frame", [False, True])
def test_crops_are_whole_pieces_drawn_once_for_a_window_or_for_each_frame(per_frame):
    torch.manual_seed(0)
    images = draw(batch=40, horizon=3, size=(9, 7, 1))
    transform = ImageTransform((9, 7, 1), 0.6, per_frame=per_frame, mean=[0.0], std=[1.0]).train()
    height, width = transform.out_size[:2]
    assert (height, width) == (5, 4)
    made = (transform(images) * 255).round().reshape(40, 3, height, width).to(torch.uint8)
    places = []
    for b in range(40):
        for h in range(3):
            found = [
                (y, x)
                for y in range(9 - height + 1)
                for x in range(7 - width + 1)
                if torch.equal(images[b, h, y : y + height, x : x + width, 0], made[b, h])
            ]
            assert len(found) == 1
            places.append(found[0])
    windows = [len({places[3 * b + h] for h in range(3)}) for b in range(40)]
    assert max(windows) == 1 if not per_frame else max(windows) > 1
    assert {y for y, _ in places} == set(range(5)) and {x for _, x in places} == set(range(4))


def test_the_draws_are_torchs_own():
    images, transform = draw(batch=8), ImageTransform((10, 12, 3), 0.8, [0.3, 0.3, 0.3, 0.1], 0.05).train()
    torch.manual_seed(1)
    first, second = transform(images), transform(images)
    torch.manual_seed(1)
    assert torch.equal(transform(images), first) and not torch.equal(first, second)


def jitter(images, brightness=1.0, contrast=1.0, saturation=1.0, turn=0.0):
    """One picture `(Y, X, 3)` in [0, 1], as torchvision's `adjust_*` one after another, except that it is cut to [0, 1] at the end."""
    grey = lambda x: (x @ [0.299, 0.587, 0.114])[..., None]  # noqa: E731
    x = images * brightness
    x = contrast * x + (1 - contrast) * grey(x).mean()
    x = saturation * x + (1 - saturation) * grey(x)
    to_yiq = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
    yiq = x @ to_yiq.T
    cos, sin = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    yiq = np.stack([yiq[..., 0], cos * yiq[..., 1] - sin * yiq[..., 2], sin * yiq[..., 1] + cos * yiq[..., 2]], -1)
    return np.clip(yiq @ np.linalg.inv(to_yiq).T, 0, 1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 0.5), min_size=4, max_size=4), st.integers(0, 2**31))
def test_colours_change_as_written_out_one_after_another(limits, seed):
    images = draw(batch=2, horizon=1, size=(5, 4, 3), seed=seed % 7)
    transform = ImageTransform((5, 4, 3), color_jitter=limits, mean=[0.0], std=[1.0]).train()
    torch.manual_seed(seed)
    made = transform(images).permute(0, 2, 3, 1).numpy()
    torch.manual_seed(seed)
    factors = [1 + limit * (2 * torch.rand(2, 1, 1).flatten().numpy() - 1) for limit in limits[:3]]
    turns = limits[3] * (2 * torch.rand(2).numpy() - 1)
    for i in range(2):
        expected = jitter(images[i, 0].numpy() / 255.0, *(factor[i] for factor in factors), turns[i])
        assert np.abs(made[i] - expected).max() < 2e-5


def test_a_third_of_a_turn_makes_red_green_or_blue_and_leaves_greys():
    turn = ImageTransform((5, 4, 3))._turn_of_hue(torch.tensor([2 * np.pi / 3, -2 * np.pi / 3]))
    assert torch.allclose(turn @ torch.ones(3), torch.ones(2, 3), atol=1e-5)
    hues = [colorsys.rgb_to_hsv(*(m @ torch.tensor([0.6, 0.4, 0.4])).tolist())[0] for m in turn]
    assert hues == pytest.approx([2 / 3, 1 / 3], abs=0.06)
    assert torch.allclose(turn[0] @ turn[0] @ turn[0], torch.eye(3), atol=1e-4)


def test_colours_are_the_same_under_autocast():
    images, transform = draw(), ImageTransform((10, 12, 3), 0.8, [0.3, 0.3, 0.3, 0.1], 0.05).train()
    torch.manual_seed(1)
    expected = transform(images)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transform(images), expected)


def test_noise_has_the_deviation_asked_for():
    torch.manual_seed(0)
    images = torch.full((2, 2, 50, 50, 3), 128, dtype=torch.uint8)
    made = ImageTransform((50, 50, 3), noise_std=0.2, mean=[0.0], std=[1.0]).train()(images)
    assert abs(made.std().item() - 0.2) < 0.005 and abs(made.mean().item() - 128 / 255) < 0.01


@pytest.mark.parametrize(
    "options, message",
    [
        ({"crop_frac": 0.0}, "ImageTransform: crop_frac: 0.0; expected more than 0, and 1 at most"),
        ({"crop_frac": 1.5}, "ImageTransform: crop_frac: 1.5; expected more than 0, and 1 at most"),
        ({"color_jitter": [1.5, 0, 0, 0]}, "ImageTransform: color_jitter: [1.5, 0, 0, 0]; expected none, or 4 values from 0 to 1, the last 0.5 at most"),
        ({"color_jitter": [0, math.nan, 0, 0]}, "ImageTransform: color_jitter: [0, nan, 0, 0]; expected none, or 4 values from 0 to 1, the last 0.5 at most"),
        ({"noise_std": math.nan}, "ImageTransform: noise_std: nan; expected 0 or more"),
        ({"noise_std": -1.0}, "ImageTransform: noise_std: -1.0; expected 0 or more"),
        ({"color_jitter": [0.1]}, "ImageTransform: color_jitter: [0.1]; expected none, or 4 values from 0 to 1, the last 0.5 at most"),
        ({"color_jitter": [0.1, 0.1, 0.1, 0.7]}, "ImageTransform: color_jitter: [0.1, 0.1, 0.1, 0.7]; expected none, or 4 values from 0 to 1, the last 0.5 at most"),
        ({"size": (8, 8, 1), "color_jitter": [0.1, 0, 0, 0], "mean": [0.5], "std": [0.5]}, "ImageTransform: color_jitter: pictures of 1 channels; expected 3: red, green, blue"),
        ({"size": (8, 8, 1)}, "ImageTransform: mean: 3 values for 1 channels; expected one for each, or one for all\n  try: image_mean of the encoder: 0.5"),
        ({"mean": [124, 116, 104]}, "ImageTransform: mean: [124, 116, 104]; expected from 0 to 1, as for pictures divided by 255"),
        ({"mean": [0.5, math.nan, 0.5]}, "ImageTransform: mean: [0.5, nan, 0.5]; expected from 0 to 1, as for pictures divided by 255"),
        ({"std": [0.5, 0.0, 0.5]}, "ImageTransform: std: [0.5, 0.0, 0.5]; expected more than 0, and 1 at most, as for pictures divided by 255"),
        ({"std": [math.nan]}, "ImageTransform: std: [nan]; expected more than 0, and 1 at most, as for pictures divided by 255"),
    ],
)  # fmt: skip
def test_values_that_are_none(options, message):
    with pytest.raises(ModelError) as caught:
        ImageTransform(**{"size": (8, 8, 3), **options})
    assert str(caught.value) == message
