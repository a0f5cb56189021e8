"""export-observability-report: three files of one run, safe to open, never in each other's way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from markdown import markdown as rendered

from aitk_core.errors import (
    AitkError,
    ConflictError,
    InvalidArgumentsError,
    JobNotFoundError,
    NotFoundError,
    PathOutsideRootsError,
)
from aitk_core.testing.recorded import recorded_runs
from aitk_export.reporting.markdown import escaped
from aitk_export.reporting.writing import write_report
from support.html import Page
from support.reports import exported

if TYPE_CHECKING:
    from aitk_core.registry import Registry

RUNS: Final = recorded_runs()
HOSTILE: Final = (
    '</pre><script>alert(1)</script><img src="https://evil.example/x" onerror="alert(2)">'
    " [click](javascript:alert(3)) https://evil.example www.evil.example a@evil.example | x"
)


@pytest.fixture(scope="module")
def overfit(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return exported(
        tmp_path_factory.mktemp("home"),
        RUNS.values(),
        job_id=RUNS["overfit"].job_id,
        baseline_job_id=RUNS["ok_with_validation"].job_id,
        include_raw_log_excerpt=True,
    )


def test_the_answer_is_the_contracts(overfit: dict[str, Any]) -> None:
    assert overfit["success"] is True
    assert overfit["overall_health"] == "warning"
    assert overfit["alert_count"] == 2
    assert overfit["evaluation_score"] == pytest.approx(39.71)
    name = Path(overfit["json_report_path"]).name
    expected = rf"observability-{RUNS['overfit'].job_id}-\d{{8}}-\d{{6}}\.json"
    assert re.fullmatch(expected, name)
    assert Path(overfit["markdown_report_path"]).suffix == ".md"


def test_the_json_file_fits_its_own_contract(overfit: dict[str, Any], registry: Registry) -> None:
    document = json.loads(Path(overfit["json_report_path"]).read_text("utf-8"))
    registry.contracts.check_output("observability-report-file.v1", document)
    assert document["snapshot"]["run_report"]["job_name"] == "overfit"
    assert document["evaluation"] == document["snapshot"]["evaluation"]
    rank = next(
        each
        for each in document["baseline"]["differences"]
        if each["path"] == "process.0.network.linear"
    )
    assert (rank["baseline"], rank["run"], rank["kind"]) == (4, 32, "changed")
    assert [each["kind"] for each in document["files"]] == ["final", "step", "step", "optimizer"]


def test_the_page_says_what_was_found_and_needs_nothing_else(overfit: dict[str, Any]) -> None:
    text = Path(overfit["html_report_path"]).read_text("utf-8")
    page = Page(text)
    words = " ".join(page.words)
    for expected in ("OVERFITTING", "overfit_val_v1", "n = 42", "false alarms 0 per run"):
        assert expected in words
    assert "process.0.network.linear" in words
    assert "script" not in page.tags
    assert not {"link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    places = [value for name, value in page.attributes if name in ("src", "href", "action")]
    assert places
    assert all(place.startswith("data:image/") for place in places)
    assert "default-src 'none'" in text
    alternatives = [value for name, value in page.attributes if name == "alt"]
    assert alternatives
    assert all(alternatives)


def test_the_same_run_gives_the_same_report_apart_from_times(tmp_path: Path) -> None:
    def report(home: str) -> list[str]:
        answer = exported(
            tmp_path / home, [RUNS["ok_200_steps"]], job_id=RUNS["ok_200_steps"].job_id
        )
        texts = [
            Path(answer[key]).read_text("utf-8")
            for key in ("json_report_path", "markdown_report_path", "html_report_path")
        ]
        times = r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|"collected_at_s": [\d.]+'
        return [re.sub(times, "", text) for text in texts]

    assert report("a") == report("b")


def test_hostile_names_and_log_lines_are_shown_as_text(tmp_path: Path) -> None:
    run = RUNS["nan_loss"]
    config = json.loads(run.row["job_config"])
    config["config"]["process"][0]["trigger_word"] = HOSTILE
    row = {**run.row, "name": HOSTILE, "info": HOSTILE, "job_config": json.dumps(config)}
    hostile = evolve(run, row=row, log=f"{run.log}\n{HOSTILE}\nloss is nan {HOSTILE}\n")
    answer = exported(tmp_path, [hostile], job_id=run.job_id, include_raw_log_excerpt=True)
    page = Page(Path(answer["html_report_path"]).read_text("utf-8"))
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in " ".join(page.words)
    places = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(place.startswith("data:image/") for place in places)
    note = Page(
        rendered(Path(answer["markdown_report_path"]).read_text("utf-8"), extensions=["tables"])
    )
    assert not {"script", "img", "a"} & set(note.tags)


@given(text=st.text(st.sampled_from("ab \\`*_[]()<>&|~$#+-.=!@/:1w"), max_size=40))
def test_escaped_text_is_shown_as_it_was_and_makes_no_markup(text: str) -> None:
    line = " ".join(text.split())
    page = Page(rendered(escaped(line)))
    assert set(page.tags) <= {"p"}
    assert "".join(page.words).strip() == line


def test_an_unscored_report_says_so(tmp_path: Path) -> None:
    run = RUNS["ok_200_steps"]
    answer = exported(tmp_path, [run], job_id=run.job_id, include_evaluation=False)
    assert answer["evaluation_score"] is None
    assert "not assessed" in Path(answer["markdown_report_path"]).read_text("utf-8")


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"output_dir": "/etc/reports"}, PathOutsideRootsError),
        ({"output_dir": "../.."}, PathOutsideRootsError),
        ({"filename_prefix": "../esc"}, InvalidArgumentsError),
        ({"filename_prefix": ".bashrc"}, InvalidArgumentsError),
        ({"filename_prefix": "a/b"}, InvalidArgumentsError),
        ({"filename_prefix": ""}, InvalidArgumentsError),
        ({"baseline_job_id": "00000000-0000-0000-0000-000000000000"}, JobNotFoundError),
    ],
)
def test_pitfall_56_reports_stay_below_the_configured_folders(
    tmp_path: Path, bad: dict[str, Any], error: type[Exception]
) -> None:
    run = RUNS["ok_200_steps"]
    with pytest.raises(error):
        exported(tmp_path / "home", [run], job_id=run.job_id, **bad)
    assert not list(tmp_path.rglob("*.html"))


def test_a_folder_inside_a_root_is_taken(tmp_path: Path) -> None:
    run = RUNS["ok_200_steps"]
    wanted = tmp_path / "mine" / "here"
    answer = exported(tmp_path, [run], job_id=run.job_id, output_dir=str(wanted))
    assert Path(answer["output_dir"]) == wanted
    below = exported(tmp_path, [run], job_id=run.job_id, output_dir="weekly")
    assert Path(below["output_dir"]) == tmp_path / "reports" / "weekly"


def test_pitfall_77_two_reports_of_one_second_have_two_names(tmp_path: Path) -> None:
    contents = {"json": b"1", "md": b"2", "html": b"3"}
    first = write_report(tmp_path, "p", "job/../1", 0.0, contents)
    second = write_report(tmp_path, "p", "job/../1", 0.5, contents | {"json": b"4"})
    assert first["json"].name == "p-job_.._1-19700101-000000.json"
    assert second["json"].name == "p-job_.._1-19700101-000000-2.json"
    assert first["json"].read_bytes() == b"1"
    assert len(list(tmp_path.iterdir())) == 6


def test_a_report_is_there_with_all_its_files_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "p-j-19700101-000000.html").write_text("somebody's")
    made = write_report(tmp_path, "p", "j", 0.0, {"json": b"1", "md": b"2", "html": b"3"})
    assert made["json"].name == "p-j-19700101-000000-2.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "p-j-19700101-000000-2.html",
        "p-j-19700101-000000-2.json",
        "p-j-19700101-000000-2.md",
        "p-j-19700101-000000.html",
    ]


def test_the_page_is_put_into_the_jobs_plugin_tab_only_when_asked_and_never_over_anothers(
    tmp_path: Path,
) -> None:
    run = RUNS["ok_200_steps"]
    folder = tmp_path / "out" / run.name
    folder.mkdir(parents=True)
    page = folder / "plugin.html"
    asked: dict[str, Any] = {"job_id": run.job_id, "outputs": tmp_path / "out"}
    plain = exported(tmp_path, [run], **asked)
    assert plain["plugin_page_path"] is None
    assert not page.exists()
    first = exported(tmp_path, [run], **asked, plugin_page=True)
    assert first["plugin_page_path"] == str(page)
    assert page.read_bytes() == Path(first["html_report_path"]).read_bytes()
    second = exported(tmp_path, [run], **asked, plugin_page=True)
    assert second["plugin_page_path"] == str(page)
    page.write_text("<html>somebody else's</html>", "utf-8")
    with pytest.raises(ConflictError, match="left alone"):
        exported(tmp_path, [run], **asked, plugin_page=True)
    assert page.read_text("utf-8") == "<html>somebody else's</html>"
    with pytest.raises(NotFoundError):
        exported(tmp_path, [run], job_id=run.job_id, plugin_page=True)


def test_a_job_whose_name_leads_out_gets_no_page(tmp_path: Path) -> None:
    run = RUNS["ok_200_steps"]
    (tmp_path / "out").mkdir()
    for name in ("../elsewhere", ".", ""):
        named = evolve(run, row={**run.row, "name": name})
        with pytest.raises(AitkError):
            exported(
                tmp_path, [named], outputs=tmp_path / "out", job_id=run.job_id, plugin_page=True
            )
    assert not list(tmp_path.rglob("plugin.html"))
