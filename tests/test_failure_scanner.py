"""What hits a failure catalogue in a log, and what never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.evidence import failures
from aitk_core.evidence.failurepatterns import MAX_LINE_CHARS
from aitk_core.evidence.failures import (
    ROW,
    FailureScanner,
    find_failures,
    read_catalogue,
)
from aitk_core.evidence.logscan import scan_log
from aitk_core.testing.failures import hits_of

if TYPE_CHECKING:
    from aitk_core.evidence.failures import FailureCatalogue

DOWN = "acme: the vault is down"


def entry(code: str = "ACME_DOWN", *patterns: str, **more: Any) -> dict[str, Any]:
    usual = {
        "code": code,
        "category": "network",
        "severity": "critical",
        "confidence": 0.9,
        "patterns": list(patterns) or ["the vault is down"],
        "cause": "The vault does not answer.",
        "remedies": [{"path": "train.vault", "change": "another vault"}],
        "sources": ["acme manual, section 3"],
        "examples": [DOWN],
    }
    return usual | more


def catalogue(*entries: dict[str, Any], name: str = "acme") -> FailureCatalogue:
    found, faults = read_catalogue(name, {"version": 1, "signatures": list(entries)})
    assert faults == ()
    return found


ACME = catalogue(entry())


def numbers(log: str, known: FailureCatalogue = ACME) -> list[int]:
    return [hit.number for hit in find_failures(known, scan_log(log, bar_name="my_lora")).hits]


def test_a_hit_quotes_its_line_and_number() -> None:
    (hit,) = find_failures(ACME, scan_log(f"Running 1 job\n\n{DOWN}\n", bar_name=None)).hits
    assert (hit.number, hit.text, hit.traceback) == (3, DOWN, None)
    assert (hit.signature.code, hit.signature.catalogue) == ("ACME_DOWN", "acme")
    assert hit.signature.remedies == (("train.vault", "another vault"),)


def test_an_earlier_run_in_the_same_log_says_nothing_of_this_one() -> None:
    assert numbers(f"Running 1 job\n{DOWN}\nRunning 1 job\nfine\n") == []
    assert numbers(f"Running 1 job\n{DOWN}\nRunning 1 job\n{DOWN}\n") == [4]


def test_the_traceback_of_a_requested_stop_is_passed_over() -> None:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'
    assert numbers(f"{trace}    {DOWN}\nException: Job stopped\n") == []
    assert numbers(f"{trace}    {DOWN}\nException: boom\n") == [3]


def test_a_chain_of_exceptions_is_one_traceback_with_all_its_hits() -> None:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n'
    link = "\nDuring handling of the above exception, another exception occurred:\n\n"
    log = f"{trace}OSError: {DOWN}\n{link}{trace}RuntimeError: {DOWN}\n"
    found = find_failures(ACME, scan_log(log, bar_name=None)).hits
    assert [(hit.number, hit.traceback) for hit in found] == [(3, (1, 9)), (9, (1, 9))]


def test_redraws_of_a_bar_and_its_name_are_no_messages() -> None:
    frame = f"{DOWN}:  10%|9  | 299/3000 [10:44<1:37:05,  2.16s/it, lr: 2.0e-04 loss: 5.2e-01]"
    assert numbers(f"\r{frame}\r{frame}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        f'    "prompt": "{DOWN}",',
        f'"caption": "{DOWN}"',
        f"prompt: {DOWN}",
        f"  Prompts = {DOWN}",
        f"Negative prompt: {DOWN}",
        f"Captions: {DOWN}",
        f"The following part of your input was truncated because it is long: ['{DOWN}']",
    ],
)
def test_what_a_person_wrote_hits_nothing(line: str) -> None:
    assert hits_of(ACME, line) == []


def test_a_caption_that_was_cut_is_still_told_and_quoted() -> None:
    mark = "The following part of your input was truncated because "
    known = catalogue(entry("ACME_CUT", mark), entry())
    scanner = FailureScanner(known)
    scanner.feed([(1, f"{mark}of its length: ['{DOWN}']")])
    (hit,) = scanner.hits
    assert hit.signature.code == "ACME_CUT"
    assert hit.text.endswith(f"['{DOWN}']")


def test_a_line_hits_a_code_once_and_every_code_that_fits_in_their_order() -> None:
    known = catalogue(entry("ACME_ONE", "vault", "down"), entry("ACME_TWO", "acme: "))
    assert hits_of(known, DOWN) == ["ACME_ONE", "ACME_TWO"]


def test_a_line_that_says_what_excludes_a_signature_hits_only_the_others() -> None:
    first = entry("ACME_DOWN", unless=["the vault is down for"])
    known = catalogue(first, entry("ACME_VAULT", "acme: the vault"))
    assert hits_of(known, DOWN) == ["ACME_DOWN", "ACME_VAULT"]
    assert hits_of(known, f"{DOWN} for a minute, trying again") == ["ACME_VAULT"]


def test_a_refused_exclusion_costs_its_signature() -> None:
    document = {"version": 1, "signatures": [entry(unless=["(a+)+b"]), entry("ACME_OTHER")]}
    found, faults = read_catalogue("acme", document)
    assert [signature.code for signature in found.signatures] == ["ACME_OTHER"]
    assert len(faults) == 1


def test_the_process_that_torch_names_before_a_line_hides_nothing() -> None:
    known = catalogue(entry("ACME_DOWN", "^acme: the vault"))
    assert hits_of(known, f"[rank0]: {DOWN}") == ["ACME_DOWN"]
    assert hits_of(known, f"[rank one]: {DOWN}") == []


def test_numbers_in_a_line_do_not_hide_a_literal_with_digits() -> None:
    known = catalogue(entry("ACME_404", "error 404"))
    assert hits_of(known, "step 17\nerror 404\nerror 405") == ["ACME_404"]


def test_a_code_that_floods_the_log_crowds_out_no_other() -> None:
    known = catalogue(entry("ACME_FLOOD", "flooded"), entry())
    found = hits_of(known, "\n".join(["flooded"] * 3000 + [DOWN]))
    assert (found.count("ACME_FLOOD"), found.count("ACME_DOWN")) == (1000, 1)


def test_no_more_of_a_line_is_searched_than_its_cost_was_computed_for() -> None:
    assert hits_of(ACME, "x" * (MAX_LINE_CHARS - len(DOWN)) + DOWN) == ["ACME_DOWN"]
    assert hits_of(ACME, "x" * MAX_LINE_CHARS + DOWN) == []


def test_a_catalogue_that_costs_too_much_is_searched_no_further_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(failures, "_MAX_LOG_STEPS", 100_000)
    dear = catalogue(entry("ACME_DEAR", "dear .*x"), name="dear")
    both, taken = dear.merge(ACME)
    assert taken == {}
    assert hits_of(both, "dear x") == ["ACME_DEAR"]
    log = scan_log("\n".join(["dear " * 50] * 200 + ["dear x", DOWN]), bar_name=None)
    found = find_failures(both, log)
    assert found.given_up == ("dear",)
    assert [hit.signature.code for hit in found.hits] == ["ACME_DOWN"]
    lines = [(line.number, line.text) for line in log.messages]
    parts = FailureScanner(both)
    for line in lines:
        parts.feed([line])
    assert (parts.hits, parts.given_up) == (found.hits, found.given_up)


def test_the_row_stands_last_as_line_0_and_needs_no_log() -> None:
    assert [hit.number for hit in find_failures(ACME, None, DOWN).hits] == [ROW]
    scan = scan_log(f"{DOWN}\n", bar_name=None)
    assert [hit.number for hit in find_failures(ACME, scan, f"x\n{DOWN}").hits] == [1, ROW]
    assert find_failures(ACME, None).hits == ()


def test_a_refused_expression_or_a_repeated_code_costs_its_own_signature_only() -> None:
    document = {"signatures": [entry("ACME_EVIL", "evil (a+)+$"), entry(), entry()]}
    found, faults = read_catalogue("acme", document)
    assert [signature.code for signature in found.signatures] == ["ACME_DOWN"]
    assert ["ACME_EVIL" in faults[0], "ACME_DOWN" in faults[1], len(faults)] == [True, True, 2]
    assert hits_of(found, "evil " + "a" * 4000 + "b\n" + DOWN) == ["ACME_DOWN"]


def test_a_code_that_is_taken_stays_with_its_owner() -> None:
    other = catalogue(entry("ACME_DOWN", "vaulted"), entry("ZEBRA_DOWN", "striped"), name="zebra")
    both, taken = ACME.merge(other)
    assert taken == {"ACME_DOWN": "acme"}
    assert hits_of(both, f"{DOWN}\nvaulted\nstriped") == ["ACME_DOWN", "ZEBRA_DOWN"]
