"""What an analyzer must find, and what it must stay quiet on. Imports nothing heavy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from aitk_core.errors import InvalidSpecError

if TYPE_CHECKING:
    from attrs import Attribute

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_NAME_CHARS: Final = 100


def _name(_instance: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= _NAME_CHARS or not value.isprintable():
        raise InvalidSpecError(
            f"{attribute.name} must be printable text of 1 to {_NAME_CHARS} characters",
            field=attribute.name,
        )


def _codes(_instance: object, attribute: Attribute[tuple[str, ...]], value: object) -> None:
    is_good = isinstance(value, tuple) and all(
        isinstance(code, str) and _CODE.fullmatch(code) for code in value
    )
    if not is_good:
        raise InvalidSpecError(
            f"{attribute.name} must be a tuple of finding codes", field=attribute.name
        )


def _step(_instance: object, attribute: Attribute[int | None], value: object) -> None:
    if value is not None and (type(value) is not int or value < 0):
        raise InvalidSpecError(
            f"{attribute.name} {value!r} must be a step, 0 or more", field=attribute.name
        )


@frozen(kw_only=True)
class ProofCase:
    """One piece of evidence with what its analyzer must say of it.

    A run is replayed as it grew, other evidence is shown once.

    Raises:
        InvalidSpecError: A name, a code or a step that is none, or an onset with nothing to find.
    """

    name: str = field(validator=_name)
    """Says what is in it, for the table: `loss doubles at step 1000`."""
    evidence: Any
    """Of the analyzer's subject; of a run, a `RunEvidence` as it stood at the end."""
    must_find: tuple[str, ...] = field(default=(), validator=_codes)
    """Codes that the analyzer must raise, all of them, as a warning or worse. Empty: it must
    raise none like that."""
    onset_step: int | None = field(default=None, validator=_step)
    """First step at which something is wrong: a warning before it is a false alarm, and the
    delay counts from it. None: only the run's end is shown, where something must be found."""

    def __attrs_post_init__(self) -> None:
        """Refuse an onset of nothing."""
        if self.onset_step is not None and not self.must_find:
            raise InvalidSpecError("onset_step needs must_find", field="onset_step")
