"""The `aitk` command. Arguments are read first; everything heavy is imported after."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    from aitk_core.cli import commands
    from aitk_core.cli.parser import parse
    from aitk_core.errors import AitkError

    try:
        status = commands.run(parse(list(sys.argv[1:] if argv is None else argv)))
        # Short output is written only now; a reader that has gone shows here, not at exit.
        sys.stdout.flush()
    except AitkError as error:
        sys.stderr.write(f"aitk: {error.code}: {error}\n")
        if error.remedy:
            sys.stderr.write(f"aitk: {error.remedy}\n")
        return 1
    except BrokenPipeError:
        # `aitk tools | head`: the reader has had enough. Without this, the interpreter's
        # own flush at exit complains.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def serve_stdio() -> int:
    """Serve MCP over stdio: what the command `ai-toolkit-mcp` does."""
    return main(["mcp", *sys.argv[1:]])
