"""Datasets spoilt at random: cut short, bits turned over, claims that are not kept, objects that would run code."""

import contextlib
import io
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np

#: Is made by code that came with data, if ever it is run.
SENTINEL = "MUSE_FUZZ_SENTINEL"


class Trap:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (os.environ[SENTINEL],)


def spoil(path: Path, rng: random.Random) -> str:
    """Spoils what lies at `path`, a file or a folder, in a way drawn at random; returns which."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    file = rng.choice(files)
    ways = [cut, turn_bits, overwrite, insert, remove, empty, repeat, change_numbers]
    if path.is_dir():
        ways += [delete, swap, rename, replace_by_folder]
    if zipfile.is_zipfile(file):
        ways += 3 * [respell_members, claim_in_zip, bomb_in_zip, trap_in_zip]
    if file.suffix == ".npy":
        ways += 3 * [claim_in_npy, trap_in_npy]
    if file.name.endswith((".zarray", ".zgroup", ".zattrs", ".json", "zarr.json")):
        ways += 4 * [change_json]
    if file.suffix in (".hdf5", ".h5"):
        ways += 4 * [change_hdf5]
    way = rng.choice(ways)
    # h5py does not do everything; a dataset that is half changed is spoilt as well.
    with contextlib.suppress(OSError, ValueError, KeyError, RuntimeError):
        way(file, rng)
    return f"{way.__name__} {file.relative_to(path.parent)}"


def cut(file, rng):
    content = file.read_bytes()
    file.write_bytes(content[: rng.randrange(len(content) + 1)])


def turn_bits(file, rng):
    content = bytearray(file.read_bytes() or b"\0")
    for _ in range(rng.choice([1, 1, 3, 20])):
        # Where the structure is, more often than among the values.
        end = rng.choice([min(len(content), 2048), len(content)])
        content[rng.randrange(end)] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def overwrite(file, rng):
    content = bytearray(file.read_bytes() or b"\0")
    begin, length = rng.randrange(len(content)), rng.choice([1, 4, 8, 64, 1000])
    fill = rng.choice([b"\0", b"\xff", None])
    content[begin : begin + length] = rng.randbytes(length) if fill is None else fill * length
    file.write_bytes(content)


def insert(file, rng):
    content = file.read_bytes()
    place = rng.randrange(len(content) + 1)
    file.write_bytes(content[:place] + rng.randbytes(rng.choice([1, 8, 100])) + content[place:])


def remove(file, rng):
    content = file.read_bytes()
    place = rng.randrange(len(content) + 1)
    file.write_bytes(content[:place] + content[place + rng.choice([1, 8, 100]) :])


def empty(file, rng):
    file.write_bytes(b"")


def repeat(file, rng):
    file.write_bytes(2 * file.read_bytes())


def change_numbers(file, rng):
    """Writes a number that is likely to be taken for a size over eight bytes."""
    content = bytearray(file.read_bytes().ljust(8, b"\0"))
    place = 8 * rng.randrange(len(content) // 8)
    number = rng.choice([0, 1, 2**31 - 1, 2**31, 2**40, 2**63 - 1, 2**64 - 1])
    content[place : place + 8] = struct.pack("<Q", number)
    file.write_bytes(content)


def delete(file, rng):
    file.unlink()


def swap(file, rng):
    other = rng.choice(sorted(f for f in file.parent.iterdir() if f.is_file()))
    mine, its = file.read_bytes(), other.read_bytes()
    file.write_bytes(its)
    other.write_bytes(mine)


def rename(file, rng):
    file.rename(file.with_name(rng.choice(["x", "other", "..x", "é" * 20]) + file.suffix))


def replace_by_folder(file, rng):
    file.unlink()
    file.mkdir()


def rewritten(file, change):
    """Writes a zip archive anew; `change(members)` gets a dict of bytes by name."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def respell_members(file, rng):
    def change(members):
        name = rng.choice(sorted(members))
        content = members.pop(name)
        if rng.random() < 0.7:
            members[rng.choice(["../" + name, "/" + name, "a//" + name, name.upper(), "x/" * 50 + name])] = content

    rewritten(file, change)


