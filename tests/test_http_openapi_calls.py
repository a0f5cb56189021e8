"""Calls made up from the document, and answers held against it, by schemathesis.

Each read-only tool is called with arguments that fit its schema: once with names that exist
(recorded runs, a saved config, a planted dataset, a model), once with whatever fits. What does not
fit the schema comes last. Nothing is started.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
import schemathesis
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aitk_core.application import Application
from aitk_core.frontends.http.app import build_app
from aitk_core.registry import load_registry
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.testing.planted import plant
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from support.weight_files import lora_tensors, write_weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis import Case

Json = dict[str, Any]
READING: Final = sorted(n for n, o in load_registry().tools.items() if o.spec.read_only)
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
CONFIG: Final = "my_lora"
NAMING: Final = ("config_name", "job_ids", "dataset_path", "compare_with")
WAITING: Final = ("duration_seconds", "observe_seconds")
UNANSWERED: Final = {"inspect-watch"}
"""There is no watch, since nothing is started."""
READ_ONLY: Final = {"X-MCP-Readonly": "true"}
"""On every request, so that whatever is made up changes nothing."""


@frozen(kw_only=True)
class Bridge:
    """A bridge that is open, on an event loop that runs while it is asked.

    In a thread of its own the loop would import beside what makes the calls up, which Python 3.11
    may answer with a SystemError (cpython issue 106905).
    """

    loop: asyncio.Runner
    client: httpx.AsyncClient
    known: Json
    """Schemas of arguments that name something, by name, in place of the document's."""

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.loop.run(self.client.request(method, path, **more))

    def document(self, **headers: str) -> Json:
        found: Json = self.ask("GET", "/openapi.json", headers={**READ_ONLY, **headers}).json()
        return found

    def send(self, case: Case[Any]) -> httpx.Response:
        """Send what was made up, with headers of ours where it would undo them."""
        made = case.as_transport_kwargs(base_url="http://localhost")
        headers = {k: v for k, v in made["headers"].items() if not k.lower().startswith("x-mcp-")}
        content = json.dumps(made["json"]) if "json" in made else made.get("data")
        return self.ask(
            made["method"], made["url"], headers={**headers, **READ_ONLY}, content=content
        )


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    home = tmp_path_factory.mktemp("bridge")
    plant(home / "datasets" / "planted", seed=1, bases=8)
    (home / "exports").mkdir()
    write_weights(home / "exports" / "lora.safetensors", lora_tensors())
    environment = {
        "AITK_HOME": str(home),
        "AITK_DATASETS_DIR": str(home / "datasets"),
        "AITK_EXPORTS_DIR": str(home / "exports"),
        "AITK_PARALLEL": "threads",
    }
    source = SettingsSource(environment=environment)
    backend = recorded_backend(recorded_runs().values())
    app = build_app(Application(source=source, backend=backend), HttpSettings(), with_mcp=False)
    with asyncio.Runner() as loop:
        lifespan = app.router.lifespan_context(app)
        loop.run(lifespan.__aenter__())
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        opened = Bridge(loop=loop, client=client, known=_known(home))
        try:
            _save_config(opened, home)
            yield opened
        finally:
            loop.run(client.aclose())
            loop.run(lifespan.__aexit__(None, None, None))


def _known(home: Path) -> Json:
    jobs = [run.job_id for run in recorded_runs().values()]
    job, several = {"enum": jobs}, {"type": "array", "items": {"enum": jobs}, "maxItems": 5}
    dataset = {"enum": [str(home / "datasets" / "planted" / part) for part in ("train", "val")]}
    return {
        "job_id": job,
        "job_ids": {**several, "minItems": 2},
        "baseline_job_ids": several,
        "name": {"const": CONFIG},
        "config_name": {"const": CONFIG},
        "dataset_path": dataset,
        "compare_with": dataset,
        "model_path": {"const": "exports:lora.safetensors"},
        # One look: what is recorded does not go on.
        "duration_seconds": {"const": 0},
        "observe_seconds": {"const": 0},
    }


def _save_config(bridge: Bridge, home: Path) -> None:
    arguments = {
        "name": CONFIG,
        "model_name": "ostris/Flex.1-alpha",
        "dataset_path": str(home / "datasets" / "planted" / "train"),
    }
    body = {"name": "create-training-config", "arguments": arguments}
    saved = bridge.ask("POST", "/mcp/tool", json=body)
    assert saved.status_code == 200, saved.text


