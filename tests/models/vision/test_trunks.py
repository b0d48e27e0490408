from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision_case import made_up_state, pictures

from muse.models import ModelError
from muse.models.vision import ConvTrunk, ResNetTrunk
from muse.models.vision.weights import load_weights

FIXTURE = Path(__file__).parent / "fixtures" / "torchvision.npz"


@pytest.fixture(scope="module")
def reference():
    with np.load(FIXTURE) as file:
        return dict(file)


@pytest.mark.parametrize("depth", [18, 34])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_a_trunk_computes_what_torchvision_computes(reference, depth, norm):
    key = f"resnet{depth}/{norm}"
    trunk = ResNetTrunk(depth, norm)
    theirs = {name for name in reference[f"{key}/names"].tolist() if not name.startswith("fc.")}
    assert set(trunk.state_dict()) == theirs
    trunk.load_torchvision(made_up_state(trunk.state_dict()))
    with torch.no_grad():
        for mode in ("eval", "train"):
            features = trunk.train(mode == "train")(pictures())
            assert np.abs(features.numpy() - reference[f"{key}/{mode}"]).max() < 1e-5 * np.abs(reference[f"{key}/{mode}"]).max()


def test_fewer_stages_leave_a_finer_map():
    full = ResNetTrunk(18)
    first = ResNetTrunk(18, stages=2)
    first.load_torchvision(full.state_dict())
    with torch.no_grad():
        assert full(torch.zeros(1, 3, 64, 96)).shape == (1, 512, 2, 3)
        assert first(torch.zeros(1, 3, 64, 96)).shape == (1, 128, 8, 12)
        x = full.maxpool(torch.relu(full.bn1(full.conv1(pictures()))))
        assert torch.equal(first(pictures()), full.layer2(full.layer1(x)))


def test_weights_of_another_network_are_refused_whole():
    trunk = ResNetTrunk(34)
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    with pytest.raises(ModelError, match=r"^weights: no 'layer1\.2\.conv1\.weight'; expected the state dict of torchvision's"):
        trunk.load_torchvision(ResNetTrunk(18).state_dict())
    wider = {**before, "conv1.weight": torch.zeros(64, 4, 7, 7)}
    with pytest.raises(ModelError, match=r"'conv1\.weight' of shape \(64, 4, 7, 7\); expected shape \(64, 3, 7, 7\)"):
        trunk.load_torchvision(wider)
    assert all(torch.equal(before[name], tensor) for name, tensor in trunk.state_dict().items())


def test_weights_with_batch_norm_serve_group_norm():
    batch, group = ResNetTrunk(18, "batch"), ResNetTrunk(18, "group")
    group.load_torchvision(batch.state_dict())
    assert torch.equal(group.layer3[0].conv1.weight, batch.layer3[0].conv1.weight)


class Boom:
    def __reduce__(self):
        return (print, ("code ran",))


def test_files_of_weights(tmp_path, capsys):
    torch.save(ResNetTrunk(18).state_dict(), tmp_path / "good.pth")
    assert len(load_weights(str(tmp_path / "good.pth"))) == 60
    torch.save({"a": Boom()}, tmp_path / "evil.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    for name, message in [
        ("none.pth", "no such file; expected a state dict that torch.save wrote"),
        ("evil.pth", r"it cannot be read \(UnpicklingError\)"),
        ("noise.pth", "it cannot be read"),
        ("list.pth", "a list; expected a state dict: tensors by name"),
    ]:
        with pytest.raises(ModelError, match=message):
            load_weights(str(tmp_path / name))
    assert "code ran" not in capsys.readouterr().out


def test_the_small_net():
    net = ConvTrunk([8, 4], [5, 3], [2, 1], norm="batch", in_channels=2)
    with torch.no_grad():
        assert net(torch.zeros(3, 2, 20, 11)).shape == (3, 4, 10, 6)
    with pytest.raises(ModelError, match="lists of lengths 2, 1, 2; expected one value for each convolution"):
        ConvTrunk([8, 4], [5], [2, 1])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ResNetTrunk(50), "ResNetTrunk: depth: 50; expected one of 18, 34"),
        (lambda: ResNetTrunk(18, "layer"), "vision trunk: norm: 'layer'; expected one of group, batch"),
        (lambda: ResNetTrunk(18, stages=5), "ResNetTrunk: stages: 5; expected 1 to 4"),
    ],
)
def test_values_that_are_none(make, message):
    with pytest.raises(ModelError) as caught:
        make()
    assert str(caught.value) == message
