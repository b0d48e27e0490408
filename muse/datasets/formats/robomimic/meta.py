"""What robomimic keeps beside the arrays, as `_meta` holds it; and `_meta`, as a file of robomimic holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from muse.datasets.dataset import DataError
from muse.datasets.formats.episode_data import check_meta
from muse.datasets.formats.hdf5 import pack, unpack

#: Key of `_meta`.
BLOCK = "robomimic"
#: Attribute of the group `data` in files that Muse writes.
ATTRIBUTE = "muse_meta"
ENV_ARGS = "env_args"
#: robomimic's numbers for the packages that an environment comes from.
_ROBOSUITE, _GYM = 1, 2


@dataclass(frozen=True)
class Origin:
    """Where data came from: what is needed to write the file of robomimic again.

    Attributes:
        demos: Names of the episodes' groups.
        lengths: Rows of each: by them it is seen that the data still holds those episodes.
        attributes: Attributes of the file (`""`) and of its group `data`, as plain values.
        demo_attributes: Attributes of each episode, as plain values.
        names: Muse's name of each dataset of a demonstration.
        flat: Datasets that are `(N,)` there and `(N, 1)` here.
    """

    demos: list[str]
    lengths: list[int]
    attributes: dict[str, dict[str, Any]]
    demo_attributes: list[dict[str, Any]]
    names: dict[str, str]
    flat: list[str]

    def to_block(self) -> dict[str, Any]:
        """Returns what `_meta` holds under `BLOCK`. The attributes of the episodes, MJCF files among them, are packed."""
        return {**asdict(self), "demo_attributes": pack(self.demo_attributes)}

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], where: str) -> Origin:
        """Reverses `to_block`; data that came from elsewhere has an empty origin.

        Raises:
            DataError: For a broken block.
        """
        if BLOCK not in meta:
            return cls([], [], {}, [], {}, [])
        label = f"{where}: '_meta/{BLOCK}'"
        block = _checked(meta[BLOCK], {**_ORIGIN, "demo_attributes": str}, label, "convert the file again")
        origin = cls(**{**block, "demo_attributes": unpack(block["demo_attributes"], label)})
        if not len(origin.demos) == len(origin.lengths) == len(origin.demo_attributes):
            raise DataError(label, "lists of different lengths", "what Muse wrote", "convert the file again")
        return origin


def demo_attributes(meta: Mapping[str, Any], where: str = "data") -> list[dict[str, Any]]:
    """Returns the attributes that each episode had in the file of robomimic: `model_file` (MJCF text), `ep_meta` (JSON text).

    Text is as it was; numbers and arrays are dicts of `dtype`, `shape` and `values`.

    Args:
        meta: `_meta` of converted data; the list is empty for any other.
    """
    return Origin.from_meta(meta, where).demo_attributes


def env_args_of(attributes: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns robomimic's description of the environment: `env_name`, `type`, `env_kwargs`; empty where there is none.

    Raises:
        DataError: For one that is no JSON object.
    """
    text, label = attributes.get(ENV_ARGS, "{}"), f"{where}: data@{ENV_ARGS}"
    try:
        args = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(label, f"no JSON ({error})", "a JSON object") from error
    if not isinstance(args, dict):
        raise DataError(label, f"a {type(args).__name__}", "a JSON object")
    return args


def make_env_args(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Returns robomimic's description of an environment of Muse, for data that Muse collected.

    robomimic can build tasks of robosuite and Gymnasium from it. For any other environment `type` is None: the data can be trained on,
    not rolled out there.

    Args:
        fingerprint: The environment's, as in `_meta`; may be empty.
    """
    name, params = fingerprint.get("class", ""), fingerprint.get("params", {})
    versions = {**fingerprint.get("versions", {}), **fingerprint.get("simulators", {})}
    match name.rpartition(".")[2]:
        case "RobosuiteEnv":
            return {
                "env_name": params.get("env_name"), "env_version": versions.get("robosuite"), "type": _ROBOSUITE,
                "env_kwargs": _robosuite_options(params),
            }  # fmt: skip
        case "GymEnv":
            return {"env_name": params.get("env_type"), "env_version": versions.get("gymnasium"), "type": _GYM, "env_kwargs": {}}
        case _:
            return {"env_name": name or "unknown", "env_version": versions.get("muse"), "type": None, "env_kwargs": params}


def _robosuite_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `robosuite.make` takes besides the name of the task."""
    robots = params.get("robots", "Panda")
    cameras = [params.get(f"offscreen_{ego}camera_name") for ego in ("", "ego_") if params.get(f"{ego}imgs")]
    options = {
        "robots": [robots] if isinstance(robots, str) else robots,
        "control_freq": params.get("control_frequency", 20),
        "reward_shaping": params.get("reward_shaping", False),
        "has_renderer": False,
        "has_offscreen_renderer": bool(cameras),
        "ignore_done": True,
        "use_object_obs": True,
        "use_camera_obs": bool(cameras),
    }
    if cameras:
        options |= {"camera_names": cameras, "camera_heights": params.get("img_height"), "camera_widths": params.get("img_width")}
    return options


@dataclass(frozen=True)
class Embedded:
    """`_meta` inside a file of robomimic that Muse wrote; empty in any other file.

    Attributes:
        meta: The meta data, without splits (they are masks there) and origin.
        names: Muse's name of each dataset of a demonstration.
        onetime: Muse's names with one value per episode.
    """

    meta: dict[str, Any]
    names: dict[str, str]
    onetime: list[str]

    def to_json(self) -> str:
        """Returns the attribute's text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: Any, where: str) -> Embedded:
        """Reverses `to_json`.

        Raises:
            DataError: For a broken attribute.
        """
        label = f"{where}: data@{ATTRIBUTE}"
        hint = "delete the attribute, or write the file again"
        try:
            values = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(label, f"no JSON ({error})", "what Muse wrote", hint) from error
        embedded = cls(**_checked(values, _EMBEDDED, label, hint))
        return cls(check_meta(embedded.meta, label), embedded.names, embedded.onetime)


#: Kinds of the fields, to be checked in what comes from a file.
_ORIGIN = {"demos": list, "lengths": list, "attributes": dict, "demo_attributes": list, "names": dict, "flat": list}
_EMBEDDED = {"meta": dict, "names": dict, "onetime": list}


def _checked(values: Any, kinds: Mapping[str, type], label: str, hint: str) -> dict[str, Any]:
    """Returns `values` when they are a dict of those kinds, no more and no less.

    Raises:
        DataError: When they are not.
    """
    if not isinstance(values, dict):
        raise DataError(label, f"a {type(values).__name__}", "a JSON object", hint)
    for name in {**values, **kinds}:
        if not isinstance(values.get(name), kinds.get(name, type(None))):
            raise DataError(label, f"broken '{name}'", "what Muse wrote", hint)
    return values
