import numpy as np
import pytest
from attrdict import AttrDict

from muse.envs.env import make_env_spec
from muse.envs.simple.point_mass_env import PointMassEnv
from muse.envs.vector_env import VectorEnv
from muse.policies.controllers.point_mass import PointMassExpert
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.loop import RolloutLoop, run_episodes
from muse.rollouts.recorders import VideoRecorder
from muse.testing.fake_env import FakeEnv
from muse.utils.video import VideoError, read_video

SPEC = make_env_spec(FakeEnv)
SIDE, BAR, CELL = 64, 24, 256


class Coloured(FakeEnv):
    """Shows a red that says the seed and a blue that says the step; ends after as many steps as the seed says."""

    def reset(self, presets=None, seed=None):
        result = super().reset(presets, seed)
        self.seed, self.episode_length = seed, 3 + (5 * seed) % 7
        return result

    def render(self):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        picture[..., 0], picture[..., 2] = 20 + 20 * self.seed, 20 * self._steps
        return picture


def record(path, count, seeds, policy=None, **options):
    env = VectorEnv(AttrDict(num_envs=count), AttrDict(cls=Coloured, success_rate=0.5), SPEC)
    recorder = VideoRecorder(path, fps=4, **options)
    run_episodes(env, policy or RandomPolicy(AttrDict(), SPEC), None, seeds, recorders=[recorder])
    return list(read_video(path))


