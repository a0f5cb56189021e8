"""Optimizers and learning-rate schedules, under the names that job configs use.

The 8-bit names run with full-precision state: at this size there is nothing to save.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np

from aitk_sandbox.model import Array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_sandbox.jobconfig import TrainPlan

_ADAM_NAMES: Final = ("adam", "adam8", "adam8bit")
_ADAMW_NAMES: Final = ("adamw", "adamw8", "adamw8bit")
_ADAM_PARAMS: Final = ("betas", "eps", "weight_decay")
_SGD_PARAMS: Final = ("momentum", "weight_decay")


@attrs.define(kw_only=True, eq=False)
class Optimizer:
    """Adam, AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019) or SGD with momentum."""

    name: str
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    state: dict[str, Array] = attrs.field(factory=dict)
    """`<parameter>.first` and `.second`, in the shape of the parameter."""
    updates: int = 0

    def step(
        self, parameters: dict[str, Array], gradients: Mapping[str, Array], *, lr: float
    ) -> None:
        """Replace each parameter by its next value."""
        self.updates += 1
        for name, gradient in gradients.items():
            parameters[name] = self._next(name, parameters[name], gradient, lr)

    def _next(self, name: str, value: Array, gradient: Array, lr: float) -> Array:
        if self.name in _ADAMW_NAMES:
            value = value * (1 - lr * self.weight_decay)
        elif self.weight_decay:
            gradient = gradient + self.weight_decay * value
        if self.name == "sgd":
            velocity = self.momentum * self._kept(f"{name}.first", value) + gradient
            self.state[f"{name}.first"] = velocity
            return value - lr * velocity
        fast, slow = self.betas
        first = fast * self._kept(f"{name}.first", value) + (1 - fast) * gradient
        second = slow * self._kept(f"{name}.second", value) + (1 - slow) * gradient**2
        self.state[f"{name}.first"], self.state[f"{name}.second"] = first, second
        scale = np.sqrt(second / (1 - slow**self.updates)) + self.eps
        return np.asarray(value - lr * (first / (1 - fast**self.updates)) / scale, value.dtype)

    def _kept(self, name: str, like: Array) -> Array:
        kept = self.state.get(name)
        return np.zeros_like(like) if kept is None else kept


def new_optimizer(name: str, params: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer of that name.

    Raises:
        ValueError: The sandbox does not have it.
        TypeError: It does not take one of the parameters, as in the real trainer.
    """
    lowered = name.lower()
    if lowered not in (*_ADAM_NAMES, *_ADAMW_NAMES, "sgd"):
        raise ValueError(f"Unknown optimizer type {lowered}")
    allowed = _SGD_PARAMS if lowered == "sgd" else _ADAM_PARAMS
    for key in params:
        if key not in allowed:
            raise TypeError(f"{lowered} got an unexpected keyword argument {key!r}")
    values = dict(params)
    if "betas" in values:
        values["betas"] = tuple(values["betas"])
    if lowered in _ADAMW_NAMES:
        values.setdefault("weight_decay", 0.01)  # torch.optim.AdamW's default
    return Optimizer(name=lowered, **values)


def clip_gradients(gradients: dict[str, Array], *, max_norm: float) -> None:
    """Scale all gradients so that their common norm is at most `max_norm`.

    As `torch.nn.utils.clip_grad_norm_`: a norm that is not finite makes all of them NaN or zero.
    """
    norm = math.sqrt(
        sum(float(np.sum(value.astype(np.float64) ** 2)) for value in gradients.values())
    )
    factor = min(1.0, max_norm / (norm + 1e-6)) if not math.isnan(norm) else math.nan
    for name, value in gradients.items():
        gradients[name] = value * np.float32(factor)


def learning_rate(plan: TrainPlan, step: int) -> float:
    """Return the learning rate of a step, counted from 0.

    Raises:
        ValueError: The sandbox does not have that schedule.
    """
    warmup = min(1.0, (step + 1) / plan.lr_warmup_steps) if plan.lr_warmup_steps else 1.0
    left = max(0.0, 1 - step / max(1, plan.steps))
    match plan.lr_scheduler:
        case "constant":
            return plan.lr
        case "constant_with_warmup":
            return plan.lr * warmup
        case "linear":
            return plan.lr * warmup * left
        case "cosine":
            return plan.lr * warmup * 0.5 * (1 - math.cos(math.pi * left))
        case other:
            raise ValueError(f"Unknown lr_scheduler {other}")
