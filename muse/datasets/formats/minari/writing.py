"""From episodes to a dataset of Minari."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.building import build_folder
from muse.datasets.formats.columns import Column, leaf_of
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.format import Tell
from muse.datasets.formats.hdf5 import STORABLE_KINDS, storable, write_groups
from muse.datasets.formats.minari.reading import ACTIONS, BLOCK, FILE, FIXED, INFOS, LAST, OBSERVATIONS, OWN, SEED, SPACES, TABLE
from muse.datasets.formats.minari.spaces import to_box, to_space
from muse.datasets.formats.npz import check_kind
from muse.datasets.formats.plan import Plan
from muse.datasets.formats.work import Work
from muse.specs import EnvSpec, Leaf
from muse.utils.errors import OptionError
from muse.utils.optional import require

#: The version of Minari whose form this is: it says so in `metadata.json`, and older ones refuse what they cannot read.
VERSION = "0.5.4"
_FINAL_NEXT = "final/next/"
_ID = re.compile(r"([-_\w]+/)*[-_\w]+?-v\d+")


def write(
    path: Path, data: EpisodeData, names: Mapping[str, str], splits: Iterable[str], dataset_id: str, work: Work, progress: Tell
) -> list[Fate]:
    """See `Format.write`. Names are places in an episode (`observations/position`)."""
    require("h5py", "hdf5", "Minari's datasets")
    called = _dataset_id(path, dataset_id)
    actions = [leaf["name"] for leaf in data.meta.get("spec", {}).get("leaves", ()) if leaf["role"] == "action"]
    plan = Plan(data, names, splits, lambda name, role, is_onetime: _place_of(data, name, role, is_onetime, len(actions)))
    places = {place: name for name, place in plan.places.items() if place}
    others = _other_spaces(plan, places)
    _check(plan, places)
    with build_folder(path, work) as folder:
        (folder / "data").mkdir(exist_ok=True)
        groups = [f"episode_{number}" for number in range(len(plan.selection.numbers))]

        def fill(group: Any, number: int) -> None:
            _fill(group, number, plan, places, others)

        write_groups(folder / "data" / FILE, groups, fill, lambda file: None, work, progress)
        size = (folder / "data" / FILE).stat().st_size / 1e6
        (folder / "data" / TABLE).write_text(json.dumps(_table(plan, places, others, called, size)))
    return _fates(plan, places, called)


def _dataset_id(path: Path, wanted: str) -> str:
    """Returns the name by which Minari knows the dataset: the one wanted, or that of its folder, below Minari's own where it lies there."""
    if wanted:
        if not _ID.fullmatch(wanted):
            raise OptionError(f"dataset_id '{wanted}'", "no name for Minari", "[namespace/]name-v0: letters, digits, - and _")
        return wanted
    target = Path(os.path.realpath(path))
    root = Path(os.path.realpath(os.environ.get("MINARI_DATASETS_PATH", Path.home() / ".minari" / "datasets")))
    inside = target.relative_to(root) if target.is_relative_to(root) else Path(target.name)
    name = "/".join(re.sub(r"[^-_\w]", "_", part) for part in inside.parts)
    return name if re.search(r"-v\d+$", name) else f"{name}-v0"


def _place_of(data: EpisodeData, name: str, role: str, is_onetime: bool, num_actions: int) -> str:
    array = data.onetime[name] if is_onetime else data.steps[name]
    now = data.steps.get(name.removeprefix(_FINAL_NEXT))
    if is_onetime:
        if name.startswith(_FINAL_NEXT) and now is not None and (now.shape[1:], now.dtype) == (array.shape[1:], array.dtype):
            place = _place_of(
                data, name.removeprefix(_FINAL_NEXT), _role_of(data, name.removeprefix(_FINAL_NEXT)), False, num_actions
            )
            if place.startswith(OBSERVATIONS):
                return place + LAST
        return SEED if name == "param/seed" and array.ndim == 1 and array.dtype == np.int64 else f"{OWN}/{name}"
    for place, (own, kinds) in FIXED.items():
        if name == own and array.dtype.kind in kinds and array.shape[1:] in ((), (1,)):
            return place
    if role == "action" and array.dtype.kind in "fiub":
        return ACTIONS if num_actions < 2 else f"{ACTIONS}/{name.removeprefix('action/')}"
    if role in ("observation", "goal") and array.dtype.kind in "fiub":
        return f"{OBSERVATIONS}/{name}"
    short = name.removeprefix("info/")
    return INFOS + (name if short in data.steps else short)


