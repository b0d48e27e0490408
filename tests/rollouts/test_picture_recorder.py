import numpy as np
import pytest
from attrdict import AttrDict

from muse.datasets.episode_writer import EpisodeWriter
from muse.datasets.loading import read_file
from muse.datasets.np_dataset import NpDataset
from muse.envs.env import make, make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.rollouts.loop import RolloutLoop, run_episodes
from muse.rollouts.picture_recorder import PictureRecorder
from muse.specs import EnvSpec
from muse.utils.video import VideoError

SEEDS = range(7)


def point_mass(count, **options):
    params = AttrDict(cls=PointMassEnv, num_steps=30, num_obstacles=1, min_distance=0.1, **options)
    return VectorEnv(AttrDict(num_envs=count), params, make_env_spec(PointMassEnv, params))


def record(path, env, names=(), seeds=SEEDS, **options):
    recorder = PictureRecorder(lambda spec: EpisodeWriter(path, spec, **options), names)
    expert = PointMassExpert(AttrDict(action_noise_std=0.3), env.env_spec)
    return run_episodes(env, expert, None, list(seeds), recorders=[recorder])


@pytest.mark.parametrize("name", ["seen.npz", "seen.muse"])
@pytest.mark.parametrize("count", [1, 4])
def test_observations_alone_are_written_with_who_succeeded(tmp_path, name, count):
    episodes = record(tmp_path / name, point_mass(count, imgs=True), ["image"], part_bytes=200_000)
    data = read_file(tmp_path / name)
    assert (list(data.steps), list(data.onetime)) == (["image"], ["final/success"])
    assert np.array_equal(data.ends, np.cumsum([len(episode) for episode in episodes]))
    assert np.array_equal(data.steps["image"], np.concatenate([episode.inputs["image"] for episode in episodes]))
    solved = [bool(episode.success) for episode in episodes]
    assert data.onetime["final/success"].tolist() == [[one] for one in solved] and len(set(solved)) == 2


def test_what_was_written_is_a_dataset_to_learn_from(tmp_path):
    record(tmp_path / "seen.muse", point_mass(3, imgs=True), ["image"])
    spec = EnvSpec.from_dict(read_file(tmp_path / "seen.muse").meta["spec"])
    assert spec.leaf("image").role == "observation" and spec.leaf("final/success").role == "final"
    dataset = NpDataset(AttrDict(file=str(tmp_path / "seen.muse"), horizon=3, batch_size=4), spec)
    inputs, outputs = dataset.get_batch(np.arange(4))
    assert inputs["image"].shape == (4, 3, 64, 64, 3) and inputs["image"].dtype == np.uint8
    assert outputs["final/success"].shape == (4, 3, 1) and dataset.get_num_episodes() == len(SEEDS)


def test_a_dataset_in_memory_takes_pictures_too(tmp_path):
    datasets = []

    def open_dataset(spec):
        datasets.append(NpDataset(AttrDict(horizon=2, batch_size=2, output_file=str(tmp_path / "a.npz")), spec))
        return datasets[-1]

    env = point_mass(2, imgs=True)
    recorder = PictureRecorder(open_dataset, ["image"])
    episodes = run_episodes(env, PointMassExpert(AttrDict(), env.env_spec), None, list(SEEDS), recorders=[recorder])
    assert len(datasets) == 1 and datasets[0].get_num_episodes() == recorder.added == len(SEEDS)
    solved = read_file(tmp_path / "a.npz").onetime["final/success"]
    assert solved[:, 0].tolist() == [episode.success for episode in episodes]


def test_rendered_pictures_are_those_before_each_action(tmp_path):
    env = point_mass(2)
    episodes = record(tmp_path / "seen.npz", env, seeds=[5, 6, 7])
    data = read_file(tmp_path / "seen.npz")
    assert data.steps["image"].shape == (sum(map(len, episodes)), 400, 400, 3)
    alone = make(PointMassEnv, AttrDict(num_steps=30, num_obstacles=1, min_distance=0.1))
    for number, episode in enumerate(episodes):
        alone.reset(seed=episode.seed)
        for row, action in enumerate(episode.inputs["action"], start=int(data.ends[number]) - len(episode)):
            assert np.array_equal(data.steps["image"][row], alone.render())
            alone.step(AttrDict(action=action[None]))
    assert data.meta["spec"]["leaves"][0]["description"] == "what the env rendered"


def test_a_folder_grows_while_the_episodes_run(tmp_path):
    env, path = point_mass(1, imgs=True), tmp_path / "seen.muse"
    recorder = PictureRecorder(lambda spec: EpisodeWriter(path, spec, part_bytes=1), ["image"])
    loop = RolloutLoop(env, PointMassExpert(AttrDict(), env.env_spec), recorders=[recorder])
    loop.start(list(SEEDS))
    ended = 0
    while not loop.is_finished:
        ended += len(loop.step())
        # Each is written when the next one comes.
        assert (len(read_file(path).ends) if path.exists() else 0) == max(0, ended - 1)
    loop.close()
    assert ended == len(SEEDS) == len(read_file(path).ends)


def test_a_loop_closed_early_leaves_whole_episodes(tmp_path):
    env, path = point_mass(3), tmp_path / "seen.npz"
    recorder = PictureRecorder(lambda spec: EpisodeWriter(path, spec))
    loop = RolloutLoop(env, PointMassExpert(AttrDict(), env.env_spec), recorders=[recorder])
    loop.start(list(range(30)))
    ended = [episode for _ in range(35) for episode in loop.step()]
    assert ended and not path.exists()
    loop.close()
    loop.close()
    assert 0 < len(read_file(path).ends) == recorder.taken <= len(ended)


def test_a_picture_of_another_size_is_refused(tmp_path):
    class Shrinking(PointMassEnv):
        def render(self, size=400):
            return super().render(60 - self._steps)

    params = AttrDict(cls=Shrinking, num_steps=5)
    env = VectorEnv(AttrDict(num_envs=1), params, make_env_spec(Shrinking, params))
    with pytest.raises(VideoError, match=r"shape \(59, 59, 3\); expected shape \(60, 60, 3\)"):
        record(tmp_path / "seen.npz", env)
    assert not list(tmp_path.iterdir())
