import numpy as np
import pytest
import torch
from attrdict import AttrDict as d

from muse.models import ModelError
from muse.models.vision import VisionEncoder
from muse.models.vision.trunks import ResNetTrunk
from muse.specs import EnvSpec, LossResult
from muse.testing.check_model import check_model
from muse.utils.param_utils import LayerParams

LEAVES = [
    ("image", (24, 20, 3), (0, 255), np.uint8),
    ("ego_image", (24, 20, 3), (0, 255), np.uint8),
    ("small", (12, 12, 1), (0, 255), np.uint8),
    ("ego", (2,), (-1, 1), np.float32),
    ("action", (2,), (-1, 1), np.float32),
    ("channels_first", (3, 24, 20), (0, 255), np.uint8),
    ("empty", (24, 0, 3), (0, 255), np.uint8),
    ("floats", (24, 20, 3), (0, 1), np.float32),
    ("six", (24, 20, 6), (0, 255), np.uint8),
]
SPEC = EnvSpec(d(names_shapes_limits_dtypes=LEAVES, observation_names=["image", "ego_image", "ego"], action_names=["action"]))


def make(env_spec=SPEC, **params):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return VisionEncoder(d(trunk="conv", img_embed_size=6) & d(**params), env_spec)


def draw(batch=2, horizon=3, names=("image", "ego_image")):
    rng = np.random.default_rng(0)
    return {
        name: torch.from_numpy(rng.integers(256, size=(batch, horizon, *SPEC.leaf(name).shape)).astype(np.uint8))
        for name in names
    }


def test_an_embedding_of_all_cameras_side_by_side():
    model = make().eval()
    assert model.input_names == ("image", "ego_image") and model.output_names == ("img_embedding",)
    assert model.env_spec.leaf("img_embedding").shape == (12,)
    images = draw()
    both = model(images)["img_embedding"]
    assert both.shape == (2, 3, 12)
    # Each camera has weights of its own, and no row sees another.
    other = model({**images, "ego_image": images["ego_image"].flip(0)})["img_embedding"]
    assert torch.equal(other[..., :6], both[..., :6]) and not torch.equal(other[..., 6:], both[..., 6:])
    alone = model({name: value[1:, 2:] for name, value in images.items()})["img_embedding"]
    assert torch.allclose(alone[0, 0], both[1, 2], atol=1e-5)


def test_one_network_may_serve_all_cameras():
    shared, own = make(use_shared_params=True).eval(), make()
    assert 2 * sum(p.numel() for p in shared.parameters()) == sum(p.numel() for p in own.parameters())
    image = draw(names=["image"])["image"]
    made = shared({"image": image, "ego_image": image})["img_embedding"]
    assert torch.equal(made[..., :6], made[..., 6:])
    with pytest.raises(ModelError, match=r"pictures of shapes .*; expected pictures of one shape"):
        make(model_inputs=["image", "small"], use_shared_params=True, image_mean=[0.5], image_std=[0.5])


def test_it_draws_while_it_learns_and_not_in_evaluation():
    model, images = make(crop_frac=0.7, color_jitter=[0.2, 0.2, 0.2, 0.1], noise_std=0.1), draw()
    learning = [model.train()(images)["img_embedding"] for _ in range(2)]
    acting = [model.eval()(images)["img_embedding"] for _ in range(2)]
    assert not torch.equal(*learning) and torch.equal(*acting)


