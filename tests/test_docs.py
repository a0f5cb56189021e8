"""What the documents say is what is there."""

import json
import tomllib
from pathlib import Path

from aitk_core import __version__, hookspecs
from aitk_core.cli.reference import markdown
from aitk_core.proving.reference import methods_markdown
from aitk_core.registry import Registry
from aitk_core.settings import settings_table
from aitk_core.statistics.methods import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_readme_names_every_installed_tool(registry: Registry) -> None:
    missing = [name for name in registry.tools if f"`{name}`" not in README]
    assert not missing


def test_readme_shows_the_generated_table_of_settings(registry: Registry) -> None:
    """Mend with `aitk settings`."""
    begin = README.index("<!-- settings:")
    shown = README[README.index("\n", begin) + 1 : README.index("<!-- /settings -->")]
    assert shown.strip() == settings_table(registry.sections()).strip()


def test_reference_of_the_tools_is_made_from_the_schemas(registry: Registry) -> None:
    """Mend with `aitk tools --markdown > docs/tools.md`."""
    shown = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    assert shown == markdown(registry.tools.values(), registry.contracts)


def test_reference_of_the_methods_is_made_from_their_table_and_the_measured_rates() -> None:
    """Mend with `benchmarks/bench_detection.py --write`."""
    measured = json.loads((ROOT / "benchmarks" / "detection.json").read_text(encoding="utf-8"))
    heldout = json.loads((ROOT / "benchmarks" / "heldout.json").read_text(encoding="utf-8"))
    shown = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    failures = json.loads((ROOT / "benchmarks" / "failures.json").read_text(encoding="utf-8"))
    made = methods_markdown(METHODS.values(), measured, heldout=heldout, failures=failures)
    assert shown == made
    # What was measured is of the methods as they are now.
    assert set(measured["noise"]) | set(measured["detection"]) <= set(METHODS)
    assert set(heldout["wrong"]) | set(heldout["found"]) <= set(METHODS)


def test_contributing_names_every_hook() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("aitk_")]
    assert not [name for name in hooks if f"`{name}`" not in CONTRIBUTING]


def test_all_distributions_have_one_version() -> None:
    files = [ROOT / "pyproject.toml", *ROOT.glob("aitk_core/pyproject.toml")]
    files += [*ROOT.glob("schemas/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")]
    versions = {
        str(file.relative_to(ROOT)): tomllib.loads(file.read_text(encoding="utf-8"))["project"][
            "version"
        ]
        for file in files
    }
    assert set(versions.values()) == {__version__}, versions


def test_umbrella_requires_every_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {requirement.split(">")[0] for requirement in project["dependencies"]}
    folders = {f"aitk-{folder.parent.name}" for folder in ROOT.glob("plugins/*/pyproject.toml")}
    assert required == folders | {"aitk-core"}


def test_modules_stay_below_the_length_limit() -> None:
    limit = 400
    sources = [*ROOT.glob("aitk_core/src/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in sources
    }
    assert not {name: count for name, count in lengths.items() if count > limit}
