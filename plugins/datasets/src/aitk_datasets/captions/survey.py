"""Which picture trains with which caption: what the checks of captions look at."""

from __future__ import annotations

import posixpath
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_datasets.captions.content import same_captions
from aitk_datasets.captions.style import style_of
from aitk_datasets.captions.trained import trained_text, trigger_of
from aitk_datasets.said import Sayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aitk_core.evidence.dataset import CaptionFile, DatasetUse
    from aitk_datasets.captions.style import CaptionStyle


@frozen(kw_only=True, slots=False)
class Survey:
    """The trained pictures of a dataset with their captions."""

    evidence: DatasetEvidence

    @cached_property
    def say(self) -> Sayer:
        """What says things about these pictures."""
        return Sayer(evidence=self.evidence, whole=len(self.pictures))

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
