"""`aitk tools --markdown`: the reference of every tool, made from its schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.contracts import ContractStore
    from aitk_core.registry import Owned
    from aitk_core.specs import ToolSpec


def markdown(tools: Iterable[Owned[ToolSpec]], contracts: ContractStore) -> str:
    """Return one section for each tool: what it does, its arguments, its answer."""
    lines = [
        "# Tools",
        "",
        "Made by `aitk tools --markdown` from the schemas; a test compares.",
        "",
    ]
    for owned in tools:
        lines += _section(owned.spec, contracts)
    return "\n".join(lines).rstrip() + "\n"


def _section(spec: ToolSpec, contracts: ContractStore) -> list[str]:
    traits = [
        "changes nothing" if spec.read_only else "changes something",
        *(["can overwrite, stop or delete"] if spec.destructive else []),
        *(["safe to repeat"] if spec.idempotent else []),
    ]
    lines = [f"## `{spec.name}`", "", spec.description, "", f"*{', '.join(traits)}*", ""]
    properties = spec.input_schema.get("properties", {})
    if properties:
        required = spec.input_schema.get("required", ())
        lines += ["| argument | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            _argument(name, p, is_required=name in required) for name, p in properties.items()
        ]
    else:
        lines.append("No arguments.")
    lines.append("")
    if spec.contract:
        schema = contracts.bundled(spec.contract)
        lines += [f"Answer: `{spec.contract}`. {schema.get('description', '')}", ""]
        lines += ["| field | type | meaning |", "|---|---|---|"]
        for name, field in schema.get("properties", {}).items():
            lines += _fields(name, field)
        lines.append("")
    return lines


def _argument(name: str, schema: Mapping[str, Any], *, is_required: bool) -> str:
    default = "required" if is_required else _code(schema.get("default"))
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"), ("maxItems", "at most"))
        if key in schema
    ]
    meaning = " ".join([schema.get("description", ""), "; ".join(bounds)]).strip()
    return f"| `{name}` | {_type(schema)} | {default} | {_cell(meaning)} |"


def _fields(name: str, schema: Mapping[str, Any]) -> list[str]:
    rows = [f"| `{name}` | {_type(schema)} | {_cell(schema.get('description', ''))} |"]
    for inner, field in schema.get("properties", {}).items():
        rows.append(
            f"| `{name}.{inner}` | {_type(field)} | {_cell(field.get('description', ''))} |"
        )
    return rows


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return _code(schema["const"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "oneOf" in schema:
        return " or ".join(_type(option) for option in schema["oneOf"])
    kind = schema.get("type", "any")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if "items" in schema and "array" in text:
        text += f" of {_type(schema['items'])}"
    return text


def _code(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
