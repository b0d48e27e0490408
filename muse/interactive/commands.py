"""What a person says to a session, and by which keys."""

from __future__ import annotations

#: Command, and what it does.
COMMANDS = {
    "start": "start; pause; go on",
    "pause": "pause; go on",
    "keep": "keep (ends the episode)",
    "discard": "drop",
    "redo": "take the last one back, and do it again",
    "reset": "another start",
    "success": "mark as a success, or not",
    "take_over": "take over, give back",
    "note": "write a note",
    "arm": "let a robot that was stopped, or is not armed yet, move: you have looked",
    "quit": "quit",
    "close": "the window was closed",
}

#: Key, and its command. None of them is a key of `muse.teleop.keyboard`.
KEYS = {
    "space": "start", "return": "start", "p": "pause", "y": "keep", "n": "discard", "b": "redo", "r": "reset", "v": "success",
    "tab": "take_over", "t": "note", "c": "arm", "q": "quit", "escape": "quit",
}  # fmt: skip

#: What is shown of each: key, and what it does.
SHORT_HELP = {
    "start": "space: start, pause",
    "keep": "y: keep",
    "discard": "n: drop",
    "redo": "b: last one again",
    "reset": "r: other start",
    "success": "v: success",
    "take_over": "tab: take over, give back",
    "note": "t: note",
    "arm": "c: robot may move",
    "quit": "q: quit",
}
