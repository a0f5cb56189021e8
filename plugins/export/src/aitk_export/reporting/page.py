"""The report as one HTML page that needs nothing else, and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, StrictUndefined

if TYPE_CHECKING:
    from aitk_export.reporting.gathered import Gathered
    from aitk_export.reporting.shown import Shown

_TEMPLATES: Final = files("aitk_export.reporting") / "templates"
_SIGNS: Final = {
    "critical": "\N{BLACK UP-POINTING TRIANGLE}",
    "warning": "\N{WHITE UP-POINTING TRIANGLE}",
}


def page(report: Shown, gathered: Gathered) -> bytes:
    """Return the page as UTF-8; the same input gives the same bytes.

    Args:
        report: The words; escaped here.
        gathered: The pictures.
    """
    # Every value is escaped; nothing in the templates is marked as safe but our own style.
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    style = (_TEMPLATES / "report.css").read_text("utf-8")
    template = environment.from_string((_TEMPLATES / "report.html").read_text("utf-8"))
    text = template.render(
        report=report,
        signs=_SIGNS,
        style=style,
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii"),
        charts=[(words, _data_uri(data, "image/png")) for words, data in gathered.charts],
        samples=None
        if gathered.samples is None
        else (gathered.samples[0], _data_uri(gathered.samples[1], gathered.samples[2])),
    )
    return text.encode("utf-8", "replace")


def _data_uri(data: bytes, mime_type: str) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode('ascii')}"
