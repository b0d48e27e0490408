"""The model that makes embeddings of camera pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from muse.models.model import ModelError
from muse.models.network_model import NetworkModel, get_input
from muse.models.vision.image_transform import IMAGENET_MEAN, IMAGENET_STD, ImageTransform
from muse.models.vision.pooling import MeanPool, SpatialSoftmax
from muse.models.vision.trunks import NORMS, TRUNKS, ResNetTrunk
from muse.models.vision.weights import load_weights
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument
from muse.utils.attrdicts import Batch
from muse.utils.param_utils import to_network

#: Options of a model with one network over numbers that an encoder of pictures does not have.
_NOT_OURS = ("model_inputs", "model_output", "out_size", "normalize_inputs", "normalize_mode")


class VisionEncoder(NetworkModel):
    """Computes one embedding of all cameras' pictures, `(B, H, cameras * img_embed_size)`.

    Pictures arrive as they were taken, `(B, H, Y, X, C)` uint8, and become floats on the model's device. Each goes through an
    `ImageTransform` (crop, colours, noise, normalisation), a trunk of convolutions, a pooling and a linear layer; each camera has its
    own, unless `use_shared_params` gives one to all of them.

        VisionEncoder(d(model_inputs=["image", "ego_image"], trunk="resnet18", img_embed_size=64), env_spec)

    With `frozen` the trunk stays as it was loaded, from a `weights_file` or a checkpoint, and what comes after it learns. A model that
    gets its weights from a checkpoint does not need the `weights_file` that it once began with.
    """

    predefined_arguments = [
        *(argument for argument in NetworkModel.predefined_arguments if argument.name not in _NOT_OURS),
        Argument("model_inputs", type=list, element_type=str, help="pictures to read; None: all of the spec's observations"),
        Argument("model_output", type=str, default="img_embedding", help="name to write"),
        Argument("img_embed_size", type=int, default=64, help="elements of the embedding of one camera"),
        Argument("use_shared_params", type=bool, default=False, help="one network for all cameras, whose pictures then have one size"),
        Argument("trunk", type=str, default="resnet18", choices=tuple(TRUNKS), help="convolutions"),
        Argument("stages", type=int, default=4, help="stages of a resnet that are kept, 1 to 4; fewer leave a finer map"),
        Argument("norm", type=str, default="group", choices=NORMS, help="normalisation inside the trunk; torchvision's weights know 'batch'"),
        Argument("network", help="layers from (N, C, Y, X) to (N, C', Y', X') in place of the trunk"),
        Argument("pool", type=str, default="spatial_softmax", choices=("spatial_softmax", "mean"), help="from the map to a vector"),
        Argument("num_keypoints", type=int, default=32, help="keypoints of the spatial softmax"),
        Argument("crop_frac", type=float, default=0.9, help="side of the crop, a share of the picture's: random in training, else the middle"),
        Argument("color_jitter", type=list, default=[], element_type=float, help="changes of brightness, contrast, saturation, hue in training, as 0.3 0.3 0.3 0.05"),
        Argument("noise_std", type=float, default=0.0, help="noise on pictures in training, of values from 0 to 1"),
        Argument("augment_per_frame", type=bool, default=False, help="draw crop and colours for every frame, not once for a window"),
        Argument("image_mean", type=list, default=list(IMAGENET_MEAN), element_type=float, help="taken from pictures, of values from 0 to 1"),
        Argument("image_std", type=list, default=list(IMAGENET_STD), element_type=float, help="pictures are divided by it"),
        Argument("weights_file", type=str, help="torchvision's weights of the trunk (.pth, a state dict) to begin with"),
        Argument("frozen", type=bool, default=False, help="keep the trunk as it is"),
    ]  # fmt: skip

    normalize_inputs = False
    normalize_mode = "mean_std"
    out_size = 0

    img_embed_size: int
    use_shared_params: bool
    trunk: str
    stages: int
    norm: str
    network: Any
    pool: str
    num_keypoints: int
    crop_frac: float
    color_jitter: list[float]
    noise_std: float
    augment_per_frame: bool
    image_mean: list[float]
    image_std: list[float]
    weights_file: str | None
    frozen: bool

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__({**params, "model_inputs": list(_images(params, env_spec))}, env_spec)
        if self.img_embed_size < 1:
            raise ModelError("VisionEncoder.img_embed_size", str(self.img_embed_size), "1 or more")
        shapes = {leaf.name: leaf.shape for leaf in self._input_leaves}
        size = len(shapes) * self.img_embed_size
        if self.output_shape != (size,):
            got = f"'{self.model_output}', which the spec knows with shape {self.output_shape}"
            raise ModelError("VisionEncoder.model_output", got, f"a name of its own for {size} elements")
        if self.use_shared_params and len(set(shapes.values())) > 1:
            raise ModelError("VisionEncoder.use_shared_params", f"pictures of shapes {shapes}", "pictures of one shape")
        made = list(shapes.values())[:1] if self.use_shared_params else list(shapes.values())
        self.cameras = nn.ModuleList(self._make_camera(shape) for shape in made)
        self.network = None
        # Weights that are missing are an error when they are needed: those of a checkpoint may come before.
        self._lacks_weights = self.weights_file is not None or (self.frozen and not params.get("network"))
        if self.weights_file is not None and Path(self.weights_file).is_file():
            self._load_weights(self.weights_file)
        self.register_load_state_dict_post_hook(_note_weights)

    def _load_weights(self, path: str) -> None:
        """Gives every trunk torchvision's weights.

        Raises:
            ModelError: When they cannot be read, are of another network, or make no sense as they are.
        """
        state = load_weights(path)
        for trunk in (camera.trunk for camera in self.cameras):
            if self.frozen and "bn1.running_mean" in state and "bn1.running_mean" not in trunk.state_dict():
                got = f"frozen, with weights of norm 'batch' from '{path}' in a trunk of norm 'group'"
                raise ModelError("VisionEncoder.norm", got, "the norm that the weights were trained with", "norm='batch'")
            trunk.load_torchvision(state, path)
        self._lacks_weights = False

    def _make_camera(self, shape: Sequence[int]) -> _Camera:
        jitter = self.color_jitter or ()
        transform = ImageTransform(
            shape, self.crop_frac, jitter, self.noise_std, self.augment_per_frame, self.image_mean, self.image_std
        )
        if self.network is not None:
            trunk = to_network(self.network, "VisionEncoder.network")
        else:
            trunk = TRUNKS[self.trunk](self.norm, self.stages, shape[-1])
        if self.weights_file is not None and not isinstance(trunk, ResNetTrunk):
            raise ModelError(
                "VisionEncoder.weights_file", "given for a trunk that torchvision does not have", "a resnet as trunk"
            )
        return _Camera(transform, trunk, self.pool, self.num_keypoints, self.img_embed_size, self.frozen)

    @classmethod
    def get_spec_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns the embedding's leaf."""
        name, size = params.get("model_output") or "img_embedding", params.get("img_embed_size") or 64
        if name in env_spec:
            return []
        return [Leaf(name, (len(_images(params, env_spec)) * size,), float("-inf"), float("inf"), "float32")]  # type: ignore[arg-type]

    def forward(self, inputs: Batch, memory: Any = None) -> dict[str, Any]:
        """Computes `{model_output: (B, H, cameras * img_embed_size)}`.

        Raises:
            ModelError: For a picture that is missing, of another shape, or not uint8; for a `weights_file` that is still missing, and
                for a frozen trunk that was never given weights.
        """
        if self._lacks_weights:
            if self.weights_file is None:
                expected, hint = "weights to keep", "weights_file for a resnet, or pretrained_model_file of the trainer"
                raise ModelError("VisionEncoder.frozen", "true for a trunk with first weights", expected, hint)
            self._load_weights(self.weights_file)
        parts = []
        for i, leaf in enumerate(self._input_leaves):
            images = get_input(inputs, leaf.name)
            if images.shape[2:] != leaf.shape or images.dtype != torch.uint8:
                got = f"shape {tuple(images.shape)} {images.dtype}"
                raise ModelError(
                    f"model input '{leaf.name}'", got, f"({', '.join(map(str, ('B', 'H', *leaf.shape)))}) torch.uint8"
                )
            camera = self.cameras[0 if self.use_shared_params else i]
            parts.append(camera(images).unflatten(0, images.shape[:2]))
        return {self.model_output: parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)}


