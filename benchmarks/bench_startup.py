"""Start-up of `aitk mcp` to the first tools/list, against a bare SDK server with one tool.

    uv run python benchmarks/bench_startup.py [RUNS]

Both are started in turn; the ratio of the medians travels between machines, the seconds do not.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

BARE = """
import asyncio
import mcp_types as t
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

async def list_tools(ctx, params):
    return t.ListToolsResult(tools=[t.Tool(name="one", description="One tool.",
                                           input_schema={"type": "object"})])

async def main():
    server = Server("bare", version="1", on_list_tools=list_tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

asyncio.run(main())
"""
HANDSHAKE = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]
AIM = 1.15


def first_list(command: list[str]) -> tuple[float, int]:
    """Return seconds to the first tools/list answer, and how many tools it names."""
    environment = {**os.environ, "AI_TOOLKIT_SERVER_URL": "http://127.0.0.1:9"}
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for message in HANDSHAKE:
            process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        while True:
            answer = json.loads(process.stdout.readline())
            if answer.get("id") == 2:
                break
        seconds = time.perf_counter() - begun
        process.stdin.close()
        process.wait(timeout=10)
    return seconds, len(answer["result"]["tools"])


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    ours, bare = [sys.executable, "-m", "aitk_core", "mcp"], [sys.executable, "-c", BARE]
    first_list(ours)
    first_list(bare)
    pairs = [(first_list(ours), first_list(bare)) for _ in range(runs)]
    mine = statistics.median(a[0] for a, _ in pairs)
    theirs = statistics.median(b[0] for _, b in pairs)
    ratio = statistics.median(a[0] / b[0] for a, b in pairs)
    print(f"aitk mcp, {pairs[0][0][1]} tools: {mine:.3f} s (median of {runs})")
    print(f"bare SDK server, 1 tool:  {theirs:.3f} s")
    print(f"ratio, pair by pair: {ratio:.2f} (aim: at most {AIM})")


if __name__ == "__main__":
    main()
