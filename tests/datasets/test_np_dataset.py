import logging

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import (
    SMALL,
    assert_same_episodes,
    assert_same_windows,
    joined,
    make_dataset,
    make_episodes,
    make_spec,
    reference_windows,
    to_episode,
)

from muse.datasets import DataError, NpDataset
from muse.testing import check_dataset
from muse.utils.attrdicts import flatten, nest

SPEC = make_spec()
ONCE = {"param/size", "final/count"}
KINDS = ("float32", "float64", "float16", "int64", "int8", "uint8", "bool", "U3")
leaf_lists = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), max_size=2).map(tuple),
        st.sampled_from(KINDS),
        st.sampled_from(("observation", "output_observation", "goal", "action", "param", "final", "")),
    ),
    max_size=5,
).map(lambda found: [("ego", (2,), "float32", "observation")] + [(f"n{i % 2}/x{i}", *leaf) for i, leaf in enumerate(found)])
windowings = st.fixed_dictionaries(
    {
        "horizon": st.integers(1, 5),
        "horizon_skip": st.integers(1, 3),
        "pad_start": st.booleans(),
        "pad_end_sequence": st.booleans(),
    }
)


def reference(episodes, spec, options):
    once = {*spec.param_names, *spec.final_names}
    its = [options[name] for name in ("horizon", "horizon_skip", "pad_start", "pad_end_sequence")]
    return reference_windows(episodes, once, *its)


@given(leaf_lists, st.lists(st.integers(1, 9), min_size=1, max_size=6), windowings, st.integers(0, 99))
def test_windows_are_those_of_plain_loops(leaves, lengths, options, seed):
    spec = make_spec(leaves)
    episodes = make_episodes(spec, lengths, seed)
    dataset = make_dataset(spec, episodes, **options)
    windows = reference(episodes, spec, options)
    assert len(dataset) == len(windows)
    order = np.random.default_rng(seed).permutation(len(windows))
    assert_same_windows(dataset, [windows[i] for i in order], order)
    horizon, skip = options["horizon"], options["horizon_skip"]
    for length, count in zip(lengths, dataset.windows_per_episode(), strict=True):
        if not options["pad_start"]:
            assert count == (length if options["pad_end_sequence"] else max(0, length - (horizon - 1) * skip))
        elif options["pad_end_sequence"]:
            assert count == length + horizon - 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=14), st.integers(9, 25), windowings)
def test_a_full_buffer_holds_the_last_episodes(lengths, capacity, options):
    spec = make_spec(SMALL)
    episodes = make_episodes(spec, lengths)
    dataset = make_dataset(spec, [], capacity=capacity, **options)
    held = []
    gone = 0
    for values in episodes:
        dataset.add_episode(to_episode(spec, values))
        held.append(values)
        while sum(len(one["ego"]) for one in held) > capacity:
            gone += len(reference([held.pop(0)], spec, options))
        assert dataset.num_rows == sum(len(one["ego"]) for one in held)
        assert dataset.first_window == gone
    assert_same_episodes(dataset, held)
    windows = reference(held, spec, options)
    assert len(dataset) == len(windows)
    assert_same_windows(dataset, windows)
    rows = np.concatenate([one["ego"] for one in held]).astype(np.float64)
    np.testing.assert_allclose(dataset.get_statistics(["ego"])["ego"].mean, rows.mean(0), rtol=1e-12)


def test_a_buffer_that_is_saved_after_eviction_loads_again(tmp_path):
    spec = make_spec(SMALL)
    episodes = make_episodes(spec, [4, 5, 6])
    dataset = make_dataset(spec, episodes, capacity=12)
    for name in ("a.npz", "a.muse"):
        loaded = NpDataset(d(file=str(dataset.save(tmp_path / name)), horizon=2), spec)
        assert_same_episodes(loaded, episodes[1:])


