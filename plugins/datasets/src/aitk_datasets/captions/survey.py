"""Which picture trains with which caption: what the checks of captions look at."""

from __future__ import annotations

import math
import posixpath
from functools import cached_property
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.records.findings import Estimate, EvidenceRef, Finding
from aitk_core.statistics.rates import binomial_interval
from aitk_datasets.captions.content import same_captions
from aitk_datasets.captions.shown import shown
from aitk_datasets.captions.style import style_of
from aitk_datasets.captions.trained import trained_text, trigger_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from aitk_core.evidence.dataset import CaptionFile, DatasetUse
    from aitk_core.records.findings import Severity
    from aitk_core.statistics.description import MethodInfo
    from aitk_datasets.captions.style import CaptionStyle

EXAMPLES: Final = 10
"""Paths that a finding names."""
_EXACT_UP_TO: Final = 500
"""Pictures; the exact interval of more takes seconds and tells no more."""
_Z95: Final = 1.959964


@frozen(kw_only=True, slots=False)
class Survey:
    """The trained pictures of a dataset with their captions."""

    evidence: DatasetEvidence

    @cached_property
    def use(self) -> DatasetUse | None:
        """How the job reads the folder, None where it is not known."""
        return self.evidence.use

    @cached_property
    def trigger(self) -> str | None:
        """The trigger word, None where there is none or the job is not known."""
        return trigger_of(self.use)

    @cached_property
    def unread(self) -> tuple[str, ...]:
        """Pictures with a caption that could not be read: trained, but not checked here."""
        missing, captions = self.evidence.missing, self.evidence.captions
        return tuple(
            image.path
            for image in self.evidence.images
            if image.is_trained
            and image.path not in captions
            and not missing.keys().isdisjoint((image.path, self.caption_path(image.path)))
        )

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """Trained pictures of which it is known what caption they have, or that they have none."""
        unread = set(self.unread)
        return tuple(
            image.path
            for image in self.evidence.images
            if image.is_trained and image.path not in unread
        )

    @cached_property
    def without(self) -> tuple[str, ...]:
        """Pictures without a caption file."""
        return tuple(path for path in self.pictures if path not in self.evidence.captions)

    @cached_property
    def empty(self) -> tuple[str, ...]:
        """Pictures with an empty caption file."""
        captions = self.evidence.captions
        return tuple(path for path in self.pictures if path in captions and captions[path].is_empty)

    @cached_property
    def holders(self) -> dict[str, list[str]]:
        """Pictures by the path of the caption that they share; empty captions too."""
        found: dict[str, list[str]] = {}
        for path in self.pictures:
            caption = self.evidence.captions.get(path)
            if caption is not None:
                found.setdefault(caption.path, []).append(path)
        return found

    @cached_property
    def texts(self) -> dict[str, str]:
        """Texts of the captions that are not empty, by their path."""
        found: dict[str, str] = {}
        for path, pictures in self.holders.items():
            caption = self.evidence.captions[pictures[0]]
            if not caption.is_empty:
                found[path] = caption.text
        return found

    @cached_property
    def styles(self) -> dict[str, CaptionStyle]:
        """How each caption is written, by its path."""
        return {path: style_of(text) for path, text in self.texts.items()}

    @cached_property
    def same(self) -> list[tuple[str, ...]]:
        """Groups of captions that say the same, by their paths, the largest first."""
        return same_captions(self.texts, self.trigger)

    @cached_property
    def prompts(self) -> dict[str, str]:
        """What is trained of each caption, by its path."""
        return {path: trained_text(text, self.use) for path, text in self.texts.items()}

    def caption_path(self, picture: str) -> str:
        """Return where the trainer looks for the caption of a picture."""
        extension = self.use.caption_ext if self.use is not None else ".txt"
        return posixpath.splitext(picture)[0] + "." + extension.removeprefix(".")

    def with_caption(self, is_so: Callable[[CaptionFile], bool]) -> list[str]:
        """Return the pictures whose caption is so."""
        captions = self.evidence.captions
        return [path for path in self.pictures if path in captions and is_so(captions[path])]

    def with_text(self, is_so: Callable[[str], bool]) -> list[str]:
        """Return the pictures whose caption is not empty and has a text that is so."""
        return self.of_captions(path for path, text in self.texts.items() if is_so(text))

    def of_captions(self, captions: Iterable[str]) -> list[str]:
        """Return the pictures that have one of these captions, by path, in their order."""
        wanted = {picture for path in captions for picture in self.holders[path]}
        return [path for path in self.pictures if path in wanted]

    def share(self, count: int) -> float:
        """Return the share of the pictures."""
        return count / len(self.pictures)

    def cost(self, count: int) -> str:
        """Say what a number of pictures is in steps."""
        whole = len(self.pictures)
        text = f"{count} of {whole} = {percent(self.share(count))} of this folder's steps"
        steps = self.use.steps if self.use is not None else None
        if steps:
            about = round(steps * self.share(count))
            text += f", about {about} of {steps} where the job has no other folder"
        return text

    def finding(
        self,
        code: str,
        severity: Severity,
        message: str,
        *,
        method: MethodInfo,
        pictures: Sequence[str],
        **more: Any,
    ) -> Finding:
        """Return a finding on pictures, with their share and examples.

        Args:
            code: Of the finding.
            severity: Of the finding.
            message: With what it costs in training.
            method: That found it.
            pictures: Paths, at least one.
            **more: Further fields of a finding.
        """
        unknown: tuple[str, ...] = more.pop("unknown", ())
        if self.evidence.is_limited:
            left = self.evidence.found_images - len(self.evidence.images)
            unknown += (
                f"{counted(left, 'picture')} not looked at",
                "whether those looked at are like the others, which the interval supposes",
            )
        return Finding(
            code=code,
            category=more.pop("category", "dataset"),
            severity=severity,
            message=message,
            method=method.name,
            false_alarm_rate=method.false_alarm_rate,
            n=len(self.pictures),
            estimate=self._estimate(len(pictures)),
            evidence=examples(pictures),
            unknown=unknown,
            **more,
        )

    def _estimate(self, count: int) -> Estimate:
        whole, share = len(self.pictures), self.share(count)
        if not self.evidence.is_limited:
            return Estimate(value=round(share, 4), unit="share of the pictures", level=None)
        low, high = share_interval(count, whole)
        return Estimate(
            value=round(share, 4),
            unit="share of the pictures, those looked at",
            low=round(low, 4),
            high=round(high, 4),
        )


