"""Findings about a dataset's pictures: shares, what they cost in training, and examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.records.findings import Estimate, EvidenceRef, Finding
from aitk_core.statistics.rates import binomial_interval
from aitk_core.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.records.findings import Severity
    from aitk_core.statistics.description import MethodInfo

EXAMPLES: Final = 10
"""Paths that a finding names."""
_EXACT_UP_TO: Final = 500
"""Pictures; the exact interval of more takes seconds and tells no more."""
_Z95: Final = 1.959964


@frozen(kw_only=True, slots=False)
class Sayer:
    """Says things about some of a dataset's pictures. Derives, never changes."""

    evidence: DatasetEvidence
    whole: int
    """Pictures that shares are taken of."""

    def share(self, count: int) -> float:
        """Return the share of the pictures."""
        return count / self.whole

    def cost(self, count: int) -> str:
        """Say what a number of pictures is in steps."""
        text = f"{count} of {self.whole} = {percent(self.share(count))} of this folder's steps"
        use = self.evidence.use
        if use is not None and use.steps:
            about = round(use.steps * self.share(count))
            text += f", about {about} of {use.steps} where the job has no other folder"
        return text

    def finding(
        self,
        code: str,
        severity: Severity,
        message: str,
        *,
        method: MethodInfo,
        pictures: Sequence[str],
        **more: Any,
    ) -> Finding:
        """Return a finding on pictures, with their share and examples.

        Args:
            code: Of the finding.
            severity: Of the finding.
            message: With what it costs in training.
            method: That found it.
            pictures: Paths, at least one.
            **more: Further fields of a finding.
        """
        unknown: tuple[str, ...] = more.pop("unknown", ())
        if self.evidence.is_limited:
            left = self.evidence.found_images - len(self.evidence.images)
            unknown += (
                f"{counted(left, 'picture')} not looked at",
                "whether those looked at are like the others, which the interval supposes",
            )
        return Finding(
            code=code,
            category=more.pop("category", "dataset"),
            severity=severity,
            message=message,
            method=method.name,
            false_alarm_rate=method.false_alarm_rate,
            n=self.whole,
            estimate=more.pop("estimate", None) or self._estimate(len(pictures)),
            evidence=more.pop("evidence", None) or examples(pictures),
            unknown=unknown,
            **more,
        )

    def _estimate(self, count: int) -> Estimate:
        share = self.share(count)
        if not self.evidence.is_limited:
            return Estimate(value=round(share, 4), unit="share of the pictures", level=None)
        low, high = share_interval(count, self.whole)
        return Estimate(
            value=round(share, 4),
            unit="share of the pictures, those looked at",
            low=round(low, 4),
            high=round(high, 4),
        )


def examples(paths: Sequence[str]) -> tuple[EvidenceRef, ...]:
    """Return the first paths, made fit to be shown."""
    if not paths:
        return ()
    shown_paths = tuple(shown(path) for path in paths[:EXAMPLES])
    return (EvidenceRef(source="dataset", files=shown_paths),)


def share_interval(count: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a share: exact up to 500, then that of Wilson.

    Wilson, Journal of the American Statistical Association 22 (1927) 209. From 500 on the two
    differ by less than 0.01.
    """
    if whole <= _EXACT_UP_TO:
        return binomial_interval(count, whole)
    share, z2 = count / whole, _Z95**2
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    spread = share * (1 - share) / whole + z2 / (4 * whole**2)
    half = _Z95 * math.sqrt(spread) / (1 + z2 / whole)
    # Rounding may put an end on the wrong side of a share of 0 or 1.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def percent(share: float) -> str:
    """Return a share in words: `10 %`, `0.4 %`."""
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text} %" if share == 0 or text != "0" else "under 0.1 %"
