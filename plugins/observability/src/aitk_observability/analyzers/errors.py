"""Failures that the job's row and its log state, by the signatures of the installed catalogues.

A signature in a run that went on is no failure of the run: it is told as a warning, with the
line. Tracebacks of a stop that somebody asked for are no failures at all, and what an earlier
run left in the same log says nothing about this one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aitk_core.evidence.failures import ROW
from aitk_core.evidence.logevents import LogEventKind
from aitk_core.records.findings import Analysis, EvidenceRef, Finding, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.evidence.failures import FailureHit
    from aitk_core.evidence.logtraceback import Traceback
    from aitk_core.evidence.records import RunEvidence

_CATEGORIES: Final = ("oom", "traceback", "io", "network", "numerical", "generic_error")
_CATEGORY_OF: Final = {
    "memory": "oom",
    "disk": "io",
    "data": "io",
    "network": "network",
    "auth": "network",
    "numeric": "numerical",
}
_METHOD: Final = "signatures_v1"
_QUOTED: Final = 300
"""Characters of a quoted line."""
_SAMPLES: Final = 3
"""Lines for each category in the contract's `sample_lines`."""
_STOPS: Final = frozenset({LogEventKind.JOB_STOPPED, LogEventKind.JOB_RETURNING})
_VAGUE: Final = {"cause": 0, "symptom": 1, "end": 2}
"""By what a signature tells; least telling last."""
_RAISED: Final = re.compile(r"(?:Error running job|[\w.]{0,200}(?:Error|Exception)): ")
"""How a line begins that shows what was raised, not what the trainer says while it goes on."""


def analyze(evidence: RunEvidence) -> Analysis:
    """Judge what the row and the log say went wrong."""
    failed = evidence.job.status == "error"
    if evidence.log is None and not failed:
        reason = evidence.missing.get("log", "there is no log")
        return Analysis(
            assessed=False, reason=f"the log could not be read: {reason}", facts=_none()
        )
    if evidence.log is not None and not evidence.log.scan.line_count and not failed:
        return Analysis(assessed=False, reason="the log is empty", facts=_none())
    tracebacks = _tracebacks(evidence)
    hits = _hits(evidence, tracebacks)
    findings: list[Finding] = []
    if failed:
        findings.append(_failure(evidence, hits, tracebacks))
    cause = findings[0].code if findings else None
    findings += [f for f in _others(hits, failed=failed) if f.code != cause]
    findings += _exceptions(tracebacks, failed=failed)
    return Analysis(findings=tuple(findings), facts=_facts(hits, tracebacks, findings))


def _tracebacks(evidence: RunEvidence) -> tuple[Traceback, ...]:
    if evidence.log is None:
        return ()
    scan = evidence.log.scan
    return tuple(t for t in scan.tracebacks if t.first_line >= scan.run_first_line)


def _hits(evidence: RunEvidence, tracebacks: Iterable[Traceback]) -> list[FailureHit]:
    stopped = any(t.benign for t in tracebacks)
    if evidence.log is not None:
        scan = evidence.log.scan
        first = scan.run_first_line
        stopped = stopped or any(e.kind in _STOPS for e in scan.events if e.number >= first)
    return [hit for hit in evidence.hits if not (stopped and hit.signature.tells == "end")]


def _failure(
    evidence: RunEvidence, hits: list[FailureHit], tracebacks: Iterable[Traceback]
) -> Finding:
    """Return why a job with status error failed."""
    info = (evidence.job.info or "").strip()
    handled = _handled_lines(tracebacks)
    open_hits = [hit for hit in hits if hit.number not in handled]
    causes = [hit for hit in open_hits if hit.signature.severity == "critical"]
    # The row's own text says best what went wrong, unless it only says that something else did.
    causes.sort(key=lambda hit: (_VAGUE[hit.signature.tells], hit.number != ROW))
    if not causes or causes[0].signature.tells == "end":
        causes = _raised(open_hits) or causes
    quote = _first_line(info)[:_QUOTED]
    last = [t for t in tracebacks if not t.benign and not t.handled]
    references = [EvidenceRef(source="job", quote=quote)] if quote else []
    if last:
        references.append(
            EvidenceRef(
                source="log",
                lines=(last[-1].first_line, last[-1].last_line),
                quote=f"{last[-1].exception_type}: {last[-1].exception_message}"[:_QUOTED],
            )
        )
    if causes and causes[0].signature.tells != "end":
        signature = causes[0].signature
        told = quote or causes[0].text[:_QUOTED]
        return Finding(
            code=signature.code,
            category="errors",
            severity="critical",
            message=f"the run failed: {told.rstrip('.')}. {signature.cause}",
            n=1,
            method=_METHOD,
            confidence=signature.confidence,
            confidence_source="catalogue",
            evidence=tuple(references),
            remedies=_remedies(causes[0]),
            unknown=signature.unknown,
        )
    before = sum(hit.signature.code == "IMAGE_UNREADABLE" for hit in hits)
    context = f"; before it, {before} images could not be read" if before else ""
    return Finding(
        code="RUN_FAILED",
        category="errors",
        severity="critical",
        message=f"the run failed: {quote or 'the backend gives no reason'}{context}",
        n=1,
        method="row_status_v1",
        confidence=1.0,
        confidence_source="deterministic",
        evidence=tuple(references),
        unknown=("the cause: no known signature matches what the run printed",),
    )