class _Camera(nn.Module):
    """From pictures `(B, H, Y, X, C)` uint8 to embeddings `(B * H, size)`."""

    def __init__(
        self, transform: ImageTransform, trunk: nn.Module, pool: str, num_keypoints: int, size: int, frozen: bool
    ) -> None:
        super().__init__()
        self.transform, self.frozen = transform, frozen
        # Pictures lie with their channels last; convolutions that do too need not turn them around.
        self.trunk = trunk.to(memory_format=torch.channels_last)
        channels = _channels_after(trunk, transform.out_size)
        self.pool = SpatialSoftmax(channels, num_keypoints) if pool == "spatial_softmax" else MeanPool(channels)
        self.to_embedding = nn.Linear(self.pool.out_size, size)
        if frozen:
            self.trunk.requires_grad_(False)
            self.trunk.eval()

    def train(self, mode: bool = True) -> _Camera:
        """Sets the mode; a frozen trunk does not follow, or its statistics of batches would move."""
        super().train(mode)
        if self.frozen:
            self.trunk.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad() if self.frozen else contextlib.nullcontext():
            features = self.trunk(self.transform(images))
        return self.to_embedding(self.pool(features))  # type: ignore[no-any-return]


def _note_weights(encoder: nn.Module, _: Any) -> None:
    encoder._lacks_weights = False  # type: ignore[assignment]


