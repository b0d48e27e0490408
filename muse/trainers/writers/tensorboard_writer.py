"""TensorBoard, in the experiment's folder: `tensorboard --logdir experiments`."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from muse.trainers.writers.writer import Writer
from muse.utils.files import atomic_write


class TensorboardWriter(Writer):
    """Writes a file `events.out.tfevents.*` for each time that the run was started. It is made by the first value.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._events: Any = None

    @property
    def _writer(self) -> Any:
        if self._events is None:
            from torch.utils.tensorboard import SummaryWriter

            self._events = SummaryWriter(str(self.folder))
        return self._events

    def scalar(self, name: str, value: float, step: int) -> None:
        """See `Writer.scalar`."""
        self._writer.add_scalar(name, value, step)

    def image(self, name: str, image: np.ndarray, step: int) -> None:
        """See `Writer.image`."""
        self._writer.add_image(name, image, step, dataformats="HWC")

    def video(self, name: str, frames: np.ndarray, step: int, fps: float = 20.0) -> None:
        """See `Writer.video`. TensorBoard shows videos as animated GIFs, which lose colours."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        height, width = frames.shape[1:3]
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=_encode_gif(frames, fps))
        self._writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)

    def truncate(self, step: int) -> None:
        """See `Writer.truncate`."""
        self.close()
        for path in sorted(self.folder.glob("events.out.tfevents.*")):
            content = path.read_bytes()
            kept = _records_until(content, step)
            if kept != content:
                with atomic_write(path) as file:
                    file.write(kept)

    def flush(self) -> None:
        """See `Writer.flush`."""
        if self._events is not None:
            self._events.flush()

    def close(self) -> None:
        """See `Writer.close`."""
        if self._events is not None:
            self._events.close()
            self._events = None


def _records_until(content: bytes, step: int) -> bytes:
    """Returns the whole records of an events file whose step is not after `step`.

    A record is a length (8 bytes, little-endian), its checksum (4), that many bytes of an `Event`, and their checksum (4).
    """
    from tensorboard.compat.proto.event_pb2 import Event

    kept, begin = [], 0
    while begin + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, begin)
        end = begin + 12 + length + 4
        if end > len(content):
            break
        if Event.FromString(content[begin + 12 : end - 4]).step <= step:
            kept.append(content[begin:end])
        begin = end
    return b"".join(kept)


def _encode_gif(frames: np.ndarray, fps: float) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=1000.0 / fps, loop=0)
    return buffer.getvalue()
