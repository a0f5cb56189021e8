"""The signatures of known failures match what they are for, and nothing else."""

from __future__ import annotations

import re
import time
from importlib.metadata import entry_points
from typing import Any, Final

import pytest

from aitk_core.evidence.failures import FailureScanner
from aitk_core.registry import load_registry
from aitk_core.services.failures import load_catalogue, read_document
from aitk_core.testing.evidence import job_row, run_evidence
from aitk_core.testing.failures import FailureCatalogueLaws, hits_of
from aitk_core.testing.recorded import recorded_runs
from aitk_observability.analyzers import errors

SPEC: Final = (
    load_registry(entry_points(group="aitk.plugins", name="observability"))
    .failure_catalogues["ai-toolkit"]
    .spec
)
EXAMPLES = read_document(SPEC)["signatures"]
CATALOGUE, _ = load_catalogue(SPEC)
RUNS = recorded_runs()


class TestOurFailures(FailureCatalogueLaws):
    spec = SPEC


def hits(text: str) -> list[str]:
    return hits_of(CATALOGUE, text)


@pytest.mark.parametrize("entry", EXAMPLES, ids=lambda entry: entry["code"])
def test_a_signature_is_the_first_to_match_its_examples_and_never_its_counter_examples(
    entry: dict[str, Any],
) -> None:
    for text in entry["examples"]:
        assert hits(text)[:1] == [entry["code"]], text
    for text in entry["counter_examples"]:
        assert entry["code"] not in hits(text), text


def test_every_signature_has_examples_and_a_code_of_its_own() -> None:
    codes = [signature.code for signature in CATALOGUE.signatures]
    assert len(codes) == len(set(codes))
    assert {entry["code"] for entry in EXAMPLES} == set(codes)


def test_every_signature_says_what_to_do_and_contains_what_it_looks_for() -> None:
    for signature in CATALOGUE.signatures:
        assert signature.remedies, signature.code
        assert signature.cause
        assert 0 < signature.confidence < 1
        for contains, pattern in signature.patterns:
            assert contains
            assert re.compile(pattern.pattern) == pattern


@pytest.mark.parametrize(
    "line",
    [
        "Loading banana.safetensors",
        "/data/Fernando/x",
        "loss: 0.5 info: ok",
        "a photo of a living room",
        "zoom bloom mushroom",
        "inference exceptional quality",
        "bottlsetup, subtitles and mittles",
        "0 error(s) found",
        "Facebook page",
    ],
)
def test_pitfall_21_22_23_24_harmless_words_match_nothing(line: str) -> None:
    assert hits(line) == []
    analysis = errors.analyze(run_evidence(log=f"Running 1 job\n{line}\n"))
    assert analysis.findings == ()
    assert analysis.facts["severity"] == "none"


def test_text_of_the_jobs_own_config_matches_nothing() -> None:
    log = 'Running 1 job\n  "prompt": "CUDA out of memory. Tried to allocate 2 GiB"\n'
    assert errors.analyze(run_evidence(log=log)).findings == ()


def test_the_same_line_fails_a_failed_run_and_only_warns_of_one_that_went_on() -> None:
    line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 238.00 MiB."
    log = f"Running 1 job\n{line}\n"
    (went_on,) = errors.analyze(run_evidence(log=log)).findings
    assert (went_on.code, went_on.severity) == ("CUDA_OOM", "warning")
    assert went_on.evidence[0].lines == (2,)
    row = job_row(status="error", info="CUDA out of memory. Tried to allocate 238.00 MiB.")
    (failed,) = errors.analyze(run_evidence(log=log, job=row)).findings
    assert (failed.code, failed.severity) == ("CUDA_OOM", "critical")


def test_a_failure_without_a_known_signature_is_still_a_failure() -> None:
    row = job_row(status="error", info="something nobody has seen before")
    (finding,) = errors.analyze(run_evidence(job=row)).findings
    assert (finding.code, finding.severity, finding.confidence) == ("RUN_FAILED", "critical", 1.0)
    assert "something nobody has seen before" in finding.message
    assert finding.unknown


def test_an_exit_code_is_not_the_cause_where_the_log_shows_one() -> None:
    row = job_row(status="error", info="Job process terminated with exit code 1.")
    log = "Running 1 job\nOSError: [Errno 28] No space left on device\n"
    findings = errors.analyze(run_evidence(log=log, job=row)).findings
    assert [finding.code for finding in findings] == ["DISK_FULL"]


def test_no_recorded_run_that_went_well_matches_a_critical_signature() -> None:
    for name, run in RUNS.items():
        if run.row["status"] == "completed":
            found = errors.analyze(run_evidence(log=run.log)).findings
            assert all(f.severity != "critical" for f in found), name
            if name != "corrupt_image":
                assert found == (), name


def test_searching_a_long_log_costs_time_in_proportion() -> None:
    text = "\n".join(
        entry["counter_examples"][0] for entry in EXAMPLES if entry["counter_examples"]
    )

    def cost(repeats: int) -> float:
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            FailureScanner(CATALOGUE).feed(enumerate((text * repeats).split("\n"), 1))
            best = min(best, time.process_time() - start)
        return best

    assert cost(80) < 12 * max(cost(20), 5e-3)


@pytest.mark.parametrize("text", ["Connection " * 100_000, "(" * 200_000, "a" * 200_000])
def test_pitfall_28_no_line_makes_a_signature_slow(text: str) -> None:
    start = time.process_time()
    for literal in ("CUDA out of memory. Tried to allocate ", "Error no file named ", ""):
        hits(literal + text)
    assert time.process_time() - start < 2.0
