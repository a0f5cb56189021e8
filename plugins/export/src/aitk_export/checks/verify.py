"""One pass over a file of weights: digest, values, and a copy where one is wanted."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from aitk_core.weights.header import Header
from aitk_core.weights.numbers import Numbers
from aitk_export.places.sources import header, pieces

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.protocols import ToolContext
    from aitk_export.places.sources import Source

Verdict = Literal["sound", "damaged", "no_effect", "header_only"]


@frozen(kw_only=True)
class Verified:
    """What a file was found to be."""

    verdict: Verdict
    """`damaged`: values that are not finite; `no_effect`: a LoRA whose update is all zero."""
    reason: str
    header: Header
    sha256: str | None
    """None where only the header was read."""
    numbers: Numbers | None


async def verify(
    context: ToolContext,
    source: Source,
    *,
    keep: Callable[[bytes], None] | None = None,
    said: str = "",
) -> Verified:
    """Read a file once, to its end.

    Args:
        context: Does the work, and hears of the progress.
        source: The file.
        keep: Takes each piece as well, such as a copy's `write`.
        said: What to call the work.

    Raises:
        BrokenWeightsError: It is cut off, or no safetensors file.
        ConflictError: It changed meanwhile.
        BackendError: In its kinds.
    """
    from aitk_core.weights.numbers import NumberScan

    found = await header(source)
    digest, scan = hashlib.sha256(), NumberScan(found)

    def take(data: bytes) -> None:
        digest.update(data)
        scan.feed(data)
        if keep is not None:
            keep(data)

    total = source.size_bytes / 1e6
    async for start, data in pieces(source):
        await context.progress(start / 1e6, total, said or f"checking {source.name} (MB)")
        await context.run(take, data)
    numbers = scan.result()
    verdict, reason = _judge(found, numbers)
    return Verified(
        verdict=verdict, reason=reason, header=found, sha256=digest.hexdigest(), numbers=numbers
    )


async def look(source: Source) -> Verified:
    """Read a file's header only.

    Raises:
        BrokenWeightsError: It is cut off, or no safetensors file.
    """
    return Verified(
        verdict="header_only",
        reason="only the header was read",
        header=await header(source),
        sha256=None,
        numbers=None,
    )


def _judge(found: Header, numbers: Numbers) -> tuple[Verdict, str]:
    if numbers.nonfinite:
        return "damaged", (
            f"{numbers.nonfinite} of {numbers.judged} values in {numbers.nonfinite_tensors} of "
            f"{len(found.tensors)} tensors are NaN or infinite: pictures made with it are black "
            "or noise"
        )
    ups = [name for name in found.tensors if _is_up(name)]
    zero = set(numbers.zero_examples)
    if ups and numbers.zero_tensors >= len(ups) and zero and all(_is_up(name) for name in zero):
        return "no_effect", "every update of the LoRA is zero: it changes no picture"
    if not numbers.judged:
        return "sound", "whole; its values are packed or whole numbers, and were not judged"
    return "sound", f"whole, and all of {numbers.judged} values are finite"


def _is_up(name: str) -> bool:
    """Tell whether a tensor is the half of an update that starts at zero."""
    return ".lora_up." in name or ".lora_B." in name or name.endswith((".lora_B", ".hada_w2_b"))
