"""Which samples to look at when there are more than can be read; pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

T = TypeVar("T")

Cell = tuple[int, int]
"""A step and the index of a prompt."""


def spread(items: Sequence[T], count: int) -> list[T]:
    """Return `count` items evenly spaced, the first and the last among them, in their order.

    Args:
        items: To choose from; all are returned where there are not more than `count`.
        count: 0 or more; 1 gives the last item.
    """
    if len(items) <= count:
        return list(items)
    if count <= 1:
        return [items[-1]] if count else []
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def choose_cells(cells: Collection[Cell], limit: int) -> list[Cell]:
    """Return cells of the same steps for every prompt, the most telling first.

    All prompts share the steps, so that they can be compared side by side: the last, the first,
    and evenly between. A prompt with no sample at any of them brings its own newest. Prompts are
    left out only where there are more than half the limit, for each needs two steps.

    Args:
        cells: Those that exist, in any order.
        limit: How many at most, 0 or more.

    Returns:
        Cells of the last step, then of the first, then of those between, ascending; within a step
        by prompt.
    """
    by_prompt: dict[int, list[int]] = defaultdict(list)
    for step, prompt in sorted(set(cells)):
        by_prompt[prompt].append(step)
    prompts = spread(sorted(by_prompt), max(1, limit // 2) if limit else 0)
    if not prompts:
        return []
    steps = sorted({step for prompt in prompts for step in by_prompt[prompt]})
    shared = set(spread(steps, limit // len(prompts)))
    chosen: list[Cell] = []
    for prompt in prompts:
        own = [step for step in by_prompt[prompt] if step in shared]
        chosen += [(step, prompt) for step in own or by_prompt[prompt][-1:]]
    first, last = min(chosen)[0], max(chosen)[0]
    return sorted(chosen, key=lambda cell: (cell[0] != last, cell[0] != first, cell))
