"""`aitk doctor`: what is installed, what is set, and whether the backend answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from attrs import asdict

from aitk_core import __version__
from aitk_core.errors import AitkError
from aitk_core.registry import problem_of_settings
from aitk_core.services.executor import WorkerPool
from aitk_core.services.failures import FailureLibrary
from aitk_core.settings import ServerSettings, changed_settings, without_login

if TYPE_CHECKING:
    from aitk_core.application import Application
    from aitk_core.registry import PluginProblem


async def examine(application: Application) -> dict[str, Any]:
    """Return the report: `ok`, `version`, `plugins`, `problems`, `settings`, `backend`.

    A backend that is away is reported, and does not make the installation wrong.
    """
    registry = application.registry
    problems = [*registry.problems, *await _catalogue_problems(application)]
    settings, faults = _settings(application)
    return {
        "ok": all(problem.severity != "error" for problem in problems + faults),
        "version": __version__,
        "plugins": [asdict(each) for each in registry.plugins],
        "disabled_plugins": list(registry.disabled),
        "counts": {
            "tools": len(registry.tools),
            "analyzers": len(registry.analyzers),
            "failure_catalogues": len(registry.failure_catalogues),
            "sinks": len(registry.sinks),
            "band_policies": len(registry.band_policies),
            "resources": len(registry.resources),
            "prompts": len(registry.prompts),
        },
        "backends": list(registry.backends),
        "commands": {name: owned.spec.summary for name, owned in registry.commands.items()},
        "problems": [asdict(each) for each in problems + faults],
        "settings": settings,
        "backend": await _backend(application),
    }


async def _catalogue_problems(application: Application) -> tuple[PluginProblem, ...]:
    """Read the catalogues of failures, which a server reads when it first looks at a run."""
    pool = WorkerPool(workers=1)
    timeout_s = application.settings.analyzer_timeout_s
    library = FailureLibrary(application.registry, pool=pool, timeout_s=timeout_s)
    try:
        await library.catalogue()
    finally:
        pool.close()
    return library.problems


def _settings(application: Application) -> tuple[list[dict[str, Any]], list[PluginProblem]]:
    sections = application.registry.sections()
    shown: list[dict[str, Any]] = []
    faults = [
        problem_of_settings("settings", f"nobody declares {name!r} in the settings file")
        for name in application.source.unknown(sections)
    ]
    for section, record in sections.items():
        try:
            values = (
                application.settings
                if record is ServerSettings
                else application.source.load(section, record)
            )
        except AitkError as error:
            faults.append(problem_of_settings(section, str(error)))
            continue
        shown += changed_settings(section, values)
    return shown, faults


async def _backend(application: Application) -> dict[str, Any]:
    away = {"url": without_login(application.settings.backend_url), "reachable": False}
    try:
        async with application:
            backend = application.dispatcher.backend
            async with asyncio.timeout(application.settings.backend_timeout_s):
                await backend.probe()
            return {"url": backend.url, "reachable": True}
    except TimeoutError:
        return {**away, "code": "TIMEOUT"}
    except AitkError as error:
        return {**away, "code": error.code, "reason": str(error), "remedy": error.remedy}


def render(report: dict[str, Any]) -> str:
    """Return the report for a person."""
    lines = [f"AI ToolKit MCP {report['version']}", "", "Plugins"]
    lines += [f"  {p['name']:16} {p['distribution']} {p['version']}" for p in report["plugins"]]
    lines += [f"  {name:16} disabled" for name in report["disabled_plugins"]]
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report["counts"].items())
    lines += ["", f"Installed: {counts}"]
    if report["commands"]:
        lines += ["", "Commands of plugins"]
        lines += [f"  aitk {name:12} {summary}" for name, summary in report["commands"].items()]
    if report["settings"]:
        lines += ["", "Settings that differ from the default"]
        lines += [f"  {s['setting']} = {s['value']}  ({s['env']})" for s in report["settings"]]
    backend = report["backend"]
    lines += ["", f"Backend {backend['url']}: " + ("answers" if backend["reachable"] else "away")]
    if not backend["reachable"]:
        lines.append(f"  {backend['code']}: {backend.get('reason', 'no answer in time')}")
        if backend.get("remedy"):
            lines.append(f"  {backend['remedy']}")
    lines += ["", "Problems" if report["problems"] else "No problems."]
    lines += [
        f"  {p['severity']}: {p['plugin']} ({p['distribution']}): {p['stage']}: {p['reason']}"
        for p in report["problems"]
    ]
    return "\n".join(lines) + "\n"
