"""Settings from the environment and an optional TOML file, into attrs records.

The environment wins over the file, the file over the default. The file is named by
`AITK_SETTINGS_FILE`; each section is a table, `[server]`, `[http]`, and one for each plugin.
"""

from __future__ import annotations

import math
import os
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs

from aitk_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

_META: Final = "aitk_setting"
_FILE_VARIABLE: Final = "AITK_SETTINGS_FILE"
_FILE_LIMIT_BYTES: Final = 1024 * 1024
_YES: Final = frozenset({"1", "true", "yes", "y", "on"})
_NO: Final = frozenset({"0", "false", "no", "n", "off"})


def setting(
    default: Any,
    *,
    env: str,
    description: str,
    secret: bool = False,
    minimum: float | None = None,
    separator: str = ",",
) -> Any:
    """Declare one setting of a record.

    Args:
        default: Value when nobody sets it.
        env: Name of its environment variable.
        description: For the table of settings, unit included.
        secret: Its value is never shown, logged or written into state.
        minimum: Floor for numbers; a smaller value is refused.
        separator: Between the elements of a list in the environment.
    """
    meta = {
        "env": env,
        "description": description,
        "secret": secret,
        "minimum": minimum,
        "separator": separator,
    }
    return attrs.field(default=default, kw_only=True, repr=not secret, metadata={_META: meta})


def _default_home() -> Path:
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(data_home) / "ai-toolkit-mcp"


@attrs.frozen(kw_only=True)
class ServerSettings:
    """What every frontend shares. TOML table `[server]`."""

    backend_url: str = setting(
        "http://localhost:8675",
        env="AI_TOOLKIT_SERVER_URL",
        description="Address of the AI Toolkit's web server.",
    )
    backend_token: str | None = setting(
        None,
        env="AI_TOOLKIT_AUTH",
        secret=True,
        description="The AI Toolkit's bearer token, where it has one.",
    )
    backend_timeout_s: float = setting(
        10.0,
        env="AITK_BACKEND_TIMEOUT_SECONDS",
        minimum=0.1,
        description="Seconds the backend has for one answer.",
    )
    log_level: str = setting(
        "INFO", env="LOG_LEVEL", description="DEBUG, INFO, WARNING or ERROR; to stderr."
    )
    read_only: bool = setting(
        False,
        env="AITK_READ_ONLY",
        description="List and run only tools that change nothing.",
    )
    allow_destructive: bool = setting(
        True,
        env="AITK_ALLOW_DESTRUCTIVE",
        description="Offer tools that overwrite, stop or delete.",
    )
    toolsets: tuple[str, ...] = setting(
        (),
        env="AITK_TOOLSETS",
        description="Plugins whose tools are offered; empty: all.",
    )
    tools: tuple[str, ...] = setting(
        (), env="AITK_TOOLS", description="Single tools offered on top of the toolsets."
    )
    exclude_tools: tuple[str, ...] = setting(
        (), env="AITK_EXCLUDE_TOOLS", description="Tools never offered; wins over the others."
    )
    disable_plugins: tuple[str, ...] = setting(
        (), env="AITK_DISABLE_PLUGINS", description="Plugins that are not loaded."
    )
    enable_plugins: tuple[str, ...] = setting(
        (), env="AITK_ENABLE_PLUGINS", description="Only these plugins are loaded; empty: all."
    )
    tool_timeout_s: float = setting(
        45.0,
        env="AITK_TOOL_TIMEOUT_SECONDS",
        minimum=0.01,
        description="Seconds a call over MCP may take; many clients give up at 60.",
    )
    analyzer_timeout_s: float = setting(
        10.0,
        env="AITK_ANALYZER_TIMEOUT_SECONDS",
        minimum=0.01,
        description="Seconds one analyzer may take before it is left out.",
    )
    band_policy: str = setting(
        "absolute_delta_thresholds_v1",
        env="AITK_BAND_POLICY",
        description="Band policy used where a call names none.",
    )
    workers: int = setting(
        4, env="AITK_WORKERS", minimum=1, description="Threads for blocking and CPU work."
    )
    home: Path = setting(
        attrs.Factory(_default_home),
        env="AITK_HOME",
        description="Folder for saved configs and the server's own state.",
    )
    configs_dir: Path | None = setting(
        None,
        env="AITK_CONFIGS_DIR",
        description="Saved training configs; default: /ai-toolkit/configs where that is a "
        "folder, else configs/ below AITK_HOME.",
    )
    datasets_dir: Path | None = setting(
        None,
        env="AITK_DATASETS_DIR",
        description="Dataset folder, where this machine can see it; default: /ai-toolkit/datasets "
        "where that is a folder.",
    )
    outputs_dir: Path | None = setting(
        None,
        env="AITK_OUTPUTS_DIR",
        description="Training output folder, where this machine can see it; default: "
        "/ai-toolkit/outputs where that is a folder.",
    )
    model_roots: tuple[Path, ...] = setting(
        (),
        env="COMFYUI_MODEL_ROOTS",
        separator=os.pathsep,
        description="Folders with model files.",
    )


