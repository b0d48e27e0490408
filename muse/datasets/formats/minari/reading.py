"""From a dataset of Minari to episodes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.columns import Column, read_columns
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.format import Tell
from muse.datasets.formats.hdf5 import STORABLE_KINDS, datasets_below, open_file, reading, restored, type_of
from muse.datasets.formats.kept import Kept, load_json
from muse.datasets.formats.minari.spaces import image_shape, limits_of, spaces_in
from muse.datasets.formats.plan import guess_role
from muse.datasets.formats.selection import select
from muse.datasets.formats.work import Work
from muse.utils.errors import brief

FILE, TABLE, BLOCK, OWN = "main_data.hdf5", "metadata.json", "minari", "muse"
#: Key of what Muse keeps of spaces that its spec has no words for.
SPACES = "spaces"
OBSERVATIONS, ACTIONS, INFOS, LAST, SEED = "observations", "actions", "infos/", "[-1]", "@seed"
#: Muse's name, kind of type and role of what has a place of its own.
FIXED = {"rewards": ("reward", "fiu"), "terminations": ("terminated", "b"), "truncations": ("truncated", "b")}
_EXPECTED = "a dataset of Minari: a folder with data/main_data.hdf5 and data/metadata.json"
Layout = dict[str, tuple[tuple[int, ...], np.dtype]]


def data_folder(path: Path) -> Path:
    """Returns the folder with the files: the one given, or `data` in it."""
    return path if (path / TABLE).is_file() else path / "data"


def read(
    path: Path, names: Mapping[str, str], splits: Iterable[str], work: Work, progress: Tell, finite: bool = True
) -> tuple[EpisodeData, list[Fate]]:
    """See `Format.read`. Names are places in an episode (`observations/position`)."""
    where, folder = str(path), data_folder(path)
    table = _read_table(folder, path)
    with open_file(folder / FILE, "Minari's datasets") as file:
        with reading(where):
            survey = _Survey(file, table, where)
        kept = Kept.from_dict(table.get(OWN), f"{folder / TABLE}: '{OWN}'")
        fits = kept.fits(survey.lengths)
        kept = kept if fits else kept.of_changed()
        columns, fates = survey.plan(names, kept, fits)
        selection = select(np.cumsum(survey.lengths), kept.meta.get("splits", {}), splits, where)

        def fetch(number: int, column: Column) -> np.ndarray:
            episode = int(selection.numbers[number])
            with reading(f"{where}: {survey.groups[episode]}/{column.place}"):
                return survey.fetch(file[survey.groups[episode]], column, int(survey.lengths[episode]))

        arrays = read_columns(columns, selection.lengths, fetch, work, progress, where, finite)
        meta = selection.meta(kept.meta)
        if not kept.columns:
            # Limits of Boxes are in the spec, and those of pictures would take megabytes of text.
            others = {place: space for place, space in survey.spaces.items() if space["type"] != "Box"}
            about = {key: value for key, value in table.items() if key not in (OWN, "observation_space", "action_space")}
            meta[BLOCK] = {**about, **({SPACES: others} if others else {})}
        data = kept.to_episodes(columns, arrays, selection.lengths, meta, where)
        told = [column.fate(arrays[column.name]) for column in columns]
        ends = Fate("(episodes)", "done", "true on the last row of each episode")
        rest = kept.fates(f"{TABLE}, {OWN}", selection.splits, selection.counts, fits)
        return data, [
            *told,
            ends,
            *fates,
            *rest,
            Fate(TABLE, "" if kept.columns else f"_meta/{BLOCK}", "made by Muse when it wrote" if kept.columns else ""),
        ]


def _read_table(folder: Path, path: Path) -> dict[str, Any]:
    if not (folder / TABLE).is_file():
        got = "no metadata.json" if path.is_dir() else "a file" if path.exists() else "nothing there"
        raise DataError(str(path), got, _EXPECTED)
    table = load_json((folder / TABLE).read_bytes(), str(folder / TABLE))
    if not isinstance(table, dict):
        raise DataError(str(folder / TABLE), f"a {type(table).__name__}", "a JSON object")
    if table.get("data_format", "hdf5") != "hdf5":
        hint = "read it with minari, and write it with data_format='hdf5'"
        raise DataError(str(folder / TABLE), f"data_format {table['data_format']!r}", "'hdf5'", hint)
    return table


class _Survey:
    """Everything in a dataset but the values of its arrays."""

    def __init__(self, file: Any, table: Mapping[str, Any], where: str) -> None:
        self.where = where
        self.fates = [Fate(name, "", "no episode") for name in file if not _is_episode(name)]
        self.groups = sorted((name for name in file if _is_episode(name)), key=lambda name: int(name.removeprefix("episode_")))
        if not self.groups:
            raise DataError(
                where, "no episodes", "groups called episode_0, episode_1, ...", "there: " + (", ".join(file) or "nothing")
            )
        self.layouts: list[Layout] = []
        odd: dict[str, None] = {}
        for name in self.groups:
            found, links = datasets_below(file[name], "episode_*/")
            self.layouts.append({place: (item.shape, type_of(item)) for place, item in found.items()})
            odd |= dict.fromkeys(links)
        self.fates += [Fate(name, "", "an attribute of an array" if "@" in name else "a link") for name in odd]
        attributes = dict.fromkeys(attribute for name in self.groups for attribute in file[name].attrs)
        self.has_seeds = all(isinstance(file[name].attrs.get("seed"), (int, np.integer)) for name in self.groups)
        told = {"id": "counted again", "total_steps": "counted again", "seed": "not in every episode"}
        self.fates += [
            Fate(f"episode_*@{name}", "", told.get(name, "an attribute of an episode"))
            for name in attributes
            if name != "seed" or not self.has_seeds
        ]
        self.lengths = np.array([self._length(number) for number in range(len(self.groups))], np.int64)
        counted = table.get("total_episodes", len(self.groups))
        if counted != len(self.groups):
            raise DataError(where, f"{len(self.groups)} episodes", f"{counted}, as {TABLE} says", "copy or download it again")
        self.spaces = {
            f"{begin}/{path}".rstrip("/"): space
            for side, begin in (("observation_space", OBSERVATIONS), ("action_space", ACTIONS))
            for path, space in spaces_in(_space_of(table, side))
        }
        self.images = {place: shape for place, space in self.spaces.items() if (shape := image_shape(space))}

    def _length(self, number: int) -> int:
        label = f"{self.where}: {self.groups[number]}/rewards"
        layout = self.layouts[number]
        if "rewards" not in layout:
            raise DataError(label, "missing", "(T,) numbers", "there: " + (", ".join(layout) or "nothing"))
        shape = layout["rewards"][0]
        if len(shape) != 1 or not shape[0]:
            raise DataError(label, f"shape {shape}", "(T,), a row at least")
        return shape[0]

    def plan(self, names: Mapping[str, str], kept: Kept, fits: bool) -> tuple[list[Column], list[Fate]]:
        """Returns the columns to read, and what becomes of the rest."""
        places = list(dict.fromkeys(place for layout in self.layouts for place in layout))
        observed = [place for place in places if _is_below(place, OBSERVATIONS)]
        if not observed:
            raise DataError(f"{self.where}: {self.groups[0]}/{OBSERVATIONS}", "missing", "(T + 1, ...) arrays")
        last = [place + LAST for place in observed]
        is_own = bool(kept.columns) and fits
        default = {place: self._default(place) for place in (*places, *last, *([SEED] if self.has_seeds else []))}
        if is_own:
            made = (*last, *FIXED, SEED)
            default |= {place: "" for place in default if place in made}
        default |= {place: column.name for place, column in kept.columns.items() if place in default}
        default |= {place: "" for place in observed if place not in kept.columns and not self._is_storable(place)}
        default |= {place + LAST: "" for place in observed if not default[place]}
        for place in last:
            now = names.get(place.removesuffix(LAST), default[place.removesuffix(LAST)])
            if place not in kept.columns and default[place]:
                default[place] = f"final/next/{now}" if now else ""
        columns, fates = [], []
        for place, name in choose_names(default, default.__getitem__, names, self.where).items():
            if name:
                columns.append(self._column(place, name, kept.columns.get(place)))
            else:
                why = "as told" if place in names else "made by Muse when it wrote" if is_own and self._is_storable(place) else ""
                fates.append(Fate(place, "", why or "neither numbers nor short text"))
        return columns, [*fates, *self.fates]

    def _default(self, place: str) -> str:
        if not self._is_storable(place):
            return ""
        if place == SEED:
            return "param/seed"
        if place.endswith(LAST):
            return "final/next/" + self._default(place.removesuffix(LAST))
        if place in FIXED:
            return FIXED[place][0]
        for begin, name in ((OBSERVATIONS, "observation"), (ACTIONS, "action")):
            if place == begin:
                return name
        if place.startswith(ACTIONS + "/"):
            return "action/" + place.removeprefix(ACTIONS + "/")
        if place.startswith(INFOS):
            return "info/" + place.removeprefix(INFOS)
        return place.removeprefix(OBSERVATIONS + "/")

    def _is_storable(self, place: str) -> bool:
        now = place.removesuffix(LAST)
        return now == SEED or now in self.images or self.layouts[0].get(now, ((), np.dtype("S1")))[1].kind in STORABLE_KINDS

    def _column(self, place: str, name: str, own: Column | None) -> Column:
        if place == SEED:
            return Column(place, name, (), np.dtype(np.int64), True, "param")
        now = place.removesuffix(LAST)
        is_onetime = place != now or (own is not None and own.is_onetime)
        hint = f"mend the dataset, or leave the name out (--map {place}=)"
        rows, packed = [], False
        for group, layout, length in zip(self.groups, self.layouts, self.lengths, strict=True):
            label = f"{self.where}: {group}/{now}"
            if now not in layout:
                raise DataError(label, "missing", "in every episode what is in one of them", hint)
            shape, dtype = layout[now]
            packed = now in self.images and (dtype.kind == "O" or len(shape) == 2)
            wanted = int(length) + (_is_below(now, OBSERVATIONS) or (now.startswith(INFOS) and shape[:1] != (length,)))
            if place == now and is_onetime:
                rows.append((shape, dtype))
            elif shape[:1] != (wanted,):
                raise DataError(label, f"{shape[0] if shape else 'no'} rows", str(wanted), hint)
            else:
                rows.append((self.images[now], np.dtype(np.uint8)) if packed else (shape[1:], dtype))
            if rows[-1] != rows[0]:
                expected = f"{rows[0][0]} {rows[0][1]}, as in {self.groups[0]}"
                raise DataError(label, f"rows of shape {rows[-1][0]} {rows[-1][1]}", expected, hint)
        shape, dtype = rows[0]
        if own is not None and np.prod(own.shape) == np.prod(shape):
            shape, dtype = own.shape, own.dtype if own.dtype.kind == "U" else dtype
        elif not shape and not now.startswith(INFOS):
            shape = (1,)
        infos = now.startswith(INFOS) and self.layouts[0][now][0][:1] == (self.lengths[0] + 1,)
        notes = ["unpacked from JPEG"] if packed else ["that of the reset is left out"] if infos and own is None else []
        role = ("final" if place != now else "param") if is_onetime else self._role(now, name)
        limits = limits_of(self.spaces.get(now), shape, dtype)
        return Column(place, name, shape, dtype, is_onetime, role, "; ".join(notes), limits)

    def _role(self, place: str, name: str) -> str:
        begins = {OBSERVATIONS: "observation", ACTIONS: "action"}
        own = dict.fromkeys(FIXED, "output_observation")
        return own.get(
            place,
            next((role for begin, role in begins.items() if _is_below(place, begin)), "" if "/" in place else guess_role(name)),
        )

    def fetch(self, group: Any, column: Column, length: int) -> np.ndarray:
        """Returns the rows of an episode, or the value of a one-time name."""
        if column.place == SEED:
            return np.array(group.attrs["seed"], np.int64)
        now = column.place.removesuffix(LAST)
        item = group[now]
        if now in self.images and (item.dtype.kind == "O" or item.ndim == 2):
            chosen = range(length, length + 1) if column.is_onetime else range(length)
            pictures = np.stack([_unpack(item[row], self.images[now], f"{self.where}: {item.name}, row {row}") for row in chosen])
            return pictures[0] if column.is_onetime else pictures
        if column.is_onetime:
            values = item[-1] if column.place != now else item[()]
        else:
            values = item[1:] if now.startswith(INFOS) and item.shape[0] == length + 1 else item[:length]
        values = restored(np.asarray(values), column.dtype)
        return values.reshape(column.shape if column.is_onetime else (length, *column.shape))


def _is_episode(name: str) -> bool:
    return name.startswith("episode_") and name.removeprefix("episode_").isdecimal()


def _is_below(place: str, begin: str) -> bool:
    return place == begin or place.startswith(begin + "/")


def _space_of(table: Mapping[str, Any], side: str) -> Any:
    text = table.get(side)
    return load_json(text, f"{TABLE}: '{side}'") if isinstance(text, str) else text


def _unpack(content: np.ndarray, shape: tuple[int, ...], label: str) -> np.ndarray:
    """Returns a picture of the shape that its space says; another size is refused before it is unpacked."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            picture = Image.open(io.BytesIO(np.asarray(content, np.uint8).tobytes()), formats=["JPEG"])
            if picture.size != (shape[1], shape[0]):
                raise DataError(label, f"a picture of {picture.size[0]} x {picture.size[1]}", f"{shape[1]} x {shape[0]}")
            array = np.asarray(picture, np.uint8)
    except DataError:
        raise
    except Exception as error:  # Whatever a decoder makes of broken bytes.
        raise DataError(
            label, f"no JPEG ({brief(error)})", "a picture as Minari packs it", "copy or download it again"
        ) from error
    if array.shape != shape:
        raise DataError(label, f"a picture of shape {array.shape}", str(shape))
    return array
