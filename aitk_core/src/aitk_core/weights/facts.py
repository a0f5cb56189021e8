"""What is worth knowing of a file of weights in a list, from its header alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from aitk_core.errors import BrokenWeightsError
from aitk_core.weights.reading import READABLE, read_header
from aitk_core.weights.training import TrainingFacts, training_facts

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.weights.header import Header

VERSION: Final = 1
"""Rises with any change of what is found; older entries of an index are then read anew."""
_DOWN: Final = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora.down.weight",
)
_DTYPES: Final = 4


@frozen(kw_only=True)
class FileFacts:
    """One file; None is not known."""

    format: str | None = None
    tensors: int | None = None
    parameters: int | None = None
    dtypes: dict[str, int] = field(factory=dict)
    """Values of the most frequent types."""
    ranks: dict[int, int] = field(factory=dict)
    """Layers of a LoRA by rank."""
    training: TrainingFacts = field(factory=TrainingFacts)
    error: str | None = None
    """Why the header could not be read."""

    @property
    def rank(self) -> int | None:
        """Return the one rank of all layers, None where they differ or there are none."""
        return next(iter(self.ranks)) if len(self.ranks) == 1 else None


def ranks_of(header: Header) -> dict[int, int]:
    """Return the ranks of a LoRA and how many layers have each; empty for another file."""
    found: dict[int, int] = {}
    for name, tensor in header.tensors.items():
        if name.endswith(_DOWN) and tensor.shape:
            found[tensor.shape[0]] = found.get(tensor.shape[0], 0) + 1
    return dict(sorted(found.items()))


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
    return FileFacts(
        format=header.format,
        tensors=len(header.tensors),
        parameters=header.parameters,
        dtypes=dict(list(header.dtypes.items())[:_DTYPES]),
        ranks=ranks_of(header),
        training=training_facts(header.metadata),
    )
