import numpy as np
import pytest
from attrdict import AttrDict

from muse.datasets.dataset import DataError, Dataset
from muse.datasets.np_dataset import NpDataset
from muse.envs.env import make, make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.metrics.extract_metric import ExtractMetric
from muse.metrics.tracker import BufferedTracker
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.loop import RolloutLoop, run_episodes
from muse.rollouts.recorders import DatasetRecorder, TrackerRecorder
from muse.testing.fake_env import FakeEnv

SPEC = make_env_spec(FakeEnv)


class Uneven(FakeEnv):
    """Ends an episode after as many steps as its seed says, so that later episodes end before earlier ones."""

    def reset(self, presets=None, seed=None):
        result = super().reset(presets, seed)
        self.episode_length = 1 + (7 * seed) % 10
        return result


class Shelf(Dataset):
    """Keeps episodes, and how many there were whenever it was saved."""

    def __init__(self):
        super().__init__({}, SPEC)
        self.episodes, self.saves = [], []

    def __len__(self):
        return len(self.episodes)

    def add_episode(self, episode):
        episode.check(self.env_spec)
        self.episodes.append(episode)

    def save(self):
        self.saves.append(len(self.episodes))

    def get_num_episodes(self):
        return len(self.episodes)

    def get_batch(self, indices=None, names=None, torch_device=None):
        raise NotImplementedError

    get_episode = get_statistics = get_sampler = get_batch


def envs(count, **options):
    return VectorEnv(AttrDict(num_envs=count), AttrDict(cls=Uneven, **options), SPEC)


def collect(count, recorder, seeds, **options):
    return run_episodes(envs(count, **options), RandomPolicy(AttrDict(), SPEC), None, seeds, recorders=[recorder])


@pytest.mark.parametrize("count", [1, 4, 9])
def test_episodes_are_added_in_the_order_of_their_seeds(count):
    recorder = DatasetRecorder(Shelf())
    collect(count, recorder, range(9))
    assert [episode.seed for episode in recorder.dataset.episodes] == list(range(9))
    assert [len(episode) for episode in recorder.dataset.episodes] == [1 + (7 * seed) % 10 for seed in range(9)]
    assert (recorder.taken, recorder.added, recorder.solved) == (9, 9, 9)
    assert recorder.dataset.saves == []


def test_a_loop_closed_early_leaves_the_episodes_of_the_first_seeds():
    recorder = DatasetRecorder(Shelf(), save_every_n_episodes=100)
    loop = RolloutLoop(envs(4), RandomPolicy(AttrDict(), SPEC), recorders=[recorder])
    loop.start([0, 1, 3, 2])
    finished = {episode.seed for _ in range(5) for episode in loop.step()}
    assert finished == {0, 3, 2}, "episode 1 still runs"
    loop.close()
    assert [episode.seed for episode in recorder.dataset.episodes] == [0] and recorder.dataset.saves == [1]
    assert recorder.taken == 1
    loop.close()
    assert recorder.dataset.saves == [1]


def test_saves_along_the_way_and_at_the_end():
    shelf, told = Shelf(), []
    recorder = DatasetRecorder(shelf, 3, before_save=lambda taken: told.append((taken, len(shelf.episodes), len(shelf.saves))))
    collect(2, recorder, range(8))
    assert shelf.saves == [3, 6, 8]
    # Before each episode and each save: what was taken by then is what the dataset holds.
    assert all(taken == held for taken, held, _ in told) and {(3, 3, 0), (6, 6, 1), (8, 8, 2)} <= set(told)
    collect(2, recorder, range(8, 12))
    assert shelf.saves == [3, 6, 8, 11, 12]
    assert [episode.seed for episode in recorder.dataset.episodes] == list(range(12))


@pytest.mark.parametrize("count", [1, 5])
def test_no_more_is_taken_than_was_asked_for(count):
    recorder = DatasetRecorder(Shelf(), max_rows=12)
    collect(count, recorder, range(9))
    lengths = [1 + (7 * seed) % 10 for seed in range(9)]
    wanted = next(n for n in range(9) if sum(lengths[:n]) >= 12)
    assert (recorder.taken, recorder.rows, recorder.is_full) == (wanted, sum(lengths[:wanted]), True)


