"""The estimate of GPU memory: published figures, laws, and what is said to be unknown."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.form import form_process, put
from aitk_core.testing.recorded import recorded_runs
from aitk_guardrails.vram.estimate import calibrate, estimate_config, estimate_settings, fits
from aitk_guardrails.vram.models import model_sizes
from aitk_guardrails.vram.records import Observation
from aitk_guardrails.vram.settings import VramSettings, settings_of
from aitk_guardrails.vram.weights import bits_of

if TYPE_CHECKING:
    from aitk_guardrails.vram.records import VramEstimate

EXAMPLES = json.loads((Path(__file__).parent / "data/examples.json").read_text("utf-8"))["configs"]
KNOWN = [
    arch_id
    for arch_id in archs()
    if estimate_settings(
        settings_of({"config": {"process": [form_process(archs()[arch_id])]}})
    ).estimate_gib
]


def config_of(arch_id: str, **changes: Any) -> dict[str, Any]:
    """Return the form's config with values by dotted path, `__` for a dot."""
    process = form_process(archs()[arch_id])
    for path, value in changes.items():
        if path == "dataset":
            process["datasets"][0].update(value)
        else:
            put(process, path.replace("__", "."), value)
    return {"job": "extension", "config": {"name": "a", "process": [process]}}


def settings_for(arch_id: str, **changes: Any) -> VramSettings:
    return settings_of(config_of(arch_id, **changes))


def span(estimate: VramEstimate) -> tuple[float, float, float]:
    low, value, high = estimate.low_gib, estimate.estimate_gib, estimate.high_gib
    assert low is not None
    assert value is not None
    assert high is not None
    return low, value, high


PUBLISHED: list[tuple[str, float, dict[str, Any]]] = [
    ("flux", 30, {"model__quantize": False}),
    ("flux", 18, {"model__qtype": "int8"}),
    ("flux", 13, {"model__qtype": "uint4"}),
    ("flux", 9, {"model__qtype": "nvfp4"}),
    ("qwen_image", 42, {"model__quantize": False}),
    ("qwen_image", 30, {}),
]
"""GB that other trainers publish for rank 16 at 1024 pixels with text encoders away (SimpleTuner's
FLUX quickstart, where each is "a bit more than", and musubi-tuner's qwen_image.md)."""


@pytest.mark.parametrize(("arch_id", "gigabytes", "changes"), PUBLISHED)
def test_figures_that_other_trainers_publish_lie_in_the_interval(
    arch_id: str, gigabytes: float, changes: dict[str, Any]
) -> None:
    """One of them (FLUX.1 in 8 bits) was looked at for the factor of activations."""
    config = config_of(
        arch_id,
        network__linear=16,
        model__low_vram=True,
        train__cache_text_embeddings=True,
        dataset={"cache_latents_to_disk": True, "resolution": [1024]},
        **changes,
    )
    low, _, high = span(estimate_config(config))
    assert low <= gigabytes
    assert gigabytes * 1e9 / 2**30 <= high


def test_the_one_figure_that_the_trainer_itself_publishes_lies_in_the_interval() -> None:
    """Its HiDream example says that it takes about 35.2 GB."""
    low, _, high = span(estimate_config(EXAMPLES["config/examples/train_lora_hidream_48.yaml"]))
    assert low <= 35.2e9 / 2**30 <= high


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("train_lora_flux_24gb", 24),
        ("train_lora_flux_schnell_24gb", 24),
        ("train_lora_flux_kontext_24gb", 24),
        ("train_lora_flex_24gb", 24),
        ("train_lora_flex2_24gb", 24),
        ("train_lora_chroma_24gb", 24),
        ("train_lora_qwen_image_24gb", 24),
        ("train_lora_qwen_image_edit_32gb", 32),
        ("train_lora_qwen_image_edit_2509_32gb", 32),
        ("train_lora_wan21_14b_24gb", 24),
        ("train_lora_wan21_1b_24gb", 24),
        ("train_lora_wan22_14b_24gb", 24),
        ("train_lora_hidream_48", 48),
        ("train_lora_lumina", 20),
    ],
)
def test_examples_made_for_a_card_are_not_said_to_exceed_it(name: str, gib: float) -> None:
    estimate = estimate_config(EXAMPLES[f"config/examples/{name}.yaml"])
    assert estimate.estimate_gib is not None
    assert fits(estimate, gib).verdict != "no"


