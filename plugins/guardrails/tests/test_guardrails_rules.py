"""Rules: the contract's vectors, modes, readings in a row, and episodes that are told once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import InvalidArgumentsError
from aitk_core.evidence.liveness import Liveness
from aitk_core.records.findings import Finding
from aitk_guardrails.rules import contract
from aitk_guardrails.rules.judge import CLEARED_AFTER, check_rules, judge, mode_of
from aitk_guardrails.rules.memory import Memory
from aitk_guardrails.rules.reading import Reading
from aitk_guardrails.rules.settings import Guardrails
from aitk_guardrails.rules.table import BY_NAME, RULES

VECTORS = json.loads((Path(__file__).parent / "data/guardrail_vectors.json").read_text("utf-8"))
ALIVE = Liveness(verdict="training", phase="training", reason="steps come")


def reading(step: int = 100, **values: Any) -> Reading:
    usual: dict[str, Any] = {
        "at": 1000.0 + step,
        "status": "running",
        "step": step,
        "total_steps": 1000,
        "progress_percent": step // 10,
        "phase": "training",
        "liveness": ALIVE,
        "oom_count": 0,
        "iter_per_sec": 1.0,
        "grew": True,
        "launched": 1.0,
    }
    return Reading(**usual | values)


def finding(code: str, severity: Any = "critical") -> Finding:
    return Finding(
        code=code, category="quality", severity=severity, message=f"{code}!", method="m_v1"
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_contracts_stop_reasons_are_reproduced(vector: dict[str, Any]) -> None:
    given_, wanted = vector["input"], vector["output"]
    guardrails = Guardrails(**given_["guardrails"])
    speed = (given_["speed_analysis"].get("iter_per_sec") or {}).get("latest")
    slow = contract.low_speed(speed, given_["consecutive_low_speed"], guardrails)
    found = {
        "nan": (contract.NAN, contract.nonfinite(given_["quality_analysis"]["flags"])),
        "oom": (
            contract.OOM,
            contract.repeated_oom(
                given_["error_analysis"]["category_counts"].get("oom", 0), guardrails
            ),
        ),
        "throughput": (contract.SPEED, contract.collapsed(speed, slow, guardrails)),
        "stall": (
            contract.STALL,
            contract.stalled(
                given_["current_step"],
                given_["last_progress_step"],
                given_["seconds_since_progress"],
                guardrails,
            ),
        ),
    }
    told = {
        code: evidence
        for name, (code, evidence) in found.items()
        if evidence is not None and mode_of(BY_NAME[name], guardrails) != "off"
    }
    if vector["verdict"] == "keep":
        assert sorted(told) == sorted(wanted["codes"])
        assert {each["code"]: each["evidence"] for each in wanted.get("triggers", ())} == told
        assert slow == wanted["consecutive_low_speed"]


def test_every_rule_says_what_it_does_and_how_often_it_is_wrong() -> None:
    for rule in RULES:
        assert rule.summary
        assert rule.false_alarms
        assert rule.readings >= 1
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_a_rule_acts_once_it_held_for_its_readings_in_a_row() -> None:
    memory, guardrails = Memory(), Guardrails()
    diverged = reading(findings=(finding("LOSS_DIVERGED"),))
    assert BY_NAME["divergence"].readings == 2
    assert judge(diverged, guardrails, memory) == ()
    assert judge(reading(101), guardrails, memory) == ()
    assert judge(evolve(diverged, step=102), guardrails, memory) == ()
    (trigger,) = judge(evolve(diverged, step=103), guardrails, memory)
    assert (trigger.code, trigger.mode) == ("TRAINING_DIVERGED", "stop")


def test_a_second_look_at_the_same_points_is_no_second_reading() -> None:
    memory, guardrails = Memory(), Guardrails()
    diverged = reading(findings=(finding("LOSS_DIVERGED"),))
    assert judge(diverged, guardrails, memory) == ()
    for _ in range(10):
        assert judge(evolve(diverged, grew=False), guardrails, memory) == ()
    assert len(judge(evolve(diverged, step=101), guardrails, memory)) == 1


def test_a_warning_finding_never_counts_as_divergence() -> None:
    memory = Memory()
    for step in range(10):
        shown = reading(step, findings=(finding("LOSS_LEVEL_SHIFT", "warning"),))
        assert judge(shown, Guardrails(), memory) == ()


def test_findings_of_plugins_are_rules_by_their_code() -> None:
    guardrails = Guardrails(rules={"ACME_HOT": "stop"})
    memory = Memory()
    shown = reading(findings=(finding("ACME_HOT", "warning"), finding("ACME_GRAVE")))
    judge(shown, guardrails, memory)
    told = judge(evolve(shown, step=101), guardrails, memory)
    assert {(each.code, each.mode) for each in told} == {
        ("ACME_HOT", "stop"),
        ("ACME_GRAVE", "warn"),  # grave, and nobody named it: told, and nothing is stopped
    }


def test_another_launch_begins_anew() -> None:
    memory, guardrails = Memory(), Guardrails()
    diverged = reading(findings=(finding("LOSS_DIVERGED"),))
    judge(diverged, guardrails, memory)
    assert judge(evolve(diverged, launched=500.0), guardrails, memory) == ()


@given(st.lists(st.booleans(), max_size=80))
def test_a_finding_that_comes_and_goes_is_told_once_for_each_episode(held: list[bool]) -> None:
    """Flap limit: one open notification, and a close only after a quiet while (promise 7)."""
    memory, guardrails = Memory(), Guardrails(rules={"overfitting": "off"})
    told: list[Any] = []
    for step, is_there in enumerate(held):
        found = (finding("STEPS_SLOWED_DOWN", "warning"),) if is_there else ()
        told += judge(reading(step, findings=found), guardrails, memory)
    states = [each.state for each in told]
    assert states == ["open", "resolved"] * (len(states) // 2) + ["open"] * (len(states) % 2)
    quiet = "".join("." if each else "-" for each in held).count("-" * CLEARED_AFTER)
    assert states.count("resolved") <= quiet
    assert [each.episode for each in told if each.state == "open"] == list(
        range(1, states.count("open") + 1)
    )


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 40))
def test_another_server_goes_on_with_the_memory_as_it_was_kept(held: list[bool], cut: int) -> None:
    guardrails = Guardrails()

    def play(restarts: bool) -> list[Any]:
        memory = Memory()
        told: list[Any] = []
        for step, is_there in enumerate(held):
            if restarts and step == cut:
                memory = Memory.from_json(json.loads(json.dumps(memory.to_json())))
            found = (finding("LOSS_DIVERGED"),) if is_there else ()
            told += judge(reading(step, findings=found), guardrails, memory)
        return told

    assert play(restarts=True) == play(restarts=False)


@pytest.mark.parametrize("rules", [{"nan": "maybe"}, {"nope": "stop"}, {"stop_on_nan": "off"}])
def test_a_rule_or_mode_that_is_none_is_refused_by_name(rules: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        check_rules(rules)
    assert next(iter(rules)) in str(caught.value)


def test_settings_survive_being_kept() -> None:
    settings = Guardrails(rules={"nan": "warn"}, max_hours=2.5, oom_threshold=7)
    again = Guardrails.from_json(json.loads(json.dumps(settings.to_json())) | {"newer": 1})
    assert again == settings


def test_a_stall_needs_more_silence_than_a_healthy_run_shows_in_that_phase() -> None:
    silent = Liveness(verdict="training", phase="training", reason="", silence_s=400, limit_s=600)
    memory, guardrails = Memory(), Guardrails(stall_window_seconds=10)
    for _ in range(5):
        assert judge(reading(liveness=silent, grew=False), guardrails, memory) == ()
    stuck = evolve(silent, verdict="stuck", silence_s=601.0)
    judge(reading(liveness=stuck, grew=False), guardrails, memory)
    (trigger,) = judge(reading(liveness=stuck, grew=False), guardrails, memory)
    assert trigger.code == "TRAINING_STALLED_PROGRESS"
    assert trigger.evidence["phase_limit_seconds"] == 600


def test_the_document_of_the_rules_shows_each_as_it_is() -> None:
    text = (Path(__file__).parents[3] / "docs" / "guardrails.md").read_text("utf-8")
    for rule in RULES:
        row = (
            f"| `{rule.name}` | `{rule.code}` | {rule.mode} | {rule.readings} | {rule.summary} "
            f"| {rule.false_alarms} |"
        )
        assert row in text, rule.name
