"""What is drawn of a session, and the keys of panels."""

import contextlib
import os
import pty
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from muse.interactive.panel import KeyPanel, PanelError
from muse.interactive.terminal_panel import TerminalPanel, fit, picture_lines, split_keys
from muse.interactive.view import COLORS, State, View, compose, message_lines, wrap
from muse.interactive.window_panel import WindowPanel
from muse.teleop import Keys
from muse.utils.terminal_keys import TerminalKeys


class Panel(KeyPanel):
    def poll(self):
        return self.finish(Keys(frozenset({"up"})))

    def show(self, view):
        pass


def test_each_state_has_its_colour():
    bars = {tuple(compose(View(state=state))[0][2, -3]) for state in State}
    assert bars == set(COLORS.values()) and len(bars) == len(State)


@pytest.mark.parametrize("shapes", [[(400, 400)], [(64, 64)], [(480, 640), (84, 84)], [(84, 84), (480, 640)], [(900, 1200)]])
def test_the_env_s_picture_is_where_it_is_said_to_be(shapes):
    pictures = [np.full((*shape, 3), 10 * (i + 1), np.uint8) for i, shape in enumerate(shapes)]
    frame, (left, top, width, height) = compose(View(pictures=pictures))
    assert np.all(frame[top : top + height, left : left + width] == 10)
    assert width / height == pytest.approx(shapes[0][1] / shapes[0][0])
    assert (frame[:, :, 0] == 10).sum() == width * height


def test_without_a_picture_there_is_a_frame_all_the_same():
    frame, place = compose(View(message="no start"))
    assert place is None and frame.dtype == np.uint8 and frame.shape[2] == 3


def test_what_a_person_must_know_is_in_words():
    view = View(State.RUNNING, "PushBlockEnv2D", 4, 3, 20, 30, 200, 3.0, "the policy is", True, True)
    assert view.headline() == "RUNNING   episode 4   3 of 20 kept   PushBlockEnv2D"
    assert view.status() == "step 30 of 200, 170 left   3.0 s   the policy is acting   solved, marked by you"


def test_a_long_message_is_broken_into_lines():
    short, long = (compose(View(message=text))[0] for text in ("a", "a message that goes on and on " * 10))
    assert long.shape == (short.shape[0] + 2 * 22, *short.shape[1:])
    assert message_lines("", 10) == [""] and message_lines("one\n  try: two", 10) == ["one", "  try: two"]
    assert message_lines("a b c d e f g h", 4) == ["a b", "c d", "..."]


@given(texts=st.lists(st.text("ab ", min_size=1, max_size=12), max_size=9), columns=st.integers(4, 40))
def test_help_stays_whole(texts, columns):
    lines = wrap(texts, columns)
    assert "   ".join(lines) == "   ".join(texts)
    assert all(len(line) <= columns or line in texts for line in lines)


def test_commands_come_once_and_devices_see_the_keys():
    panel = Panel()
    for key in ("up", "y", "tab"):
        panel.press(key, "")
    said = panel.poll()
    assert said.commands == ("keep", "take_over") and panel.keys == Keys(frozenset({"up"}), ("up", "y", "tab"))
    assert panel.poll().commands == () and panel.keys.pressed == ()


def test_while_a_note_is_written_keys_are_letters():
    panel = Panel()
    panel.press("t", "t")
    for key in ("y", "space", "x", "backspace", "q"):
        panel.press(key, {"space": " ", "backspace": "\x08"}.get(key, key))
    said = panel.poll()
    assert said == ((), None, True) and panel.keys == Keys() and panel.written == "y q"
    panel.press("return", "\r")
    assert panel.poll() == ((), "y q", False) and panel.poll().note is None
    panel.press("t", "t")
    panel.press("a", "a")
    panel.press("escape", "\x1b")
    assert panel.poll() == ((), None, False)


def test_a_note_in_a_window_has_the_letters_that_were_written(monkeypatch):
    """Letters with accents, and those of an input method, come as text, not with a key."""
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    panel = WindowPanel("a")
    panel.open()

    def key(name, text=None):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), unicode=text or ""))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.key.key_code(name)))
        if text is not None:
            pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))

    try:
        key("t", "t")
        assert panel.poll().is_typing and panel.written == ""
        for name in ("t", "q", "space"):
            key(name, " " if name == "space" else name)
        for text in ("\u00e9", "\u6a5f\u68b0"):
            pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))
        key("backspace")
        key("return")
        assert panel.poll() == ((), "tq \u00e9\u6a5f", False)
        key("y", "y")
        assert panel.poll().commands == ("keep",) and panel.written is None
    finally:
        panel.close()


def test_keys_of_a_terminal():
    sent = "\x1b[A\x1bOBy\t \r\x7fQ\x1b"
    assert [key for key, _ in split_keys(sent)] == ["up", "down", "y", "tab", "space", "return", "backspace", "q", "escape"]
    assert split_keys(" Q") == [("space", " "), ("q", "Q")]


