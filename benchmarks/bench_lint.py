"""How many planted mistakes the config lint finds, and how many errors it sees in sound configs.

    uv run python benchmarks/bench_lint.py [--misses] [--write]

Sound configs are the examples that the AI Toolkit ships and what its form makes for each of its
architectures. One mistake is planted in each of many copies. The tuning half has one half of the
configs and one seed, the held-out half the others and another seed; `--misses` lists what the
tuning half misses, and never the other. `--write` puts the figures into benchmarks/lint.json, where
the first measurement stays.

Names, types and choices are planted by the same key table that the lint reads: those rows say that
nothing is lost on the way, and that fixes and places are right, not that the table is complete. The
rows about models with other public names, limits and conflicts do not come from it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from planted_configs import KINDS, Planter

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.form import form_process
from aitk_core.statistics.rates import binomial_interval
from aitk_guardrails.lint.run import lint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planted_configs import Planted

FOLDER: Final = Path(__file__).parent
EXAMPLES: Final = FOLDER.parent / "plugins" / "guardrails" / "tests" / "data" / "examples.json"
FIGURES: Final = FOLDER / "lint.json"
SEEDS: Final = {"tuning": 1, "held out": 20_260_817}
EACH: Final = 4
"""Mistakes of each kind in each config."""


def sound_configs() -> dict[str, Any]:
    """Return the configs without a mistake, by name."""
    shipped: dict[str, Any] = json.loads(EXAMPLES.read_text("utf-8"))["configs"]
    return shipped | {f"form {arch_id}": form_config(arch_id) for arch_id in archs()}


def form_config(arch_id: str) -> dict[str, Any]:
    """Return what the form makes for an architecture once a folder is chosen."""
    arch = archs()[arch_id]
    process = form_process(arch)
    dataset = process["datasets"][0]
    dataset["folder_path"] = "/data/pictures"
    for key in ("control_path", "control_path_1"):
        if key in dataset:
            dataset[key] = "/data/controls"
    process["sample"]["samples"] = [{"prompt": "a red house by a lake"}]
    process["model"]["name_or_path"] = arch.default_name_or_path
    return {"job": "extension", "config": {"name": "my_lora", "process": [process]}}


def found(planted: Planted, sound: frozenset[tuple[str, str]]) -> bool:
    """Return whether the lint points at a mistake with what it does not say of the sound config."""
    return any(
        each.severity != "info"
        and (each.code, each.path) not in sound
        and any(
            each.path == place or place.startswith(f"{each.path}/") or each.path.startswith(place)
            for place in planted.places
        )
        for each in lint(planted.config)
    )


def measured(*, misses: bool) -> dict[str, Any]:
    """Return the figures of sound configs and of both halves."""
    sound = sound_configs()
    wrong = {name: _errors(config) for name, config in sound.items()}
    figures: dict[str, Any] = {
        "sound": {"configs": len(sound), "with_errors": sum(map(bool, wrong.values()))}
    }
    for name, errors in wrong.items():
        if errors:
            print(f"error in a sound config: {name}: {errors}")
    started = time.perf_counter()
    for config in sound.values():
        lint(config)
    print(f"one lint takes {1000 * (time.perf_counter() - started) / len(sound):.1f} ms")
    names = sorted(name for name, config in sound.items() if _is_judged(config))
    for half, chosen in (("tuning", names[::2]), ("held out", names[1::2])):
        figures[half] = _half(half, {name: sound[name] for name in chosen}, misses=misses)
    return figures


def _is_named(planted: Planted, config: Mapping[str, Any]) -> bool:
    return any(each.path in planted.places for each in lint(config) if each.severity != "info")


def _errors(config: Mapping[str, Any]) -> list[str]:
    return [f"{each.code} {each.path}" for each in lint(config) if each.severity == "error"]


def _is_judged(config: Mapping[str, Any]) -> bool:
    return not any(each.code == "NOT_COVERED" for each in lint(config))


def _half(half: str, configs: Mapping[str, Any], *, misses: bool) -> dict[str, Any]:
    planter = Planter(SEEDS[half])
    kinds: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        hits: list[bool] = []
        for name, config in configs.items():
            sound = frozenset((each.code, each.path) for each in lint(config))
            for _ in range(EACH):
                planted = planter.plant(kind, config)
                # What is said of the sound config, too, cannot show that the mistake was seen.
                if planted is None or _is_named(planted, config):
                    continue
                hits.append(found(planted, sound))
                if misses and half == "tuning" and not hits[-1]:
                    print(f"missed: {kind}: {name}: {planted.what}")
        kinds[kind] = _share(hits)
    total = [sum(each[key] for each in kinds.values()) for key in ("found", "planted")]
    low, high = binomial_interval(*total)
    return {
        "all": {"found": total[0], "planted": total[1], "interval": [low, high]},
        "kinds": kinds,
    }


def _share(hits: Sequence[bool]) -> dict[str, Any]:
    low, high = binomial_interval(sum(hits), len(hits)) if hits else (0.0, 1.0)
    return {"found": sum(hits), "planted": len(hits), "interval": [low, high]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="list what the tuning half misses")
    parser.add_argument("--write", action="store_true", help="write benchmarks/lint.json")
    given = parser.parse_args()
    figures = measured(misses=given.misses)
    sound = figures["sound"]
    print(f"sound configs with an error: {sound['with_errors']} of {sound['configs']}")
    for half in SEEDS:
        rows = {"all": figures[half]["all"], **figures[half]["kinds"]}
        for kind, row in rows.items():
            low, high = row["interval"]
            share = row["found"] / row["planted"] if row["planted"] else 0.0
            print(
                f"{half:9} {kind:24} {row['found']:5} of {row['planted']:5}  {share:6.1%}"
                f"  [{low:.1%}, {high:.1%}]"
            )
    if given.write:
        held = json.loads(FIGURES.read_text("utf-8"))["first"] if FIGURES.is_file() else figures
        FIGURES.write_text(json.dumps({"first": held, "now": figures}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
