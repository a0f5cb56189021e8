"""Failure catalogues of other distributions: their signatures count, their faults stay theirs."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import evolve

from aitk_core.application import Application
from aitk_core.cli.doctor import examine
from aitk_core.context import Session
from aitk_core.errors import InvalidSpecError
from aitk_core.frontends.http.app import build_app
from aitk_core.registry import load_registry
from aitk_core.services import failures
from aitk_core.services.executor import WorkerPool
from aitk_core.services.failures import FailureLibrary
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.specs import FailureCatalogueSpec, Lazy
from aitk_core.testing.conformance import faults_of
from aitk_core.testing.evidence import changed
from aitk_core.testing.failures import FailureCatalogueLaws
from aitk_core.testing.plugins import declare, fake_distribution, lazy
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path

RUNS = recorded_runs()
OURS = tuple(entry_points(group="aitk.plugins", name="observability"))
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 238.00 MiB."
VAULT = "acme: no route to vault 7"
EVIL = "evil (a+)+$"


def signature(code: str = "ACME_VAULT_GONE", **more: Any) -> dict[str, Any]:
    usual = {
        "code": code,
        "category": "network",
        "severity": "critical",
        "confidence": 0.8,
        "patterns": [r"^acme: no route to vault [0-9]+"],
        "cause": "The vault that holds the latents does not answer.",
        "remedies": [{"path": "datasets[].vault", "change": "one that answers"}],
        "unknown": ["whether the vault or the network is at fault"],
        "sources": ["acme manual, section 3"],
        "examples": [VAULT],
        "counter_examples": ["acme: route to vault 7 found"],
    }
    return usual | more


def document(*signatures: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "signatures": list(signatures or [signature()])}


def acme(
    folder: Path, content: Any, *, owner: str = "acme", name: str = "acme"
) -> list[EntryPoint]:
    """A made-up distribution with a catalogue: a document, or a function that gives one."""
    if callable(content):
        spec = FailureCatalogueSpec(name=name, document=lazy(content))
    else:
        file = folder / f"{owner}.json"
        folder.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        spec = FailureCatalogueSpec(name=name, document=file)
    plugin = declare(aitk_failure_catalogues=[spec])
    return fake_distribution(folder / owner, f"{owner}-vaults", {owner: plugin})


def application(points: Any, *lines: str, status: str = "error", info: str = "") -> Application:
    run = RUNS["ok_200_steps"]
    log = run.log + "".join(f"{line}\n" for line in lines)
    backend = recorded_backend([changed(evolve(run, log=log), status=status, info=info)])
    source = SettingsSource(environment={})
    return Application(source=source, points=(*OURS, *points), backend=backend)


def observe(points: Any, *lines: str, **row: str) -> tuple[list[dict[str, Any]], list[Any]]:
    """The findings about errors, and the problems that are known afterwards."""
    served = application(points, *lines, **row)

    async def run() -> tuple[list[dict[str, Any]], list[Any]]:
        async with served:
            session = Session(policy=served.policy)
            arguments = {"job_id": RUNS["ok_200_steps"].job_id}
            answer = await served.dispatcher.call(
                "get-training-observability", arguments, session, clock=lambda: 1_700_000_000.0
            )
            assert answer.data is not None
            findings = [
                f for f in answer.data["run_report"]["findings"] if f["category"] == "errors"
            ]
            return findings, [p for p in served.problems if p.severity == "error"]

    return asyncio.run(run())


class TestAcmeFailures(FailureCatalogueLaws):
    spec = FailureCatalogueSpec(name="acme", document=lazy(document))


def test_a_failure_of_another_distribution_is_the_cause_of_a_failed_run(tmp_path: Path) -> None:
    (finding,), problems = observe(acme(tmp_path, document()), info=VAULT)
    assert (finding["code"], finding["severity"]) == ("ACME_VAULT_GONE", "critical")
    assert (finding["confidence"], finding["confidence_source"]) == (0.8, "catalogue")
    assert finding["unknown"] == ["whether the vault or the network is at fault"]
    assert finding["remedies"][0]["path"] == "config.process.0.datasets[].vault"
    assert problems == []


def test_in_a_run_that_went_on_it_warns_with_its_line(tmp_path: Path) -> None:
    (finding,), _ = observe(acme(tmp_path, document()), VAULT, status="completed")
    assert (finding["code"], finding["severity"]) == ("ACME_VAULT_GONE", "warning")
    log = RUNS["ok_200_steps"].log
    assert finding["evidence"][0]["lines"] == [log.count("\n") + 1]
    assert finding["evidence"][0]["quote"] == VAULT


def test_a_healthy_run_stays_healthy(tmp_path: Path) -> None:
    findings, _ = observe(acme(tmp_path, document()), status="completed")
    assert findings == []


def test_a_disabled_plugin_brings_no_catalogue(tmp_path: Path) -> None:
    registry = load_registry(acme(tmp_path, document()), disable=["acme"])
    assert registry.failure_catalogues == {}


def _raise() -> Any:
    raise RuntimeError("boom")


def _exit() -> Any:
    sys.exit(3)


def _nested() -> Any:
    found: Any = []
    for _ in range(100_000):
        found = [found]
    return found


BROKEN: dict[str, Any] = {
    "raises": _raise,
    "exits": _exit,
    "gives nothing": lambda: None,
    "is a list": list,
    "is no JSON value": lambda: {"version": object()},
    "holds NaN": lambda: document(signature(confidence=float("nan"))),
    "nests without end": _nested,
    "is no JSON text": "{",
    "nests in text": "[" * 100_000,
    "has another version": {"version": 2, "signatures": [signature()]},
    "has no signatures": {"version": 1, "signatures": []},
    "has an unknown key": {**document(), "signature": []},
    "is certain": document(signature(confidence=1)),
    "has no source": document(signature(sources=[])),
    "has no example": document(signature(examples=[])),
    "has a code that is a sentence": document(signature("the vault is gone")),
    "has too many": document(*[signature(f"ACME_{n}") for n in range(301)]),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_catalogue_is_named_with_its_distribution_and_the_rest_stands(
    tmp_path: Path, content: Any
) -> None:
    (finding,), problems = observe(acme(tmp_path, content), info=OOM)
    assert finding["code"] == "CUDA_OOM"
    (problem,) = problems
    assert (problem.plugin, problem.distribution) == ("acme", "acme-vaults")
    assert problem.stage == "aitk_failure_catalogues"
    assert len(problem.reason) < 1000


def test_a_document_that_is_too_large_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "MAX_BYTES", 200_000)
    _, (problem,) = observe(acme(tmp_path, '{"x": "' + "y" * 200_000 + '"}'), info=OOM)
    assert "more than 200000 bytes" in problem.reason


def test_an_evil_expression_costs_its_signature_only_and_hangs_nothing(tmp_path: Path) -> None:
    evil = signature("ACME_EVIL", patterns=[EVIL])
    lines = "evil " + "a" * 3900 + "!"
    found, (problem,) = observe(acme(tmp_path, document(evil, signature())), lines, info=VAULT)
    assert [finding["code"] for finding in found] == ["ACME_VAULT_GONE"]
    assert "'ACME_EVIL'" in problem.reason
    assert "several ways" in problem.reason


def test_a_catalogue_that_is_given_up_on_a_log_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aitk_core.evidence import failures as scanning

    monkeypatch.setattr(scanning, "_MAX_LOG_STEPS", 50_000)
    dear = signature("ACME_DEAR", patterns=["dear .*x"], examples=["dear x"])
    served = application(acme(tmp_path, document(dear)), *["dear " * 100] * 50, info=OOM)

    async def run() -> Any:
        async with served:
            session = Session(policy=served.policy)
            arguments = {"job_id": RUNS["ok_200_steps"].job_id}
            return await served.dispatcher.call("get-training-observability", arguments, session)

    data = asyncio.run(run()).data
    assert "failures of catalogue acme" in json.dumps(data)
    assert "CUDA_OOM" in [f["code"] for f in data["run_report"]["findings"]]


def test_a_code_that_is_taken_names_both_owners(tmp_path: Path) -> None:
    points = acme(tmp_path, document(signature("CUDA_OOM")), owner="zebra", name="zebra")
    (finding,), (problem,) = observe(points, info=OOM)
    assert finding["code"] == "CUDA_OOM"
    assert problem.distribution == "zebra-vaults"
    assert "'CUDA_OOM' is already taken by catalogue 'ai-toolkit' of observability" in (
        problem.reason
    )
    assert "(aitk-observability)" in problem.reason


def test_a_name_that_is_taken_names_both_owners(tmp_path: Path) -> None:
    points = [*acme(tmp_path, document()), *acme(tmp_path, document(), owner="zebra")]
    registry = load_registry(points)
    assert registry.failure_catalogues["acme"].plugin.distribution == "acme-vaults"
    (problem,) = registry.problems
    assert problem.distribution == "zebra-vaults"
    assert problem.reason == "'acme' is already taken by acme (acme-vaults)"


@pytest.mark.parametrize("wrong", ["failures.json", None, 5, {"version": 1}])
def test_a_declaration_without_a_document_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidSpecError):
        FailureCatalogueSpec(name="acme", document=wrong)


def test_catalogues_are_not_read_before_a_run_is_looked_at(tmp_path: Path) -> None:
    registry = load_registry(acme(tmp_path, "{"))
    assert list(registry.failure_catalogues) == ["acme"]
    assert registry.problems == ()


@pytest.fixture
def library() -> Callable[..., FailureLibrary]:
    def make(points: Any, timeout_s: float = 60.0) -> FailureLibrary:
        return FailureLibrary(load_registry(points), pool=WorkerPool(), timeout_s=timeout_s)

    return make


def test_catalogues_are_read_once_whoever_asks_and_goes_away(
    tmp_path: Path, library: Callable[..., FailureLibrary]
) -> None:
    reads: list[int] = []

    def count() -> Any:
        reads.append(1)
        return document()

    async def run() -> None:
        known = library(acme(tmp_path, count))
        first = asyncio.create_task(known.catalogue())
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(*(known.catalogue() for _ in range(5)))
        assert all(one is found[0] for one in found)

    asyncio.run(run())
    assert reads == [1]


def test_a_document_that_never_comes_is_not_waited_for(
    tmp_path: Path, library: Callable[..., FailureLibrary]
) -> None:
    import threading

    let_go = threading.Event()

    def hang() -> Any:
        let_go.wait()
        return document()

    points = [*acme(tmp_path, hang), *acme(tmp_path, document(), owner="zebra", name="zebra")]

    async def run() -> FailureLibrary:
        known = library(points, timeout_s=0.05)
        found = await known.catalogue()
        assert [one.catalogue for one in found.signatures] == ["zebra"]
        let_go.set()
        return known

    (problem,) = asyncio.run(run()).problems
    assert "took longer than 0.05 s to read" in problem.reason


def test_doctor_reads_the_catalogues_and_names_the_broken_one(tmp_path: Path) -> None:
    served = application(acme(tmp_path, document(signature(patterns=[EVIL]))))
    report = asyncio.run(examine(served))
    (problem,) = [p for p in report["problems"] if p["stage"] == "aitk_failure_catalogues"]
    assert problem["distribution"] == "acme-vaults"
    assert report["ok"] is False
    assert report["counts"]["failure_catalogues"] == 2


def test_health_names_a_broken_catalogue_once_it_was_read(tmp_path: Path) -> None:
    served = application(acme(tmp_path, "{"), info=OOM)

    async def run() -> tuple[dict[str, Any], dict[str, Any]]:
        app = build_app(served, HttpSettings(), with_mcp=False)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client,
        ):
            before = (await client.get("/health")).json()
            session = Session(policy=served.policy)
            arguments = {"job_id": RUNS["ok_200_steps"].job_id}
            await served.dispatcher.call("get-training-observability", arguments, session)
            return before, (await client.get("/health")).json()

    before, after = asyncio.run(run())
    assert "problems" not in before
    assert after["degraded"] is True
    assert after["problems"][0]["distribution"] == "acme-vaults"


def test_the_conformance_kit_reads_a_catalogue(tmp_path: Path) -> None:
    assert faults_of(load_registry(acme(tmp_path, document())), "acme") == []
    broken = acme(tmp_path / "b", document(signature(patterns=[EVIL])))
    assert "ACME_VAULT_GONE" in "".join(faults_of(load_registry(broken), "acme"))
    gone = declare(
        aitk_failure_catalogues=[FailureCatalogueSpec(name="gone", document=Lazy("no_mod:x"))]
    )
    points = fake_distribution(tmp_path / "g", "acme-gone", {"gone": gone})
    assert "no_mod" in "".join(faults_of(load_registry(points), "gone"))