def examples(paths: Sequence[str]) -> tuple[EvidenceRef, ...]:
    """Return the first paths, made fit to be shown."""
    return tuple(EvidenceRef(source="dataset", quote=shown(path)) for path in paths[:EXAMPLES])


def share_interval(count: int, whole: int) -> tuple[float, float]:
    """Return the 95 % interval of a share: exact up to 500, then that of Wilson.

    Wilson, Journal of the American Statistical Association 22 (1927) 209. From 500 on the two
    differ by less than 0.01.
    """
    if whole <= _EXACT_UP_TO:
        return binomial_interval(count, whole)
    share, z2 = count / whole, _Z95**2
    centre = (share + z2 / (2 * whole)) / (1 + z2 / whole)
    spread = share * (1 - share) / whole + z2 / (4 * whole**2)
    half = _Z95 * math.sqrt(spread) / (1 + z2 / whole)
    # Rounding may put an end on the wrong side of a share of 0 or 1.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def percent(share: float) -> str:
    """Return a share in words: `10 %`, `0.4 %`."""
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text} %" if share == 0 or text != "0" else "under 0.1 %"


def counted(count: int, word: str) -> str:
    """Return a number of things: `1 picture`, `3 pictures`."""
    return f"{count} {word}" + ("" if count == 1 else "s")
