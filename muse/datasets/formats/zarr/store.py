"""A zarr store, looked through before zarr may open an array of it."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.formats.kept import load_json
from muse.utils.errors import brief
from muse.utils.optional import require

_AGAIN = "copy or download it again"
#: Compressors that only unpack bytes, and say how many.
_COMPRESSORS = ("blosc", "lz4", "zstd", "zlib", "gzip")
#: Kinds of numpy types that are read: numbers, truths, text of a fixed length.
KINDS = "fiubSU"
_MAX_CHUNK_BYTES = 2**31 - 1
_MAX_TEXT_BYTES = 2**26


@dataclass(frozen=True)
class ArrayInfo:
    """What `.zarray` says.

    Attributes:
        key: Path in the store.
        shape, chunks: Of the array and of a chunk.
        dtype: Of an element; never an object.
        compressor: Its name; empty for none.
    """

    key: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype
    compressor: str

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk, unpacked."""
        return math.prod(self.chunks) * self.dtype.itemsize


class Store:
    """A folder or an archive of zarr, open for reading. A context manager.

    Raises:
        DataError: For a path without one, and for zarr of another format than 2.
        MissingExtraError: Without zarr.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path, self._zip = Path(path), None
        self._zarr = require("zarr", "zarr", "diffusion_policy's datasets")
        expected = "a replay buffer of diffusion_policy: a .zarr folder or a .zarr.zip archive"
        if self.path.is_dir():
            files = (Path(root, name) for root, _, names in os.walk(self.path) for name in names)
            self._sizes = {file.relative_to(self.path).as_posix(): file.stat().st_size for file in files}
            self._store: Any = str(self.path)
        elif not self.path.exists():
            raise DataError(str(path), "nothing there", expected, "the path is relative to the working folder")
        else:
            try:
                self._zip = zipfile.ZipFile(self.path)
                self._sizes = {info.filename: info.file_size for info in self._zip.infolist() if not info.is_dir()}
                self._store = self._zarr.storage.ZipStore(str(self.path), mode="r")
            except (OSError, ValueError, zipfile.BadZipFile) as error:
                raise DataError(str(path), f"cut short or no archive ({brief(error)})", expected, _AGAIN) from error
        if ".zgroup" not in self._sizes:
            has_new = "zarr.json" in self._sizes
            hint = "zarr.open_group(..., zarr_format=2) writes it" if has_new else "there: " + (self._first_names() or "nothing")
            self.close()
            raise DataError(str(path), "zarr of format 3" if has_new else "no .zgroup", "zarr of format 2", hint)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the archive, if it is one."""
        if self._zip is not None:
            self._zip.close()
            self._store.close()

    def _first_names(self) -> str:
        return ", ".join(sorted({name.split("/")[0] for name in self._sizes})[:5])

    def array_keys(self) -> list[str]:
        """Returns the paths of all arrays."""
        return sorted(name.removesuffix("/.zarray") for name in self._sizes if name.endswith("/.zarray"))

    def attributes(self, key: str = "") -> dict[str, Any]:
        """Returns the attributes of a group or an array.

        Raises:
            DataError: For what is no JSON object.
        """
        name = f"{key}/.zattrs".lstrip("/")
        if name not in self._sizes:
            return {}
        values = load_json(self._read(name), f"{self.path}: {name}")
        if not isinstance(values, dict):
            raise DataError(f"{self.path}: {name}", f"a {type(values).__name__}", "a JSON object")
        return values

    def info(self, key: str) -> ArrayInfo:
        """Returns what an array says of itself.

        Raises:
            DataError: For an array that could run code when it is read, and for one that makes no sense.
        """
        where = f"{self.path}: '{key}'"
        values = load_json(self._read(f"{key}/.zarray"), f"{where}, .zarray")
        try:
            shape, chunks = tuple(map(_whole, values["shape"])), tuple(map(_whole, values["chunks"]))
            compressor = values["compressor"]["id"] if values["compressor"] else ""
            filters, type_name = values.get("filters"), values["dtype"]
            if values["zarr_format"] != 2 or len(shape) != len(chunks) or 0 in chunks or values["order"] not in ("C", "F"):
                raise ValueError("sizes or format")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DataError(f"{where}, .zarray", f"broken ({brief(error)})", "what zarr writes", _AGAIN) from error
        hint = f"leave it out (--map {key}=), or have it saved as plain numbers"
        kind = np.dtype(type_name).kind if isinstance(type_name, str) and _is_type(type_name) else "O"
        if kind not in KINDS or filters:
            coded = f", coded by '{filters[0].get('id')}'" if filters and isinstance(filters[0], dict) else ""
            got = f"objects ({json.dumps(type_name)[:60]}{coded}); refused, nothing was run"
            raise DataError(where, got, "numbers, or text of a fixed length", hint)
        if compressor and compressor not in _COMPRESSORS:
            expected = "none, or one of " + ", ".join(_COMPRESSORS)
            raise DataError(where, f"compressor '{compressor}'; refused, nothing was run", expected, hint)
        info = ArrayInfo(key, shape, chunks, np.dtype(type_name), compressor)
        if info.chunk_bytes > _MAX_CHUNK_BYTES or not info.dtype.itemsize:
            raise DataError(where, f"chunks of {info.chunk_bytes} bytes", f"1 to {_MAX_CHUNK_BYTES}", hint)
        return info

    def open(self, info: ArrayInfo) -> Any:
        """Returns an array of zarr, whose chunks claim no more bytes than they should.

        Raises:
            DataError: For a chunk that does.
        """
        for name in self._sizes:
            if name.startswith(info.key + "/") and not name.rpartition("/")[2].startswith("."):
                claimed = self._claimed(name, info)
                if claimed != info.chunk_bytes:
                    where = f"{self.path}: '{info.key}', chunk {name.removeprefix(info.key + '/')}"
                    raise DataError(
                        where, f"{claimed} bytes", f"{info.chunk_bytes} for chunks of {info.chunks} {info.dtype}", _AGAIN
                    )
        return open_array(self._zarr, self._store, info.key, "r")

    def _claimed(self, name: str, info: ArrayInfo) -> int:
        """Returns how many bytes a chunk would become; -1 where it does not say."""
        size = self._sizes[name]
        if not info.compressor:
            return size
        # A packed chunk is not larger than twice what it unpacks to, and some.
        if size > 2 * info.chunk_bytes + 2**16:
            return -1
        if info.compressor in ("zlib", "gzip"):
            return _unpacked_size(self._read(name), info.chunk_bytes)
        head = self._read(name, 32)
        if info.compressor == "zstd":
            return _zstd_size(head)
        return int.from_bytes(head[4:8] if info.compressor == "blosc" else head[:4], "little")

    def _read(self, name: str, count: int = -1) -> bytes:
        if count < 0 and self._sizes[name] > _MAX_TEXT_BYTES and name.rpartition("/")[2].startswith("."):
            raise DataError(f"{self.path}: {name}", f"{self._sizes[name]} bytes", f"at most {_MAX_TEXT_BYTES}")
        try:
            with self._zip.open(name) if self._zip is not None else open(self.path / name, "rb") as file:
                return file.read(count)
        except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
            raise DataError(f"{self.path}: {name}", f"cannot be read ({brief(error)})", "a whole store", _AGAIN) from error


