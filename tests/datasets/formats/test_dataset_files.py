"""What is written comes back, by either format; what is broken is refused, and runs nothing."""

import io
import os
import shutil
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from hypothesis import given, settings
from hypothesis import strategies as st
from made_data import LEAVES, SMALL, assert_same_episodes, make_dataset, make_episodes, make_spec, to_episode

from muse.datasets import DataError, NpDataset
from muse.datasets.formats import folder, npz
from muse.datasets.formats.episode_data import EpisodeData
from muse.datasets.loading import read_file, write_file
from muse.utils import files
from muse.utils.attrdicts import flatten

SPEC = make_spec()
EPISODES = make_episodes(SPEC, [4, 1, 6])
FILES = ["a.npz", "a.muse"]


def load(path, spec=SPEC, **options):
    return NpDataset(d(file=str(path), horizon=1, frozen=True, **options), spec)


def write_plain(path, arrays):
    """Writes arrays as somebody without Muse would."""
    path = Path(path)
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        for name, array in arrays.items():
            (path / f"{name}.npy").parent.mkdir(parents=True, exist_ok=True)
            np.save(path / f"{name}.npy", array)


def plain_arrays(spec=SPEC, episodes=EPISODES):
    once = {*spec.param_names, *spec.final_names}
    lengths = [len(values["ego"]) for values in episodes]
    join = {False: np.concatenate, True: np.stack}
    arrays = {name: join[name in once]([values[name] for values in episodes]) for name in episodes[0]}
    arrays["done"] = np.concatenate([np.arange(n) == n - 1 for n in lengths])
    return arrays


@pytest.mark.parametrize("name", FILES)
def test_what_is_saved_comes_back(tmp_path, name):
    dataset = make_dataset(SPEC, EPISODES)
    dataset.meta = {"fingerprint": {"cls": "PointMassEnv", "versions": {"numpy": "2"}}}
    path = dataset.save(tmp_path / name)
    loaded = load(path)
    assert_same_episodes(loaded, EPISODES)
    assert loaded.meta == dataset.meta
    data = read_file(path)
    assert data.meta["version"] == 1 and [leaf["name"] for leaf in data.meta["spec"]["leaves"]] == [leaf[0] for leaf in LEAVES]
    again = loaded.save(tmp_path / f"b{path.suffix}")
    assert_same_episodes(load(again), EPISODES)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, again.name])


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 5), max_size=4),
    st.lists(st.sampled_from(["<f4", ">f4", "f2", "i8", ">i2", "u1", "?", "U3"]), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), max_size=3),
)
def test_any_type_and_shape_comes_back(tmp_path_factory, lengths, dtypes, shape):
    from muse.datasets.formats.episode_data import EpisodeData

    rng = np.random.default_rng(0)
    names = [("x", "y/z", "y/a.b", "..%/ü ~")[i % 4] for i in range(len(dtypes))]
    steps = {n: rng.integers(0, 2, (sum(lengths), *shape)).astype(t) for n, t in zip(names, dtypes, strict=True)}
    onetime = {"param/p": rng.random((len(lengths), 2)), "final/q": rng.integers(0, 9, len(lengths))}
    data = EpisodeData(steps, onetime, np.cumsum(lengths, dtype=np.int64), {"note": "ü"})
    target = tmp_path_factory.mktemp("any")
    for file in FILES:
        write_file(target / file, data)
        back = read_file(target / file)
        # Without a spec in the meta data, a name with as many rows as there are episodes may be either.
        found, wanted = {**back.steps, **back.onetime}, {**steps, **onetime}
        assert np.array_equal(back.ends, data.ends) and set(found) == set(wanted) and back.meta["note"] == "ü"
        for name, array in wanted.items():
            assert found[name].shape == array.shape and found[name].dtype == array.dtype
            assert np.array_equal(found[name], array)
    assert sorted(p.name for p in target.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_files_without_meta_data_load(tmp_path, name):
    write_plain(tmp_path / name, plain_arrays())
    assert_same_episodes(load(tmp_path / name), EPISODES)


def test_a_file_of_the_first_muse(tmp_path):
    """float64, everything with a row per step, names as objects: read when the objects are ignored."""
    lengths = [len(values["ego"]) for values in EPISODES]
    arrays = plain_arrays()
    arrays = {name: a.astype(np.float64) if a.dtype == np.float32 else a for name, a in arrays.items()}
    for name in ("param/size", "final/count"):
        arrays[name] = np.repeat(arrays[name], lengths, axis=0)
    arrays["reward"] = arrays["reward"][:, 0]
    arrays["rollout_timestep"] = np.concatenate([np.arange(n) for n in lengths])
    arrays["done"] = arrays["done"][:, None]
    arrays["policy_name"] = np.array([["unknown"]] * sum(lengths), object)
    arrays["policy_type"] = np.full((sum(lengths), 1), 255, np.uint8)
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match="'policy_name': pickled objects; refused, nothing was run"):
        load(tmp_path / "a.npz")
    assert_same_episodes(load(tmp_path / "a.npz", load_ignore_prefixes=["policy_name"]), EPISODES)


