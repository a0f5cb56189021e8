"""The document: paths, and the calls and answers of the tools that a caller is offered."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core import __version__
from aitk_core.errors import UnknownContractError
from aitk_core.frontends.http.openapi import faults
from aitk_core.frontends.http.openapi.components import Components
from aitk_core.frontends.http.openapi.shapes import FREE_DATA, OWN, REQUEST_ID, TEXT, record, ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aitk_core.contracts import ContractStore
    from aitk_core.frontends.http.openapi.faults import Kind
    from aitk_core.specs import ToolSpec, WebRouteSpec

logger = logging.getLogger(__name__)

_ABOUT: Final = (
    "Health, tool list and tool calls of AI ToolKit MCP over plain HTTP. GET paths answer HEAD as "
    "well; another path or method is refused with `HTTP_404` or `HTTP_405` in the same envelope. "
    "MCP itself is served at `/mcp`. A null stands for a left-out optional argument."
)
_NARROWING: Final = {
    "ReadOnly": ("X-MCP-Readonly", "`true`: only tools that change nothing."),
    "Toolsets": ("X-MCP-Toolsets", "Only tools of these plugins, separated by commas."),
    "Tools": ("X-MCP-Tools", "Only these tools, on top of the toolsets."),
    "ExcludeTools": ("X-MCP-Exclude-Tools", "Never these tools."),
}
"""Headers by which a caller may narrow what is offered to it (aitk_core.policy)."""

_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PART: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
_PART_TYPES: Final = {"int": "integer", "float": "number"}


@frozen(kw_only=True)
class Guards:
    """What the settings put in front of the routes."""

    token: bool = False
    token_for_health: bool = False
    token_for_tools: bool = False
    limited: bool = False


def document(
    *,
    tools: Sequence[ToolSpec],
    routes: Iterable[WebRouteSpec],
    contracts: ContractStore,
    guards: Guards,
) -> dict[str, Any]:
    """Return the OpenAPI document.

    Args:
        tools: That are offered to the caller.
        routes: Of plugins.
        contracts: Of the tools' answers.
        guards: In front of the routes.
    """
    components = Components(contracts, OWN)
    paths = _Paths(guards)
    for spec in routes:
        paths.add_plugin(spec)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AI ToolKit MCP",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            "/health": {"get": paths.health()},
            "/ready": {"get": paths.ready()},
            "/metrics": {"get": paths.metrics()},
            "/tools": {"get": paths.tools()},
            "/openapi.json": {"get": paths.own()},
            "/mcp/tool": {"post": paths.call(*_calls(tools, components))},
            "/session": {
                "post": paths.session("beginSession", "Log a browser in", "token", "next")
            },
            "/session/end": {"post": paths.session("endSession", "Log a browser out", "next")},
            **paths.plugins,
        },
        "components": {
            "schemas": components.schemas,
            "headers": {
                "RequestId": {
                    "description": "The caller's, cut to 128 characters, or a new one.",
                    "schema": REQUEST_ID,
                }
            },
            "parameters": _parameters(),
            **({"securitySchemes": _SECURITY} if guards.token else {}),
        },
    }


def _parameters() -> dict[str, Any]:
    def header(name: str, told: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": name, "in": "header", "description": told, "schema": dict(schema)}

    told = "Comes back in the answer and its header, and stands in the server's log."
    asked = header("X-Request-ID", told, {"type": "string", "pattern": "^[ -~]*$"})
    return {"RequestId": asked} | {
        key: header(name, told, TEXT) for key, (name, told) in _NARROWING.items()
    }


def _calls(
    tools: Sequence[ToolSpec], components: Components
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schemas of a call and of its answer, one alternative for each tool."""
    calls, answers = {}, {}
    for spec in tools:
        arguments: dict[str, Any] = {"type": "object"}
        data: dict[str, Any] = {"type": "object"}
        try:
            with components.all_or_nothing():
                arguments = components.arguments(spec.name, spec.input_schema)
                data = _data(spec, components)
        except UnknownContractError as error:
            logger.warning("%s is described by its name only: %s", spec.name, error)
        except Exception:  # a plugin's schema may be wrong in any way
            logger.exception("%s is described by its name only", spec.name)
        calls[spec.name] = components.add(f"call.{spec.name}", _call(spec, arguments))
        answers[spec.name] = components.add(f"answer.{spec.name}", _answer(spec, data))
    return _one_of("name", calls), _one_of("tool", answers)


