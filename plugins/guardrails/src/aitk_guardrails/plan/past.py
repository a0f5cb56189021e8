"""What earlier runs of this machine took, from the backend's jobs and their recorded metrics.

At most 20 requests for metrics. The backend records no memory, so a peak is None here; whoever
watched a run can give one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from attrs import evolve, frozen

from aitk_core.errors import BackendError
from aitk_core.evidence.config import first_process
from aitk_core.evidence.peers import seconds_per_step
from aitk_core.evidence.records import LOSS
from aitk_guardrails.vram.records import Observation
from aitk_guardrails.vram.settings import VramSettings, settings_of
from aitk_guardrails.watch.store import WatchStore

if TYPE_CHECKING:
    from aitk_core.backend.records import JobRow, MetricPage
    from aitk_core.protocols import ToolContext

NEWEST: Final = 20
"""Finished runs that are looked at; ours."""
_POINTS: Final = 2_000
_BLOCK: Final = 20
"""Steps averaged for one step time; as many as the slow-down rule takes (STATS.md section 9)."""
_FEWEST_BLOCKS: Final = 2
_ENDED: Final = frozenset({"completed", "stopped"})


@frozen(kw_only=True)
class StepTime:
    """Seconds per step of one run, samples and saves included, breaks left out."""

    seconds: float
    low: float | None
    high: float | None
    """Least and most of the means of 20 steps; None where only the bar's last speed is known."""
    n: int
    """Gaps between steps behind it."""
    source: Literal["metrics", "row"]


@frozen(kw_only=True)
class PastRun:
    """One finished run."""

    job_id: str
    arch: str | None
    """As the config has it."""
    model: str | None
    gpu_ids: str | None
    settings: VramSettings
    accumulation: int
    speed: StepTime | None = None
    peak_vram_mib: float | None = None

    def observation(self) -> Observation | None:
        """Return what the run says about memory; None where nobody measured it."""
        if self.peak_vram_mib is None:
            return None
        return Observation(job_id=self.job_id, settings=self.settings, peak_mib=self.peak_vram_mib)

    def same_speed(self, config: Mapping[str, Any]) -> bool:
        """Return whether a run of a config would take as long for a step, as far as is known."""
        process = first_process(config)
        model, train = _block(process, "model"), _block(process, "train")
        return (
            self.model is not None
            and self.model == model.get("name_or_path")
            and self.accumulation == _accumulation(train)
            and _speed_settings(self.settings) == _speed_settings(settings_of(config))
        )

    def shown(self) -> dict[str, Any]:
        """Return the settings that a speed was measured at, JSON-ready."""
        one = self.settings
        return {
            "arch": self.arch,
            "model": self.model,
            "resolution": one.resolution,
            "batch_size": one.batch_size,
            "gradient_accumulation": self.accumulation,
            "rank": one.rank,
            "quantization": one.qtype,
            "low_vram": one.low_vram,
            "layer_offloading": one.offloaded,
            "gradient_checkpointing": one.checkpointing,
            "gpu_ids": self.gpu_ids,
        }


async def past_runs(context: ToolContext, arch: str | None) -> tuple[PastRun, ...]:
    """Return the newest finished runs of an architecture, with their step times.

    A run whose metrics cannot be read keeps the speed that its row shows.

    Args:
        context: Its backend is asked.
        arch: Id of the backend's form, or as a config names it; None for no run at all.

    Raises:
        BackendError: The jobs could not be read.
    """
    if arch is None:
        return ()
    rows = (await context.backend.jobs()).jobs
    ended = [row for row in rows if row.status in _ENDED and row.job_type in {None, "train"}]

    def of_arch() -> list[tuple[JobRow, PastRun]]:
        return [
            (row, run)
            for row in ended[:NEWEST]
            if (run := _run(row)) is not None and arch in {run.arch, run.settings.arch_id}
        ]

    # In a worker, since configs are read by tables that are large the first time.
    wanted = await context.run(of_arch)
    pages = await asyncio.gather(*(_metrics(context, row) for row, _ in wanted))
    peaks = await context.run(WatchStore(context.store).peaks)

    def measured() -> tuple[PastRun, ...]:
        return tuple(
            evolve(_with_speed(row, run, page), peak_vram_mib=peaks.get(row.id))
            for (row, run), page in zip(wanted, pages, strict=True)
        )

    return await context.run(measured)


async def _metrics(context: ToolContext, row: JobRow) -> MetricPage | None:
    try:
        return await context.backend.metric(row.id, LOSS, limit=_POINTS)
    except BackendError:
        return None


def _run(row: JobRow) -> PastRun | None:
    if row.config is None:
        return None
    process = first_process(row.config)
    model = _block(process, "model")
    arch, name = model.get("arch"), model.get("name_or_path")
    return PastRun(
        job_id=row.id,
        arch=arch if isinstance(arch, str) else None,
        model=name if isinstance(name, str) else None,
        gpu_ids=row.gpu_ids,
        settings=settings_of(row.config),
        accumulation=_accumulation(_block(process, "train")),
    )


def _with_speed(row: JobRow, run: PastRun, page: MetricPage | None) -> PastRun:
    speed = None if page is None else step_time(page)
    shown = seconds_per_step(row.speed_string)
    if speed is None and shown is not None:
        speed = StepTime(seconds=shown, low=None, high=None, n=1, source="row")
    return evolve(run, speed=speed)


def step_time(page: MetricPage) -> StepTime | None:
    """Return the seconds per step that a metric's wall times show; None with too few of them."""
    from aitk_core.statistics.speed import gaps_of, median_of, stall_limit_s

    gaps = gaps_of(page.wall_times, page.steps)
    if len(gaps.steps) < _BLOCK * _FEWEST_BLOCKS:
        return None
    limit = stall_limit_s("training", median_s=median_of(gaps.per_step_s))
    going = gaps.duration_s <= limit
    seconds, spans = gaps.duration_s[going], gaps.span[going]
    blocks = len(seconds) // _BLOCK
    if blocks < _FEWEST_BLOCKS:
        return None
    cut = blocks * _BLOCK
    means = seconds[:cut].reshape(blocks, _BLOCK).sum(1) / spans[:cut].reshape(blocks, _BLOCK).sum(
        1
    )
    overall = float(seconds.sum() / spans.sum())
    if not math.isfinite(overall) or overall <= 0:
        return None
    return StepTime(
        seconds=overall,
        low=min(overall, float(means.min())),
        high=max(overall, float(means.max())),
        n=len(seconds),
        source="metrics",
    )


def _speed_settings(settings: VramSettings) -> tuple[Any, ...]:
    """Return what decides the time of a step; rank and optimizer cost little beside the model."""
    return (
        settings.arch_id,
        settings.dtype_bytes,
        settings.qtype,
        settings.has_adapter,
        settings.offloaded,
        settings.low_vram,
        settings.network,
        settings.resolution,
        settings.batch_size,
        settings.checkpointing,
        settings.latents_cached,
        settings.text_encoder_stays,
        settings.frames,
        settings.controls,
    )


def _block(process: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    block = process.get(name)
    return block if isinstance(block, Mapping) else {}


def _accumulation(train: Mapping[str, Any]) -> int:
    found = [train.get(key) for key in ("gradient_accumulation", "gradient_accumulation_steps")]
    return max([1, *(each for each in found if type(each) is int)])
