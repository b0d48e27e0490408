from hypothesis import given
from hypothesis import strategies as st

from muse.utils.seeding import derive_seed, episode_seeds, make_generator

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
