"""`check_dataset` on good datasets and on ones that each break one promise; `FakeDataset` on wrong requests."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.datasets import DataError
from muse.specs import EnvSpec, Episode
from muse.testing import FakeDataset, FakeEnv, check_dataset, dataset_problems
from muse.utils.attrdicts import flatten, nest

PARAMS = FakeEnv.get_default_env_spec_params(d())
SPEC = EnvSpec(d({name: value for name, value in PARAMS.items() if name != "cls"}))


def changed(sides, **values):
    """Returns inputs and outputs with some leaves replaced, or left out (None)."""
    parts = [flatten(side) for side in sides]
    for name, value in values.items():
        for part in parts:
            if name in part and value is None:
                del part[name]
            elif name in part:
                part[name] = value
    return tuple(nest(part) for part in parts)


class Broken(FakeDataset):
    """A fake with `get_batch` wrapped."""

    def change(self, indices, sides):
        return sides

    def get_batch(self, indices=None, names=None, torch_device=None):
        sides = super().get_batch(indices, names, torch_device)
        return sides if torch_device is not None else self.change(indices, sides)


class NoMask(Broken):
    def change(self, indices, sides):
        return changed(sides, padding_mask=None)


class WrongType(Broken):
    def change(self, indices, sides):
        return changed(sides, position=sides[0]["position"].astype(np.float64))


class WrongSide(Broken):
    def change(self, indices, sides):
        inputs, outputs = map(flatten, sides)
        return nest({**inputs, "reward": outputs.pop("reward")}), nest(outputs)


class Tuple(Broken):
    def change(self, indices, sides):
        return [*sides, {}]


class Moody(Broken):
    calls = 0

    def change(self, indices, sides):
        self.calls += 1
        return changed(sides, position=sides[0]["position"] + np.float32(self.calls))


class Sorted(Broken):
    def get_batch(self, indices=None, names=None, torch_device=None):
        return super().get_batch(None if indices is None else np.sort(indices)[::-1].copy(), names, torch_device)


class RunsOn(Broken):
    """Goes on into the next episode instead of padding."""

    def change(self, indices, sides):
        mask = sides[1]["padding_mask"]
        return changed(sides, padding_mask=np.zeros_like(mask))


class NoRepeat(Broken):
    def change(self, indices, sides):
        position = sides[0]["position"].copy()
        position[sides[1]["padding_mask"]] = 0
        return changed(sides, position=position)


class HoldsNothing(Broken):
    def change(self, indices, sides):
        return changed(sides, position=np.zeros_like(sides[0]["position"]))


class ExtraNames(FakeDataset):
    def get_batch(self, indices=None, names=None, torch_device=None):
        return super().get_batch(indices, None if names is None else {*names, "action"} & {*self._names}, torch_device)


class Shares(FakeDataset):
    def get_episode(self, index, names=None, split=False):
        super().get_episode(index, names, split)
        values = {name: self._episodes[index][name] for name in (*(names or self._names), "done")}
        return self._split(values) if split else nest(values)


class ReadOnly(Broken):
    def change(self, indices, sides):
        for side in sides:
            for value in flatten(side).values():
                value.flags.writeable = False
        return sides


class Wraps(FakeDataset):
    def get_batch(self, indices=None, names=None, torch_device=None):
        return super().get_batch(None if indices is None else indices % len(self), names, torch_device)


class PlainError(FakeDataset):
    def get_episode(self, index, names=None, split=False):
        return super().get_episode(index, names, split) if 0 <= index < len(self._episodes) else [][index]


class StaysNumpy(FakeDataset):
    def get_batch(self, indices=None, names=None, torch_device=None):
        return super().get_batch(indices, names)


class SampleStd(FakeDataset):
    def get_statistics(self, names):
        found = super().get_statistics(names)
        return {n: type(s)(s.mean, s.std * np.sqrt(s.count / (s.count - 1)), s.min, s.max, s.count) for n, s in found.items()}


class NoDone(FakeDataset):
    def get_episode(self, index, names=None, split=False):
        episode = super().get_episode(index, names, split)
        if not split:
            episode["done"][-1] = False
        return episode


class Thaws(FakeDataset):
    def add_episode(self, episode):
        return


class Forgets(FakeDataset):
    def add_episode(self, episode):
        FakeDataset.add_episode(
            self,
            Episode(
                nest({**flatten(episode.inputs), "position": episode.inputs["position"] * 0}), episode.outputs, episode.onetime
            ),
        )


class Unseeded(FakeDataset):
    def get_sampler(self, seed=0):
        self.asked = getattr(self, "asked", 0) + 1
        return super().get_sampler(self.asked)


class Rolls(FakeDataset):
    def draw_batch(self, sampler, names=None, torch_device=None):
        self.draws = getattr(self, "draws", 0) + 1
        inputs, outputs = super().draw_batch(sampler, names, torch_device)
        return nest({**flatten(inputs), "position": inputs["position"] + self.draws}), outputs


class FloatIndices(FakeDataset):
    def get_sampler(self, seed=0):
        sampler = super().get_sampler(seed)
        plain = sampler.next_indices
        sampler.next_indices = lambda: plain().astype(np.int32)
        return sampler

    def get_batch(self, indices=None, names=None, torch_device=None):
        return super().get_batch(None if indices is None else np.asarray(indices, np.int64), names, torch_device)


CASES = [
    (NoMask, "get_batch: 'padding_mask' must be in the outputs, (B, H) bool."),
    (WrongType, "get_batch: 'position' has shape (16, 3, 2) float64; the spec makes it (16, 3, 2) float32."),
    (WrongSide, "get_batch: 'reward' belongs to the outputs."),
    (Tuple, "get_batch returned list; it must return two mappings, inputs and outputs."),
    (Moody, "get_batch returned other values when it was asked again."),
    (Sorted, "get_batch of several windows is not each of them on its own, in the order of the indices."),
    (RunsOn, "A window goes on behind the end of its episode."),
    (NoRepeat, "A padded row must repeat the nearest row that is none."),
    (HoldsNothing, "A window holds rows that are not of one episode."),
    (ExtraNames, "get_batch(names=['position']) returned action, done, padding_mask, position."),
    (Shares, "Writing into what get_batch or get_episode returned changed the dataset."),
    (ReadOnly, "get_batch or get_episode returned arrays that may not be written to; the caller may keep and change them."),
    (Wraps, "get_batch of window -1 was not refused; it must raise a DataError."),
    (PlainError, "get_episode(-1) raised IndexError; it must raise a DataError."),
    (StaysNumpy, "get_batch with a torch_device: 'position' is no tensor of the same values."),
    (SampleStd, "get_statistics: the std of 'position' is not that of all rows."),
    (NoDone, "An episode's 'done' must be (T,) bool, true on the last row only."),
    (Thaws, "add_episode did not add an episode."),
    (Forgets, "An episode that was added came back changed."),
    (Unseeded, "Two samplers with one seed drew different windows."),
    (Rolls, "draw_batch with two samplers of one seed and position returned different batches."),
    (FloatIndices, "next_indices must return (B,) int64, numbers of windows."),
]  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"pad_end_sequence": True}, {"horizon": 1}, {"frozen": True}, {"num_episodes": 1}])
def test_good_datasets_pass(options):
    dataset = FakeDataset(d(options), SPEC)
    check_dataset(dataset)
    assert dataset.get_num_episodes() == options.get("num_episodes", 4)
    check_dataset(FakeDataset(d(options), SPEC), grow=not options.get("frozen"))


@pytest.mark.parametrize(("cls", "told"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_each_broken_promise_is_told(cls, told):
    assert told in dataset_problems(cls(d(pad_end_sequence=True), SPEC), grow=True)


def test_a_frozen_dataset_that_grows_is_told():
    told = dataset_problems(Thaws(d(frozen=True), SPEC))
    assert told == ["add_episode to a frozen dataset was not refused; it must raise a DataError."]


def test_all_problems_come_in_one_error():
    with pytest.raises(DataError) as caught:
        check_dataset(SampleStd(d(num_episodes=1, episode_length=2, horizon=1), SPEC))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("check_dataset(SampleStd): ") and all(line.startswith("  - ") for line in lines[1:])
    with pytest.raises(DataError) as caught:
        check_dataset(FakeDataset(d(num_episodes=0), SPEC))
    assert str(caught.value) == (
        "check_dataset(FakeDataset): 1 problem\n  - The dataset has 0 windows of 0 episodes; a check needs at least one."
    )


def test_the_fake_is_the_same_every_time_and_fits_its_spec():
    first, second, other = (FakeDataset(d(seed=seed), SPEC) for seed in (0, 0, 1))
    for index in range(4):
        values = flatten(first.get_episode(index))
        again = flatten(second.get_episode(index))
        assert all(np.array_equal(values[name], again[name]) for name in values)
        assert not np.array_equal(values["position"], other.get_episode(index)["position"])
        SPEC.check(values, [n for n in values if n in SPEC], limits=True)


def test_the_fake_complains():
    dataset = FakeDataset(d(), SPEC)
    inputs, outputs = dataset.get_episode(0, split=True)
    once = {"objects/size": inputs["objects/size"], "final/note": outputs["final/note"]}
    flat = {name: value for name, value in flatten(inputs).items() if name not in once}
    results = {name: value for name, value in flatten(outputs).items() if name not in once}

    def add(**changes):
        values = {name: value for name, value in {**flat, **changes}.items() if value is not None}
        dataset.add_episode(Episode(nest(values), nest(results), nest(once)))

    add()
    calls = [
        lambda: dataset.get_batch([0]),
        lambda: dataset.get_batch(np.array([0], np.int32)),
        lambda: dataset.get_batch(np.array([-1])),
        lambda: dataset.get_batch(np.empty(0, np.int64)),
        lambda: dataset.get_batch(np.array([0]), names="position"),
        lambda: dataset.get_batch(np.array([0]), names=["position", "position"]),
        lambda: dataset.get_batch(np.array([0]), names=["where"]),
        lambda: dataset.get_episode(5),
        lambda: dataset.get_statistics(["final/note"]),
        lambda: add(position=flat["position"].astype(np.float64)),
        lambda: add(gripper=None),
        lambda: FakeDataset(d(frozen=True), SPEC).add_episode(None),
        lambda: FakeDataset(d(horizon=0), SPEC),
    ]
    told = []
    for call in calls:
        with pytest.raises(DataError) as caught:
            call()
        told.append(str(caught.value).split(";")[0])
    assert told == [
        "FakeDataset.get_batch: indices: list  (1,)",
        "FakeDataset.get_batch: indices: ndarray int32 (1,)",
        "FakeDataset.get_batch: indices: -1 to -1",
        "FakeDataset.get_batch: indices: ndarray int64 (0,)",
        "FakeDataset: names: the string 'position'",
        "FakeDataset: names: a name twice",
        "FakeDataset: no name 'where'",
        "FakeDataset.get_episode: index 5",
        "FakeDataset.get_statistics: 'final/note': no numbers, or no rows",
        "FakeDataset.add_episode: 'position': shape (5, 2) float64",
        "FakeDataset.add_episode: 'gripper': missing",
        "FakeDataset.add_episode: this dataset is frozen",
        "FakeDataset: 'horizon': 0",
    ]
    assert isinstance(dataset.get_batch(np.array([0]), torch_device="cpu")[0]["position"], torch.Tensor)
