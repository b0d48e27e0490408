"""Windows around interactions: the same as plain loops choose."""

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given
from hypothesis import strategies as st
from made_data import joined, make_dataset, make_spec, to_episode

from muse.datasets import DataError
from muse.datasets.goals import GoalRelabelling
from muse.datasets.interactions import InteractionWindows
from muse.testing import check_dataset

SPEC = make_spec([("row", (), "int64", "observation"), ("touch", (1,), "int64", "")])
contacts_of = st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=4)
options_of = st.fixed_dictionaries(
    {"before": st.integers(0, 3), "after": st.integers(0, 3), "join_gap": st.integers(0, 2), "min_length": st.integers(0, 3)}
)
windowings = st.fixed_dictionaries(
    {
        "horizon": st.integers(1, 4),
        "horizon_skip": st.integers(1, 2),
        "pad_start": st.booleans(),
        "pad_end_sequence": st.booleans(),
    }
)


def episodes_of(contacts):
    episodes, first = [], 0
    for contact in contacts:
        touch = np.array(contact, np.int64)[:, None] * 3
        episodes.append({"row": np.arange(first, first + len(contact)), "touch": touch})
        first += len(contact)
    return episodes


def interactions(contact, before, after, join_gap, min_length):
    """Returns the interactions of an episode, [begin, end), in plain loops."""
    runs = []
    for row, touches in enumerate(contact):
        if touches and runs and row - runs[-1][1] <= join_gap:
            runs[-1][1] = row + 1
        elif touches:
            runs.append([row, row + 1])
    runs = [run for run in runs if run[1] - run[0] >= min_length]
    found = []
    for i, (begin, end) in enumerate(runs):
        low = runs[i - 1][1] if i else 0
        high = runs[i + 1][0] if i + 1 < len(runs) else len(contact)
        found.append((max(begin - before, low), min(end + after, high)))
    return found


def reference(contacts, options, windowing):
    horizon, skip = windowing["horizon"], windowing["horizon_skip"]
    windows, first = [], 0
    for contact in contacts:
        for begin, end in interactions(contact, **options):
            for start in range(begin - (horizon - 1 if windowing["pad_start"] else 0), end):
                wanted = [start + i * skip for i in range(horizon)]
                if not windowing["pad_end_sequence"] and wanted[-1] >= end:
                    continue
                rows = [min(max(row, begin), end - 1) for row in wanted]
                windows.append(
                    {
                        "row": [first + row for row in rows],
                        "padding_mask": [row != want for row, want in zip(rows, wanted, strict=True)],
                        "done": [row == len(contact) - 1 for row in rows],
                        "rollout_timestep": rows,
                        "goal/row": [first + end - 1] * horizon,
                    }
                )
        first += len(contact)
    return windows


def dataset_of(contacts, windowing=None, options=None, within="interaction", **others):
    goals = d(cls=GoalRelabelling, names={"goal/row": "row"}, choose="last", within=within)
    windows = d(cls=InteractionWindows, contact="touch", **(options or {}))
    return make_dataset(SPEC, episodes_of(contacts), windows=windows, goal_relabelling=goals, **{**(windowing or {}), **others})


@given(contacts_of, options_of, windowings)
def test_windows_are_those_of_plain_loops(contacts, options, windowing):
    windows = reference(contacts, options, windowing)
    dataset = dataset_of(contacts, windowing, options)
    assert len(dataset) == len(windows) == dataset.windows_per_episode().sum()
    if windows:
        batch = joined(dataset.get_batch(np.arange(len(windows)), names=["row", "rollout_timestep", "goal/row"]))
        for name, value in batch.items():
            assert np.array_equal(value, [window[name] for window in windows]), name
    for count, contact in zip(dataset.windows_per_episode(), contacts, strict=True):
        assert count == len(reference([contact], options, windowing))


@given(contacts_of, options_of)
def test_added_one_by_one_or_found_at_once(contacts, options):
    """Interactions of many episodes at once are those of each."""
    chooser = InteractionWindows(d(contact="touch", **options), SPEC)
    episodes = episodes_of(contacts)
    ends = np.cumsum([len(one["row"]) for one in episodes])
    found = chooser.find(np.concatenate([one["touch"] for one in episodes]), ends)
    wanted = [
        (begin + end - len(contact), stop - begin, episode)
        for episode, (contact, end) in enumerate(zip(contacts, ends.tolist(), strict=True))
        for begin, stop in interactions(contact, **options)
    ]
    assert list(zip(*(array.tolist() for array in found), strict=True)) == wanted


def test_a_buffer_that_forgets_keeps_the_windows_of_what_is_left():
    contacts = [[0, 1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1, 1, 0]]
    dataset = dataset_of(contacts, horizon=2, capacity=9, options={"before": 1})
    windows = [
        {**window, "row": np.array(window["row"]) + 7, "goal/row": np.array(window["goal/row"]) + 7}
        for window in reference(
            contacts[2:], {"before": 1, "after": 0, "join_gap": 0, "min_length": 1},
            {"horizon": 2, "horizon_skip": 1, "pad_start": False, "pad_end_sequence": True},
        )
    ]  # fmt: skip
    batch = joined(dataset.get_batch(np.arange(len(dataset)), names=["row", "rollout_timestep", "goal/row"]))
    for name, value in batch.items():
        assert np.array_equal(value, [window[name] for window in windows]), name


def test_goals_behind_the_interaction():
    dataset = dataset_of([[0, 1, 1, 0, 0]], horizon=1, within="episode")
    assert joined(dataset.get_batch(np.arange(2)))["goal/row"].tolist() == [[4], [4]]


def test_it_keeps_the_contract():
    contacts = [[0, 1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1]]
    check_dataset(dataset_of(contacts, {"horizon": 3, "pad_start": True}, {"before": 1, "after": 1}), grow=True)


def test_episodes_without_interaction_are_told(caplog, tmp_path):
    file = str(dataset_of([[0, 0, 0], [0, 1, 0]]).save(tmp_path / "a.npz"))
    dataset_of([], file=file)
    assert caplog.messages[-1] == f"{file}: 1 episodes have no interaction for a window of 3 rows: 0"
    with pytest.raises(DataError, match="no interaction has the 3 rows of a window"):
        dataset_of([], file=file, pad_end_sequence=False)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"contact": "touches"}, "did you mean 'touch'"),
        ({"before": -1}, "'before'"),
        ({"contact_fn": lambda rows: rows > 0}, r"returned shape \(3, 1\) bool; expected \(3,\) bool"),
    ],
)
def test_what_is_wrong_is_said(options, told):
    group = d(cls=InteractionWindows, **{"contact": "touch", **options})
    with pytest.raises(DataError, match=told):
        make_dataset(SPEC, episodes_of([[0, 1, 0]]), windows=group)


def test_a_function_says_where_there_is_contact():
    dataset = dataset_of([[0, 1, 1, 0]], horizon=1, options={"contact_fn": lambda rows: rows[:, 0] < 3})
    assert joined(dataset.get_batch(np.arange(2)))["row"].tolist() == [[0], [3]]


def test_an_episode_that_is_refused_leaves_nothing():
    dataset = dataset_of([[0, 1]], horizon=1, options={"contact_fn": lambda rows: (rows > 0)[:2, 0]})
    with pytest.raises(DataError, match="contact_fn"):
        dataset.add_episode(to_episode(SPEC, episodes_of([[0, 1, 1]])[0]))
    assert dataset.get_num_episodes() == 1 and len(dataset) == 1
