"""get-system-stats."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from aitk_core.errors import BackendError
from aitk_core.records.results import ToolResult
from aitk_observability.report.sections import system_snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import GetSystemStats

T = TypeVar("T")


async def get_system_stats(_arguments: GetSystemStats, context: ToolContext) -> ToolResult:
    """Return GPUs, processor, memory and active jobs of the backend's machine.

    Raises:
        BackendError: None of them could be read.
    """
    backend = context.backend
    faults: dict[str, BackendError] = {}
    gpu, cpu, active = await asyncio.gather(
        _optional("gpu", backend.gpu(), faults),
        _optional("cpu", backend.cpu(), faults),
        _optional("jobs", backend.jobs(only_active=True), faults),
    )
    if gpu is None and cpu is None and active is None:
        raise faults["jobs"]
    data = system_snapshot(gpu, cpu, None if active is None else len(active.jobs))
    data["missing"] = {name: f"{error.code}: {error}" for name, error in faults.items()}
    return ToolResult(data=data, summary=_text(data))


async def _optional(what: str, request: Awaitable[T], faults: dict[str, BackendError]) -> T | None:
    try:
        return await request
    except BackendError as error:
        faults[what] = error
        return None


def _text(data: dict[str, Any]) -> str:
    lines = [
        f"- GPU {gpu['index']} {gpu['name']}: {_said(gpu['memory_used_mib'])} of "
        f"{_said(gpu['memory_total_mib'])} MiB used, {_said(gpu['utilization_pct'])} % busy, "
        f"{_said(gpu['temperature_c'])} °C"
        for gpu in data["gpus"] or ()
    ]
    if not lines:
        why = data["gpu_error"] or data["missing"].get("gpu", "the backend lists no GPU")
        lines.append(f"- GPU: none seen ({why})")
    lines.append(f"- CPU: {_said(data['cpu_percent'])} %")
    lines.append(f"- RAM: {_said(data['ram_used'])} of {_said(data['ram_total'])} GiB used")
    lines.append(f"- Active jobs: {_said(data['active_jobs'])}")
    lines += [f"- Not read: {name}: {why}" for name, why in data["missing"].items()]
    return "\n".join(lines)


def _said(value: Any) -> str:
    return "unknown" if value is None else f"{value:g}"
