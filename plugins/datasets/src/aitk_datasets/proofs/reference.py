"""The reference of the checks of datasets: what each finds and misses, as it was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_datasets.analyzers.methods import METHODS as PICTURE_METHODS
from aitk_datasets.captions.methods import METHODS as CAPTION_METHODS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_LEVELS: Final = ("exact_file", "exact_pixels", "near", "possible", "none")

_INTRODUCTION = """\
# Datasets

What `inspect-dataset` finds, what it misses, and how often it is wrong. Made from
`benchmarks/datasets.json` by `uv run python benchmarks/bench_dataset_findings.py --write`; a test
compares.

Measured on {folders} planted folders (`aitk_core.testing.planted`, seeds {first} to {last}, the
{half} half: no threshold was chosen on it), asked about as a client asks. Of four folders one has
the generator's own base pictures of 384 to 640 pixels, one has them of 1,024 to 1,600, which are
decoded at reduced size, and two draw from 190 pictures, the same for all such folders, of another
generator that promises no sharp edge and no range of levels. None are photographs, and what is
planted is planted by rule: real folders are less kind, so these figures bound what can be hoped
for and show that nothing is broken.

Every folder has each kind of defect once beside {bases} sound pictures, so precision is that of a
bad folder. The last tables are of sound folders: there whatever is said is wrong. Intervals are
exact 95 % ones (Clopper and Pearson; Garwood for counts). The aim is a precision of 0.98 and a
recall of 0.95 for corrupt and truncated files and for exact duplicates.

## By finding

`wrong` counts pictures that a code names although they have none of its defects, of all pictures
that have none.

| finding | found | recall | wrong | precision |
|---|---|---|---|---|"""
_WHOLE: Final = """\

## By folder

Statements on all captions at once, {count} folders in which they are due and as many in which they
are not; a dominating phrase counts as found where it is named.

| finding | found | recall | wrong | precision |
|---|---|---|---|---|"""
_PAIRS: Final = """\

## Copies

Level that each planted pair reached. `exact_file`, `exact_pixels` and `near` are proposed for
removal, `possible` is shown. `negative` pairs are none: products on white, and one scene with two
subjects. {compared:,} pairs of pictures were compared; of those that nobody planted,
{unrelated_near} were called near or surer and {unrelated_possible} possible.

| pair | exact_file | exact_pixels | near | possible | none |
|---|---|---|---|---|---|"""
_LEAKS: Final = """\

Pictures of the training folder that are in the validation folder as well:

| copy | exact_file | exact_pixels | near | possible | none |
|---|---|---|---|---|---|"""
_CLEAN: Final = """\

## Sound folders

Pictures named by any finding on them, and pairs, in folders without a defect.

| base pictures | pictures | named | per 1,000 pictures |
|---|---|---|---|"""
_STATED: Final = """\

## What findings state

The false-alarm rate that a finding carries.

| method | question | stated |
|---|---|---|"""
_APART: Final = """\

## Not scored

| planted, or code | why |
|---|---|"""


def datasets_markdown(measured: Mapping[str, Any]) -> str:
    """Return the reference.

    Args:
        measured: What the benchmark wrote.
    """
    about, pairs = measured["about"], measured["pairs"]
    first, last = about["seeds"]
    lines = [_INTRODUCTION.format(**about, first=first, last=last)]
    lines += [_row(_code(row["name"]), row) for row in measured["checks"]]
    lines += [_row("pictures that the trainer lists", measured["listing"])]
    lines += [_WHOLE.format(count=about["folders"])]
    lines += [_row(_code(row["name"]), row) for row in measured["styles"]]
    unrelated = pairs["unrelated"]
    lines += [
        _PAIRS.format(
            compared=pairs["compared"],
            unrelated_near=sum(unrelated[level] for level in _LEVELS[:3]),
            unrelated_possible=unrelated["possible"],
        ),
        *_levels(pairs["by_kind"]),
        "",
        *_pair_sentences(pairs),
        _LEAKS,
        *_levels(pairs["leaks"]["by_kind"]),
        "",
        _sentence("Leaks called near or surer", pairs["leaks"]),
    ]
    lines += [_CLEAN, *_clean(measured["clean"])]
    grave = measured["clean_grave"]
    lines += ["", f"Warnings on these folders: {', '.join(map(_code, grave)) or 'none'}."]
    lines += [_STATED]
    for info in (*PICTURE_METHODS.values(), *CAPTION_METHODS.values()):
        rate = info.false_alarm_rate
        stated = "none" if rate.rate is None else f"{rate.rate:.2g} {rate.unit}"
        lines.append(f"| `{info.name}` | {info.what} | {stated} ({rate.source}) |")
    lines += [_APART, *_apart(measured["apart"])]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, row: Mapping[str, Any]) -> str:
    # Which kinds were missed or wrongly named says what to mend.
    missed, wrongly = _kinds(row["missed"]), _kinds(row["wrongly"])
    return (
        f"| {name} | {row['found']} of {row['planted']}{missed} | {_share(row['recall'])} | "
        f"{row['wrong']} of {row['sound']:,}{wrongly} | {_share(row['precision'])} |"
    )


def _kinds(counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f" ({told})" if told else ""


def _levels(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"| {row['kind']} | " + " | ".join(str(row[level]) for level in _LEVELS) + " |"


def _pair_sentences(pairs: Mapping[str, Any]) -> Iterator[str]:
    yield _sentence("Exact copies called so", pairs["exact"])
    near, possible = pairs["near"], pairs["possible"]
    tiers = ", ".join(f"{tier} {_share(recall)}" for tier, recall in near["recall_by_tier"].items())
    yield (
        f"Called near: {near['right']} right, {near['wrong']} wrong, precision "
        f"{_share(near['precision'])}; recall as near or surer: {tiers}."
    )
    yield (
        f"Called possible: {possible['right']} right, {possible['wrong']} wrong, precision "
        f"{_share(possible['precision'])}."
    )


def _sentence(what: str, row: Mapping[str, Any]) -> str:
    return (
        f"{what}: {row['found']} of {row['planted']}, recall {_share(row['recall'])}; "
        f"{row['wrong']} wrong, precision {_share(row['precision'])}."
    )


def _clean(by_bases: Mapping[str, Any]) -> Iterator[str]:
    for bases, row in by_bases.items():
        named = row["named"] or [{"name": "nothing", "count": 0, "per_1000": row["none_per_1000"]}]
        for each in named:
            rate, low, high = each["per_1000"]
            yield (
                f"| {bases} | {row['pictures']} | {_code(each['name'])} {each['count']} | "
                f"{rate:.2g} ({low:.2g} to {high:.2g}) |"
            )


def _apart(apart: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for reasons in apart.values():
        before = ""
        for name, why in reasons.items():
            before = before if why == "the same" else why
            yield f"| {name} | {before} |"


def _share(numbers: Sequence[float] | None) -> str:
    return "" if numbers is None else "{:.3f} ({:.3f} to {:.3f})".format(*numbers)


def _code(name: str) -> str:
    head, _, rest = name.partition(" ")
    return f"`{head}`" + (f" {rest}" if rest else "") if head.isupper() else name
