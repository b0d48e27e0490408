"""Episodes in robomimic's HDF5 files, read from there window by window, or held in memory."""

from __future__ import annotations

from muse.datasets.dataset import DataError
from muse.datasets.episodes import EpisodeStore
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import parse_names
from muse.datasets.formats.registry import open_data
from muse.datasets.formats.robomimic.lazy import open_store
from muse.datasets.loading import join_meta
from muse.datasets.window_dataset import WindowDataset
from muse.specs import Episode
from muse.utils.abstract import Argument


class Hdf5Dataset(WindowDataset):
    """Windows of the demonstrations in robomimic's files, the same as those of an `NpDataset` of the converted file.

    Nothing is held in memory but where the episodes lie and their one-time names: rows are read when a batch asks for them, tens of
    times slower than from memory. With `in_memory` all is read at the beginning. For data larger than memory a `.muse` folder is
    faster (`muse convert`). Names are those of `muse.datasets.formats.robomimic`; filter keys are splits. It does not grow.

    What follows an episode's last row (`final/next/<key>`) is there as a one-time name; to have all next observations as a step name, name
    them: `names=["next_obs/object=next/object"]`.

    Args:
        params: The options below.
        env_spec: Names, shapes, types and roles.
        base_dataset: With `load_from_base`, the dataset whose files are shared.

    Raises:
        DataError: For options that contradict one another, and for what is wrong in the files; NaN and infinity are found when their
            rows are read.
        MissingExtraError: Without h5py.
    """

    predefined_arguments = [
        Argument("file", help="path of a robomimic .hdf5 file, or a list of them"),
        Argument("in_memory", type=bool, default=False, help="read all of it at the beginning"),
        Argument("ep_prefix", type=str, default="demo_", help="what the episodes are called in the file, before the number"),
        Argument(
            "names",
            type=list,
            default=[],
            element_type=str,
            help="PLACE=NAME (obs/object=object) where a name is not to be the usual one of its place in a demonstration",
        ),
        *WindowDataset.predefined_arguments,
    ]

    in_memory: bool
    ep_prefix: str
    names: list[str]

    def _load(self) -> EpisodeStore:
        if not self._files:
            raise DataError(self._label("file"), "none", "the path of a robomimic .hdf5 file")
        names = parse_names(self.names, self._label("names"))
        if self.in_memory:
            return self._join([self._read(path, names) for path in self._files])
        leaves = [[self.env_spec.leaf(name) for name in held] for held in (self._step_names, self._onetime_names)]
        store, metas, counts = open_store(self._files, *leaves, self.ep_prefix, names, type(self).__name__)
        self.meta = join_meta(metas, counts)
        return store

    def _read(self, path: str, names: dict[str, str]) -> EpisodeData:
        return self._checked(open_data(path, "robomimic", {"ep_prefix": self.ep_prefix}, names))

    def add_episode(self, episode: Episode) -> None:
        """Refuses: files of robomimic do not grow.

        Raises:
            DataError: Always.
        """
        raise DataError("Hdf5Dataset.add_episode", "this dataset is frozen", "an NpDataset, which grows")
