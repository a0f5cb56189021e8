"""What was collected beside a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from aitk_guardrails.lint.facts import LintFacts


@frozen(kw_only=True)
class Collected:
    """Facts for the checks, what they come from, and what stayed open."""

    facts: LintFacts
    datasets: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    """Documents of inspect-dataset, by the folder as the config names it."""
    open_questions: tuple[str, ...] = ()
    """A sentence for each thing that could not be looked at, so was not judged."""
