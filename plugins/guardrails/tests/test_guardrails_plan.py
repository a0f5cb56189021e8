"""The plan: configs that pass the lint, a reason for each number, no speed that is made up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.configkeys.archs import archs
from aitk_guardrails.lint.facts import DatasetFacts, LintFacts
from aitk_guardrails.lint.run import lint
from aitk_guardrails.plan.build import make_plan
from aitk_guardrails.plan.goal import goal_profile, names_flux
from aitk_guardrails.plan.numbers import exposures
from aitk_guardrails.plan.past import PastRun, StepTime
from aitk_guardrails.plan.records import PlanRequest
from aitk_guardrails.plan.shown import plan_document, plan_text
from aitk_guardrails.vram.settings import settings_of

if TYPE_CHECKING:
    from aitk_guardrails.plan.records import Plan, Profile

IDS = sorted(archs())


def request_for(arch_id: str | None = "flux", images: int | None = 30, **more: Any) -> PlanRequest:
    arch = archs()[arch_id] if arch_id else None
    facts = None if images is None else DatasetFacts(state="folder", images=images, videos=0)
    given_: dict[str, Any] = {
        "arch": arch,
        "dataset_path": "/data/cats",
        "control_path": "/data/before" if arch and arch.edit else None,
        "dataset": facts,
        "past": (),
        **more,
    }
    return PlanRequest(**given_)


def run_of(profile: Profile, seconds: float = 2.0, **more: Any) -> PastRun:
    """Return a finished run of a profile's own config."""
    config = dict(profile.config or {})
    speed = StepTime(
        seconds=seconds, low=seconds * 0.8, high=seconds * 1.5, n=400, source="metrics"
    )
    made = PastRun(
        job_id="earlier",
        arch=config["config"]["process"][0]["model"]["arch"],
        model=profile.model_name,
        gpu_ids="0",
        settings=settings_of(config),
        accumulation=1,
        speed=speed,
    )
    return evolve(made, **more)


def named(plan: Plan, name: str) -> Profile:
    return next(each for each in plan.profiles if each.profile == name)


REQUESTS = st.builds(
    request_for,
    arch_id=st.sampled_from(IDS),
    images=st.none() | st.integers(1, 20_000),
    goal=st.sampled_from(["", "a painting style", "my face", "a logo", "cats"]),
    available_gib=st.none() | st.floats(2, 200),
    typical_side=st.none() | st.integers(64, 4096).map(float),
    time_budget_minutes=st.none() | st.floats(0.1, 10_000),
    caption_coverage_pct=st.none() | st.floats(0, 100),
)


@given(REQUESTS)
@settings(deadline=None, max_examples=80)
def test_every_config_passes_the_lint_and_says_what_the_profile_says(asked: PlanRequest) -> None:
    plan = make_plan(asked)
    facts = LintFacts(datasets={"/data/cats": asked.dataset} if asked.dataset else {})
    assert [each.profile for each in plan.profiles] == ["fast", "balanced", "quality"]
    assert plan.recommended in plan.profiles
    for each in plan.profiles:
        assert [issue for issue in lint(each.config, facts) if issue.severity == "error"] == []
        assert each.is_valid
        assert each.config is not None
        process = each.config["config"]["process"][0]
        assert process["train"]["steps"] == each.steps
        assert process["train"]["batch_size"] == each.batch_size
        assert process["train"]["lr"] == each.learning_rate
        assert process["network"]["linear"] == each.rank
        assert process["network"]["linear_alpha"] == each.alpha
        assert max(process["datasets"][0]["resolution"]) == each.resolution
        assert bool(process["model"].get("low_vram")) == each.low_vram
        assert process["model"]["name_or_path"] == each.model_name


