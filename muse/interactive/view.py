"""What a person sees of a session."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from muse.utils.video import enlarge, lay_beside


class State(Enum):
    """Where a session is. The value is what it is called on the screen."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "keep it?"
    CLOSED = "closed"


#: The bar's colour, by state.
COLORS = {
    State.READY: (40, 90, 160),
    State.RUNNING: (30, 120, 60),
    State.PAUSED: (170, 110, 20),
    State.ENDED: (120, 60, 140),
    State.CLOSED: (70, 70, 70),
}
#: Pixels a frame is wide at least, and its texts are high.
WIDTH, _BAR, _LINE = 620, 34, 22
#: Lines of a message at most.
_MESSAGE_LINES = 3
_BACKGROUND, _TEXT, _FAINT, _WARM = (24, 24, 24), (235, 235, 235), (150, 150, 150), (255, 210, 90)

#: Left, top, width and height of the env's picture in a frame [pixels].
Place = tuple[int, int, int, int]


@dataclass
class View:
    """One moment of a session.

    Attributes:
        state: Where it is.
        title: What is collected.
        episode: Number of the episode among those begun, from 1.
        kept: Episodes in the file.
        wanted: How many there are to be; 0: nobody said.
        steps: Of the episode.
        limit: After how many it is cut; 0: never.
        seconds: That the episode has run.
        driver: Who acts.
        is_success: Whether it counts as solved, as it stands.
        mark: What the person says of that; None: nothing.
        note: On the episode.
        message: What has just happened, or went wrong.
        pictures: `(Y, X, 3)` uint8 each; the first is the env's own, to which a pointer points, where `has_pointer`.
        has_pointer: Whether the env listens to a pointer.
        help: Short texts, each a key and what it does.
    """

    state: State = State.READY
    title: str = ""
    episode: int = 1
    kept: int = 0
    wanted: int = 0
    steps: int = 0
    limit: int = 0
    seconds: float = 0.0
    driver: str = "you"
    is_success: bool = False
    mark: bool | None = None
    note: str = ""
    message: str = ""
    pictures: Sequence[np.ndarray] = ()
    has_pointer: bool = False
    help: Sequence[str] = field(default_factory=tuple)

    def headline(self) -> str:
        """Returns state and counts, one line."""
        of = f" of {self.wanted}" if self.wanted else ""
        return f"{self.state.value.upper()}   episode {self.episode}   {self.kept}{of} kept   {self.title}"

    def status(self) -> str:
        """Returns how far the episode is, one line."""
        left = f" of {self.limit}, {self.limit - self.steps} left" if self.limit else ""
        solved = "solved" if self.is_success else "not solved"
        marked = "" if self.mark is None else ", marked by you"
        return f"step {self.steps}{left}   {self.seconds:.1f} s   {self.driver} acting   {solved}{marked}"


def compose(view: View) -> tuple[np.ndarray, Place | None]:
    """Draws a view.

    Returns:
        The frame `(Y, X, 3)` uint8, and where the env's picture is in it; None where there is none.
    """
    place = None
    middle: list[np.ndarray] = []
    if len(view.pictures):
        pictures = [enlarge(picture) for picture in view.pictures]
        row = lay_beside(pictures)
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        times = min(height // pictures[0].shape[0], width // pictures[0].shape[1])
        place = (0, _BAR, pictures[0].shape[1] * times, pictures[0].shape[0] * times)
        middle = [row]
    width = max(WIDTH, *(row.shape[1] for row in middle)) if middle else WIDTH
    lines = [_line(view.status(), width, _TEXT)]
    lines += [_line(f"note: {view.note}", width, _TEXT)] if view.note else []
    lines += [_line(text, width, _WARM) for text in message_lines(view.message, width // 8)]
    lines += [_line(text, width, _FAINT) for text in wrap(view.help, width // 7)]
    parts = [_bar(view.headline(), width, COLORS[view.state]), *(_fill(row, width) for row in middle), *lines]
    return np.concatenate(parts), place


def message_lines(message: str, columns: int) -> list[str]:
    """Returns a message as lines of at most so many characters, three of them at most and one at least."""
    columns = max(columns, len("..."))
    lines = [line for part in message.splitlines() for line in textwrap.wrap(part, columns, max_lines=3, placeholder=" ...")]
    return lines[:_MESSAGE_LINES] or [""]


def wrap(texts: Sequence[str], columns: int) -> list[str]:
    """Returns lines of at most so many characters, where that is possible, of texts that stay whole."""
    lines: list[str] = []
    for text in texts:
        if lines and len(lines[-1]) + 3 + len(text) <= columns:
            lines[-1] += "   " + text
        else:
            lines.append(text)
    return lines


def _fill(row: np.ndarray, width: int) -> np.ndarray:
    if row.shape[1] == width:
        return row
    filled = np.full((row.shape[0], width, 3), _BACKGROUND, np.uint8)
    filled[:, : row.shape[1]] = row
    return filled


def _bar(text: str, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return _draw(text, width, _BAR, 18, (255, 255, 255), color)


def _line(text: str, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return _draw(text, width, _LINE, 14, color, _BACKGROUND)


@functools.lru_cache(maxsize=128)
def _draw(
    text: str, width: int, height: int, size: int, color: tuple[int, int, int], background: tuple[int, int, int]
) -> np.ndarray:
    """Returns a line of text `(height, width, 3)` uint8; letters are smaller where it would be too long."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), background)
    draw = ImageDraw.Draw(image)
    length = draw.textlength(text, font=ImageFont.load_default(size=size))
    size = max(8, int(size * min(1.0, (width - 16) / max(1.0, length))))
    draw.text((8, height // 2), text, font=ImageFont.load_default(size=size), fill=color, anchor="lm")
    drawn = np.asarray(image)
    drawn.setflags(write=False)
    return drawn
