"""Where alerts may go, and the secrets of those places."""

from __future__ import annotations

import attrs

from aitk_core.settings import setting


@attrs.frozen(kw_only=True)
class AlertSettings:
    """Destinations by name. TOML table `[alerts]`."""

    destinations: tuple[str, ...] = setting(
        (),
        env="AITK_ALERT_DESTINATIONS",
        separator=" ",
        secret=True,
        description="Destinations by name, `name=kind:where`, separated by spaces: "
        "`log=file:alerts.jsonl`, `team=webhook:https://...`, `phone=apprise:ntfy://topic`. "
        "Tools, state and logs know the name only.",
    )
    webhook_secret: str | None = setting(
        None,
        env="AITK_ALERT_WEBHOOK_SECRET",
        secret=True,
        description="Key that webhook messages are signed with (HMAC-SHA256).",
    )
