"""The stdio server as a process: what comes out of stdout, whatever goes in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


class Server:
    """A server process and the lines to and from it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def send(self, line: str | dict[str, Any]) -> None:
        text = line if isinstance(line, str) else json.dumps(line)
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode("utf-8", "surrogatepass") + b"\n")
        self.process.stdin.flush()

    def answer(self, request_id: int | None) -> dict[str, Any]:
        """The answer to an id; every line of stdout must be JSON-RPC."""
        assert self.process.stdout is not None
        while True:
            message: dict[str, Any] = json.loads(self.process.stdout.readline())
            assert message["jsonrpc"] == "2.0"
            if "method" not in message and message["id"] == request_id:
                return message


@contextmanager
def server() -> Iterator[Server]:
    environment = {**os.environ, "AI_TOOLKIT_SERVER_URL": "http://127.0.0.1:9"}
    with subprocess.Popen(
        [sys.executable, "-m", "aitk_core", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        yield Server(process)
        if process.poll() is None:
            process.kill()


def call(request_id: int, tool: str, arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


def test_pitfall_129_a_line_that_is_no_json_gets_a_parse_error_and_the_server_goes_on() -> None:
    with server() as mcp:
        mcp.send("this is not JSON")
        assert mcp.answer(None)["error"]["code"] == -32700
        mcp.send(INITIALIZE)
        assert mcp.answer(1)["result"]["serverInfo"]["name"] == "ai-toolkit-mcp"
        mcp.send('{"jsonrpc": "2.0", "id": 3, "method": 5}')
        assert mcp.answer(None)["error"]["code"] == -32600
        mcp.send({"jsonrpc": "2.0", "id": 4, "method": "tools/list"})
        assert mcp.answer(4)["result"]["tools"]


def test_pitfall_113_an_unpaired_surrogate_in_an_argument_is_answered_under_its_id() -> None:
    with server() as mcp:
        mcp.send(INITIALIZE)
        mcp.answer(1)
        mcp.send(
            '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":'
            '{"name":"get-training-logs","arguments":{"job_id":"\\ud800"}}}'
        )
        assert mcp.answer(9)["error"]["code"] == -32700


def test_initialize_and_list_are_answered_while_the_backend_is_down() -> None:
    with server() as mcp:
        mcp.send(INITIALIZE)
        mcp.answer(1)
        mcp.send({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        assert mcp.answer(2)["result"]["tools"]
        mcp.send(call(3, "get-training-logs", {"job_id": "x"}))
        result = mcp.answer(3)["result"]
        assert result["isError"] is True
        error = result["structuredContent"]["error"]
        assert error["code"] == "BACKEND_UNREACHABLE"
        assert "AI_TOOLKIT_SERVER_URL" in error["remedy"]


def test_pitfall_67_and_73_failures_are_errors_with_a_code() -> None:
    with server() as mcp:
        mcp.send(INITIALIZE)
        mcp.answer(1)
        mcp.send(call(2, "get-training-logs", {"job_id": "x", "lines": "abc", "colour": 1}))
        result = mcp.answer(2)["result"]
        assert result["isError"] is True
        faults = result["structuredContent"]["error"]["details"]["faults"]
        assert {fault["path"] for fault in faults} == {"/lines", "/colour"}
        mcp.send(call(3, "no-such-tool", {}))
        assert mcp.answer(3)["error"]["code"] == -32602


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_at_once_though_stdin_stays_open(number: signal.Signals) -> None:
    with server() as mcp:
        mcp.send(INITIALIZE)
        mcp.answer(1)
        mcp.process.send_signal(number)
        assert mcp.process.wait(timeout=20) == 0


def test_the_end_of_stdin_ends_the_server() -> None:
    with server() as mcp:
        mcp.send(INITIALIZE)
        mcp.answer(1)
        assert mcp.process.stdin is not None
        mcp.process.stdin.close()
        assert mcp.process.wait(timeout=20) == 0
