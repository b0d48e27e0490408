"""Pages and videos show what is in the data."""

import numpy as np
import pytest
from made import LENGTHS, changed, make_data
from PIL import Image

from muse.datasets import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.tools.plots import _drawable, _views, plot_coverage, plot_episode, plot_histograms, plot_lengths
from muse.datasets.tools.videos import picture_names, write_episodes_video
from muse.utils.plots import PlotError
from muse.utils.video import VideoError, read_video


def drawn(path):
    """Returns the pixels of a picture that are not white, and their number."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return pixels, int((pixels < 250).any(axis=2).sum())


def test_pages(tmp_path):
    data, sizes = make_data(), []
    for i, draw in enumerate((plot_coverage, plot_histograms, plot_lengths)):
        draw(tmp_path / f"{i}.png", data)
        sizes.append(drawn(tmp_path / f"{i}.png")[1])
    assert min(sizes) > 5000
    few = EpisodeData({"ego": data.steps["ego"]}, {}, data.ends, {}, "few")
    for index in (0, 3):
        plot_episode(tmp_path / f"episode_{index}.png", few, index)
    one, two = (drawn(tmp_path / f"episode_{index}.png")[0] for index in (0, 3))
    assert one.shape == two.shape and (one != two).any(axis=2).sum() > 1000


def test_odd_data_can_be_drawn(tmp_path):
    rows = {"flag": np.array([True, False]), "wide": np.zeros((2, 20)), "count": np.array([3, 4]), "note": np.array(["a", "b"])}
    data = EpisodeData(rows, {}, np.array([1, 2]), {}, "odd")
    for i, draw in enumerate((lambda path, data: plot_episode(path, data, 1), plot_histograms, plot_coverage, plot_lengths)):
        draw(tmp_path / f"{i}.png", data)
        assert drawn(tmp_path / f"{i}.png")[1] > 1000


def test_pictures_have_no_panel_however_small(tmp_path):
    data = make_data(size=4)
    assert [leaf.name for leaf in _drawable(data)] == ["action", "ego", "robot/quat", "reward"]
    with pytest.raises(DataError, match="nothing to draw"):
        plot_histograms(tmp_path / "a.png", EpisodeData({"image": data.steps["image"]}, {}, data.ends, {}, "film"))


def test_names_with_dollars_are_no_formulas(tmp_path):
    rows = {r"cost$\odd$": np.arange(4.0), "$": np.arange(8.0).reshape(4, 2)}
    data = EpisodeData(rows, {}, np.array([1, 4]), {}, r"data/$\frac$.npz")
    for i, draw in enumerate((lambda path, data: plot_episode(path, data, 1), plot_histograms, plot_coverage, plot_lengths)):
        draw(tmp_path / f"{i}.png", data)
        assert drawn(tmp_path / f"{i}.png")[1] > 1000


def test_what_cannot_be_drawn_says_so(tmp_path):
    data, none = make_data(), EpisodeData({"note": np.array(["a"])}, {}, np.array([1]), {}, "texts")
    for call, error, told in (
        (lambda: plot_episode(tmp_path / "a.png", data, 4), DataError, "episode 4: not there; expected a number below 4"),
        (lambda: plot_histograms(tmp_path / "a.png", none), DataError, "texts: nothing to draw"),
        (lambda: plot_lengths(tmp_path / "a.jpg", data), PlotError, "ends in '.png'"),
    ):
        with pytest.raises(error, match=told):
            call()
    assert not list(tmp_path.iterdir())


def test_states_are_shown_in_metres_or_in_their_main_directions():
    data = changed(make_data())
    ((title, x_label, _, points, is_metric),) = _views(data)
    assert (title, x_label, is_metric) == ("ego", "x [m]", True) and np.array_equal(points, data.steps["ego"])
    del data.steps["ego"]
    ((_, _, _, points, is_metric),) = _views(data)
    # Of the quaternions two elements vary with the angle, and one direction holds most of that.
    assert points.shape == (sum(LENGTHS), 2) and not is_metric and points[:, 0].std() >= points[:, 1].std() > 0


def test_videos(tmp_path):
    data = changed(make_data(lengths=(3, 5), size=64))
    data.steps["image"][:] = 0
    data.steps["image"][4, 32:, 32:] = 255
    data.steps["wrist/image"] = np.full((8, 32, 32, 1), 128, np.uint8)
    assert picture_names(data) == ["image", "wrist/image"]
    assert write_episodes_video(tmp_path / "a.mp4", data, [1], ["image"]) == 5
    frames = list(read_video(tmp_path / "a.mp4"))
    bar = 24
    assert len(frames) == 5 and frames[0].shape == (bar + 256, 256, 3)
    assert [frame[bar + 200, 200, 0] > 200 for frame in frames] == [False, True, False, False, False]
    # The words stand above the picture, of which they hide nothing.
    assert frames[0][:bar].max() > 200 and frames[0][bar + 2 :].max() < 20
    assert write_episodes_video(tmp_path / "b.mp4", data, [0, 1]) == 8
    both = next(read_video(tmp_path / "b.mp4"))
    assert both.shape == (bar + 256, 516, 3) and abs(int(both[bar + 200, 400, 1]) - 128) < 10
    for names, episodes, told in (
        (["imge"], [0], "did you mean 'image'"),
        (["ego"], [0], "no picture"),
        (["image", "wrist/image", "image"], [0], "'image': given twice; expected each camera once"),
        ([], [2], "episode 2: not there"),
    ):
        with pytest.raises(DataError, match=told):
            write_episodes_video(tmp_path / "c.mp4", data, episodes, names)
    with pytest.raises(VideoError):
        write_episodes_video(tmp_path / "c.avi", data, [0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
