"""Sections of the report that show evidence as it is."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aitk_core.evidence.environment import read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.backend.records import CpuInfo, GpuAnswer, JobRow
    from aitk_core.evidence.records import RunEvidence
    from aitk_core.records.findings import Analysis

_MIB_PER_GIB = 1024.0
_EXCERPT_CHARS = 40_000
"""About 10,000 tokens: what a client takes in one answer without complaint."""
_POINT_CHARS = 8000
"""About 2,000 tokens, of the lines that came between two looks. Our own."""
_INFO_CHARS = 4000
"""About 1,000 tokens; a failed run's info is a whole traceback. Our own."""


def facts(analyses: Mapping[str, Analysis], name: str) -> Mapping[str, Any]:
    """Return an analyzer's facts; where it could not judge, also that and why."""
    analysis = analyses.get(name)
    if analysis is None:
        return {"assessed": False, "reason": f"the analyzer {name!r} is not installed or failed"}
    if analysis.assessed:
        return analysis.facts
    return {**analysis.facts, "assessed": False, "reason": analysis.reason}


def moment(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def status_snapshot(job: JobRow) -> dict[str, Any]:
    """Return the contract's status snapshot of a job."""
    total = job.planned_steps
    step = job.step
    snapshot: dict[str, Any] = {
        "found": True,
        "status": job.status or "unknown",
        "progress": job.progress_percent,
        "current_step": step,
        "total_steps": total or 0,
        "info": cut(job.info or "", _INFO_CHARS),
        "speed_string": job.speed_string or "",
    }
    flags = list(job.faults)
    if step is not None and (step < 0 or (total and step > total)):
        flags.append(f"the backend reports step {step} of {total or 'unknown'}")
    if flags:
        snapshot["faults"] = flags
    return snapshot


def cut(text: str, limit: int) -> str:
    """Return the text, or its beginning and its end with a mark between them."""
    if len(text) <= limit:
        return text
    return f"{text[: limit // 2]}[...]{text[-limit // 2 :]}"


def system_snapshot(
    gpu: GpuAnswer | None, cpu: CpuInfo | None, active_jobs: int | None
) -> dict[str, Any]:
    """Return the contract's system snapshot; what was not read is null."""
    first = gpu.gpus[0] if gpu is not None and gpu.gpus else None
    ram_total = cpu.memory_total_mib if cpu is not None else None
    available = cpu.memory_available_mib if cpu is not None else None
    used = None if ram_total is None or available is None else ram_total - available
    return {
        "gpu_name": None if first is None else first.name,
        "gpu_memory_used": None if first is None else _whole(first.memory_used_mib),
        "gpu_memory_total": None if first is None else _whole(first.memory_total_mib),
        "gpu_utilization": None if first is None else _whole(first.utilization_percent),
        "cpu_percent": None if cpu is None else _rounded(cpu.load_percent, 1),
        "ram_used": None if used is None else round(used / _MIB_PER_GIB, 2),
        "ram_total": None if ram_total is None else round(ram_total / _MIB_PER_GIB, 2),
        "active_jobs": active_jobs,
        "gpus": [_gpu(one) for one in gpu.gpus] if gpu is not None else None,
        "gpu_error": None if gpu is None else gpu.error,
    }


def _gpu(one: Any) -> dict[str, Any]:
    return {
        "index": one.index,
        "name": one.name,
        "temperature_c": one.temperature_c,
        "utilization_pct": one.utilization_percent,
        "memory_used_mib": one.memory_used_mib,
        "memory_total_mib": one.memory_total_mib,
        "power_draw_w": one.power_draw_w,
        "power_limit_w": one.power_limit_w,
    }


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(value)


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, places)


def logs(evidence: RunEvidence, requested: int) -> dict[str, Any]:
    """Return what part of the log was looked at."""
    if evidence.log is None:
        reason = evidence.missing.get("log", "not read")
        return {
            "analyzed_line_count": 0,
            "requested_line_count": requested,
            "available": False,
            "reason": reason,
        }
    return {
        "analyzed_line_count": evidence.log.scan.line_count,
        "requested_line_count": requested,
        "available": True,
        "size_bytes": evidence.log.size_bytes,
        "complete": not evidence.log.truncated,
    }


def excerpt(evidence: RunEvidence, lines: int) -> str:
    """Return the log's last lines, redraws of a progress bar collapsed, bounded in size."""
    if evidence.log is None:
        return ""
    text = "\n".join(line.text for line in evidence.log.scan.lines[-lines:])
    return text if len(text) <= _EXCERPT_CHARS else "[...]" + text[-_EXCERPT_CHARS:]


def lines_from(evidence: RunEvidence, first: int, *, at_most: int) -> str:
    """Return the log's newest lines from a physical line on, bounded in size.

    Args:
        evidence: About the run.
        first: Line number; what stands before is left out.
        at_most: How many lines.
    """
    if evidence.log is None:
        return ""
    lines = evidence.log.scan.lines[-at_most:]
    text = "\n".join(line.text for line in lines if line.number >= first)
    return text if len(text) <= _POINT_CHARS else "[...]" + text[-_POINT_CHARS:]


def provenance(evidence: RunEvidence) -> dict[str, Any]:
    """Return where the evidence came from, and what is missing."""
    loss = evidence.loss
    return {
        "loss_source": None if loss is None else loss.source,
        "loss_points": 0 if loss is None else len(loss),
        "metric_keys": list(evidence.metric_keys),
        "collected_at_s": evidence.collected_at,
        "missing": dict(evidence.missing),
        "environment": environment(evidence),
    }


def environment(evidence: RunEvidence) -> dict[str, str]:
    """Return versions of the run's software, as far as its log or a GPU in use shows them."""
    found: dict[str, str] = {}
    if evidence.log is not None:
        scan = evidence.log.scan
        found = read_environment(
            line for line in scan.messages if line.number >= scan.run_first_line
        )
    if evidence.job.status == "running" and evidence.gpu is not None and evidence.gpu.gpus:
        # Read now, so it is the run's own only while it runs.
        first = evidence.gpu.gpus[0]
        found |= {} if first.driver_version is None else {"driver": first.driver_version}
        found |= {} if first.name is None else {"gpu": first.name}
    return found
