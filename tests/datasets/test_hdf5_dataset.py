import pickle

import numpy as np
import pytest
from attrdict import AttrDict as d
from made_data import joined, make_dataset, make_episodes, make_spec
from made_robomimic import made_by_muse, make_file, write_robomimic

from muse.datasets import DataError, GoalRelabelling, Hdf5Dataset, InteractionWindows, NpDataset
from muse.datasets.formats.registry import open_data
from muse.datasets.loading import write_file
from muse.datasets.preprocess import RewardToGo
from muse.specs import EnvSpec
from muse.testing import check_dataset


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_file_of_robomimic_is_what_its_conversion_is(tmp_path, in_memory):
    source = make_file(tmp_path / "a.hdf5", dtype=np.float64)
    data = open_data(source)
    write_file(tmp_path / "a.npz", data)
    spec = EnvSpec.from_dict(data.meta["spec"])
    options = {"horizon": 3, "pad_end_sequence": True}
    ours = Hdf5Dataset(d(file=str(source), in_memory=in_memory, **options), spec)
    theirs = NpDataset(d(file=str(tmp_path / "a.npz"), **options), spec)
    assert len(ours) == len(theirs) > 0
    mine, its = (joined(dataset.get_batch(np.arange(len(theirs))[::-1])) for dataset in (ours, theirs))
    assert set(mine) == set(its) and {"object", "image", "final/next/object", "policy_name", "states"} <= set(mine)
    for name, value in its.items():
        assert mine[name].dtype == value.dtype and np.array_equal(mine[name], value), name
    names = [name for name in theirs.to_data().steps if spec.leaf(name).dtype.kind in "fiu"]
    for name, statistics in theirs.get_statistics(names).items():
        for what in ("mean", "std", "min", "max"):
            np.testing.assert_allclose(getattr(ours.get_statistics([name])[name], what), getattr(statistics, what), rtol=1e-12)
    assert ours.meta["splits"] == theirs.meta["splits"]
    check_dataset(ours)


def test_next_observations_by_name(tmp_path):
    source = make_file(tmp_path / "a.hdf5")
    spec = make_spec(
        [
            ("object", (14,), "float32", "observation"),
            ("next/object", (14,), "float32", ""),
            ("action", (7,), "float32", "action"),
        ]
    )
    dataset = Hdf5Dataset(d(file=str(source), horizon=1, names=["next_obs/object=next/object"]), spec)
    for episode in (dataset.get_episode(index) for index in range(dataset.get_num_episodes())):
        assert np.array_equal(episode["next/object"][:-1], episode["object"][1:])


def test_splits_ranges_files_and_shared_bases(tmp_path):
    files = [str(make_file(tmp_path / name)) for name in ("a.hdf5", "b.hdf5")]
    spec = make_spec([("object", (14,), "float32", "observation"), ("action", (7,), "float32", "action")])
    whole = Hdf5Dataset(d(file=files, horizon=1), spec)
    assert whole.get_num_episodes() == 8 and whole.meta["splits"] == {
        "train": [1, 0, 5, 4] and whole.meta["splits"]["train"],
        "valid": [3, 7],
    }
    assert Hdf5Dataset(d(file=files, horizon=1, split="valid"), spec).get_num_episodes() == 2
    shared = Hdf5Dataset(d(load_from_base=True, load_episode_range=[0.5, 1.0], horizon=1), spec, base_dataset=whole)
    assert shared.get_num_episodes() == 4
    for index in range(4):
        assert np.array_equal(shared.get_episode(index)["object"], whole.get_episode(4 + index)["object"])


def test_it_goes_to_another_process(tmp_path):
    spec = make_spec([("object", (14,), "float32", "observation"), ("action", (7,), "float32", "action")])
    dataset = Hdf5Dataset(d(file=str(make_file(tmp_path / "a.hdf5")), horizon=2), spec)
    before = joined(dataset.get_batch(np.arange(3)))
    after = joined(pickle.loads(pickle.dumps(dataset)).get_batch(np.arange(3)))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def message(tmp_path, leaves, change=None, **options):
    file = make_file(tmp_path / "a.hdf5", change=change)
    with pytest.raises(DataError) as caught:
        dataset = Hdf5Dataset(d(file=str(file), horizon=1, **options), make_spec(leaves))
        dataset.get_batch(np.arange(len(dataset)))
    return str(caught.value).replace(str(tmp_path), "").replace("\n", " ")


