"""A run that was stopped, at whatever moment, is the run that never stopped: weights, optimiser, losses, samples, to the bit."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from runs import BASE, KINDS, STEPS, assert_same, at_action, at_step, make_trainer, read_run, run, terminate

from muse.trainers.checkpoint import CheckpointError
from muse.trainers.errors import TrainerError


class Crash(Exception):
    pass


def crash():
    raise Crash


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Returns the outcome of each kind of run that is never stopped."""
    done = {}

    def get(kind):
        if kind not in done:
            folder = tmp_path_factory.mktemp(kind)
            assert run(folder, kind) == 0
            done[kind] = read_run(folder)
        return done[kind]

    return get


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_run(kind, whole, tmp_path):
    assert run(tmp_path, kind) == 0
    assert_same(read_run(tmp_path), whole(kind))


def test_another_seed_gives_another_run(whole, tmp_path):
    run(tmp_path, "plain", seed=1)
    assert read_run(tmp_path)["scalars"] != whole("plain")["scalars"]


@pytest.mark.parametrize("stop", [0, 1, 8, 14, 20])
def test_batches_gathered_ahead_are_the_same_batches(stop, whole, tmp_path):
    if stop:
        assert run(tmp_path, "datasets", prefetch_batches=2, prepare=at_step(stop, terminate)) == 143
    assert run(tmp_path, "datasets", prefetch_batches=2) == 0
    assert_same(read_run(tmp_path), whole("datasets"))
    assert "muse-prefetch" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("kind", ["augmented", "relabelled", "mixture"])
def test_what_is_random_in_batches_is_the_same_when_they_are_gathered_ahead(kind, whole, tmp_path):
    assert run(tmp_path, kind, prefetch_batches=2, prepare=at_step(9, terminate)) == 143
    assert run(tmp_path, kind, prefetch_batches=2) == 0
    assert_same(read_run(tmp_path), whole(kind))


def test_a_run_that_dies_before_its_state_is_written_lacks_no_numbered_checkpoint(tmp_path, monkeypatch):
    """The state comes last: a run goes on from there, and would never write what lies before it."""
    monkeypatch.setattr("muse.trainers.trainer.write_values", lambda *_: crash())
    with pytest.raises(Crash):
        run(tmp_path, "plain", save_every_n_steps=5, save_checkpoint_every_n_steps=5)
    assert (tmp_path / "models/chkpt_0000000005.pt").is_file()
    assert not (tmp_path / "models/train_state.pt").exists()


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 6, 7, 8, 10, 13, 14, 15, 20, 21, 23])
def test_a_signal_at_any_step(stop, whole, tmp_path):
    assert run(tmp_path, "everything", prepare=at_step(stop, terminate)) == 143
    assert 0 < torch.load(tmp_path / "models/train_state.pt", weights_only=True)["step"] <= stop
    assert run(tmp_path, "everything") == 0
    assert_same(read_run(tmp_path), whole("everything"))


@pytest.mark.parametrize(
    "kind", ["plain", "dropout", "schedule", "torch_schedule", "ema", "datasets", "augmented", "relabelled", "mixture"]
)
def test_a_signal_at_several_steps_of_one_run(kind, whole, tmp_path):
    for stop in (2, 1, 6, 7, 4):
        assert run(tmp_path, kind, prepare=at_step(stop, terminate)) == 143
    assert run(tmp_path, kind) == 0
    assert_same(read_run(tmp_path), whole(kind))


@pytest.mark.parametrize("call", [1, 9, 30])
def test_a_signal_in_an_evaluation_breaks_it_off(call, whole, tmp_path):
    assert run(tmp_path, "rollouts", prepare=at_action(call, terminate)) == 143
    state = torch.load(tmp_path / "models/train_state.pt", weights_only=True)
    assert not state["is_evaluated"] and state["step"] % 6 == 0
    assert not any(step == state["step"] for step, *_ in read_run(tmp_path)["scalars"])
    assert run(tmp_path, "rollouts") == 0
    assert_same(read_run(tmp_path), whole("rollouts"))


def test_an_evaluation_that_is_broken_off_again_and_again(whole, tmp_path):
    for _ in range(3):
        assert run(tmp_path, "rollouts", prepare=at_action(3, terminate)) == 143
    with pytest.raises(Crash):
        run(tmp_path, "rollouts", prepare=at_step(4, crash))
    assert run(tmp_path, "rollouts") == 0
    assert_same(read_run(tmp_path), whole("rollouts"))


@pytest.mark.parametrize("stop", [1, 8, 15, 20])
@pytest.mark.parametrize("kind", ["rollouts", "online"])
def test_a_crash_loses_the_steps_since_the_last_save_and_repeats_them(kind, stop, whole, tmp_path):
    with pytest.raises(Crash):
        run(tmp_path, kind, prepare=at_step(stop, crash))
    assert run(tmp_path, kind) == 0
    assert_same(read_run(tmp_path), whole(kind))


@pytest.mark.parametrize("stop", [3, 9, 17])
def test_a_signal_while_collecting_goes_back_to_the_scheduled_save(stop, whole, tmp_path):
    assert run(tmp_path, "online", prepare=at_step(stop, terminate)) == 143
    assert run(tmp_path, "online") == 0
    assert_same(read_run(tmp_path), whole("online"))