@given(REQUESTS)
@settings(deadline=None, max_examples=60)
def test_every_number_has_its_reason_and_the_config_has_that_value(asked: PlanRequest) -> None:
    for each in make_plan(asked).profiles:
        reasons = {reason.parameter: reason for reason in each.reasons}
        assert reasons.keys() >= {
            "datasets.0.resolution",
            "train.batch_size",
            "train.lr",
            "train.steps",
            "network.linear",
            "network.linear_alpha",
            "save.save_every",
            "save.max_step_saves_to_keep",
            "sample.sample_every",
        }
        assert each.config is not None
        for path, reason in reasons.items():
            value: Any = each.config["config"]["process"][0]
            for key in path.split("."):
                value = value[int(key)] if key.isdecimal() else value[key]
            assert value == reason.value, path
            assert reason.why
            assert reason.source
            if reason.range is not None:
                assert reason.range[0] <= reason.range[1]


@given(REQUESTS)
@settings(deadline=None, max_examples=40)
def test_without_runs_of_this_machine_no_time_is_claimed(asked: PlanRequest) -> None:
    plan = make_plan(asked)
    for each in plan.profiles:
        assert each.time.minutes is None
        assert each.time.seconds_per_step is None
        assert each.time.missing
        assert each.time.fits_budget in {None, "undetermined"}
    if asked.time_budget_minutes is not None:
        assert any("cannot be checked" in warning for warning in plan.warnings)
    unbounded = make_plan(evolve(asked, time_budget_minutes=None))
    assert [each.steps for each in plan.profiles] == [each.steps for each in unbounded.profiles]


@given(REQUESTS)
@settings(deadline=None, max_examples=30)
def test_the_document_is_json_and_the_text_is_short(asked: PlanRequest) -> None:
    plan = make_plan(asked)
    document = plan_document(plan, asked)
    assert len(json.dumps(document, allow_nan=False)) < 120_000
    assert len(document["alternative_plans"]) == 3
    assert len(document["rationale"]) == 4
    assert len(plan.next_actions) == 3
    assert 4 < len(plan_text(plan).splitlines()) < 30


@pytest.mark.parametrize(
    ("goal", "profile"),
    [
        ("A painting style of the 1920s", "style"),
        ("art styles", "style"),
        ("that look", "style"),
        ("my FACE", "character"),
        ("two characters", "character"),
        ("Portrait-photos", "character"),
        ("our product", "object"),
        ("logo_v2", "object"),
        ("cats", "general"),
        ("", "general"),
        ("Facebook page", "general"),
        ("a stylesheet", "general"),
        ("outlook", "general"),
        ("itemised", "general"),
        ("personal surface", "general"),
        ("a portrait in this style", "style"),
    ],
)
def test_pitfall_34_goals_are_matched_by_words(goal: str, profile: str) -> None:
    assert goal_profile(goal) == profile


@pytest.mark.parametrize(
    ("model", "is_flux"),
    [
        ("user/reflex-sd15", False),
        ("influx/model", False),
        ("black-forest-labs/FLUX.1-dev", True),
        ("ostris/Flex.1-alpha", True),
    ],
)
def test_pitfall_34_models_are_matched_by_words(model: str, *, is_flux: bool) -> None:
    assert names_flux(model) is is_flux


def test_pitfall_112_speed_comes_from_runs_of_this_machine_only() -> None:
    asked = request_for("sdxl")
    plain = named(make_plan(asked), "balanced")
    assert plain.time.minutes is None
    timed = named(make_plan(evolve(asked, past=(run_of(plain),))), "balanced")
    assert timed.time.n == 1
    assert timed.time.job_ids == ("earlier",)
    assert timed.time.minutes == pytest.approx(timed.steps * 2.0 / 60)
    assert timed.time.low_minutes == pytest.approx(timed.steps * 1.6 / 60)
    assert timed.time.high_minutes == pytest.approx(timed.steps * 3.0 / 60)
    assert timed.time.measured_at is not None
    assert timed.time.measured_at["resolution"] == plain.resolution


