"""`GET /openapi.json`: the bridge as it is, in a document that stands alone."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest
import schemathesis
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aitk_core.application import Application
from aitk_core.frontends.http import auth, limits, requests
from aitk_core.frontends.http import errors as http_errors
from aitk_core.frontends.http.app import build_app
from aitk_core.frontends.http.openapi import document as made_by
from aitk_core.records.results import ToolResult
from aitk_core.settings import HttpSettings, SettingsSource
from aitk_core.specs import WebRouteSpec
from aitk_core.testing.plugins import fake_application, fake_tool, lazy
from aitk_core.testing.recorded import recorded_backend, recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

    from aitk_core.protocols import ToolContext

Json = dict[str, Any]
TOKEN = {"X-API-Key": "s3cret"}


def answers(
    application: Application,
    *asked: tuple[str, str] | tuple[str, str, Json],
    settings: HttpSettings | None = None,
) -> list[httpx.Response]:
    """Ask one after another; a request is method, path and what httpx takes."""

    async def run() -> list[httpx.Response]:
        app = build_app(application, settings or HttpSettings())
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return [
                await client.request(one[0], one[1], **(one[2] if len(one) > 2 else {}))
                for one in asked
            ]

    return asyncio.run(run())


def document(
    application: Application,
    settings: HttpSettings | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> Json:
    asked = ("GET", "/openapi.json", {"headers": {**TOKEN, **(headers or {})}})
    (found,) = answers(application, asked, settings=settings)
    assert found.status_code == 200, found.text
    made: Json = found.json()
    return made


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif key == "mapping":
                yield from value.values()
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolved(made: Json, reference: str) -> Any:
    assert reference.startswith("#/")
    node: Any = made
    for part in reference[2:].split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def tools_of(made: Json) -> set[str]:
    content = made["paths"]["/mcp/tool"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    return set(schema.get("discriminator", {}).get("mapping", {}))


def fits(made: Json, key: str, value: Any) -> bool:
    schema = {"$ref": f"#/components/schemas/{key}", "components": made["components"]}
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Give the document of everything that is installed."""
    return document(everything(tmp_path_factory.mktemp("home")))


def everything(home: Path, **environment: str) -> Application:
    source = SettingsSource(environment={"AITK_HOME": str(home), **environment})
    return Application(source=source, backend=recorded_backend(recorded_runs().values()))


