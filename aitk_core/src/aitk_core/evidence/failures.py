"""Known failures: what catalogues say of them, and which lines of a log show one.

A catalogue is data that a plugin declares (`aitk_failure_catalogues`); what it may hold is in
`aitk_core/schemas/failure-catalogue.v1.schema.json`. All installed catalogues are merged into one
`FailureCatalogue`, and a `FailureScanner` looks for its signatures, line by line.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import evolve, field, frozen

from aitk_core.errors import InvalidSpecError
from aitk_core.evidence.failurepatterns import MAX_LINE_CHARS, LinePattern, check_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aitk_core.evidence.logscan import LogScan

Tells: TypeAlias = Literal["cause", "symptom", "end"]

ROW: Final = 0
"""Line number of what stands in the job's row and not in the log."""
MAX_ROW_CHARS: Final = 20_000
"""Of the row's text that are looked at; our own bound."""
_MAX_HITS: Final = 1000
"""Kept for each code in one log: enough to count by, and no code crowds out another."""
_MAX_LOG_STEPS: Final = 3e8
"""For each catalogue in one log, counted by `LinePattern.cost`: 3 s of one worker at the 9 ns a
step that `MAX_STEPS` speaks of. Our own bound."""

_QUOTED: Final = re.compile(
    r'\s+"|"[^"]{1,100}": |\s*(?=[NnPpCc])(?:[Nn]egative )?(?:[Pp]rompt|[Cc]aption)s?\s*[:=]'
)
"""The config, which the trainer prints as indented JSON (backend/API.md section 12.1), and a line
that shows a prompt or a caption under its name."""
_TRUNCATED: Final = "The following part of your input was truncated because "
"""After it the tokenizer prints the rest of a caption (transformers, diffusers pipelines)."""
_DIGITS: Final = dict.fromkeys(map(ord, "123456789"), "0")
_TWICE: Final = re.compile(r"((?:\w{1,60}\.){0,6}[A-Z_]\w{2,80})\1: : ")
"""How an exception begins where two copies of stderr write into one log, piece by piece."""
_RANK: Final = re.compile(r"\[rank[0-9]{1,4}\]: ?")
"""How torch begins each line of a traceback where several processes train."""


@frozen(kw_only=True)
class FailureSignature:
    """One known failure. The fields are those of the schema, which describes them."""

    code: str
    catalogue: str
    """Name of the catalogue it comes from."""
    category: str
    severity: Literal["info", "warning", "critical"]
    confidence: float
    """That a match means this cause, between 0 and 1."""
    tells: Tells = "cause"
    """`cause`: what went wrong. `symptom`: follows from another cause, where the log shows one.
    `end`: only that the process ended, never why."""
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    """A literal that every match holds, and the expression for one line."""
    cause: str
    remedies: tuple[tuple[str, str], ...]
    """Config path or other place, and the change to make there."""
    unknown: tuple[str, ...] = ()
    """What a match leaves open."""
    sources: tuple[str, ...] = ()


@frozen(kw_only=True)
class FailureHit:
    """A line that a signature matched. The text is the trainer's, not to be trusted."""

    signature: FailureSignature
    number: int
    """Physical line of the log, or `ROW`."""
    text: str
    """At most `MAX_LINE_CHARS` characters."""
    traceback: tuple[int, int] | None = None
    """First and last line of the traceback that it stands in, a chain counting as one."""


@frozen(kw_only=True)
class _Rule:
    """One expression of one signature."""

    signature: FailureSignature
    pattern: LinePattern
    unless: tuple[LinePattern, ...] = ()
    """What a line that it matches must not match."""