@pytest.mark.parametrize(
    ("changes", "arch_id"),
    [
        ({"arch": "wan21", "name_or_path": "Wan-AI/Wan2.1-T2V-14B-Diffusers"}, "wan21:14b"),
        ({"arch": "wan21", "name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"}, "wan21:1b"),
        ({"arch": "wan21", "name_or_path": "/models/mine"}, None),
        ({"is_flux": True, "name_or_path": "black-forest-labs/FLUX.1-dev"}, "flux"),
        ({"is_lumina2": True, "name_or_path": "a/b"}, "lumina2"),
        ({"is_xl": True, "name_or_path": "a/b"}, "sdxl"),
        ({"arch": "sd1", "name_or_path": "a/b"}, None),
    ],
)
def test_the_size_that_counts_is_told_from_arch_and_name(
    changes: dict[str, Any], arch_id: str | None
) -> None:
    settings = settings_of({"config": {"process": [{"model": changes, "network": {}}]}})
    assert settings.arch_id == arch_id


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (config_of("omnigen2"), "count"),
        (config_of("zeta_chroma"), "count"),
        (config_of("nucleus_image"), "text encoder"),
        (config_of("ace_step_15"), "tokens"),
        ({"config": {"process": [{"model": {"arch": "never_heard"}}]}}, "architecture"),
        ({}, "architecture"),
        (EXAMPLES["config/examples/train_flex_redux.yaml"], "trained"),
    ],
)
def test_what_is_not_published_gives_no_number_but_a_reason(
    config: dict[str, Any], word: str
) -> None:
    estimate = estimate_config(config)
    assert estimate.method == "undetermined"
    assert (estimate.low_gib, estimate.estimate_gib, estimate.high_gib) == (None, None, None)
    assert estimate.parts == ()
    assert word in estimate.reason
    assert fits(estimate, 1000).verdict == "undetermined"


def test_a_text_encoder_of_unknown_size_does_not_matter_once_it_is_away() -> None:
    estimate = estimate_config(config_of("nucleus_image", train__cache_text_embeddings=True))
    assert estimate.estimate_gib
    assert any("while captions are cached" in each for each in estimate.unknown)


def test_every_architecture_of_the_form_has_an_entry_with_sources() -> None:
    assert set(model_sizes()) == set(archs())
    for size in model_sizes().values():
        for count in (size.parameters, *(size.encoders or ())):
            if count is not None:
                assert count.low <= count.value <= count.high
                assert count.source
        assert size.parameters or size.note


@pytest.mark.parametrize("arch_id", [each for each in archs() if model_sizes()[each].parameters])
def test_counts_agree_with_the_forms_own_rough_ones(arch_id: str) -> None:
    count, rough = model_sizes()[arch_id].parameters, archs()[arch_id].transformer_params_billion
    assert count is not None
    assert rough is not None
    assert count.low <= rough <= count.high


@pytest.mark.parametrize("name", recorded_runs())
def test_recorded_runs_are_of_a_model_of_unknown_size(name: str) -> None:
    """Their model is a tiny one of its own, and their machine has no GPU."""
    config = json.loads(recorded_runs()[name].row["job_config"])
    assert estimate_config(config).method == "undetermined"


SETTINGS = st.builds(
    VramSettings,
    arch_id=st.sampled_from(KNOWN),
    dtype_bytes=st.sampled_from([2, 4]),
    qtype=st.sampled_from([None, "qfloat8", "uint4", "uint2", "nvfp4", "convrotint5"]),
    has_adapter=st.booleans(),
    qtype_te=st.sampled_from([None, "qfloat8", "uint4"]),
    text_encoder_stays=st.just(value=False),
    offloaded=st.sampled_from([0.0, 0.5, 1.0]),
    offloaded_te=st.sampled_from([0.0, 1.0]),
    low_vram=st.booleans(),
    network=st.sampled_from(["lora", "lokr", "none"]),
    rank=st.integers(1, 256).map(float),
    lokr_factor=st.sampled_from([-1.0, 4.0, 8.0]),
    optimizer=st.sampled_from(["adamw", "adamw8bit", "prodigy", "adafactor", "lion", "other"]),
    ema=st.booleans(),
    resolution=st.integers(64, 4096).map(float),
    batch_size=st.integers(1, 64).map(float),
    checkpointing=st.booleans(),
    latents_cached=st.booleans(),
    frames=st.integers(1, 200).map(float),
    controls=st.integers(0, 3),
)


def grows(less: VramSettings, more: VramSettings) -> None:
    pairs = zip(span(estimate_settings(less)), span(estimate_settings(more)), strict=True)
    assert all(low <= high for low, high in pairs)


@given(SETTINGS, st.data())
@settings(deadline=None)
def test_more_of_anything_never_takes_less(less: VramSettings, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(["resolution", "batch_size", "rank", "frames", "controls"]))
    value = getattr(less, key)
    change: dict[str, Any] = {key: value * 2 if value else 1}
    grows(less, evolve(less, **change))
    grows(evolve(less, ema=False), evolve(less, ema=True))
    grows(evolve(less, checkpointing=True), evolve(less, checkpointing=False))
    grows(evolve(less, latents_cached=True), evolve(less, latents_cached=False))
    grows(evolve(less, low_vram=True), evolve(less, low_vram=False))


