"""The pictures of episodes, and nothing else of them, as a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrdict import AttrDict

from muse.envs.vector_env import VectorEnv
from muse.rollouts.pictures import Pictures, check_picture_names
from muse.rollouts.recorders import DatasetRecorder, Growing
from muse.specs import SUCCESS, EnvSpec, Episode, Leaf
from muse.utils.attrdicts import flatten, nest
from muse.utils.video import check_frame

#: What rendered pictures are called.
IMAGE = "image"


class _Late:
    """A dataset that is opened when its first episode comes: only then its spec is known."""

    def __init__(self, open_dataset: Callable[[Episode], Growing]) -> None:
        self._open = open_dataset
        self._dataset: Any = None

    def add_episode(self, episode: Episode) -> None:
        """Adds an episode."""
        if self._dataset is None:
            self._dataset = self._open(episode)
        self._dataset.add_episode(episode)

    def save(self) -> None:
        """Writes what was added."""
        if self._dataset is not None:
            self._dataset.save()


class PictureRecorder(DatasetRecorder):
    """Adds the pictures of episodes to a dataset, and nothing else of them.

    Row `t` of an episode is what was seen before action `t`, as in other datasets, so the picture after the last action is left
    out; the spec asks for `final/success` `(1,)` bool, whether the task was solved.

    Args:
        open_dataset: Makes the dataset, such as an `EpisodeWriter`, from its spec when the first episode is over: only then is
            the size of rendered pictures known.
        names: Observations with pictures; none: what the env renders, under the name `image`.

    Raises:
        VideoError: When an episode begins, for a name that holds no pictures or is given twice, and for an env that renders none;
            later, for a rendered picture of another shape.
    """

    def __init__(self, open_dataset: Callable[[EnvSpec], Growing], names: Sequence[str] = ()) -> None:
        super().__init__(_Late(lambda episode: open_dataset(self._make_spec(episode))), save_every_n_episodes=0)
        self.names = tuple(names)
        self._pictures = Pictures((), "PictureRecorder")
        self._rendered: dict[int, list[np.ndarray]] = {}
        self._known = EnvSpec.from_leaves(())

    def start(self, env: VectorEnv) -> None:
        """Expects indices from 0 again; episodes go to the dataset of the queues before."""
        super().start(env)
        check_picture_names(self.names, env.env_spec, "PictureRecorder")
        self._pictures.start(env)
        self._known, self._rendered = env.env_spec, {}

    def begin(self, row: int, index: int, seed: int | None) -> None:
        """Takes the first picture, where the env is to render."""
        if not self.names:
            self._rendered[row] = []
            self._take([row])

    def step(self, rows: np.ndarray) -> None:
        """Takes the next picture, where the env is to render."""
        if not self.names:
            self._take(np.flatnonzero(rows).tolist())

    def end(self, row: int, index: int, episode: Episode) -> None:
        """Takes the episode's pictures."""
        rows = flatten(episode.inputs)
        if self.names:
            seen = {name: rows[name] for name in self.names}
        else:
            seen = {IMAGE: np.stack(self._rendered.pop(row)[: len(episode)])}
        outputs = AttrDict(done=episode.outputs["done"])
        super().end(row, index, Episode(nest(seen), outputs, success=episode.success, seed=episode.seed))

    def fail(self, row: int, index: int, is_lost: bool) -> None:
        """Forgets the pictures of an attempt that failed."""
        self._rendered.pop(row, None)
        super().fail(row, index, is_lost)

    def close(self) -> None:
        """Writes what was added."""
        super().close()
        self._rendered.clear()

    def _take(self, rows: list[int]) -> None:
        for row, frame in self._pictures.take(rows).items():
            held = self._rendered[row]
            check_frame(frame, "PictureRecorder: render()", held[0].shape if held else None)
            held.append(frame)

    def _make_spec(self, episode: Episode) -> EnvSpec:
        if self.names:
            leaves = [self._known.leaf(name) for name in self.names]
        else:
            shape = episode.inputs[IMAGE].shape[1:]
            leaves = [Leaf(IMAGE, shape, 0, 255, np.dtype(np.uint8), role="observation", description="what the env rendered")]
        return EnvSpec.from_leaves([*leaves, SUCCESS])
