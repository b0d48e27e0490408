"""What a file of robomimic holds, found out before an array is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.fates import Fate
from muse.datasets.formats.hdf5 import datasets_below, read_attributes, type_of
from muse.datasets.formats.robomimic.meta import ATTRIBUTE, ENV_ARGS, Embedded, env_args_of
from muse.datasets.formats.robomimic.names import OBS
from muse.utils.errors import cut, nearest

#: Attributes that are made anew when a file is written; what becomes of them when it is read, and why.
COUNTED = {"total": ("", "counted again"), "num_samples": ("", "counted again"), ATTRIBUTE: ("_meta", "written by Muse")}
#: Shape and type of a dataset.
Layout = dict[str, tuple[tuple[int, ...], np.dtype]]


class Survey:
    """Everything in a file but the values of its arrays.

    Args:
        file: An open file of h5py.
        where: Its path, for messages.
        prefix: What the names of the episodes' groups begin with.
        masks: Only the episodes of these filter keys; all when empty.

    Attributes:
        demos: Names of the episodes' groups, by number.
        lengths: Rows of each.
        layouts: The datasets of each.
        masks: Names of the episodes of each filter key, those not chosen included.
        attributes: Attributes of the file (`""`) and of its group `data`, as plain values.
        demo_attributes: Those of each episode.
        embedded: What Muse wrote into the file, if it did.
        env_name: robomimic's name of the environment.
        fates: What becomes of attributes, masks and whatever else is there besides the arrays.

    Raises:
        DataError: For a file without episodes, and for episodes without actions or observations or of another length than they say.
    """

    def __init__(self, file: Any, where: str, prefix: str, masks: tuple[str, ...]) -> None:
        data = file.get("data")
        if not hasattr(data, "keys"):
            there = "there: " + (", ".join(file) or "nothing")
            raise DataError(where, "no group 'data'", "a dataset of robomimic", there)
        self.where = where
        self.fates: list[Fate] = [
            Fate(name, "", "no part of a dataset of robomimic") for name in file if name not in ("data", "mask")
        ]
        demos = self._sort(data, prefix)
        self.masks = self._read_masks(file, demos)
        self.demos = self._choose(demos, masks)
        self.layouts = [self._layout(data[demo], prefix) for demo in self.demos]
        self.attributes = {"": self._attributes(file, "@"), "data": self._attributes(data, "data@")}
        self.demo_attributes = [self._attributes(data[demo], f"{prefix}*@") for demo in self.demos]
        self.lengths = [self._length(number) for number in range(len(self.demos))]
        text = self.attributes["data"].get(ATTRIBUTE)
        self.embedded = Embedded({}, {}, []) if text is None else Embedded.from_json(text, where)
        self.env_name = str(env_args_of(self.attributes["data"], where).get("env_name"))

    def _tell(self, fate: Fate) -> None:
        """Adds a fate once: what is in one episode is in every other."""
        if fate not in self.fates:
            self.fates.append(fate)

    def _sort(self, data: Any, prefix: str) -> list[str]:
        others = [name for name in data if not name.startswith(prefix)]
        demos = [name for name in data if name.startswith(prefix)]
        for name in others:
            self._tell(Fate(f"data/{name}", "", f"its name does not begin with '{prefix}'"))
        for name in demos:
            if not name.removeprefix(prefix).isdecimal():
                raise DataError(f"{self.where}: data/{name}", "no whole number at the end", f"{prefix}0, {prefix}1, ...")
        if not demos:
            hint = f"--ep_prefix, if they are called otherwise; there: {', '.join(others[:5]) or 'nothing'}"
            raise DataError(f"{self.where}: data", "no episodes", f"groups called {prefix}0, {prefix}1, ...", hint)
        return sorted(demos, key=lambda name: int(name.removeprefix(prefix)))

    def _read_masks(self, file: Any, demos: list[str]) -> dict[str, list[str]]:
        masks: dict[str, list[str]] = {}
        if "mask" not in file:
            return masks
        found, odd = datasets_below(file["mask"], "mask/")
        for name in odd:
            self._tell(Fate(name, "", "no filter key"))
        for name, item in found.items():
            listed = [demo.decode() if isinstance(demo, bytes) else str(demo) for demo in np.ravel(item[()])]
            for demo in listed:
                if demo not in demos:
                    raise DataError(f"{self.where}: mask/{name}", f"'{demo}', which is not there", "names of groups in data/")
            masks[name] = listed
        return masks

    def _choose(self, demos: list[str], masks: tuple[str, ...]) -> list[str]:
        for name in masks:
            if name not in self.masks:
                got = f"not there{nearest(name, self.masks)}"
                raise DataError(f"{self.where}: mask '{name}'", got, "one of " + (", ".join(self.masks) or "none"))
        wanted = {demo for name in masks for demo in self.masks[name]}
        if masks and not wanted:
            raise DataError(f"{self.where}: mask '{masks[0]}'", "no episodes", "at least one")
        return [demo for demo in demos if demo in wanted] if masks else demos

    def _layout(self, demo: Any, prefix: str) -> Layout:
        found, odd = datasets_below(demo, f"{prefix}*/")
        for name in odd:
            self._tell(Fate(name, "", "an attribute of an array" if "@" in name else "a link"))
        return {path: (item.shape, type_of(item)) for path, item in found.items()}

    def _attributes(self, item: Any, where: str) -> dict[str, Any]:
        plain, odd = read_attributes(item)
        for name in plain:
            became, note = COUNTED.get(name, ("_meta", "the environment" if name == ENV_ARGS else ""))
            self._tell(Fate(where + name, became, note))
        for name in odd:
            self._tell(Fate(where + name, "", "neither text nor numbers"))
        return plain

    def _length(self, number: int) -> int:
        layout, where = self.layouts[number], f"{self.where}: data/{self.demos[number]}"
        if "actions" not in layout:
            raise DataError(f"{where}/actions", "missing", "(N, A) numbers", "there: " + (", ".join(layout) or "nothing"))
        if not any(path.startswith(OBS) for path in layout):
            hint = "robomimic's dataset_states_to_obs.py, which makes them from the states"
            raise DataError(f"{where}/obs", "missing", "observations by name", hint)
        shape = layout["actions"][0]
        rows = shape[0] if shape else 0
        counted = self.demo_attributes[number].get("num_samples", {"values": [rows]})
        wanted = counted["values"] if isinstance(counted, dict) else [counted]
        if [rows] != wanted:
            raise DataError(f"{where}/actions", f"{rows} rows", f"{cut(', '.join(map(str, wanted)))}, as num_samples says")
        if not rows:
            raise DataError(f"{where}/actions", "no rows", "at least one")
        return rows
