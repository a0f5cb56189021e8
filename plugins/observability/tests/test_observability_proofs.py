"""Every analyzer ships what it must find and what it must stay quiet on, and keeps both."""

from __future__ import annotations

import asyncio
import re
from importlib import resources
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import pytest

from aitk_core.registry import load_registry
from aitk_core.services.proving import prove_analyzers
from aitk_core.testing.failures import installed_failures

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from aitk_core.proving.cases import ProofCase
    from aitk_core.services.proving import Proof

PLUGIN: Final = tuple(entry_points(group="aitk.plugins", name="observability"))
ANALYZERS: Final = load_registry(PLUGIN).analyzers
NOTES: Final = {
    "LOSS_TREND_UP",
    "LOSS_TREND_DOWN",
    "METRICS_BEHIND_LOG",
    "CONFIG_CHANGED_SINCE_START",
}
FAILURES: Final = installed_failures()
"""Codes that are never more than a note."""


def prove(analyzers: Iterable[Any], *, noise_runs: int) -> Coroutine[Any, Any, Proof]:
    return prove_analyzers(analyzers, timeout_s=30.0, noise_runs=noise_runs, catalogue=FAILURES)


def cases(name: str) -> tuple[ProofCase, ...]:
    proofs = ANALYZERS[name].spec.proofs
    assert proofs is not None
    return tuple(proofs.load()())


@pytest.mark.parametrize("name", sorted(ANALYZERS))
def test_there_is_something_to_find_and_something_to_leave_alone(name: str) -> None:
    found = cases(name)
    assert any(case.must_find for case in found)
    assert any(not case.must_find for case in found)
    names = [case.name for case in found]
    assert len(set(names)) == len(names)


def test_every_warning_that_the_code_names_has_a_case() -> None:
    sources = (resources.files("aitk_observability") / "analyzers").iterdir()
    text = "".join(file.read_text("utf-8") for file in sources if file.name.endswith(".py"))
    # What signatures find is data; the codes here stand in the code.
    named = set(re.findall(r'"([A-Z]+_[A-Z_]+|OVERFITTING)"(?= if|,$| else|\n|,\n)', text))
    proven = {code for name in ANALYZERS for case in cases(name) for code in case.must_find}
    assert {"LOSS_NONFINITE", "OVERFITTING", "STEPS_SLOWED_DOWN"} <= named
    assert named - NOTES - {"PROC_EXIT_CODE", "HF_OFFLINE_CACHE_MISS"} <= proven


@pytest.mark.parametrize("name", sorted(ANALYZERS))
def test_the_analyzer_finds_what_it_must_and_nothing_else(name: str) -> None:
    proof = asyncio.run(prove([ANALYZERS[name]], noise_runs=10))
    (card,) = proof.cards
    assert card.failures == []
    assert card.found == len(card.to_find) > 0
    assert card.noise_runs == (10 if ANALYZERS[name].spec.subject == "run" else 0)


def test_all_recorded_failures_are_warned_of_by_somebody() -> None:
    proof = asyncio.run(prove(ANALYZERS.values(), noise_runs=0))
    told = {run for card in proof.cards for run, codes in card.recorded.items() if codes}
    assert told == set(proof.causes)