def _role_of(data: EpisodeData, name: str) -> str:
    return next((leaf["role"] for leaf in data.meta.get("spec", {}).get("leaves", ()) if leaf["name"] == name), "observation")


def _check(plan: Plan, places: Mapping[str, str]) -> None:
    there = "names there: " + (", ".join(plan.places) or "none")
    for begin, kind in ((ACTIONS, "action"), (OBSERVATIONS, "observation")):
        below = [place for place in places if place == begin or place.startswith(begin + "/")]
        if not below:
            raise DataError(plan.where, f"no {kind}", f"one or more for Minari's '{begin}'", f"--map NAME={begin}/NAME; {there}")
    for place, name in places.items():
        where = f"{plan.where}: '{name}' -> '{place}'"
        array, is_onetime = plan.array(name), name in plan.data.onetime
        begins = (f"{OWN}/",) if is_onetime else (ACTIONS, OBSERVATIONS + "/", INFOS)
        if is_onetime and place.endswith(LAST):
            now = places.get(place.removesuffix(LAST))
            if now is None:
                raise DataError(where, "without the observation that it follows", place.removesuffix(LAST), f"--map {name}=")
            if (plan.array(now).shape[1:], plan.array(now).dtype) != (array.shape[1:], array.dtype):
                raise DataError(where, f"shape {array.shape[1:]} {array.dtype}", f"that of '{now}'", f"--map {name}=")
        elif place == OBSERVATIONS and not is_onetime:
            pass
        elif place in FIXED and not is_onetime:
            if array.shape[1:] not in ((), (1,)) or array.dtype.kind not in FIXED[place][1]:
                raise DataError(
                    where, f"shape {array.shape} {array.dtype}", f"(N,) of kind {FIXED[place][1]}", f"--map {name}=PLACE"
                )
        elif not (place == SEED and is_onetime) and not place.startswith(begins):
            raise OptionError(where, "no place for it", "one that begins with " + ", ".join(begins), f"--map {name}=PLACE")
        if place.startswith((ACTIONS, OBSERVATIONS)) and array.dtype.kind not in "fiub":
            raise DataError(where, f"dtype {array.dtype}", "numbers", f"--map {name}={INFOS}{name}")
        check_kind(array, STORABLE_KINDS + "cU", where, f"--map {name}=")
        inside = next((other for other in places if place.startswith(other + "/")), None)
        if inside:
            raise DataError(
                plan.where, f"'{place}' would lie inside the array '{inside}'", "a place of its own", f"--map {name}=PLACE"
            )


