"""The table of config keys, and the places that it knows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.configkeys.paths import (
    from_pointer,
    index_of,
    join_path,
    overlap,
    same_json,
    split_path,
    to_pointer,
)
from aitk_core.configkeys.table import key_table
from aitk_core.configkeys.values import key_problems
from aitk_core.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from aitk_core.configkeys.table import ConfigKey

TABLE = key_table()
KEYS = st.text(st.sampled_from("ab/~.0-\u00e9\ud800\n "), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.0, "", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def key_at(path: str) -> ConfigKey:
    key = TABLE.find(path)
    assert key is not None, path
    return key


def test_the_table_holds_every_key_and_names_the_release_it_is_for() -> None:
    assert len(TABLE.keys) == 537
    assert len(TABLE.sections) == 26
    assert "0.12.26" in TABLE.source_version


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("job", "job"),
        ("config.process", "config.process"),
        ("config.process.0.train.lr", "config.process[].train.lr"),
        ("config.process.12.datasets.1.resolution", "config.process[].datasets[].resolution"),
        ("config.process.0.sample.samples.0.prompt", "config.process[].sample.samples[].prompt"),
        ("config.process.0.first_sample.width", "config.process[].sample.width"),
        (
            "config.process.0.model.model_kwargs.audio_vae_path",
            "config.process[].model.model_kwargs.<component>_path",
        ),
    ],
)
def test_a_path_finds_its_key(path: str, pattern: str) -> None:
    assert key_at(path).pattern == pattern


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "lr",
        "train.lr",
        "config.process.0",
        "config.process.train.lr",
        "config.process.00.train.lr",
        "config.process.-1.train.lr",
        "config.process.0.train.LR",
        "config.process.0.train.lr.x",
        "config.process.0.datasets.0.resolution.0",
        "meta.name",
        "a." * 5000,
    ],
)
def test_a_path_to_no_key_finds_none(path: str) -> None:
    assert TABLE.find(path) is None


def test_every_key_is_found_where_it_stands() -> None:
    for key in TABLE.keys:
        assert TABLE.find(key.pattern.replace("[]", ".7")) is key
        assert key.pattern in TABLE.elsewhere(key.name)


def test_every_default_is_a_value_that_its_key_takes() -> None:
    """The types were collected from annotations, which contradict the defaults in places."""
    for key in TABLE.keys:
        assert key.default is None or not [*key_problems(key, ("x",), key.default)], key.pattern


def test_every_range_has_both_ends_and_only_model_kwargs_depend_on_the_model() -> None:
    for key in TABLE.keys:
        assert (key.minimum is None) == (key.maximum is None)
        assert bool(key.archs) == (key.section == "model.model_kwargs")


def test_facts_of_the_trainer_are_in_the_table() -> None:
    """backend/API.md 14.2."""
    lr, resolution = key_at("config.process.0.train.lr"), "config.process.0.datasets.0.resolution"
    assert (lr.default, lr.types, lr.required) == (1e-6, ("number",), False)
    assert lr.source == "toolkit/config_modules.py:TrainConfig, line 381"
    assert key_at(resolution).types == ("integer", "array")
    assert key_at("config.process.0.model.name_or_path").required
    assert key_at("config.process.0.network.rank").deprecated
    assert key_at("config.process.0.train.unet_lr").no_effect
    assert key_at("config.process.0.save.save_format").choices == ("safetensors", "diffusers")
    assert key_at("config.process.0.save.save_every").nullable


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("config.process.0.train.stepz", ("steps",)),
        ("config.process.0.train.LR", ("lr",)),
        ("config.process.0.train.batch-size", ("batch_size",)),
        ("config.process.0.trian.lr", ("train",)),
        ("confg.process.0.train.lr", ("config",)),
        ("config.process.0.train.zzzzzzzz", ()),
        ("config.process.0.train.lr", ()),
        ("config.process.0.train.lr.x", ()),
        ("meta.nmae", ()),
        ("config.process.0.train." + "s" * 900, ()),
        ("", ()),
    ],
)
def test_a_wrong_name_has_its_nearest(path: str, names: tuple[str, ...]) -> None:
    assert TABLE.nearest(path)[:1] == names


def test_a_name_of_another_block_is_found_elsewhere() -> None:
    assert TABLE.elsewhere("linear") == ("config.process[].network.linear",)
    assert TABLE.elsewhere("nothing") == ()


@given(st.text())
def test_any_text_is_a_path_to_a_key_or_to_none(path: str) -> None:
    TABLE.find(path)
    TABLE.nearest(path)


def test_rules_are_data_with_distinct_codes() -> None:
    found = [check.code for check in TABLE.cross_checks if check.code is not None]
    assert len(found) == len(set(found))
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code) for code in found)
    for check in TABLE.cross_checks:
        assert (check.code is not None) == (check.decided_by == "rule")
        assert bool(check.remedy) == (check.decided_by == "rule")
        assert bool(check.needs) == (check.decided_by == "nothing")


def test_the_stored_table_is_utf8_json_without_paths_of_machines() -> None:
    text = files("aitk_core").joinpath("configkeys/data/keys.json").read_text(encoding="utf-8")
    assert json.loads(text)["source_version"] == TABLE.source_version
    assert re.search(r"(?<![\w./])/(?:home|root|mnt|tmp|usr|var|work)/", text) is None


def test_importing_the_room_reads_no_data_and_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from aitk_core.configkeys import check, patch, rules, table, values\n"
        "heavy = {'numpy', 'PIL', 'cattrs', 'jsonpatch', 'jsonschema'} & set(sys.modules)\n"
        "read = table.key_table.cache_info().currsize\n"
        "sys.exit(f'{heavy} {read}' if heavy or read else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@given(st.lists(KEYS, max_size=6).map(tuple))
def test_a_json_pointer_names_any_keys(keys: tuple[str, ...]) -> None:
    assert from_pointer(to_pointer(keys)) == keys


@pytest.mark.parametrize("pointer", ["a", "/~", "/~2", "/a~", "/" * 65, "/" + "a" * 1000])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(InvalidArgumentsError):
        from_pointer(pointer)


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a." * 64 + "a", "a" * 1001])
def test_what_is_no_dotted_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        split_path(path)
    assert len(str(caught.value)) < 500


@given(st.text())
def test_a_path_to_show_is_short_and_printable(text: str) -> None:
    assert join_path([text]).isprintable()
    assert len(join_path([text * 1000])) <= 2000


@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("0", 0),
        ("12", 12),
        ("00", None),
        ("-1", None),
        ("-", None),
        ("\u0661", None),
        ("1" * 10, None),
    ],
)
def test_an_index_is_plain_digits(key: str, index: int | None) -> None:
    assert index_of(key) == index


def test_places_overlap_where_one_holds_the_other() -> None:
    assert overlap(("a", "b"), ("a",))
    assert overlap((), ("a",))
    assert not overlap(("a", "b"), ("a", "c"))


@given(JSON, JSON)
def test_json_values_are_equal_where_their_texts_are(a: object, b: object) -> None:
    def plain(value: object) -> str:
        return re.sub(r"\b([01])\.0\b", r"\1", json.dumps(value, sort_keys=True))

    assert same_json(a, b) == (plain(a) == plain(b))