def _channels_after(trunk: nn.Module, size: Sequence[int]) -> int:
    """Returns the channels that a trunk makes of a picture `(Y, X, C)`.

    Raises:
        ModelError: When it makes no map of it.
    """
    height, width, channels = size
    was_training = trunk.training
    try:
        with torch.no_grad():
            features = trunk.eval()(torch.zeros(1, channels, height, width))
    except RuntimeError as error:
        raise ModelError(
            "VisionEncoder: trunk", f"it fails on a picture {tuple(size)}: {error}", "a network from (N, C, Y, X)"
        ) from error
    finally:
        trunk.train(was_training)
    if features.ndim != 4:
        raise ModelError("VisionEncoder: trunk", f"features of shape {tuple(features.shape)}", "a map, (N, C', Y', X')")
    return int(features.shape[1])


def _images(params: Mapping[str, Any], env_spec: EnvSpec) -> tuple[str, ...]:
    given = params.get("model_inputs")
    names = [given] if isinstance(given, str) else list(given or ())
    if given is None:
        names = [name for name in env_spec.observation_names if env_spec.leaf(name).is_image]
    if not names:
        raise ModelError(
            "VisionEncoder.model_inputs", "none, and no picture among the observations", "at least one", "an env with imgs=True"
        )
    for name in names:
        if names.count(name) > 1:
            raise ModelError("VisionEncoder.model_inputs", f"'{name}' twice", "each picture once")
        if name in env_spec and not _is_picture(env_spec.leaf(name)):
            got = f"'{name}' of shape {env_spec.leaf(name).shape} {env_spec.leaf(name).dtype}"
            raise ModelError("VisionEncoder.model_inputs", got, "pictures, (Y, X, C) uint8")
    return tuple(names)


def _is_picture(leaf: Leaf) -> bool:
    # Where there are more channels than rows or columns, they came first.
    return leaf.is_image and leaf.size > 0 and leaf.shape[2] <= max(4, min(leaf.shape[:2]))
