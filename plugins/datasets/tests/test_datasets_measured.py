"""The measured errors of the checks: what is stated is what was measured, and it is good enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from aitk_datasets.analyzers.methods import METHODS as PICTURE_METHODS
from aitk_datasets.captions.methods import METHODS as CAPTION_METHODS
from aitk_datasets.measured import rate_of
from aitk_datasets.proofs.reference import datasets_markdown

ROOT: Final = Path(__file__).parents[3]
MEASURED: Final[dict[str, Any]] = json.loads(
    (ROOT / "benchmarks" / "datasets.json").read_text(encoding="utf-8")
)
BY_NAME: Final = {row["name"]: row for row in MEASURED["checks"]}


def test_the_reference_is_made_from_the_measured_figures() -> None:
    """Mend with `benchmarks/bench_dataset_findings.py --render`."""
    shown = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert shown == datasets_markdown(MEASURED)


def test_the_figures_are_of_the_half_on_which_nothing_was_chosen() -> None:
    assert MEASURED["about"]["half"] == "held-out"


@pytest.mark.parametrize("name", ["corrupt, any of the four below", "IMAGE_TRUNCATED"])
def test_broken_files_keep_the_bars(name: str) -> None:
    row = BY_NAME[name]
    assert row["planted"] >= 100
    assert row["precision"][0] >= 0.98
    assert row["recall"][0] >= 0.95


def test_exact_duplicates_keep_the_bars() -> None:
    exact = MEASURED["pairs"]["exact"]
    assert exact["planted"] >= 40
    assert exact["precision"][0] >= 0.98
    assert exact["recall"][0] >= 0.95


def test_what_findings_state_is_what_was_measured() -> None:
    for info in (*PICTURE_METHODS.values(), *CAPTION_METHODS.values()):
        rate = info.false_alarm_rate
        if rate.source.startswith("docs/datasets.md"):
            counts = MEASURED["methods"][info.name]
            assert rate.rate == counts["wrong"] / counts["sound"]
    assert {info.name for info in PICTURE_METHODS.values()} <= set(MEASURED["methods"])


def test_a_method_that_was_not_measured_states_no_rate() -> None:
    rate = rate_of("guess_v1", unit="per picture", what="pictures")
    assert rate.rate is None