def test_messages(tmp_path):
    action = ("action", (7,), "float32", "action")
    assert message(tmp_path, [("objct", (14,), "float32", "observation"), action]).startswith(
        "/a.hdf5: 'objct': missing (did you mean 'object'?); expected (14,) float32"
    )
    assert (
        message(tmp_path, [("object", (13,), "float32", "observation"), action])
        == "/a.hdf5: 'object': shape (14,); expected (13,)"
    )
    assert (
        message(tmp_path, [("object", (14,), "int64", "observation"), action])
        == "/a.hdf5: 'object': dtype float32; expected int64"
    )
    assert message(tmp_path, [("object", (14,), "float32", "param"), action]).startswith(
        "/a.hdf5: 'object': a row per step; expected a value per episode"
    )

    def spoil(file):
        file["data/demo_3/obs/object"][2, 3] = np.nan

    assert message(tmp_path, [("object", (14,), "float32", "observation"), action], spoil) == (
        "/a.hdf5: data/demo_3/obs/object: NaN or infinity in row 2; expected finite numbers   try: drop or mend the episode"
    )
    with pytest.raises(DataError, match="no such file"):
        Hdf5Dataset(d(file=str(tmp_path / "none.hdf5"), horizon=1), make_spec([action]))
    with pytest.raises(DataError, match="Hdf5Dataset: 'file'"):
        Hdf5Dataset(d(horizon=1), make_spec([action]))


def test_what_muse_wrote_comes_back(tmp_path):
    data = made_by_muse()
    write_robomimic(tmp_path / "a.hdf5", data)
    spec = EnvSpec.from_dict(data.meta["spec"])
    dataset = Hdf5Dataset(d(file=str(tmp_path / "a.hdf5"), horizon=1), spec)
    assert dataset.meta["fingerprint"] == data.meta["fingerprint"]
    check_dataset(dataset)


def test_what_stands_between_the_file_and_the_model_is_that_of_episodes_in_memory(tmp_path):
    leaves = [
        ("ego", (2,), "float32", "observation"),
        ("touch", (1,), "int64", "observation"),
        ("action", (3,), "float32", "action"),
        ("reward", (1,), "float32", "output_observation"),
    ]
    spec = make_spec(leaves)
    episodes = make_episodes(spec, [6, 9, 7])
    for values in episodes:
        values["touch"] = (values["touch"] % 3 > 0).astype(np.int64)
    options = d(
        horizon=3,
        pad_end_sequence=True,
        data_preprocessors=d(to_go=d(cls=RewardToGo, gamma=0.9)),
        goal_relabelling=d(cls=GoalRelabelling, names={"goal/ego": "ego", "goal/to_go": "reward_to_go"}, per="row"),
        windows=d(cls=InteractionWindows, contact="touch", before=1),
        load_episode_range=[0.3, 1.0],
    )
    write_robomimic(tmp_path / "a.hdf5", make_dataset(spec, episodes).to_data())
    dataset = Hdf5Dataset(options & d(file=str(tmp_path / "a.hdf5")), spec)
    check_dataset(dataset)
    write_file(tmp_path / "a.npz", make_dataset(spec, episodes).to_data())
    other = NpDataset(options & d(file=str(tmp_path / "a.npz")), spec)
    assert len(dataset) == len(other) > 0
    (mine, its) = (joined(one.get_batch(np.arange(len(other)))) for one in (dataset, other))
    assert set(mine) == set(its) and {"reward_to_go", "goal/ego", "goal/to_go"} <= set(mine)
    assert all(np.array_equal(mine[name], value) for name, value in its.items())
    for one in (dataset, other):
        assert one.get_episode(1)["reward_to_go"].shape == (7, 1)
    names = ["goal/to_go", "reward_to_go"]
    assert np.array_equal(dataset.get_statistics(names)[names[0]].mean, other.get_statistics(names)[names[1]].mean)
