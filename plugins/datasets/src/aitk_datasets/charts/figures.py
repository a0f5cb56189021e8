"""From the evidence to what a chart shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from aitk_core.drawing.scale import Scale
from aitk_core.drawing.words import number
from aitk_core.wording import counted
from aitk_datasets.analyzers.buckets import CROPPED_OVER, ENLARGED_OVER
from aitk_datasets.buckets.waste import waste_of
from aitk_datasets.captions.survey import Survey
from aitk_datasets.captions.tokens import CLIP_LIMIT, LONGEST_LIMIT, clip_bounds, word_bound
from aitk_datasets.charts.records import Bar, Bars, Histogram, Rule, Ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aitk_core.evidence.dataset import DatasetEvidence, DatasetUse
    from aitk_datasets.buckets.waste import ResolutionCost, Waste
    from aitk_datasets.charts.records import Panel

_BINS: Final = 24
"""Ours: bars at most; more than thirty pixels each in a chart 1000 wide."""
_LEAST_BINS: Final = 4
_LOG_RATIO: Final = 8.0
"""Ours: from three doublings on, smaller values would lie in one bar of a linear axis."""
_ROOM: Final = 0.12
"""Share of an axis that is left free behind its last value; ours."""
_TYPICAL: Final = 0.98
"""Share of the captions that the axis shows at least; a few huge files are counted beside it."""
_BUCKETS: Final = 12
_SHOWN_RESOLUTIONS: Final = 3
"""The form offers three."""
_RULES: Final = 6
_RATIOS: Final = (
    (1 / 8, "1:8"), (1 / 4, "1:4"), (1 / 3, "1:3"), (1 / 2, "1:2"), (2 / 3, "2:3"), (1.0, "1:1"),
    (3 / 2, "3:2"), (2.0, "2:1"), (3.0, "3:1"), (4.0, "4:1"), (8.0, "8:1"), (16.0, "16:1"),
    (1 / 16, "1:16"),
)  # fmt: skip


def resolution_panels(evidence: DatasetEvidence) -> tuple[Panel, ...]:
    """Return the long sides and the areas of the pictures; none without one that is known."""
    sides = _sides(evidence)
    if not len(sides):
        return ()
    use = evidence.use
    wanted = () if use is None else tuple(sorted(set(use.resolutions)))[-_RULES:]
    longest = sides.max(axis=1).astype(np.float64)
    areas = sides.prod(axis=1) / 1e6
    n = _n_of(evidence, len(sides))
    below = ""
    if wanted:
        under = int((areas < max(wanted) ** 2 / 1e6).sum())
        below = f"; {under:,} below {max(wanted)} x {max(wanted)}"
    return (
        _histogram(
            longest,
            heading="Long side",
            unit="pixels",
            rules=tuple(Rule(value=float(one), label=str(one)) for one in wanted),
            note=f"n = {n}; median {np.median(longest):,.0f}, from {longest.min():,.0f} to "
            f"{longest.max():,.0f}" + ("; dashed: configured resolutions" if wanted else ""),
        ),
        _histogram(
            areas,
            heading="Area",
            unit="megapixels",
            rules=tuple(Rule(value=one**2 / 1e6, label=f"{one} x {one}") for one in wanted),
            note=f"n = {n}; median {number(float(np.median(areas)))}{below}"
            + ("; dashed: squares of the configured resolutions" if wanted else ""),
        ),
    )


def aspect_panels(evidence: DatasetEvidence) -> tuple[Panel, ...]:
    """Return width by height of the pictures, with that of the buckets."""
    sides = _sides(evidence)
    if not len(sides):
        return ()
    ratios = sides[:, 0] / sides[:, 1]
    waste = waste_in(evidence)
    buckets: set[float] = set()
    if waste is not None:
        buckets = {fill.width / fill.height for each in waste.resolutions for fill in each.buckets}
    low = min(ratios.min(), *buckets, 2 / 3) if buckets else min(ratios.min(), 2 / 3)
    high = max(ratios.max(), *buckets, 3 / 2) if buckets else max(ratios.max(), 3 / 2)
    scale = Scale(low=float(low) / 1.08, high=float(high) * 1.08, log=True)
    shown = [one for one in sorted(_RATIOS) if scale.low <= one[0] <= scale.high]
    tall, wide = int((ratios < 1).sum()), int((ratios > 1).sum())
    split = f"{tall:,} portrait, {len(ratios) - tall - wide:,} square, {wide:,} landscape"
    edges = _log_edges(scale)
    panel = Histogram(
        heading="Side ratio",
        unit="width : height",
        counted="pictures",
        edges=edges,
        counts=np.histogram(ratios, edges)[0],
        scale=scale,
        ticks=Ticks(values=tuple(one[0] for one in shown), labels=tuple(one[1] for one in shown)),
        marks=tuple(sorted(buckets)),
        marks_label="side ratios of the buckets" if buckets else "",
        note=f"n = {_n_of(evidence, len(ratios))}; {split}"
        + (f"; {counted(len(buckets), 'side ratio')} of buckets" if buckets else ""),
    )
    return (panel,)


def bucket_panels(evidence: DatasetEvidence) -> tuple[Panel, ...]:
    """Return the buckets of each configured resolution; none where no config says."""
    waste, use = waste_in(evidence), evidence.use
    if waste is None or use is None:
        return ()
    largest_first = sorted(waste.resolutions, key=lambda each: -each.resolution)
    chosen = {each.resolution: each for each in largest_first}
    return tuple(_bars(each, use, waste) for each in list(chosen.values())[:_SHOWN_RESOLUTIONS])


def _bars(cost: ResolutionCost, use: DatasetUse, waste: Waste) -> Bars:
    bars = []
    for fill in cost.buckets:
        left = fill.items % use.batch_size
        bars.append(Bar(label=fill.key, full=fill.items - left, left_over=left))
    left_over = sum(bar.left_over for bar in bars)
    copies = f"; each picture {waste.copies} times" if waste.copies > 1 else ""
    note = (
        f"n = {cost.items:,} in {counted(len(bars), 'bucket')}; batch size {use.batch_size}: "
        f"{left_over:,} left over in batches that are not full{copies}"
    )
    if use.batch_size == 1:
        note = f"n = {cost.items:,} in {counted(len(bars), 'bucket')}; batch size 1{copies}"
    return Bars(
        heading=f"Resolution {cost.resolution}",
        counted="pictures" if waste.copies == 1 else "pictures in an epoch",
        bars=tuple(bars[:_BUCKETS]),
        more=max(0, len(bars) - _BUCKETS),
        note=note,
    )


def caption_panels(evidence: DatasetEvidence) -> tuple[Panel, ...]:
    """Return the estimated tokens of the captions, as they are trained."""
    survey = Survey(evidence=evidence)
    if not survey.prompts:
        return ()
    use = evidence.use
    encoder = None if use is None else use.text_encoder
    limit = None if use is None else use.text_limit
    is_clip = encoder in (None, "clip")
    most = limit or (CLIP_LIMIT if is_clip else LONGEST_LIMIT)
    prompts = list(survey.prompts.values())
    if is_clip:
        bounds = [clip_bounds(prompt) for prompt in prompts]
        values = np.array([bound.likely or bound.lower for bound in bounds], dtype=np.float64)
        foreign = sum(bound.likely is None for bound in bounds)
        how = "estimated without the vocabulary"
        how += f", {foreign:,} not in Latin letters counted low" if foreign else ""
    else:
        values = np.array([word_bound(prompt) for prompt in prompts], dtype=np.float64)
        how = "words, the fewest tokens there can be"
    over = int((values > most).sum())
    whose = {None: "CLIP, if the model has it", "clip": "CLIP", "t5": "T5", "llm": "the encoder"}
    panel = _histogram(
        values,
        heading="Caption length",
        unit="tokens, estimated" if is_clip else "tokens at least",
        rules=(Rule(value=float(most), label=f"limit {most}: {whose[encoder]}", is_limit=True),),
        note=f"n = {len(prompts):,} captions with text, {how}; median {np.median(values):,.0f}, "
        f"longest {values.max():,.0f}; {over:,} over the limit"
        + (" by the estimate" if is_clip else ""),
        counted_as="captions",
        top=max(2.0 * most, 1.1 * float(np.quantile(values, _TYPICAL))),
    )
    return (panel,)


def waste_in(evidence: DatasetEvidence) -> Waste | None:
    """Return what the buckets cost; None where no config says how the folder is read."""
    use = evidence.use
    if use is None or not use.resolutions:
        return None
    try:
        found = waste_of(
            evidence.images, use, cropped_over=CROPPED_OVER, enlarged_over=ENLARGED_OVER
        )
    except ValueError:
        return None
    return found if found.pictures else None


def _sides(evidence: DatasetEvidence) -> NDArray[np.int64]:
    """Return the sides of the trained pictures that are known, (n, 2), width first."""
    found = [
        (image.width, image.height)
        for image in evidence.images
        if image.is_trained and image.width and image.height
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _n_of(evidence: DatasetEvidence, known: int) -> str:
    if evidence.is_limited:
        return f"{known:,}, of {evidence.found_images:,} not all looked at"
    whole = len(evidence.images)
    return f"{known:,}" if known == whole else f"{known:,} of {whole:,} with sides that are known"


def _histogram(
    values: NDArray[np.float64],
    *,
    heading: str,
    unit: str,
    rules: Sequence[Rule],
    note: str,
    counted_as: str = "pictures",
    top: float | None = None,
) -> Histogram:
    """Return a histogram; with `top` linear from 0 and up to there at most."""
    every = np.concatenate([values, [rule.value for rule in rules]])
    low, high = float(every.min()), float(every.max())
    if top is None and low > 0 and high / low >= _LOG_RATIO:
        # At the end, room for the last rule's label.
        scale = Scale(low=low / 1.1, high=high * (high / low) ** _ROOM, log=True)
        edges = _log_edges(scale)
    else:
        edges = _linear_edges(0.0 if top is not None else low, min(high, top or high))
        scale = Scale(low=float(edges[0]), high=float(edges[-1]))
    ticks = scale.ticks(8)
    counts = np.histogram(values, edges)[0]
    return Histogram(
        heading=heading,
        unit=unit + (", log scale" if scale.log else ""),
        counted=counted_as,
        edges=edges,
        counts=counts,
        scale=scale,
        ticks=Ticks(values=ticks, labels=_labels(scale, ticks)),
        rules=tuple(rules),
        beyond=len(values) - int(counts.sum()),
        note=note,
    )


def _labels(scale: Scale, ticks: tuple[float, ...]) -> tuple[str, ...]:
    if not scale.log:
        return scale.labels(ticks)
    return tuple(
        f"{tick:,.4f}".rstrip("0").rstrip(".") if tick < 1 else f"{tick:,.0f}" for tick in ticks
    )


def _log_edges(scale: Scale) -> NDArray[np.float64]:
    return np.asarray(np.geomspace(scale.low, scale.high, _BINS + 1), dtype=np.float64)


def _linear_edges(low: float, high: float) -> NDArray[np.float64]:
    """Return edges of columns of a round width, from 0 where that costs at most half of them."""
    begin = 0.0 if low <= high / 2 else low
    width = _round_width((high - begin) * (1 + _ROOM) or high or 1.0)
    first = math.floor(begin / width)
    # The greatest value lies inside the last column, and some room behind it.
    end = high + _ROOM * (high - begin)
    last = max(first + _LEAST_BINS, math.floor(high / width) + 1, math.ceil(end / width))
    return np.asarray(np.arange(first, last + 1) * width, dtype=np.float64)


def _round_width(length: float) -> float:
    """Return a round width that makes at most `_BINS` columns of a length."""
    least = length / _BINS
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