def test_a_shorter_run_that_is_continued_is_the_longer_one(whole, tmp_path):
    for max_steps in (3, 7, 20, STEPS):
        assert run(tmp_path, "plain", max_steps=max_steps) == 0
    assert_same(read_run(tmp_path), whole("plain"))


def test_a_finished_run_is_left_as_it_is(tmp_path):
    run(tmp_path)
    before = read_run(tmp_path)
    assert run(tmp_path) == 0
    assert_same(read_run(tmp_path), before)


def test_resuming_needs_no_other_file(whole, tmp_path):
    assert run(tmp_path, "everything", prepare=at_step(9, terminate)) == 143
    for path in (tmp_path / "models").glob("*.pt"):
        if path.name != "train_state.pt":
            path.unlink()
    assert run(tmp_path, "everything") == 0
    assert_same(read_run(tmp_path)["models"]["train_state.pt"], whole("everything")["models"]["train_state.pt"])


def test_a_folder_without_a_state_begins_at_step_0(whole, tmp_path):
    with pytest.raises(Crash):
        run(tmp_path, "plain", save_every_n_steps=0, prepare=at_step(9, crash))
    assert not (tmp_path / "models/train_state.pt").exists()
    assert run(tmp_path, "plain") == 0
    assert_same(read_run(tmp_path), whole("plain"))


def test_a_run_goes_back_once_and_then_on(tmp_path):
    run(tmp_path)
    options = {"checkpoint_model_file": "chkpt_0000000010.pt", "max_steps": 12}
    assert run(tmp_path, **options) == 0
    trainer = make_trainer(tmp_path, **{**options, "max_steps": 15})
    trainer.restore()
    assert trainer.step == 12
    trainer.writer.close()


def test_going_back_to_a_checkpoint(tmp_path):
    run(tmp_path)
    trainer = make_trainer(tmp_path, checkpoint_model_file="chkpt_0000000010.pt")
    trainer.restore()
    assert trainer.step == 10
    trainer.run()
    trainer.writer.close()
    steps = [step for step, *_ in read_run(tmp_path)["scalars"]]
    assert steps == sorted(steps) and steps[-1] == STEPS


@pytest.mark.parametrize(
    "options, message",
    [
        ({"seed": 1}, "{}: the state of a run with seed 0; expected seed 1\n  try: --seed 0"),
        ({"datasets": 2}, "{}: a run with 1 train datasets; expected 2, as now"),
    ],
)
def test_the_state_of_another_run_is_refused(options, message, tmp_path):
    run(tmp_path)
    with pytest.raises(TrainerError) as caught:
        run(tmp_path, **options)
    assert str(caught.value) == message.format(tmp_path / "models/train_state.pt")


def test_a_damaged_state_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "models/train_state.pt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError) as caught:
        run(tmp_path)
    assert "cut short or damaged" in str(caught.value)


# -- a process that is killed


def start(folder, kind, **options):
    arguments = [sys.executable, Path(__file__).parent / "runs.py", folder, json.dumps({"kind": kind, **options})]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(condition, process):
    while process.poll() is None and not condition():
        time.sleep(0.0005)


def kill_and_finish(folder, kind, kills, rng, **options):
    """Kills a run again and again: after random times, every third time while a checkpoint is being written; then lets it end."""
    killed = 0
    for i in range(kills):
        process = start(folder, kind, **options)
        progress = (folder / "metrics.jsonl").stat().st_size if (folder / "metrics.jsonl").exists() else 0
        wait_for(
            lambda size=progress: (folder / "metrics.jsonl").exists() and (folder / "metrics.jsonl").stat().st_size != size,
            process,
        )
        if i % 3 == 1:
            wait_for(lambda: any((folder / "models").glob(".*.tmp")), process)
        else:
            time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        process.stderr.close()
    process = start(folder, kind, **options)
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    return killed


def check_kills(kind, kills, tmp_path, steps):
    options = {"max_steps": steps, "save_every_n_steps": 4, "optimizer": None}
    assert run(tmp_path / "whole", kind, **options) == 0
    killed = kill_and_finish(tmp_path / "killed", kind, kills, random.Random(0), **options)
    assert killed == kills, "the run ended before it could be killed"
    for leftover in (tmp_path / "killed/models").glob(".*.tmp"):
        leftover.unlink()
    assert_same(read_run(tmp_path / "killed"), read_run(tmp_path / "whole"))


def test_three_kills(tmp_path):
    check_kills("everything", 3, tmp_path, 120)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind, steps", [("everything", 600), ("online", 400)])
def test_twenty_kills(kind, steps, tmp_path):
    check_kills(kind, 20, tmp_path, steps)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130)])
def test_signals_end_a_process_with_their_status(number, status, tmp_path):
    process = start(tmp_path, "plain", max_steps=100000, save_every_n_steps=0)
    wait_for(lambda: (tmp_path / "metrics.jsonl").exists(), process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    line = [line for line in errors.decode().splitlines() if line.startswith("stopped")]
    step = torch.load(tmp_path / "models/train_state.pt", weights_only=True)["step"]
    assert line == [f"stopped by {signal.Signals(number).name} after step {step}; saved as of step {step}: --continue goes on"]
    assert BASE["max_steps"] != 100000
