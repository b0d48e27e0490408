"""Which of Muse's names lie in which feature of the dataset to write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData, roles_of
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.lerobot.features import NUMBERS, Feature, element_names, is_key
from muse.datasets.formats.lerobot.names import (
    DERIVED,
    DONE,
    KEPT,
    OWN,
    TASK,
    fits,
    is_picture,
    is_text,
    place_in_lerobot,
)  # fmt: skip
from muse.datasets.formats.lerobot.reading import BLOCK
from muse.datasets.formats.lerobot.survey import INFO, KEPT_JSON
from muse.datasets.formats.plan import Plan, guess_role
from muse.datasets.numbers import check_finite
from muse.utils.errors import OptionError

_DEFAULT_FPS = 20
#: How exact LeRobot wants the times of rows [s]; half of it, for it adds numbers of its own.
_TIME_TOLERANCE = 5e-5
_LAST = Feature(DONE, "bool", (1,))


@dataclass(frozen=True)
class Options:
    """How to write.

    Attributes:
        fps: Rows a second; None: as the data says.
        task: Text of every episode; empty: as the data says.
        video: Pictures become videos, else PNG files in the parquet files.
        codec, crf: Encoder, and what it may lose.
        join: Observations of floats become one vector.
        data_mb, video_mb: Sizes of files, about.
    """

    fps: int | None = None
    task: str = ""
    video: bool = True
    codec: str = "libsvtav1"
    crf: int = 30
    join: bool = True
    data_mb: int = 100
    video_mb: int = 200


class Layout:
    """Features, what lies in each, and the episodes to write.

    Attributes:
        fps: Rows a second.
        held: Names by feature, more than one where they lie side by side.
        features: All features, LeRobot's own at the end.
        extra: Names that LeRobot has no place for.
        tasks: All texts, each once.

    Raises:
        OptionError: For a place that is none, or of another kind than the name.
        DataError: For names that cannot lie side by side, and as `Plan`.
    """

    def __init__(self, data: EpisodeData, names: Mapping[str, str], splits: Iterable[str], options: Options) -> None:
        self.data, self.options, self.where = data, options, data.where
        block = data.meta.get(BLOCK)
        self.block: Mapping[str, Any] = block if isinstance(block, dict) else {}
        self.fps, self._fps_from = self._choose_fps()
        known = self.block.get("names")
        self._before = {name: place for place, name in known.items()} if isinstance(known, dict) else {}
        roles = roles_of(data.meta)
        self._actions = sum((roles.get(name, "") if roles else guess_role(name)) == "action" for name in data.steps)
        # Folders hold names in the order of the alphabet; elements are to lie in that of the spec.
        order = {name: place for place, name in enumerate(roles)}
        steps = {name: data.steps[name] for name in sorted(data.steps, key=lambda name: order.get(name, len(order)))}
        self.plan = Plan(replace(data, steps=steps), names, splits, self._default)
        self.held: dict[str, list[str]] = {}
        for name in self.plan.there():
            self._check_place(name, self.plan.places[name])
            key = self.plan.places[name].partition("/")[0]
            if key not in (TASK, KEPT.partition("/")[0]):
                self.held.setdefault(key, []).append(name)
        self.extra = [name for name in self.plan.there() if self.plan.places[name].startswith(KEPT)]
        held = [self._feature(key, names) for key, names in self.held.items()]
        self.features = [*held, *(own for own in (_LAST, *OWN) if own.key not in self.held)]
        self.tasks = list(
            dict.fromkeys(text for number in range(len(self.lengths)) for text in dict.fromkeys(self.task_of(number)))
        )

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each episode, `(E,)`."""
        return self.plan.selection.lengths

    @property
    def has_videos(self) -> bool:
        """Whether pictures become videos."""
        return any(feature.dtype == "video" for feature in self.features)

    def task_of(self, number: int) -> list[str]:
        """Returns the text of the task in each row of an episode."""
        length = int(self.lengths[number])
        name = next((name for name in self.plan.there() if self.plan.places[name] == TASK), None)
        if name is None:
            return [self.options.task] * length
        texts = self.plan.values(name, number).reshape(-1).tolist()
        return texts * length if name in self.data.onetime else texts

    def values(self, feature: Feature, number: int) -> np.ndarray:
        """Returns what an episode holds of a feature, `(T, *shape)`; pictures are mapped, not read.

        Raises:
            DataError: For NaN and infinity.
        """
        length = int(self.lengths[number])
        begin = int(self.lengths[:number].sum())
        steps = np.arange(length)
        if feature.key not in self.held:
            match feature.key:
                case "timestamp":
                    return self._times(length)
                case "task_index":
                    return np.array([self.tasks.index(text) for text in self.task_of(number)], np.int64)[:, None]
                case "next.done":
                    return (steps == length - 1)[:, None]
            start = {"frame_index": steps, "episode_index": np.full(length, number), "index": begin + steps}
            return start[feature.key].astype(np.int64)[:, None]
        names = self.held[feature.key]
        parts = [self.plan.values(name, number) for name in names]
        for name, part in zip(names, parts, strict=True):
            check_finite(part, f"{self.where}: episode {number}, '{name}'")
        if feature.is_picture or feature.dtype == "string":
            return parts[0].reshape(length, *feature.shape)
        dtype = np.dtype(feature.dtype)
        return np.concatenate([part.reshape(length, -1).astype(dtype) for part in parts], axis=1).reshape(length, *feature.shape)

    def extra_arrays(self) -> dict[str, np.ndarray]:
        """Returns the arrays that LeRobot has no place for, of the chosen episodes."""
        chosen = self.plan.selection
        rows = np.concatenate([np.arange(begin, end) for begin, end in zip(chosen.begins, chosen.ends, strict=True)])
        arrays = {}
        for name in self.extra:
            arrays[name] = self.plan.array(name)[chosen.numbers if name in self.data.onetime else rows]
            check_finite(arrays[name], f"{self.where}: '{name}'")
        return arrays

    def fates(self) -> list[Fate]:
        """Returns what becomes of every name."""
        notes = {}
        for key, names in self.held.items():
            feature, at = next(f for f in self.features if f.key == key), 0
            for name in names:
                size = int(np.prod(self.plan.array(name).shape[1:], dtype=np.int64))
                notes[name] = f"elements {at} to {at + size - 1}" if self._is_joined(key, names) else ""
                notes[name] += (
                    " as float64, for others lie beside it"
                    if feature.dtype != str(self.plan.array(name).dtype) == "float32"
                    else ""
                )
                at += size
                if feature.is_picture:
                    lost = f"a {self.options.codec} video of crf {self.options.crf}, which is not exact"
                    notes[name] = lost if feature.dtype == "video" else "PNG files, which are"
        fates = self.plan.fates(KEPT_JSON, {name: note for name, note in notes.items() if note})
        fates += [
            Fate("(not there)", feature.key, "follows from the episodes")
            for feature in self.features
            if feature.key not in self.held
        ]
        if not any(place == TASK for place in self.plan.places.values()):
            fates.append(Fate("(not there)", TASK, f"'{self.options.task}' in every row (option task)"))
        return [*fates, Fate("(not there)", f"{INFO}, fps", f"{self.fps}, {self._fps_from}")]

    def _choose_fps(self) -> tuple[int, str]:
        if self.options.fps is not None:
            return self.options.fps, "as told"
        params = self.data.meta.get("fingerprint", {}).get("params", {})
        for value, source in (
            (self.block.get("fps"), "as it came"),
            (params.get("control_frequency"), "the environment's control frequency"),
        ):
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 <= value <= 10**4:
                note = "" if value == round(value) else f", rounded from {value}"
                return round(value), source + note
        return _DEFAULT_FPS, "for none is known (option fps)"

    def _default(self, name: str, role: str, is_onetime: bool) -> str:
        array = self.data.onetime[name] if is_onetime else self.data.steps[name]
        place = place_in_lerobot(name, role, array, is_onetime, self._actions == 1, self.options.join)
        if place == TASK and self.options.task:
            return KEPT + name if is_onetime else "info." + name
        before = self._before.get(name, "timestamp" if name == "timestamp" else "")
        if not before or place.startswith(KEPT) or before == TASK:
            return place
        if before == "timestamp" and not self._is_regular(array):
            return place
        return before if is_key(before) and before not in DERIVED else place

    def _check_place(self, name: str, place: str) -> None:
        label, array = f"{self.where}: '{name}' -> '{place}'", self.plan.array(name)
        key = place.partition("/")[0]
        if place == TASK:
            if not is_text(array):
                raise OptionError(label, f"shape {array.shape} {array.dtype}", "a text for each episode or row")
        elif place.startswith(KEPT):
            if place != KEPT + name:
                raise OptionError(label, "another name in that file", KEPT + name)
        elif key == KEPT.partition("/")[0] or not is_key(key) or key in DERIVED:
            raise OptionError(label, "no place for it", "a feature of LeRobot, such as 'observation.state'")
        elif name in self.data.onetime or not fits(array):
            got = "one value for each episode" if name in self.data.onetime else f"rows of shape {array.shape[1:]} {array.dtype}"
            raise OptionError(label, got, f"{KEPT}{name}: LeRobot has no feature of that kind")
        elif key == "timestamp" and not self._is_regular(array):
            raise OptionError(label, "no times that LeRobot takes", f"(N,) float32, row / {self.fps} in each episode")

    def _is_regular(self, array: np.ndarray) -> bool:
        if array.dtype != np.float32 or array.shape[1:] not in ((), (1,)):
            return False
        data = EpisodeData({}, {}, self.data.ends)
        return bool(np.abs(array.reshape(-1) - data.rollout_timestep() / self.fps).max(initial=0) <= _TIME_TOLERANCE)

    def _is_joined(self, key: str, names: list[str]) -> bool:
        return len(names) > 1 or "/" in self.plan.places[names[0]]

    def _feature(self, key: str, names: list[str]) -> Feature:
        arrays = {name: self.plan.array(name) for name in names}
        elements = self.block.get("elements")
        known = elements.get(key) if isinstance(elements, dict) else None
        if not self._is_joined(key, names):
            array = arrays[names[0]]
            shape = array.shape[1:] or (1,)
            if is_picture(array):
                return Feature(key, "video" if self.options.video else "image", shape, ["height", "width", "channels"])
            if array.dtype.kind == "U":
                return Feature(key, "string", (1,))
            mine = element_names({names[0]: shape}) if len(shape) == 1 and shape != (1,) else None
            return Feature(key, array.dtype.newbyteorder("=").name, shape, known if known is not None else mine)
        for name, array in arrays.items():
            if array.dtype.kind != "f":
                hint = f"a place of its own (--map {name}=NAME)"
                raise DataError(f"{self.where}: '{name}' in '{key}'", f"{array.dtype} beside others", "floats", hint)
        dtype = np.result_type(np.float32, *(array.dtype.newbyteorder("=") for array in arrays.values()))
        assert dtype.name in NUMBERS
        listed = element_names({name: array.shape[1:] for name, array in arrays.items()})
        return Feature(key, dtype.name, (len(listed),), listed)

    def _times(self, length: int) -> np.ndarray:
        return (np.arange(length) / self.fps).astype(np.float32)[:, None]
