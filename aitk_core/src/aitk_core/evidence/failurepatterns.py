r"""Regular expressions of failure catalogues: a subset of `re` whose cost is known beforehand.

`re` backtracks, so an expression that somebody else wrote may take longer than anybody waits.
Here an expression is read by a grammar of our own, which refuses what cannot be bounded and
computes, for the rest, how many steps the worst line can cost. The grammar is the common subset
of Python's `re`, JavaScript and RE2:

    literal characters, `.`, `[...]`, `^`, `$`, `\b`, `\d \w \s` and their opposites,
    groups `(...)` and `(?:...)`, alternatives `|`, repeats `? * + {m} {m,} {m,n}`

Refused are look-around, back-references, named groups, flags, lazy and possessive repeats, a
repeat of what can already match in several ways, and whatever can cost more than `MAX_STEPS`.

How the steps are counted: every character that is compared is one, those of a literal too, for a
long one costs as much as a repeat. An expression without `^` is tried from each place in the line
where its leading literal stands. Each repeat then costs its length once for every way in which
the items before it can match, and multiplies those ways by the lengths it can give back. It gives
nothing back where a single character is repeated that the next literal does not begin with, for
then one length only can be right.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final

from attrs import evolve, frozen

from aitk_core.errors import InvalidSpecError

MAX_PATTERN_CHARS: Final = 500
"""Our own bound; the longest of the first catalogue has 260."""
MAX_LINE_CHARS: Final = 4096
"""No more of a line is looked at. Just above what the log scanner keeps of one (4000)."""
MAX_STEPS: Final = 5e7
"""For one line: three times the square of the longest one, so that the cube never passes.

Our own bound. Of 6,209 random accepted expressions near it, on lines made to be slow, the slowest
search took 0.26 s and none took more than 9 ns a step, so 0.45 s is the most to expect.
"""
MIN_LITERAL_CHARS: Final = 4
"""The literal is looked for first and most lines hold none; a shorter one is in too many."""

_SPECIAL: Final = frozenset("|)*+?{}")
_CLASS_ESCAPES: Final = frozenset("dDwWsS")
_REPEAT: Final = re.compile(r"\{([0-9]{1,4})(,([0-9]{0,4}))?\}")
_MAX_NESTING: Final = 8
_SET_OPERATIONS: Final = ("--", "&&", "~~", "||")
"""Reserved inside `[...]` by Python (re, "Possible nested set")."""


@frozen
class Cost:
    """Steps as a polynomial of the line's length, the constant first."""

    terms: tuple[float, ...]

    def __add__(self, other: Cost) -> Cost:
        """Return the sum."""
        pairs = zip_longest(self.terms, other.terms, fillvalue=0.0)
        return Cost(tuple(one + another for one, another in pairs))

    def __mul__(self, other: Cost) -> Cost:
        """Return the product."""
        terms = [0.0] * (len(self.terms) + len(other.terms) - 1)
        for i, one in enumerate(self.terms):
            for j, another in enumerate(other.terms):
                terms[i + j] += one * another
        return Cost(tuple(terms))

    def of(self, length: int) -> float:
        """Return the steps for a line of that many characters."""
        total = 0.0
        for term in reversed(self.terms):
            total = total * length + term
        return total


_ONE: Final = Cost((1.0,))
_LENGTH: Final = Cost((0.0, 1.0))


@frozen(kw_only=True)
class LinePattern:
    """An expression that was checked and compiled."""

    contains: str
    """The longest literal that every match holds, at least `MIN_LITERAL_CHARS`."""
    regex: re.Pattern[str]
    cost: Cost
    """Steps of a search in one line."""


@frozen(kw_only=True)
class _Node:
    """A part of an expression."""

    exact: str | None = None
    """The only text it matches; empty for an anchor."""
    held: str = ""
    """The longest literal that every match of it holds."""
    ways: Cost = _ONE
    """In how many ways it can match at one place."""
    work: Cost = _ONE
    """Steps of all attempts at one place."""
    single: str | None = None
    """Its source, where it matches exactly one character of several."""
    empty: bool = False
    """Whether it can match without taking a character."""
    repeats: re.Pattern[str] | None = None
    """The character it repeats a variable number of times."""
    anchored: bool = False
    """Whether it matches at the beginning of a line only."""


