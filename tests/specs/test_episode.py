import numpy as np
import pytest

from muse.specs import EnvSpec, Episode
from muse.specs.leaf import SpecError
from muse.utils.attrdicts import nest


def make(length=3, done=None, ego_rows=None, truncated=False):
    done = np.arange(length) == length - 1 if done is None else np.asarray(done)
    return Episode(
        inputs=nest({"ego": np.zeros((length if ego_rows is None else ego_rows, 2), np.float32)}),
        outputs=nest({"done": done, "reward": np.ones((length, 1), np.float32), "truncated": np.full((length, 1), truncated)}),
        success=True,
    )


def test_an_episode_knows_its_length_and_sums():
    episode = make(3)
    assert len(episode) == 3 and episode.total() == 3.0 and not episode.truncated and make(truncated=True).truncated
    assert set(episode.to_rows()) == {"ego", "done", "reward", "truncated"}


@pytest.mark.parametrize("done", [[False, False, False], [True, False, True], [0, 0, 1], []])
def test_done_is_true_on_the_last_row_only(done):
    with pytest.raises(SpecError, match="Episode: 'done'"):
        make(len(done), done)


def test_lengths_agree():
    with pytest.raises(SpecError, match="Episode: 'ego': 4 rows; expected 3, as 'done' has"):
        make(3, ego_rows=4)


def test_check_against_a_spec():
    spec = EnvSpec({"names_shapes_limits_dtypes": [("ego", (3,), (0, 1), np.float32)], "observation_names": ["ego"]})
    with pytest.raises(SpecError, match="Episode: 'ego': shape \\(3, 2\\); expected shape \\(3, 3\\)"):
        make(3).check(spec)
