import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from muse.utils.seeding import derive_seed, episode_seeds, hashed_uniform, make_generator

seeds = st.integers(0, 2**63 - 1)


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(0) == 2033344993903900207
    assert derive_seed(3, "rollout", 1000) == 7380831169769783080
    assert make_generator(3, "env").integers(1000, size=3).tolist() == [615, 548, 306]


@given(seeds, st.integers(0, 30), st.integers(0, 30))
def test_the_first_episodes_do_not_depend_on_how_many_there_are(seed, few, more):
    assert episode_seeds(seed, few) == episode_seeds(seed, few + more)[:few]


@given(seeds)
def test_streams_differ_by_path(seed):
    assert (
        len({derive_seed(seed), derive_seed(seed, "a"), derive_seed(seed, "b"), derive_seed(seed, "a", 1), derive_seed(seed + 1)})
        == 5
    )


def test_episode_seeds_are_distinct():
    assert len(set(episode_seeds(0, 1000))) == 1000


@given(seeds, st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), st.integers(0, 50))
def test_hashed_numbers_depend_on_nothing_that_stands_beside_them(seed, numbers, other):
    rows, columns = np.array(numbers)[:, None], np.array([other, other + 1, 7])
    found = hashed_uniform(seed, rows, columns)
    assert found.shape == (len(numbers), 3) and np.all((found >= 0) & (found < 1))
    for i, j in np.ndindex(found.shape):
        assert hashed_uniform(seed, rows[i], columns[j : j + 1])[0] == found[i, j]


def test_hashed_numbers_are_spread_evenly_and_independently():
    """Of 200 000 neighbours: moments and correlations within five of their standard deviations."""
    found = hashed_uniform(5, np.arange(1000)[:, None], np.arange(200))
    deviation = 5 / np.sqrt(found.size)
    assert abs(found.mean() - 0.5) < deviation * np.sqrt(1 / 12) and abs(found.var() - 1 / 12) < deviation * np.sqrt(1 / 180)
    shares = np.histogram(found, 20, (0, 1))[0] / found.size
    assert np.all(np.abs(shares - 0.05) < deviation * np.sqrt(0.05 * 0.95))
    for one, other in (
        (found[1:], found[:-1]),
        (found[:, 1:], found[:, :-1]),
        (found, hashed_uniform(6, np.arange(1000)[:, None], np.arange(200))),
    ):
        assert abs(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]) < 5 / np.sqrt(one.size)
    assert len(np.unique(found)) == found.size
