"""The URIs of a run's resources; imports nothing, since declaring them needs it at start-up."""

from __future__ import annotations

from typing import Final

RUNS: Final = "aitk://runs"
LOSS: Final = f"{RUNS}/{{job_id}}/loss.csv"
LOG: Final = f"{RUNS}/{{job_id}}/log"
CONFIG: Final = f"{RUNS}/{{job_id}}/config"
REPORT: Final = f"{RUNS}/{{job_id}}/report"
CHART: Final = f"{RUNS}/{{job_id}}/chart.png"
SAMPLES: Final = f"{RUNS}/{{job_id}}/samples"

APP: Final = "ui://aitk/run.html"
"""A view of a run inside clients that show interfaces (MCP Apps)."""
APP_MIME_TYPE: Final = "text/html;profile=mcp-app"


def uris_of(job_id: str) -> dict[str, str]:
    """Return the URIs of one run, by kind.

    Args:
        job_id: As `aitk_core.backend.ids.checked_job_id` lets through, so plain in a URI.
    """
    templates = {
        "report": REPORT,
        "chart": CHART,
        "samples": SAMPLES,
        "loss": LOSS,
        "log": LOG,
        "config": CONFIG,
    }
    return {kind: template.format(job_id=job_id) for kind, template in templates.items()}
