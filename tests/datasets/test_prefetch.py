import threading

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from made_data import joined, make_dataset, make_episodes, make_spec, to_episode

from muse.datasets import DataError, Prefetcher
from muse.datasets.samplers import UniformSampler

SPEC = make_spec()
EPISODES = make_episodes(SPEC, [4, 5, 3])


class Broken(Exception):
    pass


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def dataset():
    return make_dataset(SPEC, EPISODES)


def assert_same_batch(batch, other):
    batch, other = joined(batch), joined(other)
    assert set(batch) == set(other)
    assert all(np.array_equal(np.asarray(batch[name]), np.asarray(other[name])) for name in batch)


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("kind", ["sequential", "uniform"])
def test_the_batches_are_the_same_in_the_same_order(dataset, depth, kind):
    samplers = [dataset.get_sampler(3) if kind == "sequential" else UniformSampler(d(), dataset, 4, 3) for _ in range(2)]
    with Prefetcher(dataset, samplers[0], depth=depth) as batches:
        for _ in range(15):
            assert_same_batch(batches.next_batch(), dataset.get_batch(samplers[1].next_indices()))
            assert batches.state() == samplers[1].state()


def test_the_state_is_that_after_what_was_consumed(dataset):
    for count in range(8):
        sampler = dataset.get_sampler(3)
        with Prefetcher(dataset, sampler, depth=3) as batches:
            for _ in range(count):
                batches.next_batch()
            state = batches.state()
        assert sampler.state() == state
        plain = dataset.get_sampler(3)
        for _ in range(count):
            plain.next_indices()
        assert plain.state() == state
        again = dataset.get_sampler(3)
        again.load_state(state)
        with Prefetcher(dataset, again) as batches:
            for _ in range(5):
                assert_same_batch(next(batches), dataset.get_batch(plain.next_indices()))


def test_names_and_device_are_passed_on(dataset):
    with Prefetcher(dataset, dataset.get_sampler(3), torch_device="cpu", names=["ego"]) as batches:
        batch = joined(batches.next_batch())
    assert set(batch) == {"ego", "done", "padding_mask"} and isinstance(batch["ego"], torch.Tensor)


def test_an_error_comes_at_its_batch_and_stays(dataset):
    sampler, count = dataset.get_sampler(3), 0
    plain = sampler.next_indices

    def next_indices():
        nonlocal count
        count += 1
        if count == 4:
            raise Broken("the fourth")
        return plain()

    sampler.next_indices = next_indices
    with Prefetcher(dataset, sampler, depth=2) as batches:
        for _ in range(3):
            batches.next_batch()
        for _ in range(3):
            with pytest.raises(Broken, match="the fourth"):
                batches.next_batch()


def test_an_unknown_name_is_an_error_of_the_consumer(dataset):
    with Prefetcher(dataset, dataset.get_sampler(3), names=["egg"]) as batches, pytest.raises(DataError, match="'egg'"):
        batches.next_batch()


def test_it_ends_when_nobody_takes_anything_and_in_an_error_of_the_consumer(dataset):
    Prefetcher(dataset, dataset.get_sampler(3)).close()
    with pytest.raises(Broken), Prefetcher(dataset, dataset.get_sampler(3)) as batches:
        batches.next_batch()
        raise Broken
    batches.close()
    batches.close()


def test_no_batch_is_given_of_a_full_buffer_that_went_on():
    dataset = make_dataset(SPEC, make_episodes(SPEC, [4, 4, 4]), capacity=12)
    with Prefetcher(dataset, dataset.get_sampler(3)) as batches:
        batches.next_batch()
        dataset.add_episode(to_episode(SPEC, EPISODES[0]))
        assert len(dataset) == 12
        for _ in range(2):
            with pytest.raises(DataError) as caught:
                batches.next_batch()
            assert str(caught.value) == (
                "Prefetcher: 4 windows have left; expected a dataset that does not change\n"
                "  try: close the Prefetcher before episodes are added"
            )


def test_messages(dataset):
    told = []
    for call in (
        lambda: Prefetcher(dataset, dataset.get_sampler(3), depth=0),
        lambda: _closed(dataset).next_batch(),
        lambda: _grown(dataset),
    ):
        with pytest.raises(DataError) as caught:
            call()
        told.append(str(caught.value))
    assert told == [
        "Prefetcher: 'depth': 0; expected at least 1",
        "Prefetcher.next_batch: closed; expected a new Prefetcher",
        "Prefetcher: 16 windows, 12 before; expected a dataset that does not change\n"
        "  try: close the Prefetcher before episodes are added",
    ]


def _closed(dataset):
    batches = Prefetcher(dataset, dataset.get_sampler(3))
    batches.close()
    return batches


def _grown(dataset):
    with Prefetcher(dataset, dataset.get_sampler(3)) as batches:
        dataset.add_episode(to_episode(SPEC, EPISODES[0]))
        for _ in range(9):
            batches.next_batch()
