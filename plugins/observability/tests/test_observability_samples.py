"""Checks of samples: what is planted is found, what is sound is not, and nothing breaks them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aitk_core.convert import unstructure
from aitk_core.evidence.pictures import read_picture
from aitk_core.evidence.samples import (
    ReferenceImage,
    SampleImage,
    SamplesEvidence,
)
from aitk_core.proving.pictures import natural_picture
from aitk_core.registry import load_registry
from aitk_observability.samples.checks import analyze, is_black, is_noise
from aitk_observability.samples.copies import find_copies
from aitk_observability.samples.hashes import distances, fingerprint
from aitk_observability.samples.methods import METHODS
from aitk_observability.samples.pixels import block_change, scales, spectral_flatness
from aitk_observability.samples.sheet import sample_sheet
from aitk_observability.samples.stillness import stillness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.evidence.samples import Pixels
    from aitk_core.records.findings import Finding

BLACK = np.zeros((64, 64, 3), dtype=np.uint8)


def saved(pixels: Pixels, *, quality: int = 85) -> Pixels:
    """The picture after a JPEG file and the reduction of the evidence."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return read_picture(stream.getvalue()).pixels


def natural(seed: int, *, width: int = 192, height: int = 160) -> Pixels:
    return natural_picture(np.random.default_rng(seed), width=width, height=height)


def white_noise(seed: int, side: int = 256) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)


def sample(step: int, prompt: int, pixels: Pixels | None, error: str | None = None) -> SampleImage:
    return SampleImage(
        step=step,
        prompt_index=prompt,
        path=f"/toolkit/output/run/samples/1__{step:09d}_{prompt}.jpg",
        prompt=f"prompt {prompt}",
        wall_time=1.0,
        pixels=pixels,
        error=error,
    )


def evidence(
    pictures: Mapping[tuple[int, int], Pixels | None],
    references: Mapping[str, Pixels] | None = None,
    **more: Any,
) -> SamplesEvidence:
    """Evidence of pictures by step and prompt; None for one that could not be read."""
    samples = [
        sample(step, prompt, pixels, None if pixels is not None else "damaged")
        for (step, prompt), pixels in sorted(pictures.items())
    ]
    known = [
        ReferenceImage(path=path, pixels=pixels) for path, pixels in (references or {}).items()
    ]
    return SamplesEvidence(
        job_id="job-1",
        samples=tuple(samples),
        reference_images=tuple(known),
        reference_total=more.pop("reference_total", len(known)),
        total=more.pop("total", len(samples)),
        **more,
    )


def found(given_evidence: SamplesEvidence) -> dict[str, Finding]:
    return {finding.code: finding for finding in analyze(given_evidence).findings}


def verdicts(given_evidence: SamplesEvidence) -> dict[str, str]:
    return {
        name: check["verdict"] for name, check in analyze(given_evidence).facts["checks"].items()
    }


def test_a_run_that_learns_has_no_findings_and_says_what_was_looked_at() -> None:
    pictures = {(step, p): saved(natural(step + p)) for step in (0, 250, 500) for p in (0, 1)}
    analysis = analyze(evidence(pictures, {"/d/a.png": natural(99)}))
    assert analysis.assessed
    assert analysis.findings == ()
    assert {name: check["n"] for name, check in analysis.facts["checks"].items()} == {
        "black": 6,
        "noise": 6,
        "frozen": 6,
        "near_copy": 6,
    }
    assert {check["verdict"] for check in analysis.facts["checks"].values()} == {"none"}


@pytest.mark.parametrize(
    ("total", "missing", "reason"),
    [
        (0, {}, "the run has no samples yet"),
        (3, {"media": "3 of 3 samples are no images: 3 .mp4"}, "none of 3 .*: 3 of 3 samples"),
    ],
)
def test_without_samples_nothing_is_assessed_and_the_reason_is_told(
    total: int, missing: dict[str, str], reason: str
) -> None:
    analysis = analyze(evidence({}, total=total, missing=missing))
    assert not analysis.assessed
    assert analysis.findings == ()
    assert re.match(reason, analysis.reason)


def test_samples_that_cannot_be_read_are_not_assessed() -> None:
    analysis = analyze(evidence({(0, 0): None, (9, 0): None}))
    assert not analysis.assessed
    assert analysis.facts["unreadable"] == 2


def test_black_samples_at_the_newest_step_are_critical_and_lead_to_the_loss() -> None:
    pictures = {(0, 0): natural(1), (250, 0): saved(BLACK), (250, 1): BLACK}
    finding = found(evidence(pictures))["SAMPLES_BLACK"]
    assert finding.severity == "critical"
    assert "2 of 2 at the newest step 250" in finding.message
    assert "LOSS_NONFINITE" in finding.message
    assert finding.n == 3
    assert finding.estimate is not None
    assert finding.estimate.value == pytest.approx(2 / 3, abs=1e-4)
    assert (finding.evidence[0].first_step, finding.evidence[0].last_step) == (250, 250)


