"""The architectures of the backend's new-job form, and which of them a model belongs to.

The table is package data, reduced from the form's own (ui/src/app/jobs/new/options.tsx); it is
read the first time it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from aitk_core.configkeys.model_names import judge_name
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from aitk_core.configkeys.model_names import NameVerdict

MatchSource: TypeAlias = Literal["argument", "default_model", "name_rule"]

_LISTED: Final = 8
"""Candidates in one message; the details name all of them."""


@attrs.frozen(kw_only=True)
class Arch:
    """One entry of the form's list of architectures."""

    id: str
    """Value of `model.arch`, tag included."""
    trainer_arch: str
    """The id once the trainer has stripped the tag and applied its aliases."""
    label: str
    group: str
    modality: Literal["image", "video", "audio"]
    edit: bool
    """Trains instruction pairs."""
    control_images: Literal["none", "single", "multi"]
    image_to_video: bool
    default_name_or_path: str
    gated_url: str | None
    """Page of the terms that must be accepted on the Hub; None where the form states none."""
    transformer_params_billion: float | None
    note: str | None
    selected: Mapping[str, Any]
    """What the form writes on selection: dotted path below `process[0]` to value."""
    dataset_defaults: Mapping[str, Any]
    """What the form writes into every dataset on selection."""
    sections: frozenset[str]
    """Optional sections of the form for this architecture."""
    auto_controls: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ArchMatch:
    """The architecture of a model, and how that was decided."""

    arch: Arch
    source: MatchSource
    rule: str = ""
    """The words that decided, for a name rule."""
    alternatives: tuple[str, ...] = ()
    """Other architectures that train the same model."""
    suggested: str | None = None
    """What the model's name says where the argument says something else."""


@cache
def arch_table() -> Mapping[str, Any]:
    """Return the table as stored; not to be changed."""
    text = files("aitk_core").joinpath("configkeys/data/archs.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))


def source_version() -> str:
    """Return the backend version that the table was read from."""
    return str(arch_table()["source_version"])


@cache
def archs() -> Mapping[str, Arch]:
    """Return the architectures by id, in the order of the form's table."""
    rows = (
        {
            **row,
            "sections": frozenset(row["sections"]),
            "auto_controls": tuple(row["auto_controls"]),
        }
        for row in arch_table()["archs"]
    )
    return MappingProxyType({row["id"]: Arch(**row) for row in rows})


def resolve_arch(model_name: str, arch: str | None) -> ArchMatch:
    """Return the architecture that trains the model.

    Args:
        model_name: Hub id, folder or file.
        arch: Id from `archs()`, which then decides; None to decide from the name: first the
            form's own default models, then `name_rules`.

    Raises:
        InvalidArgumentsError: The id is unknown, or the name does not decide.
    """
    if arch is not None:
        chosen = _by_id(arch)
        suggested = _guess(model_name)
        differs = suggested is not None and suggested.trainer_arch != chosen.trainer_arch
        return ArchMatch(
            arch=chosen,
            source="argument",
            suggested=suggested.id if differs and suggested is not None else None,
        )
    owners = _default_owners(model_name)
    if owners:
        return ArchMatch(
            arch=owners[0],
            source="default_model",
            alternatives=tuple(other.id for other in owners[1:]),
        )
    verdict = judge_name(model_name)
    if len(verdict.archs) == 1 and not verdict.unexplained:
        return ArchMatch(arch=archs()[verdict.archs[0]], source="name_rule", rule=verdict.rule)
    raise _undecided(model_name, verdict)


def archs_named(model_name: str) -> tuple[str, ...]:
    """Return the ids of the architectures that a model's name speaks of; none where it is silent.

    A name with a word for a variant that no rule covers is silent, too.
    """
    owners = _default_owners(model_name)
    if owners:
        return tuple(owner.id for owner in owners)
    verdict = judge_name(model_name)
    return () if verdict.unexplained else verdict.archs


def _by_id(text: str) -> Arch:
    wanted = text.strip().lower()
    table = archs()
    if wanted in table:
        return table[wanted]
    tagged = [known for known in table.values() if known.id.partition(":")[0] == wanted]
    if len(tagged) == 1:
        return tagged[0]
    if tagged:
        raise _bad_arch(text, f"arch {text!r} needs its tag", tuple(known.id for known in tagged))
    if wanted in arch_table()["trainer_only_archs"]:
        nearest: tuple[str, ...] = ("sd15",) if wanted == "sd1" else ()
        message = f"arch {text!r} is known to the trainer only: its form has no defaults for it"
        raise _bad_arch(text, message, nearest)
    nearest = tuple(get_close_matches(wanted, table, n=4, cutoff=0.5))
    raise _bad_arch(text, f"arch {text!r} is not known to the backend", nearest)


def _bad_arch(text: str, message: str, candidates: tuple[str, ...]) -> InvalidArgumentsError:
    known = ", ".join(candidates or archs())
    return InvalidArgumentsError(
        message,
        remedy=f"pass one of: {known}",
        faults=[{"path": "/arch", "message": message}],
        arch=text,
        candidates=list(candidates),
    )


def _default_owners(model_name: str) -> tuple[Arch, ...]:
    wanted = model_name.strip().rstrip("/").casefold()
    owners = [
        known for known in archs().values() if known.default_name_or_path.casefold() == wanted
    ]
    # A caller who names only a model gives no control images: those entries must be asked for.
    return tuple(sorted(owners, key=lambda known: known.control_images != "none"))


def _guess(model_name: str) -> Arch | None:
    owners = _default_owners(model_name)
    if owners:
        return owners[0]
    verdict = judge_name(model_name)
    decided = len(verdict.archs) == 1 and not verdict.unexplained
    return archs()[verdict.archs[0]] if decided else None


def _undecided(model_name: str, verdict: NameVerdict) -> InvalidArgumentsError:
    candidates = verdict.archs
    if verdict.unexplained:
        reason = f"{verdict.unexplained!r} in it names a variant that no known rule covers"
    elif candidates:
        reason = f"it fits {len(candidates)} architectures"
    else:
        reason = "it names no known architecture"
        names = [known.label.lower() for known in archs().values()]
        close = get_close_matches(model_name.rpartition("/")[2].lower(), names, n=4, cutoff=0.5)
        candidates = tuple(known.id for known in archs().values() if known.label.lower() in close)
    message = f"cannot tell the architecture of model {model_name!r}: {reason}"
    shown = ", ".join(candidates[:_LISTED] or archs())
    return InvalidArgumentsError(
        message,
        remedy=f"pass arch, one of: {shown}",
        faults=[{"path": "/model_name", "message": message}],
        candidates=list(candidates),
    )