def test_ignored_names_may_be_missing_from_the_recipe_and_listed_by_the_file(tmp_path):
    path = make_dataset(SPEC, EPISODES).save(tmp_path / "a.npz")
    loaded = load(path, make_spec(SMALL), load_ignore_prefixes=["image", "objects/", "_", "done"])
    assert set(flatten(loaded.get_episode(0))) == {"ego", "action", "param/size", "done"}


def test_large_arrays_of_a_folder_stay_on_the_disk(tmp_path):
    spec = make_spec([("ego", (2,), "float32", "observation"), ("image", (64, 64, 3), "uint8", "observation")])
    episodes = make_episodes(spec, [200, 300, 100])
    path = make_dataset(spec, episodes).save(tmp_path / "a.muse")
    images = 600 * 64 * 64 * 3
    tracemalloc.start()
    dataset = NpDataset(d(file=str(path), horizon=2, load_episode_range=[0, 0.6]), spec)
    holdout = NpDataset(d(load_from_base=True, horizon=2, load_episode_range=[0.6, 1]), spec, base_dataset=dataset)
    dataset.get_batch(np.arange(8))
    holdout.get_statistics(["ego"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < images / 4
    assert_same_episodes(dataset, episodes[:2])
    assert_same_episodes(holdout, episodes[2:])
    # What is mapped is never written to: a dataset that grows takes a copy.
    before = (path / "image.npy").read_bytes()
    dataset.add_episode(to_episode(spec, episodes[2]))
    assert_same_episodes(dataset, episodes)
    assert (path / "image.npy").read_bytes() == before


def test_appending_to_a_folder(tmp_path):
    path = tmp_path / "a.muse"
    for values in EPISODES:
        folder.append(path, make_dataset(SPEC, [values]).to_data())
    assert_same_episodes(load(path), EPISODES)
    for name in ("ego", "objects/position", "param/size"):
        assert np.array_equal(np.load(path / f"{name}.npy"), plain_arrays()[name])


def test_rows_beyond_the_table_are_ignored_and_overwritten(tmp_path):
    path = tmp_path / "a.muse"
    folder.write(path, make_dataset(SPEC, EPISODES[:2]).to_data())
    table = (path / folder.TABLE).read_bytes()
    folder.append(path, make_dataset(SPEC, EPISODES[:1]).to_data())
    (path / folder.TABLE).write_bytes(table)
    with open(path / "ego.npy", "ab") as file:
        file.write(b"cut")
    assert_same_episodes(load(path), EPISODES[:2])
    folder.append(path, make_dataset(SPEC, EPISODES[2:]).to_data())
    assert_same_episodes(load(path), EPISODES)
    assert np.load(path / "ego.npy").shape == (11, 2)


def test_a_reader_sees_what_was_there_when_it_opened(tmp_path):
    path = tmp_path / "a.muse"
    folder.write(path, make_dataset(SPEC, EPISODES[:2]).to_data())
    early = load(path)
    folder.append(path, make_dataset(SPEC, EPISODES[2:]).to_data())
    late = load(path)
    folder.write(path, make_dataset(SPEC, EPISODES[:1]).to_data())
    assert_same_episodes(early, EPISODES[:2])
    assert_same_episodes(late, EPISODES)
    assert_same_episodes(load(path), EPISODES[:1])


def test_where_folders_cannot_be_exchanged(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    path = tmp_path / "a.muse"
    for count in (1, 2, 3):
        folder.write(path, make_dataset(SPEC, EPISODES[:count]).to_data())
        assert_same_episodes(load(path), EPISODES[:count])
        assert os.listdir(tmp_path) == ["a.muse"]


@pytest.mark.parametrize("step", range(2))
def test_a_crash_between_the_renames_where_folders_cannot_be_exchanged(tmp_path, monkeypatch, step):
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    path = tmp_path / "a.muse"
    folder.write(path, make_dataset(SPEC, EPISODES[:1]).to_data())
    rename, left = os.rename, step

    def stop(*names):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        rename(*names)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "rename", stop)
        folder.write(path, make_dataset(SPEC, EPISODES).to_data())
    assert_same_episodes(load(path), EPISODES[:1])
    assert os.listdir(tmp_path) == ["a.muse"]
    folder.append(path, make_dataset(SPEC, EPISODES[1:]).to_data())
    assert_same_episodes(load(path), EPISODES)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    for name in FILES:
        path = make_dataset(SPEC, EPISODES).save(tmp_path / name)
        data = make_dataset(SPEC, EPISODES[:1]).to_data()
        data.steps["ego"] = np.array([object()] * 4)
        with pytest.raises(DataError, match="dtype object"):
            write_file(path, data)
        assert_same_episodes(load(path), EPISODES)
    assert sorted(os.listdir(tmp_path)) == ["a.muse", "a.npz"]


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("victim", ["ego", "done", "extra", "_meta"])
def test_a_pickle_runs_nothing(tmp_path, name, victim):
    witness = tmp_path / "it ran"
    arrays = {**plain_arrays(), victim: np.array([Touch(witness)] * 11, object)}
    np.savez(tmp_path / "check.npz", x=arrays[victim])
    np.load(tmp_path / "check.npz", allow_pickle=True)["x"]
    assert witness.exists()
    witness.rmdir()
    write_plain(tmp_path / name, arrays)
    with pytest.raises(DataError, match=f"{name}: '{victim}': pickled objects; refused, nothing was run"):
        load(tmp_path / name)
    assert not witness.exists()


def test_a_bare_pickle_runs_nothing(tmp_path):
    import pickle

    witness = tmp_path / "it ran"
    for name in ("a.npz", "b.muse/ego.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(pickle.dumps(Touch(witness)))
    for name in ("a.npz", "b.muse"):
        with pytest.raises(DataError):
            load(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("ego.npy", pickle.dumps(Touch(witness)))
    with pytest.raises(DataError, match="'ego': no readable header"):
        load(tmp_path / "a.npz")
    assert not witness.exists()


def corrupt(content, rng):
    """Returns `content` with one of the things done to it that disks and people do."""
    content = bytearray(content)
    kind, at = rng.integers(5), int(rng.integers(len(content)))
    if kind == 0:
        return bytes(content[:at])
    if kind == 1:
        content[at : at + 16] = rng.bytes(16)
    elif kind == 2:
        del content[at : at + int(rng.integers(1, 9))]
    else:
        content[at] ^= 1 << int(rng.integers(8))
    return bytes(content)


def test_two_hundred_corruptions_of_an_archive(tmp_path):
    whole = make_dataset(SPEC, make_episodes(SPEC, [2, 1, 2])).save(tmp_path / "a.npz").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(200):
        (tmp_path / "a.npz").write_bytes(corrupt(whole, rng))
        try:
            # What is not part of the data, such as a time stamp, may change.
            assert_same_episodes(load(tmp_path / "a.npz"), make_episodes(SPEC, [2, 1, 2]))
        except DataError as error:
            assert str(error).startswith(str(tmp_path / "a.npz"))
            refused += 1
    assert refused > 150


def test_two_hundred_corruptions_of_a_folder(tmp_path):
    """Elements carry no check sum, so that they can be mapped; all else is told."""
    spec = make_spec([leaf for leaf in LEAVES if leaf[0] != "image"])
    episodes = make_episodes(spec, [2, 1, 2])
    path = make_dataset(spec, episodes).save(tmp_path / "a.muse")
    files = sorted(p for p in path.rglob("*.np[yz]"))
    rng, refused = np.random.default_rng(0), 0
    for _ in range(200):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        file.write_bytes(corrupt(whole, rng))
        try:
            loaded = load(path, spec)
            held = [flatten(loaded.get_episode(i)) for i in range(loaded.get_num_episodes())]
            assert [len(values["ego"]) for values in held] == [2, 1, 2]
            name = file.relative_to(path).as_posix().removesuffix(".npy")
            for values, wanted in zip(held, episodes, strict=True):
                assert all(np.array_equal(values[n], value) for n, value in wanted.items() if n != name)
        except DataError as error:
            assert str(error).startswith(str(path))
            refused += 1
        file.write_bytes(whole)
    assert refused > 100


def header(text):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text.encode() + b"\n"


CLAIMS = [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 2), }", "16 bytes; expected 8796093022208"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1" + "0" * 30 + ", 2), }", "sizes that fit into memory"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }", "sizes that fit into memory"),
    ("{'descr': '<U0', 'fortran_order': False, 'shape': (1099511627776,), }", "of no bytes"),
    ("{'descr': '|V0', 'fortran_order': False, 'shape': (1099511627776,), }", "of no bytes"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", "pickled objects"),
    ("{'descr': [('x', '|O')], 'fortran_order': False, 'shape': (2,), }", "pickled objects"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 2L), }", "'done': missing"),
    ("(" * 5000, "no readable header"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': __import__('os')}", "no readable header"),
    (" " * 60000, "no readable header"),
    ("{'descr': 'zz', 'fortran_order': False, 'shape': (2,), }", "no readable header"),
]


@pytest.mark.parametrize(("text", "told"), CLAIMS)
def test_what_a_header_claims_is_checked_first(tmp_path, text, told):
    content = header(text) + bytes(16)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("ego.npy", content)
    (tmp_path / "a.muse").mkdir()
    (tmp_path / "a.muse" / "ego.npy").write_bytes(content)
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        load(tmp_path / "a.npz")
    with pytest.raises(DataError) as of_folder:
        load(tmp_path / "a.muse")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert told in str(caught.value)
    assert "ego" in str(of_folder.value)
    assert peak < 4e6


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "physical_memory", lambda: 2**25)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a", "b", "c"):
            archive.writestr(f"{name}.npy", bytes(2**24))
    tracemalloc.start()
    with pytest.raises(DataError, match="50.3 MB when unpacked; expected at most the 33.6 MB of memory here"):
        load(tmp_path / "a.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


def test_an_archive_that_lies_about_a_size(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2**20, 4), np.float32))
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ego.npy", buffer.getvalue())
    content = bytearray((tmp_path / "a.npz").read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    for claim in (500, 2**31):
        content[at : at + 4] = struct.pack("<I", claim)
        (tmp_path / "a.npz").write_bytes(content)
        tracemalloc.start()
        with pytest.raises(DataError, match="'ego': "):
            load(tmp_path / "a.npz")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**21


@pytest.mark.parametrize("name", ["..", "../../x", ".", "a/../../b", "_episodes", "a\0b", "ü" * 20, "%2E", "a.npy/b"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    target = (tmp_path / "a.muse" / folder.file_name(name)).resolve()
    assert tmp_path / "a.muse" in target.parents
    names = ["a", "a.b", "a/b", "a%2Eb", "a%2Fb", "a b", "A", name]
    assert len({folder.file_name(n) for n in names}) == len(names)


def test_a_name_with_an_empty_part_has_no_file(tmp_path):
    for name in ("/etc/x", "a//b", "a/", ""):
        with pytest.raises(DataError, match="an empty part"):
            folder.file_name(name)


def test_a_link_to_a_folder_is_followed(tmp_path):
    path = make_dataset(SPEC, EPISODES[:1]).save(tmp_path / "a.muse")
    (tmp_path / "link.muse").symlink_to(path)
    make_dataset(SPEC, EPISODES).save(tmp_path / "link.muse")
    assert_same_episodes(load(path), EPISODES)
    assert (tmp_path / "link.muse").is_symlink()
    shutil.rmtree(path)
    with pytest.raises(DataError, match="no such folder"):
        load(tmp_path / "link.muse")


@pytest.mark.parametrize("name", ["_meta", "done", "rollout_timestep"])
def test_a_name_that_says_what_the_file_holds_is_no_array(tmp_path, name):
    path = tmp_path / "a.npz"
    with pytest.raises(DataError, match=f"'{name}': an array of that name"):
        npz.write(path, EpisodeData({"ego": np.zeros((2, 1)), name: np.zeros(2)}, {}, np.array([2])))
    assert not path.exists()
