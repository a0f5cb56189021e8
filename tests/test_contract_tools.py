"""The 27 tools of the published contract are offered, under their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aitk_core.registry import Registry

CONTRACT: Final = [
    "alert-routing",
    "auto-improve-dataset",
    "compare-training-runs",
    "create-training-config",
    "download-model",
    "evaluate-lora",
    "export-model",
    "export-observability-report",
    "get-config",
    "get-system-stats",
    "get-training-info",
    "get-training-logs",
    "get-training-observability",
    "get-training-status",
    "list-comfyui-models",
    "list-configs",
    "list-datasets",
    "list-exported-models",
    "list-training-jobs",
    "recommend-training-plan",
    "run-training-with-guardrails",
    "start-training",
    "stop-training",
    "suggest-next-experiment",
    "upload-dataset",
    "validate-training-config",
    "watch-training-timeseries",
]
JSON: Final = [
    "alert-routing",
    "auto-improve-dataset",
    "compare-training-runs",
    "download-model",
    "evaluate-lora",
    "export-observability-report",
    "get-training-observability",
    "recommend-training-plan",
    "run-training-with-guardrails",
    "suggest-next-experiment",
    "validate-training-config",
    "watch-training-timeseries",
]
"""Those whose text is a JSON document (TOOLS.md section 0)."""


def test_all_27_tools_are_offered(registry: Registry) -> None:
    assert len(CONTRACT) == 27
    assert set(CONTRACT) <= set(registry.tools)


def test_the_text_of_twelve_of_them_is_a_json_document(registry: Registry) -> None:
    kinds = {name: registry.tools[name].spec.text for name in CONTRACT}
    assert len(JSON) == 12
    assert {name for name, kind in kinds.items() if kind == "json"} == set(JSON)


def test_each_of_them_has_an_output_contract(registry: Registry) -> None:
    assert all(registry.tools[name].spec.contract == f"{name}.v1" for name in CONTRACT)
