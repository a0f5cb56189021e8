"""Pictures that are blurred, too dark, too bright, nearly plain, or framed (datasets.md A7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.records.findings import Analysis, Remedy
from aitk_core.wording import counted
from aitk_datasets.analyzers.methods import BORDERS, LOOKS
from aitk_datasets.said import Sayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitk_core.evidence.dataset import DatasetEvidence, Looks
    from aitk_core.records.findings import Finding

DARK, BRIGHT, PLAIN = "dark", "bright", "low_information"
BLURRED, MAYBE_BLURRED = "blurred", "maybe_blurred"

_SAID: Final[Mapping[str, tuple[str, str, str]]] = {
    DARK: ("IMAGE_DARK", "too dark: 95 % of the pixels lie below level 50 of 255", "lighten"),
    BRIGHT: ("IMAGE_BRIGHT", "too bright: 95 % of the pixels lie above level 200 of 255", "darken"),
    PLAIN: ("IMAGE_LOW_INFORMATION", "nearly plain: there is little to learn from", "look at"),
    BLURRED: ("IMAGE_BLURRED", "without any sharp part", "look at"),
    MAYBE_BLURRED: (
        "IMAGE_MAYBE_BLURRED",
        "perhaps blurred or with motion blur: soft everywhere, as fog or a painting may be",
        "look at",
    ),
}


def label_of(looks: Looks) -> str | None:
    """Return the first label that fits, or None: each picture has one at most."""
    if looks.p95 < LOOKS.number("dark_p95"):
        return DARK
    if looks.p5 > LOOKS.number("bright_p5"):
        return BRIGHT
    if looks.tile_laplacian < LOOKS.number("plain_detail") or looks.spread < LOOKS.number(
        "plain_spread"
    ):
        return PLAIN
    if looks.tile_laplacian < LOOKS.number("blurred_detail"):
        return BLURRED
    return MAYBE_BLURRED if _is_soft(looks) else None


def _is_soft(looks: Looks) -> bool:
    return looks.reblur is not None and any(
        looks.reblur > LOOKS.number(f"{name}_reblur")
        and looks.tile_laplacian < LOOKS.number(f"{name}_detail")
        for name in ("maybe", "faint")
    )


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge how each decoded picture looks."""
    seen = [image for image in evidence.images if image.looks is not None]
    if not seen:
        return Analysis(assessed=False, reason="no picture was decoded")
    sayer = Sayer(evidence=evidence, whole=len(evidence.images))
    labels: dict[str, list[str]] = {name: [] for name in _SAID}
    for image in seen:
        label = None if image.looks is None else label_of(image.looks)
        if label is not None:
            labels[label].append(image.path)
    findings = (*_labelled(sayer, labels), *_bordered(sayer))
    counts = {name: len(paths) for name, paths in labels.items()}
    return Analysis(findings=findings, facts={"looked_at": len(seen), "labels": counts})


def _labelled(sayer: Sayer, labels: Mapping[str, list[str]]) -> Iterator[Finding]:
    for name, (code, what, verb) in _SAID.items():
        paths = labels[name]
        if not paths:
            continue
        # Never more than a hint where a style may look like that; nobody but a person can tell.
        share = sayer.share(len(paths))
        is_material = share >= LOOKS.number("material_share") and name != MAYBE_BLURRED
        yield sayer.finding(
            code,
            "warning" if is_material else "info",
            f"{counted(len(paths), 'picture')} {what}; {sayer.cost(len(paths))}",
            method=LOOKS,
            pictures=paths,
            remedies=(Remedy(action=f"{verb} them, and leave out what you do not want learned"),),
            unknown=("whether it is meant so: night, fog, snow and line art look like this, too",),
        )


def _bordered(sayer: Sayer) -> Iterator[Finding]:
    least = BORDERS.number("least_share")
    paths = []
    for image in sayer.evidence.images:
        if image.looks is None:
            continue
        left, top, right, bottom = image.looks.borders
        if min(left, right) >= least or min(top, bottom) >= least:
            paths.append(image.path)
    if paths:
        yield sayer.finding(
            "IMAGE_BORDERED",
            "warning" if sayer.share(len(paths)) >= BORDERS.number("material_share") else "info",
            f"{counted(len(paths), 'picture')} with plain bars or a frame on opposite sides, which "
            f"is learned as part of the picture; {sayer.cost(len(paths))}",
            method=BORDERS,
            pictures=paths,
            remedies=(Remedy(action="crop the bars away"),),
            unknown=("whether the frame belongs to the picture, as in a product shot",),
        )
