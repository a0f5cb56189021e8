"""Which tools a caller may see and run.

The operator's settings are the upper bound; a caller may narrow them, never widen.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from aitk_core.errors import InvalidSettingError, NotPermittedError, ReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aitk_core.registry import Owned, Registry
    from aitk_core.settings import ServerSettings
    from aitk_core.specs import ToolSpec


_YES: Final = ("1", "true", "yes", "y", "on")
"""The words that mean yes in settings, too."""


@frozen(kw_only=True)
class Policy:
    """What is offered; empty `toolsets` and `tools` mean everything."""

    read_only: bool = False
    allow_destructive: bool = True
    toolsets: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()
    within: Policy | None = None
    """The bound that this one narrows."""

    @classmethod
    def of(cls, settings: ServerSettings, registry: Registry) -> Policy:
        """Return the operator's policy.

        Raises:
            InvalidSettingError: A setting names a plugin or tool that is not installed; a
                mistyped exclusion must not leave a tool open.
        """
        plugins = {plugin.name for plugin in registry.plugins} | set(registry.disabled)
        broken = {p.plugin for p in registry.problems if p.severity == "error"}
        _known("AITK_ENABLE_PLUGINS", settings.enable_plugins, plugins | broken)
        _known("AITK_DISABLE_PLUGINS", settings.disable_plugins, plugins | broken)
        _known("AITK_TOOLSETS", settings.toolsets, plugins | broken)
        # A broken plugin's tools are unknown, so with one a name cannot be called wrong.
        if not broken and not registry.disabled:
            _known("AITK_TOOLS", settings.tools, registry.tools)
            _known("AITK_EXCLUDE_TOOLS", settings.exclude_tools, registry.tools)
        return cls(
            read_only=settings.read_only,
            allow_destructive=settings.allow_destructive,
            toolsets=frozenset(settings.toolsets),
            tools=frozenset(settings.tools),
            exclude=frozenset(settings.exclude_tools),
        )

    def narrowed(
        self,
        *,
        read_only: bool = False,
        toolsets: Iterable[str] = (),
        tools: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> Policy:
        """Return a policy that allows at most what this one allows."""
        return evolve(
            self,
            read_only=self.read_only or read_only,
            toolsets=frozenset(toolsets),
            tools=frozenset(tools),
            exclude=frozenset(exclude) | self.exclude,
            within=self,
        )

    def refusal(self, owned: Owned[ToolSpec]) -> NotPermittedError | None:
        """Return why the tool is not offered, or None where it is."""
        spec = owned.spec
        if self.read_only and not spec.read_only:
            return ReadOnlyError(
                f"{spec.name} changes something and the server is read-only",
                remedy="start the server without AITK_READ_ONLY to use it; nothing was changed",
                tool=spec.name,
            )
        if spec.destructive and not self.allow_destructive:
            return NotPermittedError(
                f"{spec.name} can overwrite, stop or delete and that is switched off",
                remedy="AITK_ALLOW_DESTRUCTIVE switches it on; nothing was changed",
                tool=spec.name,
            )
        chosen = self.toolsets or self.tools
        selected = owned.plugin.name in self.toolsets or spec.name in self.tools
        if spec.name in self.exclude or (chosen and not selected):
            return NotPermittedError(
                f"{spec.name} is not among the tools offered here",
                remedy="see AITK_TOOLSETS, AITK_TOOLS and AITK_EXCLUDE_TOOLS",
                tool=spec.name,
            )
        return self.within.refusal(owned) if self.within is not None else None


def narrowed_by_headers(policy: Policy, headers: Mapping[str, str]) -> Policy:
    """Return the policy as an HTTP request narrows it.

    Args:
        policy: The operator's.
        headers: The request's; `X-MCP-Readonly`, `X-MCP-Toolsets`, `X-MCP-Tools` and
            `X-MCP-Exclude-Tools` count, in any case.
    """
    asked = {
        name.lower(): value for name, value in headers.items() if name.lower().startswith("x-mcp-")
    }
    if not asked:
        return policy
    return policy.narrowed(
        read_only=asked.get("x-mcp-readonly", "").strip().lower() in _YES,
        toolsets=_words(asked.get("x-mcp-toolsets", "")),
        tools=_words(asked.get("x-mcp-tools", "")),
        exclude=_words(asked.get("x-mcp-exclude-tools", "")),
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _known(setting: str, names: Iterable[str], known: Iterable[str]) -> None:
    names, known = list(names), sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InvalidSettingError(f"{setting} names {name!r}, which is not installed; {hint}")
