"""How a record declares a setting."""

from __future__ import annotations

from typing import Any, Final

import attrs

META: Final = "aitk_setting"
"""Key of the declaration in a field's metadata."""


def setting(
    default: Any,
    *,
    env: str,
    description: str,
    secret: bool = False,
    minimum: float | None = None,
    separator: str = ",",
) -> Any:
    """Declare one setting of a record.

    Args:
        default: Value when nobody sets it.
        env: Name of its environment variable.
        description: For the table of settings, unit included.
        secret: Its value is never shown, logged or written into state.
        minimum: Floor for numbers; a smaller value is refused.
        separator: Between the elements of a list in the environment.
    """
    meta = {
        "env": env,
        "description": description,
        "secret": secret,
        "minimum": minimum,
        "separator": separator,
    }
    return attrs.field(default=default, kw_only=True, repr=not secret, metadata={META: meta})
