"""Features of LeRobot: what a row holds, how `info.json` says it, how parquet holds it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from muse.datasets.dataset import DataError
from muse.datasets.numbers import to_type
from muse.utils.optional import require

NUMBERS = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float16", "float32", "float64")
PICTURES = ("image", "video")
#: A key names a folder where it is that of a video.
_KEY = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f]{1,200}")
#: LeRobot's arrays have so many dimensions at most.
MAX_DIMS = 5
_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Feature:
    """A feature.

    Attributes:
        key: Its name.
        dtype: A numpy type (`NUMBERS`), `string`, `image` (in the parquet file) or `video`.
        shape: Of a row; `(1,)` for a single number or text.
        names: Names of the elements, or of the dimensions of a picture, or None.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    names: Any = None

    @classmethod
    def from_info(cls, key: str, values: Any, where: str) -> Feature:
        """Returns what `info.json` says of a feature.

        Raises:
            DataError: For what is no feature that LeRobot makes.
        """
        label = f"{where}: feature '{key}'"
        if not is_key(key):
            raise DataError(label, "a name that no file may have", "letters, digits, dots and underscores")
        if not isinstance(values, dict):
            raise DataError(label, f"a {type(values).__name__}", "a JSON object with dtype, shape and names")
        dtype, shape = values.get("dtype"), values.get("shape")
        if not isinstance(dtype, str) or dtype not in (*NUMBERS, *PICTURES, "string"):
            raise DataError(label, f"dtype {dtype!r}", "one of " + ", ".join((*NUMBERS, *PICTURES, "string")))
        if not isinstance(shape, list) or not 1 <= len(shape) <= MAX_DIMS or not all(type(n) is int and n > 0 for n in shape):
            raise DataError(label, f"shape {shape!r}", f"1 to {MAX_DIMS} positive sizes")
        if (dtype == "string" and shape != [1]) or (dtype in PICTURES and len(shape) != 3):
            raise DataError(label, f"shape {shape}", "[1]" if dtype == "string" else "height, width and channels")
        return cls(key, dtype, tuple(shape), values.get("names"))

    def to_info(self) -> dict[str, Any]:
        """Reverses `from_info`."""
        return {"dtype": self.dtype, "shape": list(self.shape), "names": self.names}

    @property
    def is_picture(self) -> bool:
        """Whether a row is a picture."""
        return self.dtype in PICTURES

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of a row in Muse: pictures are `(Y, X, C)`, whatever order their shape is given in."""
        if not self.is_picture:
            return self.shape
        first = self.names[0] if isinstance(self.names, list) and self.names else None
        is_first = str(first).startswith("channel") if first is not None else self.shape[2] > 4 >= self.shape[0]
        return (*self.shape[1:], self.shape[0]) if is_first else self.shape

    def huggingface(self) -> dict[str, Any]:
        """Returns what the `datasets` library calls the type, in the meta data of a parquet file."""
        if self.dtype == "image":
            return {"_type": "Image"}
        value = {"dtype": self.dtype, "_type": "Value"}
        if self.shape == (1,):
            return value
        if len(self.shape) == 1:
            return {"feature": value, "length": self.shape[0], "_type": "List"}
        return {"shape": list(self.shape), "dtype": self.dtype, "_type": f"Array{len(self.shape)}D"}

    def to_arrow(self, values: np.ndarray) -> Any:
        """Returns `(T, *shape)` as an arrow array, pictures as PNG."""
        pa = require("pyarrow", "lerobot", "LeRobot's datasets")
        if self.dtype == "image":
            pictures = [{"bytes": to_png(picture), "path": f"frame-{step:06d}.png"} for step, picture in enumerate(values)]
            return pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
        if self.dtype == "string":
            return pa.array(values.reshape(-1).tolist(), pa.string())
        array = pa.array(np.ascontiguousarray(values).reshape(-1))
        if self.shape == (1,):
            return array
        if len(self.shape) == 1:
            return pa.FixedSizeListArray.from_arrays(array, self.shape[0])
        for size in reversed(self.shape):
            array = pa.ListArray.from_arrays(np.arange(0, len(array) + 1, size, dtype=np.int32), array)
        return array


def is_key(key: str) -> bool:
    """Returns whether a feature may have this name."""
    return bool(_KEY.fullmatch(key))


def numbers_of(column: Any, shape: tuple[int, ...], dtype: np.dtype, label: str) -> np.ndarray:
    """Returns an arrow array as `(n, *shape)`.

    Raises:
        DataError: For rows that are missing, or of another shape or type.
    """
    pa = require("pyarrow", "lerobot", "LeRobot's datasets")
    is_list, is_fixed = (pa.types.is_list, pa.types.is_large_list), pa.types.is_fixed_size_list
    values = column
    sizes = shape if shape != (1,) or is_fixed(column.type) or any(test(column.type) for test in is_list) else ()
    for size in sizes:
        _check_no_nulls(values, label)
        if is_fixed(values.type):
            same = values.type.list_size == size
        elif any(test(values.type) for test in is_list):
            same = bool((np.asarray(values.value_lengths()) == size).all())
        else:
            raise DataError(label, f"rows of type {column.type}", f"shape {shape}")
        if not same:
            raise DataError(label, f"rows of another shape ({column.type})", f"shape {shape} in every row")
        values = values.flatten()
    _check_no_nulls(values, label)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        raise DataError(label, f"rows of type {column.type}", f"shape {shape} {dtype}")
    return to_type(values.to_numpy(zero_copy_only=False), dtype, label).reshape(len(column), *shape)


def texts_of(column: Any, label: str) -> np.ndarray:
    """Returns an arrow array of text as `(n, 1)` of a fixed width.

    Raises:
        DataError: For rows that are missing or no text, and for text that ends in NUL, which numpy would cut off.
    """
    pa = require("pyarrow", "lerobot", "LeRobot's datasets")
    _check_no_nulls(column, label)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataError(label, f"rows of type {column.type}", "text")
    listed = column.to_pylist()
    texts = np.array(listed, dtype=str).reshape(-1, 1)
    if texts[:, 0].tolist() != listed:
        raise DataError(label, "text that ends in NUL", "text without it")
    return texts


def pictures_of(column: Any, shape: tuple[int, ...], label: str) -> Any:
    """Yields the pictures `(Y, X, C)` uint8 of an arrow array, one at a time.

    Raises:
        DataError: For a row that is missing, or holds no picture of that shape.
    """
    pa = require("pyarrow", "lerobot", "LeRobot's datasets")
    if not pa.types.is_struct(column.type) or "bytes" not in [field.name for field in column.type]:
        raise DataError(label, f"rows of type {column.type}", "pictures")
    for row, item in enumerate(column.field("bytes")):
        content = item.as_py()
        if not isinstance(content, bytes):
            raise DataError(label, f"no picture in row {row} of a part", "its bytes in the parquet file")
        yield _from_png(content, shape, label)


def to_png(picture: np.ndarray) -> bytes:
    """Returns `(Y, X, 3)` uint8 as a PNG file."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _from_png(content: bytes, shape: tuple[int, ...], label: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_PICTURE_FORMATS) as image:
            # What it claims is looked at before it is unpacked.
            came = (image.height, image.width, len(image.getbands()))
            if came == shape and image.mode not in ("P", "1"):
                return np.asarray(image, np.uint8).reshape(shape)
            mode = image.mode
    except Exception as error:  # Whatever Pillow makes of broken bytes.
        raise DataError(label, f"no picture ({type(error).__name__}: {error})"[:200], ", ".join(_PICTURE_FORMATS)) from error
    raise DataError(label, f"a picture of shape {came}, mode {mode}", f"{shape} of 8 bits, as info.json says")


def _check_no_nulls(values: Any, label: str) -> None:
    if values.null_count:
        raise DataError(label, f"{values.null_count} rows without a value", "one in every row")


def element_names(parts: Mapping[str, tuple[int, ...]]) -> list[str]:
    """Returns a name for each element of arrays laid side by side: `ego_0`, `ego_1`; a single one is called as its array."""
    names = []
    for name, shape in parts.items():
        size = int(np.prod(shape, dtype=np.int64))
        names += [name] if size == 1 else [f"{name}_{number}" for number in range(size)]
    return names