def _one_of(name: str, members: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    if not members:
        # An empty `oneOf` is no schema.
        return {"type": "object", "description": "No tool is offered here."}
    return {
        "oneOf": list(members.values()),
        "discriminator": {
            "propertyName": name,
            "mapping": {tool: member["$ref"] for tool, member in members.items()},
        },
    }


def _call(spec: ToolSpec, arguments: Mapping[str, Any]) -> dict[str, Any]:
    needed = bool(spec.input_schema.get("required"))
    properties = {
        "name": {"type": "string", "const": spec.name},
        "arguments": arguments if needed else {"anyOf": [arguments, {"type": "null"}]},
        "include_result": {
            "type": "boolean",
            "default": False,
            "description": "`result` repeats what `data` holds, as over MCP.",
        },
    }
    optional = ("include_result",) if needed else ("arguments", "include_result")
    schema = record(properties, *optional, told=spec.description)
    return {"title": spec.title or spec.name, **schema}


def _data(spec: ToolSpec, components: Components) -> dict[str, Any]:
    if spec.contract is None:
        return FREE_DATA
    if spec.text != "prose":
        return components.contract(spec.contract)
    # The bridge puts the text beside the object.
    message = {"type": "string", "description": "The answer in words."}
    widened = components.widened(spec.contract, {"message": message})
    return components.add(f"data.{spec.name}", widened)


def _answer(spec: ToolSpec, data: Mapping[str, Any]) -> dict[str, Any]:
    return record(
        {
            "ok": {"const": True},
            "request_id": REQUEST_ID,
            "tool": {"type": "string", "const": spec.name},
            "data": data,
            "result": {"type": "array", "items": ref("Content")},
        }
    )


class _Paths:
    """The operations."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self.plugins: dict[str, dict[str, Any]] = {}

    def _operation(
        self,
        name: str,
        summary: str,
        answers: Mapping[str, Any],
        *,
        kinds: Iterable[Kind] = (),
        token: bool = False,
        limited: bool = False,
        narrowed: bool = False,
    ) -> dict[str, Any]:
        token = token and self._guards.token
        found: list[Kind] = [*faults.ALWAYS, *kinds]
        found += faults.GUARDED if token else ()
        # Wrong tokens have a limit of their own.
        found += faults.LIMITED if self._guards.limited and (limited or token) else ()
        keys = ["RequestId", *(_NARROWING if narrowed else ())]
        operation = {
            "operationId": name,
            "summary": summary,
            "parameters": [{"$ref": f"#/components/parameters/{key}"} for key in keys],
            "responses": {**faults.responses(found), **answers},
        }
        if token:
            operation["security"] = [{scheme: []} for scheme in _SECURITY]
        return operation

    def health(self) -> dict[str, Any]:
        answers = {
            "200": _json("The process serves.", ref("Health")),
            "503": _json(
                "Service Unavailable: `SERVICE_STUCK`; a plugin's service is silent.",
                ref("Unhealthy"),
            ),
        }
        answers["503"]["x-error-codes"] = ["SERVICE_STUCK"]
        token = self._guards.token_for_health
        return self._operation("health", "Is the server alive?", answers, token=token)

    def ready(self) -> dict[str, Any]:
        answers = {
            "200": _json("The training backend answers.", ref("Ready")),
            **faults.responses(faults.BACKEND, status=503),
        }
        token = self._guards.token_for_health
        return self._operation("ready", "Can the backend be used?", answers, token=token)

    def metrics(self) -> dict[str, Any]:
        told = {
            "description": "The text format of Prometheus.",
            "headers": faults.REQUEST_ID,
            "content": {"text/plain": {"schema": TEXT}},
        }
        token = self._guards.token_for_health
        return self._operation("metrics", "Counts for Prometheus", {"200": told}, token=token)

    def session(self, name: str, summary: str, *fields: str) -> dict[str, Any]:
        told = {
            "description": "Goes on with `next`; a cookie opens the pages of plugins, no calls.",
            "headers": {**faults.REQUEST_ID, "Location": {"schema": TEXT}},
        }
        answers = {"303": told, "default": faults.any_failure()}
        operation = self._operation(name, summary, answers)
        form = {"schema": record(dict.fromkeys(fields, TEXT), *fields, told="Fields of a form.")}
        operation["requestBody"] = {"content": {"application/x-www-form-urlencoded": form}}
        return operation

    def tools(self) -> dict[str, Any]:
        return self._operation(
            "listTools",
            "Which tools are offered?",
            {"200": _json("The tools as MCP lists them.", ref("ToolList"))},
            token=self._guards.token_for_tools,
            narrowed=True,
        )

    def own(self) -> dict[str, Any]:
        return self._operation(
            "openapi",
            "This document",
            {"200": _json("OpenAPI 3.1.", {"type": "object", "required": ["openapi", "paths"]})},
            token=self._guards.token_for_tools,
            narrowed=True,
        )

    def call(self, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
        operation = self._operation(
            "callTool",
            "Run a tool",
            {"200": _json("What the tool answered.", answer)},
            kinds=[*faults.BODY, *faults.TOOL],
            token=True,
            limited=True,
            narrowed=True,
        )
        body = {"required": True, "content": {"application/json": {"schema": asked}}}
        return {**operation, "requestBody": body}

    def add_plugin(self, spec: WebRouteSpec) -> None:
        """Add a plugin's path; what its handler refuses is not known beforehand."""
        path = _PART.sub(r"{\1}", spec.path)
        told = spec.responses or {200: "What the handler answers."}
        answers = {
            str(status): {"description": text, "headers": faults.REQUEST_ID}
            for status, text in told.items()
        }
        operation = self._operation(
            f"{spec.method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', path)}".rstrip("_"),
            spec.summary or f"{spec.method} {path}",
            {},
            token=spec.needs_token,
            limited=spec.needs_token,
            narrowed=True,
        )
        # Its handler may refuse with any code, so no list of them would be right.
        operation["responses"] = {**answers, "default": faults.any_failure()}
        operation["parameters"] += [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": _PART_TYPES.get(kind, "string")},
                **({"description": "May hold slashes."} if kind == "path" else {}),
            }
            for name, kind in _PART.findall(spec.path)
        ]
        self.plugins.setdefault(path, {}).setdefault(spec.method.lower(), operation)


def _json(told: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": told,
        "headers": faults.REQUEST_ID,
        "content": {"application/json": {"schema": schema}},
    }
