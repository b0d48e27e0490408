import numpy as np
import pytest
from attrdict import AttrDict

from muse.envs.env import make_env_spec
from muse.envs.vector_env import VectorEnv
from muse.policies.random_policy import RandomPolicy
from muse.rollouts.loop import RolloutLoop, run_episodes
from muse.rollouts.recorders import VideoRecorder
from muse.testing.fake_env import FakeEnv
from muse.utils.video import VideoError, read_video

SPEC = make_env_spec(FakeEnv)
SIDE = 64


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
    """Returns seed and step as a cell's lower part shows them."""
    y, x = (cell // columns) * (SIDE + 4), (cell % columns) * (SIDE + 4)
    patch = frame[y + 40 : y + SIDE - 8, x + 8 : x + SIDE - 8].astype(float).mean(axis=(0, 1))
    return round((patch[0] - 20) / 20), round(patch[2] / 20)


def test_episodes_play_one_after_another(tmp_path):
    frames = record(tmp_path / "a.mp4", 3, range(5), episodes=2, tile=1)
    expected = [(0, min(step, 3)) for step in range(4 + 4)] + [(1, min(step, 8)) for step in range(9 + 4)]
    assert [shown(frame) for frame in frames] == expected
    assert frames[0].shape == (SIDE, SIDE, 3)


def test_episodes_play_beside_one_another(tmp_path):
    frames = record(tmp_path / "a.mp4", 2, range(6), episodes=5, tile=4)
    lengths = [3 + (5 * seed) % 7 for seed in range(5)]
    first = max(length + 5 for length in lengths[:4])
    assert len(frames) == first + lengths[4] + 5
    assert frames[0].shape == (2 * SIDE + 4, 2 * SIDE + 4, 3)
    for step, frame in enumerate(frames[:first]):
        assert [shown(frame, cell, 2) for cell in range(4)] == [(seed, min(step, lengths[seed])) for seed in range(4)]
    for step, frame in enumerate(frames[first:]):
        assert shown(frame, 0, 2) == (4, min(step, lengths[4]))
        assert np.ptp(frame[SIDE + 10 :, SIDE + 10 :].astype(int)) < 12, "an empty cell"


@pytest.mark.parametrize("count", [2, 7])
def test_the_video_does_not_depend_on_the_number_of_envs(tmp_path, count):
    alone = record(tmp_path / "a.mp4", 1, range(7), episodes=5, tile=2)
    together = record(tmp_path / "b.mp4", count, range(7), episodes=5, tile=2)
    assert len(alone) == len(together)
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_success_is_written_on_the_last_frame(tmp_path):
    frames = record(tmp_path / "a.mp4", 1, [0, 2], episodes=2, tile=1)
    before, after = frames[3][:16], frames[4][:16]
    assert before[..., 1].max() > 180, "white letters"
    assert np.abs(before.astype(int) - after.astype(int)).max() > 100, "other letters in another colour"


def test_fewer_episodes_than_asked_for_make_a_smaller_grid(tmp_path):
    frames = record(tmp_path / "a.mp4", 4, [0, 1], episodes=9)
    assert frames[0].shape == (SIDE, 2 * SIDE + 4, 3)


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
    )
    with pytest.raises(VideoError) as error:
        VideoRecorder("a.mp4", episodes=0)
    assert (
        str(error.value) == "VideoRecorder: a.mp4: 0 episodes, 0 at a time; expected at least 1 episode, and a tile of 0 or more"
    )
    with pytest.raises(VideoError, match=r"ends in '.gif'"):
        VideoRecorder("a.gif")