def with_known(made: Json, known: Json) -> Json:
    """Put what exists where arguments name something, and have something named."""
    for key, schema in made["components"]["schemas"].items():
        if key.startswith("arguments."):
            there = [name for name in known if name in schema["properties"]]
            schema["properties"] |= {name: known[name] for name in there}
            named = schema.get("required") or [n for n in there if n in NAMING][:1]
            schema["required"] = named + [name for name in there if name in WAITING]
        if key.startswith("call."):
            schema["required"] = ["name", "arguments"]
            schema["properties"]["arguments"] = {
                "$ref": f"#/components/schemas/arguments.{key.removeprefix('call.')}"
            }
    return made


def called(
    bridge: Bridge,
    made: Json,
    *,
    path: str = "/mcp/tool",
    method: str = "POST",
    examples: int,
    mode: GenerationMode = GenerationMode.POSITIVE,
) -> Counter[tuple[int, str]]:
    """Make calls up, hold each answer against the document, and count the outcomes."""
    schema = schemathesis.openapi.from_dict(made)
    told = made["paths"][path][method.lower()]["responses"]
    seen: Counter[tuple[int, str]] = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def run(case: Case[Any]) -> None:
        answer = bridge.send(case)
        case.validate_response(answer, checks=CHECKS)
        assert answer.headers["x-request-id"]
        code = "OK"
        if answer.status_code != 200:
            code = answer.json()["error"]["code"]
            # What a plugin's path refuses is told by the default, without a list.
            listed = told.get(str(answer.status_code), told.get("default"))
            assert code in listed.get("x-error-codes", [code])
        seen[answer.status_code, code] += 1

    run()
    return seen


@pytest.mark.parametrize("tool", READING)
def test_answers_about_what_exists_fit_the_document(bridge: Bridge, tool: str) -> None:
    made = with_known(bridge.document(**{"X-MCP-Tools": tool}), bridge.known)
    seen = called(bridge, made, examples=6)
    assert seen[200, "OK"] or tool in UNANSWERED, seen


@pytest.mark.parametrize("tool", READING)
def test_answers_to_whatever_fits_the_schema_fit_the_document(bridge: Bridge, tool: str) -> None:
    called(bridge, bridge.document(**{"X-MCP-Tools": tool}), examples=3)


def test_the_choice_of_all_tools_is_a_schema_that_calls_can_be_made_from(bridge: Bridge) -> None:
    assert called(bridge, bridge.document(), examples=30)[200, "OK"]


def test_what_does_not_fit_is_refused_as_the_document_says(bridge: Bridge) -> None:
    seen = called(bridge, bridge.document(), examples=60, mode=GenerationMode.NEGATIVE)
    assert {code for _, code in seen} >= {"INVALID_JSON", "INVALID_REQUEST", "INVALID_ARGUMENTS"}


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/tools", "/openapi.json"])
def test_the_other_routes_answer_as_the_document_says(
    bridge: Bridge, path: str, mode: GenerationMode
) -> None:
    made = bridge.document()
    seen = called(bridge, made, path=path, method="GET", examples=4, mode=mode)
    assert set(seen) == {(200, "OK")}


def test_a_path_of_a_plugin_answers_as_the_document_says(bridge: Bridge) -> None:
    made = bridge.document()
    operation = made["paths"]["/models/{model}"]["get"]
    seen = called(bridge, made, path="/models/{model}", method="GET", examples=10)
    assert not seen[200, "OK"]
    (part,) = [one for one in operation["parameters"] if one.get("name") == "model"]
    part["schema"] = bridge.known["model_path"]
    seen = called(bridge, made, path="/models/{model}", method="GET", examples=3)
    assert set(seen) == {(200, "OK")}


def test_an_answer_that_the_document_does_not_describe_is_found_out(bridge: Bridge) -> None:
    made = bridge.document(**{"X-MCP-Tools": "list-configs"})
    made["components"]["schemas"]["answer.list-configs"]["required"].append("what-is-not-there")
    with pytest.raises(FailureGroup) as caught:
        called(bridge, made, examples=2)
    assert "violates schema" in str(caught.value.exceptions[0])
