"""Logs of other people's runs with their true causes, and how often a failure's cause is named.

A corpus of logs is one JSON file (`benchmarks/heldout_logs.json` and `heldout_logs_b.json`, whose
`about` say what they are). Nothing here reads what a log says: the caller runs the analyzers and
hands over what they found.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.proving.build import job_row, run_evidence
from aitk_core.records.findings import Finding
from aitk_core.statistics.rates import binomial_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from aitk_core.evidence.failures import FailureCatalogue
    from aitk_core.evidence.records import RunEvidence

VERSION: Final = 1
_CATALOGUE: Final = "catalogue"
"""`confidence_source` of a finding that a catalogue's signature made."""


@frozen(kw_only=True)
class LoggedRun:
    """What a run printed, and what is true of it."""

    source: str
    """Address of the public thread; its last part is the thread's number."""
    date: str | None
    """Day of the thread's post, ISO 8601, where known."""
    is_failed: bool
    cause: str | None
    """In words; None for a run that did not fail."""
    right: frozenset[str]
    """Codes that name the cause. Empty where none did when the log was judged."""
    later: frozenset[str]
    """Codes that name it and entered the catalogue after the log was judged."""
    reason: str
    """For the judgement."""
    lines: tuple[str, ...] = field(repr=False)

    @property
    def is_held_out(self) -> bool:
        """Whether nothing may be mended by looking at what is said of this log: odd threads."""
        return int(self.source.rsplit("/", 1)[1]) % 2 == 1

    def evidence(self, catalogue: FailureCatalogue, *, is_failed: bool) -> RunEvidence:
        """Return a run that printed this and nothing else.

        Args:
            catalogue: Failures to look for.
            is_failed: Whether the row says that the run failed. It gives no reason: the log alone
                has to tell, although the trainer often puts the last error into the row, too.
        """
        row = job_row(status="error" if is_failed else "completed")
        return run_evidence(log="\n".join(self.lines) + "\n", job=row, catalogue=catalogue)


def read_logs(file: Path) -> tuple[LoggedRun, ...]:
    """Return the logs of a file.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not JSON, or of another version.
        KeyError: A log lacks a field.
    """
    document = json.loads(file.read_text(encoding="utf-8"))
    if document["version"] != VERSION:
        raise ValueError(f"logs of version {document['version']}, not {VERSION}")
    return tuple(
        LoggedRun(
            source=entry["source"],
            date=entry["date"],
            is_failed=entry["outcome"] == "failed",
            cause=entry["cause"],
            right=frozenset(entry["right"]),
            later=frozenset(entry.get("later", ())),
            reason=entry["reason"],
            lines=tuple(entry["lines"]),
        )
        for entry in document["logs"]
    )


@frozen(kw_only=True)
class Answer:
    """What the analyzers say of one log."""

    log: LoggedRun
    cause: Finding | None
    """The critical finding that names a cause; None where the cause stays unknown."""
    told: frozenset[str]
    """All codes of the catalogue that are told, as cause or beside it."""
    critical: frozenset[str]
    """Codes of all critical findings."""

    @property
    def is_right(self) -> bool:
        """Whether the named cause is one of the right ones."""
        return self.cause is not None and self.cause.code in self.log.right | self.log.later

    @property
    def is_known(self) -> bool:
        """Whether the catalogue has an entry for the true cause."""
        return bool(self.log.right | self.log.later)


def answer_of(log: LoggedRun, findings: Iterable[Finding]) -> Answer:
    """Return what findings say of a log."""
    found = list(findings)
    known = [finding for finding in found if finding.confidence_source == _CATALOGUE]
    return Answer(
        log=log,
        cause=next((finding for finding in known if finding.severity == "critical"), None),
        told=frozenset(finding.code for finding in known),
        critical=frozenset(f.code for f in found if f.severity == "critical"),
    )


def figures(answers: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """Return how often causes of failed runs were named rightly.

    Args:
        answers: Of failed runs.

    Returns:
        By question: `count` of `of`, and the exact 95 % `interval` of the share (None where `of`
        is 0). `recall`: of the causes that the catalogue had an entry for when the logs were
        judged, those named as the cause; `recall_all`: of all causes. `told`: as `recall`, named
        as the cause or beside it. `precision`: of the causes that were named, the right ones.
        `unknown`: of the causes without an entry to this day, those left unknown.
    """
    judged = [answer for answer in answers if answer.log.right]
    named = [answer for answer in answers if answer.cause is not None]
    nameless = [answer for answer in answers if not answer.is_known]
    right = sum(answer.is_right for answer in answers)
    return {
        "recall": _share(sum(answer.is_right for answer in judged), len(judged)),
        "recall_all": _share(right, len(answers)),
        "told": _share(sum(bool(a.told & a.log.right) for a in judged), len(judged)),
        "precision": _share(right, len(named)),
        "unknown": _share(sum(a.cause is None for a in nameless), len(nameless)),
    }


def pooled(name: str, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures of several sets of logs as those of one.

    Args:
        name: Of the whole, for `data` of its calibration.
        parts: What was measured of each set, all with the same entries: counts, shares as
            `figures` returns them, and `calibration`, rows by `stated`.

    Returns:
        As a part. Counts are summed, intervals are of the sums, and stated means are weighted by
        findings.
    """
    whole: dict[str, Any] = {}
    for key, value in parts[0].items():
        values = [part[key] for part in parts]
        if key == "calibration":
            whole[key] = _rows(name, [row for rows in values for row in rows])
        elif isinstance(value, dict):
            whole[key] = _share(sum(v["count"] for v in values), sum(v["of"] for v in values))
        else:
            whole[key] = sum(values)
    return whole


def _rows(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for stated in sorted({row["stated"] for row in rows}, key=lambda text: (text[0] != "b", text)):
        same = [row for row in rows if row["stated"] == stated]
        findings, right = (sum(row[key] for row in same) for key in ("findings", "right"))
        mean = sum(row["stated_mean"] * row["findings"] for row in same) / findings
        found.append(
            {
                "data": name,
                "stated": stated,
                "stated_mean": round(mean, 4),
                "findings": findings,
                "right": right,
                "interval": _share(right, findings)["interval"],
            }
        )
    return found


def _share(count: int, of: int) -> dict[str, Any]:
    return {
        "count": count,
        "of": of,
        "interval": list(binomial_interval(count, of)) if of else None,
    }
