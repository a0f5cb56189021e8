"""What a running tool may ask of its MCP client, in both eras of the protocol.

Up to 2025-11-25 the server sends a request and waits. From 2026-07-28 it may not: the call
ends with what is to be asked, and the client repeats it with the answers. A handler is
written once: answers that are there are handed to it, and the rest ends the call. Answers of
earlier rounds travel in the sealed request state.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final, TypeVar

import mcp_types as t
import pydantic
from mcp.shared.exceptions import MCPError
from mcp.shared.message import ServerMessageMetadata
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aitk_core.context import InputRequired, Session, kind_of
from aitk_core.errors import ToolFailedError
from aitk_core.records.results import Completion, Question, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from mcp.server.context import ServerRequestContext
    from mcp.server.subscriptions import InMemorySubscriptionBus

    from aitk_core.policy import Policy
    from aitk_core.records.results import Inquiry

logger = logging.getLogger(__name__)
T = TypeVar("T")

LEVELS: Final = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)
_LEVEL_KEY: Final = "aitk_log_level"


def set_level(ctx: ServerRequestContext[Any, Any], level: str) -> None:
    """Remember the connection's log level."""
    _state(ctx)[_LEVEL_KEY] = level


def _state(ctx: ServerRequestContext[Any, Any]) -> dict[str, Any]:
    # The SDK keeps a scratch dict for each connection, but names it on no public object.
    state: dict[str, Any] = ctx.session._connection.state  # noqa: SLF001 - see above
    return state


class Interaction:
    """One request's channel back to its client."""

    def __init__(
        self,
        ctx: ServerRequestContext[Any, Any],
        bus: InMemorySubscriptionBus,
        *,
        responses: Mapping[str, Any] | None = None,
        state: str | None = None,
    ) -> None:
        """Take the request's context, and what the client sent along when repeating it."""
        self._ctx = ctx
        self._bus = bus
        self._modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        self._responses = dict(responses or {})
        self._earlier = _unpack(state)
        self._given: dict[str, Reply] = {}
        self._progress = -1.0

    def session(self, policy: Policy, timeout_s: float) -> Session:
        """Return the neutral session that the dispatcher takes."""
        return Session(
            request_id=str(self._ctx.request_id),
            policy=policy,
            timeout_s=timeout_s,
            progress=self._report,
            log=self._log,
            announce=self._announce,
            # No capability says so; image content is part of every revision of the protocol.
            shows_images=True,
            asks=self._asks(),
            ask=self._ask,
        )

    async def _report(self, done: float, total: float | None, message: str) -> None:
        # The protocol wants rising values; a tool that restarts a count is not punished.
        if done > self._progress:
            self._progress = done
            await self._ctx.session.report_progress(done, total, message)

    async def _log(self, level: str, message: str, data: Any) -> None:
        level = level if level in LEVELS else "info"
        if not self._modern:
            wanted = _state(self._ctx).get(_LEVEL_KEY, "debug")
            if LEVELS.index(level) < LEVELS.index(wanted):
                return
        payload = {"message": message} if data is None else {"message": message, "data": data}
        allowed: Any = level
        # Sent as a plain notification: the SDK's own method warns of its deprecation.
        allowed_levels = getattr(self._ctx.session, "_allowed_log_levels", None)
        if allowed_levels is not None and allowed not in allowed_levels:
            return
        await self._ctx.session.send_notification(
            t.LoggingMessageNotification(
                params=t.LoggingMessageNotificationParams(
                    level=allowed, logger="ai-toolkit-mcp", data=payload
                )
            ),
            self._ctx.request_id,
        )

    async def _announce(self, change: str, uri: str | None) -> None:
        from mcp.server import subscriptions as s

        session = self._ctx.session
        if change == "tools":
            await self._bus.publish(s.ToolsListChanged())
            notify = session.send_tool_list_changed
        elif change == "prompts":
            await self._bus.publish(s.PromptsListChanged())
            notify = session.send_prompt_list_changed
        else:
            await self._bus.publish(
                s.ResourcesListChanged() if uri is None else s.ResourceUpdated(uri=uri)
            )
            notify = session.send_resource_list_changed
        if self._modern:
            return
        if uri is not None:
            await session.send_resource_updated(uri)
        else:
            await notify()

    def _asks(self) -> frozenset[str]:
        capabilities = self._ctx.session.client_capabilities
        if capabilities is None or not (self._modern or self._ctx.session.can_send_request):
            return frozenset()
        elicitation = capabilities.elicitation
        if elicitation and elicitation.url and not elicitation.form:
            elicitation = None  # it opens web pages for its person, and shows no forms
        declared = {
            "question": elicitation,
            "completion": capabilities.sampling,
            "roots": capabilities.roots,
        }
        return frozenset(kind for kind, value in declared.items() if value is not None)

    async def _ask(self, inquiries: Mapping[str, Inquiry]) -> Mapping[str, Reply]:
        replies: dict[str, Reply] = {}
        open_: dict[str, Inquiry] = {}
        for key, inquiry in inquiries.items():
            reply = self._known(key, inquiry) if self._modern else None
            if reply is None and not self._modern:
                reply = await self._request(inquiry)
            if reply is None:
                open_[key] = inquiry
            else:
                replies[key] = self._given[key] = reply
        if open_:
            raise InputRequired(open_)
        return replies

    def _known(self, key: str, inquiry: Inquiry) -> Reply | None:
        if key in self._responses:
            return _reply(inquiry, self._responses[key])
        return self._earlier.get(key)

    async def _request(self, inquiry: Inquiry) -> Reply:
        request, kind = _request(inquiry)
        related = ServerMessageMetadata(related_request_id=self._ctx.request_id)
        asked = kind_of(inquiry)
        try:
            answer: Any = await self._ctx.session.send_request(request, kind, metadata=related)
        except (MCPError, pydantic.ValidationError) as error:
            # Refusing is how a person declines sampling (specification, client/sampling).
            reason = error.message[:200] if isinstance(error, MCPError) else "malformed answer"
            raise _unanswered(asked, reason) from error
        reply = _reply(inquiry, answer)
        if reply is None and asked != "question":
            raise _unanswered(asked, "an answer of another kind")
        return reply or Reply(action="cancel")

    async def finish(self, work: Awaitable[T]) -> T | t.InputRequiredResult:
        """Return what the work gives, or the answer that asks the client and has it repeat."""
        try:
            return await work
        except (InputRequired, BaseExceptionGroup) as error:
            signal = _signal(error)
            if signal is None:
                raise
            return self._required(signal)

    def _required(self, signal: InputRequired) -> t.InputRequiredResult:
        kept = {**self._earlier, **self._given}
        return t.InputRequiredResult(
            input_requests={key: _request(i)[0] for key, i in signal.inquiries.items()},
            request_state=json.dumps(
                {
                    "replies": {
                        key: {"action": r.action, "content": dict(r.content)}
                        for key, r in kept.items()
                    },
                }
            ),
        )


