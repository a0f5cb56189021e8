"""Runs analyzers, each isolated from the others.

One that raises, returns nonsense or takes too long costs its own contribution only, and is
named with its distribution in the answer's notes and in the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.records.findings import Analysis, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.registry import Owned
    from aitk_core.services.executor import WorkerPool
    from aitk_core.specs import AnalyzerSpec

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class AnalysisOutcomes:
    """What the analyzers of one subject said."""

    analyses: Mapping[str, Analysis]
    notes: tuple[str, ...]


async def run_analyzers(
    analyzers: Iterable[Owned[AnalyzerSpec]],
    evidence: object,
    *,
    pool: WorkerPool,
    timeout_s: float,
) -> AnalysisOutcomes:
    """Run each analyzer on the evidence, away from the event loop.

    Args:
        analyzers: Those of the evidence's subject.
        evidence: Immutable; every analyzer sees the same.
        pool: Where they run.
        timeout_s: For each of them. A thread cannot be stopped, so one that never ends keeps
            a worker; it is named, and its answer is not waited for.
    """
    # One after the other: they are short, and share the interpreter lock anyway.
    analyses: dict[str, Analysis] = {}
    notes: list[str] = []
    for owned in analyzers:
        name, distribution = owned.spec.name, owned.plugin.distribution
        scope = asyncio.timeout(timeout_s)
        try:
            async with scope:
                analyses[name] = await pool.run(analyze_one, owned.spec, evidence)
        except (Exception, SystemExit) as error:  # foreign code may fail in any way
            if scope.expired():
                notes.append(f"analyzer {name} ({distribution}) took longer than {timeout_s:g} s")
                logger.warning("analyzer %s (%s): timed out", name, distribution)
                continue
            notes.append(f"analyzer {name} ({distribution}) failed: {type(error).__name__}")
            logger.exception("analyzer %s (%s)", name, distribution)
    return AnalysisOutcomes(analyses=analyses, notes=tuple(notes))


def analyze_one(spec: AnalyzerSpec, evidence: object) -> Analysis:
    """Run one analyzer here and now, without any limit.

    Raises:
        TypeError: It returned something else than an analysis or findings.
    """
    answer = spec.analyze.load()(evidence)
    if not isinstance(answer, Analysis):
        answer = Analysis(findings=tuple(answer))
    for finding in answer.findings:
        if not isinstance(finding, Finding):
            raise TypeError(f"{type(finding).__name__} is not a Finding")
    return answer
