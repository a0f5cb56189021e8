"""The table of methods and the cost of importing it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aitk_core.statistics.early import early_failure
from aitk_core.statistics.methods import METHODS, stamp
from aitk_core.statistics.numerics import t_quantile, welch_df
from aitk_core.statistics.trend import trend


def test_every_method_names_its_sources() -> None:
    for name, info in METHODS.items():
        assert name == info.name
        assert info.what.endswith((".", "?"))
        assert info.parameters
        for parameter in info.parameters.values():
            assert parameter.source.startswith(("STATS.md section", "ours: ")) or (
                "section" in parameter.source
            )
        assert "section" in info.false_alarm_rate.source
        assert info.false_alarm_rate.unit.startswith("per ")


@pytest.mark.parametrize(
    "module", ["", ".methods", ".results", ".description", ".catalogue_loss", ".catalogue_run"]
)
def test_the_table_and_the_records_import_no_numpy(module: str) -> None:
    code = f"import sys, aitk_core.statistics{module}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_result_shows_the_settings_as_they_were_used() -> None:
    result = trend([0.4] * 300, looks=10)
    assert result.parameters["looks"].value == 10
    assert result.parameters["alpha"].value == 0.005
    assert result.parameters["batches"].source == "STATS.md section 5"
    assert result.false_alarm_rate.unit == "per run"


def test_a_setting_left_alone_keeps_its_source() -> None:
    stamped = stamp(METHODS["compare_tails_v1"], tail_values=1000, alpha=0.01)
    assert stamped["parameters"]["tail_values"].source == "STATS.md section 6"
    assert stamped["parameters"]["alpha"].source == "given by the caller"


def test_a_parameter_that_is_no_number_is_refused() -> None:
    info = METHODS["trend_quarters_v1"]
    assert info.count("batches") == 10
    with pytest.raises(KeyError):
        info.number("nonsense")


# Critical values of Student's t from a printed table (two-sided).
@pytest.mark.parametrize(
    ("df", "alpha", "value"),
    [
        (9, 0.05, 2.2622),
        (19, 0.05, 2.0930),
        (38, 0.05, 2.0244),
        (9, 0.01, 3.2498),
        (18, 0.01, 2.8784),
        (38, 0.01, 2.7116),
    ],
)
def test_the_t_quantile_agrees_with_the_table(df: float, alpha: float, value: float) -> None:
    assert t_quantile(df, alpha=alpha) == pytest.approx(value, abs=0.02)


def test_welch_degrees_of_freedom_stay_between_their_bounds() -> None:
    assert welch_df(1.0, 10, 1.0, 10) == pytest.approx(18.0)
    assert welch_df(1e-300, 10, 1e-308, 10) == pytest.approx(9.0, rel=1e-3)
    assert welch_df(0.0, 10, 0.0, 10) == 18.0


@pytest.mark.parametrize("looks", [0, -1])
def test_fewer_than_one_look_is_refused(looks: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        trend([0.4] * 300, looks=looks)


def test_an_effective_batch_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        early_failure([0.4] * 300, effective_batch=0)
