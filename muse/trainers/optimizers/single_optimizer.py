"""One torch optimiser over all parameters."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from muse.trainers.optimizers.learning_rates import LearningRate
from muse.trainers.optimizers.optimizer import Optimizer
from muse.utils.abstract import RESERVED_KEYS, Argument, build, is_group
from muse.utils.errors import OptionError, nearest


class SingleOptimizer(Optimizer):
    """One torch optimiser with an optional schedule and gradient clipping, every part reachable from the command line.

        optimizer=d(
            cls=SingleOptimizer,
            base_optimizer=d(cls=torch.optim.AdamW, lr=3e-4, weight_decay=1e-2),
            base_scheduler=d(cls=CosineRate, warmup_steps=500, total_steps=F("max_steps")),
            max_grad_norm=1.0,
        )

    With `lr_factors=["image_encoder=0.1"]` that sub-model learns at a tenth of the rate; the schedule moves both.

    The schedule is one of ours (`LearningRate`) or one of torch's that needs no metric; it moves once per optimiser step. Where the
    base optimiser has a fused form, and neither `fused` nor `foreach` is given, the fused one is used: on a CPU too it is the
    fastest, and deterministic.
    """

    predefined_arguments = [
        Argument("base_optimizer", help="group of a torch optimiser; Adam with lr 1e-4 when absent"),
        Argument("base_scheduler", help="group of a LearningRate or of a torch scheduler; a constant rate when absent"),
        Argument("max_grad_norm", type=float, help="2-norm to which the gradient is clipped; absent: not clipped"),
        Argument(
            "lr_factors",
            type=list,
            default=[],
            element_type=str,
            help="sub-models with a rate of their own, as image_encoder=0.1: a factor on lr; action_decoder/decoder=2 for what lies deeper",
        ),
    ]

    def __init__(self, params: Mapping[str, Any], model: torch.nn.Module) -> None:
        super().__init__(params, model)
        if self.max_grad_norm is not None and self.max_grad_norm <= 0:
            raise OptionError("SingleOptimizer: 'max_grad_norm'", str(self.max_grad_norm), "more than 0, or None")
        group = self.base_optimizer or {"cls": torch.optim.Adam, "lr": 1e-4}
        self.base = _build_base(group, self.parameters, split_by_factor(model, self.lr_factors))
        self.steps = 0
        self.rate: LearningRate | None = None
        self.scheduler: torch.optim.lr_scheduler.LRScheduler | None = None
        self._full_rates = self.learning_rates
        if self.base_scheduler is not None:
            self._build_scheduler(self.base_scheduler)

    def _build_scheduler(self, group: Mapping[str, Any]) -> None:
        where = "optimizer/base_scheduler"
        cls = group.get("cls") if is_group(group) else None
        if isinstance(cls, type) and issubclass(cls, LearningRate):
            self.rate = build(group, where=where)
            self._set_rates()
        elif (
            isinstance(cls, type)
            and issubclass(cls, torch.optim.lr_scheduler.LRScheduler)
            and "metrics" not in inspect.signature(cls.step).parameters
        ):
            self.scheduler = _build_torch(group, self.base, where)
        else:
            raise OptionError(where, repr(cls), "a LearningRate, or a torch scheduler that needs no metric")

    def _set_rates(self) -> None:
        assert self.rate is not None
        factor = self.rate.factor(self.steps)
        for group, rate in zip(self.base.param_groups, self._full_rates, strict=True):
            group["lr"] = rate * factor

    @property
    def learning_rates(self) -> list[float]:
        """The rate of each parameter group at the next step."""
        return [float(group["lr"]) for group in self.base.param_groups]

    def step(self, loss: torch.Tensor, want_norm: bool = False) -> torch.Tensor | None:
        """Goes one step; see `Optimizer.step`."""
        self.base.zero_grad(set_to_none=True)
        loss.backward()
        norm = None
        if self.max_grad_norm is not None:
            norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.max_grad_norm)
        elif want_norm:
            gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))) if gradients else loss.new_zeros(())
        self.base.step()
        self.steps += 1
        if self.rate is not None:
            self._set_rates()
        elif self.scheduler is not None:
            self.scheduler.step()
        return norm

    def state(self) -> dict[str, Any]:
        """Returns plain values and tensors."""
        return {
            "steps": self.steps,
            "base": self.base.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Reverses `state`: moments and steps. Rates and other settings stay as they are configured now, so that a run can go on
        with other ones; only the rate that a torch scheduler has reached is taken over."""
        reached = ("lr", "initial_lr") if self.scheduler is not None else ()
        kept = [
            {key: value for key, value in group.items() if key not in ("params", *reached)} for group in self.base.param_groups
        ]
        self.base.load_state_dict(dict(state["base"]))
        for group, own in zip(self.base.param_groups, kept, strict=True):
            group.update(own)
        self.steps = state["steps"]
        if self.rate is not None:
            self._set_rates()
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(dict(state["scheduler"]))