def _other_spaces(plan: Plan, places: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Returns the spaces other than Box that the data came with, of places that still hold such arrays."""
    listed = plan.data.meta.get(BLOCK, {}).get(SPACES, {}) if isinstance(plan.data.meta.get(BLOCK, {}), dict) else {}
    sizes = {"Discrete": 1, "MultiBinary": "n", "MultiDiscrete": "nvec"}
    found = {}
    for place, space in listed.items() if isinstance(listed, dict) else ():
        if place in places and isinstance(space, dict) and space.get("type") in sizes:
            size = sizes[space["type"]]
            size = np.size(space.get("nvec")) if size == "nvec" else space.get("n") if size == "n" else size
            if plan.array(places[place]).shape[1:] == (size,):
                found[place] = space
    return found


def _fill(group: Any, number: int, plan: Plan, places: Mapping[str, str], others: Mapping[str, Mapping[str, Any]]) -> None:
    length = int(plan.selection.lengths[number])
    group.attrs["id"], group.attrs["total_steps"] = number, length
    for place, name in places.items():
        values = storable(plan.values(name, number))
        if others.get(place.removesuffix(LAST), {}).get("type") == "Discrete":
            values = values[..., 0]
        if place == SEED:
            group.attrs["seed"] = int(values)
        elif name in plan.data.onetime:
            if not place.endswith(LAST):
                group[place] = values
        elif place in FIXED:
            group[place] = values.reshape(length)
        elif place.startswith(OBSERVATIONS):
            after = places.get(place + LAST)
            last = values[-1:] if after is None else plan.values(after, number).reshape(values[-1:].shape)
            group[place] = np.concatenate([values, last])
        else:
            group[place] = np.concatenate([values[:1], values]) if place.startswith(INFOS) else values
    is_last = np.arange(length) == length - 1
    group.require_dataset("rewards", (length,), group["rewards"].dtype if "rewards" in group else np.float32)
    if "truncations" not in group:
        group["truncations"] = np.zeros(length, bool)
    if "terminations" not in group:
        group["terminations"] = is_last & ~group["truncations"][()]


def _table(
    plan: Plan, places: Mapping[str, str], others: Mapping[str, Mapping[str, Any]], called: str, size: float
) -> dict[str, Any]:
    spec = EnvSpec.from_dict(plan.data.meta["spec"]) if "spec" in plan.data.meta else EnvSpec.from_leaves([])

    def leaf(name: str) -> Leaf:
        array = plan.array(name)
        plain = leaf_of(Column("", name, array.shape[1:], array.dtype), array)
        own = spec.leaf(name) if name in spec else plain
        return own if (own.shape, own.dtype) == (plain.shape, plain.dtype) else plain

    def space(begin: str) -> str:
        below = {place: name for place, name in places.items() if place.startswith(begin) and not place.endswith(LAST)}
        spaces = {place: others.get(place) or to_box(leaf(name)) for place, name in below.items()}
        return json.dumps(to_space({place.removeprefix(begin).lstrip("/"): space for place, space in spaces.items()}))

    before = plan.data.meta.get(BLOCK, {})
    return {
        **({key: value for key, value in before.items() if key != SPACES} if isinstance(before, dict) else {}),
        "total_episodes": len(plan.selection.numbers),
        "total_steps": int(plan.selection.lengths.sum()),
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": space(OBSERVATIONS),
        "action_space": space(ACTIONS),
        "dataset_id": called,
        "minari_version": VERSION,
        "dataset_size": round(size, 1),
        OWN: plan.kept().to_dict(),
    }


def _fates(plan: Plan, places: Mapping[str, str], called: str) -> list[Fate]:
    notes = {}
    for place, name in places.items():
        if place.startswith(OBSERVATIONS) and not place.endswith(LAST) and place + LAST not in places:
            notes[name] = "what came after the last action is not known: the last row once more"
        elif place.startswith(INFOS):
            notes[name] = "the first row once more, for the reset"
    fates = plan.fates(f"{TABLE}, {OWN}", notes)
    made = {
        "rewards": "0: there is no reward", "terminations": "true on the last row, unless it is truncated",
        "truncations": "false: nothing says that an episode was cut short",
    }  # fmt: skip
    fates.append(Fate("done", "" if "terminations" in places else "terminations", "follows from the episodes"))
    fates.append(Fate("rollout_timestep", "", "follows from the episodes"))
    fates += [Fate("(not there)", place, note) for place, note in made.items() if place not in places and place != "terminations"]
    if BLOCK in plan.data.meta:
        fates.append(Fate(f"_meta/{BLOCK}", TABLE, "what the dataset came with"))
    return [*fates, Fate("(not there)", f"{TABLE}, dataset_id", called)]
