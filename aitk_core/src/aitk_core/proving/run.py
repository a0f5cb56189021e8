"""Replays cases, recorded runs and noise through analyzers, as runs that grow.

Who runs an analyzer, and keeps its faults from the rest, is handed in.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, frozen

from aitk_core.evidence.records import RunEvidence
from aitk_core.protocols import Outcomes
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.growth import as_it_stood, looks_of
from aitk_core.proving.outcomes import NOT_ASKED, Alarm, AlarmCount, Card, CaseOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitk_core.proving.shared import Failure
    from aitk_core.records.findings import Finding

logger = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[object], Awaitable[Outcomes]]
"""Runs one analyzer on evidence, isolated."""
Progress: TypeAlias = Callable[[str], None]

_BUDGET_S: Final = 20.0
"""Ours: of all analyzers' time in the minute that a proof may take, the most for one."""
FAULTS: Final = 3
"""Ours: an analyzer that failed so often is not asked again."""


@frozen(kw_only=True)
class Candidate:
    """An analyzer that is to be proven."""

    name: str
    distribution: str
    subject: str
    has_proofs: bool
    cases: tuple[ProofCase, ...]
    """Its own."""
    ask: Ask
    fault: str = ""
    """Why its cases could not be read."""


@define(kw_only=True)
class _Witness:
    """One analyzer under proof: what it costs, and whether it is still asked."""

    candidate: Candidate
    card: Card
    clock: Callable[[], float]
    spent_s: float = 0.0
    failed: int = 0

    def is_out(self) -> bool:
        """Tell whether it failed too often or took too long to be asked again."""
        return self.failed >= FAULTS or self.spent_s > _BUDGET_S

    async def say(self, evidence: object) -> tuple[Finding, ...] | str:
        """Return the findings, or why there are none."""
        if self.is_out():
            return NOT_ASKED
        begun = self.clock()
        outcomes = await self.candidate.ask(evidence)
        lasted = self.clock() - begun
        self.spent_s += lasted
        analysis = outcomes.analyses.get(self.candidate.name)
        if analysis is None:
            self.failed += 1
        else:
            self.card.seconds.append(lasted)
        if self.is_out():
            asked = len(self.card.seconds) + self.failed
            self.card.faults.append(
                f"given up after {asked} looks, {self.spent_s:.0f} s and {self.failed} failures"
            )
        if analysis is None:
            return "; ".join(outcomes.notes) or "no answer"
        return analysis.findings


async def prove(
    candidates: Sequence[Candidate],
    *,
    quiet: Sequence[ProofCase] = (),
    noise: Iterable[RunEvidence] = (),
    failures: Iterable[Failure] = (),
    traces: Iterable[RunEvidence] = (),
    clock: Callable[[], float],
    progress: Progress = lambda _what: None,
) -> tuple[Card, ...]:
    """Return a card for each analyzer.

    Args:
        candidates: The analyzers, with their own cases.
        quiet: Runs with nothing wrong, for every analyzer of runs.
        noise: Runs of pure noise, likewise.
        failures: Runs with something wrong, likewise; who says what is told, not judged.
        traces: Further runs to count warnings on, likewise.
        clock: Seconds that pass; for the cost of an evidence.
        progress: Called with what comes next.
    """
    witnesses = [_witness(candidate, clock) for candidate in candidates]
    of_runs = [one for one in witnesses if one.candidate.subject == "run"]
    for witness in witnesses:
        progress(f"{witness.candidate.name}: {len(witness.candidate.cases)} cases of its own")
        for case in witness.candidate.cases:
            witness.card.cases.append(await _replay(witness, case))
    progress(f"{len(quiet)} recorded runs with nothing wrong")
    for case in quiet:
        for witness in of_runs:
            witness.card.cases.append(await _replay(witness, case))
    for failure in failures:
        for witness in of_runs:
            witness.card.recorded[failure.name] = _grave(await witness.say(failure.evidence))
    for number, run in enumerate(noise, 1):
        progress(f"run {number} of pure noise")
        await _over_noise(of_runs, run)
    for number, run in enumerate(traces, 1):
        progress(f"trace {number}")
        await _over_trace(of_runs, run)
    return tuple(witness.card for witness in witnesses)


