"""What holds for every catalogue of failures: inherit `FailureCatalogueLaws` in a test module.

    class TestMyFailures(FailureCatalogueLaws):
        spec = FailureCatalogueSpec(name="acme", document=files("acme_probe") / "failures.json")

`hits_of(catalogue, text)` says which codes a text hits, for tests of one's own.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ClassVar, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aitk_core.evidence.failures import (
    FailureCatalogue,
    FailureScanner,
    find_failures,
    read_catalogue,
)
from aitk_core.evidence.logscan import scan_log
from aitk_core.proving.logs import answer_of
from aitk_core.registry import load_registry
from aitk_core.services.analysis import analyze_one
from aitk_core.services.failures import declared_catalogues, load_catalogue, read_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aitk_core.proving.logs import Answer, LoggedRun
    from aitk_core.specs import FailureCatalogueSpec

_FORMS: Final = (
    "TEXT:  10%|9         | 299/3000 [10:44<1:37:05,  2.16s/it, lr: 2.0e-04 loss: 5.2e-01]",
    '    "prompt": "TEXT",',
    '"caption": "TEXT"',
    "Prompt: TEXT",
    "caption: TEXT",
)


@cache
def harmless_lines() -> tuple[str, ...]:
    """Return what healthy runs print, seen in logs, and what only looks like a failure."""
    text = (files("aitk_core") / "testing" / "harmless_lines.txt").read_text("utf-8")
    return tuple(text.splitlines())


@cache
def installed_failures() -> FailureCatalogue:
    """Return what all plugins installed here declare.

    Raises:
        InvalidSpecError: One of the documents does not fit the schema.
    """
    whole = FailureCatalogue()
    for owned in declared_catalogues(load_registry()):
        part, _ = load_catalogue(owned.spec)
        whole, _ = whole.merge(part)
    return whole


def answers_to(
    logs: Iterable[LoggedRun], catalogue: FailureCatalogue, *, is_failed: bool
) -> Iterator[Answer]:
    """Yield what all analyzers of runs installed here say of each log.

    Args:
        logs: To ask about.
        catalogue: Failures to look for.
        is_failed: Whether the rows say that the runs failed, without a reason.
    """
    analyzers = [
        one.spec for one in load_registry().analyzers.values() if one.spec.subject == "run"
    ]
    for log in logs:
        evidence = log.evidence(catalogue, is_failed=is_failed)
        yield answer_of(
            log, (f for spec in analyzers for f in analyze_one(spec, evidence).findings)
        )


def hits_of(catalogue: FailureCatalogue, text: str) -> list[str]:
    """Return the codes that a text hits, line by line, each line's most specific first."""
    scanner = FailureScanner(catalogue)
    scanner.feed(enumerate(text.split("\n"), 1))
    return [hit.signature.code for hit in scanner.hits]


class FailureCatalogueLaws:
    """What holds for every catalogue, tried alone."""

    spec: ClassVar[FailureCatalogueSpec]
    """What the plugin declares."""

    def test_every_signature_can_be_used(self) -> None:
        """The document fits its schema, each expression its grammar; no code stands there twice."""
        _, faults = load_catalogue(self.spec)
        assert faults == ()

    def test_every_example_hits_its_own_code_first(self) -> None:
        """Order decides where signatures overlap."""
        catalogue, entries = _loaded(self.spec)
        found = [
            (text, entry["code"], hits_of(catalogue, text))
            for entry in entries
            for text in entry["examples"]
        ]
        assert not [case for case in found if case[2][:1] != [case[1]]]

    def test_no_counter_example_hits_its_code(self) -> None:
        """It may hit another: some are there to tell two failures apart."""
        catalogue, entries = _loaded(self.spec)
        found = [
            (text, entry["code"], hits_of(catalogue, text))
            for entry in entries
            for text in entry.get("counter_examples", ())
        ]
        assert not [case for case in found if case[1] in case[2]]

    def test_harmless_lines_hit_nothing(self) -> None:
        """What healthy runs print is no failure, line by line and as a log."""
        catalogue, _ = _loaded(self.spec)
        assert not {
            line: hits_of(catalogue, line) for line in harmless_lines() if hits_of(catalogue, line)
        }
        log = scan_log("\n".join(harmless_lines()), bar_name=None)
        assert find_failures(catalogue, log).hits == ()

    def test_progress_bars_prompts_and_captions_hit_nothing(self) -> None:
        """Whatever a person called the job or wrote about an image is no evidence."""
        catalogue, entries = _loaded(self.spec)
        texts = [text for entry in entries for text in entry["examples"]]
        lines = [form.replace("TEXT", text) for text in texts for form in _FORMS]
        log = scan_log("\n".join(lines), bar_name=None, keep_lines=len(lines))
        assert [hit.text for hit in find_failures(catalogue, log).hits] == []

    @settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(data=st.data())
    def test_how_a_log_is_cut_changes_nothing(self, data: st.DataObject) -> None:
        """Feeding on equals scanning whole."""
        catalogue, entries = _loaded(self.spec)
        texts = [text for entry in entries for text in entry["examples"]]
        line = st.sampled_from((*texts, *harmless_lines()))
        numbered = list(enumerate(data.draw(st.lists(line, max_size=30)), 1))
        whole, parts = FailureScanner(catalogue), FailureScanner(catalogue)
        whole.feed(numbered)
        while numbered:
            size = data.draw(st.integers(1, len(numbered)))
            parts.feed(numbered[:size])
            numbered = numbered[size:]
        assert parts.hits == whole.hits


@cache
def _loaded(spec: FailureCatalogueSpec) -> tuple[FailureCatalogue, list[dict[str, Any]]]:
    document = read_document(spec)
    return read_catalogue(spec.name, document)[0], document["signatures"]
