"""What the sub-commands of `aitk` do."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import attrs

from aitk_core.errors import InvalidArgumentsError, InvalidSettingError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from aitk_core.application import Application
    from aitk_core.records.results import ToolResult


def run(options: argparse.Namespace) -> int:
    """Run the chosen command and return the exit status."""
    command = _RUN.get(options.command)
    if command is None:
        return _plugin_command(options)
    if options.rest and command in (_settings, _connect):
        options.fail(f"unrecognized arguments: {' '.join(options.rest)}")
    return command(options)


def _application(options: argparse.Namespace) -> Application:
    from aitk_core.application import Application, configure_logging

    overrides = {
        "backend_url": options.backend_url,
        "read_only": options.read_only,
        "toolsets": options.toolsets,
        "tools": options.only_tools,
        "exclude_tools": options.exclude_tools,
        "log_level": options.log_level,
    }
    # A provisional level until the settings are read, so that loading can be logged.
    configure_logging("WARNING")
    application = Application(overrides=overrides, backend_kind=options.backend)
    configure_logging(application.settings.log_level)
    kind = _claimed_backend(options, application)
    return application.with_backend(kind) if kind else application


def _claimed_backend(options: argparse.Namespace, application: Application) -> str | None:
    known = [f"--{kind}" for kind in application.registry.backends]
    kinds = [word[2:] for word in options.rest]
    unknown = [word for word in options.rest if word not in known]
    if unknown or len(kinds) > 1:
        options.fail(f"unrecognized arguments: {' '.join(unknown or options.rest)}")
    return kinds[0] if kinds else None


def _mcp(options: argparse.Namespace) -> int:
    import gc

    # Importing the SDK builds thousands of models; collecting in between costs a quarter more.
    gc.disable()
    from aitk_core.frontends.mcp.stdio import serve

    application = _application(options)
    gc.freeze()
    gc.enable()
    asyncio.run(serve(application))
    return 0


def _serve(options: argparse.Namespace) -> int:
    from aitk_core.frontends.http.serve import check_listen, serve
    from aitk_core.settings import HttpSettings

    application = _application(options)
    names = [attribute.name for attribute in attrs.fields(HttpSettings)]
    settings = application.http_settings({name: getattr(options, name, None) for name in names})
    check_listen(settings)
    asyncio.run(serve(application, settings))
    return 0


def _call(options: argparse.Namespace) -> int:
    from aitk_core.records.results import Text

    application = _application(options)
    try:
        arguments = json.loads(options.arguments)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentsError(
            f"the arguments are not JSON: {error}", remedy="""try: aitk call TOOL '{"key": 1}'"""
        ) from error
    result = asyncio.run(call_once(application, options.tool, arguments))
    if result.data is not None and not options.summary:
        text = json.dumps(result.data, indent=2, ensure_ascii=False)
    else:
        texts = [block.text for block in result.blocks if isinstance(block, Text)]
        text = "\n".join(part for part in (result.summary, *texts) if part)
    sys.stdout.write(text + "\n")
    return 0


async def call_once(
    application: Application, name: str, arguments: Mapping[str, Any]
) -> ToolResult:
    """Open the application, run one tool and close it again.

    Raises:
        AitkError: The tool failed.
    """
    from aitk_core.context import Session

    async with application:
        session = Session(request_id="cli", policy=application.policy)
        return await application.dispatcher.call(name, arguments, session)


def _tools(options: argparse.Namespace) -> int:
    application = _application(options)
    registry = application.registry
    offered = [o for o in registry.tools.values() if application.policy.refusal(o) is None]
    if options.markdown:
        from aitk_core.cli.reference import markdown

        sys.stdout.write(markdown(offered, registry.contracts))
    elif options.json:
        listed = [
            {
                "name": o.spec.name,
                "plugin": o.plugin.name,
                "description": o.spec.description,
                "inputSchema": o.spec.input_schema,
                "outputSchema": registry.contracts[o.spec.contract] if o.spec.contract else None,
            }
            for o in offered
        ]
        sys.stdout.write(json.dumps(listed, indent=2) + "\n")
    else:
        for owned in offered:
            sentence = owned.spec.description.split(". ")[0].rstrip(".")
            sys.stdout.write(f"{owned.spec.name:28} {owned.plugin.name:14} {sentence}\n")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    if options.prove:
        return _prove(options)
    if options.traces is not None:
        options.fail("--traces needs --prove")
    from aitk_core.cli.doctor import examine, render

    report = asyncio.run(examine(_application(options)))
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if options.json else render(report))
    return 0 if report["ok"] else 1


def _prove(options: argparse.Namespace) -> int:
    from aitk_core.cli.prove import prove_installed, render

    report = prove_installed(_application(options), traces=options.traces)
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if options.json else render(report))
    return 0 if report["ok"] else 1


def _settings(_options: argparse.Namespace) -> int:
    from aitk_core.registry import load_registry
    from aitk_core.settings import settings_table

    sys.stdout.write(settings_table(load_registry().sections()))
    return 0


def _connect(options: argparse.Namespace) -> int:
    from aitk_core.cli.connect import connect

    sys.stdout.write(connect(options))
    return 0


def _plugin_command(options: argparse.Namespace) -> int:
    from aitk_core.application import configure_logging
    from aitk_core.registry import load_registry

    configure_logging("WARNING")
    commands = load_registry().commands
    if options.command not in commands:
        known = sorted({*options.known, *commands})
        raise InvalidArgumentsError(
            f"unknown command {options.command!r}", remedy=f"known: {', '.join(known)}"
        )
    owned = commands[options.command]
    try:
        command = owned.spec.run.load()
    except (ImportError, AttributeError) as error:
        raise InvalidSettingError(
            f"command {options.command!r} of {owned.plugin.distribution} cannot be loaded: {error}"
        ) from error
    return command(options.rest)


_RUN: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "mcp": _mcp,
    "serve": _serve,
    "call": _call,
    "tools": _tools,
    "doctor": _doctor,
    "settings": _settings,
    "connect": _connect,
}