@attrs.frozen(kw_only=True)
class HttpSettings:
    """The HTTP frontend. TOML table `[http]`; each is also a flag of `aitk serve`."""

    host: str = setting("127.0.0.1", env="MCP_HTTP_HOST", description="Address to listen on.")
    port: int = setting(8080, env="MCP_HTTP_PORT", minimum=0, description="Port; 0: any free one.")
    auth_token: str | None = setting(
        None,
        env="MCP_HTTP_AUTH_TOKEN",
        secret=True,
        description="Token for Bearer or X-API-Key; required beyond loopback.",
    )
    auth_for_health: bool = setting(
        False, env="MCP_HTTP_AUTH_FOR_HEALTH", description="Ask for the token on /health."
    )
    auth_for_tools: bool = setting(
        False, env="MCP_HTTP_AUTH_FOR_TOOLS", description="Ask for the token on /tools."
    )
    tool_timeout_seconds: float = setting(
        120.0,
        env="MCP_HTTP_TOOL_TIMEOUT_SECONDS",
        minimum=0.01,
        description="Seconds a call over the bridge may take.",
    )
    max_body_bytes: int = setting(
        1024 * 1024,
        env="MCP_HTTP_MAX_BODY_BYTES",
        minimum=1,
        description="Largest request body, bytes.",
    )
    rate_limit_enabled: bool = setting(
        False, env="MCP_HTTP_RATE_LIMIT_ENABLED", description="Limit calls per client."
    )
    rate_limit_window_seconds: float = setting(
        60.0,
        env="MCP_HTTP_RATE_LIMIT_WINDOW_SECONDS",
        minimum=1,
        description="Length of the rate limit's window, seconds.",
    )
    rate_limit_max_requests: int = setting(
        120,
        env="MCP_HTTP_RATE_LIMIT_MAX_REQUESTS",
        minimum=1,
        description="Calls per client and window.",
    )
    trust_proxy_for_rate_limit: bool = setting(
        False,
        env="MCP_HTTP_TRUST_PROXY_FOR_RATE_LIMIT",
        description="Take the client's address from a header set by a trusted proxy.",
    )
    rate_limit_client_ip_header: str = setting(
        "X-Forwarded-For",
        env="MCP_HTTP_RATE_LIMIT_CLIENT_IP_HEADER",
        description="That header; its right-most untrusted address counts.",
    )
    trusted_proxy_cidrs: tuple[str, ...] = setting(
        (),
        env="MCP_HTTP_TRUSTED_PROXY_CIDRS",
        description="Networks of trusted proxies; required when a proxy is trusted.",
    )
    require_trusted_proxy_cidrs: bool = setting(
        False,
        env="MCP_HTTP_REQUIRE_TRUSTED_PROXY_CIDRS",
        description="Kept for older configurations; the networks are always required.",
    )
    allowed_hosts: tuple[str, ...] = setting(
        (),
        env="MCP_HTTP_ALLOWED_HOSTS",
        description="Host names accepted beside loopback and the address listened on.",
    )
    allowed_origins: tuple[str, ...] = setting(
        (), env="MCP_HTTP_ALLOWED_ORIGINS", description="Browser origins accepted beside loopback."
    )


CORE_SECTIONS: Final[Mapping[str, type]] = {"server": ServerSettings, "http": HttpSettings}


class SettingsSource:
    """Where values come from: one environment, one parsed file."""

    def __init__(
        self, environment: Mapping[str, str] | None = None, file: Path | None = None
    ) -> None:
        """Read the file, if any.

        Raises:
            InvalidSettingError: The file is missing, too large or not TOML.
        """
        self._environment = os.environ if environment is None else environment
        named = self._environment.get(_FILE_VARIABLE)
        path = file if file is not None else Path(named) if named else None
        self._tables: Mapping[str, Any] = _read_toml(path) if path else {}

    def unknown(self, sections: Mapping[str, type]) -> list[str]:
        """Return keys of the file that no section declares, as `section.key`."""
        found = []
        for section, table in self._tables.items():
            if section not in sections or not isinstance(table, Mapping):
                found.append(section)
                continue
            names = {attribute.name for attribute in attrs.fields(sections[section])}
            found += [f"{section}.{key}" for key in table if key not in names]
        return found

    def load(self, section: str, record: type[T], overrides: Mapping[str, Any] | None = None) -> T:
        """Return the section's record.

        Args:
            section: Table in the file.
            record: Its attrs class.
            overrides: Values from the command line, which win; None counts as absent.

        Raises:
            InvalidSettingError: A value cannot be used; names the setting and its source,
                never a secret's value.
        """
        table = self._tables.get(section, {})
        hints = get_type_hints(record)
        values: dict[str, Any] = {}
        for attribute in attrs.fields(record):  # type: ignore[arg-type]  # a record by contract
            meta = attribute.metadata.get(_META)
            if meta is None:
                continue
            raw, source = self._find(attribute.name, meta, table, section, overrides or {})
            if source:
                values[attribute.name] = _convert(
                    raw, hints[attribute.name], meta, name=attribute.name, source=source
                )
        return record(**values)

    def _find(
        self,
        name: str,
        meta: Mapping[str, Any],
        table: Mapping[str, Any],
        section: str,
        overrides: Mapping[str, Any],
    ) -> tuple[Any, str]:
        if overrides.get(name) is not None:
            return overrides[name], "the command line"
        if self._environment.get(meta["env"], "").strip():
            return self._environment[meta["env"]].strip(), f"environment variable {meta['env']}"
        if name in table:
            return table[name], f"[{section}] {name} of the settings file"
        return None, ""


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > _FILE_LIMIT_BYTES:
            raise InvalidSettingError("the settings file is larger than 1 MiB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSettingError(
            f"the settings file cannot be read: {reason}",
            remedy=f"correct the file that {_FILE_VARIABLE} names",
        ) from error