def test_batches_are_split_by_role():
    inputs, outputs = make_dataset(SPEC, make_episodes(SPEC, [4, 5])).get_batch(np.arange(3))
    assert set(flatten(outputs)) == {"reward", "truncated", "final/count", "done", "padding_mask"}
    assert set(flatten(inputs)) == {"ego", "objects/position", "image", "goal/position", "action", "note", "param/size"}
    assert inputs["objects/position"].shape == (3, 3, 2, 3)
    assert outputs["final/count"].shape == (3, 3)


def test_it_keeps_the_contract():
    check_dataset(make_dataset(SPEC, make_episodes(SPEC, [4, 5, 1]), pad_start=True), grow=True)
    check_dataset(make_dataset(SPEC, make_episodes(SPEC, [4, 5, 3]), pad_end_sequence=False, horizon_skip=1), grow=True)


def test_tensors_are_the_arrays(caplog):
    dataset = make_dataset(SPEC, make_episodes(SPEC, [4, 5]))
    arrays, tensors = (joined(dataset.get_batch(np.arange(5), torch_device=device)) for device in (None, torch.device("cpu")))
    for name, array in arrays.items():
        if name == "note":
            assert isinstance(tensors[name], np.ndarray)
        else:
            assert isinstance(tensors[name], torch.Tensor)
            assert np.array_equal(tensors[name].numpy(), array) and tensors[name].numpy().dtype == array.dtype


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_tensors_on_a_gpu_are_the_arrays():
    dataset = make_dataset(SPEC, make_episodes(SPEC, [4, 5]))
    arrays, tensors = (joined(dataset.get_batch(np.arange(5), torch_device=device)) for device in (None, "cuda"))
    for name, array in arrays.items():
        if name != "note":
            assert tensors[name].is_cuda and np.array_equal(tensors[name].cpu().numpy(), array)


@pytest.mark.parametrize(
    "indices", [[-1], [0, 7], [2**63 - 1], [-(2**62)], [0.5], [True], [[0]], np.array([2**64 - 1], np.uint64), 0, ["a"]]
)
def test_indices_that_are_none_are_refused(indices):
    dataset = make_dataset(make_spec(SMALL), make_episodes(make_spec(SMALL), [4, 3]))
    assert len(dataset) == 7
    with pytest.raises(DataError, match="get_batch"):
        dataset.get_batch(indices)


def test_no_indices_make_an_empty_batch():
    inputs, outputs = make_dataset(SPEC, make_episodes(SPEC, [4])).get_batch([])
    assert inputs["objects/position"].shape == (0, 3, 2, 3) and outputs["done"].shape == (0, 3)


@pytest.mark.parametrize("index", [-1, 2, 0.0, True, "0", None])
def test_episodes_that_are_not_there_are_refused(index):
    with pytest.raises(DataError, match="get_episode"):
        make_dataset(SPEC, make_episodes(SPEC, [4, 3])).get_episode(index)


@given(st.integers(1, 60), st.floats(0.01, 0.99))
def test_train_and_holdout_share_no_episode_and_miss_none(count, bound):
    spec = make_spec([("ego", (1,), "int64", "observation")])
    whole = make_dataset(spec, [{"ego": np.array([[i]])} for i in range(count)], horizon=1)
    held = []
    for bounds in ([0, bound], [bound, 1]):
        try:
            options = d(load_from_base=True, load_episode_range=bounds, horizon=1, pad_end_sequence=True)
            part = NpDataset(options, spec, base_dataset=shared_base(whole))
        except DataError as error:
            assert "no episode is chosen of" in str(error)
        else:
            held += [int(part.get_episode(i)["ego"][0, 0]) for i in range(part.get_num_episodes())]
    assert held == list(range(count))


def shared_base(dataset):
    """Returns a dataset whose loaded episodes are those of one that has grown."""
    assert dataset._whole is dataset._store
    return dataset


