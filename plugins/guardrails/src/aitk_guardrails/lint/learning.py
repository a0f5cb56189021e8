"""Learning rate, rank, optimizer and steps against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.numbers import HIGH_RATE, sets_its_own_rate
from aitk_guardrails.lint.sources import CURVES, MUSUBI, SIMPLETUNER, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

MOST_EXPOSURES: Final = 400
"""Times that each picture is seen. The best validation loss came at 50 to 100 exposures with 20 to
50 pictures; four times that is ours, as no fixed number fits every set."""
FEWEST_EXPOSURES: Final = 3
"""Ours: a tenth of the fewest exposures at which any of those runs was best, rounded up."""
SLOW_RATE: Final = 1e-5
RAISED_BELOW: Final = 0.1
"""Rates that the trainer raises to 1 for optimizers that set their own (toolkit/optimizer.py)."""
LOKR_RATE: Final = 1e-4
LARGE_MODEL: Final = 10.0
"""Billions of parameters; the guides' advice on rates is about models of 12."""


def _is_adam(subject: Subject) -> bool:
    return (subject.text("train.optimizer") or "").lower().startswith("adam")


def _parameters(subject: Subject) -> float | None:
    return subject.arch.transformer_params_billion if subject.arch else None


def rate_for_optimizer(subject: Subject) -> Iterator[Issue]:
    """A rate that does not fit the way in which the optimizer uses it."""
    value = subject.number("train.lr")
    if value is None or value <= 0 or not subject.has("train.lr"):
        return
    if sets_its_own_rate(subject):
        if value != 1:
            raised = value < RAISED_BELOW
            yield subject.issue(
                "LEARNING_RATE_NOT_NEAR_ONE",
                "warning",
                "train.lr",
                f"this optimizer sets its own step size and takes lr as a factor near 1, not "
                f"{value:g}",
                why="the trainer takes 1 instead, and says so in one line of the log"
                if raised
                else "the step size found is scaled by it",
                source=f"{MUSUBI}; {trainer('toolkit/optimizer.py')}",
                expected=1.0,
                change={"train.lr": 1.0},
            )
    elif value == HIGH_RATE and _is_adam(subject) and (_parameters(subject) or 0) > LARGE_MODEL:
        yield subject.issue(
            "LEARNING_RATE_BURNS",
            "warning",
            "train.lr",
            f"a learning rate of {value:g} with an Adam optimizer is said to burn models of 12 "
            "billion parameters",
            why="samples turn into artefacts within some hundred steps",
            source=SIMPLETUNER,
            expected={"exclusive_maximum": HIGH_RATE},
            change={"train.lr": 1e-4},
        )


def rate_for_network(subject: Subject) -> Iterator[Issue]:
    """A rate too low for the kind of network."""
    value = subject.number("train.lr")
    if value is None or value <= 0 or not subject.trains_lora or not _is_adam(subject):
        return
    if (subject.text("network.type") or "").lower() == "lokr":
        if value < LOKR_RATE:
            yield subject.issue(
                "LEARNING_RATE_LOW_FOR_LOKR",
                "info",
                "train.lr",
                f"a learning rate of {value:g} is low for a LoKr network",
                why="LoKr wants a higher rate than LoRA: 1e-3 is used with AdamW",
                source=SIMPLETUNER,
                expected={"minimum": LOKR_RATE},
            )
    elif value <= SLOW_RATE and subject.rank == subject.alpha and subject.has("train.lr"):
        large = (_parameters(subject) or 0) > LARGE_MODEL
        yield subject.issue(
            "LEARNING_RATE_LOW",
            "warning" if large else "info",
            "train.lr",
            f"a learning rate of {value:g} with alpha equal to rank learns slowly",
            why="on models of 12 billion parameters it does nearly nothing; on SD1.5 with rank 128 "
            "1e-5 worked",
            source=f"{SIMPLETUNER}; {CURVES}",
        )


def alpha(subject: Subject) -> Iterator[Issue]:
    """An alpha other than the rank."""
    rank, value = subject.rank, subject.alpha
    if not subject.trains_lora or subject.is_full_lokr or not rank or not value or rank == value:
        return
    given = subject.has("network.linear_alpha") or subject.has("network.alpha")
    yield subject.issue(
        "ALPHA_NOT_RANK",
        "info" if given else "warning",
        "network.linear_alpha",
        f"alpha is {value:g} and rank {rank:g}: the network acts with {value / rank:g} times its "
        "weights",
        why="runs with another alpha / rank cannot be compared at equal learning rates"
        if given
        else "the trainer takes alpha 1 where none is given, so a high rank learns slowly",
        source=f"{CURVES}; {trainer('toolkit/config_modules.py: NetworkConfig')}",
        expected=rank,
        change={"network.linear_alpha": rank},
    )


def exposures(subject: Subject) -> Iterator[Issue]:
    """Steps against pictures."""
    steps = subject.count("train.steps")
    batch = subject.count("train.batch_size")
    accumulation = subject.count("train.gradient_accumulation")
    seen = _pictures(subject)
    if not steps or not batch or not accumulation or not seen:
        return
    each = steps * batch * accumulation / seen
    if each > MOST_EXPOSURES:
        yield subject.issue(
            "STEPS_MANY_FOR_IMAGES",
            "warning",
            "train.steps",
            f"{steps} steps show each of {seen:g} pictures about {each:.0f} times",
            why="the best validation loss came at 50 to 100 times with 20 to 50 pictures, and at "
            "fewer with more; later checkpoints over-fit, so save often and compare samples",
            source=f"{CURVES}; the limit of {MOST_EXPOSURES} is ours",
            expected={"maximum": int(MOST_EXPOSURES * seen / (batch * accumulation))},
        )
    elif each < FEWEST_EXPOSURES:
        yield subject.issue(
            "STEPS_FEW_FOR_IMAGES",
            "info",
            "train.steps",
            f"{steps} steps show each of {seen:g} pictures only {each:.1f} times",
            why="the fewest exposures at which a measured run was best were 13",
            source=f"{CURVES}; the limit of {FEWEST_EXPOSURES} is ours",
            expected={"minimum": int(FEWEST_EXPOSURES * seen / (batch * accumulation)) + 1},
        )


def _pictures(subject: Subject) -> float | None:
    """Return the pictures that steps are shared by; None where any folder's count is unknown."""
    total = 0
    for index, dataset in subject.process.datasets:
        if dataset.get("is_reg"):
            continue
        known = subject.facts.datasets.get(subject.folder(index) or "")
        if known is None or not known.images:
            return None
        total += known.images
    return float(total) or None


CHECKS: Final = (rate_for_optimizer, rate_for_network, alpha, exposures)
