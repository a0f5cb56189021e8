"""A sheet of a run's samples: a row for each prompt, a column for each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen
from PIL import Image, ImageDraw

from aitk_core.drawing.lettering import Lettering
from aitk_core.drawing.sheets import MAX_BYTES, THEMES, Sheet, encode, fitted
from aitk_core.errors import InvalidArgumentsError
from aitk_core.evidence.samplechoice import spread
from aitk_core.evidence.samples import SampleImage
from aitk_core.services.redaction import Redactor
from aitk_observability.samples.labels import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.drawing.sheets import Colours, SheetTheme
    from aitk_core.evidence.samples import SamplesEvidence

__all__ = ["MAX_BYTES", "MAX_COLUMNS", "MAX_ROWS", "WIDTHS", "Sheet", "sample_sheet"]

MAX_COLUMNS: Final = 8
MAX_ROWS: Final = 6
WIDTHS: Final = (320, 2400)
"""Least and greatest `max_width`, both included, in pixels."""

_MARGIN: Final = 16
_GAP: Final = 6
_NARROWEST: Final = 72
"""Width of a cell at least: room for `step 100000`. Ours."""
_TALLEST: Final = 2.0
"""Height of a cell over its width at most, for portraits; ours."""
_ALT_PROMPT: Final = 80
_NO_TOKENS: Final = Redactor().text


@frozen(kw_only=True)
class _Plan:
    """What is shown, and where."""

    steps: tuple[int, ...]
    prompts: tuple[int, ...]
    cells: dict[tuple[int, int], SampleImage]
    lines: tuple[str, ...]
    """What it is, and what was left out."""


def sample_sheet(
    evidence: SamplesEvidence,
    *,
    theme: SheetTheme = "light",
    max_width: int = 1200,
    redact: Callable[[str], str] = _NO_TOKENS,
) -> Sheet:
    """Draw the samples that were read, at most 8 steps by 6 prompts, fewer where it is narrow.

    PNG where that is small enough, else JPEG. A sample that is not there or could not be read is
    drawn as an empty cell that says so. Without any sample the sheet says that.

    Args:
        evidence: As `aitk_core.evidence.samples.collect_samples` gives it.
        theme: `light` or `dark`.
        max_width: Of the sheet in pixels, 320 to 2400; it is narrower where the samples are few.
        redact: Takes secrets out of text, such as `ToolContext.redacted`; by default tokens of
            the model hub only.

    Raises:
        InvalidArgumentsError: Another theme, or a width outside these bounds.
    """
    _check(theme, max_width)
    plan = _planned(evidence, (max_width - 2 * _MARGIN + _GAP) // (_NARROWEST + _GAP))
    page = _draw(plan, THEMES[theme], max_width, redact)
    data, mime_type, page = encode(page)
    return Sheet(
        data=data, mime_type=mime_type, alt=_alt(plan, redact), width=page.width, height=page.height
    )


def _check(theme: object, max_width: object) -> None:
    faults = []
    if theme not in THEMES:
        faults.append({"path": "/theme", "message": f"{theme!r} is not 'light' or 'dark'"})
    least, greatest = WIDTHS
    if type(max_width) is not int or not least <= max_width <= greatest:
        message = f"{max_width!r} is not a whole number from {least} to {greatest}"
        faults.append({"path": "/max_width", "message": message})
    if faults:
        raise InvalidArgumentsError(
            "; ".join(fault["message"] for fault in faults),
            remedy=f"Pass theme 'light' or 'dark' and a max_width of {least} to {greatest}.",
            faults=faults,
        )


def _planned(evidence: SamplesEvidence, columns: int) -> _Plan:
    cells = {(one.step, one.prompt_index): one for one in evidence.samples}
    read_steps = sorted({step for step, _ in cells})
    read_prompts = sorted({prompt for _, prompt in cells})
    prompts = spread(read_prompts, MAX_ROWS)
    # Columns of steps that none of these prompts has would be empty.
    own = [step for step in read_steps if any((step, prompt) in cells for prompt in prompts)]
    steps = spread(own, min(columns, MAX_COLUMNS))
    all_steps = max(len(set(evidence.steps)), len(read_steps))
    all_prompts = max(len(set(evidence.prompt_indexes)), len(read_prompts))
    if cells:
        lines = [
            f"{_of(len(steps), all_steps, 'step')}, {_of(len(prompts), all_prompts, 'prompt')}"
        ]
        unreadable = sum(
            (s, p) in cells and cells[s, p].pixels is None for s in steps for p in prompts
        )
        if unreadable:
            lines.append(f"{_of(unreadable, len(steps) * len(prompts), 'cell')} could not be read")
    else:
        lines = ["no sample images" if evidence.total else "no samples yet"]
    lines += [evidence.missing[key] for key in ("media", "names") if key in evidence.missing]
    return _Plan(steps=tuple(steps), prompts=tuple(prompts), cells=cells, lines=tuple(lines))


def _of(shown: int, total: int, word: str) -> str:
    plural = "" if total == 1 else "s"
    return f"{total} {word}{plural}" if shown == total else f"{shown} of {total} {word}{plural}"


def _alt(plan: _Plan, redact: Callable[[str], str]) -> str:
    said = ["Samples of a training run: " + redact("; ".join(plan.lines)) + "."]
    if plan.steps:
        said.append("Columns: steps " + ", ".join(map(str, plan.steps)) + ".")
    for prompt in plan.prompts:
        text = _prompt_text(plan, prompt)
        shown = "not in the config" if text is None else repr(plain(redact(text), _ALT_PROMPT))
        said.append(f"Row prompt {prompt}: {shown}.")
    return " ".join(said)


def _prompt_text(plan: _Plan, prompt: int) -> str | None:
    texts = (one.prompt for (_, index), one in plan.cells.items() if index == prompt)
    return next((text for text in texts if text is not None), None)


def _draw(
    plan: _Plan, colours: Colours, max_width: int, redact: Callable[[str], str]
) -> Image.Image:
    title, text, small = (Lettering(size, redact) for size in (18, 14, 12))
    columns = len(plan.steps)
    across = max(1, columns)
    side = min(256, (max_width - 2 * _MARGIN - (across - 1) * _GAP) // across)
    width = max(WIDTHS[0], 2 * _MARGIN + across * side + (across - 1) * _GAP)
    room = width - 2 * _MARGIN
    heights = [_row_height(plan, prompt, side) for prompt in plan.prompts]
    head = _MARGIN + title.height + len(plan.lines) * text.height + _GAP
    steps_line = text.height + _GAP if columns else 0
    rows = sum(text.height + _GAP + height + 2 * _GAP for height in heights)
    page = Image.new("RGB", (width, head + steps_line + rows + _MARGIN), colours.ground)
    pen = ImageDraw.Draw(page)
    title.write(pen, (_MARGIN, _MARGIN), "Samples", colours.ink, room)
    down = _MARGIN + title.height
    for line in plan.lines:
        text.write(pen, (_MARGIN, down), line, colours.faint, room)
        down += text.height
    down += _GAP
    lefts = [_MARGIN + place * (side + _GAP) for place in range(columns)]
    for left, step in zip(lefts, plan.steps, strict=True):
        text.write(pen, (left, down), f"step {step}", colours.ink, side)
    down += steps_line
    for prompt, height in zip(plan.prompts, heights, strict=True):
        own = _prompt_text(plan, prompt)
        label = f"prompt {prompt}" + (f": {own}" if own else "")
        text.write(pen, (_MARGIN, down), label, colours.faint, room)
        down += text.height + _GAP
        for left, step in zip(lefts, plan.steps, strict=True):
            box = (left, down, left + side - 1, down + height - 1)
            _draw_cell(page, pen, box, plan.cells.get((step, prompt)), colours, small)
        down += height + 2 * _GAP
    return page


def _row_height(plan: _Plan, prompt: int, side: int) -> int:
    shapes = [
        one.pixels.shape[0] / one.pixels.shape[1]
        for (_, index), one in plan.cells.items()
        if index == prompt and one.pixels is not None and one.pixels.size
    ]
    return max(40, round(side * min(_TALLEST, max(shapes, default=1.0))))


def _draw_cell(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    sample: SampleImage | None,
    colours: Colours,
    small: Lettering,
) -> None:
    left, top, right, bottom = box
    width, height = right - left + 1, bottom - top + 1
    if sample is not None and sample.pixels is not None and sample.pixels.size:
        picture = fitted(Image.fromarray(sample.pixels), width, height)
        at = (left, top + (height - picture.height) // 2)
        page.paste(picture, at)
        # A black sample has an edge on dark ground, and a white one on light ground.
        edge = (*at, at[0] + picture.width - 1, at[1] + picture.height - 1)
        pen.rectangle(edge, outline=colours.edge)
        return
    pen.rectangle(box, fill=colours.cell, outline=colours.faint)
    words = "missing" if sample is None else "unreadable"
    at = (left + _GAP, top + (height - small.height) // 2)
    small.write(pen, at, words, colours.faint, width - 2 * _GAP)