@frozen(kw_only=True)
class FailureCatalogue:
    """The signatures of all catalogues, in the order in which they are tried."""

    signatures: tuple[FailureSignature, ...] = ()
    rules: tuple[_Rule, ...] = field(default=(), repr=False)

    def merge(self, other: FailureCatalogue) -> tuple[FailureCatalogue, dict[str, str]]:
        """Add the signatures of another catalogue after these.

        Returns:
            The whole, and the codes that were left out because they are taken: code to the name
            of the catalogue that has it.
        """
        owners = {signature.code: signature.catalogue for signature in self.signatures}
        new = [signature for signature in other.signatures if signature.code not in owners]
        taken = {s.code: owners[s.code] for s in other.signatures if s.code in owners}
        rules = [rule for rule in other.rules if rule.signature.code not in owners]
        whole = FailureCatalogue(signatures=(*self.signatures, *new), rules=(*self.rules, *rules))
        return whole, taken

    def rules_for(self, lines: Iterable[str]) -> list[_Rule]:
        """Return the rules that some of the lines may match, cheaply."""
        # Lines of a log repeat but for their numbers, so without digits few different ones are
        # left; a literal that is in none of them, digits aside, is in no line.
        blob = "\n".join(set("\n".join(lines).translate(_DIGITS).split("\n")))
        return [rule for rule in self.rules if rule.pattern.contains.translate(_DIGITS) in blob]


def read_catalogue(
    name: str, document: Mapping[str, Any]
) -> tuple[FailureCatalogue, tuple[str, ...]]:
    """Compile a catalogue.

    Args:
        name: Of the catalogue.
        document: JSON that fits `failure-catalogue.v1`.

    Returns:
        The catalogue, and why signatures were left out of it, one sentence each: an expression
        that `check_pattern` refuses, or a code that stands there twice.
    """
    rules: list[_Rule] = []
    signatures: dict[str, FailureSignature] = {}
    faults = []
    for entry in document["signatures"]:
        code = entry["code"]
        if code in signatures:
            faults.append(f"signature {code!r} stands there twice")
            continue
        try:
            patterns = [check_pattern(source) for source in entry["patterns"]]
            unless = tuple(check_pattern(source) for source in entry.get("unless", ()))
        except InvalidSpecError as error:
            faults.append(f"signature {code!r}: {error}")
            continue
        signatures[code] = signature = _signature(name, entry, patterns)
        rules += [
            _Rule(signature=signature, pattern=pattern, unless=unless) for pattern in patterns
        ]
    catalogue = FailureCatalogue(signatures=tuple(signatures.values()), rules=tuple(rules))
    return catalogue, tuple(faults)


def _signature(
    name: str, entry: Mapping[str, Any], patterns: Iterable[LinePattern]
) -> FailureSignature:
    return FailureSignature(
        code=entry["code"],
        catalogue=name,
        category=entry["category"],
        severity=entry["severity"],
        confidence=float(entry["confidence"]),
        tells=entry.get("tells", "cause"),
        patterns=tuple((pattern.contains, pattern.regex) for pattern in patterns),
        cause=entry["cause"],
        remedies=tuple((one.get("path", "action"), one["change"]) for one in entry["remedies"]),
        unknown=tuple(entry.get("unknown", ())),
        sources=tuple(entry["sources"]),
    )