def check_pattern(source: str) -> LinePattern:
    """Check and compile an expression for single lines.

    Args:
        source: The expression, case-sensitive, searched for unless it begins with `^`.

    Raises:
        InvalidSpecError: It is outside the grammar, costs too much, or holds no literal of
            `MIN_LITERAL_CHARS` characters that every match must contain.
    """
    node, cost = _measured(source)
    if len(node.held) < MIN_LITERAL_CHARS:
        reason = f"every match must hold a literal of {MIN_LITERAL_CHARS} or more characters"
        raise _refused(source, reason)
    steps = cost.of(MAX_LINE_CHARS)
    if steps > MAX_STEPS:
        raise _refused(
            source,
            f"can take {steps:.0e} steps on a long line, {MAX_STEPS:.0e} are allowed: begin with "
            "^ or a literal, or give its repeats an upper limit",
        )
    try:
        return LinePattern(contains=node.held, regex=re.compile(source), cost=cost)
    except (re.error, OverflowError, RecursionError) as error:
        raise _refused(source, f"cannot be compiled: {error}") from error


def search_cost(source: str) -> Cost:
    """Return what a search for an expression costs at most, allowed or not.

    Raises:
        InvalidSpecError: It is outside the grammar.
    """
    return _measured(source)[1]


def _measured(source: str) -> tuple[_Node, Cost]:
    if not 0 < len(source) <= MAX_PATTERN_CHARS:
        raise _refused(source, f"must have 1 to {MAX_PATTERN_CHARS} characters")
    try:
        node, lead = _Parser(source).parse()
    except re.error as error:  # of a set, which is compiled where it is read
        raise _refused(source, f"cannot be compiled: {error}") from error
    starts = _ONE if node.anchored else Cost((1.0, 1.0 / _period(lead)))
    # Where the leading literal does not stand, it fails after some of its characters.
    return node, starts * node.work + _LENGTH * Cost((1.0 + len(lead),))


def _refused(source: str, reason: str) -> InvalidSpecError:
    shown = source if len(source) <= MAX_PATTERN_CHARS else source[:MAX_PATTERN_CHARS] + "..."
    return InvalidSpecError(f"expression {shown!r}: {reason}", field="regex", value=shown)


