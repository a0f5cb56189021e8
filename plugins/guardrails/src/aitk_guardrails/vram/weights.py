"""Memory of weights that are not trained: transformer, text encoders, VAE, and loading them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.sources import trainer
from aitk_guardrails.vram.records import NOTHING, Part, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_guardrails.vram.models import Count, ModelSize
    from aitk_guardrails.vram.settings import VramSettings

_BILLION: Final = 1e9
_GROUP_BITS: Final = 24 / 64
"""A scale of two bytes and a zero point of one for 64 weights (toolkit/util/uintx_quant.py)."""
_BITS: Final[Mapping[str, float]] = {
    "qfloat8": 8,
    "float8": 8,
    "int8": 8,
    "qint8": 8,
    "qint4": 4 + _GROUP_BITS,
    "qint2": 2 + _GROUP_BITS,
    "convrot8": 8,
    "convrot4": 4.5,
    "nvfp4": 4.5,
    "convrotbitnet": 2,
    "uint8": 16,
}
"""Of a weight. NVFP4 has a scale of 8 bits for 16 weights. uint8 leaves layers as they are, says
toolkit/util/uintx_quant.py."""
_NUMBERED: Final = re.compile(r"(?:convrotint|uint)([2-7])")
_UNKNOWN_BITS: Final = Span(low=2, estimate=8, high=16)
_LEFT_OUT: Final = (0.0, 0.02, 0.07)
"""Share of weights that stay in 16 bits: embeddings, norms, layers that a quantizer refuses. Ours,
not measured."""
_MANAGED: Final = 0.15
"""Share of offloaded weights that may be on the GPU at a time; ours, not measured."""
_VAE_BILLION: Final = (0.05, 0.084, 0.7)
"""From the VAE of Stable Diffusion (84M) to those of video models."""
_ENCODER_CHANNELS: Final = 128
_ENCODER_TENSORS: Final = (2, 4, 12)
"""Tensors of 128 channels at full size that encoding a picture holds; ours, not measured."""
_WHOLE_FIRST: Final = frozenset({"flux", "flex1", "hidream", "hidream_e1"})
"""Moved to the GPU in full size before they are quantized, unless low_vram is on."""
_ALWAYS_WHOLE: Final = frozenset({"flux_kontext", "chroma"})
"""Moved so in any case: their loaders read no low_vram."""


def bits_of(qtype: str | None, dtype_bytes: int) -> Span:
    """Return the bits of a weight, layers that are not quantized averaged in.

    Args:
        qtype: Name of the quantization; None for none.
        dtype_bytes: Of a weight without it.
    """
    full = 8.0 * dtype_bytes
    if qtype is None:
        return Span.exactly(full)
    numbered = _NUMBERED.fullmatch(qtype)
    bits = float(numbered[1]) + _GROUP_BITS if numbered else _BITS.get(qtype)
    if bits is None and qtype.startswith("qfloat8"):
        bits = 8.0
    if bits is None:
        return _UNKNOWN_BITS
    left = [bits * (1 - share) + full * share for share in _LEFT_OUT]
    return Span(low=left[0], estimate=left[1], high=left[2])


def is_known(qtype: str | None) -> bool:
    """Return whether the size of a quantization is known."""
    return bits_of(qtype, 2) is not _UNKNOWN_BITS


def numbers(count: Count) -> Span:
    """Return the number of parameters."""
    return Span(low=count.low, estimate=count.value, high=count.high).times(_BILLION)


def _bytes(count: Count, qtype: str | None, dtype_bytes: int) -> Span:
    bits = bits_of(qtype, dtype_bytes)
    return numbers(count).times(bits.low / 8, bits.estimate / 8, bits.high / 8)


def transformer(settings: VramSettings, size: ModelSize, count: Count) -> Part:
    """Return the part of the model that is trained against."""
    alone = size.experts > 1 and settings.low_vram
    span = _bytes(count, settings.qtype, settings.dtype_bytes)
    if alone:
        span = span.times(1 / size.experts)
    span = _without(span, settings.offloaded)
    kind = _kind(settings.qtype, settings.dtype_bytes)
    return Part(
        name="transformer",
        span=span,
        how=f"{count.value:g} billion parameters in {kind}"
        + (", one expert at a time" if alone else "")
        + (f", {settings.offloaded:.0%} of the layers in host memory" * (settings.offloaded > 0)),
        source=f"{count.source}; {trainer('toolkit/util/quantize.py')}",
    )


def encoders(settings: VramSettings, counts: tuple[Count, ...]) -> Part:
    """Return the text encoders, which may be away."""
    source = trainer("toolkit/sd_device_states_presets.py; toolkit/unloader.py")
    if not settings.text_encoder_stays or not counts:
        return Part(
            name="text_encoders",
            span=NOTHING,
            how="none" if not counts else "unloaded before training, or cached",
            source=source,
        )
    span = NOTHING
    for count in counts:
        span = span.plus(_bytes(count, settings.qtype_te, settings.dtype_bytes))
    total = sum(count.value for count in counts)
    return Part(
        name="text_encoders",
        span=_without(span, settings.offloaded_te),
        how=f"{total:g} billion parameters in {_kind(settings.qtype_te, settings.dtype_bytes)}, "
        "on the GPU throughout",
        source="; ".join([*(count.source for count in counts), source]),
    )


def vae(settings: VramSettings) -> Part:
    """Return the VAE and what encoding pictures with it takes, nothing where they are cached."""
    source = trainer("extensions_built_in/sd_trainer/SDTrainer.py")
    if settings.latents_cached:
        return Part(name="vae", span=NOTHING, how="latents are cached first", source=source)
    low, usual, high = (each * _BILLION * settings.dtype_bytes for each in _VAE_BILLION)
    pixels = settings.resolution * settings.resolution * settings.batch_size
    one = _ENCODER_CHANNELS * pixels * settings.dtype_bytes
    low_n, usual_n, high_n = _ENCODER_TENSORS
    return Part(
        name="vae",
        span=Span(low=low, estimate=usual, high=high).plus(
            Span.exactly(one).times(low_n, usual_n, high_n)
        ),
        how=f"weights, and {low_n} to {high_n} tensors of {_ENCODER_CHANNELS} channels at full "
        "size while a picture is encoded; not measured",
        source=f"{source}; channels of the VAE's first level",
        is_open=True,
    )


def adapter(settings: VramSettings, per_rank: Span) -> Part | None:
    """Return the accuracy recovery adapter, a LoRA whose rank is not published.

    Args:
        settings: Of the run.
        per_rank: Numbers of a LoRA of rank 1.
    """
    if not settings.has_adapter:
        return None
    return Part(
        name="accuracy_recovery_adapter",
        span=per_rank.times(8, 16, 64).times(settings.dtype_bytes),
        how="a LoRA of rank 8 to 64; its rank is not published",
        source=trainer("toolkit/util/quantize.py"),
        is_open=True,
    )


def loading(settings: VramSettings, size: ModelSize, count: Count, base: Span) -> Part:
    """Return what the GPU holds while the model is loaded and quantized.

    Args:
        settings: Of the run.
        size: Of the model.
        count: Of its transformer.
        base: What is on the GPU in any case.
    """
    whole = _bytes(count, None, settings.dtype_bytes)
    if settings.qtype is None or settings.offloaded:
        model = NOTHING
    elif settings.arch_id in _ALWAYS_WHOLE:
        model = whole
    elif settings.low_vram:
        model = NOTHING
    elif settings.arch_id in _WHOLE_FIRST:
        model = whole
    else:
        model = Span(low=0, estimate=0, high=whole.high)
    full = sum(numbers(each).high for each in size.encoders or ()) * settings.dtype_bytes
    held = 0.0
    if not settings.offloaded_te:
        held = full
        if not settings.low_vram and not settings.offloaded:
            held += _bytes(count, settings.qtype, settings.dtype_bytes).high
    return Part(
        name="loading",
        span=model.or_more(Span(low=0, estimate=0, high=held)).plus(base),
        how="the model in full size until it is quantized, where low_vram is off; then the text "
        "encoders in full size",
        source=trainer(
            "toolkit/stable_diffusion_model.py; toolkit/util/quantize.py; the model's own loader"
        ),
        is_open=True,
    )


def _kind(qtype: str | None, dtype_bytes: int) -> str:
    return qtype or f"{8 * dtype_bytes} bits"


def _without(span: Span, share: float) -> Span:
    if not share:
        return span
    left = 1 - share
    return span.times(left, min(1.0, left + _MANAGED / 2), min(1.0, left + _MANAGED))
