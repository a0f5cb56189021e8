"""Whether a config fits into the GPU's memory: the estimate for an answer, and the issue of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aitk_core.evidence.config import first_process
from aitk_guardrails.lint.issues import Issue
from aitk_guardrails.vram.estimate import calibrate, estimate_config, fits
from aitk_guardrails.vram.records import GIB
from aitk_guardrails.vram.shown import estimate_document

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_guardrails.vram.records import Observation

_PATH: Final = "/config/process/0/model"


def memory_of(
    config: Any, gpu_bytes: int | None, past: Iterable[Observation] = ()
) -> tuple[dict[str, Any], Issue | None]:
    """Return the estimate, JSON-ready, and an issue where even its low end does not fit.

    What lies within the interval is undetermined, and no issue. The issue is a warning: the
    estimate is one.

    Args:
        config: Any JSON value.
        gpu_bytes: Memory of the GPU; None where it is not known.
        past: What runs of this machine really used.
    """
    plain = config if isinstance(config, Mapping) and first_process(config) else {}
    estimate = calibrate(estimate_config(plain), past)
    fit = fits(estimate, None if gpu_bytes is None else gpu_bytes / GIB)
    document = estimate_document(estimate, fit, with_parts=True)
    if fit.verdict != "no":
        return document, None
    issue = Issue(
        code="VRAM_TOO_SMALL",
        severity="warning",
        message=f"the run probably does not fit into the GPU's memory: {fit.reason}",
        path=_PATH,
        expected={"minimum_gib": document["low_gib"]},
        why="it ends for lack of memory, while loading or in its first steps",
        source=f"ours: {estimate.method}, the parts are in `vram`",
    )
    return document, issue
