from collections import Counter

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import SMALL, assert_same_episodes, make_dataset, make_episodes, make_spec, to_episode

from muse.datasets.samplers import SamplerError, SequentialSampler, UniformSampler, WeightedSampler

SPEC = make_spec(SMALL)
KINDS = [
    (SequentialSampler, {}),
    (SequentialSampler, {"shuffle": False}),
    (UniformSampler, {}),
    (UniformSampler, {"uniform_episodes": True}),
    (WeightedSampler, {"weights": lambda dataset: np.arange(len(dataset))}),
    (WeightedSampler, {"weights": [1, 0, 2.5], "per": "episode"}),
]


def dataset_of(lengths, **options):
    return make_dataset(SPEC, make_episodes(SPEC, lengths), horizon=1, **options)


def draw(sampler, batches):
    return [sampler.next_indices() for _ in range(batches)]


def same(drawn, others):
    return len(drawn) == len(others) and all(np.array_equal(a, b) for a, b in zip(drawn, others, strict=True))


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_one_seed_gives_one_order_and_every_position_resumes(cls, options):
    dataset = dataset_of([5, 3, 4])
    whole = draw(cls(d(options), dataset, 5, seed=3), 12)
    assert same(whole, draw(cls(d(options), dataset, 5, seed=3), 12))
    if options.get("shuffle", True):
        assert not same(whole, draw(cls(d(options), dataset, 5, seed=4), 12))
    sampler = cls(d(options), dataset, 5, seed=3)
    for position in range(12):
        state = sampler.state()
        assert all(type(value) is int for value in state.values())
        again = cls(d(options), dataset, 5, seed=3)
        again.load_state(state)
        assert same(whole[position:], draw(again, 12 - position))
        assert np.array_equal(sampler.next_indices(), whole[position])
    for indices in whole:
        assert indices.dtype == np.int64 and indices.shape == (5,) and indices.min() >= 0 and indices.max() < len(dataset)


@given(st.integers(1, 30), st.integers(1, 40), st.booleans(), st.integers(0, 5))
def test_each_window_once_an_epoch(windows, batch_size, shuffle, seed):
    sampler = SequentialSampler(d(shuffle=shuffle), range(windows), batch_size, seed)
    epochs = 3
    drawn = np.concatenate(draw(sampler, -(-windows * epochs // batch_size)))
    for epoch in range(epochs):
        assert sorted(drawn[epoch * windows : (epoch + 1) * windows]) == list(range(windows))
    if not shuffle:
        assert drawn[: windows * epochs].tolist() == list(range(windows)) * epochs


def test_epochs_have_different_orders():
    sampler = SequentialSampler(d(), range(20), 20)
    orders = {tuple(indices.tolist()) for indices in draw(sampler, 5)}
    assert len(orders) == 5


def test_what_was_drawn_may_be_changed():
    sampler, other = (SequentialSampler(d(), range(6), 2) for _ in range(2))
    for _ in range(9):
        indices = sampler.next_indices()
        assert np.array_equal(indices, other.next_indices())
        indices[...] = 0


def test_an_epoch_keeps_its_windows_while_the_dataset_grows():
    dataset = dataset_of([6])
    sampler = dataset.get_sampler(seed=1)
    sampler.batch_size = 2
    drawn = [sampler.next_indices()]
    dataset.add_episode(to_episode(SPEC, make_episodes(SPEC, [4])[0]))
    state = sampler.state()
    drawn += draw(sampler, 2)
    assert sorted(np.concatenate(drawn)) == list(range(6))
    assert sorted(np.concatenate(draw(sampler, 5))) == list(range(10))
    again = dataset.get_sampler(seed=1)
    again.batch_size = 2
    again.load_state(state)
    assert same(drawn[1:], draw(again, 2))


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 4)), min_size=1, max_size=12),
    st.integers(9, 20),
    st.integers(1, 4),
    st.sampled_from(KINDS[:4]),
)
def test_windows_that_have_left_are_never_drawn(plan, capacity, batch_size, kind):
    """Each row of `ego` is unique, so that a window is known by what it holds."""
    cls, options = kind
    dataset = dataset_of([9], capacity=capacity)
    sampler = cls(d(options), dataset, batch_size, seed=1)
    seen, epoch = Counter(), 0
    for step, (length, batches) in enumerate(plan):
        dataset.add_episode(to_episode(SPEC, make_episodes(SPEC, [length], seed=step + 1)[0]))
        for _ in range(batches):
            again = cls(d(options), dataset, batch_size, seed=1)
            again.load_state(sampler.state())
            indices = sampler.next_indices()
            assert np.array_equal(again.next_indices(), indices)
            assert indices.shape == (batch_size,) and indices.min() >= 0 and indices.max() < len(dataset)
            if cls is SequentialSampler and sampler.epoch == epoch:
                seen.update(row.tobytes() for row in dataset.get_batch(indices)[0]["ego"])
                assert max(seen.values()) == 1
            else:
                seen, epoch = Counter(), getattr(sampler, "epoch", 0)


def test_a_state_outlives_a_dataset_that_was_saved_and_loaded_again(tmp_path):
    from muse.datasets import NpDataset

    episodes = make_episodes(SPEC, [4, 5, 6])
    dataset = make_dataset(SPEC, episodes[:2], horizon=1, capacity=12)
    sampler = SequentialSampler(d(), dataset, 2, seed=1)
    sampler.next_indices()
    dataset.add_episode(to_episode(SPEC, episodes[2]))
    state = sampler.state()
    assert state["left"] == 4
    loaded = NpDataset(d(file=str(dataset.save(tmp_path / "a.npz")), horizon=1, pad_end_sequence=True), SPEC)
    assert_same_episodes(loaded, episodes[1:])
    again = SequentialSampler(d(), loaded, 2, seed=1)
    again.load_state(state)
    assert same(draw(sampler, 6), draw(again, 6))


