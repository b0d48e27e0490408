"""Every place that windows can come from gives those of plain loops."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import assert_same_episodes, assert_same_windows, make_dataset, make_episodes, make_spec, reference_windows
from made_robomimic import write_robomimic

from muse.datasets import ConcatDataset, DataError, Hdf5Dataset, NpDataset
from muse.datasets.formats import folder
from muse.datasets.loading import write_file

KINDS = ("float32", "float64", "int64", "int8", "uint8", "bool", "U3")
ROLES = ("observation", "output_observation", "goal", "param", "final", "")
leaf_lists = st.lists(
    st.tuples(st.lists(st.integers(1, 3), max_size=2).map(tuple), st.sampled_from(KINDS), st.sampled_from(ROLES)), max_size=4
).map(
    lambda found: (
        [("ego", (2,), "float32", "observation"), ("action", (3,), "float32", "action")]
        + [(f"n{i % 2}/x{i}", *leaf) for i, leaf in enumerate(found)]
    )
)
windowings = st.fixed_dictionaries(
    {
        "horizon": st.integers(1, 5),
        "horizon_skip": st.integers(1, 3),
        "pad_start": st.booleans(),
        "pad_end_sequence": st.booleans(),
    }
)


def from_npz(place, spec, data, options):
    write_file(place / "a.npz", data)
    return NpDataset(d(file=str(place / "a.npz"), frozen=True, **options), spec)


def from_folder(place, spec, data, options):
    write_file(place / "a.muse", data)
    return NpDataset(d(file=str(place / "a.muse"), frozen=True, **options), spec)


def from_grown_folder(place, spec, data, options):
    for number in range(len(data.ends)):
        folder.append(place / "a.muse", only(data, number))
    return NpDataset(d(file=str(place / "a.muse"), frozen=True, **options), spec)


def from_hdf5(place, spec, data, options):
    write_robomimic(place / "a.hdf5", data)
    return Hdf5Dataset(d(file=str(place / "a.hdf5"), **options), spec)


def from_hdf5_in_memory(place, spec, data, options):
    write_robomimic(place / "a.hdf5", data)
    return Hdf5Dataset(d(file=str(place / "a.hdf5"), in_memory=True, **options), spec)


def from_several(place, spec, data, options):
    """An archive, a folder and a file of robomimic, as one dataset; each has one episode at least."""
    count = len(data.ends)
    groups = {}
    for number in range(count):
        part = only(data, number)
        match number % 3:
            case 0:
                write_file(place / f"{number}.npz", part)
                groups[f"p{number}"] = d(cls=NpDataset, file=str(place / f"{number}.npz"), frozen=True, **options)
            case 1:
                write_file(place / f"{number}.muse", part)
                groups[f"p{number}"] = d(cls=NpDataset, file=str(place / f"{number}.muse"), frozen=True, **options)
            case _:
                write_robomimic(place / f"{number}.hdf5", part)
                groups[f"p{number}"] = d(cls=Hdf5Dataset, file=str(place / f"{number}.hdf5"), **options)
    return ConcatDataset(d(datasets=d(**groups)), spec)


def only(data, number):
    """Returns one episode."""
    rest = data.from_episode(number)
    end = int(rest.ends[0])
    steps = {name: array[:end] for name, array in rest.steps.items()}
    return type(data)(steps, {name: array[:1] for name, array in rest.onetime.items()}, rest.ends[:1], data.meta)


@pytest.mark.parametrize(
    "backend",
    [from_npz, from_folder, from_grown_folder, from_hdf5, from_hdf5_in_memory, from_several],
    ids=lambda call: call.__name__,
)
@settings(max_examples=15)
@given(leaf_lists, st.lists(st.integers(1, 9), min_size=1, max_size=4), windowings, st.integers(0, 99))
def test_windows_are_those_of_plain_loops(backend, tmp_path_factory, leaves, lengths, options, seed):
    spec = make_spec(leaves)
    episodes = make_episodes(spec, lengths, seed)
    data = make_dataset(spec, episodes).to_data()
    place = tmp_path_factory.mktemp("data")
    once = {*spec.param_names, *spec.final_names}
    its = [options[name] for name in ("horizon", "horizon_skip", "pad_start", "pad_end_sequence")]
    windows = reference_windows(episodes, once, *its)
    parts = [[one] for one in episodes] if backend is from_several else [episodes]
    if not all(reference_windows(part, once, *its) for part in parts):
        with pytest.raises(DataError, match="no episode has the"):
            backend(place, spec, data, options)
        return
    dataset = backend(place, spec, data, options)
    order = np.random.default_rng(seed).permutation(len(windows))
    assert_same_windows(dataset, [windows[i] for i in order], order)
    assert_same_episodes(dataset, episodes)
