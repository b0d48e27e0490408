"""Writers: nothing lost, nothing twice, whatever a crash leaves; Weights & Biases without a key, without asking, without noise."""

import json
import logging
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.trainers.writers import JsonlWriter, LossCsvWriter, TensorboardWriter, Writer, WriterGroup, make_writer
from muse.trainers.writers.wandb_writer import has_wandb_key
from muse.utils.errors import MissingExtraError


def write(writer, steps):
    for step in steps:
        writer.scalar("train/loss", 0.1 * step, step)
        if step % 2 == 0:
            writer.scalar("holdout/loss", 1 / 3 + step, step)


def read_events(folder):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [
        (event.step, value.tag)
        for path in sorted(folder.glob("events.*"))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


def read_metrics(folder):
    return [(v["step"], v["name"], v["value"]) for v in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())]


def test_nothing_is_made_before_something_is_written(tmp_path):
    writer = make_writer(tmp_path)
    writer.flush()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written(tmp_path):
    writer = make_writer(tmp_path, tensorboard=False)
    write(writer, [1, 2, 3])
    writer.close()
    assert read_metrics(tmp_path) == [
        (1, "train/loss", 0.1), (2, "train/loss", 0.2), (2, "holdout/loss", 1 / 3 + 2), (3, "train/loss", 0.1 * 3),
    ]  # fmt: skip
    assert (tmp_path / "loss.csv").read_text() == (f"step,train_loss,holdout_loss\n1,0.1,\n2,0.2,{1 / 3 + 2!r}\n3,{0.1 * 3!r},\n")
    first = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert list(first) == ["step", "name", "value", "time"] and first["time"] > 1.6e9


def test_values_are_seen_by_others_at_once(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.scalar("a", 1.0, 1)
    assert read_metrics(tmp_path) == [(1, "a", 1.0)]
    writer.close()


def test_a_value_that_is_not_finite_can_be_read_again(tmp_path):
    writer = JsonlWriter(tmp_path / "metrics.jsonl")
    writer.scalar("a", float("inf"), 1)
    writer.close()
    assert read_metrics(tmp_path) == [(1, "a", float("inf"))]


@given(cut=st.integers(0, 400), kept=st.integers(0, 6))
def test_a_file_cut_anywhere_goes_on_without_gap_or_double(cut, kept, tmp_path_factory):
    """A crash after the save of step `kept` leaves the files whole up to it and cut anywhere after it."""
    folder, whole = tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("whole")
    for target in (whole, folder):
        writer = make_writer(target, tensorboard=False)
        write(writer, range(1, kept + 1))
        writer.flush()
        sizes = {
            name: (target / name).stat().st_size if (target / name).exists() else 0 for name in ("metrics.jsonl", "loss.csv")
        }
        write(writer, range(kept + 1, 7))
        writer.close()
    for name, size in sizes.items():
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: max(size, cut)])
    writer = make_writer(folder, tensorboard=False)
    writer.truncate(kept)
    write(writer, range(kept + 1, 7))
    writer.close()
    assert read_metrics(folder) == read_metrics(whole)
    assert (folder / "loss.csv").read_text() == (whole / "loss.csv").read_text()