def test_a_hundredth_is_a_hundredth(tmp_path):
    spec = make_spec(SMALL)
    file = str(make_dataset(spec, make_episodes(spec, [1] * 100)).save(tmp_path / "a.npz"))
    for bound in (0.07, 0.1, 0.29, 0.55, 0.57, 0.9):
        for bounds, count in (([0, bound], bound), ([bound, 1], 1 - bound)):
            dataset = NpDataset(d(file=file, load_episode_range=bounds, horizon=1), spec)
            assert dataset.get_num_episodes() == round(100 * count)


def test_several_files_are_one_dataset(tmp_path):
    episodes = make_episodes(SPEC, [4, 3, 5])
    files = [
        str(make_dataset(SPEC, [one]).save(tmp_path / name))
        for one, name in zip(episodes, ("a.npz", "b.muse", "c.npz"), strict=True)
    ]
    assert_same_episodes(NpDataset(d(file=files, horizon=2), SPEC), episodes)
    assert_same_episodes(NpDataset(d(file=files, horizon=2, load_episode_range=[0.3, 1.0]), SPEC), episodes[1:])
    assert_same_episodes(NpDataset(d(file=files, horizon=2, initial_load_episodes=2), SPEC), episodes[:2])


@pytest.mark.parametrize("name", ["a.npz", "a.muse"])
def test_named_splits(tmp_path, name):
    episodes = make_episodes(SPEC, [4, 3, 5, 6, 2])
    dataset = make_dataset(SPEC, episodes)
    dataset.meta = {"splits": {"train": [4, 0, 2], "holdout": [1, 3], "few": [1, 2]}, "fingerprint": {"env": "X"}}
    file = str(dataset.save(tmp_path / name))
    for split, numbers in dataset.meta["splits"].items():
        chosen = NpDataset(d(file=file, horizon=2, split=split), SPEC)
        assert_same_episodes(chosen, [episodes[i] for i in numbers])
        assert chosen.meta == dataset.meta
    half = NpDataset(d(file=file, horizon=2, split="train", load_episode_range=[0, 0.5]), SPEC)
    assert_same_episodes(half, [episodes[4], episodes[0]])
    again = NpDataset(d(file=[file, file], horizon=2, split="holdout"), SPEC)
    assert_same_episodes(again, [episodes[1], episodes[3]] * 2)


def test_holdout_shares_the_memory_of_its_base(tmp_path):
    episodes = make_episodes(SPEC, [4, 3, 5])
    file = str(make_dataset(SPEC, episodes).save(tmp_path / "a.npz"))
    train = NpDataset(d(file=file, load_episode_range=[0, 0.6], horizon=2), SPEC)
    holdout = NpDataset(d(file=file, load_episode_range=[0.6, 1], horizon=3, load_from_base=True), SPEC, base_dataset=train)
    assert_same_episodes(train, episodes[:2])
    assert_same_episodes(holdout, episodes[2:])
    for ours, theirs, whole in zip(holdout._store.blocks, train._store.blocks, train._whole.blocks, strict=True):
        assert np.shares_memory(ours.array, whole.array) and np.shares_memory(theirs.array, whole.array)
    train.add_episode(to_episode(SPEC, episodes[0]))
    holdout.add_episode(to_episode(SPEC, episodes[1]))
    assert_same_episodes(train, [*episodes[:2], episodes[0]])
    assert_same_episodes(holdout, [episodes[2], episodes[1]])


def test_what_is_shared_outlives_the_base_that_forgets_it():
    spec = make_spec(SMALL)
    episodes = make_episodes(spec, [4, 5, 3, 4, 5, 3, 4, 5])
    base = make_dataset(spec, episodes[:3], capacity=12)
    holdout = NpDataset(d(load_from_base=True, horizon=1), spec, base_dataset=base)
    for values in episodes[3:]:
        base.add_episode(to_episode(spec, values))
    assert_same_episodes(base, episodes[5:])
    assert_same_episodes(holdout, episodes[:3])