def _convert(raw: Any, hint: Any, meta: Mapping[str, Any], *, name: str, source: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(member for member in get_args(hint) if member is not type(None))
    try:
        value = _parse(raw, hint, meta)
    except (ValueError, TypeError) as error:
        shown = "its value" if meta["secret"] else repr(raw)
        raise InvalidSettingError(
            f"{source}: {shown} is not {error}", setting=name, source=source
        ) from error
    low = meta["minimum"]
    if low is not None and not value >= low:
        raise InvalidSettingError(
            f"{source}: {value!r} is below {low:g}", setting=name, source=source
        )
    return value


def _parse(raw: Any, hint: Any, meta: Mapping[str, Any]) -> Any:
    if get_origin(hint) is tuple:
        parts = raw.split(meta["separator"]) if isinstance(raw, str) else list(raw)
        element = get_args(hint)[0]
        return tuple(
            _parse(p.strip() if isinstance(p, str) else p, element, meta)
            for p in parts
            if not isinstance(p, str) or p.strip()
        )
    if hint is bool:
        return _parse_bool(raw)
    if hint in (int, float):
        return _parse_number(raw, hint)
    if not isinstance(raw, str | Path):
        raise ValueError("text")  # noqa: TRY004 - one error type for every bad value
    return Path(raw).expanduser() if hint is Path else str(raw)


def _parse_bool(raw: Any) -> bool:
    word = str(raw).lower()
    if isinstance(raw, bool):
        return raw
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError("a yes or no: 1/true/yes/y/on or 0/false/no/n/off")


def _parse_number(raw: Any, hint: type) -> Any:
    if isinstance(raw, bool):
        raise ValueError("a number")  # noqa: TRY004 - one error type for every bad value
    try:
        number = float(raw)
        if not math.isfinite(number):
            raise ValueError  # noqa: TRY301 - one message for every bad number
        return int(str(raw)) if hint is int else number
    except (TypeError, ValueError):
        raise ValueError("a whole number" if hint is int else "a finite number") from None


@attrs.frozen(kw_only=True)
class SettingInfo:
    """One row of the table of settings."""

    section: str
    name: str
    env: str
    default: str
    description: str
    secret: bool


def describe(sections: Mapping[str, type]) -> Iterable[SettingInfo]:
    """Yield every setting of the given sections, for the table and for `doctor`."""
    for section, record in sections.items():
        for attribute in attrs.fields(record):
            meta = attribute.metadata.get(_META)
            if meta is None:
                continue
            default = attribute.default
            if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
                shown = "below the user's data folder"
            elif default is None or default == ():
                shown = ""
            elif isinstance(default, bool):
                shown = str(default).lower()
            else:
                shown = str(default)
            yield SettingInfo(
                section=section,
                name=attribute.name,
                env=meta["env"],
                default=shown,
                description=meta["description"],
                secret=meta["secret"],
            )


def secrets_of(record: attrs.AttrsInstance) -> list[str]:
    """Return the values of a record's secrets, for redaction."""
    found = []
    for attribute in attrs.fields(type(record)):
        meta = attribute.metadata.get(_META)
        value = getattr(record, attribute.name)
        if meta is not None and meta["secret"] and isinstance(value, str) and value:
            found.append(value)
    return found


def settings_table(sections: Mapping[str, type]) -> str:
    """Return every setting as a Markdown table."""
    lines = ["| environment | file | default | meaning |", "|---|---|---|---|"]
    for info in describe(sections):
        secret = " (secret)" if info.secret else ""
        shown = f"`{info.default}`" if info.default else ""
        lines.append(
            f"| `{info.env}` | `{info.section}.{info.name}` | {shown} "
            f"| {info.description}{secret} |"
        )
    return "\n".join(lines) + "\n"
