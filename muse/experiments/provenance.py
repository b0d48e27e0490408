"""What a run was made of: commit and diff, packages, machine, the environment's fingerprint."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import muse
from muse.utils.errors import MuseError

_log = logging.getLogger(__name__)


def run_git(folder: Path, *arguments: str) -> str | None:
    """Returns what a git command prints in `folder`, or None where git or the repository is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _repositories() -> list[Path]:
    """The checkouts that hold the working directory and Muse itself, each once."""
    found: list[Path] = []
    for folder in (Path.cwd(), Path(muse.__file__).resolve().parent):
        top = run_git(folder, "rev-parse", "--show-toplevel")
        if top and Path(top.strip()) not in found:
            found.append(Path(top.strip()))
    return found


def git_state() -> tuple[str, str]:
    """Returns the text of `git/commit.txt` and `git/diff.patch`: the last commit, and all that is not in it.

    Untracked files are listed, not copied: they may be large or secret.
    """
    commits, diffs = [], []
    for top in _repositories():
        commits.append(f"{top.name}\n{run_git(top, 'log', '-1') or 'no commit yet'}")
        untracked = run_git(top, "ls-files", "--others", "--exclude-standard")
        if untracked:
            commits.append("untracked files:\n" + "".join(f"  {line}\n" for line in untracked.splitlines()))
        diffs.append(run_git(top, "diff", "HEAD", "--no-color", "--no-ext-diff") or "")
    if not commits:
        return f"no git checkout; muse {muse.__version__}\n", ""
    return "\n".join(commits), "".join(diffs)


def environment_text() -> str:
    """Returns the text of `environment.txt`: python, machine, command line, and every installed package with its version."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions() if d.metadata["Name"]})
    lines = [
        f"muse {muse.__version__}",
        f"python {platform.python_version()} ({platform.python_implementation()})",
        f"platform {platform.platform()}",
        f"cpu count {os.cpu_count()}",
        f"command {' '.join(sys.argv)}",
        "",
        *packages,
    ]
    return "\n".join(lines) + "\n"


def package_version(name: str) -> str | None:
    """Returns the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def env_fingerprint(env_params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what decides how an environment behaves: its class, its options and the versions below it, as plain values.

    Args:
        env_params: The env's group, `cls` included.
    """
    cls = env_params["cls"]
    simulators = getattr(cls, "fingerprint_packages", ())
    cosmetic = cls.get_cosmetic_params(env_params) if hasattr(cls, "get_cosmetic_params") else ()
    return {
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "params": {key: plain_value(value) for key, value in sorted(env_params.items()) if key not in ("cls", "exp_name")},
        "cosmetic": sorted(set(cosmetic) & set(env_params)),
        "simulators": {name: package_version(name) for name in simulators},
        "versions": {"muse": muse.__version__, "numpy": package_version("numpy")},
    }


def fingerprint_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns a phrase for each thing that makes the environment of one fingerprint behave unlike another's.

    That is its class, its options but for the cosmetic ones, and the versions of simulators; those of Muse and numpy differ on
    every machine. What only one of the two knows (an option that is new) makes no difference, and an empty one says nothing.
    """
    if not before or not now:
        return []
    cosmetic = {*before.get("cosmetic", ()), *now.get("cosmetic", ())}
    parts = [
        {
            "class": one.get("class"),
            **{key: value for key, value in one.get("params", {}).items() if key not in cosmetic},
            **one.get("simulators", {}),
        }
        for one in (before, now)
    ]
    # Through JSON, as the one that comes from a file went: a tuple is a list there.
    old, new = (json.loads(json.dumps(part)) for part in parts)
    return [f"{key} {old[key]!r}, now {new[key]!r}" for key in old if key in new and old[key] != new[key]]


def check_same_env(where: str, before: Mapping[str, Any], now: Mapping[str, Any], allow_mismatch: bool = False) -> None:
    """Checks that what was made in the environment of one fingerprint is used in one like it.

    Args:
        where: What was made there (`"data/a.npz"`).
        before, now: The fingerprints of then and of now.
        allow_mismatch: Warn instead.

    Raises:
        FingerprintError: With all differences.
    """
    differences = fingerprint_differences(before, now)
    if not differences:
        return
    if not allow_mismatch:
        hint = "the options and versions that it was made with, or --allow_mismatch where you mean it"
        raise FingerprintError(f"{where}: made in another environment", "; ".join(differences), "the same environment", hint)
    for difference in differences:
        _log.warning("%s was made in another environment: %s", where, difference)


def plain_value(value: Any) -> Any:
    """Returns `value` as what JSON can hold; classes, callables and the rest by name."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if name else repr(value)


class FingerprintError(MuseError):
    """Data or a checkpoint that was made in another environment than the one in use."""
