"""Parts of episodes as episodes of their own: the rows for which a condition holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.robomimic.meta import BLOCK
from muse.datasets.tools.expressions import Expression, ExpressionError
from muse.datasets.tools.reworking import Tell, tell_nobody
from muse.datasets.tools.values import EpisodeValues
from muse.datasets.tools.writing import PART_BYTES, check_target, with_spec, write_parts


class Piece(NamedTuple):
    """Rows `begin` to `end` of the whole data, of one episode."""

    episode: int
    begin: int
    end: int


def cut_data(
    data: EpisodeData,
    target: str | os.PathLike[str],
    where: str,
    min_length: int = 1,
    overwrite: bool = False,
    progress: Tell = tell_nobody,
) -> list[Piece]:
    """Writes each stretch of rows for which a condition holds as an episode.

    Params and finals are those of the episode that a piece comes from. A piece that ends before its episode does counts as truncated, where
    the data has that name. Splits and the seeds of a collection are left out.

    Args:
        data: Episodes.
        target: A new `.npz` file or `.muse` folder.
        where: One truth value for each row; see `muse.datasets.tools.expressions.LANGUAGE`.
        min_length: Shorter pieces are left out.
        overwrite: Replace what is at `target`.
        progress: Is told how many episodes were looked at.

    Returns:
        The pieces, in their order.

    Raises:
        ExpressionError: For an expression that is none, does not fit the data, or gives no truth value for each row.
        DataError: When `target` is taken, or no piece is left.
    """
    path = check_target(target, [data.where], overwrite)
    pieces = find_pieces(data, where, min_length, progress)
    if not pieces:
        raise DataError(data.where, "the condition holds nowhere for long enough", f"{min_length} rows of an episode on end")
    meta = {key: value for key, value in with_spec(data).items() if key not in ("splits", "collection", BLOCK)}
    write_parts(path, _parts(data, pieces), meta)
    return pieces


def find_pieces(data: EpisodeData, where: str, min_length: int = 1, progress: Tell = tell_nobody) -> list[Piece]:
    """Returns the stretches of rows, of at least `min_length`, for which a condition holds; see `cut_data`."""
    condition = Expression(where, "--where", each_row=True)
    values = EpisodeValues.of(data, condition)
    pieces = []
    for index, (begin, end) in enumerate(zip([0, *data.ends[:-1].tolist()], data.ends.tolist(), strict=True)):
        value = condition.evaluate(lambda name, index=index: values.get(index, name))
        holds = value.array.reshape(len(value.array), -1) if value.has_rows else value.array
        if not value.has_rows or holds.shape != (end - begin, 1) or value.array.dtype != bool:
            got = f"values of shape {value.array.shape} {value.array.dtype}"
            raise ExpressionError("--where", got, "a truth value for each row, as policy_type == 1 is")
        edges = np.flatnonzero(np.diff(holds[:, 0].astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
        pieces += [Piece(index, begin + a, begin + b) for a, b in edges.tolist() if b - a >= min_length]
        progress(index + 1)
    return pieces


def _parts(data: EpisodeData, pieces: list[Piece]) -> Iterator[EpisodeData]:
    """Yields the pieces, a part of the memory's size at a time."""
    row_bytes = max(1, sum(array[:1].nbytes for array in data.steps.values()))
    sizes = np.cumsum([(piece.end - piece.begin) * row_bytes for piece in pieces]) // PART_BYTES
    for part in np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(sizes)) + 1):
        some = [pieces[i] for i in part]
        ends = np.cumsum([piece.end - piece.begin for piece in some])
        steps = {name: np.concatenate([array[piece.begin : piece.end] for piece in some]) for name, array in data.steps.items()}
        if "truncated" in steps and steps["truncated"].dtype == bool:
            for piece, end in zip(some, ends.tolist(), strict=True):
                if piece.end != data.ends[piece.episode]:
                    steps["truncated"][end - 1] = True
        onetime = {name: np.asarray(array[[piece.episode for piece in some]]) for name, array in data.onetime.items()}
        yield EpisodeData(steps, onetime, ends, data.meta, data.where)
