"""Which finding motivates which proposal, the most pressing first.

Every rule is a function from the run to proposals; it answers none where its finding is not
there or nothing would change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from aitk_observability.suggestions.candidate import Candidate
from aitk_observability.suggestions.improving import (
    exploration,
    fewer_steps,
    more_data,
    more_steps,
    slow_steps,
    unreadable_images,
    validation,
)
from aitk_observability.suggestions.mending import (
    base_model_fit,
    half_precision,
    learning_rate,
    memory,
)
from aitk_observability.suggestions.situation import BROKEN, MEMORY, Situation, situation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Finding

Rule: TypeAlias = Callable[[Situation], Iterator[Candidate]]

MENDING: Final[tuple[Rule, ...]] = (base_model_fit, learning_rate, half_precision, memory)
"""For a run that broke; they apply before anything else is worth trying."""
IMPROVING: Final[tuple[Rule, ...]] = (
    fewer_steps,
    slow_steps,
    unreadable_images,
    validation,
    more_steps,
    more_data,
    exploration,
)
"""For a run that held, most telling first."""


def candidates(
    findings: Sequence[Finding], evidence: RunEvidence, *, assessed: bool
) -> tuple[tuple[Candidate, ...], str]:
    """Return the proposals, best first, and why there are none where there are none.

    Args:
        findings: Of all installed analyzers, gravest first.
        evidence: About the run.
        assessed: Whether there was enough evidence for a verdict.
    """
    seen = situation(findings, evidence)
    mending = [one for rule in MENDING for one in rule(seen)]
    if mending:
        return tuple(mending), ""
    broken = seen.first((*BROKEN, *MEMORY))
    if broken is not None:
        return (), f"{broken.code}, and the config leaves nothing to lower"
    failed = next((f for f in findings if f.severity == "critical"), None)
    if failed is not None:
        return (), f"{failed.code} has to be mended first: {failed.message}"
    if not assessed:
        return (), "there is not enough evidence to propose a change"
    improving = tuple(one for rule in IMPROVING for one in rule(seen))
    return improving, "" if improving else "nothing measured asks for a change"
