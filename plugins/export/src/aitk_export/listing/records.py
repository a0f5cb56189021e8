"""What list-exported-models answers; its contract is a schema of the same fields."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class ModelLine:
    """One model; what is None is not known."""

    model_path: str
    """Name as download-model takes it."""
    name: str
    where: str
    """outputs, exports or backend."""
    kind: str
    """final or step."""
    run: str | None
    """Name of the job."""
    job_id: str | None
    step: int | None
    epoch: int | None
    size_bytes: int | None
    modified: str | None
    """ISO 8601, UTC."""
    base_model: str | None
    trigger_word: str | None
    rank: int | None
    parameters: int | None
    dtypes: dict[str, int]
    sha256: str | None
    problem: str | None
    """Why its header could not be read."""


@frozen(kw_only=True)
class ModelPage:
    """One page of models."""

    models: tuple[ModelLine, ...]
    total: int
    returned: int
    next_cursor: str | None
    notes: tuple[str, ...]
    """What could not be found out, and why."""
