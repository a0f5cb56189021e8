"""Third-party analyzers under proof: what they find, miss and cry, and what their faults cost."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from aitk_core.proving.build import generated_run, run_evidence
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.generate import noise_losses, shifted
from aitk_core.records.findings import Analysis, Finding
from aitk_core.services.proving import prove_analyzers
from aitk_core.specs import AnalyzerSpec
from aitk_core.statistics.description import FalseAlarmRate
from aitk_core.testing.plugins import declare, fake_distribution, lazy, load_fake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aitk_core.evidence.records import RunEvidence
    from aitk_core.proving.outcomes import Card

HEALTHY = noise_losses(np.random.default_rng(3), 1200)
UNHEARD_OF = 2.0
"""No sound run averages as much over fifty losses (STATS.md section 12)."""


def finding(code: str = "ACME_HIGH", **more: Any) -> Finding:
    fields = {"category": "acme", "severity": "warning", "message": "high", "method": "acme_v1"}
    return Finding(code=code, **(fields | more))


def high(evidence: RunEvidence) -> Iterator[Finding]:
    loss = evidence.loss
    if loss is not None and len(loss) >= 50 and np.mean(loss.values[-50:]) > UNHEARD_OF:
        yield finding()


def eager(_evidence: RunEvidence) -> Iterator[Finding]:
    yield finding("ACME_EAGER")


def high_cases() -> Iterator[ProofCase]:
    yield ProofCase(
        name="a hundred times as high",
        evidence=generated_run(shifted(HEALTHY, onset=600, factor=100.0)),
        must_find=("ACME_HIGH",),
        onset_step=600,
    )
    yield ProofCase(name="sound", evidence=generated_run(HEALTHY))


def prove(
    folder: Path,
    analyze: Callable[..., Any],
    cases: Callable[..., Any] | None = None,
    *,
    subject: str = "run",
    timeout_s: float = 10.0,
    noise_runs: int = 2,
) -> Card:
    spec = AnalyzerSpec(
        name="acme",
        subject=subject,
        analyze=lazy(analyze),
        proofs=None if cases is None else lazy(cases),
    )
    neighbour = AnalyzerSpec(name="neighbour", analyze=lazy(high), proofs=lazy(high_cases))
    points = fake_distribution(
        folder, "acme-probe", {"acme": declare(aitk_analyzers=[spec, neighbour])}
    )
    owned = load_fake(points).analyzers.values()
    proof = asyncio.run(prove_analyzers(owned, timeout_s=timeout_s, noise_runs=noise_runs))
    card, other = proof.cards
    # Whatever the first one does, its neighbour is proven.
    assert (other.failures, other.found, other.noise_runs) == ([], 1, noise_runs)
    assert proof.ok is (not card.failures)
    assert card.distribution == "acme-probe"
    return card


def test_one_that_finds_its_own_code_passes_with_its_delay(tmp_path: Path) -> None:
    card = prove(tmp_path, high, high_cases)
    assert card.failures == []
    assert (card.found, len(card.to_find)) == (1, 1)
    assert card.delays is not None
    assert 1 <= card.delays[0] <= 50
    assert card.false_alarms.alarms == 0
    assert card.false_alarms.steps > 2 * 2000 + 1200 + 600
    assert card.seconds


def test_one_that_finds_nothing_is_told_what_it_missed(tmp_path: Path) -> None:
    card = prove(tmp_path, lambda _evidence: [], high_cases)
    assert card.failures == ["a hundred times as high: did not find ACME_HIGH"]
    assert card.delays is None


def test_a_code_that_is_only_a_note_is_not_found(tmp_path: Path) -> None:
    card = prove(tmp_path, lambda _evidence: [finding(severity="info")], high_cases)
    assert card.failures == ["a hundred times as high: did not find ACME_HIGH"]


def test_one_without_cases_is_still_shown_what_is_sound(tmp_path: Path) -> None:
    card = prove(tmp_path, high)
    assert (card.has_proofs, card.failures, card.found) == (False, [], 0)
    assert card.noise_runs == 2


def test_one_that_is_too_eager_fails_on_every_sound_run(tmp_path: Path) -> None:
    card = prove(tmp_path, eager)
    assert card.found == 0
    assert any(
        failure.startswith("recorded: ok_200_steps: false alarm") for failure in card.failures
    )
    assert (
        "pure noise: ACME_EAGER in 2 of 2 runs, and its method states no false-alarm rate"
        in card.failures
    )
    assert card.false_alarms.alarms == len(card.cases) + 2


def test_an_alarm_before_the_onset_fails_the_case_although_the_code_is_found(
    tmp_path: Path,
) -> None:
    def cases() -> Iterator[ProofCase]:
        yield ProofCase(
            name="late", evidence=generated_run(HEALTHY), must_find=("ACME_HIGH",), onset_step=600
        )

    card = prove(tmp_path, lambda _evidence: [finding()], cases, noise_runs=0)
    assert card.failures[0].startswith("late: false alarm: ACME_HIGH at step 250")


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_one_that_raises_is_named_and_not_asked_for_ever(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    asked = []

    def raises(_evidence: Any) -> Analysis:
        asked.append(1)
        raise kind("secret")

    card = prove(tmp_path, raises, high_cases)
    assert len(asked) == 3
    assert (
        f"a hundred times as high: analyzer acme (acme-probe) failed: {kind.__name__}"
        in card.failures
    )
    assert card.failures[0].startswith("given up after 3 looks")
    assert card.noise_runs == 0
    assert not any("secret" in failure for failure in card.failures)


def test_one_that_hangs_costs_its_limit_only(tmp_path: Path) -> None:
    go_on = threading.Event()

    def hangs(_evidence: Any) -> Analysis:
        go_on.wait(60)
        return Analysis()

    try:
        card = prove(tmp_path, hangs, timeout_s=1.0)
    finally:
        go_on.set()
    assert any("took longer than 1 s" in failure for failure in card.failures)
    assert card.failures[0].startswith("given up after 3 looks")


def explodes() -> Iterator[ProofCase]:
    yield ProofCase(name="one", evidence=run_evidence())
    raise ValueError("no file")


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        (explodes, "its proofs cannot be read: ValueError: no file"),
        (lambda: ["case"], "its proofs cannot be read: TypeError: str is not a ProofCase"),
        (list, "its proofs cannot be read: ValueError: there is no case"),
        (lambda: 5, "its proofs cannot be read: TypeError"),
        (
            lambda: [ProofCase(name="a", evidence=run_evidence())] * 201,
            "its proofs cannot be read: ValueError: more than 200 cases",
        ),
    ],
)
def test_cases_that_cannot_be_read_fail_the_analyzer(
    tmp_path: Path, cases: Callable[..., Any], told: str
) -> None:
    card = prove(tmp_path, high, cases, noise_runs=0)
    assert len(card.failures) == 1
    assert card.failures[0].startswith(told)


def test_an_analyzer_of_configs_is_shown_its_own_cases_only(tmp_path: Path) -> None:
    def rank(config: dict[str, Any]) -> Iterator[Finding]:
        if config["rank"] > 100:
            yield finding("ACME_RANK")

    def cases() -> Iterator[ProofCase]:
        yield ProofCase(name="high rank", evidence={"rank": 128}, must_find=("ACME_RANK",))
        yield ProofCase(name="usual rank", evidence={"rank": 16})

    card = prove(tmp_path, rank, cases, subject="config")
    assert (card.failures, card.found, len(card.cases), card.noise_runs) == ([], 1, 2, 0)


@pytest.mark.parametrize(
    ("rate", "unit", "fails"),
    [
        (0.5, "per verdict", False),
        (0.01, "per verdict", True),
        (0.5, "per run", False),
        (0.0, "per run", True),
        (1.0, "per 1000 steps", False),
        (0.001, "per 1000 steps", True),
        (0.5, "per moon", True),
    ],
)
def test_a_verdict_on_noise_is_held_against_its_stated_rate(
    tmp_path: Path,
    rate: float,
    unit: str,
    fails: bool,
) -> None:
    stated = FalseAlarmRate(rate=rate, unit=unit, source="ours: a test")

    def sometimes(evidence: RunEvidence) -> Iterator[Finding]:
        loss = evidence.loss
        # Of generated runs, which all have 2000 steps, about half.
        if loss is not None and len(loss) == 2000 and loss.values[7] > loss.values[8]:
            yield finding("ACME_GUESS", false_alarm_rate=stated)

    card = prove(tmp_path, sometimes, noise_runs=20)
    told = [failure for failure in card.failures if "ACME_GUESS" in failure]
    assert bool(told) is fails
    assert 4 <= card.noise["ACME_GUESS"].at_end <= 16