def test_uniform_draws_windows_or_episodes_equally():
    dataset = dataset_of([30, 3, 7])
    rows = np.concatenate(draw(UniformSampler(d(), dataset, 4000), 5))
    assert np.bincount(rows, minlength=40) == pytest.approx(500, rel=0.25)
    episodes = np.searchsorted(
        [30, 33, 40], np.concatenate(draw(UniformSampler(d(uniform_episodes=True), dataset, 4000), 3)), "right"
    )
    assert np.bincount(episodes) == pytest.approx(4000, rel=0.1)


def test_uniform_draws_from_what_is_there_now():
    dataset = dataset_of([2])
    sampler = UniformSampler(d(), dataset, 50)
    assert set(sampler.next_indices()) == {0, 1}
    dataset.add_episode(to_episode(SPEC, make_episodes(SPEC, [3])[0]))
    assert set(sampler.next_indices()) == {0, 1, 2, 3, 4}


def test_weights_are_chances():
    dataset = dataset_of([30, 3, 7])
    weights = np.arange(40) % 4
    counts = np.bincount(np.concatenate(draw(WeightedSampler(d(weights=weights), dataset, 6000), 5)), minlength=40)
    assert np.all(counts[weights == 0] == 0)
    assert counts[weights > 0] / weights[weights > 0] == pytest.approx(500, rel=0.25)
    drawn = np.concatenate(draw(WeightedSampler(d(weights=[0, 1, 3], per="episode"), dataset, 4000), 3))
    episodes = np.bincount(np.searchsorted([30, 33, 40], drawn, "right"), minlength=3)
    assert episodes[0] == 0 and episodes[1:] == pytest.approx([3000, 9000], rel=0.1)


def test_the_last_window_of_weight_zero_is_never_drawn():
    sampler = WeightedSampler(d(weights=[0, 1e-300, 0]), range(3), 100)
    assert set(np.concatenate(draw(sampler, 20))) == {1}


def message(call):
    with pytest.raises(SamplerError) as caught:
        call()
    return str(caught.value)


def test_messages():
    dataset = dataset_of([4, 3])
    empty = make_dataset(SPEC, [])
    told = [
        message(lambda: SequentialSampler(d(), dataset, 0)),
        message(lambda: SequentialSampler(d(), empty, 2).next_indices()),
        message(lambda: UniformSampler(d(), empty, 2).next_indices()),
        message(lambda: UniformSampler(d(uniform_episodes=True), range(3), 2)),
        message(lambda: SequentialSampler(d(), dataset, 2).load_state({"batches": 3})),
        message(lambda: SequentialSampler(d(), dataset, 2).load_state({"epoch": 0, "position": 5, "count": 4, "left": 0})),
        message(lambda: SequentialSampler(d(), dataset, 2).load_state({"epoch": 0, "position": 1, "count": 9, "left": 0})),
        message(lambda: UniformSampler(d(), dataset, 2).load_state({"batches": -1})),
        message(lambda: UniformSampler(d(), dataset, 2).load_state({"batches": 0.5})),
        message(lambda: WeightedSampler(d(weights=[1, 2]), dataset, 2)),
        message(lambda: WeightedSampler(d(weights=[1, 2, 3], per="episode"), dataset, 2)),
        message(lambda: WeightedSampler(d(weights=[1, 2, 3], per="episode"), range(3), 2)),
        message(lambda: WeightedSampler(d(weights=[1, -2, 3]), range(3), 2)),
        message(lambda: WeightedSampler(d(weights=[1, np.nan], per="episode"), dataset, 2)),
        message(lambda: WeightedSampler(d(weights=[0, 0, 0]), range(3), 2)),
        message(lambda: WeightedSampler(d(weights=["a"]), range(1), 2)),
    ]
    assert told == [
        "SequentialSampler: batch_size 0; expected at least 1",
        "SequentialSampler: no windows to draw from; expected at least one\n  try: add episodes first, or shorten the horizon",
        "UniformSampler: no windows to draw from; expected at least one\n  try: add episodes first, or shorten the horizon",
        "UniformSampler: 'uniform_episodes': a range; expected a dataset with windows_per_episode()",
        "SequentialSampler.load_state: {'batches': 3}; expected what state() returned",
        "SequentialSampler.load_state: {'epoch': 0, 'position': 5, 'count': 4, 'left': 0}; expected what state() returned",
        "SequentialSampler.load_state: an epoch of 9 windows; expected at most the dataset's 7\n"
        "  try: the data of the run that is resumed",
        "UniformSampler.load_state: {'batches': -1}; expected what state() returned",
        "UniformSampler.load_state: {'batches': 0.5}; expected what state() returned",
        "WeightedSampler: 'weights': 2 numbers; expected one for each of 7 windows\n"
        "  try: UniformSampler for a dataset that grows",
        "WeightedSampler: 'weights': 3 numbers; expected one for each of 2 episodes",
        "WeightedSampler: 'per': a range; expected a dataset with windows_per_episode()",
        "WeightedSampler: 'weights': -2 for window 1; expected finite numbers of 0 or more",
        "WeightedSampler: 'weights': nan for episode 1; expected finite numbers of 0 or more",
        "WeightedSampler: 'weights': nothing above 0; expected a window that can be drawn",
        "WeightedSampler: 'weights': shape (1,) <U1; expected a list of numbers",
    ]
