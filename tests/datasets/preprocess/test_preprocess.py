"""Names made from the recorded ones: the same as plain loops make them, whatever the way the episodes came."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import assert_same_episodes, joined, make_dataset, make_episodes, make_spec, to_episode

from muse.datasets import DataError, NpDataset
from muse.datasets.loading import read_file
from muse.datasets.preprocess import FunctionPreprocessor, NStepReward, RewardToGo, preprocessor
from muse.testing import check_dataset
from muse.utils.attrdicts import flatten
from muse.utils.errors import OptionError

LEAVES = [
    ("ego", (2,), "float32", "observation"),
    ("action", (1,), "float32", "action"),
    ("reward", (1,), "float32", "output_observation"),
    ("truncated", (1,), "bool", "output_observation"),
    ("param/size", (3,), "float32", "param"),
]
SPEC = make_spec(LEAVES)
lengths_of = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def speed(steps, onetime):
    return {"speed": np.diff(steps["ego"], axis=0, append=steps["ego"][-1:]) * onetime["param/size"][0]}


SPEED = d(
    cls=FunctionPreprocessor, fn=speed, read_names=["ego", "param/size"], makes=[("speed", (2,), (-np.inf, np.inf), np.float32)]
)
ALL = d(to_go=d(cls=RewardToGo, gamma=0.9), n_step=d(cls=NStepReward, n=3, gamma=0.8, next_names=["ego", "speed"]))


def all_of_them():
    return d(speed=SPEED) & ALL


def loops(values, n=3, gamma=0.8, to_go=0.9):
    """Returns what `all_of_them` makes of an episode, in plain loops."""
    rewards, ego = values["reward"][:, 0].astype(float), values["ego"]
    last, limited = len(rewards) - 1, values["truncated"][-1, 0]
    made = {name: [] for name in ("to_go", "reward", "discount", "offset", "next")}
    for t in range(last + 1):
        made["to_go"].append(sum(to_go ** (k - t) * rewards[k] for k in range(t, last + 1)))
        total, k = 0.0, 0
        while k < n and t + k < (last if limited else last + 1):
            total += gamma**k * rewards[t + k]
            k += 1
        made["reward"].append(total)
        made["discount"].append(0.0 if t + k > last else gamma**k)
        made["offset"].append(min(n, last - t))
        made["next"].append(ego[min(t + n, last)])
    speeds = [(ego[min(t + 1, last)] - ego[t]) * values["param/size"][0] for t in range(last + 1)]
    column = {name: np.array(made[name], np.float32)[:, None] for name in ("to_go", "reward", "discount")}
    return {
        "reward_to_go": column["to_go"],
        "n_step/reward": column["reward"],
        "n_step/discount": column["discount"],
        "n_step/offset": np.array(made["offset"]),
        "next/ego": np.array(made["next"]),
        "speed": np.array(speeds),
        "next/speed": np.array([speeds[min(t + n, last)] for t in range(last + 1)]),
    }


def assert_made(dataset, episodes):
    assert dataset.get_num_episodes() == len(episodes)
    for index, values in enumerate(episodes):
        held = flatten(dataset.get_episode(index))
        for name, wanted in loops(values).items():
            assert held[name].dtype == dataset.env_spec.leaf(name).dtype
            np.testing.assert_allclose(held[name], wanted, rtol=1e-5, atol=1e-6, err_msg=name)
        for name, value in values.items():
            assert np.array_equal(held[name], value), name


@given(lengths_of, st.integers(0, 99))
def test_what_is_made_is_what_loops_make(lengths, seed):
    episodes = make_episodes(SPEC, lengths, seed)
    assert_made(make_dataset(SPEC, episodes, data_preprocessors=all_of_them()), episodes)


@pytest.mark.parametrize("name", ["a.npz", "a.muse"])
def test_loading_and_adding_make_the_same(name, tmp_path, monkeypatch):
    episodes = make_episodes(SPEC, [5, 1, 7, 3, 6])
    plain = make_dataset(SPEC, episodes)
    file = str(plain.save(tmp_path / name))
    before = read_file(file)
    loaded = NpDataset(d(file=file, horizon=2, data_preprocessors=all_of_them()), SPEC)
    assert_made(loaded, episodes)
    monkeypatch.setattr(preprocessor, "_PART_ELEMENTS", 40)  # Some episodes at a time.
    assert_made(NpDataset(d(file=file, horizon=2, data_preprocessors=all_of_them()), SPEC), episodes)
    chosen = NpDataset(d(file=file, horizon=2, data_preprocessors=all_of_them(), load_episode_range=[0.4, 1.0]), SPEC)
    assert_made(chosen, episodes[2:])
    loaded.add_episode(to_episode(SPEC, episodes[0]))
    loaded.add_episode(loaded.to_episode(2))
    assert_made(loaded, [*episodes, episodes[0], episodes[2]])
    after = read_file(file)
    assert all(np.array_equal(after.steps[one], array) for one, array in before.steps.items())


def test_what_is_made_is_not_saved(tmp_path):
    episodes = make_episodes(SPEC, [5, 3])
    dataset = make_dataset(SPEC, episodes, data_preprocessors=all_of_them())
    file = dataset.save(tmp_path / "a.npz")
    assert set(read_file(file).steps) == {name for name, _, _, role in LEAVES if role != "param"}
    assert_same_episodes(NpDataset(d(file=str(file), horizon=2), SPEC), episodes)


def test_a_full_buffer_forgets_what_it_made():
    episodes = make_episodes(SPEC, [5, 4, 6, 3, 5])
    dataset = make_dataset(SPEC, [], capacity=12, data_preprocessors=all_of_them())
    for values in episodes:
        dataset.add_episode(to_episode(SPEC, values))
    assert_made(dataset, episodes[-2:])


def test_it_keeps_the_contract():
    check_dataset(make_dataset(SPEC, make_episodes(SPEC, [5, 4]), data_preprocessors=all_of_them()), grow=True)


def test_statistics_and_batches_have_the_names():
    episodes = make_episodes(SPEC, [5, 4])
    dataset = make_dataset(SPEC, episodes, data_preprocessors=all_of_them(), horizon=2)
    rows = np.concatenate([loops(values)["reward_to_go"] for values in episodes])
    found = dataset.get_statistics(["reward_to_go"])["reward_to_go"]
    np.testing.assert_allclose(found.mean, rows.mean(0), rtol=1e-5)
    inputs, _ = dataset.get_batch(np.arange(3))
    assert inputs["n_step/reward"].shape == (3, 2, 1) and inputs["next/ego"].shape == (3, 2, 2)
    assert set(joined(dataset.get_batch(np.arange(2), names=["speed"]))) == {"speed", "done", "padding_mask"}


def test_a_holdout_shares_what_was_loaded_and_makes_its_own(tmp_path):
    episodes = make_episodes(SPEC, [5, 4, 6, 3])
    file = str(make_dataset(SPEC, episodes).save(tmp_path / "a.npz"))
    base = NpDataset(d(file=file, horizon=2, load_episode_range=[0.0, 0.5]), SPEC)
    options = d(load_from_base=True, horizon=2, load_episode_range=[0.5, 1.0], data_preprocessors=all_of_them())
    assert_made(NpDataset(options, SPEC, base_dataset=base), episodes[2:])


def test_mapped_files_and_given_arrays_cannot_be_written_to(tmp_path):
    def writes(steps, onetime):
        steps["ego"][...] = 0
        return {}

    group = d(cls=FunctionPreprocessor, fn=writes, read_names=["ego"], makes=[("x", (1,), (0, 1), np.float32)])
    episodes = make_episodes(SPEC, [5])
    file = str(make_dataset(SPEC, episodes).save(tmp_path / "a.muse"))
    with pytest.raises(ValueError, match="read-only"):
        NpDataset(d(file=file, horizon=2, data_preprocessors=[group]), SPEC)
    with pytest.raises(ValueError, match="read-only"):
        make_dataset(SPEC, episodes, data_preprocessors=[group])
    assert_same_episodes(NpDataset(d(file=file, horizon=2), SPEC), episodes)


def function(fn=lambda steps, onetime: {"x": steps["ego"][:, :1]}, makes=("x", (1,), (0, 1), np.float32), read_names=("ego",)):
    return d(cls=FunctionPreprocessor, fn=fn, read_names=list(read_names), makes=[makes])


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([function(read_names=["egos"])], r"reads 'egos', which is not there \(did you mean 'ego'"),
        ([function(makes=("action", (1,), (0, 1), np.float32))], "makes 'action', which is there"),
        ([function(makes=("ego", (2,), (0, 1), np.float32))], "makes 'ego', which is there"),
        ([function(), function()], "makes 'x', which is there, made by '0'"),
        ([function(fn=lambda steps, onetime: {})], "returned no 'x'"),
        ([function(fn=lambda steps, onetime: None)], "returned a NoneType"),
        ([function(fn=lambda steps, onetime: {"x": np.zeros((7, 1))})], r"'x' of shape \(7, 1\); expected shape \(4, 1\)"),
        ([function(fn=lambda steps, onetime: {"x": np.full((4, 1), np.nan)})], "NaN or infinity in row 0"),
        ([function(fn=lambda steps, onetime: {"x": np.zeros((4, 1), int)})], "dtype int64"),
        ([d(cls=RewardToGo, gamma=1.5)], "'gamma'"),
        ([d(cls=NStepReward, n=0)], "'n'"),
        ([d(cls=NStepReward, truncated_name="late")], "reads 'late'"),
    ],
)
def test_what_is_wrong_is_said(groups, told):
    with pytest.raises(DataError, match=told):
        make_dataset(SPEC, make_episodes(SPEC, [4]), data_preprocessors=groups)


@pytest.mark.parametrize("groups", [SPEED, d(a=3), [None], 3])
def test_an_option_without_groups_is_refused(groups):
    with pytest.raises(OptionError):
        make_dataset(SPEC, [], data_preprocessors=groups)


def test_a_spec_is_extended_once_by_a_name_of_its_own():
    options = d(data_preprocessors=d(x=function()))
    (leaf,) = NpDataset.get_spec_leaves(options, SPEC)
    assert (leaf.name, leaf.shape, leaf.role) == ("x", (1,), "")
    assert make_dataset(SPEC.extended([leaf]), make_episodes(SPEC, [4]), **options).get_episode(0)["x"].shape == (4, 1)
    with pytest.raises(DataError, match="makes 'x', which is there"):
        NpDataset.get_spec_leaves(options, SPEC.extended([leaf]))


def test_a_name_that_is_read_must_be_held():
    with pytest.raises(DataError, match="reads 'reward', which is not held"):
        make_dataset(SPEC, make_episodes(SPEC, [4]), data_preprocessors=[d(cls=RewardToGo)], step_names=["ego", "action"])


def test_where_no_limit_is_told_every_episode_was_ended_by_its_task():
    (values,) = make_episodes(SPEC, [5])
    values["truncated"][-1] = True
    found = make_dataset(SPEC, [values], data_preprocessors=[d(cls=NStepReward, n=2, gamma=0.5, truncated_name=None)])
    assert found.get_episode(0)["n_step/discount"][:, 0].tolist() == [0.25, 0.25, 0.25, 0, 0]
    limited = make_dataset(SPEC, [values], data_preprocessors=[d(cls=NStepReward, n=2, gamma=0.5)])
    assert limited.get_episode(0)["n_step/discount"][:, 0].tolist() == [0.25, 0.25, 0.25, 0.5, 1]
    assert limited.get_episode(0)["n_step/reward"][-1, 0] == 0
