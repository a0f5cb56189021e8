"""Configs as YAML or JSON text, read as the trainer reads them and never trusted."""

from __future__ import annotations

import json
import math
import re
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_BYTES: Final = 2 * 1024 * 1024
"""Ours: the largest recorded job config has about 4 KiB, one with a thousand prompts 200."""
_MAX_NODES: Final = 100_000
"""Values after aliases are written out; ours."""
_MAX_DEPTH: Final = 64
"""Levels of nesting; ours."""
_LARGEST: Final = 2**63
"""What a JSON reader of another language may still hold (RFC 8259, section 6, wants less)."""

# YAML 1.1 reads 1:30:00 in base 60, which takes PyYAML quadratic time: nobody needs 100 places.
_ENDLESS_NUMBER: Final = re.compile(r"[-+]?[0-9_:.]{100,}")

# toolkit/config.py, fixed_loader: YAML 1.1 would read 1e-4 as a text. Leading-dot exponents and
# base-60 numbers as there.
_FLOAT: Final = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?(?:[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)
    |\.[0-9_]+(?:[eE][-+][0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


class ConfigTextError(ValueError):
    """The text is no config; the message says why in words that may be shown."""

    def __init__(self, message: str, *, empty: bool = False) -> None:
        """Keep the reason, and whether there is simply nothing in it."""
        super().__init__(message)
        self.empty = empty


def parse_config(data: bytes, *, is_json: bool) -> dict[str, Any]:
    """Return the config of a file's bytes as plain JSON values.

    Dates become texts, and aliases are written out where they are used.

    Raises:
        ConfigTextError: It is empty, no valid text, no object, or too large when written out.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigTextError("is not UTF-8 text") from None
    try:
        value = json.loads(text) if is_json and text.strip() else _from_yaml(text)
        plain = _plain(value, 0)
    except json.JSONDecodeError as error:
        raise ConfigTextError(
            f"is not valid JSON: line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise ConfigTextError(f"is nested deeper than {_MAX_DEPTH} levels") from None
    except ConfigTextError:
        raise
    except ValueError:
        # A number or date that Python cannot hold.
        raise ConfigTextError("holds a number or date that cannot be read") from None
    if plain is None:
        raise ConfigTextError("is empty", empty=True)
    if not isinstance(plain, dict):
        raise ConfigTextError(f"holds {_kind(plain)} where an object is expected")
    return plain


def dump_config(config: dict[str, Any], *, as_json: bool) -> bytes:
    """Return the text of a config, keys in their order, letters as they are.

    Raises:
        ConfigTextError: It holds what JSON cannot, or is larger than `MAX_BYTES`.
    """
    try:
        text = json.dumps(config, allow_nan=False, ensure_ascii=False, indent=2)
        data = text.encode("utf-8")
    except (TypeError, ValueError, RecursionError):
        raise ConfigTextError("holds values that cannot be written as text") from None
    if not as_json:
        # From the text: values that two places share would become anchors and aliases.
        data = _to_yaml(json.loads(text))
    if len(data) > MAX_BYTES:
        raise ConfigTextError(f"is larger than {MAX_BYTES} bytes")
    return data


@cache
def _with_trainers_numbers(base: Any) -> Any:
    """Return a loader or dumper class that knows the trainer's idea of a number."""
    made: Any = type(f"Trainer{base.__name__}", (base,), {})
    made.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    return made


def _loader() -> Any:
    import yaml

    # libyaml where PyYAML was built with it: ten times as fast, same rules.
    return _with_trainers_numbers(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _to_yaml(config: dict[str, Any]) -> bytes:
    import yaml

    # PyYAML leaves some line separators unescaped where its own reader folds them; escaping
    # every letter is the way out for the rare text that has one.
    for plain_letters in (True, False):
        text: str = yaml.dump(
            config,
            Dumper=_with_trainers_numbers(yaml.SafeDumper),
            allow_unicode=plain_letters,
            sort_keys=False,
        )
        data = text.encode("utf-8")
        try:
            if parse_config(data, is_json=False) == config:
                return data
        except ConfigTextError:
            continue
    raise ConfigTextError("holds values that cannot be written as text")


def _from_yaml(text: str) -> Any:
    import yaml

    try:
        _check_events(yaml.parse(text, Loader=_loader()))
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f": line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigTextError(f"is not valid YAML{where}") from None


@attrs.define
class _Open:
    """A list or object that the event stream is inside of."""

    anchor: str | None
    nodes: int = 1


def _check_events(events: Iterable[Any]) -> None:
    """Refuse what would be far larger, or far deeper, than its text, before anything is built."""
    sizes: dict[str, int] = {}
    inside: list[_Open] = [_Open(anchor=None)]
    for event in events:
        kind = type(event).__name__
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            inside.append(_Open(anchor=event.anchor))
            if len(inside) > _MAX_DEPTH:
                raise ConfigTextError(f"is nested deeper than {_MAX_DEPTH} levels")
            continue
        if kind in {"MappingEndEvent", "SequenceEndEvent"}:
            done = inside.pop()
            nodes, anchor = done.nodes, done.anchor
        elif kind in {"ScalarEvent", "AliasEvent"}:
            nodes, anchor = _leaf(event, sizes)
        else:
            continue
        if anchor is not None:
            sizes[anchor] = nodes
        inside[-1].nodes += nodes
        if inside[-1].nodes > _MAX_NODES:
            raise ConfigTextError(f"holds more than {_MAX_NODES} values once written out")


def _leaf(event: Any, sizes: Mapping[str, int]) -> tuple[int, str | None]:
    """Return how many values a scalar or an alias stands for, and the anchor that it sets."""
    if hasattr(event, "value"):
        if event.implicit[0] and _ENDLESS_NUMBER.fullmatch(event.value):
            raise ConfigTextError("holds a number or date that cannot be read")
        return 1, event.anchor
    if event.anchor not in sizes:
        raise ConfigTextError(
            f"uses {event.anchor[:60]!r} before or inside what it names: "
            f"line {event.start_mark.line + 1}"
        )
    return sizes[event.anchor], None


def _plain(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ConfigTextError(f"is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {_key(key): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigTextError("holds a number that is not finite")
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise ConfigTextError("holds a whole number of more than 64 bits")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigTextError(f"holds {_kind(value)}, which no config has")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, date):
        return key.isoformat()
    # As JSON writes them, so that a key of YAML and of JSON is the same one.
    return json.dumps(key) if key is None or isinstance(key, bool | int | float) else str(key)


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), f"a {type(value).__name__}")
