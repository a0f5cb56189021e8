"""Configs as texts and drafts, and their short form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import InvalidArgumentsError, TooLargeError
from aitk_guardrails.lint.facts import DatasetFacts, LintFacts, ModelFacts
from aitk_guardrails.lint.inputs import Draft, config_of, config_of_text, draft_config
from aitk_guardrails.lint.normalized import normalized_config
from aitk_guardrails.lint.run import lint

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_json_and_yaml_of_one_config_are_the_same() -> None:
    assert config_of_text('{"a": {"lr": 1e-4}}') == config_of_text("a:\n  lr: 1e-4\n")


def test_yaml_with_brackets_is_read() -> None:
    assert config_of_text("{a: 1, b: [x]}") == {"a": 1, "b": ["x"]}


def test_an_object_is_itself() -> None:
    given_config = {"a": 1}
    assert config_of(given_config) is given_config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: [1\n", "line 3"),
        ('a:\n  b: "x\n', "line 3"),
        ('{"a": 1,\n "b": }', "line 2"),
        ("- a\n- b\n", "a list"),
        ("", "is empty"),
        ("a: .nan", "not finite"),
        ("a: !!python/object/apply:os.system ['true']", "line 1"),
        ("a: " + "[" * 100 + "]" * 100, "deeper"),
        (BOMB, "more than"),
        ("a: *nowhere", "line 1"),
        ("a: \ud800", "UTF-8"),
    ],
)
def test_a_text_that_is_no_config_says_why(text: str, words: str) -> None:
    with pytest.raises(InvalidArgumentsError, match=words) as caught:
        config_of_text(text)
    assert caught.value.details["faults"][0]["path"] == "/config"


def test_a_text_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(TooLargeError):
        config_of_text("a: " + "x" * 3_000_000)


@given(st.text(max_size=200))
def test_any_text_is_a_config_or_a_typed_error(text: str) -> None:
    try:
        config = config_of_text(text)
    except InvalidArgumentsError:
        return
    json.dumps(config, allow_nan=False)


def test_a_draft_is_a_whole_config_without_errors() -> None:
    draft = Draft(
        model_name="black-forest-labs/FLUX.1-dev",
        dataset_path="/data/a",
        trigger_word="zxc",
        test_prompts=("a zxc dog",),
    )
    config = draft_config(draft)
    assert [each.code for each in lint(config) if each.severity == "error"] == []
    short = normalized_config(config)
    assert short["train"] == {
        "resolution": [512],
        "batch_size": 1,
        "steps": 1000,
        "learning_rate": 2e-4,
        "rank": 16,
        "alpha": 16,
    }
    assert short["model"]["is_flux_model"]
    assert short["model"]["is_flux_arch"]
    assert short["sample"] == {"prompt_count": 1, "trigger_word": "zxc"}


def test_a_draft_of_an_unknown_model_asks_for_the_architecture() -> None:
    with pytest.raises(InvalidArgumentsError, match="architecture"):
        draft_config(Draft(model_name="someone/thing", dataset_path="/data/a"))


@pytest.mark.parametrize(
    "config", [None, [], 3, {}, {"config": None}, {"config": {"process": [1]}}]
)
def test_the_short_form_of_no_config_is_null_and_never_zero(config: Any) -> None:
    short = normalized_config(config)
    assert short["job_name"] is None
    assert short["dataset"] == {"path": None, "exists": None, "stats": {"checked": False}}
    assert short["model"]["resolved_name_or_path"] is None


def test_the_short_form_tells_what_was_found() -> None:
    facts = LintFacts(
        datasets={"/data/a": DatasetFacts(state="missing")},
        models={"m.safetensors": ModelFacts(state="file", resolved="/m", resolution_source="root")},
    )
    draft = Draft(model_name="m.safetensors", dataset_path="/data/a", arch="sd15")
    short = normalized_config(draft_config(draft), facts)
    assert short["dataset"]["exists"] is False
    assert (short["model"]["resolved_name_or_path"], short["model"]["resolution_source"]) == (
        "/m",
        "root",
    )
