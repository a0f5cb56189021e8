"""Analyzers of other distributions: their findings count, their faults stay theirs."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

import pytest

from aitk_core.records.findings import Analysis, Estimate, Finding, Remedy
from aitk_core.registry import load_registry
from aitk_core.specs import AnalyzerSpec
from aitk_core.testing.evidence import answer_of
from aitk_core.testing.plugins import declare, fake_distribution, lazy
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.evidence.records import RunEvidence

RUNS = recorded_runs()
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))


def observe(
    folder: Path, analyze: Callable[..., Any], *, run: str = "ok_200_steps", **more: str
) -> dict[str, Any]:
    name, owner = more.get("name", "acme_rank"), more.get("owner", "acme")
    plugin = declare(aitk_analyzers=[AnalyzerSpec(name=name, analyze=lazy(analyze))])
    points = (*PLUGIN, *fake_distribution(folder, "acme-checks", {owner: plugin}))
    recording = RUNS[run]
    arguments = {"job_id": recording.job_id}
    answer = answer_of([recording], "get-training-observability", arguments, points=points)
    assert answer.data is not None
    return dict(answer.data)


def finding(**fields: Any) -> Finding:
    usual = {
        "code": "ACME_RANK_HIGH",
        "category": "quality",
        "severity": "warning",
        "message": "rank 256 is more than four images can fill",
        "method": "acme_rank_v1",
        "remedies": (Remedy(action="use a lower rank", path="config.process.0.network.linear"),),
    }
    return Finding(**(usual | fields))


def test_a_finding_of_another_distribution_is_in_every_part_of_the_report(tmp_path: Path) -> None:
    data = observe(tmp_path, lambda _evidence: [finding(n=4, confidence=0.8)])
    assert data["overall_health"] == "warning"
    assert [f["code"] for f in data["run_report"]["findings"]] == ["ACME_RANK_HIGH"]
    assert data["alerts"][0]["message"].startswith("rank 256")
    assert data["intelligence"]["bottlenecks"][0]["finding"] == "ACME_RANK_HIGH"
    (advice,) = data["intelligence"]["recommendations"]
    assert advice["path"] == "config.process.0.network.linear"
    assert data["run_report"]["notes"] == []


def test_it_sees_the_same_evidence(tmp_path: Path) -> None:
    seen: list[RunEvidence] = []

    def analyze(evidence: RunEvidence) -> Analysis:
        seen.append(evidence)
        return Analysis(assessed=False, reason="acme needs two runs")

    data = observe(tmp_path, analyze)
    assert len(seen[0].loss or ()) == len(RUNS["ok_200_steps"].metrics["loss/loss"])
    not_assessed = data["run_report"]["not_assessed"]
    assert not_assessed["acme_rank"] == "acme needs two runs"
    assert set(not_assessed) == {"acme_rank", "samples"}
    assert data["overall_health"] == "healthy"


def test_a_number_that_json_lacks_is_shown_as_none(tmp_path: Path) -> None:
    nan = Estimate(value=float("nan"), unit="share")
    data = observe(tmp_path, lambda _evidence: [finding(estimate=nan)])
    assert data["run_report"]["findings"][0]["estimate"]["value"] is None


def test_its_critical_finding_about_a_dataset_says_nothing_about_stability(tmp_path: Path) -> None:
    data = observe(tmp_path, lambda _evidence: [finding(severity="critical", category="dataset")])
    assert data["overall_health"] == "critical"
    assert data["evaluation"]["components"]["stability"] == 100.0
    assert data["evaluation"]["passed"] is False


def _raise(_evidence: Any) -> Any:
    raise RuntimeError("boom")


def _exit(_evidence: Any) -> Any:
    sys.exit(3)


@pytest.mark.parametrize(
    "analyze",
    [
        _raise,
        _exit,
        lambda _evidence: 7,
        lambda _evidence: None,
        lambda _evidence: [{"code": "X"}],
        lambda _evidence: [finding(severity="fatal")],
        lambda _evidence: [finding(estimate=Estimate(value=1.0, unit=cast("Any", 7)))],
        lambda _evidence: [finding(message=None)],
        lambda _evidence: [finding(n="many")],
        lambda _evidence: Analysis(assessed=False, reason=cast("Any", None)),
        lambda _evidence: Analysis(findings=cast("Any", [object()])),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_one_that_fails_or_answers_nonsense_is_named_and_the_rest_stands(
    tmp_path: Path, analyze: Callable[..., Any]
) -> None:
    data = observe(tmp_path, analyze, run="nan_loss")
    (note,) = data["run_report"]["notes"]
    assert "acme_rank" in note
    assert "acme-checks" in note
    assert "boom" not in str(data)
    codes = [f["code"] for f in data["run_report"]["findings"]]
    assert codes == ["LOSS_NONFINITE", "LOSS_DIVERGED"]


def test_one_that_takes_too_long_is_named_and_the_rest_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aitk_core.context import CallContext
    from aitk_core.services.analysis import run_analyzers

    async def hurried(self: CallContext, subject: str, evidence: object) -> Any:
        owned = self.services.registry.analyzers.values()
        analyzers = [one for one in owned if one.spec.subject == subject]
        pool = self.services.pool
        return await run_analyzers(analyzers, evidence, pool=pool, timeout_s=0.5)

    monkeypatch.setattr(CallContext, "analyze", hurried)

    def slow(_evidence: Any) -> Any:
        time.sleep(0.6)
        return []

    (note,) = observe(tmp_path, slow)["run_report"]["notes"]
    assert "took longer than 0.5 s" in note


def test_a_name_that_is_taken_stays_with_its_owner(tmp_path: Path) -> None:
    data = observe(tmp_path, _raise, name="loss", owner="zebra")
    assert data["overall_health"] == "healthy"
    assert data["quality_analysis"]["loss"]["count"] == 199


def test_without_the_loss_analyzer_the_report_says_so_and_claims_nothing(tmp_path: Path) -> None:
    def nothing(_evidence: Any) -> list[Finding]:
        return []

    plugin = declare(aitk_analyzers=[AnalyzerSpec(name="loss", analyze=lazy(nothing))])
    # Entry points load by name, so this one takes the name before the owner does.
    first = fake_distribution(tmp_path, "acme-checks", {"acme": plugin})
    run = RUNS["ok_200_steps"]
    answer = answer_of(
        [run], "get-training-observability", {"job_id": run.job_id}, points=(*first, *PLUGIN)
    )
    assert answer.data is not None
    assert answer.data["overall_health"] == "insufficient_evidence"
    assert answer.data["evaluation"]["passed"] is False


def test_the_plugin_alone_has_no_problems_and_every_target_of_it_loads() -> None:
    registry = load_registry(PLUGIN)
    assert registry.problems == ()
    specs: list[Any] = [owned.spec for owned in registry.tools.values()]
    assert [spec.name for spec in specs] == sorted(
        [
            "compare-training-runs",
            "evaluate-lora",
            "get-system-stats",
            "get-training-logs",
            "get-training-observability",
            "suggest-next-experiment",
            "watch-training-timeseries",
        ]
    )
    assert all(spec.read_only for spec in specs)
    assert all(callable(spec.handler.load()) for spec in specs)
    for owned in registry.analyzers.values():
        assert callable(owned.spec.analyze.load())
    for policy in registry.band_policies.values():
        assert callable(policy.spec.policy.load())


def test_listing_the_tools_imports_nothing_heavy_and_judging_a_run_no_network() -> None:
    program = """
import sys
from importlib.metadata import entry_points
from aitk_core.registry import load_registry
registry = load_registry(entry_points(group="aitk.plugins", name="observability"))
heavy = {"numpy", "httpx", "jsonschema", "PIL", "mcp", "starlette"} & set(sys.modules)
assert not heavy, heavy
for owned in registry.analyzers.values():
    owned.spec.analyze.load()
import aitk_observability.report.build
network = {"httpx", "httpcore", "starlette", "ssl"} & set(sys.modules)
assert not network, network
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
