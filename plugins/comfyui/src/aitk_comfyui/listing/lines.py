"""One line of the answer for each file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aitk_comfyui.folders.known import FITS
from aitk_comfyui.listing.records import ComfyLine
from aitk_core.weights.beside import metadata_beside, trigger_of

if TYPE_CHECKING:
    from aitk_comfyui.listing.collect import Entry
    from aitk_comfyui.remote import Seen
    from aitk_core.weights.facts import FileFacts
    from aitk_core.weights.index import Indexed, SeenFile
    from aitk_core.weights.training import TrainingFacts

_ODD: Final = re.compile(r"[^a-z0-9]+")
_ARTICLES: Final = {"ip_adapter": "an IP-Adapter", "upscaler": "an upscaler"}


def line_of(entry: Entry, indexed: Indexed | None, seen: Seen | None) -> ComfyLine:
    """Return what is said of a file, in it and beside it; blocking."""
    facts = None if indexed is None else indexed.facts
    file = entry.file
    training = None if facts is None else facts.training
    return ComfyLine(
        name=entry.name,
        path=entry.relative,
        root=entry.root,
        folder=entry.folder,
        size_bytes=None if file is None else file.size_bytes,
        modified=None if file is None else file.modified,
        kind=None if facts is None else facts.kind,
        base=None if facts is None else facts.label,
        model=None if facts is None else facts.model,
        candidates=() if facts is None else facts.candidates,
        archs=() if facts is None else facts.archs,
        why=None if facts is None else facts.why,
        algorithm=None if facts is None else facts.algorithm,
        rank=None if facts is None else facts.rank,
        parameters=None if facts is None else facts.parameters,
        dtypes={} if facts is None else facts.dtypes,
        trigger_words=_words(file, training),
        frequent_tags=() if training is None else training.frequent_tags,
        said=None if facts is None else facts.said,
        agrees=None if facts is None else facts.agrees,
        loadable=None if seen is None else seen.has(entry.folder, entry.inside),
        warning=_warning(entry, facts),
        sha256=None if indexed is None else indexed.sha256,
        problem=None if facts is None else facts.error,
    )


def _words(file: SeenFile | None, training: TrainingFacts | None) -> tuple[str, ...]:
    if training is not None and training.trigger_words:
        return training.trigger_words
    beside = None if file is None else metadata_beside(file.path)
    word = None if beside is None else trigger_of(beside[0])
    return () if word is None else (word,)


def fits_base(facts: FileFacts, base: str) -> bool:
    """Tell whether a file is, or is for, the model that is meant: `sdxl`, `flux`, `wan`."""
    wanted = _plain(base)
    said = (facts.model, facts.label, *facts.candidates, *facts.archs)
    return bool(wanted) and any(wanted in _plain(each) for each in said if each)


def _plain(text: str) -> str:
    return _ODD.sub("", text.lower())


def _warning(entry: Entry, facts: FileFacts | None) -> str | None:
    if facts is None or facts.kind in (None, "unknown") or entry.folder not in FITS:
        return None
    if facts.kind in FITS[entry.folder]:
        if facts.agrees is False:
            return "its metadata name another base model than its tensors show"
        return None
    kind = str(facts.kind)
    shown = _ARTICLES.get(kind, f"a {kind.replace('_', ' ')}")
    return f"it lies in {entry.folder}, and its tensors are those of {shown}"
