"""What a run is measured against: its model family, its class, and the thresholds of both.

Every figure is that of contract/SCORING.md sections 2 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_core.evidence.config import read_config

if TYPE_CHECKING:
    from aitk_core.evidence.config import RunConfig

ModelFamily: TypeAlias = Literal["flux_flex", "sdxl", "sd3", "sd_like", "unknown"]
RunClass: TypeAlias = Literal["smoke", "standard", "highres", "long"]

_SMOKE_STEPS: Final = 1200
_LONG_STEPS: Final = 4500
_HIGH_RESOLUTION: Final = 1024

_CURVE: Final = {"excellent": 0.30, "good": 0.20, "fair": 0.12, "watch": 0.08, "poor": 0.04}
_FAMILY_FACTOR: Final[Mapping[ModelFamily, float]] = {
    "flux_flex": 0.55,
    "sdxl": 0.70,
    "sd3": 0.70,
    "sd_like": 1.00,
    "unknown": 1.00,
}
_CLASS_FACTOR: Final[Mapping[RunClass, float]] = {
    "smoke": 0.80,
    "standard": 1.00,
    "highres": 0.72,
    "long": 1.08,
}

_BASE: Final = {"ready": 75.0, "export": 75.0, "speed": 50.0, "dataset": 70.0, "caption": 65.0}
_FAMILY_SHIFT: Final[Mapping[str, Mapping[str, float]]] = {
    "flux_flex": {"speed": -12.0, "ready": -1.0},
    "sdxl": {"speed": -8.0},
    "sd3": {"speed": -8.0},
}
_CLASS_SHIFT: Final[Mapping[str, Mapping[str, float]]] = {
    "smoke": {"ready": -8.0, "export": -8.0},
    "highres": {"speed": -8.0, "ready": -2.0, "export": -2.0},
    "long": {"ready": 3.0, "export": 5.0, "dataset": 3.0, "caption": 3.0},
}
_LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "ready": (60.0, 90.0),
    "export": (60.0, 95.0),
    "speed": (20.0, 70.0),
    "dataset": (55.0, 85.0),
    "caption": (50.0, 85.0),
}


@frozen(kw_only=True)
class SpeedCurve:
    """Lower bounds of the speed grades in iterations per second, each included."""

    excellent: float
    good: float
    fair: float
    watch: float
    poor: float


@frozen(kw_only=True)
class AdaptiveThresholds:
    """Scores, in score points, that gates and bottlenecks are decided by."""

    ready_overall_min: float
    safe_export_overall_min: float
    speed_bottleneck_score: float
    dataset_repair_score: float
    caption_repair_score: float


@frozen(kw_only=True)
class RunContext:
    """What a run is judged as; the `context` of an intelligence profile."""

    model_family: ModelFamily
    run_class: RunClass
    hparams: Mapping[str, Any]
    """Hyper-parameters from the config; empty without a config."""
    speed_curve_thresholds: SpeedCurve


def model_family(name: str | None, arch: str | None) -> ModelFamily:
    """Return the family by substrings of model name and architecture, as published."""
    text = f"{name or ''} {arch or ''}".lower()
    if not text.strip():
        return "unknown"
    if "flux" in text or "flex" in text:
        return "flux_flex"
    if "sdxl" in text:
        return "sdxl"
    if "sd3" in text or "stable-diffusion-3" in text:
        return "sd3"
    return "sd_like"


def run_class(steps: int | None, resolution: int | None) -> RunClass:
    """Return the class of a run.

    Args:
        steps: Planned steps, or None where unknown.
        resolution: Largest training resolution in pixels, or None where unknown.
    """
    if steps is not None and steps <= _SMOKE_STEPS:
        return "smoke"
    if steps is not None and steps >= _LONG_STEPS:
        return "long"
    if resolution is not None and resolution >= _HIGH_RESOLUTION:
        return "highres"
    return "standard"


def speed_curve(family: ModelFamily, kind: RunClass) -> SpeedCurve:
    """Return the speed grades of a family and run class."""
    factor = _FAMILY_FACTOR[family] * _CLASS_FACTOR[kind]
    return SpeedCurve(**{name: round(bound * factor, 4) for name, bound in _CURVE.items()})


def adaptive_thresholds(family: ModelFamily, kind: RunClass) -> AdaptiveThresholds:
    """Return the thresholds of a family and run class; export is never below ready."""
    family_shift, class_shift = _FAMILY_SHIFT.get(family, {}), _CLASS_SHIFT.get(kind, {})
    shifted = {
        name: base + family_shift.get(name, 0.0) + class_shift.get(name, 0.0)
        for name, base in _BASE.items()
    }
    ready = _held("ready", shifted["ready"])
    return AdaptiveThresholds(
        ready_overall_min=ready,
        safe_export_overall_min=_held("export", max(shifted["export"], ready)),
        speed_bottleneck_score=_held("speed", shifted["speed"]),
        dataset_repair_score=_held("dataset", shifted["dataset"]),
        caption_repair_score=_held("caption", shifted["caption"]),
    )


def _held(name: str, points: float) -> float:
    low, high = _LIMITS[name]
    return min(high, max(low, points))


def run_context(config: Mapping[str, Any] | None) -> RunContext:
    """Return what a run with this job config is judged as.

    Args:
        config: As the backend stores it, `{"config": {"process": [...]}}`, or None.
    """
    read = read_config(config)
    family = model_family(read.model_name, read.arch)
    kind = run_class(read.steps, max(read.resolution, default=None))
    return RunContext(
        model_family=family,
        run_class=kind,
        hparams=_hparams(read) if config else {},
        speed_curve_thresholds=speed_curve(family, kind),
    )


def _hparams(read: RunConfig) -> dict[str, Any]:
    return {
        "learning_rate": read.learning_rate,
        "steps": read.steps,
        "batch_size": read.batch_size,
        "rank": read.rank,
        "alpha": read.alpha,
        "low_vram": bool(read.low_vram),
        "resolution": max(read.resolution, default=None),
    }