def split_by_factor(model: torch.nn.Module, lr_factors: Sequence[str]) -> dict[float, list[torch.nn.Parameter]]:
    """Returns the parameters to train by the factor on their rate, those at the full rate first.

    Args:
        model: Whose parameters.
        lr_factors: `path=factor` each, with the path of a sub-model; the longest one that a parameter lies under counts.

    Raises:
        OptionError: For a text of another form, a negative factor, or a path under which nothing is trained.
    """
    factors: dict[str, float] = {}
    for text in lr_factors:
        path, _, number = text.partition("=")
        try:
            factors[path.strip("/ ").replace("/", ".")] = factor = float(number)
        except ValueError:
            factor = -1.0
        if not 0 <= factor < math.inf:
            raise OptionError(
                "optimizer: 'lr_factors'", f"'{text}'", "path=factor, as image_encoder=0.1, with a factor of 0 or more"
            )
    groups: dict[float, list[torch.nn.Parameter]] = {1.0: []}
    used = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            above = [path for path in factors if name == path or name.startswith(path + ".")]
            path = max(above, key=len, default="")
            used.add(path)
            groups.setdefault(factors.get(path, 1.0), []).append(parameter)
    for path in factors.keys() - used:
        known = {name.partition(".")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}
        got = f"no parameter to train under '{path.replace('.', '/')}'{nearest(path, known)}"
        raise OptionError("optimizer: 'lr_factors'", got, "a path of " + ", ".join(sorted(known)) + ", or one below it")
    return {factor: parameters for factor, parameters in groups.items() if parameters}


def _build_base(
    group: Mapping[str, Any], parameters: list[torch.nn.Parameter], by_factor: Mapping[float, list[torch.nn.Parameter]]
) -> torch.optim.Optimizer:
    where = "optimizer/base_optimizer"
    cls = group.get("cls") if is_group(group) else None
    if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
        raise OptionError(where, repr(cls), "a class of torch.optim")
    if not parameters:
        raise OptionError("optimizer", "a model without parameters to train", "at least one that requires a gradient")
    chosen = dict(group)
    subject: list[Any] = parameters
    if len(by_factor) > 1:
        rate = chosen.get("lr", inspect.signature(cls).parameters["lr"].default)
        subject = [{"params": own, "lr": rate * factor} for factor, own in by_factor.items()]
    if "fused" in inspect.signature(cls).parameters and "fused" not in chosen and "foreach" not in chosen:
        try:
            return _build_torch({**chosen, "fused": True}, subject, where)
        except RuntimeError:
            pass  # a device or a version of torch without the fused form
    return _build_torch(chosen, subject, where)


def _build_torch(group: Mapping[str, Any], subject: Any, where: str) -> Any:
    cls = group["cls"]
    known = list(inspect.signature(cls).parameters)[1:]
    options = {}
    for key, value in group.items():
        if key in RESERVED_KEYS:
            continue
        if key not in known:
            raise OptionError(where, f"no option '{key}'{nearest(key, known)}", "one of " + ", ".join(known))
        options[key] = tuple(value) if key == "betas" else value
    try:
        return cls(subject, **options)
    except (TypeError, ValueError) as error:
        raise OptionError(f"{where} ({cls.__name__})", str(error)) from error
