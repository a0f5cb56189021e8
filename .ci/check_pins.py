"""Fail when the environment holds a version that the root pyproject.toml does not pin."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Compare what is installed with the pins; return the exit status."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pins = dict(pin.split("==") for pin in project["tool"]["uv"]["constraint-dependencies"])
    own = {"ai-toolkit-mcp", "aitk-core", "aitk-schemas"}
    own |= {f"aitk-{folder.name}" for folder in (ROOT / "plugins").iterdir() if folder.is_dir()}
    faults = []
    for distribution in distributions():
        name = distribution.name.lower().replace("_", "-")
        if name not in own and pins.get(name) != distribution.version:
            faults.append(f"{name}=={distribution.version} is not pinned")
    sys.stdout.write("\n".join(faults) + ("\n" if faults else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
