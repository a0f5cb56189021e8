"""What this plugin builds, judged by the core's table of config keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.check import check_config
from aitk_core.configkeys.facts import trainer_arch
from aitk_core.configkeys.table import key_table
from aitk_training.configs.build import ConfigRequest, build_config

DATA = Path(__file__).parent / "data" / "configs"
KNOWN = json.loads((DATA / "known_keys.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("arch_id", list(archs()))
def test_a_config_as_the_form_makes_it_has_no_problem(arch_id: str) -> None:
    request = ConfigRequest(
        name="my_lora",
        model_name=archs()[arch_id].default_name_or_path,
        dataset_path="/data/set",
        arch=arch_id,
        trigger_word="p3r5on",
    )
    config = build_config(request, training_folder="/toolkit/output").config
    (found,) = check_config(config)
    # Our own notes for people, which the trainer does ignore.
    assert (found.code, found.path) == ("UNKNOWN_KEY", "training_metadata")


def test_the_core_knows_every_architecture_of_the_form() -> None:
    table = key_table()
    for arch in archs().values():
        assert trainer_arch(arch.id) == arch.trainer_arch
        assert arch.trainer_arch in table.archs


def test_the_core_knows_the_keys_that_the_tests_of_this_plugin_know() -> None:
    table = key_table()
    assert table.source_version == KNOWN["source_version"]
    names = {section.id: [key.name for key in section.keys] for section in table.sections}
    assert {name: names[name] for name in KNOWN["sections"]} == KNOWN["sections"]
