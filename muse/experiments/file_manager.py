"""The experiment folder: made whole, never overwritten by accident, held by one run at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from muse.experiments.provenance import environment_text, git_state
from muse.utils.errors import MuseError, nearest
from muse.utils.files import atomic_write, sync_folder

CONFIG_FILE, ARGS_FILE, RESOLVED_FILE = "config.py", "config_args.txt", "config_resolved.json"


class ExperimentError(MuseError):
    """An experiment folder that is there, is missing, or is not one."""


class ExperimentFileManager:
    """Paths of one experiment: `<base>/<name>/`.

    Make one with `create` (a new run), `resume` (`--continue`) or `open` (to read). Several folders of the layout in
    `docs/experiment-folder.md` appear when something is first written to them.

    Attributes:
        exp_dir: The folder.
    """

    def __init__(self, exp_dir: str | os.PathLike[str]) -> None:
        self.exp_dir = Path(exp_dir)
        self._lock: int | None = None

    @classmethod
    def open(cls, exp_dir: str | os.PathLike[str]) -> ExperimentFileManager:
        """Returns the manager of a folder that is there, to read it.

        Raises:
            ExperimentError: When it is missing or holds no config.
        """
        manager = cls(exp_dir)
        if not (manager.exp_dir / CONFIG_FILE).is_file():
            below = (
                sorted(str(path.parent) for path in manager.exp_dir.rglob(CONFIG_FILE))[:10] if manager.exp_dir.is_dir() else []
            )
            beside = [path.parent.name for path in manager.exp_dir.parent.glob(f"*/{CONFIG_FILE}")]
            got = f"no experiment here{nearest(manager.exp_dir.name, beside)}"
            raise ExperimentError(str(exp_dir), got, f"a folder with {CONFIG_FILE}, as a training run makes it", ", ".join(below))
        return manager

    @classmethod
    def create(
        cls,
        exp_name: str,
        config_text: str,
        args_text: str,
        resolved_text: str,
        base_dir: str | os.PathLike[str] = "experiments",
        overwrite: bool = False,
    ) -> ExperimentFileManager:
        """Makes the folder of a new run. It appears whole: built under a temporary name beside it, then renamed.

        Args:
            exp_name: Relative path below `base_dir`.
            config_text, args_text, resolved_text: The recipe, the command line after it, and the resolved tree as JSON.
            overwrite: Put the new folder in the place of an old one, which is deleted after.

        Raises:
            ExperimentError: When the folder is there and `overwrite` is false, or the name leaves `base_dir`.
        """
        target = experiment_path(exp_name, base_dir)
        check_free(target, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new"))
        try:
            _fill(building, config_text, args_text, resolved_text)
            building.chmod(0o755)
            _put_in_place(building, target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
        manager = cls(target)
        manager.lock()
        return manager

    @classmethod
    def resume(cls, exp_dir: str | os.PathLike[str]) -> ExperimentFileManager:
        """Returns the manager of a run that goes on. What the folder says about the run stays as it is until `rewrite`.

        Raises:
            ExperimentError: When the folder holds no experiment or another run holds it.
        """
        manager = cls.open(exp_dir)
        manager.lock()
        return manager

    def rewrite(self, config_text: str, args_text: str, resolved_text: str) -> None:
        """Writes down the recipe and arguments that a run goes on with, where they differ."""
        for name, text in ((CONFIG_FILE, config_text), (ARGS_FILE, args_text), (RESOLVED_FILE, resolved_text)):
            path = self.exp_dir / name
            if (path.read_text(encoding="utf-8") if path.is_file() else "") != text:
                with atomic_write(path, "w") as file:
                    file.write(text)

    def lock(self) -> None:
        """Holds the folder until this process ends or `close` is called.

        Raises:
            ExperimentError: When another run holds it.
        """
        import fcntl

        handle = os.open(self.exp_dir / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise ExperimentError(
                str(self.exp_dir), "another run is writing here", "one run per folder", "wait for it, or stop it"
            ) from error
        self._lock = handle

    def close(self) -> None:
        """Lets go of the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def models_dir(self) -> Path:
        """Checkpoints: `model.pt`, `best_model.pt`, `chkpt_<step>.pt`, `train_state.pt`."""
        return self.exp_dir / "models"

    @property
    def log_path(self) -> Path:
        """Everything a training run logged."""
        return self.exp_dir / "log_train.txt"

    @property
    def plots_dir(self) -> Path:
        """Pictures of the run."""
        return self.exp_dir / "plots"

    @property
    def videos_dir(self) -> Path:
        """Videos of evaluations."""
        return self.exp_dir / "videos"

    def new_eval_dir(self) -> Path:
        """Returns a path for one evaluation, `eval/<time>`, that no other has."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path, number = self.exp_dir / "eval" / stamp, 1
        while path.exists():
            number += 1
            path = self.exp_dir / "eval" / f"{stamp}-{number}"
        return path

    def find_model(self, name: str | None = None) -> Path:
        """Returns the path of a checkpoint.

        Args:
            name: A file name in `models/` or a path; the best model, or else the latest, when None.

        Raises:
            ExperimentError: When there is none, with those that are there.
        """
        candidates = (
            [self.models_dir / "best_model.pt", self.models_dir / "model.pt"]
            if name is None
            else [self.models_dir / name, Path(name)]
        )
        for path in candidates:
            if path.is_file():
                return path
        there = sorted(p.name for p in self.models_dir.glob("*.pt") if p.name != "train_state.pt")
        raise ExperimentError(
            str(candidates[0]), "no checkpoint", f"one of {', '.join(there)}" if there else "a run that has saved one",
            "" if there else "train longer than trainer/save_every_n_steps, or --continue the run",
        )  # fmt: skip


def check_free(folder: Path, overwrite: bool = False) -> None:
    """Checks that a new run may take `folder`.

    Raises:
        ExperimentError: When it is there and `overwrite` is false, when it holds more than one experiment, or when another run
            is writing to it.
    """
    if not folder.exists():
        return
    if not overwrite:
        raise ExperimentError(
            str(folder), "this experiment exists", "a new name",
            "--continue to resume it, --overwrite to replace it, or --extra_exp_name _again after the recipe",
        )  # fmt: skip
    below = sorted(path.parent for path in folder.rglob(CONFIG_FILE) if path.parent != folder)
    if below or not (folder / CONFIG_FILE).is_file():
        raise ExperimentError(
            str(folder), f"a folder with other experiments in it, as {below[0]}" if below else "not an experiment",
            "one experiment to replace", "another exp_name, or delete the folder by hand",
        )  # fmt: skip
    held = ExperimentFileManager(folder)
    held.lock()
    held.close()


def experiment_path(exp_name: str, base_dir: str | os.PathLike[str] = "experiments") -> Path:
    """Returns `<base_dir>/<exp_name>`.

    Raises:
        ExperimentError: When the name is empty, absolute or leaves `base_dir`.
    """
    relative = Path(exp_name)
    if not exp_name.strip() or relative.is_absolute() or ".." in relative.parts or "\0" in exp_name:
        raise ExperimentError(
            f"experiment name {exp_name!r}",
            "not a path below the experiments folder",
            "a relative name",
            "set exp_name in the recipe",
        )
    return Path(base_dir) / relative


def _fill(folder: Path, config_text: str, args_text: str, resolved_text: str) -> None:
    commit, diff = git_state()
    files = {
        CONFIG_FILE: config_text, ARGS_FILE: args_text, RESOLVED_FILE: resolved_text,
        "git/commit.txt": commit, "git/diff.patch": diff, "environment.txt": environment_text(),
    }  # fmt: skip
    (folder / "models").mkdir()
    for name, text in files.items():
        if name == ARGS_FILE and not text:
            continue
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")


def _put_in_place(building: Path, target: Path) -> None:
    """Renames `building` to `target`; an old `target` moves aside first and is deleted last."""
    old: Path | None = None
    if target.exists():
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".old"))
        os.rename(target, old / target.name)
    try:
        os.rename(building, target)
    except OSError:
        if old is not None:
            os.rename(old / target.name, target)
            old.rmdir()
        raise
    sync_folder(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
