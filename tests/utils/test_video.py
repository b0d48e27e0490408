import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.utils.video import (
    GAP_GREY,
    VideoError,
    VideoWriter,
    add_caption,
    enlarge,
    is_picture,
    lay_beside,
    read_video,
    tile_frames,
    write_video,
)


def smooth_frames(count, height, width):
    """A bright bar that moves over a slope of colours: what a codec keeps well."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for i in range(count):
        frame = np.stack([100 * x / width, 100 * y / height, np.full_like(x, 60.0)], -1)
        frame[:, 4 * i : 4 * i + 16] += 100
        frames.append(frame.astype(np.uint8))
    return frames


def test_frames_come_back_from_the_file(tmp_path):
    frames = smooth_frames(12, 64, 96)
    assert write_video(tmp_path / "new" / "a.mp4", frames, fps=10) == 12
    got = list(read_video(tmp_path / "new" / "a.mp4"))
    assert len(got) == 12 and got[0].shape == (64, 96, 3) and got[0].dtype == np.uint8
    for one, other in zip(frames, got, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).mean() < 4
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_colours_keep_their_order(tmp_path):
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[..., 0] = 220
    write_video(tmp_path / "red.mp4", [frame] * 3)
    red, green, blue = next(iter(read_video(tmp_path / "red.mp4")))[16, 16]
    assert red > 180 and green < 60 and blue < 60


def test_odd_sides_grow_by_a_pixel(tmp_path):
    write_video(tmp_path / "a.mp4", smooth_frames(2, 33, 47))
    assert next(iter(read_video(tmp_path / "a.mp4"))).shape == (34, 48, 3)


def test_frames_are_written_as_they_come_and_the_file_appears_whole(tmp_path):
    with VideoWriter(tmp_path / "a.mp4") as video:
        for frame in smooth_frames(3, 32, 32):
            video.add(frame)
        assert not (tmp_path / "a.mp4").exists()
    assert video.frames == 3
    assert (tmp_path / "a.mp4").stat().st_mode & 0o444 == 0o444
    video.close()


def test_an_error_leaves_what_was_there(tmp_path):
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "a.mp4") as video:
        video.add(smooth_frames(1, 32, 32)[0])
        raise ZeroDivisionError
    assert (tmp_path / "a.mp4").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_makes_no_video_is_said(tmp_path):
    frame = np.zeros((32, 32, 3), np.uint8)
    cases = [
        (lambda: write_video("a.mp4", []), "a.mp4: no frames; expected at least one"),
        (lambda: VideoWriter("a.avi"), "a.avi: ends in '.avi'; expected a name that ends in '.mp4'"),
        (lambda: VideoWriter("a.mp4", fps=0), "a.mp4: fps: 0; expected from 0.01 to 1000 frames per second"),
        (lambda: write_video(tmp_path / "a.mp4", [frame.astype(float)]),
         f"{tmp_path}/a.mp4: frame 0: shape (32, 32, 3) float64; expected an array (Y, X, 3) uint8"),
        (lambda: write_video(tmp_path / "a.mp4", [frame, frame[:16]]),
         f"{tmp_path}/a.mp4: frame 1: shape (16, 32, 3); expected shape (32, 32, 3), as the first frame has"),
        (lambda: tile_frames([]), "tile_frames: no frames; expected at least one"),
        (lambda: tile_frames([frame, None]), "tile_frames: frame 1: NoneType; expected an array (Y, X, 3) uint8"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(VideoError) as error:
            call()
        assert str(error.value) == message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 40, 400])
def test_a_size_that_cannot_be_written_leaves_no_file(tmp_path, count):
    """One frame is all over before ffmpeg has looked at it, many are not."""
    with pytest.raises(
        VideoError,
        match=r"a\.mp4: ffmpeg gave up, of frames of 20000x8 pixels \(.*invalid width x height \(20000x8\)\); expected a size that H\.264 knows",
    ):
        write_video(tmp_path / "a.mp4", [np.zeros((8, 20000, 3), np.uint8)] * count)
    assert not list(tmp_path.iterdir())


def test_a_writer_that_failed_does_not_say_that_it_wrote(tmp_path):
    video = VideoWriter(tmp_path / "a.mp4")
    video.add(np.zeros((8, 20000, 3), np.uint8))
    with pytest.raises(VideoError):
        video.close()
    assert video.frames == 0
    video.close()


def test_what_is_no_video_cannot_be_read(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    for name in ("a.mp4", "none.mp4"):
        with pytest.raises(VideoError, match="expected a video"):
            list(read_video(tmp_path / name))


def test_reading_may_stop_early(tmp_path):
    write_video(tmp_path / "a.mp4", smooth_frames(50, 64, 64))
    reader = read_video(tmp_path / "a.mp4")
    next(reader)
    reader.close()


@given(count=st.integers(1, 9), columns=st.integers(0, 4), gap=st.integers(0, 3))
def test_every_tile_is_where_it_belongs(count, columns, gap):
    frames = [np.full((4, 6, 3), i + 1, np.uint8) for i in range(count)]
    tiled = tile_frames(frames, columns, gap)
    across = columns or int(np.ceil(np.sqrt(count)))
    down = -(-count // across)
    assert tiled.shape == (down * 4 + (down - 1) * gap, across * 6 + (across - 1) * gap, 3)
    for i in range(count):
        y, x = i // across * (4 + gap), i % across * (6 + gap)
        assert np.all(tiled[y : y + 4, x : x + 6] == i + 1)
    assert (tiled == GAP_GREY).sum() == tiled.size - count * 4 * 6 * 3


@pytest.mark.parametrize("shape", [(224, 224, 3), (400, 300, 3), (40, 60, 3)])
def test_a_caption_hides_nothing_of_the_picture(shape):
    frame = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    captioned = add_caption(frame, "episode 100  step 1000  success", (0, 255, 0))
    bar = captioned[: -shape[0]]
    assert np.array_equal(captioned[len(bar) :], frame) and 17 <= len(bar) <= 24
    assert (bar[..., 1].astype(int) - bar[..., 0]).max() > 100, "letters of the colour"
    assert shape[1] < 100 or np.all(bar[:, -3:] == 30), "the whole line is there"


def test_small_frames_are_enlarged_by_whole_factors():
    for shape, times in (
        ((64, 64), 4),
        ((84, 84), 3),
        ((223, 400), 2),
        ((224, 224), 1),
        ((400, 600), 1),
        ((8, 400), 2),
        ((10, 2000), 1),
    ):
        frame = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
        large = enlarge(frame)
        assert large.shape == (shape[0] * times, shape[1] * times, 3) and np.array_equal(large[::times, ::times], frame)


def test_pictures_beside_one_another_keep_their_colours():
    colour, grey, cut = (
        np.full((size, 6, channels), value, np.uint8) for size, channels, value in ((6, 3, 9), (2, 1, 50), (6, 4, 90))
    )
    colour[..., 0] = 200
    frame = lay_beside([colour, grey[:, :3], cut])
    assert frame.shape == (6, 6 + 1 + 6 + 1 + 6, 3)
    assert np.all(frame[:, :6] == (200, 9, 9)) and np.all(frame[:, 14:] == 90)
    assert np.all(frame[:4, 7:13] == 50) and np.all(frame[4:, 7:13] == GAP_GREY)


@pytest.mark.parametrize(
    ("shape", "dtype", "is_one"),
    [
        ((4, 5, 3), np.uint8, True), ((4, 5, 1), np.uint8, True), ((4, 5, 4), "uint8", True), ((3, 4, 5), np.uint8, False),
        ((4, 5), np.uint8, False), ((4, 5, 3), np.float32, False), ((0, 5, 3), np.uint8, False),
    ],
)  # fmt: skip
def test_what_a_picture_is(shape, dtype, is_one):
    assert is_picture(shape, dtype) == is_one
