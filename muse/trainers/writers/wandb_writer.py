"""Weights & Biases. Never asks anything: without a key the run is written to the folder, to be sent later."""

from __future__ import annotations

import logging
import netrc
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np

from muse.trainers.writers.writer import Writer
from muse.utils.optional import require

_log = logging.getLogger(__name__)


class WandbWriter(Writer):
    """Writes to Weights & Biases, all values of a step at once.

    The id of the run is kept in `wandb_id.txt`, so that a run that goes on is one run there too. What was sent cannot be taken
    back; steps that were sent are not sent again, and a deterministic run repeats them with the same values. After a `kill -9`
    the values of the very last step may be missing there (the files of the folder have them).

    Args:
        folder: The experiment's folder; what wandb writes goes to `wandb/` in it.
        project, name, tags: As Weights & Biases shows them.
        config: Plain values.
        sent_until: The last step that was sent before.

    Raises:
        MissingExtraError: When wandb is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        project: str = "muse",
        name: str = "",
        tags: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        sent_until: int = 0,
    ) -> None:
        self._wandb: Any = require("wandb", "wandb", "WandbWriter")
        self.folder, self.sent_until = Path(folder), sent_until
        self._options = {"project": project, "name": name or None, "tags": list(tags), "config": dict(config or {})}
        self._step = 0
        self._values: dict[str, Any] = {}
        self._run: Any = self._start()

    def _start(self) -> Any:
        mode = os.environ.get("WANDB_MODE", "online")
        if mode == "online" and not has_wandb_key():
            _log.warning(
                "wandb: no key (WANDB_API_KEY or `wandb login`); offline, send it later with `wandb sync %s/wandb/offline-run-*`",
                self.folder,
            )
            mode = "offline"
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "wandb_id.txt"
        run_id = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        resumes = bool(run_id)
        if not resumes:
            run_id = secrets.token_hex(4)
            path.write_text(run_id + "\n", encoding="utf-8")
        try:
            return self._init(mode, run_id, resumes)
        except self._wandb.errors.Error as error:
            if mode != "online":
                raise
            _log.warning("wandb: %s; offline", str(error).splitlines()[0])
            return self._init("offline", run_id, resumes)

    def _init(self, mode: str, run_id: str, resumes: bool) -> Any:
        settings = self._wandb.Settings(silent=True, console="off")
        # An offline run cannot ask the server for its past; `wandb sync` joins the parts by their id.
        resume = "allow" if resumes and mode == "online" else None
        return self._wandb.init(**self._options, id=run_id, resume=resume, mode=mode, dir=str(self.folder), settings=settings)

    def scalar(self, name: str, value: float, step: int) -> None:
        """See `Writer.scalar`."""
        self._add(name, float(value), step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """See `Writer.image`."""
        self._add(name, self._wandb.Image(image), step)

    def video(self, name: str, frames: np.ndarray, step: int, fps: float = 20.0) -> None:
        """See `Writer.video`."""
        path = self._write_video(name, frames, step, fps)
        self._add(name, self._wandb.Video(str(path), format="mp4"), step)

    def _write_video(self, name: str, frames: np.ndarray, step: int, fps: float) -> Path:
        from muse.utils.video import write_video

        path = self.folder / "wandb" / "videos" / f"{name.replace('/', '_')}_{step}.mp4"
        write_video(path, frames, fps)
        return path

    def flush(self) -> None:
        """See `Writer.flush`."""
        if self._values and self._run is not None:
            self._run.log(self._values, step=self._step, commit=True)
        self._values = {}

    def close(self) -> None:
        """See `Writer.close`."""
        self.flush()
        if self._run is not None:
            self._run.finish()
            self._run = None

    def _add(self, name: str, value: Any, step: int) -> None:
        if step <= self.sent_until:
            return
        if step != self._step:
            self.flush()
        self._step = step
        self._values[name] = value


def has_wandb_key() -> bool:
    """Returns whether wandb can log in without asking: by `WANDB_API_KEY`, or an entry of the netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    candidates = [os.environ["NETRC"]] if "NETRC" in os.environ else ["~/.netrc", "~/_netrc"]
    for candidate in candidates:
        try:
            if netrc.netrc(os.path.expanduser(candidate)).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
