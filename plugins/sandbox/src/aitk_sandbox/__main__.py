"""Run the sandbox alone: `python -m aitk_sandbox --data DIR --port N`."""

from __future__ import annotations

import sys

from aitk_sandbox.server import main

if __name__ == "__main__":
    sys.exit(main())
