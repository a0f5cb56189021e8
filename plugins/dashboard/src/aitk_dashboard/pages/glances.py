"""How each run is, in few words: judged while somebody looks at the page, and kept.

The first page shows many runs every second or so, and judging one reads its log and metrics. So
what was found is kept in the store, and judged again where the run has moved since.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import cattrs
from attrs import field, frozen

from aitk_core.convert import unstructure
from aitk_dashboard.pages.asking import ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aitk_core.protocols import Store, ToolContext
    from aitk_dashboard.pages.asking import Answer

_NAMESPACE: Final = "dashboard"
_MIGRATIONS: Final = (
    """
    CREATE TABLE glance (
        job_id TEXT PRIMARY KEY,
        mark TEXT NOT NULL,
        judged_at REAL NOT NULL,
        said TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX glance_judged_at ON glance (judged_at);
    """,
)
_DAY_S: Final = 86_400.0
_KEEP_S: Final = 90 * _DAY_S
_MOVING_S: Final = 15.0
"""Ours: a run that trains is judged again after this long, whether it has moved or not."""
_LISTED: Final = 3
"""Findings that are kept of one run."""
_QUOTES: Final = 20
_SEVERITIES: Final = {"critical": 0, "warning": 1, "info": 2}


@frozen(kw_only=True)
class Quote:
    """A part of a line of the log that a finding rests on."""

    code: str
    text: str


@frozen(kw_only=True)
class Glance:
    """What was found in a run."""

    health: str | None
    """critical, warning, healthy or insufficient_evidence; None where it could not be judged."""
    findings: tuple[tuple[str, str, str], ...] = ()
    """Severity, code and message, the gravest first."""
    score: float | None = None
    grade: str | None = None
    problem: str | None = None
    """Why it could not be judged."""
    quotes: tuple[Quote, ...] = field(default=(), repr=False)


@frozen(kw_only=True)
class Kept:
    """A glance and what it belongs to."""

    mark: str
    """Of the run as it was then."""
    judged_at: float
    """Unix seconds."""
    glance: Glance


class Glances:
    """Blocking; call it through `context.run`."""

    def __init__(self, store: Store) -> None:
        """Take the server's store."""
        self._store = store

    def known(self, job_ids: Sequence[str]) -> dict[str, Kept]:
        """Return what was kept of these runs.

        Raises:
            StoreError: The store cannot be used.
        """
        found: dict[str, Kept] = {}
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            for job_id in job_ids:
                row = database.execute(
                    "SELECT mark, judged_at, said FROM glance WHERE job_id = ?", [job_id]
                ).fetchone()
                if row is not None:
                    glance = cattrs.structure(json.loads(row[2]), Glance)
                    found[job_id] = Kept(mark=row[0], judged_at=row[1], glance=glance)
        return found

    def keep(self, job_id: str, kept: Kept) -> None:
        """Keep one, and drop what is older than 90 days.

        Raises:
            StoreError: The store cannot be used.
        """
        said = json.dumps(unstructure(kept.glance), ensure_ascii=False)
        with self._store.session(_NAMESPACE, _MIGRATIONS) as database:
            database.execute(
                "INSERT OR REPLACE INTO glance VALUES (?, ?, ?, ?)",
                [job_id, kept.mark, kept.judged_at, said],
            )
            database.execute("DELETE FROM glance WHERE judged_at < ?", [kept.judged_at - _KEEP_S])


def mark_of(context: ToolContext, row: Mapping[str, Any]) -> str:
    """Return what changes when a run has to be judged anew.

    Args:
        context: Knows the versions of the plugins that judge.
        row: Of the run, with status, step and info.
    """
    versions = [(each["distribution"], each["version"]) for each in context.installed()["plugins"]]
    parts = [row.get("status"), row.get("step"), row.get("info"), sorted(versions)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def is_due(row: Mapping[str, Any], kept: Kept | None, mark: str, now: float) -> bool:
    """Tell whether a run should be judged: one that waits has nothing to be judged by."""
    if row.get("status") == "queued":
        return False
    if kept is None:
        return True
    age_s = now - kept.judged_at
    if row.get("status") in ("running", "stopping") or kept.glance.health is None:
        return age_s >= _MOVING_S
    return kept.mark != mark or age_s >= _DAY_S


async def judge(context: ToolContext, row: Mapping[str, Any], *, with_next: bool = False) -> Answer:
    """Judge a run, and keep what was found for the pages.

    The dataset is left out, which has pages of its own.

    Args:
        context: Of the request.
        row: Of the run, with id, status, step and info.
        with_next: Ask what to try next as well.

    Returns:
        The answer of get-training-observability.

    Raises:
        JobNotFoundError: There is no such job.
    """
    report = await ask(
        context,
        "get-training-observability",
        job_id=row["id"],
        include_dataset=False,
        include_nlp=False,
        include_next_experiment=with_next,
        charts="none",
    )
    kept = Kept(mark=mark_of(context, row), judged_at=context.now(), glance=_glance(report))
    await context.run(Glances(context.store).keep, row["id"], kept)
    return report


def sorted_findings(found: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return findings, the gravest first."""
    return sorted(found, key=lambda each: _SEVERITIES.get(each["severity"], len(_SEVERITIES)))


def _glance(report: Answer) -> Glance:
    if report.problem is not None:
        return Glance(health=None, problem=report.problem)
    found = sorted_findings((report.data.get("run_report") or {}).get("findings") or ())
    evaluation = report.data.get("evaluation") or {}
    quotes = dict.fromkeys(
        (finding["code"], ref["quote"])
        for finding in found
        for ref in finding["evidence"]
        if ref.get("quote")
    )
    return Glance(
        health=report.data.get("overall_health"),
        findings=tuple((f["severity"], f["code"], f["message"]) for f in found[:_LISTED]),
        score=evaluation.get("overall_score"),
        grade=None if evaluation.get("overall_score") is None else evaluation.get("grade"),
        quotes=tuple(Quote(code=code, text=text) for code, text in list(quotes)[:_QUOTES]),
    )