def claim_in_zip(file, rng):
    """Makes the directory of the archive claim another size of a member."""
    content = bytearray(file.read_bytes())
    places = [i for i in range(len(content) - 46) if content[i : i + 4] == b"PK\1\2"]
    if places:
        size = rng.choice([0, 1, 2**20, 2**31 - 1, 2**32 - 2])
        place = rng.choice(places) + rng.choice([20, 24])
        content[place : place + 4] = struct.pack("<I", size)
    file.write_bytes(content)


def bomb_in_zip(file, rng):
    """Adds, or puts in the place of a member, one that is a thousand times as large when it is unpacked."""

    def change(members):
        name = rng.choice([*sorted(members), "bomb.npy"])
        shape = (2**26,)
        members[name] = npy_header(shape, "|u1") + bytes(shape[0])

    rewritten(file, change)


def trap_in_zip(file, rng):
    def change(members):
        members[rng.choice([*sorted(members), "trap.npy"])] = trap_bytes(rng)

    rewritten(file, change)


def npy_header(shape, descr, fortran=False):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": fortran, "shape": shape})
    return buffer.getvalue()


def trap_bytes(rng):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    return rng.choice([buffer.getvalue(), pickle.dumps(Trap())])


def claim_in_npy(file, rng):
    content = file.read_bytes()
    shape = rng.choice([(), (0,), (3,), (2**40,), (2**62,), (-1,), (2, 3), (10**6, 10**6, 10**6)])
    descr = rng.choice(["<f4", "|u1", "<f8", "|O", "<U9", "|V0", "<c16", "|b1", [("a", "<f4")]])
    file.write_bytes(npy_header(shape, descr, rng.random() < 0.2) + content[rng.choice([0, 128]) :])


def trap_in_npy(file, rng):
    file.write_bytes(trap_bytes(rng))


def change_json(file, rng):
    """Changes, adds or removes values somewhere in a JSON file."""
    try:
        tree = json.loads(file.read_text())
    except ValueError:
        return
    odd = [
        None,
        True,
        -1,
        0,
        2**40,
        2**70,
        1e300,
        "x",
        "../../etc/passwd",
        [],
        {},
        [2**40, 2**40],
        ["|O"],
        {"id": "pickle"},
        "|O",
        "é" * 9,
    ]
    for _ in range(rng.choice([1, 1, 2, 4])):
        place = tree
        while isinstance(place, (dict, list)) and place:
            key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
            if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.3:
                if rng.random() < 0.2:
                    del place[key]
                else:
                    place[key] = rng.choice(odd)
                break
            place = place[key]
    file.write_text(rng.choice([json.dumps(tree), json.dumps(tree), json.dumps([tree]), "[" * 100_000, json.dumps(tree) + "}"]))


def change_hdf5(file, rng):
    """Changes an HDF5 file by its own means: other shapes, types, names, links, huge claims without contents."""
    import h5py

    with h5py.File(file, "r+") as opened:
        places = []
        opened.visit(places.append)
        place = rng.choice(places)
        item = opened[place]
        kind = rng.randrange(8)
        if kind == 0:
            del opened[place]
        elif kind == 1:
            opened.move(place, place + rng.choice(["x", "/x", "é"]))
        elif kind == 2:
            del opened[place]
            opened[place] = rng.choice(
                [
                    np.zeros((3, 2)),
                    np.float64(1),
                    np.array([b"ab"]),
                    np.zeros((0, 7), "f4"),
                    np.full((4, 7), np.nan, "f4"),
                    "text",
                ]
            )
        elif kind == 3:
            del opened[place]
            opened.create_dataset(place, shape=(rng.choice([2**20, 2**36, 2**50]), 7), dtype="f4", chunks=(64, 7))
        elif kind == 4:
            del opened[place]
            opened[place] = h5py.SoftLink(rng.choice(["/", "/nowhere", "/" + place]))
        elif kind == 5:
            del opened[place]
            opened[place] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == 6:
            for name in list(item.attrs):
                item.attrs[name] = rng.choice([np.zeros((3, 3)), "x", -1, 2**60, "[" * 10_000])
        else:
            del opened[place]
            opened.create_dataset(place, data=["a", "bc"], dtype=h5py.string_dtype())


def copied(source: Path, target: Path) -> Path:
    """Copies a file or a folder; what is at `target` is replaced."""
    if target.is_dir():
        shutil.rmtree(target)
    elif target.exists():
        target.unlink()
    return Path(shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target))