def test_steps_are_added_one_by_one():
    (values,) = make_episodes(SPEC, [4])
    dataset = make_dataset(SPEC, [])
    for t in range(4):
        step = {name: value[t : t + 1] for name, value in values.items() if name not in ONCE}
        if t == 0:
            step["param/size"] = values["param/size"][None]
        if t == 3:
            step["final/count"] = values["final/count"][None]
        outputs = {"done": np.array([t == 3]), "reward": step.pop("reward"), "truncated": step.pop("truncated")}
        dataset.add(nest(step), nest(outputs))
        assert dataset.get_num_episodes() == (t == 3)
    assert_same_episodes(dataset, [values])


def test_a_step_that_is_refused_is_not_taken():
    spec = make_spec(SMALL)
    (values,) = make_episodes(spec, [2])
    dataset = make_dataset(spec, [])
    good = [{n: v[t : t + 1] if n != "param/size" else v[None] for n, v in values.items()} for t in range(2)]
    dataset.add(good[0], {"done": np.array([False])})
    for bad in (
        {"ego": np.full((1, 2), np.nan, "float32")},
        {"ego": np.zeros((2, 2), "float32")},
        {"action": np.zeros((1, 2), int)},
    ):
        with pytest.raises(DataError, match="NpDataset.add, step 1"):
            dataset.add({**good[1], **bad}, {"done": np.array([True])})
    dataset.add(good[1], {"done": np.array([True])})
    assert_same_episodes(dataset, [values])


def test_episodes_come_as_values_or_as_inputs_and_outputs():
    (values,) = make_episodes(SPEC, [4])
    dataset = make_dataset(SPEC, [values])
    dataset.add_episode(*dataset.get_episode(0, split=True))
    assert_same_episodes(dataset, [values, values])


def test_frozen_refuses_to_grow(tmp_path):
    spec = make_spec(SMALL)
    episodes = make_episodes(spec, [4, 3])
    file = str(make_dataset(spec, episodes).save(tmp_path / "a.npz"))
    dataset = NpDataset(d(file=file, frozen=True, horizon=2), spec)
    with pytest.raises(DataError, match="frozen"):
        dataset.add_episode(to_episode(spec, episodes[0]))
    with pytest.raises(DataError, match="frozen"):
        dataset.add({"ego": np.zeros((1, 2), "float32")}, {"done": np.array([False])})
    assert_same_episodes(dataset, episodes)
    check_dataset(dataset)


def test_adding_an_episode_leaves_batches_alone():
    episodes = make_episodes(SPEC, [4, 3])
    dataset = make_dataset(SPEC, episodes)
    batch = joined(dataset.get_batch(np.arange(4)))
    before = {name: value.copy() for name, value in batch.items()}
    for _ in range(20):
        dataset.add_episode(to_episode(SPEC, episodes[1]))
    assert all(np.array_equal(batch[name], value) for name, value in before.items())
    held = dataset.get_episode(0)
    held["ego"][...] = 7
    assert not (dataset.get_episode(0)["ego"] == 7).any()


def test_short_episodes_are_listed_once(caplog, tmp_path):
    spec = make_spec(SMALL)
    file = str(make_dataset(spec, make_episodes(spec, [4, 2, 6, 1])).save(tmp_path / "a.npz"))
    with caplog.at_level(logging.WARNING):
        dataset = NpDataset(d(file=file, horizon=3), spec)
    (record,) = caplog.records
    assert record.getMessage() == f"{file}: 2 episodes are too short for a window of 3 rows: 1, 3"
    assert dataset.windows_per_episode().tolist() == [2, 0, 4, 0]
    with pytest.raises(DataError, match="no episode has the 7 rows"):
        NpDataset(d(file=file, horizon=4, horizon_skip=2), spec)


