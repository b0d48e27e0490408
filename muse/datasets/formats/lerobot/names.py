"""Which feature of LeRobot is which name of Muse, unless a dataset or its user says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from muse.datasets.formats.lerobot.features import MAX_DIMS, NUMBERS, Feature

#: Features that follow from where the episodes end and what their tasks are.
DERIVED = ("frame_index", "episode_index", "index", "task_index")
#: LeRobot's own features, which every dataset has.
OWN = [Feature("timestamp", "float32", (1,)), *(Feature(key, "int64", (1,)) for key in DERIVED)]
STATE, ACTION, IMAGES, DONE = "observation.state", "action", "observation.images.", "next.done"
#: Place of the text in `meta/tasks.parquet`, the one-time name that holds it in Muse, the step name where it changes on the way.
TASK, TASK_NAME, TASK_STEP_NAME = "task", "param/task", "task"
#: Places in this file hold what LeRobot has no place for.
KEPT_FILE = "meta/muse.npz"
KEPT = KEPT_FILE + "/"
#: Begins the key of a feature of each role. Joined names follow it after a slash, which no key has in it.
_PREFIXES = {
    "observation": "observation.", "action": "action.", "goal": "goal.", "output_observation": "next.", "": "info.",
}  # fmt: skip
#: Words in the name of a camera that the robot carries.
_CARRIED = ("wrist", "hand", "gripper", "ego")


def names_in_muse(keys: Iterable[str]) -> Callable[[str], str]:
    """Returns what gives Muse's name for a feature, or for `TASK`.

    Args:
        keys: All features: which camera is the main one depends on the others.
    """
    cameras = [key for key in keys if key == "observation.image" or key.startswith(IMAGES)]
    carried = [key for key in cameras if any(word in key.removeprefix(IMAGES) for word in _CARRIED)]
    others = [key for key in cameras if key not in carried]
    short = {**_alone(others, "image"), **_alone(carried, "ego_image")}

    def name_of(key: str) -> str:
        if key in short:
            return short[key]
        if key in cameras:
            return "images/" + _plain(key.removeprefix(IMAGES))
        if key == DONE or key == "done":
            return "dones"
        return {TASK: TASK_NAME}.get(key) or _plain(key.removeprefix("observation.").removeprefix("next."))

    return name_of


def role_of(key: str) -> str:
    """Returns the role in Muse of a feature."""
    if key == DONE:
        return ""
    if key == ACTION:
        return "action"
    return next((role for role, prefix in _PREFIXES.items() if role and key.startswith(prefix)), "")


def place_in_lerobot(name: str, role: str, array: np.ndarray, is_onetime: bool, is_only: bool, join: bool) -> str:
    """Returns the place of one of Muse's names: the key of a feature, `<key>/<name>` in a joined one, or one in `KEPT_FILE`.

    Args:
        array: Its array, `(N, *shape)` or `(E, *shape)`.
        is_only: Whether no other name has its role.
        join: Observations become one vector.
    """
    if is_text(array) and (name == TASK_NAME if is_onetime else name == TASK_STEP_NAME and not role):
        return TASK
    if is_onetime or not fits(array):
        return KEPT + name
    if is_picture(array) and role == "observation":
        return IMAGES + dotted(name.removeprefix("images/"))
    if role == "action" and (is_only or name == ACTION) and array.dtype.kind != "f":
        return ACTION
    if role == "action" and array.dtype.kind == "f":
        return ACTION if is_only and array.ndim <= 2 else f"{ACTION}/{name}"
    if role == "observation" and array.dtype.kind == "f" and join:
        return f"{STATE}/{name}"
    return _PREFIXES.get(role, "info.") + dotted(name.removeprefix("goal/") if role == "goal" else name)


def dotted(name: str) -> str:
    """Returns a name without slashes, which LeRobot does not allow."""
    return name.replace("/", ".")


def is_picture(array: np.ndarray) -> bool:
    """Returns whether the rows of `(N, *shape)` are pictures as LeRobot has them."""
    return array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3 and 0 not in array.shape[1:]


def is_text(array: np.ndarray) -> bool:
    """Returns whether the rows of `(N, *shape)` are a text each."""
    return array.dtype.kind == "U" and int(np.prod(array.shape[1:])) == 1


def fits(array: np.ndarray) -> bool:
    """Returns whether LeRobot has features of this kind: numbers in up to five dimensions, or a text."""
    is_number = array.dtype.newbyteorder("=").name in NUMBERS and array.ndim - 1 <= MAX_DIMS
    return is_text(array) or (is_number and 0 not in array.shape[1:])


def _plain(key: str) -> str:
    return key.replace(".", "_")


def _alone(cameras: list[str], name: str) -> dict[str, str]:
    return {cameras[0]: name} if len(cameras) == 1 else {}
