"""Which name of robomimic is which of Muse, unless a file or its user says otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Step names of Muse that a demonstration of robomimic does not have, and what they are then; `(N, 1)` each.
ADDED = {
    "policy_type": np.array(-1), "policy_name": np.array("unknown"), "policy_switch": np.array(False), "truncated": np.array(False),
}  # fmt: skip
#: The group of a demonstration that holds names of Muse for which robomimic has no place.
MUSE_GROUP = "muse/"
OBS, NEXT_OBS = "obs/", "next_obs/"
#: Begins the name of the observation after a row's action: one a row, or only that of the last row.
NEXT, FINAL_NEXT = "next/", "final/next/"
#: Names with a place of their own. Flat ones are `(N,)` there.
_FIXED = {"actions": "action", "rewards": "reward"}
FLAT = ("rewards", "dones")
#: Role of what robomimic keeps in a place, by the place or the group that it begins with.
_ROLES = {OBS: "observation", "actions": "action", "rewards": "output_observation", "truncated": "output_observation"}


def name_in_muse(path: str, env_name: str, overrides: Mapping[str, str]) -> str:
    """Returns Muse's name for a dataset of a demonstration.

    Args:
        path: Below the demonstration's group (`obs/object`).
        env_name: robomimic's name of the environment: which camera is the main one depends on it.
        overrides: A next observation follows a renamed observation.
    """
    if path.startswith(NEXT_OBS):
        now = OBS + path.removeprefix(NEXT_OBS)
        return NEXT + (overrides.get(now) or name_in_muse(now, env_name, {}))
    if path.startswith(OBS):
        key = path.removeprefix(OBS)
        return _images(env_name).get(key, key)
    return _FIXED.get(path, path).removeprefix(MUSE_GROUP)


def path_in_robomimic(name: str, role: str, env_name: str, observations: Mapping[str, str]) -> str:
    """Returns the place of one of Muse's names in a demonstration.

    Args:
        role: Its role in the spec; `""` for none.
        observations: Places of the observations, by name.
    """
    if role == "observation":
        # robomimic looks for arrays directly below obs/.
        return OBS + {key: image for image, key in _images(env_name).items()}.get(name, name).replace("/", "_")
    if role == "action":
        return "actions"
    for prefix in (NEXT, FINAL_NEXT):
        if name.removeprefix(prefix) in observations and name.startswith(prefix):
            return NEXT_OBS + observations[name.removeprefix(prefix)].removeprefix(OBS)
    own = {name: path for path, name in _FIXED.items()}
    if name in own:
        return own[name]
    is_robomimic = name in ("states", "dones", "actions_abs") or name.startswith("action_dict/")
    return name if is_robomimic else MUSE_GROUP + name


def role_of(path: str, name: str) -> str:
    """Returns the role in Muse of what lies at `path` in a demonstration and is called `name`."""
    if name.startswith(("final/", "param/")):
        return name.partition("/")[0]
    return next((role for begin, role in _ROLES.items() if path == begin or (begin == OBS and path.startswith(begin))), "")


def guess_role(name: str) -> str:
    """Returns the role of a step name in a file that says none: what has no place of its own is an observation."""
    own = {_FIXED["actions"]: "action", _FIXED["rewards"]: "output_observation"}
    is_other = name in ("states", "dones", "actions_abs", *ADDED) or name.startswith(("action_dict/", "goal/", NEXT))
    return own.get(name, "" if is_other else "observation")


def _images(env_name: str) -> dict[str, str]:
    """Returns robomimic's names of the pictures that Muse has short names for."""
    camera = "sideview" if "ToolHang" in env_name else "agentview"
    return {f"{camera}_image": "image", "robot0_eye_in_hand_image": "ego_image"}
