"""Single values of a config, judged by the key table."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys import problems as codes
from aitk_core.configkeys.json_values import json_faults, json_types, require_json, shown
from aitk_core.configkeys.paths import index_of, same_json, split_path
from aitk_core.configkeys.problems import listed, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.configkeys.json_values import JsonType
    from aitk_core.configkeys.paths import Keys
    from aitk_core.configkeys.problems import PatchProblem
    from aitk_core.configkeys.table import ConfigKey, KeyTable, Section

_PROCESS: Final = "process"
_NAMED: Final = 24
"""Choices named in one message; `expected` has all of them."""


def validate_value(
    key: ConfigKey, value: Any, *, path: str | None = None
) -> tuple[PatchProblem, ...]:
    """Return what is wrong with a value for a key; the blocks inside of it are not looked at.

    Null is right where the key may be null or has no default. At process level it means absent;
    inside a block it replaces the default (`behaviour.null_values` of the trainer's key list).
    `${` is refused in every text, as the trainer puts its environment there (API.md 14).

    Args:
        key: From the table.
        value: Any JSON value.
        path: Dotted path for the problems; the key's pattern where none is given.

    Raises:
        InvalidArgumentsError: The value is no JSON.
        TooLargeError: It is more than a config can hold.
    """
    require_json(value, what="the value")
    keys = split_path(path or key.pattern)
    return listed(chain(text_problems(keys, value), key_problems(key, keys, value)))


def text_problems(keys: Keys, value: Any) -> Iterator[PatchProblem]:
    """Yield the texts and keys anywhere in a value that must not reach the trainer."""
    for fault in json_faults(value):
        if fault.kind == "substitution":
            yield problem(
                codes.ENV_SUBSTITUTION,
                (*keys, *fault.keys),
                f"the text {fault.message}, which may be secret, and logs it",
                remedy="take '${' out",
                effect="changed",
            )
        elif fault.kind == "text":
            yield problem(
                codes.UNSAFE_TEXT,
                (*keys, *fault.keys),
                f"the text {fault.message}",
                remedy="take the character out",
            )


def tree_problems(table: KeyTable, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    """Yield what is wrong with a value at a place, and with all keys inside of it.

    Texts are left to `text_problems`. The value must have passed `require_json`.
    """
    section, key = table.section_at(keys), table.find_keys(keys)
    if key is not None:
        yield from key_problems(key, keys, value)
    elif section is None:
        yield from _stray_problems(table, keys, value)
        return
    elif not isinstance(value, Mapping):
        yield _wrong_type(keys, value, ("object",))
    if isinstance(value, Mapping) and section is not None:
        for name, below in value.items():
            yield from tree_problems(table, (*keys, name), below)
    elif isinstance(value, list | tuple) and table.holds_items(keys):
        for index, below in enumerate(value):
            # The list's own check has named an item that is no object.
            if isinstance(below, Mapping):
                yield from tree_problems(table, (*keys, str(index)), below)


def key_problems(key: ConfigKey, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    """Yield what is wrong with a value for a key, texts left out."""
    if value is None and "null" not in key.types:
        yield from _null_problems(key, keys)
        return
    kinds = json_types(value)
    if not kinds & set(key.types):
        yield _wrong_type(keys, value, key.types, key.note)
        return
    if "array" in kinds:
        yield from _length_problems(key, keys, value)
        for index, item in enumerate(value):
            yield from _item_problems(key, (*keys, str(index)), item)
    elif "object" not in kinds:
        yield from _scalar_problems(key, keys, value)
    yield from _use_problems(key, keys, value)


def _null_problems(key: ConfigKey, keys: Keys) -> Iterator[PatchProblem]:
    if key.required:
        yield problem(
            codes.REQUIRED_MISSING,
            keys,
            f"{key.name!r} is required and may not be null",
            remedy="give a value",
            expected=list(key.types),
            effect="raises",
        )
    elif key.section != _PROCESS and not key.nullable:
        default = key.default_expr or shown(key.default)
        yield problem(
            codes.NULL_REPLACES_DEFAULT,
            keys,
            f"null replaces the default {default} of {key.name!r}, which can fail later",
            remedy="take the key out to get the default, or give a value",
            expected=list(key.types),
        )


def _wrong_type(
    keys: Keys, value: Any, types: tuple[JsonType, ...], note: str | None = None
) -> PatchProblem:
    words = " or ".join(types)
    return problem(
        codes.WRONG_TYPE,
        keys,
        f"{shown(value)} is of another type than {words}",
        remedy=f"give a value of type {words}" + (f" ({note.rstrip('.')})" if note else ""),
        value=value,
        expected=list(types),
    )


def _length_problems(key: ConfigKey, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    least, most = key.min_items, key.max_items
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        words = f"exactly {least}" if least == most else f"at least {least}"
        yield problem(
            codes.WRONG_LENGTH,
            keys,
            f"the list has {len(value)} items, and {key.name!r} takes {words}",
            remedy=f"give {words}",
            value=value,
            expected={"min_items": least, "max_items": most},
        )


def _item_problems(key: ConfigKey, keys: Keys, item: Any) -> Iterator[PatchProblem]:
    if key.items is not None and not json_types(item) & set(key.items):
        yield _wrong_type(keys, item, key.items)
    elif not isinstance(item, Mapping | list | tuple):
        yield from _scalar_problems(key, keys, item)


def _scalar_problems(key: ConfigKey, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    if value is not None and key.choices is not None and not _is_choice(key, value):
        named = ", ".join(shown(choice) for choice in key.choices[:_NAMED])
        more = f" and {len(key.choices) - _NAMED} more" if len(key.choices) > _NAMED else ""
        yield problem(
            codes.NOT_A_CHOICE,
            keys,
            f"{shown(value)} is no known value of {key.name!r}" + _told(key.note),
            remedy=f"use one of {named}{more}",
            value=value,
            expected=list(key.choices),
            effect=key.choices_effect,
        )
    number = isinstance(value, int | float) and not isinstance(value, bool)
    low, high = key.minimum, key.maximum
    if number and low is not None and high is not None and not low <= value <= high:
        whose = "; the limits are wider than any real run needs" if key.range_is_ours else ""
        yield problem(
            codes.OUT_OF_RANGE,
            keys,
            f"{shown(value)} is not from {low:g} to {high:g}{whose}",
            remedy=f"give a value from {low:g} to {high:g}",
            value=value,
            expected={"minimum": low, "maximum": high},
        )


def _is_choice(key: ConfigKey, value: Any) -> bool:
    if key.open_choices or any(same_json(value, choice) for choice in key.choices or ()):
        return True
    if not isinstance(value, str):
        return False
    word = value.lower() if key.ignore_case else value
    if key.before_bar:
        word = word.partition("|")[0]
    return word in (key.choices or ()) or word.startswith(key.choice_prefixes or ("\0",))


def _use_problems(key: ConfigKey, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    # A key that says what holds anyway changes nothing, and old configs have many of them.
    if same_json(value, key.default):
        return
    if key.no_effect:
        yield problem(
            codes.NO_EFFECT,
            keys,
            f"nothing in the trainer uses {key.name!r}" + _told(key.note),
            remedy="take the key out",
            value=value,
            effect="ignored",
        )
    if key.deprecated:
        yield problem(
            codes.DEPRECATED,
            keys,
            f"{key.name!r} is an older form" + _told(key.note),
            remedy="take the key out and use the present form",
            value=value,
        )


def _stray_problems(table: KeyTable, keys: Keys, value: Any) -> Iterator[PatchProblem]:
    """Yield what is wrong at a place that the table does not know."""
    end = next(end for end in range(len(keys) - 1, -1, -1) if table.section_at(keys[:end]))
    section = table.section_at(keys[:end])
    owner = table.find_keys(keys[: end + 1])
    if section is None:
        return
    if owner is None:
        if section.unknown_keys == "ignored":
            yield _unknown(table, section, keys[: end + 1], value)
        return
    inside = keys[end + 1 :]
    if not {"array", "object"} & set(owner.types):
        yield problem(
            codes.PATH_INTO_NOTHING,
            keys,
            f"{owner.name!r} is a single value and has no keys",
            remedy=f"change {owner.name!r} itself",
            expected=list(owner.types),
        )
    elif len(inside) == 1 and (index_of(inside[0]) is not None or inside[0] == "-"):
        yield from _item_problems(owner, keys, value)


def _unknown(table: KeyTable, section: Section, keys: Keys, value: Any) -> PatchProblem:
    near, places = table.nearest_keys(keys), table.elsewhere(keys[-1])
    where = section.id if section.pattern else "the top of a config"
    remedy = "check the name, or take the key out"
    if near:
        remedy = f"did you mean {' or '.join(map(repr, near))}?"
    elif places:
        remedy = f"it is read at {', '.join(places[:_NAMED])}"
    return problem(
        codes.UNKNOWN_KEY,
        keys,
        f"{shown(keys[-1])} is not among the keys known of {where}: the trainer ignores such keys "
        "without a message" + _told(section.note if section.id == "model.model_kwargs" else None),
        remedy=remedy,
        value=value,
        expected=[*near] or [*places[:_NAMED]] or None,
        effect="ignored",
    )


def _told(note: str | None) -> str:
    return f" ({note.rstrip('.')})" if note else ""
