"""The house: no import circles, a core that names no plugin, plugins that know only the core."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = ROOT / "aitk_core" / "src"
PLUGINS = {folder.name: folder / "src" for folder in sorted((ROOT / "plugins").iterdir())}


def modules(source: Path) -> dict[str, Path]:
    """Python files below a source folder, by module name."""
    found = {}
    for file in source.rglob("*.py"):
        parts = file.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(file: Path, known: set[str]) -> set[str]:
    """Modules a file imports anywhere, also for type checking only, reduced to known ones."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            named |= {f"{node.module}.{alias.name}" for alias in node.names}
            if not any(f"{node.module}.{alias.name}" in known for alias in node.names):
                named.add(node.module)
    return named & known


def circle(graph: dict[str, set[str]]) -> list[str]:
    """One circle of imports, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def graph_of(source: Path) -> dict[str, set[str]]:
    known = modules(source)
    return {name: imports(file, set(known)) - {name} for name, file in known.items()}


def test_core_has_no_import_circles() -> None:
    assert circle(graph_of(CORE)) == []


def test_plugins_have_no_import_circles() -> None:
    assert [circle(graph_of(source)) for source in PLUGINS.values()] == [[]] * len(PLUGINS)


def test_core_names_no_plugin() -> None:
    for name, file in modules(CORE).items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not any(
            isinstance(word, str) and f"aitk_{plugin}" in word
            for word in words
            for plugin in PLUGINS
        ), name


def test_plugins_import_no_other_plugin() -> None:
    for name, source in PLUGINS.items():
        others = {f"aitk_{other}" for other in PLUGINS if other != name}
        for file in source.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    roots = {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    roots = {(node.module or "").split(".")[0]}
                else:
                    continue
                assert not roots & others, f"{file.name} imports {roots & others}"


def test_rooms_below_the_frontends_know_no_protocol() -> None:
    """MCP and HTTP servers are the frontends' business; httpx is the backend client's."""
    allowed = {"frontends", "cli", "testing", "backend"}
    for name, file in modules(CORE).items():
        room = name.split(".")[1] if "." in name else ""
        if room in allowed:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            roots = [module] if module else []
            if isinstance(node, ast.Import):
                roots = [alias.name for alias in node.names]
            for root in roots:
                assert root.split(".")[0] not in {"mcp", "mcp_types", "starlette", "uvicorn"}, name


def layers() -> list[str]:
    """The core's rooms in the order of CONTRIBUTING.md: each imports from those above only."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.search(r"this list of layers: ([\w\s,]+)\.", text)
    assert named
    return named[1].replace(",", " ").split()


def test_rooms_of_the_core_import_from_layers_above_only() -> None:
    order = layers()
    upward = {
        (name, imported)
        for name, targets in graph_of(CORE).items()
        for imported in targets
        if (room := name.partition(".")[2].partition(".")[0]) in order
        and (other := imported.partition(".")[2].partition(".")[0]) in order
        and order.index(other) > order.index(room)
    }
    # What a finding says of its false alarms is a record of statistics.
    assert upward == {("aitk_core.records.findings", "aitk_core.statistics.description")}


def test_pictures_stand_beside_statistics() -> None:
    allowed = {"errors", "records", "statistics", "pictures"}
    for name, targets in graph_of(CORE).items():
        if name.startswith("aitk_core.pictures"):
            assert {target.split(".")[1] for target in targets if "." in target} <= allowed, name
