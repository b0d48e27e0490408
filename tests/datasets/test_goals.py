"""Goals taken from the windows' own episodes: where they lie, how they are spread, that they come again."""

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import joined, make_dataset, make_episodes, make_spec, to_episode

from muse.datasets import DataError, NpDataset, Prefetcher
from muse.datasets.goals import GoalRelabelling
from muse.datasets.loading import read_file
from muse.datasets.samplers import SequentialSampler, UniformSampler
from muse.testing import check_dataset
from muse.utils.attrdicts import flatten

#: `row` numbers all rows of all episodes.
LEAVES = [
    ("row", (), "int64", "observation"),
    ("ego", (2,), "float32", "observation"),
    ("image", (20, 20, 3), "uint8", "observation"),
    ("goal/position", (2,), "float32", "goal"),
    ("action", (1,), "float32", "action"),
]
SPEC = make_spec(LEAVES)
NAMES = {"goal/position": "ego", "goal/row": "row", "goal/image": "image"}
RECORDED = ["goal/position"]
lengths_of = st.lists(st.integers(1, 9), min_size=1, max_size=5)
options_of = st.fixed_dictionaries(
    {
        "choose": st.sampled_from(["last", "offset", "uniform", "geometric"]),
        "per": st.sampled_from(["window", "row"]),
        "offset": st.integers(0, 4),
        "gamma": st.sampled_from([0.3, 0.9]),
    }
)


def episodes_of(lengths, seed=0):
    episodes, first = make_episodes(SPEC, lengths, seed), 0
    for values in episodes:
        values["row"] = np.arange(first, first + len(values["row"]))
        first += len(values["row"])
    return episodes


def dataset_of(episodes, names=None, goals=None, **options):
    goals = d(cls=GoalRelabelling, **{"names": NAMES if names is None else names, "recorded": RECORDED, **(goals or {})})
    return make_dataset(SPEC, episodes, **{"goal_relabelling": goals, **options}) if episodes is not None else goals