def test_it_is_an_openapi_document_of_schemas(installed: Json) -> None:
    schemathesis.openapi.from_dict(installed).validate()
    for schema in installed["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_resolves_inside_it(installed: Json) -> None:
    found = set(references(installed))
    assert len(found) > 100
    for reference in found:
        resolved(installed, reference)
    used = {reference.split("/")[3] for reference in found if "/schemas/" in reference}
    assert used == set(installed["components"]["schemas"])


def test_it_has_every_tool_with_its_arguments_and_its_contract(
    installed: Json, registry: Any
) -> None:
    assert tools_of(installed) == set(registry.tools)
    schemas = installed["components"]["schemas"]
    for name, owned in registry.tools.items():
        assert schemas[f"arguments.{name}"] == owned.spec.input_schema
        data = schemas[f"answer.{name}"]["properties"]["data"]
        contract = registry.contracts[owned.spec.contract]
        shown = resolved(installed, data["$ref"])
        for keyword in ("properties", "oneOf"):
            found = set(map(str, shown.get(keyword, ()))) - {"message"}
            assert len(found) == len(contract.get(keyword, ())), name


def test_what_contracts_share_is_there_once_and_the_whole_is_small(
    installed: Json, registry: Any
) -> None:
    shared = [key for key in installed["components"]["schemas"] if key.startswith("common.v1.")]
    assert len(shared) == len(set(shared)) > 5
    bundled = [registry.contracts.bundled(o.spec.contract) for o in registry.tools.values()]
    assert len(json.dumps(installed)) < 400_000
    assert len(json.dumps(installed["components"]["schemas"])) < len(json.dumps(bundled)) * 1.5


def test_its_paths_are_the_routes_that_are_served(tmp_path: Path) -> None:
    application = everything(tmp_path)
    served = {
        (route.path_format, method.lower())
        for route in build_app(application, HttpSettings()).routes
        if isinstance(route, Route) and route.path != "/mcp"
        for method in route.methods or ()
        if method != "HEAD"
    }
    paths = document(application)["paths"]
    assert {(path, method) for path, methods in paths.items() for method in methods} == served


def test_only_what_this_caller_is_offered_is_in_it(tmp_path: Path, registry: Any) -> None:
    reading = {name for name, owned in registry.tools.items() if owned.spec.read_only}
    assert tools_of(document(everything(tmp_path, AITK_READ_ONLY="1"))) == reading
    narrowed = document(everything(tmp_path), headers={"X-MCP-Readonly": "true"})
    assert tools_of(narrowed) == reading
    assert "arguments.start-training" not in narrowed["components"]["schemas"]
    assert "start-training.v1" not in narrowed["components"]["schemas"]
    one = document(everything(tmp_path), headers={"X-MCP-Tools": "get-config"})
    assert tools_of(one) == {"get-config"}


def test_it_is_made_once_for_each_offer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made: list[int] = []

    def counted(*, tools: Any, **more: Any) -> Json:
        made.append(len(tools))
        return {"tools": len(tools), **dict.fromkeys(more)}

    monkeypatch.setattr(made_by, "document", counted)
    whole = ("GET", "/openapi.json")
    part = ("GET", "/openapi.json", {"headers": {"X-MCP-Tools": "get-config"}})
    found = answers(everything(tmp_path), whole, part, whole, part)
    assert [answer.json()["tools"] for answer in found] == made * 2
    # However many offers are asked for, few are kept.
    names = [owned.spec.name for owned in everything(tmp_path).registry.tools.values()][:12]
    asked = [("GET", "/openapi.json", {"headers": {"X-MCP-Tools": name}}) for name in names]
    made.clear()
    answers(everything(tmp_path), *asked, *asked)
    assert made == [1] * 24


async def echo(arguments: Any, _context: ToolContext) -> ToolResult:
    return ToolResult(data={"got": arguments}, summary="echoed")


async def page(_request: Request, _context: ToolContext) -> PlainTextResponse:
    return PlainTextResponse("page")


def small(*more: Any, **hooks: Any) -> Application:
    return fake_application(fake_tool(echo, "echo"), *more, **hooks)


@pytest.mark.parametrize(("asked", "status"), [(False, 200), (True, 401)])
def test_it_is_as_open_as_the_tool_list(asked: bool, status: int) -> None:
    settings = HttpSettings(auth_token="s3cret", auth_for_tools=asked)
    found = answers(
        small(),
        ("GET", "/tools"),
        ("GET", "/openapi.json"),
        ("GET", "/openapi.json", {"headers": TOKEN}),
        ("HEAD", "/openapi.json", {"headers": TOKEN}),
        settings=settings,
    )
    assert [answer.status_code for answer in found] == [status, status, 200, 200]


@pytest.mark.parametrize("health", [False, True])
@pytest.mark.parametrize("tools", [False, True])
def test_guards_are_said_where_they_are_set(health: bool, tools: bool) -> None:
    settings = HttpSettings(
        auth_token="s3cret", auth_for_health=health, auth_for_tools=tools, rate_limit_enabled=True
    )
    made = document(small(), settings)
    assert set(made["components"]["securitySchemes"]) == {"bearer", "apiKey"}
    guarded = {path for path, item in made["paths"].items() if "security" in str(item)}
    expected = {"/mcp/tool"}
    expected |= {"/health", "/ready", "/metrics"} if health else set()
    expected |= {"/tools", "/openapi.json"} if tools else set()
    assert guarded == expected
    for path, item in made["paths"].items():
        (operation,) = item.values()
        assert ("401" in operation["responses"]) is (path in expected)
        assert ("429" in operation["responses"]) is (path in expected)


def test_without_a_token_nothing_is_said_of_one() -> None:
    made = document(small())
    assert "securitySchemes" not in made["components"]
    assert not {"401", "429"} & set(made["paths"]["/mcp/tool"]["post"]["responses"])


def test_every_refusal_of_the_bridge_is_among_those_of_a_call() -> None:
    settings = HttpSettings(auth_token="s3cret", rate_limit_enabled=True)
    told = document(small(), settings)["paths"]["/mcp/tool"]["post"]["responses"]
    kinds = [
        kind
        for module in (http_errors, auth, limits, requests)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, http_errors.HttpError)
    ]
    for kind in set(kinds) - {http_errors.HttpError, http_errors.McpAuthError}:
        assert kind.code in told[str(kind.status)]["x-error-codes"]
    assert "Retry-After" in told["429"]["headers"]
    assert "WWW-Authenticate" in told["401"]["headers"]


