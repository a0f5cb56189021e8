"""Expressions of failure catalogues: what is refused, and that the rest costs what was computed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.errors import InvalidSpecError
from aitk_core.evidence.failurepatterns import (
    MAX_LINE_CHARS,
    MAX_PATTERN_CHARS,
    MAX_STEPS,
    check_pattern,
    search_cost,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# OWASP, "Regular expression Denial of Service", and the incidents it links to; each with a
# literal, so that nothing but the danger is refused.
EVIL: Final = (
    "evil (a+)+$",
    "evil ([a-zA-Z]+)*$",
    "evil (a|aa)+$",
    "evil (a|a?)+$",
    "evil (.*a){20}$",
    r"evil ^(([a-z])+.)+[A-Z]([a-z])+$",
    r"evil (\w+\s?)*$",
    r"evil (x+x+)+y",
    r"evil ((ab)*)*c",
    "evil (a*)*b",
    "evil .*.*=.*",
    r"evil (?:(?:\"|'|\]|\}|\\|\d|(?:nan|infinity|true|false))|.*)+;?",
    r"^.*.{0,1000}aa{500}b",
    "^.*.{0,2000}" + "a" * 400 + "b",
    r"\s+$evil",
    r"[\s]+evil[\s]+$",
    "evil" + "a?" * 30 + "a" * 30,
    "evil .*a.*b.*c",
    "evil(.{1,4000}){1,4000}",
    "((((evil{99}){99}){99}){99}){99}",
)


@pytest.mark.parametrize("source", EVIL)
def test_a_known_evil_expression_is_refused(source: str) -> None:
    with pytest.raises(InvalidSpecError):
        check_pattern(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("(?=down)down", "only (...) and (?:...) are groups"),
        ("(?<!x)down", "only (...) and (?:...) are groups"),
        ("(?i)down", "only (...) and (?:...) are groups"),
        ("(?P<a>down)", "only (...) and (?:...) are groups"),
        ("(?>down)", "only (...) and (?:...) are groups"),
        (r"(down)\1", "is not an escape of this grammar"),
        (r"down\Z", "is not an escape of this grammar"),
        (r"down\x00", "is not an escape of this grammar"),
        ("down\\", "is not an escape of this grammar"),
        (r"down[\n]", "is not an escape of this grammar"),
        ("down.*?x", "lazy or possessive"),
        ("down.*+x", "lazy or possessive"),
        ("down{2", "neither a repeat nor escaped"),
        ("down{,3}", "neither a repeat nor escaped"),
        ("down{3,2}", "limits the wrong way round"),
        ("down{99999}", "neither a repeat nor escaped"),
        ("down{4097}", "no line has more than"),
        ("down(", "a group is not closed"),
        ("down)", "a group is closed that was not opened"),
        ("down[", "a [ is not closed"),
        ("down[[a]", "a set inside"),
        ("down[a--b]", "a set inside"),
        ("*down", "nothing can be repeated"),
        ("down\nx", "control characters"),
        ("(((((((((down)))))))))", "groups nest deeper"),
        ("", "1 to 500 characters"),
        ("x" * (MAX_PATTERN_CHARS + 1), "1 to 500 characters"),
        ("oom", "a literal of 4 or more"),
        (".*", "a literal of 4 or more"),
        ("down|", "a literal of 4 or more"),
        ("(down)?", "a literal of 4 or more"),
        ("[d][o][w][n]", "a literal of 4 or more"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_the_reason(source: str, reason: str) -> None:
    with pytest.raises(InvalidSpecError, match=re.escape(reason)):
        check_pattern(source)


@pytest.mark.parametrize(
    ("source", "contains"),
    [
        (r"CUDA out of memory\. Tried to allocate [0-9.]+ ?[KMGT]iB",
         "CUDA out of memory. Tried to allocate "),
        (r"^\s*Killed\s*$", "Killed"),
        (r"\bSSLError\(", "SSLError("),
        ("no (images|videos) found in ", " found in "),
        ("(?:ab)?long one(?: two)", "long one two"),
        ("xy{3}z+abc", "xyyy"),
        (r"[\w./-]+ is missing", " is missing"),
    ],
)  # fmt: skip
def test_the_literal_that_every_match_holds_is_found(source: str, contains: str) -> None:
    assert check_pattern(source).contains == contains


@pytest.mark.parametrize("extra", [".*", "[a-z]*", r"\w+ "])
def test_the_square_of_a_line_is_allowed_and_the_cube_is_not(extra: str) -> None:
    check_pattern(f"evil {extra}end")
    with pytest.raises(InvalidSpecError, match="steps on a long line"):
        check_pattern(f".*{extra}.*evil {extra}.*end")


@frozen
class Part:
    """A piece of an expression that can be written and, apart from `re`, be matched."""

    kind: str
    """`one`: a character by `text`. `edge`: `^` or `$`. `seq`, `alt`: of `parts`. `rep`."""
    text: str = ""
    parts: tuple[Part, ...] = ()
    least: int = 0
    most: int | None = None

    def source(self) -> str:
        inner = [part.source() for part in self.parts]
        if self.kind == "seq":
            return "".join(inner)
        if self.kind == "alt":
            return f"({'|'.join(inner)})"
        if self.kind == "rep":
            upper = "" if self.most is None else self.most
            return f"{inner[0]}{{{self.least},{upper}}}"
        return self.text


class Backtracker:
    """Tries everything in the order of `re`, remembers nothing, and counts as the bound does.

    Every item that is entered is a step, each character of a literal and each round too.
    """

    def __init__(self, line: str, *, most_steps: int) -> None:
        self.line = line
        self.steps_to_go = most_steps

    def searches(self, part: Part) -> bool:
        starts = range(len(self.line) + 1)
        return any(next(self.ends(part, start), None) is not None for start in starts)

    def step(self) -> None:
        self.steps_to_go -= 1
        assert self.steps_to_go >= 0, "more steps than were computed"

    def ends(self, part: Part, at: int) -> Iterator[int]:
        if part.kind == "one":
            if at < len(self.line) and re.fullmatch(part.text, self.line[at]):
                yield at + 1
        elif part.kind == "edge":
            if at == (0 if part.text == "^" else len(self.line)):
                yield at
        elif part.kind == "alt":
            for member in part.parts:
                self.step()
                yield from self.ends(member, at)
        elif part.kind == "seq":
            yield from self.sequence(part.parts, at)
        else:
            yield from self.repeat(part, at, 0)

    def sequence(self, parts: tuple[Part, ...], at: int) -> Iterator[int]:
        if not parts:
            yield at
            return
        self.step()
        for end in self.ends(parts[0], at):
            yield from self.sequence(parts[1:], end)

    def repeat(self, part: Part, at: int, done: int) -> Iterator[int]:
        if part.most is None or done < part.most:
            self.step()
            for end in self.ends(part.parts[0], at):
                yield from self.repeat(part, end, done + 1)
        if done >= part.least:
            yield at


def word(text: str) -> Part:
    return Part("seq", parts=tuple(Part("one", letter) for letter in text))


def repeated(part: Part, least: int, more: int | None) -> Part:
    most = None if more is None else max(least + more, 1)
    return Part("rep", parts=(part,), least=least, most=most)


ONES: Final = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\w"]).map(lambda t: Part("one", t))
EDGES: Final = st.sampled_from("^$").map(lambda t: Part("edge", t))
ALTERNATIVES: Final = st.lists(ONES, min_size=1, max_size=3).map(
    lambda found: Part("alt", parts=tuple(found))
)
REPEATED: Final = st.builds(
    repeated, st.one_of(ONES, ALTERNATIVES), st.integers(0, 2), st.sampled_from([None, 0, 1, 5])
)
PARTS: Final = st.lists(st.one_of(ONES, ALTERNATIVES, REPEATED, EDGES), max_size=4)
EXPRESSIONS: Final = st.builds(
    lambda before, middle, after: Part("seq", parts=(*before, *word(middle).parts, *after)),
    PARTS,
    st.sampled_from(["abab", "aaaa", "abbb"]),
    PARTS,
)


def accepted(source: str) -> bool:
    try:
        check_pattern(source)
    except InvalidSpecError:
        return False
    return True


@given(expression=EXPRESSIONS, line=st.text("ab c"))
@settings(deadline=None, max_examples=500)
def test_every_match_holds_the_literal(expression: Part, line: str) -> None:
    source = expression.source()
    if accepted(source):
        pattern = check_pattern(source)
        found = pattern.regex.search(line)
        assert found is None or pattern.contains in found[0]


def assert_bounded(expression: Part, line: str) -> None:
    """Count the steps of a search, also for an expression that is refused for its cost."""
    try:
        bound = search_cost(expression.source()).of(len(line))
    except InvalidSpecError:
        return  # outside the grammar
    matcher = Backtracker(line, most_steps=2 * int(bound) + 20)
    found = matcher.searches(expression)
    assert found == (re.search(expression.source(), line) is not None)


@given(
    expression=EXPRESSIONS,
    line=st.one_of(st.text("ab", max_size=24), st.integers(0, 24).map(lambda n: "a" * n)),
)
@settings(deadline=None, max_examples=500)
def test_no_search_takes_more_steps_than_were_computed(expression: Part, line: str) -> None:
    assert_bounded(expression, line)


ANY: Final = repeated(Part("one", "."), 0, None)
LETTERS: Final = repeated(Part("one", "a"), 0, None)
TWO_WAYS: Final = Part("alt", parts=(Part("one", "a"), Part("one", ".")))


@pytest.mark.parametrize(
    "parts",
    [
        (*word("aaaa").parts, ANY, ANY, *word("b").parts),
        (*word("aaaa").parts, ANY, *word("a").parts, ANY, *word("b").parts),
        (ANY, *word("aaaa").parts, ANY, *word("b").parts),
        (LETTERS, *word("aaaa").parts, *word("b").parts),
        (*word("aaaa").parts, LETTERS, *word("b").parts),
        (*word("aaaa").parts, *[TWO_WAYS] * 8, *word("b").parts),
        (*word("aaaa").parts, *[repeated(Part("one", "a"), 0, 1)] * 8, *word("b").parts),
        (*word("aaaa").parts, repeated(Part("one", "."), 0, 5), ANY, *word("b").parts),
        (Part("edge", "^"), ANY, *word("a" * 12 + "b").parts),
        (
            Part("edge", "^"),
            ANY,
            *word("a").parts,
            repeated(Part("one", "a"), 12, 0),
            *word("b").parts,
        ),
        (*word("a" * 12 + "b").parts,),
    ],
)
def test_the_worst_line_takes_no_more_steps_than_were_computed(parts: tuple[Part, ...]) -> None:
    assert_bounded(Part("seq", parts=parts), "a" * 40)


@given(st.text("ab(|)[]{}?*+.^$\\,19-wdbsx", max_size=30))
@settings(deadline=None, max_examples=1000)
def test_whatever_is_accepted_compiles_and_costs_no_more_than_is_allowed(source: str) -> None:
    for text in (source, source + "down", f"down{source}"):
        if accepted(text):
            pattern = check_pattern(text)
            assert pattern.cost.of(MAX_LINE_CHARS) <= MAX_STEPS
            pattern.regex.search("down" + "ab" * 20)