class FailureScanner:
    """Looks for the signatures of a catalogue in messages, in pieces of any size.

    How the messages are cut never changes what is found. A message hits each code once. An
    exception that two copies of stderr name in one line is read as named once, and the process
    that torch names before a line is left out. Passed over is what holds a person's words: the
    job's own config as the trainer prints it (JSON that is indented and quoted, or has a quoted
    key), prompts and captions under their name, and what a tokenizer shows of a caption that it
    cut.
    """

    def __init__(self, catalogue: FailureCatalogue) -> None:
        """Start with nothing seen."""
        self._catalogue = catalogue
        self._hits: list[FailureHit] = []
        self._counts: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()

    def feed(self, lines: Iterable[tuple[int, str]]) -> None:
        """Take the next messages: line number and text, progress bars not among them."""
        kept = [
            (number, _plain(text)[:MAX_LINE_CHARS])
            for number, text in lines
            if not _QUOTED.match(text)
        ]
        rules = self._catalogue.rules_for(text for _, text in kept)
        literals = [(rule.pattern.contains, rule) for rule in rules]
        for number, text in kept:
            found = [rule for literal, rule in literals if literal in text]
            if found:
                self._hits.extend(self._hits_of(number, text, found))

    @property
    def hits(self) -> tuple[FailureHit, ...]:
        """What was found so far, by line; of each code at most the first 1000."""
        return tuple(self._hits)

    @property
    def given_up(self) -> tuple[str, ...]:
        """Catalogues that cost more than one log may, so that not all of it was searched."""
        return tuple(sorted(name for name, n in self._steps.items() if n > _MAX_LOG_STEPS))

    def _hits_of(self, number: int, text: str, rules: list[_Rule]) -> Iterator[FailureHit]:
        seen: set[str] = set()
        own = _without_caption(text)
        for rule in rules:
            signature = rule.signature
            if signature.code in seen or not self._finds(signature, rule.pattern, own):
                continue
            if not any(self._finds(signature, pattern, own) for pattern in rule.unless):
                seen.add(signature.code)
                self._counts[signature.code] += 1
                yield FailureHit(signature=signature, number=number, text=text)

    def _finds(self, signature: FailureSignature, pattern: LinePattern, text: str) -> bool:
        return (
            pattern.contains in text
            and self._may_search(signature, pattern, len(text))
            and pattern.regex.search(text) is not None
        )

    def _may_search(self, signature: FailureSignature, pattern: LinePattern, length: int) -> bool:
        name = signature.catalogue
        if self._counts[signature.code] >= _MAX_HITS or self._steps[name] > _MAX_LOG_STEPS:
            return False
        self._steps[name] += int(pattern.cost.of(length))
        return True


def _plain(text: str) -> str:
    """Return `XError: message...` for `XErrorXError: : message...`, without `[rank0]: ` before."""
    rank = _RANK.match(text) if text.startswith("[rank") else None
    text = text if rank is None else text[rank.end() :]
    twice = _TWICE.match(text) if ": : " in text else None
    return text if twice is None else f"{twice[1]}: {text[twice.end() :]}"


def _without_caption(text: str) -> str:
    before, mark, _ = text.partition(_TRUNCATED)
    return before + mark


@frozen(kw_only=True)
class FoundFailures:
    """What the newest run's messages and its row show."""

    hits: tuple[FailureHit, ...]
    """By line, those of the row last."""
    given_up: tuple[str, ...] = ()
    """Catalogues whose search was ended before the end of the log."""


def find_failures(
    catalogue: FailureCatalogue, scan: LogScan | None, row_text: str | None = None
) -> FoundFailures:
    """Look for known failures in a run's log and in its row.

    Args:
        catalogue: What is known.
        scan: Of the log, or None. Earlier runs in it are passed over, and so are tracebacks of a
            stop that somebody asked for.
        row_text: What the job's row says of its failure, or None where it did not fail.
    """
    in_log, in_row = FailureScanner(catalogue), FailureScanner(catalogue)
    hits: list[FailureHit] = []
    if scan is not None:
        benign = [range(t.first_line, t.last_line + 1) for t in scan.tracebacks if t.benign]
        in_log.feed(
            (line.number, line.text)
            for line in scan.messages
            if line.number >= scan.run_first_line
            and not any(line.number in span for span in benign)
        )
        hits += _placed(in_log.hits, scan)
    if row_text:
        in_row.feed((ROW, line) for line in row_text[:MAX_ROW_CHARS].splitlines())
        hits += in_row.hits
    given_up = {*in_log.given_up, *in_row.given_up}
    return FoundFailures(hits=tuple(hits), given_up=tuple(sorted(given_up)))


def _placed(hits: Iterable[FailureHit], scan: LogScan) -> Iterator[FailureHit]:
    """Say of each hit which traceback it belongs to."""
    spans = [(found.first_line, found.last_line) for found in scan.tracebacks]
    for hit in hits:
        span = next((span for span in spans if span[0] <= hit.number <= span[1]), None)
        yield hit if span is None else evolve(hit, traceback=span)
