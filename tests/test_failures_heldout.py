"""The failure catalogue on logs that it was not written from (benchmarks/heldout_logs*.json)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from aitk_core.proving.build import job_row, run_evidence
from aitk_core.proving.logs import figures, pooled, read_logs
from aitk_core.registry import load_registry
from aitk_core.services.analysis import analyze_one
from aitk_core.services.failures import declared_catalogues, read_document
from aitk_core.services.redaction import Redactor
from aitk_core.testing.failures import answers_to, hits_of, installed_failures

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.proving.logs import Answer, LoggedRun

FOLDER: Final = Path(__file__).parents[1] / "benchmarks"
CORPORA: Final = {
    name: read_logs(FOLDER / name) for name in ("heldout_logs.json", "heldout_logs_b.json")
}
LOGS: Final = [log for logs in CORPORA.values() for log in logs]
FAILED: Final = [log for log in LOGS if log.is_failed]
HEALTHY: Final = [log for log in LOGS if not log.is_failed]
DEVELOPMENT: Final = [log for log in FAILED if not log.is_held_out]
UNSOLVED: Final = {
    "https://github.com/TheLastBen/PPS/issues/24",
    "https://github.com/huggingface/diffusers/issues/8874",
}
"""Development logs whose cause is not named, or not rightly."""
_OF_A_MACHINE: Final = re.compile(
    r"(?<![\w./])/(?:home/(?!user\b)|root|mnt|tmp|var|work)/?|[A-Za-z]:\\+Users\\+(?![\\]|user\b)"
)
_ADDRESS: Final = re.compile(r"[\w.]+@[\w-]+\.\w{2,}|\b\d{1,3}(?:\.\d{1,3}){3}\b")


@cache
def answers(*, healthy: bool, is_failed: bool) -> dict[str, Answer]:
    logs = HEALTHY if healthy else FAILED
    found = answers_to(logs, installed_failures(), is_failed=is_failed)
    return {answer.log.source: answer for answer in found}


@cache
def entries() -> tuple[dict[str, Any], ...]:
    documents = (read_document(owned.spec) for owned in declared_catalogues(load_registry()))
    return tuple(entry for document in documents for entry in document["signatures"])


def named(logs: Iterable[LoggedRun]) -> list[str]:
    return [log.source.removeprefix("https://github.com/") for log in logs]


@pytest.mark.parametrize("name", CORPORA)
def test_there_are_enough_logs_in_both_halves_of_a_corpus(name: str) -> None:
    logs = CORPORA[name]
    assert sum(log.is_failed for log in logs) >= 80
    assert sum(not log.is_failed for log in logs) >= 20
    assert 0.4 < sum(log.is_held_out for log in logs) / len(logs) < 0.6


def test_each_log_is_from_a_thread_of_its_own_and_is_judged() -> None:
    assert len({log.source for log in LOGS}) == len(LOGS)
    for log in LOGS:
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", log.source)
        assert log.date is None or re.fullmatch(r"20\d\d-\d\d-\d\d", log.date)
        assert log.reason
        assert 0 < len(log.lines) <= 40
        assert (log.cause is not None) == log.is_failed
        assert log.is_failed or not log.right | log.later


def test_no_log_holds_a_path_of_a_machine_an_address_or_a_secret() -> None:
    lines = [line for log in LOGS for line in log.lines]
    assert [line for line in lines if _OF_A_MACHINE.search(line) or _ADDRESS.search(line)] == []
    assert [line for line in lines if Redactor().text(line) != line] == []


def test_what_would_be_right_is_in_the_catalogue() -> None:
    codes = {signature.code for signature in installed_failures().signatures}
    assert {code for log in LOGS for code in log.right | log.later} <= codes


def test_the_catalogue_was_not_written_from_what_is_held_out() -> None:
    held = [log for log in LOGS if log.is_held_out and log.is_failed]
    threads = {re.sub(r"https://github\.com/(.*)/\w+/(\d+)", r"\1#\2", log.source) for log in held}
    sources = {source.split(" ")[0] for entry in entries() for source in entry["sources"]}
    assert threads & sources == set()
    assert len(threads) == len(held)


@pytest.mark.parametrize("log", HEALTHY, ids=named(HEALTHY))
def test_a_healthy_log_gives_no_critical_finding(log: LoggedRun) -> None:
    assert answers(healthy=True, is_failed=False)[log.source].critical == set()


@pytest.mark.parametrize("log", DEVELOPMENT, ids=named(DEVELOPMENT))
def test_a_development_log_that_is_solved_stays_solved(log: LoggedRun) -> None:
    answer = answers(healthy=False, is_failed=True)[log.source]
    solved = answer.is_right if answer.is_known else answer.cause is None
    assert solved == (log.source not in UNSOLVED), answer.cause


def test_a_failed_run_is_critical_whatever_it_printed() -> None:
    for answer in answers(healthy=False, is_failed=True).values():
        assert answer.critical, answer.log.source


def test_figures_count_what_was_named_and_what_was_rightly_left_unknown() -> None:
    found = answers(healthy=False, is_failed=True)
    right = next(a for a in found.values() if a.is_right and not a.log.later)
    unknown = next(a for a in found.values() if not a.is_known and a.cause is None)
    shares = figures([right, right, unknown])
    counted = {name: (share["count"], share["of"]) for name, share in shares.items()}
    assert counted == {
        "recall": (2, 2),
        "recall_all": (2, 3),
        "told": (2, 2),
        "precision": (2, 2),
        "unknown": (1, 1),
    }
    assert figures([right])["unknown"] == {"count": 0, "of": 0, "interval": None}


def test_pooled_figures_are_sums_with_intervals_of_the_sums() -> None:
    row = {"stated": "0.9 to 0.95", "stated_mean": 0.92, "findings": 3, "right": 3}
    low = {"stated": "below 0.8", "stated_mean": 0.7, "findings": 1, "right": 0}
    share = {"count": 1, "of": 2, "interval": [0.0, 1.0]}
    none = {"count": 0, "of": 0, "interval": None}
    one = {"failed": 2, "recall": share, "unknown": none, "calibration": [row]}
    few = row | {"findings": 1, "right": 1, "stated_mean": 0.9}
    other = {"failed": 5, "recall": share, "unknown": none, "calibration": [low, few]}
    found = pooled("both", [one, other])
    assert found["failed"] == 7
    assert (found["recall"]["count"], found["recall"]["of"]) == (2, 4)
    assert found["recall"]["interval"] == pytest.approx([0.0676, 0.9324], abs=1e-3)
    assert found["unknown"] == none
    rows = [
        (r["stated"], r["stated_mean"], r["findings"], r["right"]) for r in found["calibration"]
    ]
    assert rows == [("below 0.8", 0.7, 1, 0), ("0.9 to 0.95", 0.915, 4, 4)]
    assert {r["data"] for r in found["calibration"]} == {"both"}


def test_what_a_library_says_while_it_goes_on_is_no_cause() -> None:
    catalogue = installed_failures()
    entries_with = [entry for entry in entries() if "unless" in entry]
    assert {entry["code"] for entry in entries_with} >= {"CUDNN_ERROR", "MPS_UNSUPPORTED"}
    for entry in entries_with:
        texts = entry["counter_examples"]
        assert any(re.search(source, text) for source in entry["unless"] for text in texts)
        assert not [text for text in texts if entry["code"] in hits_of(catalogue, text)]


def test_an_exception_that_two_copies_of_stderr_name_is_known_as_if_named_once() -> None:
    catalogue = installed_failures()
    raised = [
        (found[1], found[2], entry["code"])
        for entry in entries()
        for example in entry["examples"]
        if (found := re.fullmatch(r"([\w.]*(?:Error|Exception)): (.+)", example))
    ]
    assert len(raised) > 50
    for name, message, code in raised:
        twice = f"{name}{name}: : {message}{message}"
        assert hits_of(catalogue, twice)[:1] == [code], twice


def test_what_looks_twice_named_but_is_not_stays_as_it_is() -> None:
    catalogue = installed_failures()
    assert hits_of(catalogue, "ModuleNotFoundErrorImportError: : No module named 'a_b'") == []


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("OSError: image file is truncated (12 bytes not processed)\n", "IMAGE_UNREADABLE"),
        ("Error processing image: /data/a/07.jpg\n", "RUN_FAILED"),
        ("OSError: broken PNG file\nError running job: No module named 'a_b'\n", "MODULE_MISSING"),
    ],
)
def test_what_mostly_only_harms_is_the_cause_where_it_was_raised_and_nothing_else_was(
    log: str, code: str
) -> None:
    evidence = run_evidence(
        log="Running 1 job\n" + log, job=job_row(status="error"), catalogue=installed_failures()
    )
    spec = load_registry().analyzers["errors"].spec
    assert analyze_one(spec, evidence).findings[0].code == code