def test_half_a_line_is_dropped_without_truncate_too(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1, "name": "a", "value": 1.0, "time": 0}\n{"step": 2, "na')
    writer = JsonlWriter(path)
    writer.scalar("a", 3.0, 3)
    writer.close()
    assert read_metrics(tmp_path) == [(1, "a", 1.0), (3, "a", 3.0)]


def test_truncating_at_0_leaves_nothing(tmp_path):
    writer = make_writer(tmp_path)
    write(writer, [1, 2])
    writer.truncate(0)
    write(writer, [1])
    writer.close()
    assert read_metrics(tmp_path) == [(1, "train/loss", 0.1)]
    assert (tmp_path / "loss.csv").read_text() == "step,train_loss,holdout_loss\n1,0.1,\n"
    assert read_events(tmp_path) == [(1, "train/loss")]


def test_the_row_of_a_step_is_one_row(tmp_path):
    writer = LossCsvWriter(tmp_path / "loss.csv")
    writer.scalar("holdout/loss", 2.0, 5)
    writer.scalar("train/accuracy", 9.0, 5)
    writer.scalar("train/loss", 1.0, 5)
    writer.close()
    assert (tmp_path / "loss.csv").read_text() == "step,train_loss,holdout_loss\n5,1.0,2.0\n"


@pytest.mark.parametrize("cut", [0, 1, 30])
def test_tensorboard_events_after_a_step_are_dropped(cut, tmp_path):
    writer = TensorboardWriter(tmp_path)
    write(writer, range(1, 6))
    writer.close()
    (path,) = tmp_path.glob("events.*")
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    writer = TensorboardWriter(tmp_path)
    writer.truncate(3)
    write(writer, [4, 5])
    writer.close()
    steps = [(s, t) for s, t in sorted(read_events(tmp_path)) if t == "train/loss"]
    assert steps == [(s, "train/loss") for s in range(1, 6)]
    assert len(read_events(tmp_path)) == 7


def test_tensorboard_takes_pictures_and_videos(tmp_path):
    writer = WriterGroup([TensorboardWriter(tmp_path), JsonlWriter(tmp_path / "metrics.jsonl")])
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    writer.image("picture", frames[0], 1)
    writer.video("video", frames, 2, fps=10)
    writer.close()
    assert read_events(tmp_path) == [(1, "picture"), (2, "video")]
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_writer_that_fails_to_close_does_not_keep_the_others_open(tmp_path):
    class Failing(Writer):
        def scalar(self, name, value, step):
            pass

        def close(self):
            raise OSError("full")

    jsonl = LossCsvWriter(tmp_path / "loss.csv")
    group = WriterGroup([Failing(), jsonl])
    group.scalar("train/loss", 1.0, 1)
    with pytest.raises(OSError, match="full"):
        group.close()
    assert (tmp_path / "loss.csv").read_text().endswith("1,1.0,\n")


# -- Weights & Biases

WANDB = """
import sys
from pathlib import Path
from muse.trainers.writers import make_writer
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
writer = make_writer(sys.argv[1], tensorboard=False, wandb={"project": "p", "tags": ["a"], "name": "n"}, config={"a": {"b": 1}})
writer.truncate(int(sys.argv[2]))
for step in range(int(sys.argv[2]) + 1, int(sys.argv[3]) + 1):
    writer.scalar("train/loss", 1.0 / step, step)
writer.close()
"""


def run_wandb(folder, begin, end, **changes):
    env = {key: value for key, value in os.environ.items() if not key.startswith("WANDB") and key != "NETRC"}
    env.update({"HOME": str(folder), **changes})
    return subprocess.run(
        [sys.executable, "-c", WANDB, str(folder), str(begin), str(end)],
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def test_wandb_without_a_key_is_offline_and_says_so_in_one_line(tmp_path):
    pytest.importorskip("wandb")
    done = run_wandb(tmp_path, 0, 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == (
        f"wandb: no key (WANDB_API_KEY or `wandb login`); offline, send it later with `wandb sync {tmp_path}/wandb/offline-run-*`\n"
    )
    run_id = (tmp_path / "wandb_id.txt").read_text().strip()
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert folder.name.endswith(run_id)


def test_wandb_goes_on_with_the_same_run_and_sends_no_step_twice(tmp_path):
    pytest.importorskip("wandb")
    for begin, end in ((0, 3), (2, 5)):
        done = run_wandb(tmp_path, begin, end, WANDB_MODE="offline")
        assert done.returncode == 0 and done.stdout == done.stderr == ""
    assert read_metrics(tmp_path) == [(step, "train/loss", 1.0 / step) for step in range(1, 6)]
    runs = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert {path.name.rpartition("-")[2] for path in runs} == {(tmp_path / "wandb_id.txt").read_text().strip()}
    assert [steps_of(path) for path in runs] in ([[1, 2, 3], [4, 5]], [[4, 5], [1, 2, 3]])


def steps_of(folder):
    """Returns the steps in the file of an offline run: records as in LevelDB's log, in one block of 32 KiB."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("*.wandb")
    content, begin, steps = path.read_bytes(), 7, []
    assert len(content) < 32768
    while begin + 7 <= len(content):
        _, length, _ = struct.unpack_from("<IHB", content, begin)
        record = wandb_internal_pb2.Record.FromString(content[begin + 7 : begin + 7 + length])
        if record.WhichOneof("record_type") == "history":
            steps.append(record.history.step.num)
        begin += 7 + length
    return steps


def test_wandb_that_is_not_installed_gives_one_line(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.INFO):
        writer = make_writer(tmp_path, wandb={"project": "p", "tags": [], "name": "n"})
    assert caplog.messages == ["wandb: not installed, TensorBoard only (pip install -e '.[wandb]' -c constraints.txt)"]
    write(writer, [1])
    writer.close()
    assert read_metrics(tmp_path) == [(1, "train/loss", 0.1)]
    with pytest.raises(MissingExtraError):
        from muse.trainers.writers import WandbWriter

        WandbWriter(tmp_path)


def test_keys_of_wandb(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not has_wandb_key()
    (tmp_path / "netrc").write_text("machine example.com login a password b\n")
    assert not has_wandb_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password 0123\n")
    assert has_wandb_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.com/")
    assert not has_wandb_key()
    monkeypatch.setenv("WANDB_API_KEY", "0123")
    assert has_wandb_key()
