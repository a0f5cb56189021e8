"""The report for people, free of any format: what both pages say, in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.wording import shown, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_export.reporting.gathered import Gathered

_TEXT: Final = 600
_VALUE: Final = 200
_ORDER: Final = {"critical": 0, "warning": 1, "info": 2}


@frozen(kw_only=True)
class ShownFinding:
    """One finding in words."""

    severity: str
    code: str
    message: str
    facts: str
    """Estimate, interval, sample size, method, false-alarm rate."""
    evidence: tuple[str, ...]
    remedies: tuple[str, ...]
    unknown: tuple[str, ...]


@frozen(kw_only=True)
class ShownDifference:
    """One value that the configs do not share."""

    path: str
    baseline: str
    run: str


@frozen(kw_only=True)
class Shown:
    """The report in words; every text is one line of printable characters, still unescaped."""

    title: str
    generated_at: str
    health: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[ShownFinding, ...]
    not_assessed: tuple[tuple[str, str], ...]
    alerts: tuple[tuple[str, str], ...]
    """Severity and message."""
    components: tuple[tuple[str, str], ...]
    baseline_name: str | None
    differences: tuple[ShownDifference, ...]
    differences_left_out: int
    files: tuple[tuple[str, str, str], ...]
    """Name, kind and step, size."""
    log: tuple[str, ...]
    """Lines of the excerpt, untrusted."""
    notes: tuple[str, ...]


def show(gathered: Gathered, generated_at: str) -> Shown:
    """Return a report in words."""
    snapshot = gathered.snapshot
    report = _mapping(snapshot.get("run_report"))
    evaluation = gathered.evaluation
    found = [*_list(report.get("findings")), *gathered.sample_findings]
    findings = sorted(found, key=lambda each: _ORDER.get(str(each.get("severity")), 3))
    baseline = gathered.baseline or {}
    excerpt = _mapping(snapshot.get("logs")).get("raw_log_excerpt")
    return Shown(
        title=_one(gathered.job_name or gathered.job_id),
        generated_at=generated_at,
        health=_one(snapshot.get("overall_health")),
        summary=_one(report.get("summary")),
        facts=tuple(_facts(gathered)),
        findings=tuple(_finding(each) for each in findings),
        not_assessed=tuple(
            (_one(key), _one(why))
            for key, why in _mapping(report.get("not_assessed")).items()
            # The report itself does not look at them, but here they were looked at.
            if key != "samples" or not gathered.samples_seen
        ),
        alerts=tuple(
            (_one(each.get("severity")), _one(each.get("message")))
            for each in _list(snapshot.get("alerts"))
        ),
        components=_components(evaluation),
        baseline_name=_one(baseline.get("job_name") or baseline.get("job_id")) or None,
        differences=tuple(
            ShownDifference(
                path=_one(each["path"]),
                baseline=_one(_value(each["baseline"]), _VALUE),
                run=_one(_value(each["run"]), _VALUE),
            )
            for each in _list(baseline.get("differences"))
        ),
        differences_left_out=int(baseline.get("left_out", 0)),
        files=tuple(_file(each) for each in gathered.files),
        log=tuple(shown(line, _TEXT) for line in _lines(excerpt)),
        notes=tuple(_one(note) for note in gathered.notes),
    )


def _facts(gathered: Gathered) -> list[tuple[str, str]]:
    snapshot = gathered.snapshot
    status = _mapping(snapshot.get("status_snapshot"))
    report = _mapping(snapshot.get("run_report"))
    metrics = _mapping(report.get("metrics"))
    loss = _mapping(_mapping(snapshot.get("quality_analysis")).get("loss"))
    evaluation = gathered.evaluation or {}
    score = evaluation.get("overall_score")
    steps = f"{status.get('current_step')} of {status.get('total_steps')}"
    return [
        ("Status", _one(status.get("status"))),
        ("Steps", _one(steps)),
        ("Base model", _one(gathered.base_model)),
        ("Trigger word", _one(gathered.trigger_word)),
        ("Mean loss", _number(loss.get("mean"))),
        ("Mean speed", _with_unit(metrics.get("speed_mean_iter_per_sec"), "it/s")),
        ("Convergence score", _number(metrics.get("convergence_score"))),
        ("Stability score", _number(metrics.get("stability_score"))),
        ("Alerts", str(len(_list(snapshot.get("alerts"))))),
        (
            "Score",
            "not assessed"
            if not evaluation
            else f"{_number(score)} ({_one(evaluation.get('grade'))})",
        ),
    ]


def _finding(found: Mapping[str, Any]) -> ShownFinding:
    estimate = _mapping(found.get("estimate"))
    facts = []
    if estimate.get("value") is not None:
        text = f"{_number(estimate['value'])} {_one(estimate.get('unit'))}"
        if estimate.get("low") is not None:
            text += f" [{_number(estimate['low'])}, {_number(estimate.get('high'))}]"
        facts.append(text)
    if found.get("n") is not None:
        facts.append(f"n = {found['n']}")
    facts.append(f"method {_one(found.get('method'))}")
    rate = _mapping(found.get("false_alarm_rate"))
    if rate.get("rate") is not None:
        facts.append(f"false alarms {_number(rate['rate'])} {_one(rate.get('unit'))}")
    return ShownFinding(
        severity=_one(found.get("severity")),
        code=_one(found.get("code")),
        message=_one(found.get("message")),
        facts="; ".join(facts),
        evidence=tuple(_reference(each) for each in _list(found.get("evidence"))),
        remedies=tuple(_remedy(each) for each in _list(found.get("remedies"))),
        unknown=tuple(_one(each) for each in found.get("unknown") or ()),
    )


def _reference(found: Mapping[str, Any]) -> str:
    parts = [_one(found.get("source"))]
    if found.get("first_step") is not None:
        parts.append(f"steps {found['first_step']} to {found.get('last_step')}")
    if found.get("lines"):
        parts.append("lines " + ", ".join(str(line) for line in list(found["lines"])[:5]))
    if found.get("quote"):
        parts.append(
            f"\N{LEFT DOUBLE QUOTATION MARK}{_one(found['quote'], _VALUE)}"
            "\N{RIGHT DOUBLE QUOTATION MARK}"
        )
    return ", ".join(parts)


def _remedy(found: Mapping[str, Any]) -> str:
    text = _one(found.get("action"))
    if not found.get("path"):
        return text
    if found.get("value") is None:
        return f"{text} ({_one(found['path'])})"
    return f"{text} ({_one(found['path'])} = {_one(found['value'], _VALUE)})"


def _components(evaluation: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    parts = _mapping((evaluation or {}).get("components"))
    return tuple(
        (_one(name).replace("_", " "), "not assessed" if value is None else _number(value))
        for name, value in parts.items()
    )


def _file(found: Mapping[str, Any]) -> tuple[str, str, str]:
    size = found.get("size_bytes")
    kind = _one(found.get("kind"))
    if found.get("step") is not None:
        kind += f" {found['step']}"
    return _one(found.get("name")), kind, "" if size is None else size_text(int(size))


def _lines(excerpt: Any) -> list[str]:
    if isinstance(excerpt, str):
        return excerpt.splitlines()
    return [str(each) for each in _list_of(excerpt)]


def _list_of(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _one(value: Any, limit: int = _TEXT) -> str:
    return "" if value is None else shown(str(value), limit)


def _value(value: Any) -> str:
    return "(not set)" if value is None else str(value)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not known" if value is None else _one(value)
    return f"{value:.4g}"


def _with_unit(value: Any, unit: str) -> str:
    text = _number(value)
    return text if text == "not known" else f"{text} {unit}"
