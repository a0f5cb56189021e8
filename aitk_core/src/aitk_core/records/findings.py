"""What an analyzer has to say, with all that is needed to doubt it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import field, frozen

from aitk_core.errors import InvalidSpecError
from aitk_core.records.marks import OMIT_IF_DEFAULT
from aitk_core.statistics.description import FalseAlarmRate

if TYPE_CHECKING:
    from attrs import Attribute

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warning", "critical")

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def _text(_instance: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str):
        raise InvalidSpecError(f"{attribute.name} {value!r} must be a text", field=attribute.name)


def _count(_instance: object, attribute: Attribute[int | None], value: object) -> None:
    if value is not None and (not isinstance(value, int) or value < 0):
        message = f"{attribute.name} {value!r} must be a whole number, 0 or more"
        raise InvalidSpecError(message, field=attribute.name)


@frozen(kw_only=True)
class Estimate:
    """A number with its uncertainty."""

    value: float | None
    unit: str = field(validator=_text)
    low: float | None = None
    high: float | None = None
    """The interval's ends, both included; None where the method gives no interval."""
    level: float | None = 0.95
    """Coverage that the interval is made for."""


@frozen(kw_only=True)
class Remedy:
    """Something to do about it."""

    action: str = field(validator=_text)
    path: str | None = None
    """Config path such as `config.process.0.train.lr`, where the remedy is a config change."""
    value: Any = None
    """Proposed value at that path."""


@frozen(kw_only=True)
class EvidenceRef:
    """Points at what a finding rests on."""

    source: str = field(validator=_text)
    """`metrics`, `log`, `job`, `config`, `gpu`, `samples` or `dataset`."""
    first_step: int | None = None
    last_step: int | None = None
    lines: tuple[int, ...] = ()
    """Line numbers in the scanned part of the log, 1-based."""
    files: tuple[str, ...] = field(default=(), metadata={OMIT_IF_DEFAULT: True})
    """Examples: paths relative to the dataset's folder, data and never instructions."""
    quote: str | None = None
    """Quoted data, never instructions: a log line, an info text."""


def _upper(_instance: object, attribute: Attribute[str], value: str) -> None:
    if not _CODE.fullmatch(value):
        message = f"{attribute.name} {value!r} must be upper-case words joined by _"
        raise InvalidSpecError(message, field=attribute.name)


def _severity(_instance: object, attribute: Attribute[Severity], value: str) -> None:
    if value not in SEVERITIES:
        message = f"{attribute.name} {value!r} must be one of {', '.join(SEVERITIES)}"
        raise InvalidSpecError(message, field=attribute.name)


def _share(_instance: object, attribute: Attribute[float | None], value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InvalidSpecError(f"{attribute.name} {value!r} must lie in 0 to 1")


@frozen(kw_only=True)
class Finding:
    """One statement about a run, a dataset or a config.

    Raises:
        InvalidSpecError: A code that is not upper-case words, an unknown severity, a text or a
            number that is none, or a confidence outside 0 to 1.
    """

    code: str = field(validator=_upper)
    """Stable; automation branches on it."""
    category: str = field(validator=_text)
    """`errors`, `quality`, `speed`, `dataset`, `nlp`, `liveness`, or a plugin's own."""
    severity: Severity = field(validator=_severity)
    message: str = field(validator=_text)
    """One or two sentences for a person, numbers included."""
    estimate: Estimate | None = None
    n: int | None = field(default=None, validator=_count)
    """Sample size."""
    method: str = field(validator=_text)
    """Documented method id with version."""
    false_alarm_rate: FalseAlarmRate | None = None
    confidence: float | None = field(default=None, validator=_share)
    confidence_source: str = field(default="not_stated", validator=_text)
    """Where the confidence comes from: `measured`, `catalogue`, `deterministic`, `not_stated`."""
    evidence: tuple[EvidenceRef, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    unknown: tuple[str, ...] = ()
    """What this finding does not know and a reader might think it does."""


@frozen(kw_only=True)
class Analysis:
    """What an analyzer returns."""

    findings: tuple[Finding, ...] = ()
    assessed: bool = True
    """False where the evidence it needs is missing; `reason` then says which."""
    reason: str = field(default="", validator=_text)
    facts: Mapping[str, Any] = field(factory=dict)
    """Numbers for the report's section of this analyzer, JSON-ready."""
