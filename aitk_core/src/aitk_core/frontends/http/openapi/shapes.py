"""The bridge's own schemas: envelopes, health, the tool list."""

from __future__ import annotations

from typing import Any, Final

REQUEST_ID: Final = {"type": "string", "minLength": 1, "maxLength": 128}
TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer", "minimum": 0}


FREE_DATA: Final = {
    "type": "object",
    "description": "Of a tool without a contract: its own, `message`, `item` or `items`.",
}


def record(properties: dict[str, Any], *optional: str, told: str = "") -> dict[str, Any]:
    """Return the schema of an object; what it has beyond these may grow.

    Args:
        properties: Those that are named.
        *optional: Which of them may be left out.
        told: What it is.
    """
    required = [name for name in properties if name not in optional]
    schema = {"type": "object", "properties": properties, "required": required}
    return schema | ({"description": told} if told else {})


def ref(key: str) -> dict[str, str]:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{key}"}


def _state(*, ok: bool, status: str) -> dict[str, Any]:
    properties = {
        "ok": {"const": ok},
        "request_id": REQUEST_ID,
        "status": {"const": status},
        "service": TEXT,
        "version": TEXT,
        "auth_enabled": {"type": "boolean"},
        "degraded": {"type": "boolean", "description": "A plugin is left out or in part."},
        "problems": {"type": "array", "items": ref("PluginProblem")},
        "services": {"type": "object", "additionalProperties": ref("ServiceState")},
    }
    optional = ["degraded", "problems", "services"]
    if not ok:
        properties["error"] = ref("Fault")
        optional.remove("services")
    return record(properties, *optional)


OWN: Final[dict[str, Any]] = {
    "Fault": record(
        {
            "code": {"type": "string", "description": "Stable; branch on it."},
            "message": {"type": "string", "description": "For people; may be reworded."},
            "remedy": {"type": "string", "description": "What the caller can do."},
            "details": {"type": "object", "description": "Facts about this occurrence."},
        },
        "remedy",
        "details",
    ),
    "Failure": record({"ok": {"const": False}, "request_id": REQUEST_ID, "error": ref("Fault")}),
    "PluginProblem": record(
        {
            "plugin": TEXT,
            "distribution": TEXT,
            "stage": TEXT,
            "severity": {"type": "string", "enum": ["error", "warning"]},
            "reason": {"type": "string", "description": "For those who hold the token."},
        },
        "reason",
    ),
    "ServiceState": record(
        {"ok": {"type": "boolean"}, "last_beat_s": {"type": "number"}, "failures": _COUNT}
    ),
    "Health": _state(ok=True, status="healthy"),
    "Unhealthy": _state(ok=False, status="unhealthy"),
    "Ready": record(
        {"ok": {"const": True}, "request_id": REQUEST_ID, "status": {"const": "ready"}}
    ),
    "Tool": record(
        {
            "name": TEXT,
            "title": TEXT,
            "description": TEXT,
            "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object", "description": "An outline of the contract."},
            "annotations": {"type": "object"},
            "meta": {"type": "object"},
        },
        "title",
        "outputSchema",
        "meta",
        told="A tool as MCP lists it.",
    ),
    "ToolList": record(
        {
            "ok": {"const": True},
            "request_id": REQUEST_ID,
            "count": _COUNT,
            "tools": {"type": "array", "items": ref("Tool")},
        }
    ),
    "Content": record(
        {
            "type": {
                "type": "string",
                "enum": ["text", "image", "audio", "resource", "resource_link"],
            }
        },
        told="A content item as MCP has it, null fields included.",
    ),
}
"""Components of every document; their names begin in upper case, which no contract's does."""
