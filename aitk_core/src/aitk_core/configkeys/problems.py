"""What can be wrong with a config or a change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import frozen

from aitk_core.configkeys.json_values import shown
from aitk_core.configkeys.paths import join_path, to_pointer

if TYPE_CHECKING:
    from collections.abc import Iterable

Effect: TypeAlias = Literal["raises", "ignored", "changed", "unchecked"]
"""What the trainer does with it: `raises` at start; `ignored` without a message; `changed` to
another value without a message; `unchecked`: it goes on and may fail later or train otherwise."""

NOT_COVERED: Final = "NOT_COVERED"
ENV_SUBSTITUTION: Final = "ENV_SUBSTITUTION"
UNSAFE_TEXT: Final = "UNSAFE_TEXT"
UNKNOWN_KEY: Final = "UNKNOWN_KEY"
WRONG_TYPE: Final = "WRONG_TYPE"
NULL_REPLACES_DEFAULT: Final = "NULL_REPLACES_DEFAULT"
NOT_A_CHOICE: Final = "NOT_A_CHOICE"
OUT_OF_RANGE: Final = "OUT_OF_RANGE"
WRONG_LENGTH: Final = "WRONG_LENGTH"
DEPRECATED: Final = "DEPRECATED"
NO_EFFECT: Final = "NO_EFFECT"
REQUIRED_MISSING: Final = "REQUIRED_MISSING"
PATH_INTO_NOTHING: Final = "PATH_INTO_NOTHING"
TEST_FAILED: Final = "TEST_FAILED"
VALUE_CODES: Final = frozenset(
    {ENV_SUBSTITUTION, UNSAFE_TEXT, UNKNOWN_KEY, WRONG_TYPE, NULL_REPLACES_DEFAULT, NOT_A_CHOICE}
    | {OUT_OF_RANGE, WRONG_LENGTH, DEPRECATED, NO_EFFECT}
)
"""Codes about one value. The rules about several keys bring their own, see `rules`."""

MOST_PROBLEMS: Final = 200
"""Problems in one answer; ours. Nobody reads more, and a hostile config could have 50,000."""

_TEXT: Final = 200


@frozen(kw_only=True)
class PatchProblem:
    """One thing that is wrong, with what would be right."""

    code: str
    """Stable upper-case words; automation branches on it."""
    path: str
    """Dotted path of the value, cut to 200 characters; for people, since a key may hold a dot."""
    message: str
    """One sentence without a full stop; untrusted text in it is quoted, escaped and cut."""
    remedy: str
    """What to do about it; empty where nothing is known."""
    value: Any
    """The offending value: a scalar, a text cut to 200 characters, or the words for a container.
    None where nothing is there."""
    expected: Any
    """What would be right, JSON-ready: types, choices, a range, or names that were meant."""
    effect: Effect = "unchecked"
    pointer: str = ""
    """JSON Pointer of the place (RFC 6901), whole: for programs."""


def problem(
    code: str,
    keys: Iterable[str],
    message: str,
    *,
    remedy: str = "",
    value: Any = None,
    expected: Any = None,
    effect: Effect = "unchecked",
) -> PatchProblem:
    """Return a problem at a place, its value cut to what an answer may hold."""
    keys = tuple(keys)
    if isinstance(value, str):
        value = value[:_TEXT]
    elif value is not None and not isinstance(value, bool | int | float):
        value = shown(value)
    return PatchProblem(
        code=code,
        path=join_path(keys),
        message=message,
        remedy=remedy,
        value=value,
        expected=expected,
        effect=effect,
        pointer=to_pointer(keys),
    )


def listed(problems: Iterable[PatchProblem]) -> tuple[PatchProblem, ...]:
    """Return the first 200 different problems, in their order, and look for no more."""
    found: dict[tuple[str, str, str], PatchProblem] = {}
    for each in problems:
        found.setdefault((each.code, each.path, each.message), each)
        if len(found) == MOST_PROBLEMS:
            break
    return tuple(found.values())
