"""What a check gets: one training process of a config, and what is known beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from aitk_core.configkeys.archs import archs, archs_named
from aitk_core.configkeys.json_values import shown
from aitk_core.configkeys.paths import to_pointer
from aitk_core.configkeys.rules import Process
from aitk_guardrails.lint.facts import LintFacts
from aitk_guardrails.lint.fixes import changed
from aitk_guardrails.lint.issues import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aitk_core.configkeys.archs import Arch
    from aitk_guardrails.lint.issues import Severity

_LONGEST_TEXT: Final = 200


@frozen(kw_only=True)
class Subject:
    """One process that trains, in its config.

    Dotted paths are those below the process: `train.lr`, `datasets.0.folder_path`.
    """

    config: Mapping[str, Any]
    index: int
    """Of the process in `config.process`."""
    process: Process
    facts: LintFacts

    def given(self, path: str) -> Any:
        """Return the value at a path, None where there is none; lists are entered by index."""
        value: Any = self.process.block
        for key in path.split("."):
            if isinstance(value, list):
                value = value[int(key)] if key.isdecimal() and int(key) < len(value) else None
            else:
                value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def has(self, path: str) -> bool:
        """Return whether the last key of a path is there, be it null."""
        above, _, name = path.rpartition(".")
        block = self.given(above) if above else self.process.block
        return isinstance(block, Mapping) and name in block

    def text(self, path: str) -> str | None:
        """Return the text that the trainer uses; None for an empty one or another type."""
        value = self.process.value(path)
        return value if isinstance(value, str) and value.strip() else None

    def number(self, path: str) -> float | None:
        """Return the finite number that the trainer uses, None where it is none."""
        return finite(self.process.value(path))

    def count(self, path: str) -> int | None:
        """Return the whole number of 1 or more that the trainer uses, None where it is none."""
        value = self.number(path)
        return int(value) if value is not None and value.is_integer() and value >= 1 else None

    def on(self, path: str) -> bool:
        """Return whether the trainer takes the value for true."""
        return self.process.on(path)

    @property
    def arch(self) -> Arch | None:
        """Return the entry of the backend's form, None where the config names none of its ids.

        An id without its tag is the entry of the trainer's own architecture that the model's name
        speaks of, else the first.
        """
        named = self.given("model.arch")
        if isinstance(named, str) and named in archs():
            return archs()[named]
        bare = self.process.arch
        family = [each for each in archs().values() if each.trainer_arch == bare]
        spoken = archs_named(self.text("model.name_or_path") or "")
        return next((each for each in family if each.id in spoken), next(iter(family), None))

    @property
    def rank(self) -> float | None:
        """Return the rank of the network; the older name wins, as in the trainer."""
        return self.number("network.rank") or self.number("network.linear")

    @property
    def alpha(self) -> float | None:
        """Return the network's alpha as the trainer reads it."""
        linear = finite(self.given("network.linear_alpha"))
        return linear if linear is not None else self.number("network.alpha")

    @property
    def trains_lora(self) -> bool:
        """Return whether a low-rank network is trained, LoKr included."""
        return isinstance(self.given("network"), Mapping)

    @property
    def is_full_lokr(self) -> bool:
        """Return whether the network is a LoKr of full rank, which reads neither rank nor alpha."""
        kind = self.text("network.type") or ""
        return kind.lower() == "lokr" and self.on("network.lokr_full_rank")

    def folder(self, index: int) -> str | None:
        """Return the folder of a dataset; `dataset_path` wins, as in the trainer."""
        for name in ("dataset_path", "folder_path"):
            value = self.given(f"datasets.{index}.{name}")
            if isinstance(value, str) and value.strip():
                return value
        return None

    @property
    def resolutions(self) -> tuple[float, ...]:
        """Return the resolutions of all datasets, ascending."""
        found: set[float] = set()
        for _, dataset in self.process.datasets:
            value = dataset.get("resolution", 512)
            for each in value if isinstance(value, list) else [value]:
                number = finite(each)
                found |= {number} if number is not None and number > 0 else set()
        return tuple(sorted(found))

    @property
    def prompts(self) -> tuple[tuple[str, str], ...]:
        """Return the sample prompts with their paths; `prompts` counts only without `samples`."""
        rows = self.given("sample.samples")
        if rows is None:
            plain = self.given("sample.prompts")
            found = enumerate(plain if isinstance(plain, list) else ())
            return tuple((f"sample.prompts.{i}", each) for i, each in found if _is_text(each))
        return tuple(
            (f"sample.samples.{i}.prompt", each["prompt"])
            for i, each in enumerate(rows if isinstance(rows, list) else ())
            if isinstance(each, Mapping) and _is_text(each.get("prompt"))
        )

    def pointer(self, path: str) -> str:
        """Return the JSON Pointer of a path."""
        below = path.split(".") if path else []
        return to_pointer(("config", "process", str(self.index), *below))

    def issue(
        self,
        code: str,
        severity: Severity,
        path: str,
        message: str,
        *,
        why: str,
        source: str,
        expected: Any = None,
        change: Mapping[str, Any] | None = None,
    ) -> Issue:
        """Return an issue of this process.

        Args:
            code: Upper-case words.
            severity: How grave it is.
            path: Dotted path of the value.
            message: One sentence.
            why: What happens otherwise.
            source: Where the rule comes from.
            expected: What would be right.
            change: What would end it: dotted path to new value.
        """
        prefix = f"config.process.{self.index}"
        changes = {f"{prefix}.{key}": each for key, each in (change or {}).items()}
        return Issue(
            code=code,
            severity=severity,
            message=message,
            path=self.pointer(path),
            value=bounded(self.given(path) if path else None),
            expected=expected,
            why=why,
            source=source,
            fix=changed(self.config, changes) if changes else None,
        )


Check: TypeAlias = "Callable[[Subject], Iterable[Issue]]"


def finite(value: Any) -> float | None:
    """Return a finite number, None for anything else; a boolean is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def bounded(value: Any) -> Any:
    """Return a value cut to what an answer may hold."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if value is None or isinstance(value, bool | int | float):
        return value
    return shown(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
