"""What somebody reads who got something wrong, word for word. `a` stands for `a.npz` and `a.muse` where both say the same."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from attrdict import AttrDict as d
from made_data import make_dataset, make_episodes, make_spec, to_episode

from muse.datasets import DataError, NpDataset
from muse.datasets.formats import folder, npz
from muse.datasets.loading import read_file, write_file
from muse.specs import EnvSpec, Episode
from muse.utils.attrdicts import nest

SPEC = make_spec(
    [("ego", (2,), "float32", "observation"), ("action", (1,), "float32", "action"), ("param/size", (3,), "float32", "param")]
)
EPISODES = make_episodes(SPEC, [2, 3])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def message(call):
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


def load(path="a.npz", spec=SPEC, **options):
    return NpDataset(d(file=path, **{"horizon": 1, "frozen": True, **options}), spec)


def arrays(**changes):
    """Returns the arrays of a good file without meta data, some changed, some left out (None)."""
    good = {
        "ego": np.zeros((5, 2), np.float32), "action": np.zeros((5, 1), np.float32), "param/size": np.zeros((2, 3), np.float32),
        "done": np.array([0, 1, 0, 0, 1], bool),
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def of_file(**changes):
    """Returns what loading such a file tells, the same as `.npz` and as a folder."""
    np.savez("a.npz", **arrays(**changes))
    for name, array in arrays(**changes).items():
        (Path("a.muse") / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(f"a.muse/{name}.npy", array)
    told = {message(lambda path=path: load(path)).replace(path, "a") for path in ("a.npz", "a.muse")}
    assert len(told) == 1, told
    return told.pop()


def rows(count, *shape, dtype=np.float32):
    return np.zeros((count, *shape), dtype)


FILES = [
    ({"ego": None}, "a: 'ego': missing; expected (N, 2) float32\n  try: names there: action, param/size"),
    ({"ego": None, "eggo": rows(5, 2)}, "a: 'ego': missing (did you mean 'eggo'?); expected (N, 2) float32\n  try: names there: action, eggo, param/size"),
    ({"done": None}, "a: 'done': missing; expected (N,) bool, true on the last row of each episode\n  try: names there: action, ego, param/size"),
    ({"done": rows(5, 2)}, "a: 'done': shape (5, 2) float32; expected (N,) bool, true on the last row of each episode"),
    ({"done": rows(5)}, "a: 'done': shape (5,) float32; expected (N,) bool, true on the last row of each episode"),
    (
        {"done": np.array([0, 1, 0, 0, 0], bool)},
        "a: 'done': false on the last row (4); expected true there: the last episode has no end\n"
        "  try: cut the rows after the last done, or set it",
    ),
    ({"ego": rows(4, 2)}, "a: 'ego': 4 rows; expected 5, as 'done' says"),
    ({"ego": np.float32(3)}, "a: 'ego': no rows; expected 5, as 'done' says"),
    ({"param/size": rows(3, 3)}, "a: 'param/size': 3 rows; expected 2, as 'done' says"),
    ({"ego": rows(2, 2)}, "a: 'ego': a row per episode; expected (N, 2) float32\n  try: names there: action, ego, param/size"),
    ({"ego": rows(5, 3)}, "a: 'ego': shape (5, 3); expected (N, 2)"),
    ({"param/size": rows(2)}, "a: 'param/size': shape (2,); expected (E, 3)"),
    ({"ego": rows(5, 2, dtype=np.int64)}, "a: 'ego': dtype int64; expected float32"),
    ({"ego": rows(5, 2, dtype="U3")}, "a: 'ego': dtype <U3; expected float32"),
    ({"ego": rows(5, 2) + np.float64(1e300)}, "a: 'ego', as float32: NaN or infinity in row 0; expected finite numbers\n  try: drop or mend the episode"),
    (
        {"ego": np.array([[0, 0]] * 3 + [[0, np.nan], [np.inf, 0]], np.float32)},
        "a: 'ego': NaN or infinity in row 3; expected finite numbers\n  try: drop or mend the episode",
    ),
    (
        {"unused": np.array([0, 1, -np.inf, 0, 0])},
        "a: 'unused': NaN or infinity in row 2; expected finite numbers\n  try: drop or mend the episode",
    ),
    (
        {"param/size": np.full((2, 3), np.nan, np.float32)},
        "a: 'param/size': NaN or infinity in row 0; expected finite numbers\n  try: drop or mend the episode",
    ),
    (
        {"rollout_timestep": np.array([0, 1, 0, 2, 3])},
        "a: 'rollout_timestep': 2 in row 3; expected 0, 1, 2 ... from each episode's first row",
    ),
    ({"rollout_timestep": np.arange(4)}, "a: 'rollout_timestep': shape (4,); expected (5,), as 'done' says"),
    (
        {"unused": np.array([None] * 5)},
        "a: 'unused': pickled objects; refused, nothing was run; expected an array of numbers or fixed-size text\n"
        "  try: load_ignore_prefixes, or convert the file",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), FILES)
def test_files_made_by_hand(changes, told):
    assert of_file(**changes) == told


def rewrite_meta(change):
    """Saves a good dataset as `a.npz` and `a.muse` with changed meta data."""
    data = make_dataset(SPEC, EPISODES).to_data()
    for path in ("a.npz", "a.muse"):
        write_file(path, data)
    for path in ("a.npz", "a.muse/_episodes.npz"):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                if name != "_meta.npy":
                    archive.writestr(name, content)
            with archive.open("_meta.npy", "w") as member:
                np.save(member, change(dict(data.meta)))


META = [
    (lambda meta: np.array("{"), "no JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); expected a JSON object"),
    (lambda meta: np.array("[1]"), "a list; expected a JSON object"),
    (lambda meta: np.zeros(3), "shape (3,) float64; expected one JSON string"),
    (lambda meta: np.array(json.dumps({"version": 2})), "version 2; expected version 1\n  try: the version of Muse that wrote it"),
    (lambda meta: np.array(json.dumps({"spec": 3})), "no spec (TypeError: 'int' object is not subscriptable); expected 'spec' as EnvSpec.to_dict returns it"),
    (lambda meta: np.array(json.dumps({"splits": {"train": [0.5]}})), "broken 'splits'; expected a list of episode numbers for each name"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told"), META)
def test_meta_data(change, told):
    rewrite_meta(change)
    assert message(load) == f"a.npz: '_meta': {told}"
    assert message(lambda: load("a.muse")) == f"a.muse/_episodes.npz: '_meta': {told}"


def test_a_file_that_is_not_what_it_says():
    leaf = {"low": -1.0, "high": 1.0, "unit": "", "role": ""}

    def with_leaf(**values):
        def change(meta):
            return np.array(json.dumps({**meta, "spec": {"leaves": [*meta["spec"]["leaves"], {**leaf, **values}]}}))

        return change

    rewrite_meta(with_leaf(name="gone", shape=[2], dtype="float32"))
    for path in ("a.npz", "a.muse"):
        told = f"{path}: 'gone': missing; expected an array of that name: the file's own spec lists it\n  try: copy or collect it again"
        assert message(lambda path=path: load(path)) == told
        assert len(load(path, load_ignore_prefixes=["gone"])) == 5
    data = make_dataset(SPEC, EPISODES).to_data()
    other = make_spec([("ego", (3,), "float64", "observation")]).to_dict()
    npz.write("a.npz", type(data)(data.steps, data.onetime, data.ends, {"spec": other}))
    assert message(load) == "a.npz: 'ego': shape (2,) float32; expected (3,) float64, as the file's own spec says"


def test_a_split_with_an_episode_that_is_not_there():
    dataset = make_dataset(SPEC, EPISODES)
    dataset.meta = {"splits": {"train": [0, 2], "minus": [-1]}}
    dataset.save("a.npz")
    assert message(lambda: load(split="train")) == "a.npz: split 'train': episode 2, which is not there; expected numbers below 2"
    assert (
        message(lambda: load(split="minus")) == "a.npz: split 'minus': episode -1, which is not there; expected numbers below 2"
    )
    assert (
        message(lambda: load(split="trian"))
        == "a.npz: split 'trian': not there (did you mean 'train'?); expected one of train, minus"
    )


def test_paths():
    os.makedirs("b.npz")
    Path("b.muse").write_text("text")
    Path("c.npz").write_text("text")
    Path("d.npz").write_bytes(b"")
    os.makedirs("d.muse")
    relative = "the path is relative to the working folder"
    assert [message(lambda path=path: load(path)) for path in ("a.npz", "a.muse", "a.hdf5", "b.npz", "b.muse", "c.npz", "d.npz", "d.muse")] == [
        f"a.npz: no such file; expected a .npz file of named arrays\n  try: {relative}",
        f"a.muse: no such folder; expected a .muse folder with one .npy per name\n  try: {relative}",
        "a.hdf5: a name that ends in '.hdf5'; expected a .npz file or a .muse folder",
        "b.npz: a folder; expected a .npz file of named arrays",
        f"b.muse: a file; expected a .muse folder with one .npy per name\n  try: {relative}",
        "c.npz: cut short or no archive (File is not a zip file); expected a .npz file of named arrays\n  try: copy or collect it again",
        "d.npz: cut short or no archive (File is not a zip file); expected a .npz file of named arrays\n  try: copy or collect it again",
        "d.muse: 'done': missing; expected (N,) bool, true on the last row of each episode\n  try: names there: none",
    ]  # fmt: skip
    assert (
        message(lambda: folder.write("b.muse", make_dataset(SPEC, []).to_data()))
        == "b.muse: a file; expected a folder, or nothing yet"
    )


def test_archives():
    with zipfile.ZipFile("a.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("ego.npy", b"")
    assert message(load) == "a.npz: 'ego': compressed by method 12; expected stored or deflated, as numpy writes it"
    with zipfile.ZipFile("a.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("ego.npy", b"")
        archive.writestr("ego.npy", b"")
    assert message(load) == "a.npz: 'ego': twice in the archive; expected each name once"
    with zipfile.ZipFile("a.npz", "w") as archive:
        archive.writestr("ego.npy", b"\x93NUMPY\x01\x00\x10\x00")
    assert message(load).startswith("a.npz: 'ego': no readable header (EOF: reading array header")


def test_folders():
    folder.write("a.muse", make_dataset(SPEC, EPISODES).to_data())
    table = Path("a.muse/_episodes.npz").read_bytes()
    content = Path("a.muse/ego.npy").read_bytes()
    Path("a.muse/ego.npy").write_bytes(content[:-1])
    assert message(lambda: load("a.muse")) == (
        "a.muse: 'ego': cut short: 39 bytes; expected 40 for shape (5, 2) float32\n  try: copy or collect it again"
    )
    np.save("a.muse/ego.npy", rows(4, 2))
    assert (
        message(lambda: load("a.muse"))
        == "a.muse: 'ego': 4 rows; expected 5, as the episode table says\n  try: copy or collect it again"
    )
    np.save("a.muse/ego.npy", np.asfortranarray(rows(5, 2)))
    assert (
        message(lambda: load("a.muse"))
        == "a.muse: 'ego': elements in column order; expected row order\n  try: np.ascontiguousarray before np.save"
    )
    Path("a.muse/ego.npy").write_bytes(content)
    for ends in ({}, {"ends": np.array([2, 2])}, {"ends": np.array([2.0])}, {"ends": np.array([-1])}):
        npz.write_arrays("a.muse/_episodes.npz", ends, {})
        assert message(lambda: load("a.muse")) == (
            "a.muse/_episodes.npz: 'ends': missing or not increasing; expected (E,) int64, the row after each episode's last\n"
            "  try: copy or collect it again"
        )
    Path("a.muse/_episodes.npz").write_bytes(table[:-9])
    assert message(lambda: load("a.muse")).startswith("a.muse/_episodes.npz: cut short or no archive")
    Path("a.muse/_episodes.npz").write_bytes(table)
    np.save("a.muse/done.npy", rows(5, dtype=bool))
    assert message(lambda: load("a.muse")).splitlines()[0] == (
        "a.muse: 'done.npy' or 'rollout_timestep.npy': beside _episodes.npz; expected one of the two"
    )
    os.remove("a.muse/done.npy")
    np.save("a.muse/param%2Fsize.npy", rows(2, 3))
    assert (
        message(lambda: load("a.muse"))
        == "a.muse: 'param/size': two files, size.npy and param%2Fsize.npy; expected one file for each name"
    )


def test_appending_to_folders():
    data = make_dataset(SPEC, EPISODES).to_data()
    folder.write("a.muse", data)
    less, more, other = ({**data.steps} for _ in range(3))
    del less["ego"]
    more["new"] = rows(5)
    other["ego"] = rows(5, 3)
    told = [
        message(lambda steps=steps: folder.append("a.muse", type(data)(steps, data.onetime, data.ends)))
        for steps in (less, more, other)
    ]
    assert told == [
        "a.muse: 'ego': missing in the episodes to append; expected the same step names",
        "a.muse: 'new': new with the episodes to append; expected the same step names",
        "a.muse: 'ego': shape (3,) float32; expected shape (2,) float32, as there",
    ]
    with folder._locked(Path("a.muse")):
        assert (
            message(lambda: folder.append("a.muse", data)) == "a.muse: another process is appending to it; expected one at a time"
        )
    assert len(read_file("a.muse").ends) == 2
    os.rename("a.muse/_episodes.npz", "old.npz")
    np.save("a.muse/done.npy", np.array([0, 1, 0, 0, 1], bool))
    assert message(lambda: folder.append("a.muse", data)) == (
        "a.muse: no _episodes.npz; expected a folder that Muse wrote\n  try: muse.datasets.formats.folder.write first"
    )
    for name in ("done", "rollout_timestep"):
        wrong = type(data)({**data.steps, name: rows(5)}, data.onetime, data.ends)
        assert message(lambda wrong=wrong: folder.write("b.muse", wrong)) == (
            f"b.muse: '{name}': an array of that name; expected none: it follows from the episode table"
        )


def test_options():
    np.savez("a.npz", **arrays())
    base = load()

    def shared(spec=SPEC, **options):
        return message(lambda: NpDataset(d(load_from_base=True, horizon=1, **options), spec, base_dataset=base))

    wider = make_spec([("ego", (3,), "float32", "observation")])
    told = [
        *(message(lambda options=options: load(**options)) for options in (
            {"horizon": 0}, {"batch_size": 0}, {"horizon_skip": 0}, {"capacity": 0}, {"initial_load_episodes": -1},
            {"load_episode_range": [0.5, 0.5]}, {"load_episode_range": [0.0, 1.5]}, {"load_episode_range": [0.5]},
            {"split": "train"}, {"horizon": 4}, {"capacity": 2}, {"load_from_base": True},
            {"batch_names_to_get": ["eg"]}, {"step_names": ["ego", "param/size"]},
        )),
        message(lambda: NpDataset(d(frozen=True), SPEC)),
        shared(file="b.npz"),
        shared(make_spec([("egg", (2,), "float32", "")])),
        shared(wider),
        message(lambda: load(load_episode_range=[0.6, 1.0])),
    ]  # fmt: skip
    assert told == [
        "NpDataset: 'horizon': 0; expected at least 1",
        "NpDataset: 'batch_size': 0; expected at least 1",
        "NpDataset: 'horizon_skip': 0; expected at least 1",
        "NpDataset: 'capacity': 0; expected at least 1 row, or none",
        "NpDataset: 'initial_load_episodes': -1; expected 0 for all, or more",
        "NpDataset: 'load_episode_range': [0.5, 0.5]; expected [low, high] with 0 <= low < high <= 1",
        "NpDataset: 'load_episode_range': [0.0, 1.5]; expected [low, high] with 0 <= low < high <= 1",
        "NpDataset: 'load_episode_range': [0.5]; expected [low, high] with 0 <= low < high <= 1",
        "a.npz: split 'train': not there; expected one of none",
        "a.npz: no episode has the 4 rows of a window; expected one that is long enough\n"
        "  try: pad_end_sequence=True, or a shorter horizon",
        "a.npz: an episode of 3 rows; expected at most the capacity of 2",
        "NpDataset: 'load_from_base': no base dataset; expected a dataset of its class to share the arrays of\n"
        "  try: load_from_base in a holdout group beside its train group",
        "dataset: no name 'eg' (did you mean 'ego'?); expected one of ego, action, param/size, done, rollout_timestep",
        "NpDataset: 'step_names' and 'onetime_names': 'param/size' twice; expected each name once",
        "dataset: no episodes; expected at least one in a frozen dataset\n  try: a 'file' with some, or frozen=False",
        "NpDataset: 'load_from_base': file b.npz; expected the base's a.npz, or none",
        "NpDataset: 'load_from_base': the base dataset lacks 'egg'; expected a base with the same names, shapes and types",
        "NpDataset: 'load_from_base': the base dataset has another 'ego'; expected a base with the same names, shapes and types",
        "a.npz: no episode is chosen of the 2 there; expected at least one\n  try: more episodes, or another split or load_episode_range",
    ]


def test_requests():
    dataset = make_dataset(SPEC, EPISODES)
    empty = make_dataset(SPEC, [])
    text = make_dataset(make_spec([("ego", (), "U3", "observation")]), [])
    told = [
        message(lambda: dataset.get_batch([5])),
        message(lambda: dataset.get_batch([0, -1])),
        message(lambda: dataset.get_batch([0.5])),
        message(lambda: empty.get_batch([0])),
        message(lambda: dataset.get_batch([0], names=["eggo"])),
        message(lambda: dataset.get_episode(2)),
        message(lambda: dataset.get_episode(-1)),
        message(lambda: empty.get_episode(0)),
        message(lambda: dataset.get_statistics(["done"])),
        message(lambda: text.get_statistics(["ego"])),
        message(lambda: empty.get_statistics(["ego"])),
        message(lambda: dataset.save()),
        message(lambda: dataset.save("a.txt")),
    ]
    names = "one of ego, action, param/size, done, rollout_timestep"
    assert told == [
        "get_batch: window 5; expected a number from 0 to 4",
        "get_batch: window -1; expected a number from 0 to 4",
        "get_batch: indices of shape (1,) float64; expected whole numbers (B,)",
        "get_batch: window 0; expected a window",
        f"dataset: no name 'eggo' (did you mean 'ego'?); expected {names}",
        "get_episode: index 2; expected a whole number from 0 to 1",
        "get_episode: index -1; expected a whole number from 0 to 1",
        "get_episode: index 0; expected an episode",
        "get_statistics: 'done': no numbers; expected a name with numbers",
        "get_statistics: 'ego': no numbers; expected a name with numbers",
        "get_statistics: 'ego': no rows; expected at least one episode",
        "NpDataset.save: no path; expected one, or the option 'output_file'",
        "a.txt: a name that ends in '.txt'; expected a .npz file or a .muse folder",
    ]


def test_growing():
    small = make_dataset(SPEC, [], capacity=3)
    frozen = make_dataset(SPEC, EPISODES)
    frozen.frozen = True
    good = EPISODES[1]

    def adding(dataset=small, **changes):
        values = {name: value for name, value in {**good, **changes}.items() if value is not None}
        once = {"param/size": values.pop("param/size")} if "param/size" in values else {}
        done = np.arange(len(values["action"])) == len(values["action"]) - 1
        return message(lambda: dataset.add_episode(Episode(nest(values), nest({"done": done}), nest(once))))

    def step(done=False, **changes):
        values = {"ego": rows(1, 2), "action": rows(1, 1), **changes}
        return message(lambda: small.add(values, {} if done is None else {"done": np.asarray(done)}))

    told = [
        adding(frozen),
        adding(ego=rows(4, 2), action=rows(4, 1)),
        adding(ego=None),
        adding(ego=rows(3, 3)),
        adding(ego=rows(3, 2, dtype=np.int32)),
        adding(ego=np.array([[0, 0], [0, np.inf], [0, 0]], np.float32)),
        adding(ego=np.full((3, 2), -1e300)),
        adding(**{"param/size": None}),
        step(done=None),
        step(done=[0]),
        step(done=True),
        step(ego=rows(2, 2), done=[False]),
        step(done=[True]),
        message(lambda: frozen.add({}, {})),
    ]
    assert told == [
        "NpDataset.add_episode: this dataset is frozen; expected frozen=False",
        "NpDataset.add_episode: an episode of 4 rows; expected at most the capacity of 3",
        "NpDataset.add_episode: 'ego': missing; expected shape (3, 2) float32",
        "NpDataset.add_episode: 'ego': shape (3, 3); expected (3, 2)",
        "NpDataset.add_episode: 'ego': dtype int32; expected float32",
        "NpDataset.add_episode: 'ego': NaN or infinity in row 1; expected finite numbers\n  try: drop or mend the episode",
        "NpDataset.add_episode: 'ego', as float32: NaN or infinity in row 0; expected finite numbers\n  try: drop or mend the episode",
        "NpDataset.add_episode: 'param/size': missing; expected shape (3,) float32",
        "NpDataset.add: 'done': missing in outputs; expected (1,) bool",
        "NpDataset.add, step 0: 'done': shape (1,) int64; expected (1,) bool",
        "NpDataset.add, step 0: 'done': shape () bool; expected (1,) bool",
        "NpDataset.add, step 0: 'ego': shape (2, 2); expected (1, 2)",
        "NpDataset.add: 'param/size': missing; expected shape (3,) float32",
        "NpDataset.add: this dataset is frozen; expected frozen=False",
    ]
    assert small.get_num_episodes() == 0
    small.add_episode(to_episode(SPEC, good))
    assert small.get_num_episodes() == 1


def test_kinds_of_numbers():
    spec = make_spec(
        [("flag", (), "bool", "observation"), ("byte", (), "uint8", "observation"), ("text", (), "U2", "observation")]
    )
    good = {"flag": np.array([0, 1]), "byte": np.array([0, 255]), "text": np.array(["a", "bc"], "U9")}

    def adding(**changes):
        dataset = make_dataset(spec, [])
        dataset.add_episode(to_episode(spec, {**good, **changes}))
        return dataset

    assert adding().get_episode(0)["text"].tolist() == ["a", "bc"]
    assert [
        message(lambda: adding(flag=np.array([0, 2]))),
        message(lambda: adding(byte=np.array([-1, 2]))),
        message(lambda: adding(byte=np.array([1.0, 2.0]))),
        message(lambda: adding(text=np.array(["a", "bcd"]))),
    ] == [
        "NpDataset.add_episode: 'flag': int64 from 0 to 2; expected what bool holds",
        "NpDataset.add_episode: 'byte': int64 from -1 to 2; expected what uint8 holds",
        "NpDataset.add_episode: 'byte': dtype float64; expected uint8",
        "NpDataset.add_episode: 'text': text of 3 letters; expected at most 2",
    ]


def test_what_only_pickle_could_write():
    data = make_dataset(SPEC, EPISODES).to_data()
    wrong = type(data)({**data.steps, "x": np.array([None] * 5)}, data.onetime, data.ends)
    for path in ("a.npz", "a.muse"):
        assert message(lambda path=path: write_file(path, wrong)) == f"{path}: 'x': dtype object; expected a type of fixed size"
        assert not os.path.exists(path)


def test_actions_that_a_policy_cannot_repeat_are_warned_of(caplog):
    leaves = [("action", (1,), (-1, 1), np.float32)]
    spec = EnvSpec({"names_shapes_limits_dtypes": leaves, "action_names": ["action"]})
    np.savez("good.npz", action=np.array([[1], [-1]], np.float32), done=np.array([False, True]))
    np.savez("wild.npz", action=np.array([[1], [-50], [50]], np.float32), done=np.array([False, False, True]))
    load("good.npz", spec)
    assert not caplog.records
    load("wild.npz", spec)
    assert [record.getMessage() for record in caplog.records] == [
        "wild.npz: 'action': values from -50 to 50, first in row 1; the spec's limits are [-1, 1], to which a policy clips its actions"
    ]


@pytest.mark.parametrize(("horizon", "skip"), [(10, 2**60), (2**40, 1), (10, 10**25)])
def test_windows_that_no_number_of_a_row_reaches(horizon, skip):
    text = message(lambda: NpDataset(d(horizon=horizon, horizon_skip=skip, pad_end_sequence=True), make_spec()))
    assert text.startswith("NpDataset: 'horizon' and 'horizon_skip': windows that reach over")
