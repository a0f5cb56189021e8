"""The arguments of `aitk`."""

from __future__ import annotations

import argparse
from typing import Any, Final

from aitk_core import __version__

CLIENTS: Final = ("claude-desktop", "claude-code", "cursor", "vscode", "codex", "gemini")

_EPILOG: Final = (
    "A backend that a plugin offers is chosen by its name, for example --sandbox. "
    "Plugins may add commands; `aitk doctor` lists them."
)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options; what no parser knows is left in `rest` for plugins to claim.

    Raises:
        SystemExit: The arguments are wrong, or help was asked for.
    """
    parser, names = _parser()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in names:
        # A plugin's command: it reads its own arguments.
        return argparse.Namespace(command=arguments[0], rest=arguments[1:], known=sorted(names))
    options, rest = parser.parse_known_args(arguments)
    options.rest = rest
    options.fail = parser.error
    return options


def _parser() -> tuple[argparse.ArgumentParser, set[str]]:
    parser = argparse.ArgumentParser(
        prog="aitk",
        description="Evidence about LoRA training runs, over MCP and HTTP.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    shared = _shared()

    commands.add_parser("mcp", parents=[shared], help="serve MCP over stdin and stdout")
    serve = commands.add_parser(
        "serve", parents=[shared], help="serve the HTTP bridge, and MCP at /mcp"
    )
    _http_options(serve)
    call = commands.add_parser("call", parents=[shared], help="run one tool and print its answer")
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("arguments", nargs="?", default="{}", metavar="JSON")
    call.add_argument("--summary", action="store_true", help="print the summary for people")
    tools = commands.add_parser("tools", parents=[shared], help="list the tools that are offered")
    tools.add_argument("--json", action="store_true", help="as JSON, with schemas")
    tools.add_argument("--markdown", action="store_true", help="as a reference document")
    doctor = commands.add_parser(
        "doctor", parents=[shared], help="check plugins, settings and the backend"
    )
    doctor.add_argument("--json", action="store_true", help="as JSON")
    doctor.add_argument(
        "--prove",
        action="store_true",
        help="replay recorded and generated runs through the analyzers instead",
    )
    doctor.add_argument("--traces", metavar="FILE", help="with --prove: loss traces (.npz) as well")
    commands.add_parser("settings", help="print the table of all settings")
    connect = commands.add_parser("connect", help="register this server in an MCP client")
    connect.add_argument("client", choices=CLIENTS, metavar="CLIENT", help=", ".join(CLIENTS))
    connect.add_argument("--write", action="store_true", help="write it; default: print it")
    connect.add_argument("--name", default="ai-toolkit", help="name in the client (ai-toolkit)")
    connect.add_argument("--file", help="the client's file, where it is elsewhere")
    connect.add_argument("--backend-url", help="address of the AI Toolkit to register")
    return parser, set(commands.choices)


def _shared() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    group = shared.add_argument_group("server")
    group.add_argument("--backend-url", metavar="URL", help="address of the AI Toolkit")
    group.add_argument("--backend", metavar="KIND", help="a backend that a plugin offers")
    group.add_argument("--read-only", action="store_true", default=None)
    group.add_argument("--toolsets", metavar="A,B", help="plugins whose tools are offered")
    group.add_argument("--tools", dest="only_tools", metavar="A,B", help="single tools on top")
    group.add_argument("--exclude-tools", metavar="A,B", help="tools never offered")
    group.add_argument("--log-level", metavar="LEVEL")
    return shared


def _http_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("HTTP")
    group.add_argument("--host")
    group.add_argument("--port", type=int)
    group.add_argument("--auth-token", metavar="TOKEN")
    for name in ("auth-for-health", "auth-for-tools"):
        group.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, default=None)
    group.add_argument("--tool-timeout-seconds", type=float, metavar="S")
    group.add_argument("--max-body-bytes", type=int, metavar="N")
    _pair(group, "rate-limit-enabled", off="no-rate-limit")
    group.add_argument("--rate-limit-window-seconds", type=float, metavar="S")
    group.add_argument("--rate-limit-max-requests", type=int, metavar="N")
    _pair(group, "trust-proxy-for-rate-limit", off="no-trust-proxy-for-rate-limit")
    group.add_argument("--rate-limit-client-ip-header", metavar="NAME")
    group.add_argument("--trusted-proxy-cidrs", metavar="A,B")
    _pair(group, "require-trusted-proxy-cidrs", off="allow-any-proxy-source")


def _pair(group: Any, on: str, *, off: str) -> None:
    name = on.replace("-", "_")
    group.add_argument(f"--{on}", dest=name, action="store_true", default=None)
    group.add_argument(f"--{off}", dest=name, action="store_false", default=None)
