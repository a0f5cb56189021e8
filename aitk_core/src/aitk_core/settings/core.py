"""The core's own settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from aitk_core.settings.field import setting

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    parallel: str = setting(
        "processes",
        env="AITK_PARALLEL",
        description="What works on whole folders: processes, threads, or the address of a Dask "
        "scheduler (tcp://host:8786) whose workers see the same files.",
    )
    parallel_workers: int = setting(
        0,
        env="AITK_PARALLEL_WORKERS",
        minimum=0,
        description="Processes or threads for whole folders; 0: one for each core.",
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
    exports_dir: Path | None = setting(
        None,
        env="AITK_EXPORTS_DIR",
        description="Folder for exported models; default: exports/ below AITK_HOME.",
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
        False,
        env="MCP_HTTP_AUTH_FOR_HEALTH",
        description="Ask for the token on /health, /ready and /metrics.",
    )
    auth_for_tools: bool = setting(
        False,
        env="MCP_HTTP_AUTH_FOR_TOOLS",
        description="Ask for the token on /tools and /openapi.json.",
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


@attrs.frozen(kw_only=True)
class OutboundSettings:
    """Requests to URLs that callers and users give. TOML table `[outbound]`."""

    allow: tuple[str, ...] = setting(
        (),
        env="AITK_OUTBOUND_ALLOW",
        description="Destinations allowed beside public hosts on port 443: a host name, "
        "host:port, http://host:port for plain HTTP, an address, or a network such as "
        "10.1.0.0/16.",
    )
    ca_file: Path | None = setting(
        None,
        env="AITK_OUTBOUND_CA_FILE",
        description="Certificates of authorities (PEM) trusted beside the public ones.",
    )
    timeout_s: float = setting(
        15.0,
        env="AITK_OUTBOUND_TIMEOUT_SECONDS",
        minimum=0.1,
        description="Seconds for one request, from its name's look-up to the end of the answer.",
    )


CORE_SECTIONS: Final[Mapping[str, type]] = {
    "server": ServerSettings,
    "http": HttpSettings,
    "outbound": OutboundSettings,
}
