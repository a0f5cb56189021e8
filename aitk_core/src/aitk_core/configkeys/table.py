"""The keys that the trainer reads from a job config, by block.

The table is package data, collected from the trainer's source by hand and by search; its
`source_version` names the release. It is read the first time it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import field, frozen

from aitk_core.configkeys.json_values import JsonType
from aitk_core.configkeys.paths import index_of, split_path
from aitk_core.configkeys.problems import Effect
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from aitk_core.configkeys.paths import Keys

UnknownKeys: TypeAlias = Literal["ignored", "accepted", "forwarded"]
"""What becomes of an unlisted key: `ignored` without a message, `accepted` as a keyword without
effect, or `forwarded` to a constructor that takes or refuses it."""

_ITEM: Final = "[]"
_PROCESS: Final = ("config", "process", _ITEM)
_COMPONENT: Final = "<component>_path"
_CLOSE: Final = 0.6
_NAMES: Final = 3
_LONGEST_NAME: Final = 100
"""Comparing names takes time with the square of their length; the longest known has 44."""


@frozen(kw_only=True)
class ConfigKey:
    """One key, with what the trainer takes for it."""

    name: str
    section: str
    """Id of the block that holds it, such as `train` or `datasets[]`."""
    pattern: str
    """Where it stands, with `[]` for any index: `config.process[].train.lr`."""
    types: tuple[JsonType, ...]
    default: Any = None
    """What the trainer uses where the key is absent; None also where that is no literal.
    Not to be changed."""
    default_expr: str | None = None
    """Source of a default that depends on others, such as `self.lr`."""
    choices: tuple[Any, ...] | None = None
    """Known values; for a list, of its items. None where any value will do."""
    open_choices: bool = False
    """There are others than the known ones."""
    ignore_case: bool = False
    choice_prefixes: tuple[str, ...] = ()
    """A value may also be any word that begins with one of these."""
    before_bar: bool = False
    """Only what stands before a `|` is the choice."""
    choices_effect: Effect = "unchecked"
    """What the trainer does with another value than the known ones."""
    items: tuple[JsonType, ...] | None = None
    """Types of a list's items where they are known."""
    min_items: int | None = None
    max_items: int | None = None
    minimum: float | None = None
    """Least value, included; for a list, of its items. None where no limit is known."""
    maximum: float | None = None
    """Greatest value, included; for a list, of its items. None where no limit is known."""
    range_is_ours: bool = False
    """The range is this project's, wide enough for any real run, to stop slips of units."""
    required: bool = False
    """The trainer raises where the key is absent."""
    deprecated: bool = False
    no_effect: bool = False
    """The trainer takes the key, and nothing reads it."""
    archs: tuple[str, ...] = ()
    """Architectures whose model reads it, for keys of `model.model_kwargs`."""
    note: str | None = None
    source: str
    """File of the trainer that reads it, with the line where it is known."""

    @property
    def nullable(self) -> bool:
        """Return whether null is a value like another: it replaces no default."""
        return "null" in self.types or (self.default is None and self.default_expr is None)


@frozen(kw_only=True)
class Section:
    """One block of a config."""

    id: str
    pattern: str
    """Where it stands, with `[]` for any index; empty for the top."""
    source: str
    unknown_keys: UnknownKeys
    note: str | None = None
    keys: tuple[ConfigKey, ...]

    @cached_property
    def by_name(self) -> Mapping[str, ConfigKey]:
        """Return the keys by name."""
        return MappingProxyType({key.name: key for key in self.keys})

    def get(self, name: str) -> ConfigKey | None:
        """Return the key of that name, or the one whose pattern it fits."""
        found = self.by_name.get(name)
        # Some models read a path for each of their components, under names of their own.
        if found is None and _COMPONENT in self.by_name and name.endswith("_path"):
            return self.by_name[_COMPONENT]
        return found


@frozen(kw_only=True)
class CrossCheck:
    """A rule about several keys, or about more than the config."""

    rule: str
    result: str
    """What the trainer does where it applies."""
    effect: Effect
    decided_by: Literal["rule", "choices", "required", "nothing"]
    """A function of `rules`, the choices or the need of one key, or nothing that a config says."""
    code: str | None = None
    """Of the problem, for a rule."""
    remedy: str = ""
    needs: str = ""
    """What would decide a rule that the config alone does not."""