def test_a_frozen_trunk_keeps_weights_and_statistics(tmp_path):
    weights = ResNetTrunk(18, "batch").state_dict()
    torch.save({**weights, "fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "resnet18.pth")
    model = make(trunk="resnet18", norm="batch", model_inputs=["image"], weights_file=str(tmp_path / "resnet18.pth"), frozen=True)
    trunk = model.cameras[0].trunk
    model.train()(draw())["img_embedding"].sum().backward()
    assert all(torch.equal(weights[name], tensor) for name, tensor in trunk.state_dict().items())
    learned = {name.split(".")[2] for name, p in model.named_parameters() if p.requires_grad}
    assert learned == {"pool", "to_embedding"}
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    tuned = make(trunk="resnet18", norm="batch", model_inputs=["image"], weights_file=str(tmp_path / "resnet18.pth"))
    tuned.train()(draw())
    assert not torch.equal(tuned.cameras[0].trunk.bn1.running_mean, weights["bn1.running_mean"])


def test_weights_are_asked_for_when_they_are_needed(tmp_path):
    """A checkpoint brings its weights: the file that they once came from need not be there any more."""
    path = tmp_path / "resnet18.pth"
    torch.save(ResNetTrunk(18, "batch").state_dict(), path)
    options = d(trunk="resnet18", stages=1, norm="batch", model_inputs=["image"], weights_file=str(path), frozen=True)
    model, images = make(**options).eval(), draw(names=["image"])
    path.unlink()
    again = make(**options).eval()
    with pytest.raises(ModelError, match=r"^weights_file '.*resnet18\.pth': no such file; expected a state dict"):
        again(images)
    assert not torch.equal(again.cameras[0].trunk.conv1.weight, model.cameras[0].trunk.conv1.weight)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(images)["img_embedding"], model(images)["img_embedding"])
    # A file that comes late is read then.
    torch.save(model.cameras[0].trunk.state_dict(), path)
    late = make(**options & d(weights_file=str(tmp_path / "later.pth")))
    path.rename(tmp_path / "later.pth")
    late(images)
    assert torch.equal(late.cameras[0].trunk.conv1.weight, model.cameras[0].trunk.conv1.weight)


def test_a_frozen_trunk_has_weights_to_keep():
    model, images = make(frozen=True), draw()
    with pytest.raises(ModelError) as caught:
        model(images)
    assert str(caught.value) == (
        "VisionEncoder.frozen: true for a trunk with first weights; expected weights to keep\n"
        "  try: weights_file for a resnet, or pretrained_model_file of the trainer"
    )
    model.load_state_dict(make().state_dict())
    assert model(images)["img_embedding"].shape == (2, 3, 12)


def test_weights_for_statistics_of_batches_are_not_frozen_without_them(tmp_path):
    torch.save(ResNetTrunk(18, "batch").state_dict(), tmp_path / "batch.pth")
    torch.save(ResNetTrunk(18, "group").state_dict(), tmp_path / "group.pth")
    options = d(trunk="resnet18", stages=1, norm="group", model_inputs=["image"])
    with pytest.raises(
        ModelError, match=r"^VisionEncoder\.norm: frozen, with weights of norm 'batch' from .*\n  try: norm='batch'$"
    ):
        make(**options, weights_file=str(tmp_path / "batch.pth"), frozen=True)
    make(**options, weights_file=str(tmp_path / "batch.pth"))
    make(**options, weights_file=str(tmp_path / "group.pth"), frozen=True)


@pytest.mark.parametrize("trunk", ["conv", "resnet18"])
@pytest.mark.parametrize("pool", ["spatial_softmax", "mean"])
def test_a_step_of_one_row_in_bfloat16_is_finite(trunk, pool):
    model = make(trunk=trunk, pool=pool, color_jitter=[0.3, 0.3, 0.3, 0.05], noise_std=0.1).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(draw(batch=1, horizon=1))["img_embedding"].square().mean()
    loss.backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in model.parameters())


def test_a_network_of_ones_own():
    network = [LayerParams("conv2d", in_channels=3, out_channels=5, kernel_size=3), LayerParams("relu")]
    model = make(network=network, pool="mean")
    assert model(draw())["img_embedding"].shape == (2, 3, 12)
    assert model.cameras[0].to_embedding.weight.shape == (6, 5)
    with pytest.raises(ModelError, match=r"features of shape \(1, \d+\); expected a map"):
        make(network=[LayerParams("flatten")])
    with pytest.raises(ModelError, match=r"it fails on a picture \(22, 18, 3\)"):
        make(network=[LayerParams("conv2d", in_channels=4, out_channels=5, kernel_size=3)])


def test_the_loss_is_one_that_is_given():
    model = make(loss_fn=lambda model, outputs, inputs, targets: LossResult(outputs["img_embedding"].square().mean()))
    assert model.target_names == () and model.loss(draw(), {}).loss.requires_grad


@pytest.mark.parametrize(
    "params",
    [
        d(),
        d(use_shared_params=True, pool="mean", crop_frac=1.0),
        d(model_inputs=["small"], image_mean=[0.5], image_std=[0.5], trunk="resnet18", stages=2),
        d(model_inputs=["six"], image_mean=[0.5], image_std=[0.5], noise_std=0.1),
    ],
)
def test_the_contract_holds(params):
    check_model(VisionEncoder, d(trunk="conv", img_embed_size=6) & params, SPEC)


@pytest.mark.parametrize(
    "params, message",
    [
        (d(model_inputs=["ego"]), "VisionEncoder.model_inputs: 'ego' of shape (2,) float32; expected pictures, (Y, X, C) uint8"),
        (d(model_inputs=[]), "VisionEncoder.model_inputs: none, and no picture among the observations; expected at least one"),
        (d(model_inputs=["channels_first"]), "VisionEncoder.model_inputs: 'channels_first' of shape (3, 24, 20) uint8; expected pictures, (Y, X, C) uint8"),
        (d(model_inputs=["empty"]), "VisionEncoder.model_inputs: 'empty' of shape (24, 0, 3) uint8; expected pictures"),
        (d(model_inputs=["floats"]), "VisionEncoder.model_inputs: 'floats' of shape (24, 20, 3) float32; expected pictures, (Y, X, C) uint8"),
        (d(model_inputs=["image", "ego_image", "image"]), "VisionEncoder.model_inputs: 'image' twice; expected each picture once"),
        (d(img_embed_size=0), "VisionEncoder.img_embed_size: 0; expected 1 or more"),
        (d(weights_file="x.pth"), "VisionEncoder.weights_file: given for a trunk that torchvision does not have; expected a resnet as trunk"),
    ],
)  # fmt: skip
def test_options_that_make_no_encoder(params, message):
    with pytest.raises(ModelError) as caught:
        make(**params)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("change", [lambda x: x.float(), lambda x: x[..., :2], lambda x: x.permute(0, 1, 4, 2, 3)])
def test_pictures_that_are_not_as_the_spec_says(change):
    images = draw()
    with pytest.raises(ModelError, match=r"model input 'ego_image'.*expected \(B, H, 24, 20, 3\) torch.uint8"):
        make()({**images, "ego_image": change(images["ego_image"])})