def test_keys_that_mean_nothing_here_do_nothing():
    """Home, Delete, an arrow with shift, shift-tab, F1, F5, and F1 of the console: an escape among them would quit."""
    assert split_keys("\x1b[H\x1b[3~\x1b[1;2C\x1b[Z\x1bOP\x1b[15~\x1b[[Ay") == [("y", "y")]


@pytest.fixture
def terminal(monkeypatch):
    """A panel at a terminal, what types there, and the time."""
    ours, theirs = pty.openpty()
    now = [0.0]
    panel = TerminalPanel(clock=lambda: now[0])
    with open(theirs) as stream:
        panel._keys = TerminalKeys(stream).__enter__()

        def poll(sent="", seconds=0.03):
            now[0] += seconds
            os.write(ours, sent if isinstance(sent, bytes) else sent.encode())
            return panel.poll()

        poll.hang_up = lambda: os.close(ours)
        yield panel, poll
    with contextlib.suppress(OSError):
        os.close(ours)


def test_a_key_that_is_held_in_a_terminal_commands_once(terminal):
    _, poll = terminal
    # Pressed, repeated after half a second and then fast, let go, and pressed again.
    assert poll("b").commands == ("redo",)
    assert [poll("b", 0.5).commands, *(poll("b").commands for _ in range(5))] == [()] * 6
    assert poll("b", 0.4).commands == ("redo",)
    # Someone who presses it every half second is heard every other time.
    assert [poll("b", 0.5).commands for _ in range(4)] == [(), ("redo",), (), ("redo",)]


def test_what_comes_in_pieces_from_a_terminal_is_put_together(terminal):
    panel, poll = terminal
    assert poll("\x1b").commands == () and poll("[").commands == () and poll("C").commands == ()
    assert panel.keys.held == {"right"}
    assert poll("\x1b").commands == () and poll().commands == ("quit",)
    assert poll("t").is_typing
    poll("caf\u00e9".encode()[:-1])
    assert poll("\u00e9\n".encode()[1:]).note == "caf\u00e9"


def test_a_terminal_that_is_gone_closes_the_session(terminal):
    panel, poll = terminal
    poll.hang_up()
    assert panel.poll().commands == ("close",)
    panel.close()


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (80, 24), (300, 80)])
def test_a_terminal_of_any_size_is_filled_and_not_more(size, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(size[0]))
    monkeypatch.setenv("LINES", str(size[1]))
    view = View(
        State.RUNNING, "PointMassEnv -> data/" + "long/" * 30 + "mine.npz", note="\u6a5f\u68b0" * 60, message="far too long " * 50
    )
    view.help, view.pictures = ["arrows or i j k l: move", "space: start, pause"] * 4, [np.zeros((8, 8, 3), np.uint8)]
    TerminalPanel().show(view)
    shown = capsys.readouterr().out.removeprefix("\x1b[H").split("\r\n")
    assert len(shown) <= size[1] and shown[0].startswith("\x1b[7m") and "\x1b[0m" in shown[0]
    plain = [re.sub(r"\x1b\[[0-9;]*[a-zA-Z]", "", line) for line in shown]
    assert all(fit(line, size[0]) == line for line in plain)


def test_letters_take_the_room_that_they_take():
    assert fit("abc", 2) == "ab" and fit("e\u0301e\u0301e", 2) == "e\u0301e\u0301" and fit("\u6a5f\u68b0", 3) == "\u6a5f"


@given(text=st.text(max_size=30))
def test_nothing_that_a_terminal_sends_is_too_much(text):
    assert all((key and key.islower()) or not key.isalpha() for key, _ in split_keys(text) if key.isascii())


@pytest.mark.parametrize("shape", [(400, 400), (100, 300), (300, 100), (3, 5)])
def test_a_picture_in_letters_keeps_its_shape(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    picture[: shape[0] // 2] = (200, 0, 0)
    lines = picture_lines(picture, 60, 20)
    assert 0 < len(lines) <= 20
    across = {line.count("\u2580") for line in lines}
    assert len(across) == 1 and max(across) <= 60
    if min(shape) > 50:
        assert max(across) / (2 * len(lines)) == pytest.approx(shape[1] / shape[0], rel=0.1)
        assert "38;2;200;0;0;48;2;200;0;0" in lines[0] and "38;2;0;0;0;48;2;0;0;0" in lines[-1]


def test_a_terminal_that_is_none_is_said(monkeypatch):
    with pytest.raises(PanelError, match="the terminal: standard input or output is no terminal"):
        TerminalPanel().open()


def test_without_a_display_the_terminal_is_offered(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(PanelError, match=r"no display .*; expected a screen\n  try: --panel terminal"):
        WindowPanel("a").open()
