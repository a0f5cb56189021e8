"""The numbers that decide a run: there, and within what is usual.

Values that the trainer cannot use are the key table's business (`keys`); here stand the numbers
that nobody gave, and the contract's recommended limits (SCORING.md, section 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_guardrails.lint.sources import CONTRACT, trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_guardrails.lint.issues import Issue
    from aitk_guardrails.lint.subject import Subject

MOST_BATCH: Final = 8
FEWEST_STEPS: Final = 100
MOST_STEPS: Final = 20_000
LEAST_RATE: Final = 1e-6
HIGH_RATE: Final = 1e-3
MOST_RATE: Final = 1e-2
MOST_RANK: Final = 256
MOST_ALPHA: Final = 2.0
"""Times the rank."""
LEAST_SIDE: Final = 256
MOST_SIDE: Final = 2048
FLUX_SIDE: Final = 768

_OWN_STEP: Final = ("prodigy", "dadapt")
"""Beginnings of optimizers that set their step size themselves (toolkit/optimizer.py)."""


def sets_its_own_rate(subject: Subject) -> bool:
    """Return whether the optimizer takes `lr` as a factor near 1."""
    return (subject.text("train.optimizer") or "").lower().startswith(_OWN_STEP)


def missing_numbers(subject: Subject) -> Iterator[Issue]:
    """Numbers that nobody gave, and that the trainer then takes from its own defaults."""
    config_modules = trainer("toolkit/config_modules.py")
    for path, code, usual in (
        ("train.batch_size", "MISSING_BATCH_SIZE", 1),
        ("train.steps", "MISSING_STEPS", None),
        ("train.lr", "MISSING_LEARNING_RATE", None),
    ):
        if not subject.has(path):
            default = subject.process.value(path)
            yield subject.issue(
                code,
                "error",
                path,
                f"{path} is missing",
                why=f"the trainer takes {default:g} without a message",
                source=config_modules,
                expected="a number",
                change={path: usual} if usual is not None else None,
            )
    given = (subject.given("network.linear"), subject.given("network.rank"))
    if subject.trains_lora and given == (None, None) and not subject.is_full_lokr:
        yield subject.issue(
            "MISSING_RANK",
            "error",
            "network.linear",
            "the rank of the network (network.linear) is missing",
            why="null replaces the trainer's default of 4, and no network can be made of it"
            if subject.has("network.linear")
            else "the trainer takes rank 4 without a message",
            source=config_modules,
            expected="a whole number",
        )


def batch(subject: Subject) -> Iterator[Issue]:
    """A batch larger than is recommended."""
    size = subject.count("train.batch_size")
    if size is not None and size > MOST_BATCH:
        yield subject.issue(
            "BATCH_SIZE_HIGH",
            "warning",
            "train.batch_size",
            f"a batch of {size} is more than the recommended {MOST_BATCH}",
            why="memory grows with the batch; train.gradient_accumulation averages over as many "
            "pictures in the memory of one",
            source=CONTRACT,
            expected={"maximum": MOST_BATCH},
        )


def steps(subject: Subject) -> Iterator[Issue]:
    """Very few or very many steps."""
    number = subject.count("train.steps")
    if number is None or FEWEST_STEPS <= number <= MOST_STEPS:
        return
    low = number < FEWEST_STEPS
    yield subject.issue(
        "STEPS_LOW" if low else "STEPS_HIGH",
        "warning",
        "train.steps",
        f"{number} steps are {'fewer' if low else 'more'} than the recommended "
        f"{FEWEST_STEPS} to {MOST_STEPS}",
        why="the network hardly changes" if low else "time is spent long after a LoRA over-fits",
        source=CONTRACT,
        expected={"minimum": FEWEST_STEPS, "maximum": MOST_STEPS},
    )


def rate(subject: Subject) -> Iterator[Issue]:
    """A learning rate outside of what is usual, for optimizers that do not set their own."""
    value = subject.number("train.lr")
    if value is None or value <= 0 or sets_its_own_rate(subject) or not subject.has("train.lr"):
        return
    if not LEAST_RATE <= value <= MOST_RATE:
        yield subject.issue(
            "LEARNING_RATE_OUT_OF_RANGE",
            "warning",
            "train.lr",
            f"a learning rate of {value:g} is not from {LEAST_RATE:g} to {MOST_RATE:g}",
            why="below, nothing is learnt; above, the weights diverge",
            source=CONTRACT,
            expected={"minimum": LEAST_RATE, "maximum": MOST_RATE},
        )
    elif value > HIGH_RATE:
        yield subject.issue(
            "LEARNING_RATE_HIGH",
            "warning",
            "train.lr",
            f"a learning rate of {value:g} is above {HIGH_RATE:g}",
            why="large models burn at such rates",
            source=CONTRACT,
            expected={"maximum": HIGH_RATE},
        )


def rank(subject: Subject) -> Iterator[Issue]:
    """A large rank, or an alpha far above it."""
    if not subject.trains_lora or subject.is_full_lokr:
        return
    size, alpha = subject.rank, subject.alpha
    path = "network.rank" if subject.has("network.rank") else "network.linear"
    if size is not None and size > MOST_RANK:
        yield subject.issue(
            "RANK_HIGH",
            "warning",
            path,
            f"rank {size:g} is above the recommended {MOST_RANK}",
            why="the file and the memory grow with it, and small sets are learnt by heart",
            source=CONTRACT,
            expected={"maximum": MOST_RANK},
        )
    if size is not None and alpha is not None and alpha > MOST_ALPHA * size > 0:
        yield subject.issue(
            "ALPHA_HIGH_VS_RANK",
            "warning",
            "network.linear_alpha" if subject.has("network.linear_alpha") else "network.alpha",
            f"alpha {alpha:g} is more than {MOST_ALPHA:g} times the rank {size:g}",
            why="the network acts with alpha / rank, so the effective learning rate is raised by "
            "as much",
            source=CONTRACT,
            expected={"maximum": MOST_ALPHA * size},
        )


def resolution(subject: Subject) -> Iterator[Issue]:
    """Resolutions outside of what is usual."""
    sides = subject.resolutions
    if not sides:
        return
    path = f"datasets.{subject.process.datasets[0][0]}.resolution"
    for code, wrong, words in (
        ("RESOLUTION_LOW", sides[0] < LEAST_SIDE, f"{sides[0]:g} is below {LEAST_SIDE}"),
        ("RESOLUTION_HIGH", sides[-1] > MOST_SIDE, f"{sides[-1]:g} is above {MOST_SIDE}"),
    ):
        if wrong:
            yield subject.issue(
                code,
                "warning",
                path,
                f"a resolution of {words}",
                why="details are lost below, and memory grows with the square above",
                source=CONTRACT,
                expected={"minimum": LEAST_SIDE, "maximum": MOST_SIDE},
            )
    if subject.process.arch == "flux" and sides[-1] < FLUX_SIDE:
        yield subject.issue(
            "FLUX_RESOLUTION_LOW",
            "warning",
            path,
            f"the largest resolution {sides[-1]:g} is below {FLUX_SIDE}, low for a Flux model",
            why="the trainer's own Flux examples train at 512, 768 and 1024",
            source=f"{CONTRACT}; {trainer('config/examples')}",
            expected={"minimum": FLUX_SIDE},
        )


CHECKS: Final = (missing_numbers, batch, steps, rate, rank, resolution)
