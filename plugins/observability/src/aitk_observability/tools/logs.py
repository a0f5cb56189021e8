"""get-training-logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aitk_core.backend.protocol import LOG_TAIL_BYTES
from aitk_core.evidence.logscan import scan_log
from aitk_core.records.results import ToolResult

if TYPE_CHECKING:
    from aitk_core.protocols import ToolContext
    from aitk_observability.arguments import GetTrainingLogs

_LARGEST_CHARS = 80_000
"""About 20,000 tokens, above which clients cut or refuse an answer."""


async def get_training_logs(arguments: GetTrainingLogs, context: ToolContext) -> ToolResult:
    """Return the end of a job's log, with what was left out said."""
    job = await context.backend.job(arguments.job_id)
    # A line of a trainer log is far below this on average; the limit bounds memory.
    chunk = await context.backend.log_tail(arguments.job_id)
    scan = await context.run(lambda: scan_log(chunk.text, bar_name=job.name))
    found = [line.text for line in scan.lines[-arguments.lines :]]
    kept, size = [], 0
    for text in reversed(found):
        size += len(text) + 1
        if size > _LARGEST_CHARS:
            break
        kept.append(text)
    kept.reverse()
    available = len(scan.lines)
    # The route itself cuts what is longer, and does not say so.
    has_older = chunk.truncated or chunk.offset > LOG_TAIL_BYTES
    data: dict[str, Any] = {
        "job_id": arguments.job_id,
        "job_name": job.name,
        "status": job.status,
        "lines": kept,
        "returned": len(kept),
        "requested": arguments.lines,
        "available": available,
        "size_bytes": chunk.offset,
        "truncated": len(kept) < arguments.lines and (len(kept) < available or has_older),
    }
    if not kept:
        summary = f"No log yet for job {arguments.job_id} (status {job.status})."
    else:
        note = ", cut to fit" if len(kept) < len(found) else ""
        summary = f"Log of job {arguments.job_id}, last {len(kept)} lines{note}:\n\n" + "\n".join(
            kept
        )
    return ToolResult(data=data, summary=summary)
