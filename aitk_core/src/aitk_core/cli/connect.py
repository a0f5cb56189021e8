"""`aitk connect`: register this installation in an MCP client, keeping what is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import ConflictError, InvalidArgumentsError
from aitk_core.services.paths import write_atomically

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_COMMAND: Final = "ai-toolkit-mcp"
_KEYS: Final[Mapping[str, str]] = {"vscode": "servers"}
"""Where a client keeps its servers, when not under `mcpServers`."""


def connect(options: argparse.Namespace) -> str:
    """Return the text to print: the registration, or what was written.

    Raises:
        ConflictError: The client has a server of that name that is not this one, or its file
            cannot be read; nothing was changed.
        InvalidArgumentsError: The name cannot be a key.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", options.name):
        raise InvalidArgumentsError(
            f"name {options.name!r} may hold letters of ASCII, digits, - and _",
            remedy="choose another --name",
        )
    command, *arguments = this_command()
    entry: dict[str, Any] = {"command": command, "args": arguments}
    if options.backend_url:
        entry["env"] = {"AI_TOOLKIT_SERVER_URL": options.backend_url}
    if options.client == "vscode":
        entry = {"type": "stdio", **entry}
    path = Path(options.file).expanduser() if options.file else default_file(options.client)
    codex = options.client == "codex"
    snippet = _toml(options.name, entry) if codex else _json(options.client, options.name, entry)
    if not options.write:
        return _shown(options, entry, path, snippet)
    changed = (
        _write_toml(path, options.name, entry)
        if codex
        else _write_json(path, _KEYS.get(options.client, "mcpServers"), options.name, entry)
    )
    if not changed:
        return f"{path} has this server already; nothing was changed.\n"
    return f"Wrote {options.name} to {path}. Restart the client to see the tools.\n"


def this_command() -> list[str]:
    """Return the absolute command that starts this installation's stdio server."""
    # Beside the interpreter first: what is found there is this environment's.
    beside = Path(sys.executable).parent / _COMMAND
    if os.access(beside, os.X_OK):
        return [str(beside)]
    found = shutil.which(_COMMAND, path=str(beside.parent))
    return [found] if found else [sys.executable, "-m", "aitk_core", "mcp"]


def default_file(client: str) -> Path:
    """Return where a client keeps its servers on this system."""
    home = Path.home()
    if client == "claude-desktop":
        if sys.platform == "darwin":
            base = home / "Library" / "Application Support"
        elif sys.platform == "win32":
            base = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
        else:
            base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return base / "Claude" / "claude_desktop_config.json"
    places = {
        "claude-code": Path(".mcp.json"),
        "cursor": home / ".cursor" / "mcp.json",
        "vscode": Path(".vscode") / "mcp.json",
        "codex": home / ".codex" / "config.toml",
        "gemini": home / ".gemini" / "settings.json",
    }
    return places[client]


def _shown(options: argparse.Namespace, entry: Mapping[str, Any], path: Path, snippet: str) -> str:
    lines = [f"Add this to {path}:", "", snippet.rstrip(), ""]
    if options.client == "claude-code":
        env = [f"-e {key}={shlex.quote(v)}" for key, v in entry.get("env", {}).items()]
        words = shlex.join([entry["command"], *entry["args"]])
        lines += ["or run:", "", " ".join(["claude mcp add", options.name, *env, "--", words]), ""]
    lines += [f"`aitk connect {options.client} --write` does it, keeping what is there.", ""]
    return "\n".join(lines)


def _json(client: str, name: str, entry: Mapping[str, Any]) -> str:
    return json.dumps({_KEYS.get(client, "mcpServers"): {name: entry}}, indent=2)


def _toml(name: str, entry: Mapping[str, Any]) -> str:
    lines = [
        f"[mcp_servers.{name}]",
        f"command = {_toml_value(entry['command'])}",
        f"args = {_toml_value(entry['args'])}",
    ]
    if "env" in entry:
        lines += ["", f"[mcp_servers.{name}.env]"]
        lines += [f"{key} = {_toml_value(value)}" for key, value in entry["env"].items()]
    return "\n".join(lines) + "\n"


def _toml_value(value: str | list[str]) -> str:
    # JSON's strings and arrays of strings are TOML's, but for escapes of surrogate pairs.
    return json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConflictError(f"{path} cannot be read; nothing was changed") from error


def _write_json(path: Path, key: str, name: str, entry: Mapping[str, Any]) -> bool:
    text = _read(path)
    try:
        document = json.loads(text) if text.strip() else {}
        servers = document.setdefault(key, {})
        present = servers.get(name)
    except (ValueError, AttributeError) as error:
        raise ConflictError(
            f"{path} is not plain JSON; nothing was changed",
            remedy="it may hold comments: run without --write and paste the entry yourself",
        ) from error
    if present == entry:
        return False
    _refuse_other(path, name, present)
    servers[name] = entry
    _replace(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n", existed=bool(text))
    return True


def _write_toml(path: Path, name: str, entry: Mapping[str, Any]) -> bool:
    text = _read(path)
    try:
        present = tomllib.loads(text).get("mcp_servers", {}).get(name)
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ConflictError(f"{path} is not TOML; nothing was changed") from error
    if present == entry:
        return False
    _refuse_other(path, name, present)
    separator = "\n" if text and not text.endswith("\n") else ""
    blank = "\n" if text else ""
    extended = f"{text}{separator}{blank}{_toml(name, entry)}"
    try:
        tomllib.loads(extended)
    except tomllib.TOMLDecodeError as error:
        raise ConflictError(
            f"{path} takes no further table below mcp_servers; nothing was changed",
            remedy="run without --write and add the entry yourself",
        ) from error
    _replace(path, extended, existed=bool(text))
    return True


def _refuse_other(path: Path, name: str, present: object) -> None:
    if present is not None:
        raise ConflictError(
            f"{path} has another server called {name!r}; nothing was changed",
            remedy="choose another --name, or remove that entry first",
        )


def _replace(path: Path, text: str, *, existed: bool) -> None:
    path = Path(os.path.realpath(path))  # a linked settings file stays a link
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if existed:
            shutil.copy2(path, path.with_name(f"{path.name}.before-ai-toolkit-mcp"))
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise ConflictError(f"{path} cannot be written: {error.strerror}") from error
