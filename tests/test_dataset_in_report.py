"""A run's dataset in its report: shown and scored where it can be inspected, else named."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aitk_core.context import Session
from aitk_core.testing.recorded import recorded_runs
from aitk_core.testing.replay import Stage
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUN = recorded_runs()["ok_with_validation"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of twelve captioned pictures below the datasets root."""
    made = tmp_path / "sets" / "cats"
    made.mkdir(parents=True)
    for number in range(12):
        (made / f"{number:02d}.jpg").write_bytes(encoded(picture(number)))
        (made / f"{number:02d}.txt").write_text(f"a thing of kind {number}", encoding="utf-8")
    return made


@pytest.fixture
def ask(application_with: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that asks a tool about a finished run."""

    def run(tool: str, **arguments: Any) -> dict[str, Any]:
        stage = Stage()
        stage.show(RUN)
        environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets"), "AITK_PARALLEL": "threads"}

        async def once() -> dict[str, Any]:
            async with stage.backend() as backend:
                application = application_with(backend, environment)
                async with application:
                    session = Session(policy=application.policy)
                    asked = {"job_id": RUN.job_id, **arguments}
                    answer = await application.dispatcher.call(tool, asked, session)
                    data: dict[str, Any] = answer.data
                    return data

        return asyncio.run(once())

    return run


@pytest.mark.usefixtures("folder")
def test_a_sound_dataset_is_shown_and_scored(ask: Callable[..., dict[str, Any]]) -> None:
    data = ask("get-training-observability", dataset_path="cats")
    assert data["dataset_analysis"]["total_images"] == 12
    assert data["dataset_analysis"]["caption_coverage_pct"] == 100.0
    assert data["nlp_analysis"]["caption_token_count"] > 0
    assert data["run_report"]["dataset_analysis"] == data["dataset_analysis"]
    components = data["evaluation"]["components"]
    assert (components["dataset"], components["caption_quality"]) == (100.0, 100.0)


def test_pictures_that_do_not_train_as_meant_lower_the_score_and_are_told(
    ask: Callable[..., dict[str, Any]], folder: Path
) -> None:
    for number in range(3):
        file = folder / f"{number:02d}.jpg"
        file.write_bytes(file.read_bytes()[:4000])
    data = ask("get-training-observability", dataset_path="cats")
    assert data["evaluation"]["components"]["dataset"] == 75.0
    (finding,) = [one for one in data["run_report"]["findings"] if one["code"] == "IMAGE_TRUNCATED"]
    assert finding["evidence"][0]["files"] == ["00.jpg", "01.jpg", "02.jpg"]
    assert "IMAGE_TRUNCATED" in {alert["code"] for alert in data["alerts"]}
    assert data["dataset_analysis"]["corrupt_image_count"] == 3


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("method", ["evidence_v1", "reference_v1"])
def test_both_scoring_methods_score_a_dataset_that_was_inspected(
    ask: Callable[..., dict[str, Any]], method: str
) -> None:
    data = ask("get-training-observability", dataset_path="cats", scoring_method=method)
    assert data["evaluation"]["components"]["dataset"] == 100.0


@pytest.mark.usefixtures("folder")
def test_a_dataset_of_another_machine_is_not_assessed_and_says_why(
    ask: Callable[..., dict[str, Any]],
) -> None:
    for tool in ("get-training-observability", "evaluate-lora"):
        data = ask(tool)
        assert data["evaluation"]["components"]["dataset"] is None
        section = data["run_report"]["dataset_analysis"]
        assert section["assessed"] is False
        assert section["reason"].startswith("PATH_OUTSIDE_ROOTS")


@pytest.mark.usefixtures("folder")
def test_a_folder_that_is_not_there_is_said_in_the_contracts_words(
    ask: Callable[..., dict[str, Any]],
) -> None:
    data = ask("get-training-observability", dataset_path="dogs")
    section = data["dataset_analysis"]
    assert (section["exists"], section["error"]) == (False, "dataset_path_not_found")


@pytest.mark.usefixtures("folder")
def test_what_is_not_asked_about_is_skipped(ask: Callable[..., dict[str, Any]]) -> None:
    data = ask(
        "get-training-observability", dataset_path="cats", include_dataset=False, include_nlp=False
    )
    assert (data["dataset_analysis"], data["nlp_analysis"]) == ({"skipped": True},) * 2
    assert data["evaluation"]["components"]["dataset"] is None


@pytest.mark.usefixtures("folder")
def test_pitfall_120_a_dataset_is_scanned_once_for_a_report(
    ask: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from aitk_datasets.folder.walk import walk

    scanned: list[str] = []

    def counted(folder: Path, **options: Any) -> Any:
        scanned.append(folder.name)
        return walk(folder, **options)

    monkeypatch.setattr("aitk_datasets.scan.collect.walk", counted)
    ask("get-training-observability", dataset_path="cats")
    assert scanned == ["cats"]


def test_pitfall_18_one_mark_for_a_dataset_in_score_alerts_and_findings(
    ask: Callable[..., dict[str, Any]], folder: Path
) -> None:
    for number in range(4):
        (folder / f"{number:02d}.txt").unlink()
    data = ask("get-training-observability", dataset_path="cats")
    (finding,) = [one for one in data["run_report"]["findings"] if one["code"] == "CAPTION_MISSING"]
    lost = finding["estimate"]["value"]
    assert lost == pytest.approx(4 / 12, abs=1e-4)
    assert data["evaluation"]["components"]["caption_quality"] == pytest.approx(100 * (1 - lost))
    (alert,) = [one for one in data["alerts"] if one["code"] == "CAPTION_MISSING"]
    assert alert["severity"] == finding["severity"] == "warning"