def _signal(error: BaseException) -> InputRequired | None:
    """Return the signal that an exception is, or that its group holds.

    A handler that asks from several tasks at once ends with a group; their inquiries are
    then asked together.
    """
    if isinstance(error, InputRequired):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    inquiries: dict[str, Inquiry] = {}
    for member in error.exceptions:
        signal = _signal(member)
        inquiries |= signal.inquiries if signal else {}
    return InputRequired(inquiries) if inquiries else None


def _unanswered(kind: str, reason: str) -> ToolFailedError:
    return ToolFailedError(
        f"the client did not answer a {kind}: {reason}",
        remedy="call again and let the client answer, or give the answer as an argument",
        capability=kind,
    )


def _unpack(state: str | None) -> dict[str, Reply]:
    # The boundary has unsealed it, so it is what we sent; a foreign one never gets here.
    if not state:
        return {}
    replies = json.loads(state).get("replies", {})
    return {key: Reply(action=r["action"], content=r["content"]) for key, r in replies.items()}


def _request(inquiry: Inquiry) -> tuple[Any, Any]:
    if isinstance(inquiry, Question):
        # A yes or no needs no fields, but the protocol wants the empty form spelt out.
        form = {"type": "object", "properties": {}, **inquiry.schema}
        params = t.ElicitRequestFormParams(message=inquiry.message, requested_schema=form)
        return t.ElicitRequest(params=params), t.ElicitResult
    if isinstance(inquiry, Completion):
        text = t.TextContent(text=inquiry.prompt)
        sampling = t.CreateMessageRequestParams(
            messages=[t.SamplingMessage(role="user", content=text)],
            max_tokens=inquiry.max_tokens,
            system_prompt=inquiry.system or None,
        )
        return t.CreateMessageRequest(params=sampling), t.CreateMessageResult
    return t.ListRootsRequest(), t.ListRootsResult


def _reply(inquiry: Inquiry, answer: Any) -> Reply | None:
    """Return the reply, or None where the answer is not one to this inquiry."""
    if isinstance(inquiry, Question):
        return _filled(inquiry, answer) if isinstance(answer, t.ElicitResult) else None
    if isinstance(inquiry, Completion):
        text = getattr(getattr(answer, "content", None), "text", None)
        if text is None:
            return None
        return Reply(content={"text": text, "model": getattr(answer, "model", "")})
    roots = getattr(answer, "roots", None)
    return None if roots is None else Reply(content={"roots": [str(root.uri) for root in roots]})


def _filled(question: Question, answer: t.ElicitResult) -> Reply | None:
    content = dict(answer.content or {})
    if answer.action == "accept" and not _fits(question.schema, content):
        return None
    return Reply(action=answer.action, content=content)


def _fits(schema: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    from jsonschema import Draft202012Validator

    return bool(Draft202012Validator(dict(schema)).is_valid(dict(content)))
