"""Several datasets as one: the same windows, episodes and statistics as of one dataset that holds all."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import (
    assert_same_episodes,
    assert_same_windows,
    joined,
    make_dataset,
    make_episodes,
    make_spec,
    reference_windows,
    to_episode,
)

from muse.datasets import ConcatDataset, DataError, GoalRelabelling, NpDataset, Prefetcher
from muse.datasets.concat_dataset import joined_statistics
from muse.datasets.preprocess import RewardToGo
from muse.datasets.samplers import MixtureSampler, SequentialSampler, UniformSampler
from muse.datasets.statistics import JoinedRows, compute_statistics
from muse.testing import FakeDataset, check_dataset
from muse.utils.attrdicts import flatten
from muse.utils.errors import OptionError

SPEC = make_spec()
PARTS = [[4, 2], [6], [1, 5, 3]]


def group_of(dataset, frozen=True):
    """Returns a group that "builds" a dataset that is there."""
    dataset.frozen = frozen
    return d(cls=lambda params, spec: dataset)


def episodes_of(parts, spec=SPEC, seed=0):
    return [make_episodes(spec, lengths, seed + i) for i, lengths in enumerate(parts)]


def concat_of(parts, spec=SPEC, grows=False, options=None, **others):
    """Returns a ConcatDataset; `others` are options of every part."""
    last = len(parts) - 1
    groups = [group_of(make_dataset(spec, one, **others), not (grows and i == last)) for i, one in enumerate(parts)]
    return ConcatDataset(d(datasets=groups, batch_size=8, **(options or {})), spec)


def flat(parts):
    return [values for episodes in parts for values in episodes]


@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 99)
)
def test_windows_are_those_of_all_parts(lengths, horizon, seed):
    parts = episodes_of(lengths, seed=seed)
    dataset = concat_of(parts, horizon=horizon)
    windows = reference_windows(flat(parts), {"param/size", "final/count"}, horizon, pad_end=True)
    assert len(dataset) == len(windows) and dataset.windows_per_episode().tolist() == [n for one in lengths for n in one]
    order = np.random.default_rng(seed).permutation(len(windows))
    assert_same_windows(dataset, [windows[i] for i in order], order)
    assert_same_windows(dataset, windows)


def test_it_keeps_the_contract():
    check_dataset(concat_of(episodes_of(PARTS)))
    check_dataset(concat_of(episodes_of(PARTS), grows=True), grow=True)
    goals = d(cls=GoalRelabelling, names={"goal/position": "double"}, recorded=["goal/position"], per="row")
    spec = make_spec([("double", (2,), "float64", "observation"), ("goal/position", (2,), "float64", "goal")])
    check_dataset(concat_of(episodes_of(PARTS, spec), spec, grows=True, goal_relabelling=goals), grow=True)


def test_episodes_and_tensors():
    parts = episodes_of(PARTS)
    dataset = concat_of(parts)
    assert_same_episodes(dataset, flat(parts))
    order = np.array([9, 0, 20, 6, 1])
    arrays, tensors = (joined(dataset.get_batch(order, torch_device=device)) for device in (None, "cpu"))
    assert all(np.array_equal(tensors[name], value) for name, value in arrays.items())
    assert isinstance(tensors["ego"], torch.Tensor) and isinstance(tensors["note"], np.ndarray)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.floats(-1e3, 1e3), st.integers(0, 99))
def test_statistics_of_parts_are_those_of_all_rows(counts, offset, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal((count, 2)) * [1, 0] + offset + i * np.array([3.0, 0.0]) for i, count in enumerate(counts)]
    found, wanted = joined_statistics([compute_statistics(part) for part in parts]), compute_statistics(np.concatenate(parts))
    for name in ("mean", "std", "min", "max"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-9)
    assert found.count == wanted.count and found.std[1] == 0 and found.mean[1] == found.min[1]
    assert len(parts) == 1 or found.quantiles is None


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 40), st.integers(0, 99))
def test_rows_of_parts_are_as_one_array(counts, step, seed):
    parts = [np.random.default_rng(seed + i).random((count, 2)) for i, count in enumerate(counts)]
    whole, rows = np.concatenate(parts), JoinedRows(parts)
    assert len(rows) == len(whole) and rows.shape == whole.shape and rows.dtype == whole.dtype
    for begin in range(0, len(whole), step):
        assert np.array_equal(rows[begin : begin + step], whole[begin : begin + step])
    assert np.array_equal(rows[:], whole) and np.array_equal(rows[:1], whole[:1]) and rows[len(whole) :].shape == (0, 2)


def test_statistics_have_quantiles_where_all_parts_tell_their_rows():
    parts = episodes_of(PARTS)
    dataset, one = concat_of(parts), make_dataset(SPEC, flat(parts))
    names = ["ego", "image", "param/size"]
    found, wanted = dataset.get_statistics(names), one.get_statistics(names)
    for name in names:
        for key in ("mean", "std", "min", "max", "quantiles"):
            np.testing.assert_allclose(getattr(found[name], key), getattr(wanted[name], key), rtol=1e-9, atol=1e-9)
        assert found[name].count == wanted[name].count
    groups = [group_of(make_dataset(SPEC, one)) for one in parts]
    nested = [d(cls=ConcatDataset, datasets=some) for some in (groups[:2], groups[2:])]
    inner = ConcatDataset(d(datasets=nested, batch_size=8), SPEC)
    np.testing.assert_allclose(inner.get_statistics(["ego"])["ego"].quantiles, wanted["ego"].quantiles, rtol=1e-9)


def draw(dataset, batches, weights=None, batch_size=8, seed=0):
    sampler = MixtureSampler(d(weights=weights), dataset, batch_size, seed)
    return [sampler.next_indices() for _ in range(batches)]


def count_parts(dataset, indices):
    return np.bincount(
        np.searchsorted(np.cumsum(dataset.windows_per_part()), indices, side="right"), minlength=len(dataset.parts)
    )


@given(st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(lambda w: sum(w) > 0.1), st.integers(1, 20), st.integers(0, 99))
def test_every_batch_has_its_share_of_every_part(weights, batch_size, seed):
    dataset = concat_of(episodes_of(PARTS))
    shares = np.array(weights) / sum(weights) * batch_size
    counts = np.array([count_parts(dataset, one) for one in draw(dataset, 6, weights, batch_size, seed)])
    assert np.all(counts.sum(axis=1) == batch_size)
    assert np.all(counts >= np.floor(shares - 1e-9)) and np.all(counts <= np.ceil(shares + 1e-9))


def test_shares_that_are_no_whole_numbers_are_right_on_average():
    """Of 2000 batches: a count is one of two numbers, so the mean is within five of its standard deviations."""
    dataset = concat_of(episodes_of(PARTS))
    counts = np.array([count_parts(dataset, one) for one in draw(dataset, 2000, [5.0, 2.0, 1.0], 3)])
    assert np.all(np.abs(counts.mean(axis=0) - 3 * np.array([5, 2, 1]) / 8) < 5 * 0.5 / np.sqrt(2000))


def test_each_window_of_a_part_once_an_epoch_of_that_part():
    dataset = concat_of(episodes_of(PARTS))
    drawn = np.concatenate(draw(dataset, 12, [1.0, 1.0, 2.0], 8))
    first = 0
    for count in dataset.windows_per_part().tolist():
        its = drawn[(drawn >= first) & (drawn < first + count)] - first
        for epoch in range(len(its) // count):
            assert sorted(its[epoch * count : (epoch + 1) * count]) == list(range(count))
        first += count


def test_without_weights_windows_count_alike():
    dataset = concat_of(episodes_of(PARTS))
    assert isinstance(dataset.get_sampler(), MixtureSampler)
    drawn = np.concatenate(draw(dataset, 210, None, 2))
    assert np.all(np.abs(np.bincount(drawn, minlength=21) - 20) <= 2)


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.5]])
def test_one_seed_gives_one_order_and_every_position_resumes(weights):
    dataset = concat_of(episodes_of(PARTS))
    whole = draw(dataset, 12, weights, 5, seed=3)
    assert not all(np.array_equal(a, b) for a, b in zip(whole, draw(dataset, 12, weights, 5, seed=4), strict=True))
    sampler = MixtureSampler(d(weights=weights), dataset, 5, seed=3)
    for position in range(12):
        state = sampler.state()
        assert all(type(value) is int for value in state.values())
        again = MixtureSampler(d(weights=weights), dataset, 5, seed=3)
        again.load_state(state)
        assert all(np.array_equal(again.next_indices(), wanted) for wanted in whole[position:])
        assert np.array_equal(sampler.next_indices(), whole[position])


def test_parts_draw_as_their_own_samplers_say():
    parts = [
        make_dataset(SPEC, episodes, sampler=d(cls=SequentialSampler, shuffle=False)) for episodes in episodes_of([[4], [6]])
    ]
    dataset = ConcatDataset(d(datasets=[group_of(part) for part in parts], batch_size=4), SPEC)
    drawn = draw(dataset, 3, [1.0, 1.0], 4)
    assert np.array_equal(drawn, [[0, 1, 4, 5], [2, 3, 6, 7], [0, 1, 8, 9]])


def test_the_last_part_may_grow_and_forget():
    parts = episodes_of([[4, 2], [6]])
    dataset = concat_of(parts, grows=True, capacity=8)
    sampler = MixtureSampler(d(weights=[1.0, 1.0]), dataset, 6)
    sampler.next_indices()
    (new,) = make_episodes(SPEC, [3], 7)
    dataset.add_episode(to_episode(SPEC, new))
    assert_same_episodes(dataset, [*parts[0], new])
    for _ in range(8):
        indices = sampler.next_indices()
        assert count_parts(dataset, indices).tolist() == [3, 3] and indices.max() < len(dataset) == 9
    with pytest.raises(DataError, match="windows have left its last part"):
        SequentialSampler(d(), dataset, 4).next_indices()
    assert len(UniformSampler(d(), dataset, 4).next_indices()) == 4


def test_goals_of_parts_are_new_at_every_draw_and_come_again():
    spec = make_spec([("row", (), "int64", "observation")])
    parts = [[{"row": np.arange(9)}], [{"row": np.arange(9) + 9}]]
    goals = d(cls=GoalRelabelling, names={"goal/row": "row"})
    dataset = concat_of(parts, spec, goal_relabelling=goals, options={"sampler": d(cls=MixtureSampler, weights=[1.0, 1.0])})
    sampler = dataset.get_sampler(3)
    drawn = [joined(dataset.draw_batch(sampler)) for _ in range(30)]
    with Prefetcher(dataset, dataset.get_sampler(3)) as batches:
        for batch in drawn:
            again = joined(batches.next_batch())
            assert all(np.array_equal(again[name], value) for name, value in batch.items())
    for first in (0, 9):  # Window 0 of each part, whose last row is the third.
        goals = {int(batch["goal/row"][i, 0]) for batch in drawn for i in np.flatnonzero(batch["row"][:, 0] == first)}
        assert len(goals) > 3 and goals <= set(range(first + 3, first + 9))


def test_parts_add_their_names_to_the_spec():
    groups = d(datasets=d(a=d(cls=NpDataset, data_preprocessors=[d(cls=RewardToGo)]), b=d(cls=FakeDataset)))
    assert [leaf.name for leaf in ConcatDataset.get_spec_leaves(groups, SPEC)] == ["reward_to_go"]


def test_files_and_a_holdout_that_shares_them(tmp_path, monkeypatch):
    parts = episodes_of([[4, 2, 3, 5], [6, 2]])
    monkeypatch.chdir(tmp_path)
    for name, episodes in zip("ab", parts, strict=True):
        make_dataset(SPEC, episodes).save(f"{name}.npz")
    common = d(cls=NpDataset, frozen=True, horizon=2, data_preprocessors=d(to_go=d(cls=RewardToGo)))
    groups = d(a=common & d(file="a.npz"), b=common & d(file="b.npz"))
    low, high = (
        d({n: group & d(load_episode_range=bounds) for n, group in groups.items()}) for bounds in ([0.0, 0.5], [0.5, 1.0])
    )
    train = ConcatDataset(d(datasets=low, batch_size=4), SPEC)
    shared = d({n: group & d(load_from_base=True) for n, group in high.items()})
    holdout = ConcatDataset(d(datasets=shared, batch_size=4, load_from_base=True), SPEC, base_dataset=train)
    for dataset, chosen in ((train, [*parts[0][:2], parts[1][0]]), (holdout, [*parts[0][2:], parts[1][1]])):
        check_dataset(dataset)
        assert dataset.get_num_episodes() == len(chosen)
        for index, values in enumerate(chosen):
            assert np.array_equal(dataset.get_episode(index)["ego"], values["ego"])
            rewards = values["reward"].astype(np.float64)
            np.testing.assert_allclose(
                dataset.get_episode(index)["reward_to_go"], rewards[::-1].cumsum(0)[::-1], rtol=1e-5, atol=1e-6
            )
    assert np.shares_memory(train.parts[0]._whole.view("image"), holdout.parts[0]._whole.view("image"))
    with pytest.raises(DataError, match="a ConcatDataset of 2 parts"):
        ConcatDataset(d(datasets=shared, load_from_base=True), SPEC)


def test_environments_of_all_parts_are_told():
    parts = [make_dataset(SPEC, episodes) for episodes in episodes_of([[4], [5], [3]])]
    for part, meta in zip(
        parts, ({"fingerprint": {"cls": "a"}}, {"fingerprints": [{"cls": "b"}, {"cls": "c"}]}, {}), strict=True
    ):
        part.meta.update(meta)
    dataset = ConcatDataset(d(datasets=[group_of(part) for part in parts]), SPEC)
    assert dataset.meta == {"fingerprints": [{"cls": "a"}, {"cls": "b"}, {"cls": "c"}, {}]}


def test_what_is_wrong_is_said():
    one, two = episodes_of([[4], [5]])
    with pytest.raises(DataError, match="'datasets': none"):
        ConcatDataset(d(datasets=[]), SPEC)
    with pytest.raises(OptionError, match="one group"):
        ConcatDataset(d(datasets=d(cls=NpDataset)), SPEC)
    with pytest.raises(DataError, match="'datasets/0': frozen is False"):
        ConcatDataset(d(datasets=[group_of(make_dataset(SPEC, one), frozen=False), group_of(make_dataset(SPEC, two))]), SPEC)
    for options, told in (
        ({"horizon": 2}, r"'ego' is \(2, 2\) float32; expected \(3, 2\) float32, as in the first part"),
        ({"batch_names_to_get": ["ego"]}, "is absent"),
    ):
        groups = [group_of(make_dataset(SPEC, one)), group_of(make_dataset(SPEC, two, **options))]
        with pytest.raises(DataError, match=told):
            ConcatDataset(d(datasets=groups), SPEC)
    dataset = concat_of([one, two])
    for call, told in (
        (lambda: MixtureSampler(d(), make_dataset(SPEC, one), 4), "a ConcatDataset"),
        (lambda: MixtureSampler(d(weights=[1.0]), dataset, 4), "one for each of 2 parts"),
        (lambda: MixtureSampler(d(weights=[1.0, -1.0]), dataset, 4), "0 or more"),
        (lambda: MixtureSampler(d(weights=[0.0, 0.0]), dataset, 4), "not all 0"),
        (lambda: MixtureSampler(d(), dataset, 4).load_state({"batches": 1}), "what state"),
        (lambda: dataset.get_batch(np.array([9])), "window 9"),
        (lambda: dataset.get_episode(2), "index 2"),
    ):
        with pytest.raises(Exception, match=told):
            call()
    empty = concat_of([one, []], grows=True)
    with pytest.raises(Exception, match="no windows in part 1"):
        MixtureSampler(d(weights=[1.0, 1.0]), empty, 4).next_indices()
    assert len(MixtureSampler(d(), empty, 4).next_indices()) == 4
    assert set(flatten(empty.get_batch([0])[0])) >= {"ego", "image"}