@given(SETTINGS)
@settings(deadline=None)
def test_more_bits_never_take_less(one: VramSettings) -> None:
    ladder = ["uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "qfloat8", None]
    for less, more in pairwise(ladder):
        assert bits_of(less, 2).low <= bits_of(more, 2).low
        grows(evolve(one, qtype=less), evolve(one, qtype=more))


@given(SETTINGS)
@settings(deadline=None)
def test_the_estimate_lies_in_its_interval_and_is_the_sum_of_its_parts(one: VramSettings) -> None:
    estimate = estimate_settings(one)
    low, value, high = span(estimate)
    assert 0 < low <= value <= high
    assert estimate.loading is not None
    total = sum(part.span.high for part in estimate.parts)
    assert max(total, estimate.loading.span.high) == pytest.approx(high * 2**30)
    for part in estimate.parts:
        assert part.span.low <= part.span.estimate <= part.span.high
        assert part.how
        assert part.source


OBSERVED = st.lists(
    st.builds(
        lambda seen, peak: Observation(job_id="a", settings=seen, peak_mib=peak),
        SETTINGS,
        st.floats(100, 200_000),
    ),
    max_size=4,
)


@given(SETTINGS, OBSERVED, OBSERVED)
@settings(deadline=None)
def test_a_further_run_never_narrows_the_interval(
    one: VramSettings, first: list[Observation], more: list[Observation]
) -> None:
    first = [evolve(each, settings=evolve(each.settings, arch_id=one.arch_id)) for each in first]
    more = [evolve(each, settings=evolve(each.settings, arch_id=one.arch_id)) for each in more]
    few = calibrate(estimate_settings(one), first)
    many = calibrate(estimate_settings(one), [*first, *more])
    low, value, high = span(many)
    assert low <= value <= high
    if few.method == many.method != "computed":
        assert low <= span(few)[0] * (1 + 1e-9)
        assert high >= span(few)[2] * (1 - 1e-9)


def test_a_run_with_equal_settings_is_the_answer() -> None:
    one = settings_for("flux")
    seen = [Observation(job_id=str(n), settings=one, peak_mib=1024 * n) for n in (20, 21, 24)]
    estimate = calibrate(estimate_settings(one), seen)
    assert estimate.method == "measured_on_this_machine"
    assert estimate.n == 3
    assert span(estimate) == pytest.approx((20, 21, 26.4))


def test_runs_of_other_settings_scale_what_was_never_measured() -> None:
    cached: dict[str, Any] = {"cache_latents_to_disk": True}
    small = settings_for("zimage", dataset={**cached, "resolution": [512]})
    large = settings_for("zimage", dataset={**cached, "resolution": [1024]})
    plain = estimate_settings(large)
    low, value, high = span(estimate_settings(small))
    for peak, direction in ((low, -1), (high, 1)):
        seen = Observation(job_id="a", settings=small, peak_mib=peak * 1024)
        scaled = calibrate(plain, [seen])
        assert scaled.method == "scaled_by_runs_of_this_machine"
        assert (span(scaled)[1] - span(plain)[1]) * direction > 0
    assert value


def test_a_peak_that_may_be_that_of_loading_scales_nothing() -> None:
    one = settings_for("flux", model__low_vram=False)
    other = evolve(one, resolution=512.0)
    seen = Observation(job_id="a", settings=other, peak_mib=23 * 1024)
    assert calibrate(estimate_settings(one), [seen]).method == "computed"


def test_runs_of_another_architecture_say_nothing() -> None:
    one = settings_for("flux")
    seen = Observation(job_id="a", settings=settings_for("sdxl"), peak_mib=9000)
    assert calibrate(estimate_settings(one), [seen]) == estimate_settings(one)


def test_a_run_fits_only_when_the_whole_interval_does() -> None:
    estimate = estimate_settings(settings_for("sdxl"))
    low, value, high = span(estimate)
    assert fits(estimate, high).verdict == "yes"
    assert fits(estimate, value).verdict == "undetermined"
    assert fits(estimate, low).verdict == "undetermined"
    assert fits(estimate, low * 0.99).verdict == "no"
    assert fits(estimate, None).verdict == "undetermined"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "model",
                        "train",
                        "network",
                        "datasets",
                        "arch",
                        "batch_size",
                        "resolution",
                        "linear",
                        "num_frames",
                        "qtype",
                        "quantize",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(deadline=None)
def test_any_values_give_an_estimate_or_a_reason(odd: Any) -> None:
    config = config_of("flux")
    block = deepcopy(config["config"]["process"][0])
    if isinstance(odd, dict):
        for key, value in odd.items():
            if isinstance(value, dict) and isinstance(block.get(key), dict):
                block[key].update(value)
            elif key != "model":
                block[key] = value
    estimate = estimate_config({"config": {"process": [block]}})
    assert (estimate.estimate_gib is None) == bool(estimate.method == "undetermined")
