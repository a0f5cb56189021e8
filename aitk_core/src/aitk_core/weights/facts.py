"""What is worth knowing of a file of weights in a list, from its header alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights.reading import READABLE, read_header
from aitk_core.weights.recognition import recognise
from aitk_core.weights.training import TrainingFacts, training_facts

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = 2
"""Rises with any change of what is found; older entries of an index are then read anew."""
_DTYPES: Final = 4
_CANDIDATES: Final = 12


@frozen(kw_only=True)
class FileFacts:
    """One file; None is not known."""

    format: str | None = None
    tensors: int | None = None
    parameters: int | None = None
    dtypes: dict[str, int] = field(factory=dict)
    """Values of the most frequent types."""
    rank: int | None = None
    """Of a LoRA's linear layers, where they share one."""
    ranks: dict[int, int] = field(factory=dict)
    """Layers of a LoRA by rank, convolutions included."""
    training: TrainingFacts = field(factory=TrainingFacts)
    kind: str | None = None
    """What it is, as `aitk_core.weights.recognition` says."""
    model: str | None = None
    label: str | None = None
    candidates: tuple[str, ...] = ()
    archs: tuple[str, ...] = ()
    why: str | None = None
    algorithm: str | None = None
    """Of a LoRA."""
    said: str | None = None
    """What its own metadata call its base; untrusted."""
    agrees: bool | None = None
    error: str | None = None
    """Why the header could not be read."""


def facts_of(path: Path) -> FileFacts:
    """Read a file's header; blocking. A file that cannot be read is an answer, too."""
    if not path.name.lower().endswith(READABLE):
        return FileFacts(error="a pickle, which is never opened")
    try:
        header = read_header(path)
    except BrokenWeightsError as error:
        return FileFacts(error=str(error))
    except OSError as error:
        return FileFacts(error=f"cannot be read: {error.strerror or type(error).__name__}")
    found = recognise(header)
    return FileFacts(
        kind=found.kind,
        model=found.model,
        label=found.label,
        candidates=found.candidates[:_CANDIDATES],
        archs=found.archs,
        why=found.why or None,
        algorithm=None if found.network is None else found.network.algorithm,
        said=found.said,
        agrees=found.agrees,
        format=header.format,
        tensors=len(header.tensors),
        parameters=header.parameters,
        dtypes=dict(list(header.dtypes.items())[:_DTYPES]),
        rank=None if found.network is None else found.network.rank,
        ranks={} if found.network is None else dict(found.network.ranks),
        training=training_facts(header.metadata),
    )
