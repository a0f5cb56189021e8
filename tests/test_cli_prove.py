"""`aitk doctor --prove`: the table, the report, the exit status, and files with traces."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from aitk_core.cli import main
from aitk_core.cli.prove import render, report_of
from aitk_core.errors import AitkError
from aitk_core.proving.generate import noise_losses
from aitk_core.proving.traces import read_traces
from aitk_core.records.findings import Finding
from aitk_core.services.proving import prove_analyzers
from aitk_core.specs import AnalyzerSpec
from aitk_core.testing.plugins import declare, fake_distribution, lazy, load_fake
from support.servers import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC: Final = (
    Path(__file__).parents[2] / "shared" / "domain" / "traces" / "public_loss_traces.npz"
)
AWAY: Final = "http://127.0.0.1:9"


def aitk(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aitk_core", "doctor", "--prove", *words],
        env=environment(AWAY, folder),
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def save(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def test_the_installed_analyzers_are_proven_in_a_table_of_100_columns(tmp_path: Path) -> None:
    done = aitk(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    table = lines[1 : lines.index("")]
    for name in ("checkpoints", "errors", "liveness", "loss", "samples", "sources", "speed"):
        (row,) = [line for line in table if line.startswith(name)]
        assert "aitk-observability" in row
    assert {"buckets", "captions", "counts", "duplicates", "files", "looks"} <= {
        line.split()[0] for line in table if "aitk-datasets" in line
    }
    assert all(row.endswith(" ok") for row in table)
    assert "All was found, and nothing else." in lines
    assert "  kill9_worker_alive         errors: PROC_SIGNAL" in lines


def test_the_report_is_json_with_the_same_verdict(tmp_path: Path) -> None:
    arrays = {
        "meta": json.dumps([{"key": "r1"}, {"key": "r2"}]),
        "r1/loss": noise_losses(np.random.default_rng(1), 900),
        "r2/loss": noise_losses(np.random.default_rng(2), 900),
        "r2/t": np.arange(900.0),
    }
    save(tmp_path / "mine.npz", arrays)
    done = aitk(tmp_path, "--json", "--traces", str(tmp_path / "mine.npz"))
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["traces"]) == (0, True, 2)
    loss = next(one for one in report["analyzers"] if one["name"] == "loss")
    assert loss["found"] == loss["must_find"] >= 15
    assert loss["delay_steps"]["median"] <= loss["delay_steps"]["p90"]
    assert loss["traces"]["steps"] == 1800
    assert report["seconds"] < 60
    assert all(one["within_stated"] is not False for one in loss["noise"])


@pytest.mark.skipif(not PUBLIC.is_file(), reason="the public traces are not beside this repository")
def test_the_public_traces_give_the_two_alarms_that_are_documented(tmp_path: Path) -> None:
    report = json.loads(aitk(tmp_path, "--json", "--traces", str(PUBLIC)).stdout)
    counts = {one["name"]: one["traces"] for one in report["analyzers"] if one["traces"]}
    # STATS.md section 3: the same block of two runs that share their noise.
    assert counts["loss"]["codes"] == {"LOSS_LEVEL_SHIFT": 2}
    assert {name: one["count"] for name, one in counts.items() if name != "loss"} == dict.fromkeys(
        ("checkpoints", "errors", "liveness", "sources", "speed"), 0
    )
    assert {one["steps"] for one in counts.values()} == {256_622}


def test_an_analyzer_that_fails_is_named_and_makes_the_status_1(tmp_path: Path) -> None:
    def eager(_evidence: Any) -> Iterator[Finding]:
        yield Finding(
            code="ACME_EAGER",
            category="acme",
            severity="critical",
            message="bad",
            method="acme\x1b[31m_v1\n",
        )

    spec = AnalyzerSpec(name="acme", analyze=lazy(eager))
    points = fake_distribution(tmp_path, "acme-probe", {"acme": declare(aitk_analyzers=[spec])})
    owned = load_fake(points).analyzers.values()
    report = report_of(asyncio.run(prove_analyzers(owned, timeout_s=10.0, noise_runs=3)))
    text = render(report)
    assert report["ok"] is False
    assert text.splitlines()[1].split()[:2] == ["acme", "acme-probe"]
    assert text.splitlines()[1].endswith("FAILS")
    assert "  acme (acme-probe): recorded: no_ui_logger: false alarm: ACME_EAGER at step 15" in text
    assert "Without cases of their own: acme" in text
    assert "\x1b" not in text + json.dumps(report, ensure_ascii=False)


def test_no_plugin_at_all_is_proven_with_an_empty_table() -> None:
    report = report_of(asyncio.run(prove_analyzers([], timeout_s=10.0, noise_runs=1)))
    assert (report["ok"], report["analyzers"]) == (True, [])
    assert "hang_midway                nobody" in render(report)


def test_traces_without_a_proof_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--traces", "mine.npz"])
    assert caught.value.code == 2
    assert "--traces needs --prove" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    done = aitk(tmp_path, "--traces", str(tmp_path / "none.npz"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("aitk: FILE_NOT_FOUND: there is no file 'none.npz'")
    assert "`meta` names the runs" in done.stderr


LOSS: Final = np.ones(5)
BAD_FILES: Final[dict[str, Any]] = {
    "no meta": {"r1/loss": LOSS},
    "meta that is no JSON": {"meta": "r1", "r1/loss": LOSS},
    "meta that is no list": {"meta": "{}", "r1/loss": LOSS},
    "an empty list": {"meta": "[]"},
    "a run without a key": {"meta": "[{}]", "r1/loss": LOSS},
    "a run that is no object": {"meta": "[1]", "r1/loss": LOSS},
    "a run without a loss": {"meta": '[{"key": "r1"}]'},
    "an empty loss": {"meta": '[{"key": "r1"}]', "r1/loss": LOSS[:0]},
    "a loss of two columns": {"meta": '[{"key": "r1"}]', "r1/loss": np.ones((5, 2))},
    "a loss of words": {"meta": '[{"key": "r1"}]', "r1/loss": np.array(["a", "b"])},
    "times of another length": {"meta": '[{"key": "r1"}]', "r1/loss": LOSS, "r1/t": LOSS[:3]},
    "an unknown prediction": {
        "meta": '[{"key": "r1", "prediction": "velocity"}]',
        "r1/loss": LOSS,
    },
    "a batch of none": {"meta": '[{"key": "r1", "batch": 0}]', "r1/loss": LOSS},
    "pickled objects": {"meta": '[{"key": "r1"}]', "r1/loss": np.array([{}, []], dtype=object)},
}


@pytest.mark.parametrize("arrays", BAD_FILES.values(), ids=BAD_FILES)
def test_an_archive_of_something_else_is_refused(arrays: dict[str, Any], tmp_path: Path) -> None:
    save(tmp_path / "bad.npz", arrays)
    with pytest.raises(AitkError) as caught:
        read_traces(tmp_path / "bad.npz")
    assert (caught.value.code, bool(caught.value.remedy)) == ("INVALID_ARGUMENTS", True)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"step,loss\n1,0.1\n"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(AitkError) as caught:
        read_traces(tmp_path / "bad.npz")
    assert caught.value.code == "INVALID_ARGUMENTS"


def test_losses_that_are_not_finite_stay_what_they_are(tmp_path: Path) -> None:
    arrays = {"meta": '[{"key": "r1"}]', "r1/loss": np.array([1.0, np.nan, 0.0])}
    save(tmp_path / "nan.npz", arrays)
    (trace,) = read_traces(tmp_path / "nan.npz")
    loss = trace.evidence().loss
    assert loss is not None
    assert loss.values[0] == 1.0
    assert np.isnan(loss.values[1])
    assert loss.values[2] == 0.0


def test_a_trace_is_judged_by_what_its_run_predicts_and_averages(tmp_path: Path) -> None:
    run = {"key": "r1", "prediction": "flow", "batch": 4, "label": "nan"}
    save(tmp_path / "mine.npz", {"meta": json.dumps([run, {"key": "r2"}]), "r1/loss": LOSS,
                                 "r2/loss": LOSS})  # fmt: skip
    first, second = read_traces(tmp_path / "mine.npz")
    config = first.evidence().config
    assert (config.prediction, config.effective_batch, first.is_healthy) == ("flow", 4, False)
    config = second.evidence().config
    assert (config.prediction, config.effective_batch, second.is_healthy) == ("noise", 1, True)


def test_runs_that_failed_count_for_no_false_alarm(tmp_path: Path) -> None:
    meta = json.dumps([{"key": "r1", "label": "nan"}, {"key": "r2"}])
    sound = noise_losses(np.random.default_rng(1), 300)
    save(tmp_path / "mine.npz", {"meta": meta, "r1/loss": sound * np.nan, "r2/loss": sound})
    report = json.loads(aitk(tmp_path, "--json", "--traces", str(tmp_path / "mine.npz")).stdout)
    loss = next(one for one in report["analyzers"] if one["name"] == "loss")
    assert (report["traces"], loss["traces"]["steps"], loss["traces"]["count"]) == (1, 300, 0)
