"""How many bytes a checkpoint has, from rank and architecture.

A LoRA of rank r adds r * (inputs + outputs) numbers to each linear layer. The sums over the layers
of a model are exact where its layers are known, from the configs of the published models; 172 MB
for FLUX.1 at rank 16 in 16 bits, as its LoRA files have. Elsewhere they lie in an interval made of
those that are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_BYTES: Final[Mapping[str, int]] = {
    "float32": 4,
    "fp32": 4,
    "float": 4,
    "single": 4,
}
"""By `save.dtype`; 2 for all others that a checkpoint is written in."""


def _double(width: int, *, modulated: bool = True) -> int:
    """Return inputs plus outputs of a two-stream block: attention, feed-forward, modulation."""
    attention, feed = 8 * 2 * width, 4 * 5 * width
    return attention + feed + (2 * 7 * width if modulated else 0)


def _single(width: int, *, modulated: bool = True) -> int:
    """Return inputs plus outputs of a one-stream block of Flux."""
    attention, inner, outer = 3 * 2 * width, 5 * width, 6 * width
    return attention + inner + outer + (4 * width if modulated else 0)


def _wan(width: int, feed: int) -> int:
    """Return inputs plus outputs of a Wan block: self-attention, cross-attention, feed-forward."""
    return 8 * 2 * width + 2 * (width + feed)


_PER_RANK: Final[Mapping[str, int]] = {
    "flux": 19 * _double(3072) + 38 * _single(3072),
    "flux_kontext": 19 * _double(3072) + 38 * _single(3072),
    "flex1": 8 * _double(3072) + 38 * _single(3072),
    "flex2": 8 * _double(3072) + 38 * _single(3072),
    "chroma": 19 * _double(3072, modulated=False) + 38 * _single(3072, modulated=False),
    "qwen_image": 60 * _double(3072),
    "qwen_image:2512": 60 * _double(3072),
    "qwen_image_edit": 60 * _double(3072),
    "qwen_image_edit_plus": 60 * _double(3072),
    "qwen_image_edit_plus:2511": 60 * _double(3072),
    "wan21:1b": 30 * _wan(1536, 8960),
    "wan21:14b": 40 * _wan(5120, 13824),
    "wan22_14b:t2v": 2 * 40 * _wan(5120, 13824),
    "wan22_14b_i2v": 2 * 40 * _wan(5120, 13824),
}
"""Numbers per rank, by id of the architecture; two experts are two files."""

_FEWEST_PER_PARAMETER: Final = 3e-4
_MOST_PER_PARAMETER: Final = 1.1e-3
"""Numbers per rank and parameter of the model: from Wan 2.1 14B (3.4e-4) to Wan 2.1 1.3B (1.05e-3),
rounded outwards. Narrow models have more."""


@frozen(kw_only=True)
class Bytes:
    """An interval of bytes; both ends are the same where the layers are known."""

    low: float
    high: float

    def times(self, number: float) -> Bytes:
        """Return the interval for a number of such files."""
        return Bytes(low=self.low * number, high=self.high * number)

    def plus(self, other: Bytes) -> Bytes:
        """Return the sum of two."""
        return Bytes(low=self.low + other.low, high=self.high + other.high)

    def words(self) -> str:
        """Return it as `0.17 GB` or `0.1 to 0.4 GB`."""
        low, high = f"{self.low / 1e9:.3g}", f"{self.high / 1e9:.3g}"
        return f"{low} GB" if low == high else f"{low} to {high} GB"


def lora_numbers(
    *, arch_id: str, parameters_billion: float | None, rank: float
) -> tuple[float, float] | None:
    """Return the least and the most numbers of a LoRA; None where nothing is known of the model."""
    known = _PER_RANK.get(arch_id)
    if known is not None:
        return known * rank, known * rank
    if parameters_billion is None:
        return None
    parameters = parameters_billion * 1e9
    return _FEWEST_PER_PARAMETER * parameters * rank, _MOST_PER_PARAMETER * parameters * rank


def stored(numbers: tuple[float, float], dtype: str | None) -> Bytes:
    """Return the bytes of a checkpoint with so many numbers, in `save.dtype`."""
    each = _BYTES.get((dtype or "").lower(), 2)
    return Bytes(low=numbers[0] * each, high=numbers[1] * each)


def optimizer_state(numbers: tuple[float, float], optimizer: str | None) -> Bytes:
    """Return the bytes of `optimizer.pt`, of which there is one.

    Adam keeps two numbers for each weight: 8 bytes in full, 2 in its 8-bit forms. Others keep less
    (Lion, Adafactor) or up to twice as much (Prodigy), so they get the whole range.
    """
    name = (optimizer or "").lower()
    if name in {"adamw8bit", "adam8bit", "adamw8", "adam8"}:
        low = high = 2.0
    elif name in {"adam", "adamw"}:
        low = high = 8.0
    else:
        low, high = 1.0, 16.0
    return Bytes(low=numbers[0] * low, high=numbers[1] * high)