def _period(literal: str) -> int:
    """Return how far two places of a literal in one line are apart at least, 1 or more."""
    for shift in range(1, len(literal)):
        if literal.startswith(literal[shift:]):
            return shift
    return max(len(literal), 1)


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0

    def parse(self) -> tuple[_Node, str]:
        """Return the whole expression and the literal that each match begins with."""
        node, lead = self._alternatives()
        if self._at < len(self._source):
            raise self._fault("a group is closed that was not opened")
        return node, lead

    def _fault(self, reason: str) -> InvalidSpecError:
        return _refused(self._source, f"{reason} (character {self._at + 1})")

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _take(self, count: int = 1) -> str:
        taken = self._source[self._at : self._at + count]
        self._at += count
        return taken

    def _alternatives(self) -> tuple[_Node, str]:
        first, lead = self._sequence()
        if self._peek() != "|":
            return first, lead
        members = [first]
        while self._peek() == "|":
            self._take()
            members.append(self._sequence()[0])
        ways, work = members[0].ways, members[0].work
        for member in members[1:]:
            ways, work = ways + member.ways, work + member.work
        return _Node(
            ways=ways,
            work=work,
            empty=any(member.empty for member in members),
            anchored=all(member.anchored for member in members),
        ), ""

    def _sequence(self) -> tuple[_Node, str]:
        items: list[_Node] = []
        while self._peek() not in {"", "|", ")"}:
            items.append(self._item())
        ways, work = _ONE, _ONE
        held = run = lead = ""
        leading = True
        for place, item in enumerate(items):
            work = work + ways * item.work
            ways = ways * _ways_before(item, items[place + 1 : place + 2])
            run = "" if item.exact is None else run + item.exact
            leading = leading and item.exact is not None
            lead = run if leading else lead
            held = max(held, run, item.held, key=len)
        exact = run if leading else None
        return _Node(
            exact=exact,
            held=held,
            ways=ways,
            work=work,
            empty=all(item.empty for item in items),
            anchored=bool(items) and items[0].anchored,
        ), lead

    def _item(self) -> _Node:
        node = self._atom()
        quantifier = self._quantifier()
        if quantifier is None:
            return node
        if self._peek() in {"?", "+", "*", "{"}:
            raise self._fault("a repeat is repeated, or lazy or possessive")
        least, most = quantifier
        if most == 1:
            # Or it is left out.
            return _Node(
                ways=node.ways + _ONE if least == 0 else node.ways,
                work=node.work + _ONE,
                empty=node.empty or least == 0,
                exact=node.exact if least else None,
                held=node.held if least else "",
            )
        if node.ways != _ONE or node.empty:
            raise self._fault("repeats what can match in several ways, or nothing")
        return self._repeated(node, least, most)

    def _repeated(self, node: _Node, least: int, most: int | None) -> _Node:
        if most is not None and most < max(least, 1):
            raise self._fault("a repeat has its limits the wrong way round")
        # Before any text is multiplied: a few nested repeats would ask for gigabytes.
        if least * len(node.exact or "-") > MAX_LINE_CHARS:
            raise self._fault(f"no line has more than {MAX_LINE_CHARS} characters")
        size = _LENGTH if most is None else Cost((float(most),))
        fixed = least == most
        return _Node(
            exact=node.exact * least if fixed and node.exact is not None else None,
            held=node.held if least else "",
            ways=_ONE if fixed else (_LENGTH if most is None else Cost((float(most - least + 1),))),
            work=size * node.work,
            empty=least == 0,
            repeats=None if fixed or node.single is None else re.compile(node.single),
        )

    def _quantifier(self) -> tuple[int, int | None] | None:
        known: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}
        mark = self._peek()
        if mark in known:
            self._take()
            return known[mark]
        if mark != "{":
            return None
        found = _REPEAT.match(self._source, self._at)
        if found is None:
            raise self._fault("a brace is neither a repeat nor escaped")
        self._at = found.end()
        least = int(found[1])
        if found[2] is None:
            return least, least
        return least, int(found[3]) if found[3] else None

    def _atom(self) -> _Node:
        mark = self._peek()
        if mark == "(":
            return self._group()
        if mark == "[":
            return self._class()
        if mark == "\\":
            return self._escape()
        if mark in _SPECIAL:
            raise self._fault(f"{mark!r} stands where nothing can be repeated")
        self._take()
        if mark in {"^", "$"}:
            return _Node(exact="", empty=True, anchored=mark == "^")
        if mark == ".":
            return _Node(single=".")
        if not mark.isprintable():
            raise self._fault("a line holds no control characters")
        return _Node(exact=mark, held=mark, single=re.escape(mark))

    def _group(self) -> _Node:
        self._take()
        if self._peek() == "?" and self._take(2) != "?:":
            raise self._fault("only (...) and (?:...) are groups here")
        self._depth += 1
        if self._depth > _MAX_NESTING:
            raise self._fault(f"groups nest deeper than {_MAX_NESTING}")
        node, _ = self._alternatives()
        self._depth -= 1
        if self._take() != ")":
            raise self._fault("a group is not closed")
        # What follows a group is not looked at by what is inside.
        return evolve(node, repeats=None, single=None)

    def _escape(self) -> _Node:
        taken = self._take(2)
        letter = taken[1:]
        if letter == "b":
            return _Node(exact="", empty=True)
        if letter in _CLASS_ESCAPES and letter:
            return _Node(single=taken)
        if not letter or letter.isalnum() or not letter.isprintable():
            raise self._fault(f"{taken!r} is not an escape of this grammar")
        return _Node(exact=letter, held=letter, single=taken)

    def _class(self) -> _Node:
        begin = self._at
        self._take(2 if self._source.startswith("[^", begin) else 1)
        first = self._at
        while self._peek() != "]" or self._at == first:
            mark = self._take()
            if not mark:
                raise self._fault("a [ is not closed")
            if mark == "[" or self._source[self._at - 1 : self._at + 1] in _SET_OPERATIONS:
                raise self._fault("a set inside [...] must be escaped")
            if mark == "\\":
                self._class_escape()
        self._take()
        return _Node(single=self._source[begin : self._at])

    def _class_escape(self) -> None:
        letter = self._take()
        if letter.isalnum() and letter not in _CLASS_ESCAPES:
            raise self._fault(f"\\{letter} is not an escape of this grammar")


def _ways_before(item: _Node, after: list[_Node]) -> Cost:
    """Return the ways of an item that do not fail at once at the one after it."""
    first = after[0].exact if after else None
    if item.repeats is not None and first and not item.repeats.fullmatch(first[0]):
        return _ONE
    return item.ways
