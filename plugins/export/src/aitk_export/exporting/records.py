"""What export-model answers; each record has its contract in a schema of the same fields."""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class ValueCheck:
    """What was found in a file."""

    verdict: str
    """sound, damaged, no_effect or header_only."""
    reason: str
    sha256: str | None
    nonfinite: int | None
    nonfinite_examples: tuple[str, ...]
    zero_tensors: int | None


@frozen(kw_only=True)
class CopyMade:
    """Where the copy is."""

    model_path: str
    sidecar: str
    already_there: bool


@frozen(kw_only=True)
class ModelFile:
    """One file of the checkpoint."""

    model_path: str
    """As download-model takes it."""
    name: str
    size_bytes: int
    step_in_header: int | None
    epoch_in_header: int | None
    tensors: int
    parameters: int
    dtypes: dict[str, int]
    rank: int | None
    ranks: dict[str, int]
    alpha: float | None
    check: ValueCheck
    copy: CopyMade | None


@frozen(kw_only=True)
class CheckpointTried:
    """The validation loss at one checkpoint."""

    step: int
    loss: float


@frozen(kw_only=True)
class Choice:
    """Why this checkpoint."""

    asked: str
    step: int | None
    decided: bool
    reason: str
    method: str | None
    estimate: float | None
    interval: tuple[float, float] | None
    n: int | None
    false_alarm_rate: dict[str, Any] | None
    as_good: tuple[int, ...]
    judged: tuple[CheckpointTried, ...]
    not_judged: tuple[int, ...]


@frozen(kw_only=True)
class Exported:
    """The answer."""

    job_id: str
    job_name: str | None
    format: str
    checkpoint: Choice
    files: tuple[ModelFile, ...]
    """Empty where the evidence does not choose."""
    base_model: str | None
    trigger_word: str | None
    notes: tuple[str, ...]