def test_failures_are_left_out_when_asked():
    recorder = DatasetRecorder(Shelf(), only_successful=True)
    episodes = collect(3, recorder, range(20), success_rate=0.5)
    wanted = [episode.seed for episode in episodes if episode.success]
    assert [episode.seed for episode in recorder.dataset.episodes] == wanted and 0 < len(wanted) < 20
    assert (recorder.taken, recorder.added, recorder.solved) == (20, len(wanted), len(wanted))


def test_a_file_does_not_depend_on_the_number_of_envs(tmp_path):
    params = AttrDict(cls=PointMassEnv, num_obstacles=2, num_steps=30)
    spec = make_env_spec(PointMassEnv, params)
    for count in (1, 6):
        dataset = NpDataset(AttrDict(output_file=str(tmp_path / f"{count}.npz"), horizon=2), spec)
        expert = PointMassExpert(AttrDict(action_noise_std=0.2), spec)
        env = VectorEnv(AttrDict(num_envs=count), params, spec)
        run_episodes(env, expert, None, range(10), recorders=[DatasetRecorder(dataset, save_every_n_episodes=4)])
    with np.load(tmp_path / "1.npz") as one, np.load(tmp_path / "6.npz") as other:
        assert sorted(one.files) == sorted(other.files)
        for name in one.files:
            assert np.array_equal(one[name], other[name]), name
        assert one["done"].sum() == 10
    loaded = NpDataset(AttrDict(file=str(tmp_path / "6.npz"), horizon=2), spec)
    episode = run_episodes(
        VectorEnv.of(make(PointMassEnv, params)), PointMassExpert(AttrDict(action_noise_std=0.2), spec), None, [7]
    )[0]
    stored = loaded.get_episode(7)
    for name, value in episode.to_rows().items():
        assert np.array_equal(stored[name], value), name
    assert np.array_equal(stored["objects/size"], episode.onetime["objects/size"])


def test_a_dataset_that_cannot_save_is_refused():
    class ReadOnly(Shelf):
        save = None

    with pytest.raises(DataError) as error:
        DatasetRecorder(ReadOnly(), save_every_n_episodes=1)
    assert str(error.value) == (
        "DatasetRecorder: save_every_n_episodes: 1 with a ReadOnly; expected None, or 0 or more with a dataset that has save()"
    )
    with pytest.raises(DataError):
        DatasetRecorder(Shelf(), save_every_n_episodes=-1)


def test_an_error_of_the_dataset_is_not_swallowed():
    class Full(Shelf):
        def add_episode(self, episode):
            raise DataError("data/a.npz", "frozen")

    with pytest.raises(DataError, match="frozen"):
        collect(2, DatasetRecorder(Full()), range(3))


def test_an_episode_that_the_dataset_refuses_is_not_counted():
    class Picky(Shelf):
        def add_episode(self, episode):
            if episode.seed == 4:
                raise DataError("data/a.npz", "refused")
            super().add_episode(episode)

    recorder = DatasetRecorder(Picky(), save_every_n_episodes=0)
    with pytest.raises(DataError, match="refused"):
        collect(2, recorder, range(9))
    assert (recorder.taken, recorder.added, recorder.kept, recorder.dataset.saves) == (4, 4, [0, 1, 2, 3], [4])


@pytest.mark.parametrize("count", [1, 5])
def test_trackers_are_given_the_episodes_in_the_order_of_their_seeds(count):
    def tracker(**options):
        return BufferedTracker(AttrDict(metric=AttrDict(cls=ExtractMetric, key="reward"), buffer_len=3, **options))

    recorder = TrackerRecorder({"env_train": tracker(time_agg="sum"), "best": tracker(time_agg="max", episode_agg="max")})
    episodes = collect(count, recorder, range(11), success_rate=0.6)
    returns = [episode.total() for episode in episodes]
    assert recorder.values() == {"env_train/reward": pytest.approx(np.mean(returns[-3:])), "best/reward": max(returns[-3:])}
    assert recorder.trackers["env_train"].num_episodes == recorder.taken == 11
    assert recorder.solved == sum(returns)
    by_order = [episode["reward"] for episode in recorder.trackers["env_train"].state()["buffer"]]
    assert by_order == returns[-3:] and recorder.solved == sum(episode.success for episode in episodes)
