"""Changes of batches that only learning sees. The learner that calls it (`muse.trainers.learner`):

changed = augmentation.augment(batch, generator)        # on the device, after every batch drawn; never for holdout or rollouts
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from muse.datasets.dataset import DataError, Dataset
from muse.specs import EnvSpec, Statistics
from muse.utils.abstract import Argument, BaseClass, build
from muse.utils.errors import OptionError, nearest
from muse.utils.groups import named_groups
from muse.utils.seeding import derive_seed

if TYPE_CHECKING:
    import torch


class DataAugmentation(BaseClass, ABC):
    """Changes the tensors of a batch, where they are.

    Args:
        params: The options of the class.
        env_spec: Names, shapes, types and roles.
    """

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        self.read_predefined_params(params)
        self.env_spec = env_spec

    @property
    def statistics_names(self) -> tuple[str, ...]:
        """Names whose statistics must be given before the first batch."""
        return ()

    def load_statistics(self, statistics: Mapping[str, Statistics]) -> None:
        """Takes the statistics of `statistics_names`."""

    @abstractmethod
    def augment(self, batch: Mapping[str, torch.Tensor], generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Returns the names that change.

        Args:
            batch: Inputs and outputs by path, leaves `(B, H, *shape)`; images `(B, H, Y, X, C)` uint8. Not to be written to.
            generator: Everything random is drawn from it: it is a function of the run's seed and the step, and stands on the
                device of the batch.
        """


class GaussianNoise(DataAugmentation):
    """Adds noise of mean 0 to names of a float type: `x + scale * noise`, with `scale` the `std`, in the unit of the name.

    With `relative`, `scale` is `std` times the deviation of each element over the first train dataset, and a constant element
    stays as it is. Different names with different `std` are different groups.
    """

    predefined_arguments = [
        Argument("names", type=list, element_type=str, help="names to change, of a float type; none: all observations of one"),
        Argument("std", type=float, required=True, help="standard deviation, in the unit of the name, or relative"),
        Argument("relative", type=bool, default=False, help="std is a share of the deviation over the train data"),
        Argument("share_horizon", type=bool, default=False, help="one draw for all rows of a window"),
        Argument("mask_name", type=str, help="name of one number a row: noise only where it is not zero"),
    ]

    names: list[str]
    std: float
    relative: bool
    share_horizon: bool
    mask_name: str | None

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        if self.std < 0:
            raise OptionError("GaussianNoise: 'std'", str(self.std), "0 or more")
        if self.names is None:
            self.names = [name for name in env_spec.observation_names if env_spec.leaf(name).dtype.kind == "f"]
        for name in self.names:
            kind = env_spec.leaf(name).dtype
            if kind.kind != "f":
                raise OptionError("GaussianNoise: 'names'", f"'{name}', which is {kind}", "names of a float type")
        self._deviations: dict[str, Any] = {}
        self._scales: dict[tuple[str, Any], torch.Tensor] = {}

    @property
    def statistics_names(self) -> tuple[str, ...]:
        """The names that change, where the noise is relative."""
        return tuple(self.names) if self.relative else ()

    def load_statistics(self, statistics: Mapping[str, Statistics]) -> None:
        """Takes the deviation of each name."""
        self._deviations = {name: statistics[name].std for name in self.statistics_names}
        self._scales = {}

    def augment(self, batch: Mapping[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Adds the noise; see `DataAugmentation.augment`."""
        import torch

        changed = {}
        for name in self.names:
            value = _take(batch, name)
            shape = (value.shape[0], 1, *value.shape[2:]) if self.share_horizon else value.shape
            noise = torch.randn(shape, generator=generator, device=value.device, dtype=value.dtype) * self._scale(name, value)
            if self.mask_name is not None:
                mask = _take(batch, self.mask_name)
                if mask.shape[2:].numel() != 1:
                    got = f"shape {tuple(mask.shape)}"
                    raise DataError(f"GaussianNoise: '{self.mask_name}'", got, "one number a row, (B, H) or (B, H, 1)")
                noise = noise * (mask != 0).reshape(*mask.shape[:2], *(1,) * (value.ndim - 2))
            changed[name] = value + noise
        return changed

    def _scale(self, name: str, like: torch.Tensor) -> torch.Tensor | float:
        if not self.relative:
            return self.std
        if name not in self._deviations:
            raise DataError(f"GaussianNoise: '{name}'", "no statistics", "load_statistics before the first batch")
        key = (name, like.device)
        if key not in self._scales:
            import torch

            self._scales[key] = torch.as_tensor(self.std * self._deviations[name], dtype=like.dtype, device=like.device)
        return self._scales[key]


def _take(batch: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    if name not in batch:
        raise DataError("DataAugmentation", f"no '{name}' in the batch{nearest(name, batch)}", "one of " + ", ".join(batch))
    return batch[name]


def make_augmentations(groups: Any, dataset: Dataset, where: str) -> dict[str, DataAugmentation]:
    """Builds the augmentations that an option holds, by name, and gives them the statistics of a dataset.

    Raises:
        OptionError: When the option holds no groups.
        DataError: When the dataset lacks a name whose statistics one needs.
    """
    made: dict[str, DataAugmentation] = {}
    for key, group in named_groups(groups, where).items():
        made[key] = build(group, dataset.env_spec, where=f"{where}/{key}")
        if made[key].statistics_names:
            made[key].load_statistics(dataset.get_statistics(made[key].statistics_names))
    return made


def augmented(
    augmentations: Mapping[str, DataAugmentation], batch: dict[str, Any], device: torch.device, seed: int
) -> dict[str, Any]:
    """Returns a flat batch with the changes of every augmentation, in order.

    Args:
        augmentations: By name; each has a stream of its own, so that another one beside it changes none of its numbers.
        batch: Flat; leaves that are no tensors (text) are left alone.
        device: Where the tensors are.
        seed: Of this step; 63 bits.

    Raises:
        DataError: When one returns a name that is not there, or a tensor of another shape or type.
    """
    import torch

    batch = dict(batch)
    for key, augmentation in augmentations.items():
        generator = torch.Generator(device).manual_seed(derive_seed(seed, key))
        tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor)}
        for name, value in augmentation.augment(tensors, generator).items():
            old = _take(tensors, name)
            if value.shape != old.shape or value.dtype != old.dtype:
                got = f"'{name}' of shape {tuple(value.shape)} {value.dtype}"
                raise DataError(type(augmentation).__name__, got, f"{tuple(old.shape)} {old.dtype}, as it was")
            batch[name] = value
    return batch
