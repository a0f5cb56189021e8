"""Counts of right, wrong and missed over planted folders, and the rows that become of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from dataset_folders import named
from dataset_paths import TRAIN, inside, of_captions, of_files, of_lists
from dataset_truth import CHECKS

from aitk_core.statistics.rates import binomial_interval, poisson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dataset_folders import Asked
    from dataset_truth import Check

    from aitk_core.evidence.dataset import DatasetEvidence
    from aitk_core.testing.planted import Truth

_LEADS_NOWHERE: Final = frozenset({"broken_link", "link_loop"})
_LISTS: Final[Mapping[str, str]] = {
    "UNSUPPORTED_FILES": "unsupported",
    "VIDEO_IN_IMAGE_SET": "videos",
    "CAPTION_ORPHAN": "orphans",
    "CAPTION_WRONG_CASE": "wrong_case",
}
"""Field of the evidence that a finding lists whole."""
CLEAN_CODES_APART: Final = frozenset({"FILE_TYPE_WEBP"})
"""Notes that are right on sound pictures as well."""


@define
class Tally:
    """One check over all folders."""

    found: int = 0
    planted: int = 0
    wrong: int = 0
    sound: int = 0
    """Files that the check must not name."""
    missed: Counter[str] = field(factory=Counter)
    """By the labels of the file."""
    false: Counter[str] = field(factory=Counter)

    def count(self, labels: Mapping[str, set[str]], check: Check, flagged: set[str]) -> None:
        """Add one folder: the labels of each path of the universe, and the paths named."""
        for path, own in labels.items():
            kind = "+".join(sorted(own)) or "none"
            if own & check.labels:
                self.planted += 1
                if path in flagged:
                    self.found += 1
                else:
                    self.missed[kind] += 1
            elif not own & check.either:
                self.sound += 1
                if path in flagged:
                    self.wrong += 1
                    self.false[kind] += 1
        if stray := flagged - set(labels):
            raise RuntimeError(f"{check.title} names what was not planted: {sorted(stray)[:5]}")

    def row(self) -> dict[str, Any]:
        """Return precision and recall with exact intervals."""
        return {
            "found": self.found,
            "planted": self.planted,
            "recall": share(self.found, self.planted),
            "wrong": self.wrong,
            "sound": self.sound,
            "precision": share(self.found, self.found + self.wrong),
            "missed": dict(self.missed.most_common()),
            "wrongly": dict(self.false.most_common()),
        }


def share(count: int, of: int) -> list[float] | None:
    """Return a share and the ends of its exact 95 % interval; None of nothing."""
    return None if not of else [count / of, *binomial_interval(count, of)]


@define
class Scores:
    """Everything that is counted."""

    checks: dict[str, dict[str, Tally]] = field(factory=lambda: defaultdict(dict))
    """By title of the check and kind of base pictures."""
    listing: Tally = field(factory=Tally)
    pairs: dict[str, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    """Level reached, by kind of pair and whether it is one: `easy q35`, `negative product`."""
    unrelated: Counter[str] = field(factory=Counter)
    """Pairs of no planted kind, by level."""
    leaks: dict[str, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    false_leaks: Counter[str] = field(factory=Counter)
    could_pair: int = 0
    """Pairs of different pictures that were compared."""
    clean: dict[str, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    """Pictures of clean folders by kind of base pictures: how many, and named by which code."""
    clean_grave: Counter[str] = field(factory=Counter)
    style: dict[str, Counter[str]] = field(factory=lambda: defaultdict(Counter))
    method_of: dict[str, str] = field(factory=dict)
    """By code, as findings name it."""
    methods: dict[str, Tally] = field(factory=lambda: defaultdict(Tally))
    """Pictures that any check of a method names, whichever of its codes."""

    def add_planted(self, truth: Truth, asked: Mapping[str, Asked], bases: str) -> None:
        """Count a folder with defects."""
        flagged = {reading: named(each) for reading, each in asked.items()}
        evidence = asked["clip"].evidence
        universes = {
            "file": of_files(truth, evidence),
            "caption": of_captions(truth, evidence),
            "list": of_lists(truth),
        }
        self._count_listing(truth, evidence)
        for check in CHECKS:
            found = {path for code in check.codes for path in flagged[check.reading].get(code, ())}
            if check.kind == "list":
                field_name = _LISTS[check.codes[0]]
                found = set(getattr(asked[check.reading].evidence, field_name))
                assert bool(found) == (asked[check.reading].finding(check.codes[0]) is not None)
            tally = self.checks[check.title].setdefault(bases, Tally())
            tally.count(universes[check.kind], check, found)
        self._count_methods(asked, flagged, universes)
        self._count_pairs(truth, evidence)

    def _count_methods(
        self,
        asked: Mapping[str, Asked],
        flagged: Mapping[str, Mapping[str, set[str]]],
        universes: Mapping[str, Mapping[str, set[str]]],
    ) -> None:
        for each in asked.values():
            self.method_of |= {finding.code: finding.method for finding in each.findings}
        for method in {*self.method_of.values()}:
            checks = [
                check
                for check in CHECKS
                if check.kind != "list" and self.method_of.get(check.codes[0]) == method
            ]
            if checks:
                _count_method(self.methods[method], checks, flagged, universes[checks[0].kind])

    def _count_listing(self, truth: Truth, evidence: DatasetEvidence) -> None:
        listed = {image.path for image in evidence.images}
        for file in truth.files(within=TRAIN):
            is_due = file.is_walked and not _LEADS_NOWHERE & {*file.labels}
            is_there = inside(file.path) in listed
            self.listing.planted += is_due
            self.listing.sound += not is_due
            self.listing.found += is_due and is_there
            self.listing.wrong += is_there and not is_due

    def _count_pairs(self, truth: Truth, evidence: DatasetEvidence) -> None:
        search = evidence.duplicates
        assert search is not None
        assert not search.truncated
        levels = {
            frozenset((pair.first, pair.second)): pair.level
            for pair in search.pairs
            if pair.other is None
        }
        self.could_pair += search.compared * (search.compared - 1) // 2
        for planted in truth.pairs():
            key = frozenset((inside(planted.first), inside(planted.second)))
            self.pairs[f"{planted.tier} {planted.kind}"][levels.pop(key, "none")] += 1
        self.unrelated.update(levels.values())
        across = {
            (pair.first, pair.second): pair.level for pair in search.pairs if pair.other is not None
        }
        for leak in truth.leaks():
            level = across.pop((inside(leak.first), leak.second.removeprefix("val/")), "none")
            self.leaks[leak.kind][level] += 1
        self.false_leaks.update(across.values())

    def add_clean(self, asked: Asked, bases: str) -> None:
        """Count a folder without defects."""
        counts = self.clean[bases]
        pictures = len(asked.evidence.images)
        counts["pictures"] += pictures
        flagged = named(asked)
        for method, tally in self.methods.items():
            codes = [code for code, own in self.method_of.items() if own == method]
            tally.sound += pictures
            told = [flagged.get(code, set()) for code in codes if code not in CLEAN_CODES_APART]
            tally.wrong += len(set().union(*told))
        for code, paths in flagged.items():
            # Said of one picture alone: that it is few, and seen often.
            if code not in CLEAN_CODES_APART and not code.startswith(("DATASET_", "EXPOSURES_")):
                counts[code] += len(paths)
        search = asked.evidence.duplicates
        assert search is not None
        for pair in search.pairs:
            counts[f"pair called {pair.level}"] += 1
        self.clean_grave.update(
            finding.code
            for finding in asked.findings
            if finding.severity != "info" and not finding.code.startswith("EXPOSURES_")
        )

    def add_style(self, asked: Asked, *, is_planted: bool, phrase: str | None) -> None:
        """Count a folder whose captions are mixed and share a phrase, or not."""
        mixed = asked.finding("CAPTION_STYLE_MIXED") is not None
        finding = asked.finding("CAPTION_PHRASE_DOMINATES")
        is_right = finding is not None and (phrase is None or phrase in finding.message)
        for code, said in (
            ("CAPTION_STYLE_MIXED", mixed),
            ("CAPTION_PHRASE_DOMINATES", is_right),
        ):
            counts = self.style[code]
            counts["planted" if is_planted else "sound"] += 1
            counts["found" if is_planted else "wrong"] += said

    def document(self) -> dict[str, Any]:
        """Return all rows."""
        return {
            "checks": [
                {
                    "name": title,
                    **_together(list(by_bases.values())).row(),
                    "by_bases": {
                        bases: [tally.found, tally.planted, tally.wrong]
                        for bases, tally in sorted(by_bases.items())
                    },
                }
                for title, by_bases in self.checks.items()
            ],
            "methods": self._method_rows(),
            "listing": self.listing.row(),
            "styles": [
                {
                    "name": code,
                    **Tally(
                        **{key: counts[key] for key in ("found", "planted", "wrong", "sound")}
                    ).row(),
                }
                for code, counts in self.style.items()
            ],
            "pairs": self._pair_rows(),
            "clean": {
                bases: {
                    "pictures": counts["pictures"],
                    "none_per_1000": _rate("", 0, counts["pictures"])["per_1000"],
                    "named": [
                        _rate(code, count, counts["pictures"])
                        for code, count in sorted(counts.items())
                        if code != "pictures" and count
                    ],
                }
                for bases, counts in sorted(self.clean.items())
            },
            "clean_grave": dict(self.clean_grave),
        }

    def _method_rows(self) -> dict[str, dict[str, Any]]:
        kept = ("wrong", "sound", "found", "planted")
        rows: dict[str, dict[str, Any]] = {
            method: {key: getattr(tally, key) for key in kept}
            for method, tally in sorted(self.methods.items())
        }
        levels = Counter[str]()
        alike = Counter[str]()
        for kind, counts in self.pairs.items():
            (alike if kind.startswith("negative") else levels).update(counts)
        sure = ("exact_file", "exact_pixels", "near")
        rows[self.method_of["IMAGE_DUPLICATE_NEAR"]] = {
            "wrong": sum(alike[level] for level in sure),
            "sound": alike.total(),
            "found": sum(levels[level] for level in sure),
            "planted": levels.total(),
        }
        for row in rows.values():
            row["at_most"] = binomial_interval(row["wrong"], row["sound"])[1]
        return rows

    def _pair_rows(self) -> dict[str, Any]:
        levels = ("exact_file", "exact_pixels", "near", "possible", "none")
        kinds = [
            {"kind": kind, **{level: counts[level] for level in levels}}
            for kind, counts in sorted(self.pairs.items(), key=_by_tier)
        ]
        right, wrong = Counter[str](), Counter(self.unrelated)
        for row in kinds:
            into = wrong if row["kind"].startswith("negative") else right
            into.update({level: row[level] for level in levels})
        exact = sum(right[level] for level in levels[:2])
        planted_exact = sum(
            sum(counts.values()) for kind, counts in self.pairs.items() if kind.startswith("exact")
        )
        found_exact = sum(
            counts[level]
            for kind, counts in self.pairs.items()
            if kind.startswith("exact")
            for level in levels[:2]
        )
        wrong_exact = sum(wrong[level] for level in levels[:2])
        leaks = Counter[str]()
        for counts in self.leaks.values():
            leaks.update(counts)
        found_leaks = sum(leaks[level] for level in levels[:3])
        false_leaks = sum(self.false_leaks[level] for level in levels[:3])
        return {
            "by_kind": kinds,
            "unrelated": {level: self.unrelated[level] for level in levels[:-1]},
            "compared": self.could_pair,
            "exact": {
                "found": found_exact,
                "planted": planted_exact,
                "recall": share(found_exact, planted_exact),
                "wrong": wrong_exact,
                "precision": share(exact, exact + wrong_exact),
            },
            "near": {
                "right": right["near"],
                "wrong": wrong["near"],
                "precision": share(right["near"], right["near"] + wrong["near"]),
                "recall_by_tier": {
                    tier: share(*_reached(self.pairs, tier)) for tier in ("easy", "medium", "hard")
                },
            },
            "possible": {
                "right": right["possible"],
                "wrong": wrong["possible"],
                "precision": share(right["possible"], right["possible"] + wrong["possible"]),
            },
            "leaks": {
                "by_kind": [
                    {"kind": kind, **{level: counts[level] for level in levels}}
                    for kind, counts in sorted(self.leaks.items())
                ],
                "found": found_leaks,
                "planted": sum(leaks.values()),
                "recall": share(found_leaks, sum(leaks.values())),
                "wrong": false_leaks,
                "precision": share(found_leaks, found_leaks + false_leaks),
            },
        }


def _count_method(
    tally: Tally,
    checks: Sequence[Check],
    flagged: Mapping[str, Mapping[str, set[str]]],
    universe: Mapping[str, set[str]],
) -> None:
    for path, labels in universe.items():
        due = [check for check in checks if labels & check.labels]
        told = [
            check
            for check in checks
            if any(path in flagged[check.reading].get(code, ()) for code in check.codes)
        ]
        if due:
            tally.planted += 1
            tally.found += all(check in told for check in due)
        elif not any(labels & check.either for check in checks):
            tally.sound += 1
            tally.wrong += bool(told)


def _by_tier(item: tuple[str, Counter[str]]) -> tuple[int, str]:
    return ("exact", "easy", "medium", "hard", "negative").index(item[0].split(" ")[0]), item[0]


def _reached(pairs: Mapping[str, Counter[str]], tier: str) -> tuple[int, int]:
    """Return how many pairs of a tier are called near or surer, of how many."""
    counts = [counts for kind, counts in pairs.items() if kind.startswith(f"{tier} ")]
    found = sum(each[level] for each in counts for level in ("exact_file", "exact_pixels", "near"))
    return found, sum(sum(each.values()) for each in counts)


def _rate(code: str, count: int, pictures: int) -> dict[str, Any]:
    low, high = poisson_interval(count)
    return {
        "name": code,
        "count": count,
        "per_1000": [1000 * each / pictures for each in (count, low, high)],
    }


def _together(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.found += tally.found
        whole.planted += tally.planted
        whole.wrong += tally.wrong
        whole.sound += tally.sound
        whole.missed += tally.missed
        whole.false += tally.false
    return whole
