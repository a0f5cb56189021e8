"""Pages whoever is on call at acme: `AITK_ALERT_DESTINATIONS="me=acme-pager:https://..."`."""

import json
from contextlib import asynccontextmanager

from acme_pager.plugin import PagerSettings
from aitk_core.errors import DeliveryError, DeliveryRefusedError, OutboundError


class Pager:
    def __init__(self, url, context):
        self.url = url
        self.context = context

    async def deliver(self, message):
        token = self.context.settings(PagerSettings).token
        page = {
            "id": message.message_id,  # acme drops a second page with the same id
            "urgent": message.severity == "critical" and not message.test,
            "text": [f"{alert['code']}: {alert['message']}" for alert in message.alerts],
            "test": message.test,
        }
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            answer = await self.context.outbound.post(
                self.url, json.dumps(page).encode(), headers=headers, max_bytes=None
            )
        except OutboundError as error:
            raise DeliveryError(str(error)) from None
        if answer.status >= 500:
            raise DeliveryError(f"acme answered {answer.status}")
        if answer.status >= 300:
            raise DeliveryRefusedError(f"acme answered {answer.status}")


@asynccontextmanager
async def open_pager(destination, context):
    context.outbound.check(destination)
    yield Pager(destination, context)
