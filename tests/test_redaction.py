"""No secret reaches an answer, an error or a log."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.context import Session
from aitk_core.errors import AitkError, NotFoundError
from aitk_core.services.redaction import Redactor
from aitk_core.specs import PromptSpec, ResourceSpec
from aitk_core.testing.plugins import fake_application, lazy, with_dispatcher
from aitk_core.testing.recorded import Recording, recorded_backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.application import Application
    from aitk_core.dispatch import Dispatcher

HUB = "hf_" + "a1B2" * 8


@given(st.text(), st.text())
def test_no_text_keeps_a_secret(before: str, after: str) -> None:
    secret = "s3cret-token"
    assert secret not in Redactor([secret]).text(f"{before}{secret}{after}")


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_secret_goes_from_a_json_text_too(ensure_ascii: bool) -> None:
    secret = 'p"ss\\wörd'
    text = json.dumps({"key": f"a{secret}b"}, ensure_ascii=ensure_ascii)
    assert json.loads(Redactor([secret]).text(text)) == {"key": "a[redacted]b"}


def test_longer_secrets_go_first() -> None:
    assert Redactor(["abcd", "abcdef"]).text("abcdefg") == "[redacted]g"


def test_hub_tokens_go_wherever_they_stand() -> None:
    value = {"a": [f"token {HUB}", 1, None], "b": {"c": HUB}}
    assert Redactor().json(value) == {"a": ["token [redacted]", 1, None], "b": {"c": "[redacted]"}}


def recording(log: str, info: str) -> Recording:
    row = {"id": "job-1", "name": "x", "status": "running", "step": 1, "info": info}
    return Recording(name="x", row=row, metrics={}, log=log, files=[], samples=[], expected={})


def test_tokens_in_a_log_never_leave(application_with: Callable[..., Application]) -> None:
    """The trainer prints its config, which can hold one."""
    backend = recorded_backend([recording(f'"token": "{HUB}"\nmine: my-own-secret\n', HUB)])

    async def ask(tool: str) -> Any:
        async with application_with(backend, {"MCP_HTTP_AUTH_TOKEN": "my-own-secret"}) as opened:
            session = Session(policy=opened.policy)
            return await opened.dispatcher.call(tool, {"job_id": "job-1"}, session)

    for tool in ("get-training-logs", "get-training-observability"):
        answer = asyncio.run(ask(tool))
        assert HUB not in f"{answer.data}{answer.summary}"
        assert "my-own-secret" not in f"{answer.data}{answer.summary}"


def test_the_error_of_a_resource_and_of_a_prompt_is_redacted() -> None:
    secret = "tok-123456"

    async def refuse(*_arguments: Any) -> Any:
        raise NotFoundError(f"no {secret}", remedy=f"not {secret}", key=secret)

    application = fake_application(
        aitk_resources=[ResourceSpec(uri="a://b", name="b", description="B.", read=lazy(refuse))],
        aitk_prompts=[PromptSpec(name="c", description="C.", render=lazy(refuse))],
        environment={"AI_TOOLKIT_AUTH": secret},
    )

    async def use(dispatcher: Dispatcher, session: Session) -> list[Any]:
        asked = [dispatcher.read("a://b", session), dispatcher.render("c", {}, session)]
        told: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
        return told

    told = [error.to_json() for error in with_dispatcher(application, use)]
    assert [error["message"] for error in told] == ["no [redacted]"] * 2
    assert secret not in str(told)


def test_errors_and_log_records_are_redacted(
    application_with: Callable[..., Application], caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> None:
        backend = recorded_backend([])
        async with application_with(backend, {"AI_TOOLKIT_AUTH": "tok-123456"}) as opened:
            logging.getLogger("aitk_core").warning("sent %s", "tok-123456")
            session = Session(policy=opened.policy)
            await opened.dispatcher.call("tok-123456", {}, session)

    with caplog.at_level(logging.INFO), pytest.raises(AitkError) as caught:
        asyncio.run(ask())
    assert "tok-123456" not in str(caught.value.to_json())
    assert "tok-123456" not in caplog.text
