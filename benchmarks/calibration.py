"""Stated confidence of findings against how often they were right; used by bench_detection.py."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from aitk_core.proving.build import run_evidence
from aitk_core.proving.recorded import evidence_of, recorded_runs
from aitk_core.proving.shared import failures
from aitk_core.registry import load_registry
from aitk_core.services.analysis import analyze_one
from aitk_core.services.proving import with_hits
from aitk_core.statistics.rates import binomial_interval
from aitk_core.testing.failures import installed_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from aitk_core.proving.traces import Trace
    from aitk_core.records.findings import Finding

BINS: Final = (0.0, 0.8, 0.9, 0.95, 1.0)

RIGHT: Final = {
    "corrupt_image": {"IMAGE_UNREADABLE"},
    "dataset_removed_midway": {"DATASET_FILES_GONE", "IMAGE_UNREADABLE"},
    "fail_missing_dataset": {"PATH_NOT_FOUND"},
    "fail_missing_model_path": {"MODEL_FILE_MISSING"},
    "fail_missing_repo_offline": {"NET_DNS", "HF_OFFLINE_CACHE_MISS"},
    "kill9_worker_alive": {"PROC_SIGNAL"},
    "nan_loss": {"LOSS_NONFINITE"},
}
"""What may be said with confidence of a recorded run (`expected` in its run.json)."""

SAME: Final = {"LOSS_NAN": {"LOSS_NONFINITE"}}
"""What another analyzer calls the same failure of the catalogue."""


def calibration(shared: Path | None, traces: Sequence[Trace]) -> list[dict[str, Any]]:
    """Return stated against observed confidence."""
    analyzers = [
        one.spec for one in load_registry().analyzers.values() if one.spec.subject == "run"
    ]

    catalogue = installed_failures()

    def say(evidence: Any) -> list[Finding]:
        evidence = with_hits(evidence, catalogue)
        found = [f for spec in analyzers for f in analyze_one(spec, evidence).findings]
        return [finding for finding in found if finding.confidence is not None]

    recorded = {failure.name: failure.evidence for failure in failures()}
    recorded = {name: evidence_of(run) for name, run in recorded_runs().items()} | recorded
    verdicts = [
        (finding.confidence or 0.0, finding.code in RIGHT.get(name, ()))
        for name, evidence in recorded.items()
        for finding in say(evidence)
    ]
    rows = list(binned("recorded runs", verdicts))
    if traces:
        on_runs = [
            (finding.confidence or 0.0, False)
            for trace in traces
            for finding in say(trace.evidence())
        ]
        rows += list(binned("public traces", on_runs))
    if shared is not None and (shared / "failures.json").is_file():
        entries = json.loads((shared / "failures.json").read_text("utf-8"))["entries"]
        rows += list(binned("lines of the catalogue", list(_of_lines(entries, say))))
    return rows


def _of_lines(
    entries: Iterable[dict[str, Any]], say: Callable[[Any], list[Finding]]
) -> Iterator[tuple[float, bool]]:
    """Yield confidence and truth for each finding that example and counter-example lines give."""
    for entry in entries:
        right = {entry["code"], *entry.get("overlaps", ()), *SAME.get(entry["code"], ())}
        for line in entry["example_lines"]:
            for finding in say(run_evidence(log=f"Running 1 job\n{line}\n")):
                yield finding.confidence or 0.0, finding.code in right
        for line in entry["counter_examples"]:
            for finding in say(run_evidence(log=f"Running 1 job\n{line}\n")):
                if finding.code == entry["code"]:
                    yield finding.confidence or 0.0, False


def binned(data: str, verdicts: list[tuple[float, bool]]) -> Iterator[dict[str, Any]]:
    """Yield one row for each range of stated confidence that occurred, or one that says none."""
    if not verdicts:
        yield {
            "data": data, "stated": "none was stated", "stated_mean": None, "findings": 0,
            "right": 0, "interval": None,
        }  # fmt: skip
    for low, high in pairwise(BINS):
        inside = [v for v in verdicts if low <= v[0] < high or v[0] == high == 1.0]
        if inside:
            right = sum(is_right for _, is_right in inside)
            yield {
                "data": data,
                "stated": f"{low:g} to {high:g}" if low else f"below {high:g}",
                "stated_mean": round(sum(stated for stated, _ in inside) / len(inside), 4),
                "findings": len(inside),
                "right": right,
                "interval": list(binomial_interval(right, len(inside))),
            }
