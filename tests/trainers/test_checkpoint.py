"""Checkpoints: plain values and tensors, whole or not at all, and nothing in them runs."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.specs import EnvSpec
from muse.testing.fake_model import FakeModel
from muse.trainers.checkpoint import CheckpointError, load_checkpoint, read_values, restore_model, save_checkpoint, write_values

SPEC = EnvSpec(
    d(
        names_shapes_limits_dtypes=[("ego", (2,), (-1, 1), np.float32), ("action", (2,), (-1, 1), np.float32)],
        observation_names=["ego"],
        action_names=["action"],
    )
)


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['MARKER']}",)


@pytest.fixture
def marker(tmp_path, monkeypatch):
    path = tmp_path / "ran"
    monkeypatch.setenv("MARKER", str(path))
    return path


def make_model(weight=1.0):
    model = FakeModel(d(), SPEC)
    with torch.no_grad():
        model.weight.fill_(weight)
    return model


def test_there_and_back(tmp_path):
    path = tmp_path / "models" / "model.pt"
    save_checkpoint(path, make_model(3.0), SPEC, 7, {"best": {"a": 1.5}, "list": [1, None, True, "x"]})
    checkpoint = load_checkpoint(path)
    assert (checkpoint.step, checkpoint.env_spec, checkpoint.path) == (7, SPEC, str(path))
    assert checkpoint.extra == {"best": {"a": 1.5}, "list": [1, None, True, "x"]}
    model = make_model()
    assert restore_model(model, path).step == 7
    assert model.weight.item() == 3.0
    # torch alone reads it too, and finds nothing but plain values.
    assert torch.load(path, weights_only=True)["muse"] == "model"


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(2), b"x", {"a": [lambda: 0]}, {(1, 2): 3}])
def test_anything_else_is_not_written(value, tmp_path):
    with pytest.raises(CheckpointError):
        write_values(tmp_path / "a.pt", "model", 0, {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_numpy_scalars_are_written_as_plain_ones(tmp_path):
    write_values(tmp_path / "a.pt", "model", np.int64(3), {"value": np.float64(0.1), "flag": np.bool_(True)})
    values = read_values(tmp_path / "a.pt", "model")
    assert type(values["value"]) is float and type(values["step"]) is int and values["flag"] is True


def pickled(path):
    path.write_bytes(pickle.dumps(Evil()))


def saved_by_torch(path):
    torch.save({"muse": "model", "version": 1, "step": 1, "weights": {}, "extra": Evil(), "env_spec": {}}, path)


def saved_by_old_torch(path):
    torch.save({"weights": Evil()}, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize("write", [pickled, saved_by_torch, saved_by_old_torch])
def test_pickled_objects_are_refused_and_not_run(write, tmp_path, marker):
    path = tmp_path / "model.pt"
    write(path)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "refused, nothing was run" in str(caught.value)
    assert not marker.exists()


def test_the_evil_object_would_have_run(tmp_path, marker):
    pickle.loads(pickle.dumps(Evil()))
    assert marker.exists()


def test_message_of_a_pickled_object(tmp_path, marker):
    saved_by_torch(tmp_path / "model.pt")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "model.pt")
    assert str(caught.value) == (
        f"{tmp_path}/model.pt: pickled objects inside; refused, nothing was run; expected a model file that Muse wrote\n"
        "  try: another checkpoint of the run (models/chkpt_*.pt, models/best_model.pt)"
    )


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    save_checkpoint(path, make_model(), SPEC, 1)
    content = path.read_bytes()
    for size in [0, 1, 3, 4, 100, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        assert "cut short or damaged" in str(caught.value), size


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "none.pt")
    assert str(caught.value) == f"{tmp_path}/none.pt: no such file; expected a model file that Muse wrote"
    with pytest.raises(CheckpointError, match="a folder"):
        load_checkpoint(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "a.zip")
    torch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="other contents"):
        load_checkpoint(tmp_path / "other.pt")
    write_values(tmp_path / "state.pt", "train_state", 3, {})
    with pytest.raises(CheckpointError, match="other contents; expected a model file"):
        load_checkpoint(tmp_path / "state.pt")


def test_weights_that_do_not_fit_are_listed_and_change_nothing(tmp_path):
    path = tmp_path / "model.pt"
    model = make_model()
    model.extra = torch.nn.Linear(2, 1)
    save_checkpoint(path, model, SPEC, 1)
    other = make_model(5.0)
    other.more = torch.nn.Linear(1, 1, bias=False)
    other.extra = torch.nn.Linear(3, 1)
    with pytest.raises(CheckpointError) as caught:
        restore_model(other, path)
    assert str(caught.value) == (
        f"{path}: 2 weights do not fit the model:\n  missing: more.weight (1, 1)\n"
        "  shape of extra.weight: (1, 2) instead of (1, 3); expected weights of this very model\n"
        "  try: the recipe that made the checkpoint (exp=<its folder>)"
    )
    assert other.weight.item() == 5.0


def test_an_error_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    save_checkpoint(path, make_model(2.0), SPEC, 1)

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, make_model(3.0), SPEC, 2)
    assert load_checkpoint(path).step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]