def test_pitfall_112_a_budget_of_a_minute_gives_no_made_up_steps() -> None:
    asked = request_for("sdxl", time_budget_minutes=1)
    plain = make_plan(asked)
    past = tuple(run_of(each) for each in plain.profiles)
    plan = make_plan(evolve(asked, past=past))
    assert [each.steps for each in plan.profiles] == [each.steps for each in plain.profiles]
    assert {each.time.fits_budget for each in plan.profiles} == {"no"}
    assert sum("does not fit into 1 minutes" in each for each in plan.warnings) == 3


def test_a_budget_that_suffices_shortens_the_run_and_says_so() -> None:
    asked = request_for("sdxl")
    plain = named(make_plan(asked), "balanced")
    enough = evolve(asked, past=(run_of(plain),), time_budget_minutes=50)
    timed = named(make_plan(enough), "balanced")
    assert timed.steps == 1000
    assert timed.time.fits_budget == "yes"
    (reason,) = [each for each in timed.reasons if each.parameter == "train.steps"]
    assert reason.basis == "measured"
    assert str(plain.steps) in reason.why
    assert timed.config is not None
    assert timed.config["config"]["process"][0]["save"]["save_every"] == 100


@pytest.mark.parametrize(
    "change",
    [
        {"model": "another/model"},
        {"accumulation": 2},
        {"speed": None},
        {"model": None},
    ],
)
def test_runs_at_other_settings_say_nothing_of_the_speed(change: dict[str, Any]) -> None:
    asked = request_for("sdxl")
    other = run_of(named(make_plan(asked), "balanced"), **change)
    assert named(make_plan(evolve(asked, past=(other,))), "balanced").time.minutes is None


def test_a_speed_of_the_bar_alone_has_no_interval() -> None:
    asked = request_for("sdxl", time_budget_minutes=500)
    speed = StepTime(seconds=2.0, low=None, high=None, n=1, source="row")
    run = run_of(named(make_plan(asked), "balanced"), speed=speed)
    timed = named(make_plan(evolve(asked, past=(run,))), "balanced").time
    assert timed.minutes is not None
    assert (timed.low_minutes, timed.high_minutes, timed.fits_budget) == (
        None,
        None,
        "undetermined",
    )


def test_a_measured_peak_of_this_machine_decides_whether_it_fits() -> None:
    asked = request_for("sdxl", available_gib=11.0)
    plain = named(make_plan(asked), "balanced")
    past = (run_of(plain, peak_vram_mib=7 * 1024.0),)
    profile = named(make_plan(evolve(asked, past=past)), "balanced")
    assert profile.vram is not None
    assert profile.vram.n == 1
    assert profile.vram.method != "computed"


@given(REQUESTS, st.floats(100, 100_000), st.floats(0.01, 600))
@settings(deadline=None, max_examples=30)
def test_whatever_was_measured_the_configs_stay_sound(
    asked: PlanRequest, peak: float, seconds: float
) -> None:
    past = tuple(
        run_of(each, seconds=seconds, peak_vram_mib=peak) for each in make_plan(asked).profiles
    )
    for each in make_plan(evolve(asked, past=past)).profiles:
        assert each.is_valid
        assert each.config is not None
        assert each.config["config"]["process"][0]["train"]["steps"] == each.steps
        if each.time.minutes is not None:
            low, high = each.time.low_minutes, each.time.high_minutes
            assert low is not None
            assert high is not None
            assert low <= each.time.minutes <= high
        if each.vram is not None and each.vram.estimate_gib is not None:
            low, high = each.vram.low_gib, each.vram.high_gib
            assert low is not None
            assert high is not None
            assert low <= each.vram.estimate_gib <= high


@pytest.mark.parametrize("arch_id", ["flux", "qwen_image", "krea2"])
def test_a_small_card_changes_the_config_and_says_why(arch_id: str) -> None:
    large = named(make_plan(request_for(arch_id, available_gib=200)), "quality")
    small = named(make_plan(request_for(arch_id, available_gib=16)), "quality")
    assert large.fit.verdict == "yes"
    assert large.vram is not None
    assert small.vram is not None
    assert (small.vram.estimate_gib or 0) < (large.vram.estimate_gib or 0)
    assert {each.parameter for each in small.reasons} > {each.parameter for each in large.reasons}


