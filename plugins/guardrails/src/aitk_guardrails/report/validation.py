"""The answer of validate-training-config, in the contract's shape (TOOLS.md, tool 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.paths import from_pointer
from aitk_guardrails.lint.normalized import normalized_config
from aitk_guardrails.lint.run import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aitk_guardrails.collect.records import Collected
    from aitk_guardrails.lint.issues import Issue

_COVERED: Final = frozenset(
    {
        "CAPTION_EMPTY",
        "CAPTION_MISSING",
        "IMAGE_DAMAGED",
        "IMAGE_EMPTY_FILE",
        "IMAGE_NOT_AN_IMAGE",
        "IMAGE_TRUNCATED",
    }
)
"""Findings of a dataset that an issue of the contract tells already."""
_FIXES: Final = 20
_FINDINGS: Final = 20
_TOLD: Final = 8


def build(
    config: Any,
    issues: Sequence[Issue],
    collected: Collected,
    memory: Mapping[str, Any],
    *,
    config_context: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the document, JSON-ready.

    Args:
        config: As it was checked.
        issues: Of the checks.
        collected: What they knew.
        memory: The estimate of VRAM.
        config_context: Where the config comes from.
    """
    told = [issue_json(each) for each in issues]
    errors = [each for each in told if each["severity"] == "error"]
    warnings = [each for each in told if each["severity"] == "warning"]
    warnings += _dataset_findings(collected)
    normalized = normalized_config(config, collected.facts)
    document = collected.datasets.get(normalized["dataset"]["path"] or "")
    if document is not None:
        normalized["dataset"]["stats"] = {"checked": True, **document["dataset_analysis"]}
    return {
        "valid": is_valid(issues),
        "errors": errors,
        "warnings": warnings,
        "notes": [each for each in told if each["severity"] == "info"],
        "not_checked": list(collected.open_questions),
        "suggested_fixes": _fixes([*errors, *warnings]),
        "normalized_config": normalized,
        "vram": dict(memory),
        "summary": {
            "error_count": len(errors),
            "warning_count": len(warnings),
            "is_flux_model": normalized["model"]["is_flux_model"],
            "dataset_checked": document is not None,
        },
        "config_context": dict(config_context),
    }


def issue_json(issue: Issue) -> dict[str, Any]:
    """Return an issue, JSON-ready; `field` is the dotted path that config changes are given by."""
    return {
        "code": issue.code,
        "severity": issue.severity,
        "message": issue.message,
        "field": ".".join(from_pointer(issue.path)).removeprefix("config.") or None,
        "path": issue.path,
        "value": issue.value,
        "expected": issue.expected,
        "why": issue.why,
        "source": issue.source,
        "fix": None if issue.fix is None else issue.fix.to_json(),
    }


def _dataset_findings(collected: Collected) -> list[dict[str, Any]]:
    """Return what inspect-dataset warns of beyond the contract's issues."""
    return [
        {
            "code": finding["code"],
            "severity": "warning",
            "message": finding["message"],
            "field": None,
            "path": "",
            "value": folder,
            "expected": None,
            "why": "what a dataset gets wrong is learnt, or not read at all",
            "source": f"inspect-dataset, method {finding['method']}",
            "fix": None,
        }
        for folder, document in collected.datasets.items()
        for finding in document["findings"]
        if finding["severity"] != "info" and finding["code"] not in _COVERED
    ][:_FINDINGS]


def _fixes(issues: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each issue; the contract's single one where there is none."""
    if not issues:
        return ["No problem was found; the config may proceed to training."]
    found = list(dict.fromkeys(_fix(each) for each in issues))
    more = len(found) - _FIXES
    return found[:_FIXES] + ([f"and {more} more, in errors and warnings"] if more > 0 else [])


def _fix(issue: Mapping[str, Any]) -> str:
    what = "; ".join(_steps(issue["fix"])) if issue["fix"] else ""
    return f"{issue['code']}: {what or issue['message']}"


def _steps(operations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in operations:
        place = ".".join(from_pointer(each["path"])).removeprefix("config.")
        if each["op"] == "remove":
            yield f"remove {place}"
        elif each["op"] != "test":
            yield f"set {place} to {each.get('value')!r}"[:300]


def summarize(data: Mapping[str, Any]) -> str:
    """Return a few lines for a person."""
    summary = data["summary"]
    verdict = "The config can start" if data["valid"] else "The config must not start"
    counts = [
        _counted(summary["error_count"], "error"),
        _counted(summary["warning_count"], "warning"),
        _counted(len(data["notes"]), "note"),
    ]
    lines = [f"{verdict}: {', '.join(counts)}."]
    told = [*data["errors"], *data["warnings"]]
    lines += [
        f"- {each['code']} ({each['severity']}) {each['field'] or ''}: {each['message']}"
        for each in told[:_TOLD]
    ]
    if len(told) > _TOLD:
        lines.append(f"and {len(told) - _TOLD} more in the document.")
    lines.append(_memory_text(data["vram"]))
    lines += [f"Not checked: {each}." for each in data["not_checked"]]
    return "\n".join(lines)


def _memory_text(memory: Mapping[str, Any]) -> str:
    if memory["estimate_gib"] is None:
        return f"VRAM: not estimated: {memory['reason']}."
    return (
        f"VRAM: {memory['low_gib']:.1f} to {memory['high_gib']:.1f} GiB ({memory['method']}); "
        f"fits: {memory['fits']['verdict']}."
    )


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
