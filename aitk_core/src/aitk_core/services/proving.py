"""Proves the installed analyzers, each kept apart as when a tool runs them."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from aitk_core.evidence.collector import failures_of
from aitk_core.evidence.failures import FailureCatalogue
from aitk_core.evidence.records import RunEvidence
from aitk_core.proving.cases import ProofCase
from aitk_core.proving.outcomes import Card
from aitk_core.services.analysis import run_analyzers
from aitk_core.services.executor import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitk_core.proving.run import Candidate, Progress
    from aitk_core.registry import Owned
    from aitk_core.specs import AnalyzerSpec

_MOST_CASES: Final = 200
"""Ours: of one analyzer; a proof is to take less than a minute."""


@frozen(kw_only=True)
class Proof:
    """What the proof of all installed analyzers showed."""

    cards: tuple[Card, ...]
    noise_runs: int
    noise_steps: int
    """Of each run."""
    causes: dict[str, str]
    """What was wrong with each recorded failure."""
    traces: int = 0
    seconds: float

    @property
    def ok(self) -> bool:
        """Tell whether every analyzer found what it must and stayed quiet where it must."""
        return not any(card.failures for card in self.cards)


async def prove_analyzers(
    analyzers: Iterable[Owned[AnalyzerSpec]],
    *,
    timeout_s: float,
    catalogue: FailureCatalogue | None = None,
    traces: Iterable[RunEvidence] = (),
    noise_runs: int | None = None,
    progress: Progress = lambda _what: None,
) -> Proof:
    """Replay everything through every analyzer.

    Args:
        analyzers: Those to prove.
        timeout_s: For one evidence.
        catalogue: Known failures, which are looked for in every log as a collector does.
        traces: Further runs to count warnings on.
        noise_runs: How many runs of pure noise; the usual number if not given.
        progress: Called with what comes next.
    """
    # numpy comes with these, so only once a proof is asked for.
    from aitk_core.proving import shared
    from aitk_core.proving.run import FAULTS, prove

    begun = time.perf_counter()
    runs = tuple(traces)
    count = shared.NOISE_RUNS if noise_runs is None else noise_runs
    async with AsyncExitStack() as opened:

        def pool_of_its_own() -> WorkerPool:
            # One that never ends keeps its thread; the next analyzer has others.
            pool = WorkerPool(workers=FAULTS + 1)
            opened.callback(pool.close)
            return pool

        pool = pool_of_its_own()
        known = FailureCatalogue() if catalogue is None else catalogue
        candidates = [
            await _candidate(owned, pool_of_its_own(), timeout_s, known) for owned in analyzers
        ]
        failures = await pool.run(shared.failures)
        cards = await prove(
            candidates,
            quiet=await pool.run(shared.quiet_runs),
            noise=shared.noise_runs(count),
            failures=failures,
            traces=runs,
            clock=time.perf_counter,
            progress=progress,
        )
    return Proof(
        cards=cards,
        noise_runs=count,
        noise_steps=shared.NOISE_STEPS,
        causes={failure.name: failure.cause for failure in failures},
        traces=len(runs),
        seconds=time.perf_counter() - begun,
    )


async def _candidate(
    owned: Owned[AnalyzerSpec], pool: WorkerPool, timeout_s: float, catalogue: FailureCatalogue
) -> Candidate:
    from aitk_core.proving.run import Candidate

    async def ask(evidence: object) -> Any:
        if isinstance(evidence, RunEvidence) and not evidence.hits:
            evidence = await pool.run(with_hits, evidence, catalogue)
        return await run_analyzers([owned], evidence, pool=pool, timeout_s=timeout_s)

    cases: tuple[ProofCase, ...] = ()
    fault = ""
    if owned.spec.proofs is not None:
        try:
            async with asyncio.timeout(timeout_s):
                cases = await pool.run(_cases, owned.spec)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code, told in the card
            fault = f"its proofs cannot be read: {type(error).__name__}: {error}"
    return Candidate(
        name=owned.spec.name,
        distribution=owned.plugin.distribution,
        subject=owned.spec.subject,
        has_proofs=owned.spec.proofs is not None,
        cases=cases,
        ask=ask,
        fault=fault,
    )


def with_hits(evidence: RunEvidence, catalogue: FailureCatalogue) -> RunEvidence:
    """Return the evidence with the known failures that its log and row show."""
    return evolve(evidence, hits=failures_of(catalogue, evidence.job, evidence.log).hits)


def _cases(spec: AnalyzerSpec) -> tuple[ProofCase, ...]:
    if spec.proofs is None:
        return ()
    cases = tuple(islice(spec.proofs.load()(), _MOST_CASES + 1))
    if len(cases) > _MOST_CASES:
        raise ValueError(f"more than {_MOST_CASES} cases")
    for case in cases:
        if not isinstance(case, ProofCase):
            raise TypeError(f"{type(case).__name__} is not a ProofCase")
    if not cases:
        raise ValueError("there is no case")
    return cases