@frozen(kw_only=True)
class KeyTable:
    """All keys that are known, and where they stand."""

    source_version: str
    """Release of the trainer that the table describes."""
    archs: frozenset[str]
    """Values of `model.arch`, without the form's tag."""
    captioners: frozenset[str]
    """Values of `process[].type` that write captions and train nothing."""
    other_processes: Mapping[str, frozenset[str]] = field(factory=dict)
    """By value of `job`: types of process that the trainer knows and whose keys this table does
    not list (`process_dict` of jobs/*Job.py, `uid` of extensions_built_in)."""
    sections: tuple[Section, ...]
    cross_checks: tuple[CrossCheck, ...]

    @property
    def keys(self) -> tuple[ConfigKey, ...]:
        """Return the keys of all blocks, in their order."""
        return tuple(key for section in self.sections for key in section.keys)

    def covers(self, job: Any, kind: Any) -> bool:
        """Return whether the table lists the keys of a process; any JSON values.

        An unknown type is covered: it is a mistake in one that is.
        """
        others = self.other_processes.get(job, frozenset()) if isinstance(job, str) else ()
        return not (isinstance(kind, str) and kind in others)

    def captions(self, kind: Any) -> bool:
        """Return whether a process of that type, any JSON value, writes captions."""
        return isinstance(kind, str) and kind in self.captioners

    def find(self, path: str) -> ConfigKey | None:
        """Return the key at a dotted path such as `config.process.0.train.lr`.

        None where the path names no key that the trainer reads: it is unknown, stands in a block
        of free form, or is an item of a list.
        """
        try:
            return self.find_keys(split_path(path))
        except InvalidArgumentsError:
            return None

    def find_keys(self, keys: Keys) -> ConfigKey | None:
        """Return the key at a place given key by key, which may have dots in them."""
        section = self.section_at(keys[:-1]) if keys else None
        return section.get(keys[-1]) if section else None

    def section_at(self, keys: Keys) -> Section | None:
        """Return the block at a place, None where there is none."""
        return self._by_place.get(self._place(keys))

    def holds_items(self, keys: Keys) -> bool:
        """Return whether the items of the list at a place are blocks."""
        return (*self._place(keys), _ITEM) in self._places

    def nearest(self, path: str) -> tuple[str, ...]:
        """Return names for the first key of a path that is not known, closest first.

        They are the known names of its block. Empty where none comes close, the path is known,
        or it leads into a block of free form.
        """
        try:
            return self.nearest_keys(split_path(path))
        except InvalidArgumentsError:
            return ()

    def nearest_keys(self, keys: Keys) -> tuple[str, ...]:
        """Return what `nearest` does, for a place given key by key."""
        known = next(
            (end for end in range(len(keys) - 1, -1, -1) if self.section_at(keys[:end])), 0
        )
        section = self.section_at(keys[:known])
        if section is None or not keys or section.get(keys[known]) is not None:
            return ()
        # A name may be written in another case or with hyphens; the trainer reads it in one way.
        names = {_plain(name): name for name in section.by_name}
        if len(keys[known]) > _LONGEST_NAME:
            return ()
        close = get_close_matches(_plain(keys[known]), names, n=_NAMES, cutoff=_CLOSE)
        return tuple(names[name] for name in close)

    def elsewhere(self, name: str) -> tuple[str, ...]:
        """Return the patterns of the keys of exactly that name, whatever their block."""
        return self._by_name.get(name, ())

    def _place(self, keys: Keys) -> Keys:
        place: Keys = ()
        for key in keys:
            if (index_of(key) is not None or key == "-") and (*place, _ITEM) in self._places:
                place = (*place, _ITEM)
            # It has the keys of sample (see its note), so it is the same block.
            elif place == _PROCESS and key == "first_sample":
                place = (*place, "sample")
            else:
                place = (*place, key)
        return place

    @cached_property
    def _by_place(self) -> Mapping[Keys, Section]:
        return {_place_of(section.pattern): section for section in self.sections}

    @cached_property
    def _places(self) -> frozenset[Keys]:
        return frozenset(
            place[:end] for place in self._by_place for end in range(1, len(place) + 1)
        )

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for key in self.keys:
            found[key.name] = (*found.get(key.name, ()), key.pattern)
        return found


@cache
def key_table() -> KeyTable:
    """Return the table of the release that this project is made for."""
    text = files("aitk_core").joinpath("configkeys/data/keys.json").read_text(encoding="utf-8")
    stored = json.loads(text)
    return KeyTable(
        source_version=stored["source_version"],
        archs=frozenset(stored["archs"]),
        captioners=frozenset(stored["captioners"]),
        other_processes={job: frozenset(kinds) for job, kinds in stored["other_processes"].items()},
        sections=tuple(_section(row) for row in stored["sections"]),
        cross_checks=tuple(CrossCheck(**row) for row in stored["cross_checks"]),
    )


def _section(row: dict[str, Any]) -> Section:
    pattern = row.pop("path")
    keys = tuple(_key(key, row, pattern) for key in row.pop("keys"))
    return Section(**row, pattern=pattern, keys=keys)


def _key(row: dict[str, Any], section: Mapping[str, Any], pattern: str) -> ConfigKey:
    line = row.pop("line", None)
    for name in ("types", "choices", "choice_prefixes", "items", "archs"):
        if name in row:
            row[name] = tuple(row[name])
    return ConfigKey(
        **row,
        section=section["id"],
        pattern=f"{pattern}.{row['name']}".lstrip("."),
        source=section["source"] if line is None else f"{section['source']}, line {line}",
    )


def _place_of(pattern: str) -> Keys:
    return tuple(pattern.replace(_ITEM, f".{_ITEM}").split(".")) if pattern else ()


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")
