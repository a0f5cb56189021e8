"""One analyzer's fault costs its own contribution, and names its distribution."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from aitk_core.records.findings import Analysis, Finding
from aitk_core.records.results import ToolResult
from aitk_core.services.analysis import run_analyzers
from aitk_core.services.executor import WorkerPool
from aitk_core.specs import AnalyzerSpec, Lazy
from aitk_core.testing.plugins import (
    call_fake,
    declare,
    fake_application,
    fake_distribution,
    fake_tool,
    lazy,
    load_fake,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aitk_core.protocols import ToolContext
    from aitk_core.services.analysis import AnalysisOutcomes

FINDING = Finding(
    code="ACME_SLOW", category="acme", severity="info", message="it is slow", method="acme_v1"
)


def good(evidence: Any) -> Iterator[Finding]:
    if evidence == "evidence":
        yield FINDING


def facts(_evidence: Any) -> Analysis:
    return Analysis(assessed=False, reason="there is no log", facts={"count": 0})


def raises(_evidence: Any) -> Analysis:
    raise RuntimeError("secret path")


def exits(_evidence: Any) -> Analysis:
    raise SystemExit(1)


def finds_no_first(_evidence: Any) -> Analysis:
    nothing: list[Analysis] = []
    return next(analysis for analysis in nothing)


def times_out_itself(_evidence: Any) -> Analysis:
    raise TimeoutError("a socket of its own")


def half(_evidence: Any) -> Iterator[Finding]:
    yield FINDING
    raise ValueError("half way")


def run(folder: Path, timeout_s: float = 60.0, **analyzers: Any) -> AnalysisOutcomes:
    specs = [
        AnalyzerSpec(name=name, analyze=code if isinstance(code, Lazy) else lazy(code))
        for name, code in analyzers.items()
    ]
    points = fake_distribution(folder, "acme-probe", {"acme": declare(aitk_analyzers=specs)})
    owned = load_fake(points).analyzers.values()

    async def scenario() -> AnalysisOutcomes:
        pool = WorkerPool(workers=2)
        try:
            return await run_analyzers(owned, "evidence", pool=pool, timeout_s=timeout_s)
        finally:
            pool.close()

    return asyncio.run(scenario())


def test_findings_and_analyses_are_kept_by_the_analyzer_s_name(tmp_path: Path) -> None:
    found = run(tmp_path, good=good, facts=facts)
    assert found.analyses["good"] == Analysis(findings=(FINDING,))
    assert found.analyses["facts"].assessed is False
    assert found.notes == ()


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (raises, "RuntimeError"),
        (exits, "SystemExit"),
        (finds_no_first, "RuntimeError"),
        (times_out_itself, "TimeoutError"),
        (half, "ValueError"),
        (lambda: None, "TypeError"),
        (lambda _evidence: None, "TypeError"),
        (lambda _evidence: 5, "TypeError"),
        (lambda _evidence: ["slow"], "TypeError"),
        (lambda _evidence: [{"code": "X"}], "TypeError"),
        (lambda _evidence: Analysis(findings=cast("Any", ("slow",))), "TypeError"),
        (Lazy("no_such_module:analyze"), "ModuleNotFoundError"),
        (Lazy("json:analyze"), "AttributeError"),
    ],
)
def test_one_that_fails_is_named_and_the_others_answer(
    bad: Callable[..., Any], kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        found = run(tmp_path, a_good=good, bad=bad, z_good=good)
    assert list(found.analyses) == ["a_good", "z_good"]
    assert found.notes == (f"analyzer bad (acme-probe) failed: {kind}",)
    assert "analyzer bad (acme-probe)" in caplog.text


def test_one_that_is_too_slow_is_left_out_and_not_waited_for(tmp_path: Path) -> None:
    go_on = threading.Event()

    def slow(_evidence: Any) -> Analysis:
        go_on.wait(30)
        return Analysis()

    try:
        found = run(tmp_path, timeout_s=0.02, bad=slow, good=good)
    finally:
        go_on.set()
    assert list(found.analyses) == ["good"]
    assert found.notes == ("analyzer bad (acme-probe) took longer than 0.02 s",)


def test_a_tool_gets_the_analyzers_of_the_subject_it_asks_for() -> None:
    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        outcomes = await context.analyze("config", "evidence")
        return ToolResult(data={"names": list(outcomes.analyses), "notes": outcomes.notes})

    analyzers = [
        AnalyzerSpec(name="of-run", analyze=lazy(good)),
        AnalyzerSpec(name="of-config", subject="config", analyze=lazy(good)),
        AnalyzerSpec(name="of-config-too", subject="config", analyze=lazy(raises)),
    ]
    application = fake_application(fake_tool(look), aitk_analyzers=analyzers)
    assert call_fake(application, "probe").data == {
        "names": ["of-config"],
        "notes": ["analyzer of-config-too (?) failed: RuntimeError"],
    }


def test_the_time_of_one_analyzer_is_a_setting() -> None:
    go_on = threading.Event()

    def slow(_evidence: Any) -> Analysis:
        go_on.wait(30)
        return Analysis()

    async def look(_arguments: Any, context: ToolContext) -> ToolResult:
        return ToolResult(data={"notes": (await context.analyze("run", None)).notes})

    application = fake_application(
        fake_tool(look),
        aitk_analyzers=[AnalyzerSpec(name="slow", analyze=lazy(slow))],
        environment={"AITK_ANALYZER_TIMEOUT_SECONDS": "0.02"},
    )
    try:
        data = call_fake(application, "probe").data
    finally:
        go_on.set()
    assert data == {"notes": ["analyzer slow (?) took longer than 0.02 s"]}