def open_array(zarr: Any, store: Any, key: str, mode: str) -> Any:
    """Opens an array with zarr 2 or 3, which spell it differently. An array that equals its filling is written all the same: -0 too."""
    if int(zarr.__version__.split(".")[0]) >= 3:
        return zarr.open_array(store=store, path=key, mode=mode, zarr_format=2, config={"write_empty_chunks": True})
    return zarr.open_array(store, mode=mode, path=key, write_empty_chunks=True)


def describe(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype, compressor: Mapping[str, Any] | None) -> str:
    """Returns the text of a `.zarray`."""
    fill = "" if dtype.kind in "US" else False if dtype.kind == "b" else 0
    values = {
        "chunks": list(chunks), "compressor": compressor, "dtype": dtype.str, "fill_value": fill, "filters": None, "order": "C",
        "shape": list(shape), "zarr_format": 2,
    }  # fmt: skip
    return json.dumps(values, indent=4)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
        raise ValueError(f"size {value!r}")
    return value


def _is_type(name: str) -> bool:
    try:
        return bool(np.dtype(name).itemsize) and not np.dtype(name).hasobject
    except (TypeError, ValueError, SyntaxError):
        return False


def _unpacked_size(content: bytes, wanted: int) -> int:
    """Returns how many bytes a zlib or gzip stream gives, counted no further than beyond `wanted`; -1 for a broken one."""
    decoder, total = zlib.decompressobj(wbits=47), 0
    try:
        while total <= wanted and not decoder.eof and content:
            total += len(decoder.decompress(content, 2**20))
            content = decoder.unconsumed_tail
    except zlib.error:
        return -1
    return total if decoder.eof or total > wanted else -1


def _zstd_size(head: bytes) -> int:
    """Returns the content size that a zstd frame claims (RFC 8878, 3.1.1.1); -1 where it claims none."""
    if len(head) < 6 or head[:4] != b"\x28\xb5\x2f\xfd":
        return -1
    flag, is_single, dictionary = head[4] >> 6, bool(head[4] & 0x20), (0, 1, 2, 4)[head[4] & 3]
    if not flag and not is_single:
        return -1
    begin, width = 5 + (not is_single) + dictionary, 1 << flag
    return int.from_bytes(head[begin : begin + width], "little") + (256 if flag == 1 else 0)
