"""Models made of named models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from muse.models.model import Model, ModelError
from muse.specs import EnvSpec, Leaf
from muse.utils.abstract import Argument, build, is_group
from muse.utils.errors import nearest


class GroupedModel(Model):
    """Named sub-models, declared in the group under their names and built in the order of `model_order`.

        class EncodeThenAct(GroupedModel):
            required_models = ("encoder", "decoder")

            def forward(self, inputs, memory=None): ...

        model = EncodeThenAct(d(model_order=["encoder", "decoder"], encoder=d(cls=...), decoder=d(cls=...)), env_spec)
        model["encoder"], model["decoder/network"]

    Each sub-model sees the spec with what those before it add. Statistics, checkpoints and devices are handled for all at
    once, as they are for every `torch.nn.Module`; the memory of the group is a dict of its sub-models' memories.
    """

    #: Sub-models that a subclass cannot do without.
    required_models: ClassVar[Sequence[str]] = ()

    predefined_arguments = Model.predefined_arguments + [
        Argument(
            "model_order",
            type=list,
            default=[],
            element_type=str,
            help="names of the sub-models, in the order to build; []: the required ones",
        ),
    ]

    model_order: list[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Declares the required sub-models as options, so that their groups are known by name."""
        super().__init_subclass__(**kwargs)
        declared = {argument.name for argument in cls.predefined_arguments}
        missing = [Argument(name, help="group of this sub-model") for name in cls.required_models if name not in declared]
        cls.predefined_arguments = [*cls.predefined_arguments, *missing]

    def __init__(self, params: Mapping[str, Any], env_spec: EnvSpec) -> None:
        super().__init__(params, env_spec)
        self.env_spec = self.env_spec.extended(self.get_inner_leaves(params, self.env_spec))
        self.model_order = self.get_model_order(params)
        for name in self.required_models:
            if name not in self.model_order:
                raise ModelError(
                    f"{type(self).__name__}.model_order", f"no '{name}'", "all of " + ", ".join(self.required_models)
                )
        for name in self.model_order:
            value = _sub_params(params, name, type(self).__name__)
            if not isinstance(value, Model):
                value = build(self.complete_sub_params(name, value), self.env_spec, where=name)
            setattr(self, name, value)

    @classmethod
    def get_model_order(cls, params: Mapping[str, Any]) -> list[str]:
        """Returns the names of the sub-models, in the order to build."""
        return list(params.get("model_order") or cls.required_models)

    def complete_sub_params(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the group of sub-model `name` with what the recipe left to its parent; a subclass fills it in."""
        return params

    @classmethod
    def get_inner_leaves(cls, params: Mapping[str, Any], env_spec: EnvSpec) -> list[Leaf]:
        """Returns what the sub-models write for one another, each seeing what those before it added.

        These names are in the group's own spec; unlike those of `get_spec_leaves`, no dataset or env is asked for them.
        """
        leaves: list[Leaf] = []
        for name in cls.get_model_order(params):
            value = _sub_params(params, name, cls.__name__)
            added = [] if isinstance(value, Model) else value["cls"].get_spec_leaves(value, env_spec)
            env_spec = env_spec.extended(added)
            leaves += added
        return leaves

    @property
    def models(self) -> dict[str, Model]:
        """The sub-models by name, in order."""
        return {name: getattr(self, name) for name in self.model_order}

    def __getitem__(self, path: str) -> Model:
        """Returns the sub-model under a path of names.

        Raises:
            ModelError: When there is none.
        """
        found: Model = self
        for part in path.split("/"):
            known = {name: child for name, child in found.named_children() if isinstance(child, Model)}
            if part not in known:
                raise ModelError(
                    f"{type(self).__name__}['{path}']",
                    f"no model '{part}'{nearest(part, known)}",
                    "one of " + (", ".join(known) or "none"),
                )
            found = known[part]
        return found

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except ModelError:
            return False
        return True

    @property
    def noise_size(self) -> int:
        """The one of the sub-models that draws; a group of several says which part is whose by overriding this."""
        return max((model.noise_size for model in self.models.values()), default=0)

    @property
    def horizon(self) -> int | None:
        """The window length that the sub-models need.

        Raises:
            ModelError: When two of them need different ones.
        """
        wanted = {name: model.horizon for name, model in self.models.items() if model.horizon is not None}
        if len(set(wanted.values())) > 1:
            raise ModelError(f"{type(self).__name__}.horizon", str(wanted), "one window length for all sub-models")
        return next(iter(wanted.values()), None)

    def initial_memory(self, batch: int) -> dict[str, Any] | None:
        """Returns the memories of the sub-models that have one, by name; None when none has."""
        memories = {name: model.initial_memory(batch) for name, model in self.models.items()}
        return {name: memory for name, memory in memories.items() if memory is not None} or None

    def reset_rows(self, memory: Mapping[str, Any] | None, rows: np.ndarray) -> Mapping[str, Any] | None:
        """Returns `memory` with `rows` `(B,)` bool back at the beginning in every sub-model."""
        if memory is None or not rows.any():
            return memory
        return {name: getattr(self, name).reset_rows(value, rows) for name, value in memory.items()}


def _sub_params(params: Mapping[str, Any], name: str, where: str) -> Any:
    value = params.get(name)
    if not (isinstance(value, Model) or is_group(value)):
        raise ModelError(
            f"{where}/{name}",
            "missing" if value is None else repr(value),
            "a group with 'cls', or a model",
        )
    return value
