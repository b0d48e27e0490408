"""Augmentation: what it changes and what not, where its numbers come from."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from made_data import joined, make_dataset, make_episodes, make_spec

from muse.datasets import DataAugmentation, DataError, GaussianNoise
from muse.datasets.augmentation import augmented, make_augmentations
from muse.utils.abstract import Argument
from muse.utils.errors import OptionError

SPEC = make_spec(
    [
        ("ego", (2,), "float32", "observation"),
        ("wide", (2, 3), "float64", "observation"),
        ("still", (1,), "float32", "observation"),
        ("count", (1,), "int64", "observation"),
        ("image", (6, 5, 3), "uint8", "observation"),
        ("action", (1,), "float32", "action"),
        ("mask", (1,), "bool", ""),
        ("note", (), "U4", ""),
    ]
)
CPU = torch.device("cpu")


def dataset_of(length=400):
    (values,) = make_episodes(SPEC, [length])
    values["still"][...] = 0.5
    values["ego"] *= (1, 10)
    return make_dataset(SPEC, [values], horizon=4)


DATASET = dataset_of()


def batch_of():
    return joined(DATASET.get_batch(np.arange(390), torch_device="cpu"))


def apply(groups, seed=0):
    before = batch_of()
    return before, augmented(make_augmentations(groups, DATASET, "trainer/augmentations"), before, CPU, seed)


def changes(groups, seed=0):
    """Returns what was added to each name that changed."""
    before, after = apply(groups, seed)
    assert list(before) == list(after)
    tensors = {name for name, value in before.items() if isinstance(value, torch.Tensor)}
    return {n: after[n].double() - before[n].double() for n in tensors if not torch.equal(after[n], before[n])}


def test_noise_has_the_deviation_of_its_unit():
    added = changes([d(cls=GaussianNoise, std=0.1)])
    assert set(added) == {"ego", "wide", "still"}
    for value in added.values():
        assert value.std() == pytest.approx(0.1, rel=0.1) and abs(value.mean()) < 0.01


def test_relative_noise_has_a_share_of_the_deviation_of_the_data():
    added = changes(d(a=d(cls=GaussianNoise, std=0.1, relative=True, names=["ego", "still"])))
    assert set(added) == {"ego"}
    std = DATASET.get_statistics(["ego"])["ego"].std
    assert std[1] > 5 * std[0]
    np.testing.assert_allclose(added["ego"].std(dim=(0, 1)), 0.1 * std, rtol=0.1)


def test_one_draw_for_a_window():
    added = changes([d(cls=GaussianNoise, std=0.1, names=["wide"], share_horizon=True)])["wide"]
    assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-12) and len(added[:, 0].unique()) == 390 * 6


@pytest.mark.parametrize("share", [False, True])
def test_noise_only_where_the_mask_says(share):
    added = changes([d(cls=GaussianNoise, std=0.1, mask_name="mask", share_horizon=share)])
    mask = batch_of()["mask"][..., 0]
    for name, value in added.items():
        assert torch.equal((value != 0).reshape(*mask.shape, -1).all(-1), mask), name
    assert 0 < mask.double().mean() < 1


def test_its_numbers_are_a_function_of_the_seed_and_its_own_name():
    ego, wide = d(cls=GaussianNoise, std=0.1, names=["ego"]), d(cls=GaussianNoise, std=0.1, names=["wide"])
    first = apply(d(ego=ego))[1]["ego"]
    assert torch.equal(apply(d(wide=wide, ego=ego))[1]["ego"], first)
    assert not torch.equal(apply(d(ego=ego), seed=1)[1]["ego"], first)
    assert not torch.equal(apply(d(other=ego))[1]["ego"], first)


def test_the_batch_given_and_the_global_generator_are_left_alone():
    before, state = batch_of(), torch.get_rng_state()
    kept = {name: value.clone() for name, value in before.items() if isinstance(value, torch.Tensor)}
    augmented(make_augmentations([d(cls=GaussianNoise, std=1.0)], DATASET, ""), before, CPU, 3)
    assert all(torch.equal(before[name], value) for name, value in kept.items())
    assert torch.equal(torch.get_rng_state(), state)


class Shift(DataAugmentation):
    """Moves pictures by up to `pixels`, edges repeated: one move a window. As an example of an augmentation of images."""

    predefined_arguments = [Argument("pixels", type=int, default=1)]

    def augment(self, batch, generator):
        image = batch["image"]
        windows, _, height, width, _ = image.shape
        moves = torch.randint(-self.pixels, self.pixels + 1, (windows, 2), generator=generator, device=image.device)
        rows = (torch.arange(height, device=image.device) + moves[:, :1]).clamp(0, height - 1)
        columns = (torch.arange(width, device=image.device) + moves[:, 1:]).clamp(0, width - 1)
        windows = torch.arange(windows, device=image.device)[:, None, None]
        return {"image": image[windows, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2, 4)}


def test_pictures_fit_the_contract():
    before, after = apply([d(cls=Shift)])
    assert after["image"].dtype == torch.uint8
    padded = torch.nn.functional.pad(before["image"].float().permute(0, 1, 4, 2, 3).flatten(0, 1), (1, 1, 1, 1), mode="replicate")
    padded = padded.reshape(390, 4, 3, 8, 7).permute(0, 1, 3, 4, 2)
    moves = [(y, x) for y in range(3) for x in range(3)]
    found = torch.stack([(padded[:, :, y : y + 6, x : x + 5] == after["image"]).flatten(1).all(1) for y, x in moves])
    assert found.any(0).all() and found.any(1).all()


class Wrong(DataAugmentation):
    predefined_arguments = [Argument("what")]

    def augment(self, batch, generator):
        return self.what(batch)


@pytest.mark.parametrize(
    ("group", "error", "told"),
    [
        (d(cls=GaussianNoise, std=-1.0), OptionError, "'std'"),
        (d(cls=GaussianNoise, std=1.0, names=["count"]), OptionError, "'count', which is int64"),
        (d(cls=GaussianNoise, std=1.0, mask_name="masks"), DataError, "no 'masks' in the batch"),
        (d(cls=GaussianNoise, std=1.0, mask_name="wide"), DataError, "one number a row"),
        (d(cls=Wrong, what=lambda batch: {"ego": batch["ego"][:1]}), DataError, r"'ego' of shape \(1, 4, 2\)"),
        (d(cls=Wrong, what=lambda batch: {"ego": batch["ego"].double()}), DataError, "float64"),
        (d(cls=Wrong, what=lambda batch: {"egos": batch["ego"]}), DataError, "no 'egos'"),
    ],
)
def test_what_is_wrong_is_said(group, error, told):
    with pytest.raises(error, match=told):
        apply([group])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu():
    batch = joined(DATASET.get_batch(np.arange(390), torch_device="cuda"))
    made = make_augmentations([d(cls=GaussianNoise, std=0.1), d(cls=Shift)], DATASET, "")
    first, second = (augmented(made, batch, torch.device("cuda"), 3) for _ in range(2))
    assert first["ego"].is_cuda and torch.equal(first["ego"], second["ego"]) and torch.equal(first["image"], second["image"])
    assert (first["ego"] - batch["ego"]).std().item() == pytest.approx(0.1, rel=0.1)
