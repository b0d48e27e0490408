"""One torch optimiser over all parameters."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
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

    The schedule is one of ours (`LearningRate`) or one of torch's that needs no metric; it moves once per optimiser step. Where the
    base optimiser has a fused form, and neither `fused` nor `foreach` is given, the fused one is used: on a CPU too it is the
    fastest, and deterministic.
    """

    predefined_arguments = [
        Argument("base_optimizer", help="group of a torch optimiser; Adam with lr 1e-4 when absent"),
        Argument("base_scheduler", help="group of a LearningRate or of a torch scheduler; a constant rate when absent"),
        Argument("max_grad_norm", type=float, help="2-norm to which the gradient is clipped; absent: not clipped"),
    ]

    def __init__(self, params: Mapping[str, Any], model: torch.nn.Module) -> None:
        super().__init__(params, model)
        if self.max_grad_norm is not None and self.max_grad_norm <= 0:
            raise OptionError("SingleOptimizer: 'max_grad_norm'", str(self.max_grad_norm), "more than 0, or None")
        group = self.base_optimizer or {"cls": torch.optim.Adam, "lr": 1e-4}
        self.base = _build_base(group, self.parameters)
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


def _build_base(group: Mapping[str, Any], parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    where = "optimizer/base_optimizer"
    cls = group.get("cls") if is_group(group) else None
    if not (isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)):
        raise OptionError(where, repr(cls), "a class of torch.optim")
    if not parameters:
        raise OptionError("optimizer", "a model without parameters to train", "at least one that requires a gradient")
    chosen = dict(group)
    if "fused" in inspect.signature(cls).parameters and "fused" not in chosen and "foreach" not in chosen:
        try:
            return _build_torch({**chosen, "fused": True}, parameters, where)
        except RuntimeError:
            pass  # a device or a version of torch without the fused form
    return _build_torch(chosen, parameters, where)


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
