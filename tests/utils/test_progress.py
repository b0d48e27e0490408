import io
import re
import sys

import pytest

from muse.utils.progress import Progress, format_success


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")


def test_a_file_gets_a_line_for_every_tenth():
    file, clock = io.StringIO(), Clock()
    with Progress(
        "collect", total=200, unit="episodes", description="point mass, scripted expert", file=file, clock=clock
    ) as bar:
        for done in range(1, 201):
            clock.now += 0.1
            bar.update(done, success=1.0)
    lines = file.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "collect  point mass, scripted expert  20/200 episodes (10%)  success 100%  10 ep/s"
    assert lines[-1] == "collect  point mass, scripted expert  200/200 episodes (100%)  success 100%  10 ep/s"
    assert "\x1b" not in file.getvalue() and "\r" not in file.getvalue()


def test_a_file_gets_few_lines_of_what_is_done_in_a_moment():
    file, clock = io.StringIO(), Clock()
    with Progress("collect", total=200, file=file, clock=clock) as bar:
        for done in range(1, 201):
            clock.now += 0.01
            bar.update(done)
    assert [line.split()[1] for line in file.getvalue().splitlines()] == ["100/200", "200/200"]


def test_a_file_gets_a_line_every_ten_seconds_when_work_is_slow():
    file, clock = io.StringIO(), Clock()
    with Progress("train", total=1000, file=file, clock=clock) as bar:
        for done in range(1, 31):
            clock.now += 1.0
            bar.update(done, loss=0.5 / done)
    assert [line.split("  ")[1] for line in file.getvalue().splitlines()] == [
        "10/1000 steps (1%)", "20/1000 steps (2%)", "30/1000 steps (3%)"
    ]  # fmt: skip
    assert file.getvalue().splitlines()[0] == "train  10/1000 steps (1%)  loss 0.05  1.00 steps/s"


def test_what_was_reached_is_said_at_the_end_even_after_an_error():
    file = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress("train", total=100, file=file, clock=Clock()) as bar:
        bar.update(3)
        raise ZeroDivisionError
    assert file.getvalue() == "train  3/100 steps (3%)\n"


def test_the_last_line_is_written_once():
    file = io.StringIO()
    with Progress("train", total=4, file=file, clock=Clock()) as bar:
        bar.update(4)
        bar.update(4, loss=1.0)
    assert len(file.getvalue().splitlines()) == 1


def test_without_a_total_the_count_is_shown():
    file, clock = io.StringIO(), Clock()
    with Progress("read", unit="files", file=file, clock=clock) as bar:
        clock.now += 20
        bar.update(50)
    assert file.getvalue() == "read  50 files  2.50 files/s\n"


def test_work_done_before_does_not_count_for_the_rate():
    clock = Clock()
    with Progress("train", total=3000, initial=2000, file=io.StringIO(), clock=clock) as bar:
        clock.now += 10
        bar.update(2500)
        assert bar.rate == 50.0


def test_values_stay_until_new_ones_come():
    file = io.StringIO()
    with Progress("train", total=2, file=file, clock=Clock()) as bar:
        bar.update(1, loss=0.00213, success=0.96, interval=(0.91, 0.98))
        bar.update(2)
    assert file.getvalue().splitlines()[-1] == "train  2/2 steps (100%)  loss 0.00213  success 96.0% [91.0, 98.0]"


def test_a_terminal_gets_one_redrawn_line():
    file, clock = Terminal(), Clock()
    with Progress("train", total=3000, description="bc-rnn lstm 2x64", file=file, clock=clock) as bar:
        clock.now += 20
        bar.update(3000, loss=0.0021, success=0.96)
    text = "".join(part for part in file.getvalue().split("\x1b"))
    assert "\x1b[" in file.getvalue(), "control codes draw the line again"
    for part in ("train", "bc-rnn lstm 2x64", "3000/3000 steps", "loss 0.0021", "success 96%", "150 steps/s", "━"):
        assert part in text, part


@pytest.mark.parametrize("columns", [70, 80, 100, 150])
def test_a_narrow_terminal_keeps_the_numbers(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    file, clock = Terminal(), Clock()
    with Progress("train", total=3000, description="bc-rnn lstm 2x64", file=file, clock=clock) as bar:
        clock.now += 20
        bar.update(3000, loss=0.0021, success=0.96, interval=(0.91, 0.98))
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", file.getvalue()).replace("\r", "\n").rstrip().splitlines()[-1]
    assert len(last) <= columns
    for part in ("train", "3000/3000 steps", "━", "loss 0.0021", "success 96", "150 steps/s"):
        assert part in last, part
    assert ("[91.0, 98.0]" in last) == (columns >= 100)
    assert ("bc-rnn lstm 2x64" in last) == (columns >= 150)


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("TERM", "unknown")])
def test_a_dumb_terminal_gets_plain_lines(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    file = Terminal()
    with Progress("train", total=1, file=file, clock=Clock()) as bar:
        bar.update(1)
    assert file.getvalue() == "train  1/1 steps (100%)\n"


def test_it_writes_to_standard_error_and_leaves_standard_output_alone(capsys):
    with Progress("train", total=1) as bar:
        bar.update(1)
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("train  1/1 steps (100%)")


def test_outside_the_block_it_is_silent(capsys):
    bar = Progress("train", total=10, file=sys.stdout)
    bar.update(10, success=0.5)
    assert (bar.done, bar.success) == (10, 0.5) and capsys.readouterr().out == ""


def test_format_success():
    assert format_success(0.9649) == "96%"
    assert format_success(0.97, (0.915, 0.99)) == "97.0% [91.5, 99.0]"
