"""From episodes to a file of robomimic."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import EpisodeData, roles_of
from muse.datasets.formats.fates import Fate, choose_names
from muse.datasets.formats.format import Tell, tell_nobody
from muse.datasets.formats.hdf5 import STORABLE_KINDS, storable, write_attributes, write_groups
from muse.datasets.formats.npz import check_kind, check_storable
from muse.datasets.formats.robomimic.meta import ATTRIBUTE, BLOCK, ENV_ARGS, Embedded, Origin, env_args_of, make_env_args
from muse.datasets.formats.robomimic.names import ADDED, FLAT, NEXT_OBS, OBS, guess_role, path_in_robomimic
from muse.datasets.formats.work import Work
from muse.datasets.loading import numbers_of_split
from muse.specs import EnvSpec, Leaf
from muse.utils.optional import require


def write(
    path: str | os.PathLike[str],
    data: EpisodeData,
    names: Mapping[str, str] | None = None,
    masks: Iterable[str] = (),
    prefix: str = "demo_",
    work: Work | None = None,
    progress: Tell = tell_nobody,
) -> list[Fate]:
    """Writes a file that robomimic reads; a crash leaves the old file or the new one.

    Data that came from robomimic goes back to where it was, with its attributes. What robomimic has no place for lies below `muse/` in
    each demonstration, and `_meta` in an attribute, so that `Reader` finds all of it again.

    Args:
        names: Place in a demonstration (`obs/object`) by Muse's name, where it is not to be the usual one; empty: left out.
        masks: Only the episodes of these splits; all when empty.
        prefix: What the names of the episodes' groups begin with, where the data does not remember them.
        work: Where the episodes lie until all are there; nowhere when None, and the file is written at once.
        progress: Is told of every episode.

    Returns:
        What became of every name.

    Raises:
        OptionError: For a name to map that is not there.
        DataError: For data without an action or an observation, and for names that cannot lie side by side.
        MissingExtraError: Without h5py.
    """
    require("h5py", "hdf5", "robomimic's files")
    plan = _Plan(data, names or {}, tuple(masks), prefix)

    def fill(demo: Any, place: int) -> None:
        number = plan.chosen[place]
        write_attributes(demo, plan.origin.demo_attributes[number] if plan.is_original else {})
        demo.attrs["num_samples"] = int(plan.lengths[number])
        for name, values in plan.arrays(number):
            demo.create_dataset(name, data=values)

    def finish(file: Any) -> None:
        write_attributes(file, plan.origin.attributes.get("", {}))
        write_attributes(file["data"], {**plan.origin.attributes.get("data", {}), **plan.attributes()})
        file["data"].attrs["total"] = int(sum(plan.lengths[number] for number in plan.chosen))
        for name, listed in plan.masks().items():
            file[f"mask/{name}"] = np.array(listed, dtype="S")

    write_groups(path, [f"data/{plan.demos[number]}" for number in plan.chosen], fill, finish, work or Work(), progress)
    return plan.fates()


@dataclass
class _Plan:
    """Which array goes where."""

    data: EpisodeData
    overrides: Mapping[str, str]
    splits: tuple[str, ...]
    prefix: str

    def __post_init__(self) -> None:
        data, self.where = self.data, self.data.where
        self.origin = Origin.from_meta(data.meta, self.where)
        self.lengths = np.diff(data.ends, prepend=0)
        self.is_original = bool(len(data.ends)) and self.origin.lengths == self.lengths.tolist()
        count = len(data.ends)
        self.demos = self.origin.demos if self.is_original else [f"{self.prefix}{number}" for number in range(count)]
        listed = {name: numbers_of_split(self._splits(), name, count, self.where) for name in (*self._splits(), *self.splits)}
        chosen = {number for name in self.splits for number in listed[name].tolist()}
        self.chosen = sorted(chosen) if self.splits else list(range(count))
        if not self.chosen:
            raise DataError(self.where, "no episodes", "at least one to write")
        source = env_args_of(self.origin.attributes.get("data", {}), self.where)
        self.env_args = source or make_env_args(data.meta.get("fingerprint", {}))
        self.held = {**data.steps, **data.onetime}
        self.roles = roles_of(data.meta) or {name: guess_role(name) for name in data.steps}
        self.places = self._choose_places()
        self._check()

    def _splits(self) -> Mapping[str, list[int]]:
        return self.data.meta.get("splits", {})

    def _choose_places(self) -> dict[str, str]:
        before = {name: place for place, name in self.origin.names.items()}
        env_name = str(self.env_args.get("env_name"))
        observed = {
            name: self.overrides.get(name) or before.get(name) or path_in_robomimic(name, "observation", env_name, {})
            for name in self.data.steps
            if self.roles.get(name) == "observation"
        }

        def default(name: str) -> str:
            usual = path_in_robomimic(name, self.roles.get(name, ""), env_name, observed)
            if name in observed or usual.startswith(NEXT_OBS):
                return observed.get(name, usual)
            return before.get(name) or ("" if self._is_as_added(name) else usual)

        return choose_names(self.held, default, self.overrides, self.where)

    def _is_as_added(self, name: str) -> bool:
        """Whether a name holds what reading a file of robomimic adds, and nothing else."""
        value, array = ADDED.get(name), self.held[name]
        return value is not None and array.dtype == value.dtype and array.shape[1:] == (1,) and bool((array == value).all())

    def _check(self) -> None:
        places = {place: name for name, place in self.places.items() if place}
        there = "names there: " + (", ".join(self.held) or "none")
        if "actions" not in places:
            raise DataError(self.where, "no action", "one for robomimic's 'actions'", f"--map NAME=actions; {there}")
        if not any(place.startswith(OBS) for place in places):
            raise DataError(self.where, "no observation", "one or more for robomimic's 'obs'", f"--map NAME=obs/NAME; {there}")
        actions = self.held[places["actions"]]
        if actions.ndim != 2:
            raise DataError(
                f"{self.where}: '{places['actions']}'", f"shape {actions.shape}", "(N, A), as robomimic's actions are"
            )
        for place, name in places.items():
            check_storable(self.held[name], f"{self.where}: '{name}'")
            check_kind(self.held[name], STORABLE_KINDS + "U", f"{self.where}: '{name}'", f"--map {name}=")
            inside = next((other for other in places if place.startswith(other + "/")), None)
            if inside:
                hint = f"--map {name}=PLACE"
                raise DataError(self.where, f"'{place}' would lie inside the array '{inside}'", "a place of its own", hint)
            if name in self.data.onetime and place.startswith(NEXT_OBS) and self._now(place) is None:
                got, hint = f"'{name}' without the observation that it follows", f"--map {name}="
                raise DataError(self.where, got, OBS + place.removeprefix(NEXT_OBS), hint)

    def _now(self, place: str) -> str | None:
        """Returns the name of the observation whose next one lies at a place."""
        now = OBS + place.removeprefix(NEXT_OBS)
        return next((name for name, other in self.places.items() if other == now), None)

    def attributes(self) -> dict[str, str]:
        """Returns the attributes of the group `data` that this data makes."""
        meta = {key: value for key, value in self.data.meta.items() if key not in (BLOCK, "splits", "version")}
        spec = EnvSpec.from_dict(meta["spec"]) if "spec" in meta else EnvSpec.from_leaves([])
        unlisted = [name for name in self.held if name not in spec]
        leaves = [self._leaf(name) for name in unlisted]
        names = {place: name for name, place in self.places.items() if place}
        embedded = Embedded(
            {**meta, "spec": spec.extended(leaves).to_dict()}, {"dones": "done", **names}, list(self.data.onetime)
        )
        own = {} if ENV_ARGS in self.origin.attributes.get("data", {}) else {ENV_ARGS: json.dumps(self.env_args, indent=4)}
        return {**own, ATTRIBUTE: embedded.to_json()}

    def _leaf(self, name: str) -> Leaf:
        array, role = self.held[name], self.roles.get(name, "final" if name in self.data.onetime else "")
        return Leaf(name, array.shape[1:], -np.inf, np.inf, array.dtype, "", role)

    def arrays(self, number: int) -> Iterable[tuple[str, np.ndarray]]:
        """Yields the place and the array of everything in an episode."""
        begin, end = self.data.ends[number] - self.lengths[number], self.data.ends[number]
        for name, place in self.places.items():
            if not place:
                continue
            if name in self.data.steps:
                values = self.data.steps[name][begin:end]
            elif place.startswith(NEXT_OBS):
                now = self.data.steps[self._now(place)]  # type: ignore[index]
                values = np.concatenate([now[begin + 1 : end], self.data.onetime[name][number][None]])
            else:
                yield place, storable(self.data.onetime[name][number, ...])
                continue
            yield place, self._shaped(storable(values), place)
        if "dones" not in self.places.values():
            yield "dones", (np.arange(begin, end) == end - 1).astype(np.int64)

    def _shaped(self, values: np.ndarray, place: str) -> np.ndarray:
        if values.shape[1:] == (1,) and (place in FLAT or place in self.origin.flat):
            return values[:, 0]
        return values[:, None] if values.ndim == 1 and place.startswith((OBS, NEXT_OBS)) else values

    def masks(self) -> dict[str, list[str]]:
        """Returns the names of the demonstrations in each split."""
        chosen = set(self.chosen)
        return {name: [self.demos[number] for number in listed if number in chosen] for name, listed in self._splits().items()}

    def fates(self) -> list[Fate]:
        """Returns what became of every name."""
        fates = [Fate(name, place, self._note(name, place)) for name, place in self.places.items()]
        if "dones" not in self.places.values():
            fates.append(Fate("done", "dones", "1 in the last row of each episode"))
        else:
            fates.append(Fate("done", "", "follows from the episodes"))
        fates.append(Fate("rollout_timestep", "", "follows from the episodes"))
        fates += [Fate(f"split {name}", f"mask/{name}", f"{len(listed)} episodes") for name, listed in self.masks().items()]
        fates.append(Fate("_meta", f"data@{ATTRIBUTE}"))
        if ENV_ARGS not in self.origin.attributes.get("data", {}):
            fates.append(Fate("_meta/fingerprint", f"data@{ENV_ARGS}", f"env_name {self.env_args['env_name']}"))
        if self.is_original:
            fates.append(Fate(f"_meta/{BLOCK}", "data@*, demo_*@*", "the attributes that the file came with"))
        elif self.origin.demos:
            got = (
                f"the data no longer holds the {len(self.origin.demos)} episodes that it came with; their attributes are left out"
            )
            fates.append(Fate(f"_meta/{BLOCK}", "", got))
        return fates

    def _note(self, name: str, place: str) -> str:
        array = self.held[name]
        if not place:
            return "as told" if name in self.overrides else "as reading a file of robomimic adds it"
        note = f"{array.shape} {array.dtype}"
        if place == "actions" and (array.min() < -1 or array.max() > 1):
            note += "; beyond the -1 to 1 that robomimic expects"
        return note
