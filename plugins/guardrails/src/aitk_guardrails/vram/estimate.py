"""The estimate as a whole, its calibration by runs of the machine, and whether a run fits."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from aitk_core.configkeys.archs import archs
from aitk_guardrails.vram import training, weights
from aitk_guardrails.vram.models import model_sizes
from aitk_guardrails.vram.records import GIB, NOTHING, Fit, Part, Span, VramEstimate
from aitk_guardrails.vram.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_guardrails.vram.models import ModelSize
    from aitk_guardrails.vram.records import Observation
    from aitk_guardrails.vram.settings import VramSettings

_MIB: Final = float(2**20)
_OVERHEAD: Final = Part(
    name="overhead",
    span=Span(low=0.4 * GIB, estimate=1.3 * GIB, high=2.5 * GIB),
    how="CUDA context, kernels, and blocks that the allocator keeps; not measured",
    source="transformers documentation, model_memory_anatomy: 1.3 GB for kernels; the range is "
    "ours",
    is_open=True,
)
_ASSUMPTIONS: Final = (
    "the model has the size of the published one of its architecture",
    "one GPU, which no other program uses",
    "the peak of loading or of training, whichever is larger",
    "parts add up: none is freed while another is used",
)
_SAMPLING: Final = "memory while samples are made, which can be more than training takes"
_MISSED: Final = 1.1
"""Readings come seconds apart and miss the peak; ours, not measured."""
_MARGIN: Final = 1.25
"""Around the ratios that runs of other settings gave; ours, not measured."""
_LEAST_RATIO: Final = 0.05


def estimate_config(config: Mapping[str, Any]) -> VramEstimate:
    """Return the memory that a config needs, of its first process.

    Args:
        config: As the trainer takes it.
    """
    return estimate_settings(settings_of(config))


def estimate_settings(settings: VramSettings) -> VramEstimate:
    """Return the memory that a run with these settings needs."""
    arch = archs().get(settings.arch_id or "")
    size = model_sizes().get(settings.arch_id or "")
    if arch is None or size is None:
        return _undetermined(
            settings, "the config leaves open which architecture, and so which size, the model has"
        )
    count = size.parameters
    if count is None:
        return _undetermined(settings, f"the size of {arch.id} is not known: {size.note}")
    if settings.text_encoder_stays and size.encoders is None:
        return _undetermined(
            settings, f"{size.note}, and it stays on the GPU; cache_text_embeddings takes it away"
        )
    if arch.modality == "audio":
        return _undetermined(settings, size.note)
    amount = training.trained_numbers(settings, count)
    per_rank = training.lora_of_rank(settings.arch_id, count, 1)
    if amount is None or per_rank is None:
        return _undetermined(settings, "how many numbers are trained is not known")
    adapter = weights.adapter(settings, per_rank[0])
    parts = (
        weights.transformer(settings, size, count),
        *((adapter,) if adapter else ()),
        weights.encoders(settings, size.encoders or ()),
        weights.vae(settings),
        *training.trained(settings, *amount),
        training.activations(settings, size.shape, count, is_video=arch.modality == "video"),
        _OVERHEAD,
    )
    loading = weights.loading(settings, size, count, _OVERHEAD.span)
    made = VramEstimate(
        settings=settings,
        method="computed",
        assumptions=_ASSUMPTIONS,
        unknown=_unknown(settings, size),
    )
    return _filled(made, parts, loading)


def calibrate(estimate: VramEstimate, past: Iterable[Observation]) -> VramEstimate:
    """Return an estimate that knows what runs of this machine used.

    Runs of equal settings are the answer themselves. Runs of the same architecture scale the parts
    that nobody measured: activations, overhead, the VAE. A further run never narrows that interval.

    Args:
        estimate: As `estimate_settings` makes it.
        past: Runs of this machine.
    """
    known = [each for each in past if math.isfinite(each.peak_mib) and each.peak_mib > 0]
    equal = [each.peak_mib * _MIB / GIB for each in known if each.settings == estimate.settings]
    if equal:
        return evolve(
            estimate,
            method="measured_on_this_machine",
            estimate_gib=median(equal),
            low_gib=min(equal),
            high_gib=max(equal) * _MISSED,
            unknown=(),
            n=len(equal),
            reason=f"{len(equal)} runs with these settings; readings can miss the peak",
        )
    ratios = [
        ratio
        for each in known
        if each.settings.arch_id == estimate.settings.arch_id
        and (ratio := _ratio(each)) is not None
    ]
    if not ratios or estimate.estimate_gib is None or estimate.loading is None:
        return estimate
    low, high = min(ratios) / _MARGIN, max(ratios) * _MARGIN
    middle = median(ratios)
    parts = tuple(
        evolve(part, span=_scaled(part.span.estimate, low, middle, high)) if part.is_open else part
        for part in estimate.parts
    )
    made = evolve(
        estimate,
        method="scaled_by_runs_of_this_machine",
        n=len(ratios),
        reason=f"{len(ratios)} runs of this architecture at other settings used {low * _MARGIN:.2g}"
        f" to {high / _MARGIN:.2g} times what was computed for the parts that are not measured",
    )
    return _filled(made, parts, estimate.loading)


def fits(estimate: VramEstimate, available_gib: float | None) -> Fit:
    """Return whether a run fits; undetermined where the memory lies inside the interval.

    Args:
        estimate: Of the run.
        available_gib: Of the GPU; None where it is not known.
    """
    low, high = estimate.low_gib, estimate.high_gib
    if low is None or high is None:
        return Fit(verdict="undetermined", available_gib=available_gib, reason=estimate.reason)
    if available_gib is None:
        return Fit(
            verdict="undetermined", available_gib=None, reason="the GPU's memory is not known"
        )
    words = f"{low:.1f} to {high:.1f} GiB needed, {available_gib:.1f} there"
    if high <= available_gib:
        return Fit(verdict="yes", available_gib=available_gib, reason=words)
    if low > available_gib:
        return Fit(verdict="no", available_gib=available_gib, reason=words)
    return Fit(
        verdict="undetermined",
        available_gib=available_gib,
        reason=f"{words}: that lies within the estimate's interval",
    )


def _filled(made: VramEstimate, parts: tuple[Part, ...], loading: Part) -> VramEstimate:
    total = NOTHING
    for part in parts:
        total = total.plus(part.span)
    total = total.or_more(loading.span)
    return evolve(
        made,
        parts=parts,
        loading=loading,
        estimate_gib=total.estimate / GIB,
        low_gib=total.low / GIB,
        high_gib=total.high / GIB,
    )


def _unknown(settings: VramSettings, size: ModelSize) -> tuple[str, ...]:
    found = [_SAMPLING]
    if size.encoders is None:
        found.append(f"memory while captions are cached: {size.note}")
    if size.shape is None:
        found.append("layers and width of the model: activations span those of known models")
    if not weights.is_known(settings.qtype):
        found.append(f"the size of weights in {settings.qtype!r}")
    if not training.optimizer_is_known(settings):
        found.append(f"the state of the optimizer {settings.optimizer!r}")
    return tuple(found)


def _undetermined(settings: VramSettings, reason: str) -> VramEstimate:
    return VramEstimate(settings=settings, method="undetermined", reason=reason, unknown=(reason,))


def _ratio(seen: Observation) -> float | None:
    """Return what the unmeasured parts took, over what was computed for them."""
    computed = estimate_settings(seen.settings)
    if computed.loading is None:
        return None
    peak = seen.peak_mib * _MIB
    if computed.loading.span.estimate >= peak / _MISSED:
        # The peak may be that of loading, which says nothing of the parts.
        return None
    fixed = sum(part.span.estimate for part in computed.parts if not part.is_open)
    unmeasured = sum(part.span.estimate for part in computed.parts if part.is_open)
    return max(_LEAST_RATIO, (peak - fixed) / unmeasured)


def _scaled(value: float, low: float, middle: float, high: float) -> Span:
    return Span(low=value * low, estimate=value * middle, high=value * high)
