"""The URIs of a dataset's resources; needed at start-up, so it imports little."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

DATASETS: Final = "aitk://datasets"
REPORT: Final = f"{DATASETS}/{{name}}/report"
CHART: Final = f"{DATASETS}/{{name}}/charts/{{chart}}"
SHEET: Final = f"{DATASETS}/{{name}}/sheets/{{code}}"
PAGE: Final = f"{DATASETS}/{{name}}/page.html"

CHARTS: Final = ("overview", "resolution", "aspect", "buckets", "captions")


def uri_of(template: str, name: str, **parts: str) -> str:
    """Return the URI of one resource.

    Args:
        template: One of this module.
        name: Of a folder directly below the datasets root; any text.
        **parts: The template's other parts, plain in a URI.
    """
    return template.format(name=quote(name, safe=""), **parts)


def uris_of(name: str) -> dict[str, str]:
    """Return the URIs of one dataset by kind; sheets depend on what is found."""
    return {
        "report": uri_of(REPORT, name),
        "page": uri_of(PAGE, name),
        **{f"chart_{chart}": uri_of(CHART, name, chart=chart) for chart in CHARTS},
        "sheet_duplicates": uri_of(SHEET, name, code="duplicates"),
    }
