"""Memory of what is trained: weights, gradients, optimizer state, EMA, and activations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.lora_size import lora_numbers
from aitk_guardrails.lint.sources import trainer
from aitk_guardrails.vram.models import Shape
from aitk_guardrails.vram.records import Part, Span
from aitk_guardrails.vram.weights import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.vram.models import Count
    from aitk_guardrails.vram.settings import VramSettings

_FLOAT: Final = 4
"""Bytes: the trainer keeps a network in 32 bits (network.force_to in BaseSDTrainProcess)."""
_STATE: Final[Mapping[str, tuple[float, float, float]]] = {
    "adam": (8, 8, 8),
    "adamw": (8, 8, 8),
    "adam8": (2, 2.1, 2.5),
    "adamw8": (2, 2.1, 2.5),
    "adam8bit": (2, 2.1, 2.5),
    "adamw8bit": (2, 2.1, 2.5),
    "ademamix8bit": (3, 3.2, 3.8),
    "lion": (4, 4, 4),
    "lion8bit": (1, 1.1, 1.3),
    "adagrad": (4, 4, 4),
    "adafactor": (0.01, 0.5, 4),
    "prodigy": (12, 16, 16),
    "prodigy8bit": (4, 4.2, 5),
    "automagic": (2, 2.5, 6),
    "automagic2": (1, 1.5, 5),
    "automagic3": (0.1, 1.5, 6),
    "dadaptation": (12, 12, 16),
    "dadaptationadam": (8, 8, 12),
    "dadaptationlion": (8, 8, 12),
}
"""Bytes of state for each trained number: least, usual, most. Two 32-bit moments for Adam, 8 bits
each in the 8-bit forms and small blocks in full; Prodigy keeps its start and a sum besides;
Adafactor and Automagic keep rows and columns where they can. From toolkit/optimizer.py and the
optimizers themselves; for Adam also the transformers documentation, "GPU memory usage"."""
_ANY_STATE: Final = (0.1, 8.0, 16.0)
_BLOCK_BYTES: Final = 17
"""For each token, channel and byte of the dtype: 34 in 16 bits, attention matrix left out."""
_FACTOR: Final = (1.0, 2.0, 4.0)
"""Around the formula; ours, not measured. With 2 FLUX.1 in 8 bits comes out at the 18 GB that
SimpleTuner publishes."""
_TEXT_TOKENS: Final = (77.0, 512.0, 512.0)
_WIDTH_PER_BILLION: Final = (7e3, 1.6e4, 3.6e4)
"""Channels kept, over billions of parameters: least and most of the models whose layers are known,
rounded outwards, and their geometric mean."""
_WIDEST: Final = (1536.0, 3072.0, 6144.0)
_FORMULA: Final = (
    "Korthikanti et al. 2022 (arXiv 2205.05198), section 4: 34 bytes for each token and channel of "
    "a block in 16 bits, 2 where it is recomputed"
)


def trained_numbers(settings: VramSettings, count: Count) -> tuple[Span, str] | None:
    """Return how many numbers are trained and how that was told; None where it cannot be."""
    if settings.network == "other":
        return None
    if settings.network == "none":
        return numbers(count), "the whole transformer is trained"
    if settings.network == "lokr":
        high = count.high * 1e9 / max(4.0, settings.lokr_factor**2)
        low = high / 1e3
        return Span(low=low, estimate=math.sqrt(low * high), high=high), (
            "a LoKr has at most the parameters of the model over the square of its factor, "
            "which the trainer chooses itself where it is -1"
        )
    return lora_of_rank(settings.arch_id, count, settings.rank)


def lora_of_rank(arch_id: str | None, count: Count, rank: float) -> tuple[Span, str] | None:
    """Return the numbers of a LoRA and how they were told."""
    found = lora_numbers(arch_id=arch_id or "", parameters_billion=count.value, rank=rank)
    if found is None:
        return None
    low, high = found
    span = Span(low=low, estimate=math.sqrt(low * high), high=high)
    how = f"{span.estimate / 1e6:.3g} million numbers at rank {rank:g}"
    return span, how + ("" if low == high else ", from the range of models whose layers are known")


def trained(settings: VramSettings, amount: Span, how: str) -> tuple[Part, ...]:
    """Return weights, gradients, optimizer state and EMA of what is trained."""
    whole = settings.network == "none"
    each = settings.dtype_bytes if whole else _FLOAT
    process = trainer("jobs/process/BaseSDTrainProcess.py")
    state = _STATE.get(settings.optimizer, _ANY_STATE)
    parts = [
        Part(
            name="gradients",
            span=amount.times(each),
            how=f"{each} bytes for each trained number",
            source=process,
        ),
        Part(
            name="optimizer_state",
            span=amount.times(*state),
            how=f"{state[0]:g} to {state[2]:g} bytes for each trained number with "
            f"{settings.optimizer or 'the default optimizer'}",
            source=trainer("toolkit/optimizer.py; toolkit/optimizers"),
        ),
    ]
    if not whole:
        weights = Part(name="trained_weights", span=amount.times(each), how=how, source=process)
        parts.insert(0, weights)
    if settings.ema:
        parts.append(
            Part(
                name="ema",
                span=amount.times(each),
                how="a second copy of the trained weights",
                source=trainer("toolkit/ema.py"),
            )
        )
    return tuple(parts)


def optimizer_is_known(settings: VramSettings) -> bool:
    """Return whether the state of the optimizer is known."""
    return settings.optimizer in _STATE


def activations(
    settings: VramSettings, shape: Shape | None, count: Count, *, is_video: bool
) -> Part:
    """Return what a step keeps for its backward pass.

    Args:
        settings: Of the run.
        shape: Of the model; None where its layers are not known.
        count: Of its parameters, for the range of shapes then.
        is_video: Whether frames count.
    """
    low, usual, high = (shape, shape, shape) if shape else _shapes(count, is_video=is_video)
    span = Span(
        low=_step(settings, low, _TEXT_TOKENS[0]) * _FACTOR[0],
        estimate=_step(settings, usual, _TEXT_TOKENS[1]) * _FACTOR[1],
        high=_step(settings, high, _TEXT_TOKENS[2]) * _FACTOR[2],
    )
    return Part(
        name="activations",
        span=span,
        how=f"{settings.resolution:g} pixels, batch {settings.batch_size:g}, "
        + ("blocks recomputed" if settings.checkpointing else "everything kept")
        + f"; one to {_FACTOR[2]:g} times the formula, not measured"
        + ("" if shape else ", and for the range of shapes of known models"),
        source=f"{_FORMULA}; {shape.source if shape else 'shape not known'}",
        is_open=True,
    )


def _shapes(count: Count, *, is_video: bool) -> tuple[Shape, Shape, Shape]:
    def shape(width: float, widest: float, pixels: float, frames: float) -> Shape:
        return Shape(
            kept_width=width * count.value,
            widest=widest,
            pixels_per_token=pixels,
            frames_per_token=frames if is_video else None,
            source="",
        )

    width, widest = _WIDTH_PER_BILLION, _WIDEST
    return (
        shape(width[0], widest[0], 32, 8),
        shape(width[1], widest[1], 16, 4),
        shape(width[2], widest[2], 16, 4),
    )


def _step(settings: VramSettings, shape: Shape, text: float) -> float:
    side = settings.resolution / shape.pixels_per_token
    frames = 1.0
    if shape.frames_per_token is not None:
        frames = 1 + (settings.frames - 1) / shape.frames_per_token
    tokens = settings.batch_size * (side * side * frames * (1 + settings.controls) + text)
    block = _BLOCK_BYTES * settings.dtype_bytes
    if not settings.checkpointing:
        return tokens * block * shape.kept_width
    return tokens * (settings.dtype_bytes * shape.kept_width + block * shape.widest)
