"""Samples: whether there will be any, and whether they show what is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.configkeys.json_values import shown
from aitk_guardrails.lint.sources import trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

_STEP: Final = 8
_FLAGS: Final = (" --w ", " --h ", " --seed ", " --d ", " --cfg ", " --g ", " --steps ", " --s ")
_MORE_FLAGS: Final = (" --n ", " --m ", " --p2 ", " --n2 ", " --gr ", " --ctrl_img ", " --a ")


def trigger(subject: Subject) -> Iterator[Issue]:
    """Prompts without the trigger word."""
    words = [subject.text("trigger_word")]
    words += [each.get("trigger_word") for _, each in subject.process.datasets]
    known = {word for word in words if isinstance(word, str) and word.strip()}
    # Prompts that show what is left without the trigger are usual; all of them without is not.
    lacking = [
        path
        for path, prompt in subject.prompts
        if not any(word.casefold() in prompt.casefold() for word in (*known, "[trigger]"))
    ]
    if not known or not lacking or subject.on("train.disable_sampling"):
        return
    yield subject.issue(
        "PROMPTS_MISSING_TRIGGER",
        "warning",
        lacking[0],
        f"{len(lacking)} of {len(subject.prompts)} sample prompts hold neither the trigger word "
        f"{shown(min(known))} nor [trigger]",
        why="the trainer does not add it, so these samples do not show what is trained",
        source=trainer("ui/src/docs.tsx"),
        expected=sorted(word[:80] for word in known)[:8],
    )


def prompts(subject: Subject) -> Iterator[Issue]:
    """No prompts, or two lists of them."""
    if subject.on("train.disable_sampling") or not subject.on("sample.sample_every"):
        return
    if not subject.prompts and not subject.given("sample.samples"):
        yield subject.issue(
            "NO_SAMPLE_PROMPTS",
            "info",
            "sample.samples",
            "there is no sample prompt, so no samples will be made",
            why="without samples nobody sees what is learnt",
            source=trainer("toolkit/config_modules.py: SampleConfig"),
        )
    if subject.given("sample.samples") and subject.given("sample.prompts"):
        yield subject.issue(
            "PROMPTS_IGNORED",
            "warning",
            "sample.prompts",
            "sample.prompts is not read where sample.samples is given",
            why="these prompts are never drawn",
            source=trainer("toolkit/config_modules.py: SampleConfig"),
        )


def times(subject: Subject) -> Iterator[Issue]:
    """Samples that come too rarely, or never."""
    steps, every = subject.count("train.steps"), subject.count("sample.sample_every")
    if subject.on("train.disable_sampling"):
        yield subject.issue(
            "SAMPLING_OFF",
            "info",
            "train.disable_sampling",
            "samples are switched off",
            why="samples with a fixed seed are what checkpoints are chosen by",
            source=trainer("toolkit/config_modules.py: TrainConfig"),
        )
    elif steps is not None and every is not None and every > steps:
        yield subject.issue(
            "NO_SAMPLE_DURING_RUN",
            "info",
            "sample.sample_every",
            f"samples every {every} steps never come in {steps} steps but at the start and end",
            why="nobody sees how the run develops",
            source=trainer("jobs/process/BaseSDTrainProcess.py"),
            expected={"maximum": steps},
        )


def flags(subject: Subject) -> Iterator[Issue]:
    """Two hyphens in a prompt that begin no known flag."""
    for path, prompt in subject.prompts:
        rest = f" {prompt} "
        for known in (*_FLAGS, *_MORE_FLAGS):
            rest = rest.replace(known, " ")
        if "--" in rest:
            yield subject.issue(
                "PROMPT_CUT",
                "warning",
                path,
                "the prompt holds '--' that begins no flag of the trainer",
                why="the prompt is cut there: what follows is read as flags",
                source=trainer("toolkit/config_modules.py: GenerateImageConfig"),
            )


def size(subject: Subject) -> Iterator[Issue]:
    """A sample size that the trainer rounds."""
    for key in ("width", "height"):
        value = subject.count(f"sample.{key}")
        if value is not None and value % _STEP and subject.has(f"sample.{key}"):
            yield subject.issue(
                "SAMPLE_SIZE_ROUNDED",
                "info",
                f"sample.{key}",
                f"a sample {key} of {value} is rounded down to {value // _STEP * _STEP}",
                why="samples are drawn in multiples of 8 pixels",
                source=trainer("toolkit/config_modules.py: GenerateImageConfig"),
                expected=value // _STEP * _STEP,
                change={f"sample.{key}": max(64, value // _STEP * _STEP)},
            )


CHECKS: Final = (trigger, prompts, times, flags, size)