def test_a_plugin_s_path_is_there_with_what_it_says_of_itself() -> None:
    routes = [
        WebRouteSpec(
            path="/acme/{number:int}/{rest:path}",
            handler=lazy(page),
            summary="Shows acme",
            responses={200: "The page.", 304: "As before."},
        ),
        WebRouteSpec(path="/acme", handler=lazy(page), needs_token=False),
        WebRouteSpec(path="/acme", handler=lazy(page), method="POST"),
    ]
    made = document(small(aitk_web_routes=routes), HttpSettings(auth_token="s3cret"))
    schemathesis.openapi.from_dict(made).validate()
    shown = made["paths"]["/acme/{number}/{rest}"]["get"]
    assert shown["summary"] == "Shows acme"
    assert shown["responses"]["304"]["description"] == "As before."
    parts = {one["name"]: one["schema"] for one in shown["parameters"] if "name" in one}
    assert parts == {"number": {"type": "integer"}, "rest": {"type": "string"}}
    both = made["paths"]["/acme"]
    assert ("security" in both["get"], "security" in both["post"]) == (False, True)
    operations = [o["operationId"] for item in made["paths"].values() for o in item.values()]
    assert len(operations) == len(set(operations))


ROOT = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}
ODD = {
    **ROOT,
    "$id": "https://acme.test/odd.v1.schema.json",
    "properties": {
        "self": {"$ref": "#"},
        "leaf": {"$ref": "#/$defs/leaf.part"},
        "part": {"$ref": "#/$defs/leaf.part/properties/$ref"},
        "$ref": {"type": "string"},
        "fixed": {"const": {"$ref": "#/$defs/leaf.part"}},
    },
    "$defs": {
        "leaf.part": {
            "type": "object",
            "properties": {"$ref": {"type": "integer"}, "more": {"$ref": "#/$defs/leaf.part"}},
        }
    },
    "additionalProperties": False,
}


def with_contract(folder: Path, schema: Json, **more: Any) -> Application:
    (folder / "odd.v1.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    tool = fake_tool(echo, "odd", contract="odd.v1", **more)
    return small(tool, aitk_schemas=[folder])


@pytest.mark.parametrize("text", ["json", "prose"])
def test_references_of_every_kind_survive_the_move(tmp_path: Path, text: str) -> None:
    made = document(with_contract(tmp_path, ODD, text=text))
    schemathesis.openapi.from_dict(made).validate()
    for reference in references(made["components"]["schemas"]["answer.odd"]):
        resolved(made, reference)
    key = "odd.v1" if text == "json" else "data.odd"
    good = {"self": {"$ref": "x"}, "leaf": {"$ref": 1, "more": {"$ref": 2}}, "part": 3}
    assert fits(made, key, good)
    assert fits(made, key, {"fixed": {"$ref": "#/$defs/leaf.part"}})
    for bad in ({"self": {"$ref": 1}}, {"leaf": {"more": {"$ref": "x"}}}, {"part": "x"}, {"b": 1}):
        assert not fits(made, key, bad), bad
    assert fits(made, key, {"message": "in words"}) is (text == "prose")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/nowhere"}}},
        {"type": "object", "properties": {"x": {"$ref": "#/properties/y/items"}}},
        {"type": "object", "properties": {"x": {"$ref": "#name"}}},
        {"type": "object", "properties": {"x": {"$ref": "https://example.org/elsewhere.json"}}},
        {"type": "object", "properties": {"x": {"$anchor": "name"}}},
        {"type": "object", "properties": {"x": {"$id": "https://example.org/x"}}},
        {"type": "object", "$defs": [], "properties": {"x": {"$ref": "#/$defs/y"}}},
    ],
)
def test_a_schema_that_cannot_be_moved_costs_its_own_tool_only(schema: Json) -> None:
    made = document(small(fake_tool(echo, "lost", schema=schema)))
    schemathesis.openapi.from_dict(made).validate()
    assert tools_of(made) == {"echo", "lost"}
    for reference in references(made):
        resolved(made, reference)
    assert fits(made, "call.lost", {"name": "lost", "arguments": {"x": 1}})
    assert "arguments.echo" in made["components"]["schemas"]
    assert "arguments.lost" not in made["components"]["schemas"]


def test_names_that_meet_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "call.v1.schema.json").write_text(json.dumps({**ROOT, "title": "contract"}))
    tool = fake_tool(echo, "v1", contract="call.v1", text="json")
    made = document(small(tool, aitk_schemas=[tmp_path]))
    schemas = made["components"]["schemas"]
    data = schemas["answer.v1"]["properties"]["data"]
    assert resolved(made, data["$ref"])["title"] == "contract"
    mapping = made["paths"]["/mcp/tool"]["post"]["requestBody"]["content"]["application/json"]
    assert resolved(made, mapping["schema"]["discriminator"]["mapping"]["v1"])["title"] == "v1"


def test_where_no_tool_is_offered_there_is_a_document_still() -> None:
    made = document(small(), headers={"X-MCP-Exclude-Tools": "echo"})
    schemathesis.openapi.from_dict(made).validate()
    assert tools_of(made) == set()