def _raised(hits: Iterable[FailureHit]) -> list[FailureHit]:
    """Return what mostly only harms a run, where it was raised; the last first.

    Nothing else known ended the run, and of what is raised and not handled the last thing did.
    """
    harms = [
        hit
        for hit in hits
        if hit.signature.severity == "warning"
        and hit.signature.tells == "cause"
        and _RAISED.match(hit.text)
    ]
    return harms[::-1]


def _others(hits: list[FailureHit], *, failed: bool) -> list[Finding]:
    grouped: dict[str, list[FailureHit]] = {}
    for hit in hits:
        grouped.setdefault(hit.signature.code, []).append(hit)
    findings = []
    for code, found in grouped.items():
        signature = found[0].signature
        if failed and signature.tells == "end":
            continue  # the consequence of the cause, which is told
        went_on = ("the run went on after it, so it did not end it",) if not failed else ()
        findings.append(
            Finding(
                code=code,
                category="errors",
                severity="info" if signature.severity == "info" else "warning",
                message=f"{signature.cause} (seen {len(found)} times)",
                n=len(found),
                method=_METHOD,
                confidence=signature.confidence,
                confidence_source="catalogue",
                evidence=(
                    EvidenceRef(
                        source="log",
                        lines=tuple(hit.number for hit in found[:5]),
                        quote=found[0].text[:_QUOTED],
                    ),
                ),
                remedies=_remedies(found[0]),
                unknown=(*signature.unknown, *went_on),
            )
        )
    return findings


def _exceptions(tracebacks: Iterable[Traceback], *, failed: bool) -> list[Finding]:
    if failed:
        return []
    odd = [t for t in tracebacks if not t.benign and not t.handled]
    return (
        [
            Finding(
                code="EXCEPTION_IN_LOG",
                category="errors",
                severity="warning",
                message=f"an exception was printed {len(odd)} times; the last: "
                f"{odd[-1].exception_type}: {odd[-1].exception_message}"[:_QUOTED],
                n=len(odd),
                method="log_traceback_v1",
                confidence_source="not_stated",
                evidence=(
                    EvidenceRef(source="log", lines=(odd[-1].first_line, odd[-1].last_line)),
                ),
                unknown=("whether it harmed the run: the backend does not call the run failed",),
            )
        ]
        if odd
        else []
    )


def _remedies(hit: FailureHit) -> tuple[Remedy, ...]:
    return tuple(
        Remedy(action=change, path=None if " " in path else f"config.process.0.{path}")
        if path != "action"
        else Remedy(action=change)
        for path, change in hit.signature.remedies
    )


def _handled_lines(tracebacks: Iterable[Traceback]) -> set[int]:
    return {
        number for t in tracebacks if t.handled for number in range(t.first_line, t.last_line + 1)
    }


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _none() -> dict[str, Any]:
    return {
        "category_counts": dict.fromkeys(_CATEGORIES, 0),
        "sample_lines": {},
        "total_mentions": 0,
        "dominant_category": None,
        "severity": "none",
    }


def _facts(
    hits: list[FailureHit], tracebacks: Iterable[Traceback], findings: list[Finding]
) -> dict[str, Any]:
    facts = _none()
    counts: dict[str, int] = facts["category_counts"]
    samples: dict[str, list[str]] = facts["sample_lines"]
    for hit in hits:
        category = _CATEGORY_OF.get(hit.signature.category, "generic_error")
        counts[category] += 1
        lines = samples.setdefault(category, [])
        if len(lines) < _SAMPLES:
            lines.append(hit.text.strip()[:_QUOTED])
    for traceback in tracebacks:
        if not traceback.benign:
            counts["traceback"] += 1
            lines = samples.setdefault("traceback", [])
            if len(lines) < _SAMPLES:
                lines.append(f"{traceback.exception_type}: {traceback.exception_message}"[:_QUOTED])
    facts["total_mentions"] = sum(counts.values())
    if facts["total_mentions"]:
        facts["dominant_category"] = max(_CATEGORIES, key=lambda name: counts[name])
    severities = {finding.severity for finding in findings}
    facts["severity"] = next((s for s in ("critical", "warning") if s in severities), "none")
    return facts