@given(lengths_of, options_of, st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_goals_are_later_rows_of_the_same_episode(lengths, goals, horizon, pad_start, seed):
    goals = {**goals, "seed": seed}
    episodes = episodes_of(lengths, seed)
    dataset = dataset_of(episodes, goals=goals, horizon=horizon, pad_start=pad_start)
    batch = joined(dataset.get_batch(np.arange(len(dataset))))
    rows, goal_rows = batch["row"], batch["goal/row"]
    ends = np.cumsum(lengths)
    last = ends[np.searchsorted(ends, rows, side="right")] - 1
    anchor = rows if goals["per"] == "row" else np.broadcast_to(rows[:, -1:], rows.shape)
    room = last - anchor
    ahead = goal_rows - anchor
    if goals["choose"] == "last":
        assert np.array_equal(ahead, room)
    elif goals["choose"] == "offset":
        assert np.array_equal(ahead, np.minimum(goals["offset"], room))
    else:
        assert np.all((ahead >= np.minimum(1, room)) & (ahead <= room))
    if goals["per"] == "window":
        assert np.all(goal_rows == goal_rows[:, :1])
    same = rows[:, 1:] == rows[:, :-1]
    assert np.array_equal(goal_rows[:, 1:][same], goal_rows[:, :-1][same])
    for goal, name in NAMES.items():
        whole = np.concatenate([values[name] for values in episodes])
        assert np.array_equal(batch[goal], whole[goal_rows]) and batch[goal].dtype == whole.dtype


@pytest.mark.parametrize("choose", ["uniform", "geometric"])
def test_how_far_goals_lie_ahead(choose):
    """Of 300 draws the share of each distance is within five standard deviations of its chance."""
    dataset = dataset_of(episodes_of([8]), goals={"choose": choose, "per": "row", "gamma": 0.7}, horizon=1)
    sampler = UniformSampler(d(), dataset, 100, seed=1)
    batch = joined(dataset.get_batch(sampler.next_indices(), names=["row", "goal/row"]))
    assert len(np.unique(batch["goal/row"][batch["row"] == 0])) == 1  # One window, one goal, until it is drawn again.
    drawn = [joined(dataset.draw_batch(sampler, names=["row", "goal/row"])) for _ in range(300)]
    codes = np.concatenate([np.unique(one["row"] * 8 + one["goal/row"]) for one in drawn])
    ahead = (codes % 8 - codes // 8)[codes // 8 == 0]
    assert len(ahead) == 300
    chance = np.full(7, 1 / 7) if choose == "uniform" else np.array([0.3 * 0.7**k for k in range(6)] + [0.7**6])
    share = np.bincount(ahead, minlength=8)[1:] / 300
    assert np.all(np.abs(share - chance) < 5 * np.sqrt(chance * (1 - chance) / 300))


def test_batches_drawn_are_a_function_of_seed_and_position():
    dataset = dataset_of(episodes_of([9, 7, 8]), goals={"per": "row"})
    for cls in (SequentialSampler, UniformSampler):
        sampler = cls(d(), dataset, 8, seed=3)
        states, drawn = [], []
        for _ in range(8):
            states.append(sampler.state())
            drawn.append(joined(dataset.draw_batch(sampler)))
        for state, batch in zip(states, drawn, strict=True):
            again = cls(d(), dataset, 8, seed=3)
            again.load_state(state)
            got = joined(dataset.draw_batch(again))
            assert all(np.array_equal(got[name], value) for name, value in batch.items())
        other = joined(dataset.draw_batch(cls(d(), dataset, 8, seed=4)))
        assert not np.array_equal(other["goal/row"] - other["row"], drawn[0]["goal/row"] - drawn[0]["row"])
    ahead = {tuple((b["goal/row"] - b["row"])[b["row"] == 0].tolist()) for b in drawn}
    assert len(ahead) > 1


def test_a_thread_gathers_the_same_goals():
    dataset = dataset_of(episodes_of([9, 7, 8]), frozen=False)
    sampler = dataset.get_sampler(3)
    wanted = [joined(dataset.draw_batch(sampler)) for _ in range(6)]
    with Prefetcher(dataset, dataset.get_sampler(3)) as batches:
        for batch in wanted:
            got = joined(batches.next_batch())
            assert all(np.array_equal(got[name], value) for name, value in batch.items())


def test_windows_keep_their_goals_when_others_leave():
    episodes = episodes_of([5, 6, 7, 4])
    dataset = dataset_of(episodes[:2], capacity=18)
    before = joined(dataset.get_batch(np.arange(5, 11)))
    dataset.add_episode(to_episode(SPEC, episodes[2]))
    assert np.array_equal(joined(dataset.get_batch(np.arange(5, 11)))["goal/row"], before["goal/row"])
    dataset.add_episode(to_episode(SPEC, episodes[3]))
    assert dataset.first_window == 5
    assert np.array_equal(joined(dataset.get_batch(np.arange(6)))["goal/row"], before["goal/row"])


@pytest.mark.parametrize("goals", [{}, {"per": "row"}, {"choose": "last"}])
def test_it_keeps_the_contract(goals):
    check_dataset(dataset_of(episodes_of([5, 4, 1]), goals=goals, pad_start=True), grow=True)
    check_dataset(dataset_of(episodes_of([5, 4, 3]), goals=goals, horizon=1), grow=True)


def test_tensors_are_the_arrays():
    dataset = dataset_of(episodes_of([5, 4]))
    arrays, tensors = (joined(dataset.get_batch(np.arange(5), torch_device=device)) for device in (None, "cpu"))
    assert all(isinstance(tensors[name], torch.Tensor) and np.array_equal(tensors[name], arrays[name]) for name in NAMES)


def test_recorded_goals_are_kept_where_they_are_said_to_be_there(tmp_path):
    (values,) = episodes_of([5])
    kept = dataset_of([values], names={"goal/position": "ego"}, goals={"choose": "last"})
    assert np.array_equal(kept.get_episode(0)["goal/position"], values["goal/position"])
    assert np.array_equal(kept.get_batch([0])[0]["goal/position"][0], np.stack([values["ego"][-1]] * 3))
    file = kept.save(tmp_path / "a.npz")
    assert np.array_equal(read_file(file).steps["goal/position"], values["goal/position"])
    with pytest.raises(DataError, match="'goal/position', which would be lost"):
        dataset_of([values], names={"goal/position": "ego"}, goals={"recorded": []})
    with pytest.raises(DataError, match="add, step 0: 'goal/position', which would be lost"):
        step = {name: value[:1] for name, value in values.items()}
        dataset_of([], {"goal/position": "ego"}, {"recorded": []}).add(step, {"done": np.array([False])})
    bare = NpDataset(
        d(file=str(file), horizon=2, goal_relabelling=dataset_of(None, {"goal/position": "ego"}, {"recorded": []})), SPEC
    )
    assert "goal/position" not in flatten(bare.get_episode(0))
    assert bare.get_batch([0])[0]["goal/position"].shape == (1, 2, 2)


def test_statistics_of_goals_are_those_of_what_they_are_taken_from():
    dataset = dataset_of(episodes_of([5, 4]))
    found = dataset.get_statistics(["ego", "goal/position"])
    assert np.array_equal(found["ego"].mean, found["goal/position"].mean)


def test_the_spec_gets_the_goals_that_it_lacks():
    leaves = NpDataset.get_spec_leaves(d(goal_relabelling=dataset_of(None, {**NAMES, "next/ego": "ego"})), SPEC)
    assert {(leaf.name, leaf.shape, leaf.role) for leaf in leaves} == {
        ("goal/row", (), "goal"), ("goal/image", (20, 20, 3), "goal"), ("next/ego", (2,), ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "goals", "told"),
    [
        ({}, {}, "'names'"),
        ({"goal/x": "egos"}, {}, "did you mean 'ego'"),
        ({"goal/position": "row"}, {}, r"from 'row' of shape \(\) int64"),
        ({"goal/x": "ego"}, {"recorded": ["goal/y"]}, "'recorded': 'goal/y'"),
        ({"goal/x": "ego", "goal/y": "goal/x"}, {}, "'goal/x'"),
        (NAMES, {"offset": -1}, "'offset'"),
        (NAMES, {"gamma": 1.0}, "'gamma'"),
    ],
)
def test_what_is_wrong_is_said(names, goals, told):
    with pytest.raises(DataError, match=told):
        dataset_of(episodes_of([4]), names, {"recorded": [], **goals})


def test_what_goals_are_taken_from_must_be_held():
    with pytest.raises(DataError, match="'goal_relabelling': reads 'ego', which is not held"):
        dataset_of(episodes_of([4]), {"goal/position": "ego"}, {"recorded": []}, step_names=["row"])
