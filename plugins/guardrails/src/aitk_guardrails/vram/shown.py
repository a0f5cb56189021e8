"""An estimate of memory as an answer shows it, JSON-ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_guardrails.vram.records import GIB

if TYPE_CHECKING:
    from aitk_guardrails.vram.records import Fit, Part, VramEstimate

_PLACES: Final = 3


def estimate_document(
    estimate: VramEstimate | None, fit: Fit, *, with_parts: bool
) -> dict[str, Any]:
    """Return an estimate with whether it fits.

    Args:
        estimate: None where nothing was estimated; the reason is then that of the fit.
        fit: What `fits` says of it.
        with_parts: Whether to show what takes the memory; null otherwise.
    """
    shown: dict[str, Any] = {
        "method": "undetermined",
        "estimate_gib": None,
        "low_gib": None,
        "high_gib": None,
        "n": 0,
        "reason": fit.reason,
        "assumptions": [],
        "unknown": [],
        "parts": [] if with_parts else None,
    }
    if estimate is not None:
        shown |= {
            "method": estimate.method,
            "estimate_gib": _rounded(estimate.estimate_gib),
            "low_gib": _rounded(estimate.low_gib),
            "high_gib": _rounded(estimate.high_gib),
            "n": estimate.n,
            "reason": estimate.reason,
            "assumptions": list(estimate.assumptions),
            "unknown": list(estimate.unknown),
            "parts": _parts(estimate) if with_parts else None,
        }
    shown["fits"] = {
        "verdict": fit.verdict,
        "available_gib": _rounded(fit.available_gib),
        "reason": fit.reason,
    }
    return shown


def _parts(estimate: VramEstimate) -> list[dict[str, Any]]:
    shown = [_part(part, "training") for part in estimate.parts]
    if estimate.loading is not None:
        shown.append(_part(estimate.loading, "loading"))
    return shown


def _part(part: Part, phase: str) -> dict[str, Any]:
    return {
        "name": part.name,
        "phase": phase,
        "estimate_gib": _rounded(part.span.estimate / GIB),
        "low_gib": _rounded(part.span.low / GIB),
        "high_gib": _rounded(part.span.high / GIB),
        "how": part.how,
        "source": part.source,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)
