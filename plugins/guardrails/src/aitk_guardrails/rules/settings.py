"""What a watch was asked to do, as it is kept and answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import asdict, field, fields, frozen

Mode = Literal["off", "warn", "stop"]
MODES: Final[tuple[Mode, ...]] = ("off", "warn", "stop")


@frozen(kw_only=True)
class Guardrails:
    """Settings of one watch; the first nine are the contract's, with its defaults."""

    stop_on_nan: bool = True
    stop_on_repeated_oom: bool = True
    stop_on_stalled_progress: bool = True
    stop_on_throughput_collapse: bool = True
    oom_threshold: int = 3
    stall_window_seconds: int = 120
    min_step_delta: int = 1
    throughput_floor_iter_per_sec: float = 0.02
    low_speed_consecutive_polls: int = 2
    rules: Mapping[str, Mode] = field(factory=dict)
    """By rule name or finding code; wins over the defaults and the four above."""
    overfitting_margin: float = 0.05
    """Share above the lowest validation loss."""
    min_free_disk_gb: float = 5.0
    """Of the outputs folder's disk, 1e9 bytes."""
    max_hours: float | None = None
    """Since the launch."""
    max_steps: int | None = None
    cost_per_hour: float | None = None
    """In the caller's currency."""
    max_cost: float | None = None
    repair_stuck: bool = False
    """Whether the row of a job whose process is gone may be freed."""
    poll_interval_seconds: int = 10

    @property
    def contract(self) -> dict[str, Any]:
        """Return the nine settings of the contract."""
        return {each.name: getattr(self, each.name) for each in fields(Guardrails)[:9]}

    def to_json(self) -> dict[str, Any]:
        """Return all settings, JSON-ready."""
        return asdict(self) | {"rules": dict(self.rules)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Guardrails:
        """Return the settings that `to_json` wrote; unknown ones of a newer version are dropped."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})