def test_fast_is_recommended_where_balanced_does_not_fit_the_time() -> None:
    asked = request_for("sdxl", time_budget_minutes=20)
    plain = make_plan(asked)
    past = (
        run_of(named(plain, "balanced"), seconds=60.0),
        run_of(named(plain, "fast"), seconds=0.1),
    )
    plan = make_plan(evolve(asked, past=past))
    assert named(plan, "balanced").time.fits_budget == "no"
    assert plan.recommended.profile == "fast"
    assert plan.recommended_because.startswith("fast: balanced is ruled out")


def test_balanced_is_recommended_where_nothing_rules_it_out() -> None:
    assert make_plan(request_for()).recommended.profile == "balanced"


def test_confidence_is_the_share_of_inputs_that_were_assessed() -> None:
    assert make_plan(PlanRequest()).confidence is None
    full = request_for("sdxl", goal="cats", available_gib=24, caption_coverage_pct=100.0)
    plan = make_plan(full)
    assert plan.confidence == round(6 / 7, 2)
    assert not plan.assessed["speed"]
    past = (run_of(plan.recommended),)
    assert make_plan(evolve(full, past=past)).confidence == 1


def test_an_unknown_model_still_gives_what_does_not_depend_on_it() -> None:
    plan = make_plan(request_for(None, goal="a style", arch_unknown="cannot tell"))
    assert plan.is_flux_model is None
    for each in plan.profiles:
        assert (each.config, each.vram, each.is_valid, each.low_vram) == (None, None, None, None)
        assert each.fit.verdict == "undetermined"
        assert each.steps > 1
        assert "cannot tell" in each.unknown[0]
    assert "arch" in plan.next_actions[0]
    assert any("cannot tell" in warning for warning in plan.warnings)


@pytest.mark.parametrize(("images", "best"), [(20, (75, 100)), (50, (45, 55)), (270, (13, 19))])
def test_exposures_follow_what_was_measured(images: int, best: tuple[float, float]) -> None:
    """The curves of spacepxl/demystifying-sd-finetuning, as in PRACTICE.md L12."""
    assert best[0] <= exposures(images) <= best[1]


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_more_pictures_are_each_seen_less_often_in_more_steps(one: int, other: int) -> None:
    few, many = sorted((one, other))
    assert exposures(few) >= exposures(many)
    steps = [make_plan(request_for("sd15", images=each)).recommended.steps for each in (few, many)]
    assert few == many or steps[0] <= steps[1] + 50


def test_without_control_images_an_edit_model_is_not_ready_and_says_so() -> None:
    plan = make_plan(request_for("flux_kontext", control_path=None))
    assert not plan.recommended.is_valid
    assert "CONTROL_PATH_MISSING" in {issue.code for issue in plan.recommended.issues}
    assert any("control images" in each for each in plan.recommended.unknown)


def test_few_pictures_without_captions_are_warned_of() -> None:
    plan = make_plan(request_for("sd15", images=4, caption_coverage_pct=25.0))
    assert any("4 pictures are few" in warning for warning in plan.warnings)
    assert any("25 %" in warning for warning in plan.warnings)


def test_small_pictures_are_not_trained_at_sizes_they_do_not_have() -> None:
    plan = make_plan(request_for("zimage", typical_side=700.0))
    assert {each.resolution for each in plan.profiles} == {512}


@pytest.mark.parametrize(("videos", "images", "frames"), [(5, 0, 39), (0, 5, 1)])
def test_frames_follow_what_the_folder_holds(videos: int, images: int, frames: int) -> None:
    facts = DatasetFacts(state="folder", images=images, videos=videos)
    plan = make_plan(request_for("wan21:1b", dataset=facts))
    assert plan.recommended.config is not None
    dataset = plan.recommended.config["config"]["process"][0]["datasets"][0]
    assert dataset["num_frames"] == frames
    assert plan.recommended.is_valid
