"""What holds of every lint: sound configs, hostile configs, and fixes."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.form import form_process
from aitk_core.configkeys.patch import apply_patch
from aitk_core.configkeys.paths import from_pointer
from aitk_core.configkeys.table import key_table
from aitk_core.errors import InvalidArgumentsError, TooLargeError
from aitk_core.testing.recorded import recorded_runs
from aitk_guardrails.lint.facts import DatasetFacts, LintFacts, ModelFacts
from aitk_guardrails.lint.issues import SEVERITIES
from aitk_guardrails.lint.normalized import normalized_config
from aitk_guardrails.lint.run import CHECKS, MOST_ISSUES, is_valid, lint

EXAMPLES = json.loads((Path(__file__).parent / "data/examples.json").read_text("utf-8"))["configs"]
RUNS = {name: json.loads(run.row["job_config"]) for name, run in recorded_runs().items()}
NAMES = sorted({key.name for key in key_table().keys})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["flowmatch", "flux", "wan22_14b:t2v", "sd15", "prodigy", "a|b", "fp16"])
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)
BLOCKS = ("model", "train", "network", "save", "sample", "logging", "datasets")
PROCESSES = st.fixed_dictionaries(
    {"type": st.sampled_from(["diffusion_trainer", "sd_trainer", "dataset_tools"]) | ANY_JSON},
    optional={
        **{
            name: st.dictionaries(
                st.sampled_from(
                    [key.name for key in key_table().keys if key.section == name] or NAMES
                ),
                SCALARS | st.lists(SCALARS, max_size=2),
                max_size=12,
            )
            | ANY_JSON
            for name in BLOCKS[:-1]
        },
        "datasets": st.lists(st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=6)),
        "trigger_word": SCALARS,
    },
)
FACTS = st.builds(
    LintFacts,
    datasets=st.dictionaries(
        st.text(max_size=3),
        st.builds(
            DatasetFacts,
            state=st.sampled_from(["folder", "file", "missing"]),
            images=st.none() | st.integers(0, 50),
        ),
        max_size=2,
    ),
    models=st.dictionaries(
        st.text(max_size=3),
        st.builds(ModelFacts, state=st.sampled_from(["folder", "file", "missing"])),
        max_size=2,
    ),
    free_disk_bytes=st.none() | st.integers(0, 10**12),
    gpu_memory_bytes=st.none() | st.integers(0, 10**11),
    existing_step=st.none() | st.integers(0, 5000),
)


def form_config(arch_id: str) -> dict[str, Any]:
    arch = archs()[arch_id]
    process = form_process(arch)
    process["datasets"][0]["folder_path"] = "/data/pictures"
    for key in ("control_path", "control_path_1"):
        if key in process["datasets"][0]:
            process["datasets"][0][key] = "/data/controls"
    process["model"]["name_or_path"] = arch.default_name_or_path
    return {"job": "extension", "config": {"name": "my_lora", "process": [process]}}


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_example_of_the_backend_has_an_error(name: str) -> None:
    assert [each for each in lint(EXAMPLES[name]) if each.severity == "error"] == []


@pytest.mark.parametrize("arch_id", list(archs()))
def test_what_the_backends_form_makes_has_no_error(arch_id: str) -> None:
    assert [each for each in lint(form_config(arch_id)) if each.severity == "error"] == []


@pytest.mark.parametrize("name", RUNS)
def test_a_config_that_ran_has_no_error_of_the_key_table(name: str) -> None:
    known = {"MODEL_ARCH_MISMATCH", "LEARNING_RATE_HIGH"}
    errors = [each.code for each in lint(RUNS[name]) if each.severity == "error"]
    assert set(errors) <= known


@settings(deadline=None)
@given(ANY_JSON | st.fixed_dictionaries({"config": ANY_JSON}), FACTS)
def test_any_json_gives_issues_and_a_short_form(config: Any, facts: LintFacts) -> None:
    issues = lint(config, facts)
    assert issues
    json.dumps(normalized_config(config, facts), allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(PROCESSES, FACTS)
def test_issues_are_ranked_placed_bounded_and_fit_for_json(process: Any, facts: LintFacts) -> None:
    config = {"job": "extension", "config": {"name": "a", "process": [process]}}
    before = deepcopy(config)
    issues = lint(config, facts)
    assert config == before
    assert len(issues) <= MOST_ISSUES
    ranks = [SEVERITIES.index(each.severity) for each in issues]
    assert ranks == sorted(ranks)
    assert len({(each.code, each.path) for each in issues}) == len(issues)
    for each in issues:
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", each.code)
        assert from_pointer(each.path)[:1] in {("config",), ("job",)}
        assert each.why
        assert each.source
        assert len(each.message) < 1500
        assert "\n" not in each.message
        json.dumps([each.value, each.expected], allow_nan=False)
        if each.fix is not None:
            fixed = apply_patch(config, each.fix)
            assert (each.code, each.path) not in {
                (left.code, left.path) for left in lint(fixed, facts)
            }


@settings(max_examples=10, deadline=None)
@given(PROCESSES, FACTS)
def test_a_check_says_the_same_alone_as_among_all(process: Any, facts: LintFacts) -> None:
    config = {"job": "extension", "config": {"name": "a", "process": [process]}}
    every = {(each.code, each.path) for each in lint(config, facts)}
    for check in CHECKS:
        assert {(each.code, each.path) for each in lint(config, facts, checks=[check])} <= every


def test_only_an_error_makes_a_config_invalid() -> None:
    issues = lint(form_config("flux"))
    assert {each.severity for each in issues} >= {"warning", "info"}
    assert is_valid(issues)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentsError):
        lint({"config": value})


def test_a_config_of_too_many_values_is_refused() -> None:
    with pytest.raises(TooLargeError):
        lint({"config": [0] * 60_000})
