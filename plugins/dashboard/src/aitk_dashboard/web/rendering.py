"""Templates into answers, with the headers that keep a page to itself."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from aitk_core import __version__
from aitk_core.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; frame-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Plotly writes styles into the elements of its charts; scripts come from here only."""
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # With less a form of our own would come without its origin, and be refused.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_MINUTE: Final = 60
_HOUR: Final = 3600


def page(template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """Return a rendered template; every value in it is escaped."""
    text = _environment().get_template(template).render(**values, version=__version__)
    return HTMLResponse(text, status_code=status, headers=dict(HEADERS))


def part(template: str, values: Mapping[str, Any] | None) -> Markup | None:
    """Return a rendered part of a page, or None where there is nothing to show in it yet."""
    return None if values is None else Markup(_environment().get_template(template).render(values))  # noqa: S704 - a template's output, escaped there


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("aitk_dashboard"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "line": _line,
        "indented": _indented,
        "number": _number,
        "plain": _plain,
        "duration": _duration,
        "time": _time,
        "severity": _severity,
    }
    return environment


def _line(value: Any, limit: int = 300) -> str:
    return "" if value is None else shown(str(value), limit)


def _indented(value: str) -> str:
    text = value.lstrip(" ")
    return value[: len(value) - len(text)] + _line(text, 2000)


def _severity(value: Any) -> str:
    return value if value in ("critical", "warning", "healthy") else "info"


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not known" if value is None else _line(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _plain(value: Any) -> str:
    """Return a value of a config as a person writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, int | float):
        return "not known"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    minutes = round(seconds / _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes} min"
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


def _time(text: Any) -> str:
    try:
        return datetime.fromisoformat(str(text)).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return ""