def _witness(candidate: Candidate, clock: Callable[[], float]) -> _Witness:
    card = Card(
        name=candidate.name,
        distribution=candidate.distribution,
        subject=candidate.subject,
        has_proofs=candidate.has_proofs,
        faults=[candidate.fault] if candidate.fault else [],
    )
    return _Witness(candidate=candidate, card=card, clock=clock)


def _grave(said: tuple[Finding, ...] | str) -> tuple[str, ...]:
    if isinstance(said, str):
        return ()
    return tuple(dict.fromkeys(finding.code for finding in said if finding.severity != "info"))


async def _replay(witness: _Witness, case: ProofCase) -> CaseOutcome:
    missing, alarms = set(case.must_find), list[Alarm]()
    standing: frozenset[str] = frozenset()
    fault, delay = "", None
    try:
        for step, evidence in _moments(case):
            said = await witness.say(evidence)
            if isinstance(said, str):
                fault = said
                break
            if _is_sound(case, step):
                codes = frozenset(_grave(said))
                alarms += [Alarm(code=code, step=step) for code in sorted(codes - standing)]
                standing = codes
                continue
            missing -= set(_grave(said))
            if not missing:
                delay = _delay(case, step)
                break
    except (Exception, SystemExit) as error:  # evidence of a foreign case may be anything
        logger.exception("case %s of analyzer %s", case.name, witness.candidate.name)
        fault = f"the case cannot be replayed: {type(error).__name__}"
    return CaseOutcome(
        name=case.name,
        must_find=case.must_find,
        missing=tuple(code for code in case.must_find if code in missing),
        delay_steps=delay,
        alarms=tuple(alarms),
        healthy_steps=0 if fault else _sound_steps(case),
        fault=fault,
    )


def _moments(case: ProofCase) -> Iterable[tuple[int | None, object]]:
    for step in looks_of(case):
        yield step, as_it_stood(case.evidence, step)
    yield None, case.evidence


def _is_sound(case: ProofCase, step: int | None) -> bool:
    if not case.must_find:
        return True
    return case.onset_step is not None and step is not None and step < case.onset_step


def _delay(case: ProofCase, step: int | None) -> int | None:
    if case.onset_step is None or not isinstance(case.evidence, RunEvidence):
        return None
    loss = case.evidence.loss
    if loss is None:
        return None
    return (loss.steps[-1] if step is None else step) - case.onset_step + 1


def _sound_steps(case: ProofCase) -> int:
    loss = case.evidence.loss if isinstance(case.evidence, RunEvidence) else None
    if loss is None:
        return 0
    if not case.must_find:
        return len(loss)
    return sum(step < case.onset_step for step in loss.steps) if case.onset_step else 0


async def _over_noise(witnesses: Sequence[_Witness], run: RunEvidence) -> None:
    case = ProofCase(name="noise", evidence=run)
    standing: dict[str, frozenset[str]] = {}
    ever: dict[str, set[str]] = {}
    heard = {one.candidate.name for one in witnesses}
    for step, evidence in _moments(case):
        for witness in witnesses:
            name = witness.candidate.name
            said = await witness.say(evidence)
            if isinstance(said, str):
                heard.discard(name)
                continue
            raised = {finding.code: finding for finding in said}
            before, past = standing.get(name, frozenset()), ever.setdefault(name, set())
            for code, finding in raised.items():
                count = witness.card.count_noise(finding)
                count.events += code not in before
                count.at_any_look += code not in past
                count.at_end += step is None
            standing[name] = frozenset(raised)
            past |= set(raised)
    for witness in witnesses:
        if witness.candidate.name in heard:
            witness.card.noise_runs += 1
            witness.card.noise_steps += 0 if run.loss is None else len(run.loss)


async def _over_trace(witnesses: Sequence[_Witness], run: RunEvidence) -> None:
    standing: dict[str, frozenset[str]] = {}
    for _, evidence in _moments(ProofCase(name="trace", evidence=run)):
        for witness in witnesses:
            name = witness.candidate.name
            said = await witness.say(evidence)
            codes = frozenset(_grave(said))
            counted = witness.card.traces or AlarmCount()
            witness.card.traces = counted
            for code in codes - standing.get(name, frozenset()):
                counted.alarms += 1
                witness.card.trace_codes[code] = witness.card.trace_codes.get(code, 0) + 1
            standing[name] = codes
    for witness in witnesses:
        if witness.card.traces is not None and run.loss is not None and not witness.is_out():
            witness.card.traces.steps += len(run.loss)