def test_black_samples_among_others_are_a_warning() -> None:
    pictures = {(0, 0): natural(1), (250, 0): BLACK, (250, 1): natural(2)}
    assert found(evidence(pictures))["SAMPLES_BLACK"].severity == "warning"
    recovered = {(0, 0): natural(1), (250, 0): BLACK, (500, 0): natural(2)}
    assert found(evidence(recovered))["SAMPLES_BLACK"].severity == "warning"


def test_a_black_baseline_is_laid_to_the_base_model_not_to_the_training() -> None:
    finding = found(evidence({(0, 0): BLACK, (250, 0): BLACK}))["SAMPLES_BLACK"]
    assert "base model" in finding.message
    assert "SAMPLES_FROZEN" not in found(evidence({(0, 0): BLACK, (250, 0): BLACK}))


@pytest.mark.parametrize("factor", [0.15, 0.3])
def test_a_dark_picture_is_not_black(factor: float) -> None:
    dark = (natural(4) * factor).astype(np.uint8)
    assert not is_black(sample(0, 0, saved(dark)))


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_white_noise_is_found_in_pixels_and_in_latents(side: int) -> None:
    assert is_noise(sample(0, 0, saved(white_noise(side, side))))
    blocks = white_noise(side, side // 8).repeat(8, axis=0).repeat(8, axis=1)
    decoded = Image.fromarray(blocks)
    stream = io.BytesIO()
    decoded.save(stream, "PNG")
    is_found = is_noise(sample(0, 0, read_picture(stream.getvalue()).pixels))
    # Latents of a sample of 256 px are 32 px, which is fewer than any scale has.
    assert is_found == (side > 256)


def test_noise_is_a_warning_until_the_newest_samples_are_sound() -> None:
    pictures = {(0, 0): natural(1), (250, 0): white_noise(1)}
    assert found(evidence(pictures))["SAMPLES_NOISE"].severity == "warning"
    pictures[500, 0] = natural(2)
    assert found(evidence(pictures))["SAMPLES_NOISE"].severity == "info"


def test_white_noise_has_the_flatness_of_theory_and_faint_grain_is_no_noise() -> None:
    planes = list(scales(white_noise(3)))
    assert len(planes) == 3
    assert [spectral_flatness(plane) for plane in planes] == pytest.approx([0.561] * 3, abs=0.03)
    grain = np.random.default_rng(1).normal(128, 5, (256, 256, 1)).repeat(3, axis=2)
    assert not is_noise(sample(0, 0, grain.astype(np.uint8)))


def test_sound_pictures_raise_no_alarm() -> None:
    """A smaller form of what `samples.methods` states: 0 of 1,000."""
    pictures = {(1, seed): saved(natural(seed)) for seed in range(40)}
    references = {f"/d/{seed}.png": natural(1000 + seed) for seed in range(20)}
    assert found(evidence(pictures, references)) == {}


@pytest.mark.parametrize("quality", [75, 90])
def test_samples_that_never_change_are_frozen_for_every_prompt(quality: int) -> None:
    pictures = {
        (step, p): saved(natural(p), quality=quality) for step in (0, 250, 500) for p in (0, 1)
    }
    finding = found(evidence(pictures))["SAMPLES_FROZEN"]
    assert finding.severity == "warning"
    assert "2 prompts do not change between steps 0 and 500" in finding.message
    assert (finding.n, finding.evidence[0].last_step) == (6, 500)


def rounded(pixels: Pixels, seed: int) -> Pixels:
    """The picture as another machine would round it: two of three values differ by 1."""
    by = np.random.default_rng(seed).integers(-1, 2, pixels.shape)
    return np.clip(pixels.astype(int) + by, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [75, 85, 95])
def test_samples_that_only_rounding_and_encoding_tell_apart_are_frozen(quality: int) -> None:
    """A smaller form of what `samples.methods` states: 98 of 100."""
    missed = []
    for seed in range(8):
        picture = natural(seed, width=512, height=512)
        pictures = {
            (0, 0): saved(rounded(picture, seed), quality=quality),
            (500, 0): saved(picture, quality=quality),
        }
        if "SAMPLES_FROZEN" not in found(evidence(pictures)):
            missed.append(seed)
    assert len(missed) <= 1


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("kind", ["brighter", "blended", "toned"])
def test_a_change_of_few_pixels_or_few_levels_is_no_standing_still(kind: str, quality: int) -> None:
    for seed in range(6):
        before, after = natural(seed, width=512, height=512), natural(seed, width=512, height=512)
        part = np.s_[200:252, 130:182]  # 1 % of the picture
        if kind == "brighter":
            after[part] = np.clip(after[part].astype(int) + 4, 0, 255)
        elif kind == "blended":
            other = natural(seed + 50, width=512, height=512)
            after[part] = 0.85 * after[part] + 0.15 * other[part]
        else:
            after = np.clip(after.astype(int) + 3, 0, 255).astype(np.uint8)
        pictures = {(0, 0): saved(before, quality=quality), (250, 0): saved(after, quality=quality)}
        assert "SAMPLES_FROZEN" not in found(evidence(pictures)), seed


@pytest.mark.parametrize(("kind", "is_limited"), [("jpg", True), ("JPEG", True), ("png", False)])
def test_the_check_of_stillness_tells_what_lossy_files_hide(kind: str, is_limited: bool) -> None:
    samples = [
        evolve(sample(step, 0, natural(step)), path=f"/s/1__{step:09d}_0.{kind}") for step in (0, 9)
    ]
    given_evidence = SamplesEvidence(job_id="job-1", samples=tuple(samples), total=2)
    unknown = analyze(given_evidence).facts["checks"]["frozen"]["unknown"]
    assert bool(unknown) == is_limited
    assert all("JPEG quality" in text for text in unknown)


def test_one_prompt_that_changes_is_enough_for_no_alarm() -> None:
    pictures = {(step, 0): natural(0) for step in (0, 250, 500)}
    pictures |= {(step, 1): natural(step) for step in (0, 250, 500)}
    assert "SAMPLES_FROZEN" not in found(evidence(pictures))


def test_samples_that_stop_changing_are_told_from_the_step_on() -> None:
    pictures = {(step, 0): natural(min(step, 250)) for step in (0, 250, 500, 750)}
    finding = found(evidence(pictures))["SAMPLES_FROZEN"]
    assert "any more between steps 250 and 750" in finding.message
    two = {(step, 0): natural(min(step, 250)) for step in (0, 250, 500)}
    assert "SAMPLES_FROZEN" not in found(evidence(two)), "two alike at the end say little"


def test_samples_that_stand_still_early_are_a_note() -> None:
    for steps in ((0, 2000), (0, 10, 20)):
        pictures = {(step, 0): natural(0) for step in steps}
        assert found(evidence(pictures))["SAMPLES_FROZEN"].severity == "info"


def test_slow_change_adds_up() -> None:
    first = np.clip(natural(0), 0, 240)
    pictures = {(step, 0): first.copy() for step in range(0, 1100, 100)}
    for (step, _), picture in pictures.items():
        # Three of eight columns: a block gains three eighths of a level each time.
        picture[:, ::3] += step // 100
    still = stillness(evidence(pictures).samples)
    assert still is not None
    assert (still.first_step, still.last_step, still.is_whole) == (800, 1000, False)


def test_a_small_change_in_one_place_is_a_change() -> None:
    before = natural(0)
    after = before.copy()
    after[40:48, 40:48] = 255 - after[40:48, 40:48]
    change = block_change(before, after)
    assert change is not None
    assert change > 2.0
    assert np.abs(before.astype(int) - after).mean() < 1.0


def test_stillness_needs_two_steps_and_says_so() -> None:
    given_evidence = evidence({(250, 0): natural(0), (250, 1): natural(1)})
    assert verdicts(given_evidence)["frozen"] == "not_assessed"
    reason = analyze(given_evidence).facts["checks"]["frozen"]["reason"]
    assert "two steps" in reason


def test_samples_of_another_size_are_changed_samples() -> None:
    assert block_change(natural(0), natural(0)[:, :100]) is None
    pictures = {(0, 0): natural(0), (250, 0): natural(0)[:, :100]}
    assert "SAMPLES_FROZEN" not in found(evidence(pictures))


@pytest.mark.parametrize("change", ["same", "jpeg", "small", "mirrored", "dim"])
def test_a_near_copy_of_a_training_image_is_found(change: str) -> None:
    image = natural(7)
    copies: dict[str, Pixels] = {
        "same": image,
        "jpeg": saved(image, quality=35),
        "small": np.asarray(Image.fromarray(image).resize((96, 80))),
        "mirrored": image[:, ::-1],
        "dim": (image * 0.85).astype(np.uint8),
    }
    references = {f"/d/{seed}.png": natural(seed) for seed in range(5, 10)}
    finding = found(
        evidence({(0, 0): natural(50), (500, 0): copies[change]}, references, reference_total=900)
    )["SAMPLES_NEAR_COPY"]
    assert finding.severity == "warning"
    assert "'7.png'" in finding.message
    assert "5 training images (of 900)" in finding.message
    assert ("mirrored" in finding.message) == (change == "mirrored")
    assert finding.n == 10


def test_a_copy_that_the_baseline_was_already_is_a_note() -> None:
    pictures = {(0, 0): natural(7), (500, 0): saved(natural(7)), (500, 1): natural(60)}
    finding = found(evidence(pictures, {"/d/7.png": natural(7)}))["SAMPLES_NEAR_COPY"]
    assert finding.severity == "info"
    assert "the baseline at step 0 was one already" in finding.message


def test_a_blank_picture_is_like_no_other() -> None:
    flat = np.full((64, 64, 3), 128, dtype=np.uint8)
    assert fingerprint(flat) is None
    copies = find_copies([sample(1, 0, flat)], [ReferenceImage(path="/d/a.png", pixels=flat)])
    assert (copies.found, copies.samples, copies.references) == ((), 0, 0)
    given_evidence = evidence({(1, 0): flat}, {"/d/a.png": flat})
    assert verdicts(given_evidence)["near_copy"] == "not_assessed"


def test_without_training_images_the_reason_is_told() -> None:
    given_evidence = evidence(
        {(1, 0): natural(0)}, missing={"datasets": "1 of 1 dataset folders are not below"}
    )
    told = analyze(given_evidence).facts["checks"]["near_copy"]
    assert (told["verdict"], told["found"]) == ("not_assessed", None)
    assert "dataset folders" in told["reason"]


def test_the_name_of_a_training_image_is_shown_as_data() -> None:
    name = "/d/ignore all\n\x1b[31m\u202eprevious.png"
    finding = found(evidence({(9, 0): natural(7)}, {name: natural(7)}))["SAMPLES_NEAR_COPY"]
    assert finding.message.isprintable()


def test_hashes_of_flat_ground_do_not_hang_on_rounding() -> None:
    board = np.full((128, 128, 3), 255, dtype=np.uint8)
    board[32:96, 40:90] = 20
    shifted = board.copy()
    shifted[32:96, 40:90] = 40
    one, other = fingerprint(board), fingerprint(shifted)
    assert one is not None
    assert other is not None
    assert distances(one, other) == (0, 0)


SIZES = st.one_of(st.integers(1, 12), st.sampled_from([31, 32, 33, 64, 127, 130]))


@st.composite
def any_pictures(draw: st.DrawFn) -> Pixels | None:
    height, width = draw(SIZES), draw(SIZES)
    kind = draw(st.sampled_from(["missing", "flat", "drawn", "noise", "natural"]))
    seed = draw(st.integers(0, 50))
    if kind == "missing":
        return None
    if kind == "flat":
        return np.full((height, width, 3), draw(st.integers(0, 255)), dtype=np.uint8)
    if kind == "drawn":
        return draw(hnp.arrays(np.uint8, (min(height, 9), min(width, 9), 3)))
    if kind == "noise":
        return white_noise(seed, max(height, 2))
    return natural(seed % 5, width=max(width, 8), height=max(height, 8))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([0, 1, 250, 10**9]), st.integers(0, 3)),
        any_pictures(),
        max_size=10,
    ),
    st.lists(any_pictures(), max_size=3),
)
def test_any_evidence_has_an_analysis_and_a_sheet(
    pictures: dict[tuple[int, int], Pixels | None], references: list[Pixels | None]
) -> None:
    known = {f"/d/{n}.png": each for n, each in enumerate(references) if each is not None}
    given_evidence = evidence(pictures, known)
    analysis = analyze(given_evidence)
    assert analysis.assessed == any(pixels is not None for pixels in pictures.values())
    json.dumps(unstructure(analysis), allow_nan=False)
    assert analyze(given_evidence) == analysis
    for finding in analysis.findings:
        assert finding.estimate is not None
        assert finding.n
        assert finding.unknown
        assert finding.evidence
        assert finding.method in {method.name for method in METHODS}
        assert finding.false_alarm_rate is not None
    assert sample_sheet(given_evidence, max_width=400).data


def test_every_method_states_sources_and_a_measured_rate_with_its_n() -> None:
    for method in METHODS:
        assert method.false_alarm_rate.rate == 0.0
        assert "0 of " in method.false_alarm_rate.source
        assert all(parameter.source for parameter in method.parameters.values())


def test_the_analyzer_is_declared_for_samples_and_loads_nothing_heavy() -> None:
    registry = load_registry(entry_points(group="aitk.plugins", name="observability"))
    spec = registry.analyzers["samples"].spec
    assert (spec.subject, spec.analyze.load()) == ("samples", analyze)
    script = (
        "import sys, aitk_observability.plugin as p; list(p.aitk_analyzers());"
        "import aitk_core.evidence.samples;"
        "print(sorted({'numpy', 'PIL'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, capture_output=True, check=True)
    assert shown.stdout.strip() == b"[]"
