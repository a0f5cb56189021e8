"""What is wrong with caption files: which are missing, and which the trainer cannot read right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.records.findings import Finding, Remedy
from aitk_core.wording import counted, shown
from aitk_datasets.captions.methods import FILES, MATERIAL_SHARE
from aitk_datasets.captions.reading import is_doubtful_guess
from aitk_datasets.captions.trained import trained_text
from aitk_datasets.said import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitk_core.evidence.dataset import CaptionProblem
    from aitk_core.records.findings import Severity
    from aitk_datasets.captions.survey import Survey

_WRITE = Remedy(action="write a caption for each of these pictures")
_AS_UTF8 = Remedy(
    action="write these files as UTF-8 without a byte order mark, and keep the old ones until the "
    "text has been looked at"
)


def missing(survey: Survey) -> Iterator[Finding]:
    """Report pictures without a caption file."""
    yield from _without_text(survey, survey.without, "CAPTION_MISSING", "no caption file")


def empty(survey: Survey) -> Iterator[Finding]:
    """Report pictures with an empty caption file."""
    yield from _without_text(survey, survey.empty, "CAPTION_EMPTY", "an empty caption file")


def _without_text(
    survey: Survey, pictures: tuple[str, ...], code: str, what: str
) -> Iterator[Finding]:
    if not pictures:
        return
    prompt = trained_text(None, survey.use)
    bare = len(survey.without) + len(survey.empty)
    is_material = survey.say.share(bare) >= MATERIAL_SHARE
    is_style = bare == len(survey.pictures) and survey.use is None
    unknown: tuple[str, ...] = ("whether some pictures are meant to train without words",)
    remedies: tuple[Remedy, ...] = (_WRITE,)
    if prompt:
        name = "trigger word" if survey.trigger else "default caption"
        train = f"they train with the {name} alone, which is a way to train"
    elif is_style:
        train = (
            "no picture has a caption: they train with the trigger word alone where the job has "
            "one, which is a way to train, else with an empty prompt"
        )
    else:
        unless = " unless the job has another" if survey.use is None else ""
        train = f"they train with an empty prompt{unless}"
        remedies += (
            Remedy(
                action="or set a trigger word or a default caption, which then is their prompt",
                path="config.process.0.trigger_word",
            ),
        )
    if survey.use is None:
        unknown += ("whether the job has a trigger word, a default caption or another caption_ext",)
    yield survey.say.finding(
        code,
        "warning" if is_material and not prompt and not is_style else "info",
        f"{counted(len(pictures), 'picture')} with {what}; {train}: "
        f"{survey.say.cost(len(pictures))}",
        method=FILES,
        pictures=pictures,
        remedies=remedies,
        unknown=unknown,
    )


def unread(survey: Survey) -> Iterator[Finding]:
    """Report captions that are links or could not be read."""
    if not survey.unread:
        return
    yield Finding(
        code="CAPTION_NOT_READ",
        category="dataset",
        severity="info",
        message=f"{counted(len(survey.unread), 'picture')} with a caption that is a link or could "
        "not be read: the trainer may read it, the checks did not",
        method=FILES.name,
        n=len(survey.unread) + len(survey.pictures),
        evidence=examples(survey.unread),
        remedies=(Remedy(action="put plain files in the place of links"),),
        unknown=("what these captions say, and whether they are UTF-8",),
    )


def not_utf8(survey: Survey) -> Iterator[Finding]:
    """Report captions that stop the run."""
    pictures = survey.with_caption(lambda caption: "not_utf8" in caption.problems)
    if not pictures:
        return
    found = [survey.evidence.captions[path] for path in pictures]
    encodings = sorted({caption.encoding for caption in found})
    doubtful = sum(
        caption.encoding in ("cp1252", "latin-1") and is_doubtful_guess(caption.text)
        for caption in found
    )
    doubt = f"; {doubtful} of them rather in an old encoding of another script" if doubtful else ""
    yield survey.say.finding(
        "CAPTION_NOT_UTF8",
        "critical",
        f"the captions of {counted(len(pictures), 'picture')} are not UTF-8 but rather "
        f"{' or '.join(encodings)}{doubt}: the trainer stops at the first of them",
        method=FILES,
        pictures=pictures,
        remedies=(_AS_UTF8,),
        unknown=(
            "the true encoding: cp1252 and latin-1 are guesses",
            "whether it is an old encoding of another script, where letters with accents are few",
        ),
    )


def control_chars(survey: Survey) -> Iterator[Finding]:
    """Report control characters, and UTF-16 that passes as UTF-8 with a NUL at every letter."""
    pictures = _with_problem(survey, "control_chars")
    if not pictures:
        return
    captions = survey.evidence.captions
    wide = [path for path in pictures if captions[path].encoding == "utf-16"]
    others = [path for path in pictures if path not in set(wide)]
    seen = f" ({len(wide)} in UTF-16: letters with a NUL beside each)" if wide else ""
    remedies: tuple[Remedy, ...] = (_AS_UTF8,) if wide else ()
    if others:
        remedies += (Remedy(action="remove the control characters"),)
    yield survey.say.finding(
        "CAPTION_CONTROL_CHARS",
        "warning" if wide else _graded(survey, pictures),
        f"the captions of {counted(len(pictures), 'picture')} hold control characters, which are "
        f"trained{seen}: {survey.say.cost(len(pictures))}",
        method=FILES,
        pictures=[*wide, *others],
        remedies=remedies,
        unknown=("what the text encoder makes of them",),
    )


def byte_order_mark(survey: Survey) -> Iterator[Finding]:
    """Report captions that begin with a byte order mark."""
    yield from _noted(
        survey,
        "bom",
        "CAPTION_BOM",
        lambda _survey, _pictures: "info",
        "begin with a byte order mark, which is trained as the character U+FEFF",
        Remedy(action="write these files as UTF-8 without the mark"),
        "what the text encoder makes of U+FEFF; some drop it",
    )


def mojibake(survey: Survey) -> Iterator[Finding]:
    """Report UTF-8 that was once read as another encoding and written again."""
    yield from _noted(
        survey,
        "mojibake",
        "CAPTION_MOJIBAKE",
        _graded,
        "hold letters that were read in the wrong encoding (an e with an accent is two letters); "
        "the words with them are trained as other words",
        Remedy(action="turn the text back (encode as cp1252, decode as UTF-8) and look at it"),
        "text that is damaged in part only is not found",
    )


def multiline(survey: Survey) -> Iterator[Finding]:
    """Report captions of more than one line."""
    yield from _noted(
        survey,
        "multiline",
        "CAPTION_MULTILINE",
        lambda _survey, _pictures: "info",
        "have more than one line; the trainer keeps the line ends, and the text encoder takes "
        "them as blanks or as tokens",
        Remedy(action="join the lines where they are one caption"),
        "whether the lines were meant as alternatives: the trainer does not choose among them",
    )


def large(survey: Survey) -> Iterator[Finding]:
    """Report files over 64 KiB, which can be no captions."""
    yield from _noted(
        survey,
        "too_long",
        "CAPTION_FILE_LARGE",
        lambda _survey, _pictures: "warning",
        "are files over 64 KiB; the text encoder takes the beginning at most",
        Remedy(action="see whether another file was saved under the caption's name"),
        "what stands after the first 64 KiB",
    )


def stem_shared(survey: Survey) -> Iterator[Finding]:
    """Report pictures of one stem, which share one caption."""
    shared = [pictures for pictures in survey.holders.values() if len(pictures) > 1]
    if not shared:
        return
    search = survey.evidence.duplicates
    known = (
        {frozenset((pair.first, pair.second)) for pair in search.pairs if pair.other is None}
        if search is not None
        else set()
    )
    unlike = [
        group
        for group in shared
        if any(frozenset((group[0], other)) not in known for other in group[1:])
    ]
    pictures = sorted(path for group in shared for path in group)
    why = "which does not fit both unless they show the same" if unlike else "and show the same"
    yield survey.say.finding(
        "CAPTION_STEM_SHARED",
        "warning" if unlike else "info",
        f"{len(pictures)} pictures share {counted(len(shared), 'caption')}, since their names "
        f"differ by the extension only, {why}: {survey.say.cost(len(pictures))}",
        method=FILES,
        pictures=pictures,
        remedies=(
            Remedy(action="rename one of each pair and give it a caption of its own, or remove it"),
        ),
        unknown=("whether they show the same, where duplicates were not searched",),
    )


def orphan(survey: Survey) -> Iterator[Finding]:
    """Report captions without a picture."""
    paths = survey.evidence.orphans
    if not paths:
        return
    hint = (
        "; pictures without caption are there too, so files may have been renamed"
        if survey.without
        else ""
    )
    yield Finding(
        code="CAPTION_ORPHAN",
        category="dataset",
        severity="info",
        message=f"{counted(len(paths), 'caption')} without a picture: not trained{hint}",
        method=FILES.name,
        n=len(paths),
        evidence=examples(paths),
        remedies=(Remedy(action="find the picture that each belongs to, or remove it"),),
        unknown=("which picture each belonged to",),
    )


def wrong_case(survey: Survey) -> Iterator[Finding]:
    """Report captions that the trainer misses by the case of their extension."""
    paths = survey.evidence.wrong_case
    if not paths:
        return
    extension = shown(survey.use.caption_ext if survey.use is not None else ".txt", 20)
    yield Finding(
        code="CAPTION_WRONG_CASE",
        category="dataset",
        severity="warning",
        message=f"the extension of {counted(len(paths), 'caption')} differs from {extension!r} by "
        "case: where the file system tells cases apart the trainer does not find them, and their "
        "pictures train as if they had none",
        method=FILES.name,
        n=len(paths),
        evidence=examples(paths),
        remedies=(Remedy(action=f"rename them to end in {extension!r}"),),
        unknown=("whether the trainer's file system tells cases apart",),
    )


def generated(survey: Survey) -> Iterator[Finding]:
    """Report captions that this server made from file names."""
    pictures = survey.with_caption(lambda caption: caption.is_generated and not caption.is_empty)
    if not pictures:
        return
    yield survey.say.finding(
        "CAPTION_GENERATED",
        "info",
        f"the captions of {counted(len(pictures), 'picture')} were made from file names and do "
        f"not count as coverage: {survey.say.cost(len(pictures))}",
        method=FILES,
        pictures=pictures,
        remedies=(Remedy(action="write what the picture shows; a changed file counts again"),),
        unknown=("whether the names of the files say what the pictures show",),
    )


def _noted(
    survey: Survey,
    problem: CaptionProblem,
    code: str,
    severity: Callable[[Survey, list[str]], Severity],
    what: str,
    remedy: Remedy,
    unknown: str,
) -> Iterator[Finding]:
    pictures = _with_problem(survey, problem)
    if pictures:
        yield survey.say.finding(
            code,
            severity(survey, pictures),
            f"the captions of {counted(len(pictures), 'picture')} {what}: "
            f"{survey.say.cost(len(pictures))}",
            method=FILES,
            pictures=pictures,
            remedies=(remedy,),
            unknown=(unknown,),
        )


def _with_problem(survey: Survey, problem: CaptionProblem) -> list[str]:
    return survey.with_caption(lambda caption: problem in caption.problems)


def _graded(survey: Survey, pictures: list[str]) -> Severity:
    return "warning" if survey.say.share(len(pictures)) >= MATERIAL_SHARE else "info"


RULES = (
    not_utf8,
    missing,
    empty,
    wrong_case,
    stem_shared,
    control_chars,
    mojibake,
    large,
    byte_order_mark,
    multiline,
    unread,
    orphan,
    generated,
)
"""Each yields its findings on a survey of at least one picture."""
