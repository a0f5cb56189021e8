"""What a plan is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import frozen

from aitk_core.configkeys.archs import Arch
from aitk_guardrails.lint.facts import DatasetFacts
from aitk_guardrails.lint.issues import Issue
from aitk_guardrails.plan.past import PastRun
from aitk_guardrails.vram.records import Fit, VramEstimate

GoalProfile = Literal["style", "character", "object", "general"]
ProfileName = Literal["fast", "balanced", "quality"]
PROFILES: Final[tuple[ProfileName, ...]] = ("fast", "balanced", "quality")
Basis = Literal["trainer", "published", "convention", "measured", "asked"]
"""Where a number comes from: the trainer's own examples or form; a published measurement or a
guide; common practice that nobody measured; this machine; the caller."""


@frozen(kw_only=True)
class PlanRequest:
    """What is known; None is unknown."""

    goal: str = ""
    model_name: str | None = None
    arch: Arch | None = None
    arch_unknown: str = ""
    """Why there is no architecture."""
    dataset_path: str | None = None
    control_path: str | None = None
    training_folder: str | None = None
    """The backend's own; without one start-training fills it in."""
    dataset: DatasetFacts | None = None
    caption_coverage_pct: float | None = None
    typical_side: float | None = None
    """Pixels; the short side that half of the pictures reach."""
    available_gib: float | None = None
    time_budget_minutes: float | None = None
    past: tuple[PastRun, ...] | None = None
    """Runs of this machine; None where they were not read."""


@frozen(kw_only=True)
class Reason:
    """Why a number is what it is."""

    parameter: str
    """Dotted path below the process."""
    value: Any
    why: str
    source: str
    basis: Basis
    range: tuple[float, float] | None = None
    """What practice uses; None where no range is known."""


@frozen(kw_only=True)
class PlanTime:
    """How long a profile takes, from runs of this machine; None where there are none."""

    seconds_per_step: float | None = None
    low_seconds_per_step: float | None = None
    high_seconds_per_step: float | None = None
    minutes: float | None = None
    low_minutes: float | None = None
    high_minutes: float | None = None
    n: int = 0
    """Runs."""
    job_ids: tuple[str, ...] = ()
    method: str = ""
    measured_at: Mapping[str, Any] | None = None
    """Settings of those runs."""
    fits_budget: Literal["yes", "no", "undetermined"] | None = None
    """None without a budget."""
    missing: str = ""
    """What is needed to tell the time."""


@frozen(kw_only=True)
class Profile:
    """One way to train, as a config."""

    profile: ProfileName
    model_name: str | None
    resolution: int
    """The largest, pixels."""
    batch_size: int
    learning_rate: float
    steps: int
    rank: int
    alpha: int
    low_vram: bool | None
    config: Mapping[str, Any] | None
    """None where the architecture is not known."""
    reasons: tuple[Reason, ...]
    time: PlanTime
    vram: VramEstimate | None
    fit: Fit
    issues: tuple[Issue, ...] = ()
    """What the lint says of the config, errors and warnings."""
    unknown: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool | None:
        """Return whether the config may start as it is; None without one."""
        if self.config is None:
            return None
        return all(issue.severity != "error" for issue in self.issues)


@frozen(kw_only=True)
class Plan:
    """Three profiles, and which one."""

    goal_profile: GoalProfile
    is_flux_model: bool | None
    confidence: float | None
    """Share of the inputs that were assessed, 0 to 1; None where none was."""
    assessed: Mapping[str, bool]
    """What the confidence counts."""
    recommended: Profile
    recommended_because: str
    profiles: tuple[Profile, ...]
    warnings: tuple[str, ...]
    rationale: tuple[str, str, str, str]
    next_actions: tuple[str, str, str]
