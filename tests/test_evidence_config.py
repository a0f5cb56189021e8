"""What a job's config says, where the trainer knows a key by two names."""

from __future__ import annotations

from typing import Any

import pytest

from aitk_core.evidence.config import read_config


def config_of(*datasets: Any) -> dict[str, Any]:
    return {"job": "extension", "config": {"name": "n", "process": [{"datasets": list(datasets)}]}}


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"folder_path": "/sets/a"}, "/sets/a"),
        ({"dataset_path": "/sets/b"}, "/sets/b"),
        ({"folder_path": "/sets/a", "dataset_path": "/sets/b"}, "/sets/b"),
        ({"folder_path": "/sets/a", "dataset_path": None}, "/sets/a"),
        ({"folder_path": "/sets/a", "dataset_path": ""}, "/sets/a"),
        ({"folder_path": "/sets/a", "dataset_path": 7}, "/sets/a"),
    ],
)
def test_the_folder_is_the_one_that_the_trainer_reads(entry: dict[str, Any], path: str) -> None:
    assert read_config(config_of(entry)).dataset_paths == (path,)


def test_an_entry_without_a_folder_names_none() -> None:
    assert read_config(config_of({}, {"folder_path": 3}, "x")).dataset_paths == ()
