"""What a watch keeps from one reading to the next, as JSON in its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field, fields

if TYPE_CHECKING:
    from collections.abc import Mapping


@define(kw_only=True)
class Memory:
    """State of one watch; small, and complete: another server goes on from it."""

    looks: int = 0
    failed_looks: int = 0
    """Of all."""
    failed_in_a_row: int = 0
    blind_since: float | None = None
    """When the first of the failed looks in a row was, Unix seconds."""
    last_step: int | None = None
    grew_at: float | None = None
    """When a look last found a new step or more log, Unix seconds."""
    launched: float | None = None
    """Of the launch that the rest is about."""
    peak_vram_mib: float | None = None
    """Most memory that the run's GPU was seen to use, all programs on it together."""
    vram_readings: int = 0
    low_speed: int = 0
    in_a_row: dict[str, int] = field(factory=dict)
    """By trigger code: readings in a row that it has held for."""
    open: dict[str, int] = field(factory=dict)
    """By trigger code: the number of the episode that is open, and was told."""
    quiet: dict[str, int] = field(factory=dict)
    """By open code: readings in a row that it has not held for."""
    episodes: dict[str, int] = field(factory=dict)
    """By trigger code: how many there were."""
    triggered: list[dict[str, Any]] = field(factory=list)
    """Triggers of stop rules, with their evidence."""
    warned: list[dict[str, Any]] = field(factory=list)
    snapshots: list[dict[str, Any]] = field(factory=list)
    """Newest readings, as the contract shows them."""
    stop: dict[str, Any] = field(factory=dict)
    """The stop under way; empty without one."""

    def to_json(self) -> dict[str, Any]:
        """Return it, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Memory:
        """Return what `to_json` wrote; what a newer version added is dropped."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})
