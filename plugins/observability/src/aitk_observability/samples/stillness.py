"""For how long the samples of a run have not changed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_observability.samples.methods import FROZEN
from aitk_observability.samples.pixels import block_change, block_shift, pixels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitk_core.evidence.samples import SampleImage

_CHANGE: Final = FROZEN.number("change")
_SHIFT: Final = FROZEN.number("shift")
_STEPS: Final = FROZEN.count("steps")
_SPAN: Final = FROZEN.count("span")


@frozen(kw_only=True)
class Stillness:
    """How long the newest samples of all prompts have been the same."""

    first_step: int
    """From here to the newest step nothing changed, for any prompt."""
    last_step: int
    steps: int
    """Sampled steps in that stretch, of the prompt that has fewest; 1 where something changed."""
    is_whole: bool
    """The stretch begins at the first sample of every prompt."""
    change: float
    """Largest change of a block within the stretch, levels of 255."""
    prompts: int
    compared: int
    """Samples of these prompts."""

    @property
    def is_frozen(self) -> bool:
        """Tell whether that is worth saying: nothing ever changed, or not for several steps."""
        return self.steps >= (FROZEN.minimum_n if self.is_whole else _STEPS)

    @property
    def is_long(self) -> bool:
        """Tell whether learning should have shown by then."""
        return self.steps >= _STEPS and self.last_step - self.first_step >= _SPAN


def stillness(samples: Sequence[SampleImage]) -> Stillness | None:
    """Return for how long nothing has changed, or None where no prompt has two steps.

    The newest sample of a prompt is compared with each before it, back to the first that
    differs; so slow learning adds up. The seed of a prompt is constant over steps, with
    `walk_seed` as without: it adds the prompt index only (API.md section 14.2). So what differs is
    the weights' doing, or the encoder's.

    Args:
        samples: Readable ones that are not black, by step.
    """
    by_prompt: dict[int, list[SampleImage]] = defaultdict(list)
    for sample in samples:
        by_prompt[sample.prompt_index].append(sample)
    tails = [_tail(own) for own in by_prompt.values() if len(own) >= FROZEN.minimum_n]
    if not tails:
        return None
    return Stillness(
        first_step=max(tail.first_step for tail in tails),
        last_step=max(tail.last_step for tail in tails),
        steps=min(tail.steps for tail in tails),
        is_whole=all(tail.is_whole for tail in tails),
        change=max(tail.change for tail in tails),
        prompts=len(tails),
        compared=sum(tail.compared for tail in tails),
    )


def _unseen_change(one: SampleImage, other: SampleImage) -> float | None:
    """Return the change of two samples that are the same but for their encoding, else None."""
    before, after = pixels_of(one), pixels_of(other)
    change, shift = block_change(before, after), block_shift(before, after)
    if change is None or shift is None or change > _CHANGE or shift > _SHIFT:
        return None
    return change


def _tail(samples: Sequence[SampleImage]) -> Stillness:
    newest, first, count, largest = samples[-1], samples[-1], 1, 0.0
    for sample in reversed(samples[:-1]):
        change = _unseen_change(sample, newest)
        if change is None:
            break
        first, count, largest = sample, count + 1, max(largest, change)
    return Stillness(
        first_step=first.step,
        last_step=newest.step,
        steps=count,
        is_whole=count == len(samples),
        change=largest,
        prompts=1,
        compared=len(samples),
    )