def test_more_than_the_capacity_is_said(caplog, tmp_path):
    spec = make_spec(SMALL)
    episodes = make_episodes(spec, [4, 2, 3])
    file = str(make_dataset(spec, episodes).save(tmp_path / "a.npz"))
    with caplog.at_level(logging.WARNING):
        dataset = NpDataset(d(file=file, horizon=1, capacity=6), spec)
    assert caplog.records[0].getMessage() == f"{file}: 9 rows, beyond the capacity of 6; the first episodes leave"
    assert_same_episodes(dataset, episodes[1:])
    with pytest.raises(DataError, match="an episode of 4 rows"):
        NpDataset(d(file=file, horizon=1, capacity=3), spec)


@given(st.integers(1, 40), st.sampled_from(["float32", "float64", "int64", "uint8", "bool", "float16"]), st.integers(0, 99))
def test_statistics_are_numpys(rows, dtype, seed):
    spec = make_spec(
        [("ego", (3,), dtype, "observation"), ("still", (2,), "float64", "observation"), ("param/x", (2,), dtype, "param")]
    )
    (values, other) = make_episodes(spec, [rows, 3], seed)
    values["still"], other["still"] = np.full((rows, 2), 0.1), np.full((3, 2), 0.1)
    found = make_dataset(spec, [values, other]).get_statistics(["ego", "still", "param/x"])
    wanted = {name: np.concatenate([values[name], other[name]]).astype(np.float64) for name in ("ego", "still")}
    wanted["param/x"] = np.stack([values["param/x"], other["param/x"]]).astype(np.float64)
    for name, array in wanted.items():
        its = found[name]
        assert its.count == len(array) and its.mean.dtype == its.std.dtype == its.min.dtype == np.float64
        np.testing.assert_allclose(its.mean, array.mean(0), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(its.std, array.std(0), rtol=1e-9, atol=1e-12)
        assert np.array_equal(its.min, array.min(0)) and np.array_equal(its.max, array.max(0))
    assert np.all(found["still"].std == 0)
    assert np.array_equal(found["still"].mean, found["still"].min)


def test_statistics_of_many_rows_in_parts(monkeypatch):
    monkeypatch.setattr("muse.datasets.numbers._PART_ELEMENTS", 10)
    (values,) = make_episodes(SPEC, [101])
    its = make_dataset(SPEC, [values]).get_statistics(["objects/position"])["objects/position"]
    array = values["objects/position"].astype(np.float64)
    np.testing.assert_allclose(its.mean, array.mean(0), rtol=1e-12)
    np.testing.assert_allclose(its.std, array.std(0), rtol=1e-12)
    assert np.array_equal(its.max, array.max(0))


def test_saving_a_folder_again_only_appends(tmp_path):
    episodes = make_episodes(SPEC, [4, 3, 5])
    dataset = make_dataset(SPEC, episodes[:1])
    dataset.save(tmp_path / "a.muse")
    before = (tmp_path / "a.muse").stat().st_ino
    for values in episodes[1:]:
        dataset.add_episode(to_episode(SPEC, values))
        dataset.save(tmp_path / "a.muse")
        assert (tmp_path / "a.muse").stat().st_ino == before
    assert_same_episodes(NpDataset(d(file=str(tmp_path / "a.muse"), horizon=1), SPEC), episodes)
    make_dataset(SPEC, episodes[:2]).save(tmp_path / "a.muse")
    dataset.add_episode(to_episode(SPEC, episodes[0]))
    dataset.save(tmp_path / "a.muse")
    assert_same_episodes(NpDataset(d(file=str(tmp_path / "a.muse"), horizon=1), SPEC), [*episodes, episodes[0]])


def test_an_episode_as_a_value_can_be_added_elsewhere(tmp_path):
    episodes = make_episodes(SPEC, [4, 3])
    dataset, other = make_dataset(SPEC, episodes), make_dataset(SPEC, [])
    for index in range(2):
        episode = dataset.to_episode(index)
        episode.check(SPEC)
        assert set(flatten(episode.onetime)) == {*SPEC.param_names, *SPEC.final_names}
        other.add_episode(episode)
    assert_same_episodes(other, episodes)