def shown(frame, cell=0, columns=1):
    """Returns seed and step as the picture in a cell shows them."""
    y, x = (cell // columns) * (BAR + CELL + 4) + BAR, (cell % columns) * (CELL + 4)
    patch = frame[y + 8 : y + CELL - 8, x + 8 : x + CELL - 8].astype(float).mean(axis=(0, 1))
    return round((patch[0] - 20) / 20), round(patch[2] / 20)


def test_episodes_play_one_after_another(tmp_path):
    frames = record(tmp_path / "a.mp4", 3, range(5), episodes=2, tile=1)
    expected = [(0, min(step, 3)) for step in range(4 + 4)] + [(1, min(step, 8)) for step in range(9 + 4)]
    assert [shown(frame) for frame in frames] == expected
    assert frames[0].shape == (BAR + CELL, CELL, 3)


def test_episodes_play_beside_one_another(tmp_path):
    frames = record(tmp_path / "a.mp4", 2, range(6), episodes=5, tile=4)
    lengths = [3 + (5 * seed) % 7 for seed in range(5)]
    first = max(length + 5 for length in lengths[:4])
    assert len(frames) == first + lengths[4] + 5
    assert frames[0].shape == (2 * (BAR + CELL) + 4, 2 * CELL + 4, 3)
    for step, frame in enumerate(frames[:first]):
        assert [shown(frame, cell, 2) for cell in range(4)] == [(seed, min(step, lengths[seed])) for seed in range(4)]
    for step, frame in enumerate(frames[first:]):
        assert shown(frame, 0, 2) == (4, min(step, lengths[4]))
        assert np.ptp(frame[BAR + CELL + 10 :, CELL + 10 :].astype(int)) < 12, "an empty cell"


@pytest.mark.parametrize("count", [2, 7])
def test_the_video_does_not_depend_on_the_number_of_envs(tmp_path, count):
    alone = record(tmp_path / "a.mp4", 1, range(7), episodes=5, tile=2)
    together = record(tmp_path / "b.mp4", count, range(7), episodes=5, tile=2)
    assert len(alone) == len(together)
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_success_is_written_on_the_last_frame(tmp_path):
    frames = record(tmp_path / "a.mp4", 1, [0, 2], episodes=2, tile=1)
    before, after = frames[3][:BAR], frames[4][:BAR]
    assert before[..., 1].max() > 180, "white letters"
    assert np.abs(before.astype(int) - after.astype(int)).max() > 100, "other letters in another colour"


def test_fewer_episodes_than_asked_for_make_a_smaller_grid(tmp_path):
    frames = record(tmp_path / "a.mp4", 4, [0, 1], episodes=9)
    assert frames[0].shape == (BAR + CELL, 2 * CELL + 4, 3)


def test_an_episode_that_the_policy_ends_is_shown_as_far_as_it_came(tmp_path):
    frames = record(tmp_path / "a.mp4", 2, [1, 2], policy=RandomPolicy(AttrDict(timeout=2), SPEC), episodes=2, tile=1)
    assert [shown(frame) for frame in frames] == [(seed, min(step, 2)) for seed in (1, 2) for step in range(3 + 4)]


def test_an_interrupted_run_leaves_a_whole_video(tmp_path):
    env = VectorEnv(AttrDict(num_envs=2), AttrDict(cls=Coloured), SPEC)
    recorder = VideoRecorder(tmp_path / "a.mp4", fps=4, episodes=4, tile=2)
    loop = RolloutLoop(env, RandomPolicy(AttrDict(), SPEC), recorders=[recorder])
    loop.start([1, 3, 4])
    for _ in range(3):
        loop.step()
    assert not (tmp_path / "a.mp4").exists()
    loop.close()
    loop.close()
    assert [shown(frame, 1, 2) for frame in read_video(tmp_path / "a.mp4")] == [(3, step) for step in range(4)]
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_few_frames_wait_when_enough_envs_run(tmp_path):
    env = VectorEnv(AttrDict(num_envs=4), AttrDict(cls=Coloured), SPEC)
    recorder = VideoRecorder(tmp_path / "a.mp4", fps=4, episodes=4)
    loop = RolloutLoop(env, RandomPolicy(AttrDict(), SPEC), recorders=[recorder])
    loop.start(range(4))
    for step in range(1, 4):
        loop.step()
        assert recorder._writer.frames >= step
        assert max(len(clip._waiting) for clip in recorder._clips.values()) <= 1 + 4
    loop.close()


def test_what_makes_no_video_is_said(tmp_path):
    class Blind(FakeEnv):
        def render(self):
            return None

    env = VectorEnv(AttrDict(num_envs=1), AttrDict(cls=Blind), SPEC)
    with pytest.raises(VideoError) as error:
        run_episodes(env, RandomPolicy(AttrDict(), SPEC), None, [0], recorders=[VideoRecorder("a.mp4")])
    assert str(error.value) == (
        "VideoRecorder: a.mp4: the env has no picture; expected an env whose render() returns (Y, X, 3) uint8"
        "\n  try: an observation with pictures (--image_key image)"
    )
    with pytest.raises(VideoError) as error:
        VideoRecorder("a.mp4", episodes=0)
    assert (
        str(error.value) == "VideoRecorder: a.mp4: 0 episodes, 0 at a time; expected at least 1 episode, and a tile of 0 or more"
    )
    with pytest.raises(VideoError, match=r"ends in '.gif'"):
        VideoRecorder("a.gif")


def point_mass(count, **options):
    params = AttrDict(cls=PointMassEnv, num_steps=12, num_obstacles=2, **options)
    return VectorEnv(AttrDict(num_envs=count), params, make_env_spec(PointMassEnv, params))


def film(path, env, seeds, **options):
    """Returns the frames of a video, and the episodes that it shows."""
    expert = PointMassExpert(AttrDict(), env.env_spec)
    recorder = VideoRecorder(path, fps=2, episodes=len(seeds), **options)
    episodes = run_episodes(env, expert, None, seeds, recorders=[recorder])
    return list(read_video(path)), episodes


def test_an_observation_is_shown_in_its_own_colours(tmp_path):
    frames, (episode,) = film(tmp_path / "a.mp4", point_mass(1, imgs=True), [3], tile=1, image_names=["image"])
    assert len(frames) == len(episode) + 1 + 2
    for frame, picture in zip(frames, episode.inputs["image"], strict=False):
        assert frame.shape == (BAR + 256, 256, 3)
        error = np.abs(frame[BAR:].reshape(64, 4, 64, 4, 3).mean(axis=(1, 3)) - picture)
        assert error.mean() < 3 and error.max() < 60, "red and blue of the ego differ by 141"


def test_raw_pictures_are_neither_enlarged_nor_written_on(tmp_path):
    env = point_mass(2, imgs=True, img_height=50)
    frames, episodes = film(tmp_path / "a.mp4", env, [3, 4], tile=1, image_names=["image"], raw=True)
    pictures = episodes[0].inputs["image"]
    assert frames[0].shape == (50, 64, 3) == pictures.shape[1:]
    assert all(np.abs(frame - picture.astype(float)).mean() < 4 for frame, picture in zip(frames, pictures, strict=False))


class TwoCameras(FakeEnv):
    """A large red picture and a small blue one, brighter in each step."""

    @classmethod
    def get_default_env_spec_params(cls, params):
        group = FakeEnv.get_default_env_spec_params(params)
        leaves = [*group.names_shapes_limits_dtypes, ("wrist/image", (2, 3, 1), (0, 255), np.uint8)]
        return group & AttrDict(names_shapes_limits_dtypes=leaves, observation_names=["position", "image", "wrist/image"])

    def _draw(self, names):
        drawn = super()._draw(names)
        for name, value in (("image", (200, 0, 0)), ("wrist/image", (30 * self._steps,))):
            if name in drawn:
                drawn[name][:] = value
        return drawn


def test_several_observations_are_shown_beside_one_another(tmp_path):
    spec = make_env_spec(TwoCameras)
    env = VectorEnv(AttrDict(num_envs=1), AttrDict(cls=TwoCameras), spec)
    recorder = VideoRecorder(tmp_path / "a.mp4", fps=2, tile=1, image_names=["wrist/image", "image"])
    run_episodes(env, RandomPolicy(AttrDict(), spec), None, [0], recorders=[recorder])
    frames = list(read_video(tmp_path / "a.mp4"))
    # Two pictures of 4 x 6, the small one twice as large as it is, and a gap of 1, each pixel 56 times.
    assert frames[0].shape == (22 + 4 * 56, 13 * 56, 3)
    for step, frame in enumerate(frames[:6]):
        left, right = frame[42:226, 20:300].mean(axis=(0, 1)), frame[42:226, 420:700].mean(axis=(0, 1))
        assert np.abs(left - 30 * step).max() < 6 and np.abs(right - (200, 0, 0)).max() < 12


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("imag", "'imag': no observation (did you mean 'image'?); expected an observation with pictures: image"),
        ("position", "'position': shape (2,) float32, no picture (Y, X, 3) uint8; expected an observation with pictures: image"),
        ("goal/position", "'goal/position': no observation; expected an observation with pictures: image"),
    ],
)
def test_a_name_without_pictures_is_said_before_anything_is_done(tmp_path, name, told):
    class Untouched(FakeEnv):
        def reset(self, presets=None, seed=None):
            raise AssertionError("reset")

    env = VectorEnv(AttrDict(num_envs=1), AttrDict(cls=Untouched), SPEC)
    recorder = VideoRecorder(tmp_path / "a.mp4", image_names=["image", name])
    with pytest.raises(VideoError) as error:
        run_episodes(env, RandomPolicy(AttrDict(), SPEC), None, [0], recorders=[recorder])
    assert str(error.value) == f"VideoRecorder: {tmp_path}/a.mp4: {told}"
    assert not list(tmp_path.iterdir())
