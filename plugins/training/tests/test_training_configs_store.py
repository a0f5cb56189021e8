from __future__ import annotations

import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitk_core.configkeys.text import MAX_BYTES
from aitk_core.errors import (
    AitkError,
    ConfigNotFoundError,
    ConflictError,
    InvalidArgumentsError,
    PathOutsideRootsError,
    TooLargeError,
)
from aitk_training.configs.store import ConfigStore

DATA = Path(__file__).parent / "data" / "configs"
JOB = json.loads((DATA / "recorded_jobs.json").read_text(encoding="utf-8"))["ok_200_steps"]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONFIGS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | TEXTS
        | st.floats(allow_nan=False).filter(lambda number: abs(number) < 1e300),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=10,
    ),
    min_size=1,
    max_size=4,
)
needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


def status_of(store: ConfigStore) -> dict[str, str]:
    return {entry.file: entry.status for entry in store.names()}


def test_a_config_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path / "configs")
    path = store.write("  my lora ", JOB)
    assert path.name == "my lora.yaml"
    assert store.read("my lora") == JOB
    assert list(store.read("my lora")) == list(JOB)
    assert [entry.name for entry in store.names()] == ["my lora"]


def test_letters_of_any_script_stay_letters(tmp_path: Path) -> None:
    path = ConfigStore(tmp_path).write("a", {"prompt": "größe, 写真, \U0001f600"})
    assert path.read_text(encoding="utf-8") == "prompt: größe, 写真, \U0001f600\n"


@settings(max_examples=60, deadline=None)
@given(CONFIGS)
def test_any_config_survives_the_way_through_the_file(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ConfigStore(Path(folder))
        store.write("a", config)
        assert store.read("a") == config


@settings(deadline=None)
@given(st.text(max_size=40) | st.sampled_from(["../x", "/x", "a/../../x", "..", "x.yaml", "a\0"]))
def test_any_name_is_refused_or_stays_in_the_folder(name: str) -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "configs")
        folder.mkdir()
        Path(top, "x.yaml").write_text("a: 1", encoding="utf-8")
        try:
            path = ConfigStore(folder).write(name, {"a": 2})
        except InvalidArgumentsError:
            assert not list(folder.iterdir())
        else:
            assert path.parent == folder
            assert [path] == list(folder.iterdir())
        assert {entry.name for entry in Path(top).iterdir()} == {"configs", "x.yaml"}


@pytest.mark.parametrize(
    "text", ["1e-4", "1E6", "2026-01-02", "on", "null", "~", "\x85", "a\u2028b"]
)
def test_a_text_that_looks_like_something_else_stays_a_text(tmp_path: Path, text: str) -> None:
    store = ConfigStore(tmp_path)
    store.write("a", {text: text, "list": [text, 1e-05, 1e22]})
    assert store.read("a") == {text: text, "list": [text, 1e-05, 1e22]}


def test_a_saved_config_is_not_replaced_unasked(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    store.write("a", {"v": 1})
    with pytest.raises(ConflictError):
        store.write("a", {"v": 2})
    assert store.read("a") == {"v": 1}
    store.write("a", {"v": 2}, overwrite=True)
    assert store.read("a") == {"v": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


@pytest.mark.parametrize("file", ["a.yml", "a.json"])
def test_a_config_of_another_ending_counts_and_keeps_its_ending(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text('{"v": 1}', encoding="utf-8")
    store = ConfigStore(tmp_path)
    with pytest.raises(ConflictError):
        store.write("a", {"v": 2})
    assert store.write("a", {"v": 2}, overwrite=True).name == file
    assert store.read("a") == {"v": 2}


def test_of_many_writers_at_once_exactly_one_wins(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)

    def write(number: int) -> int | None:
        try:
            store.write("a", {"v": number})
        except ConflictError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(write, range(24)) if number is not None]
    assert len(winners) == 1
    assert store.read("a") == {"v": winners[0]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_without_hard_links_a_new_file_is_still_exclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_args: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    store = ConfigStore(tmp_path)
    store.write("a", {"v": 1})
    with pytest.raises(ConflictError):
        store.write("a", {"v": 2})
    assert store.read("a") == {"v": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_a_folder_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(ConflictError) as caught:
        ConfigStore(blocked / "configs").write("a", {"v": 1})
    assert str(tmp_path) not in json.dumps(caught.value.to_json())


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", "\ud800"])
def test_what_json_cannot_hold_is_not_saved(tmp_path: Path, value: object) -> None:
    with pytest.raises(InvalidArgumentsError):
        ConfigStore(tmp_path).write("a", {"v": value})
    assert not list(tmp_path.iterdir())


def test_values_shared_by_two_places_are_written_out(tmp_path: Path) -> None:
    shared = {"resolution": [512]}
    path = ConfigStore(tmp_path).write("a", {"one": shared, "two": shared})
    assert "&" not in path.read_text(encoding="utf-8")


def test_an_unknown_name_is_not_found_and_the_nearest_are_named(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    store.write("my_lora_v1", {"v": 1})
    with pytest.raises(ConfigNotFoundError) as caught:
        store.read("my_lora_v2")
    assert caught.value.details["nearest"] == ["my_lora_v1"]
    with pytest.raises(ConfigNotFoundError):
        ConfigStore(tmp_path / "nowhere").read("a")
    assert ConfigStore(tmp_path / "nowhere").names() == []


def test_one_bad_file_spoils_neither_the_list_nor_the_others(tmp_path: Path) -> None:
    files = {
        "good.yaml": b"config: {name: good}",
        "also.yml": b"a: 1",
        "third.json": b'{"a": 1}',
        "empty.yaml": b"",
        "comment.yaml": b"# nothing\n",
        "blank.json": b" \n",
        "list.yaml": b"- 1\n- 2",
        "text.yaml": b"hello",
        "broken.yaml": b"a: [1",
        "broken.json": b'{"a": ',
        "latin.yaml": "a: größe".encode("latin-1"),
        "nan.yaml": b"a: .nan",
        "python.yaml": b"a: !!python/object/apply:os.getcwd []",
        "notes.txt": b"a: 1",
        ".hidden.yaml": b"a: 1",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.yaml").mkdir()
    store = ConfigStore(tmp_path)
    found = status_of(store)
    assert {name for name, status in found.items() if status == "ok"} == {
        "good.yaml",
        "also.yml",
        "third.json",
    }
    assert {name for name, status in found.items() if status == "empty"} == {
        "empty.yaml",
        "comment.yaml",
        "blank.json",
    }
    assert set(found) == {*files, "folder.yaml"} - {"notes.txt", ".hidden.yaml"}
    for entry in store.names():
        assert bool(entry.problem) == (entry.status != "ok")
        assert entry.modified_at is not None
        assert entry.modified_at.endswith("Z")
        assert str(tmp_path) not in entry.problem


@pytest.mark.parametrize(("content", "words"), [("", "is empty"), ("- 1", "a list"), ("[", "line")])
def test_reading_a_bad_file_says_what_is_wrong_with_it(
    tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(InvalidArgumentsError) as caught:
        ConfigStore(tmp_path).read("a")
    assert words in str(caught.value)
    assert str(tmp_path) not in json.dumps(caught.value.to_json())


def test_a_file_hidden_by_another_of_its_name_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("v: 1", encoding="utf-8")
    (tmp_path / "a.json").write_text('{"v": 2}', encoding="utf-8")
    store = ConfigStore(tmp_path)
    assert store.read("a") == {"v": 1}
    assert [(entry.file, bool(entry.problem)) for entry in store.names()] == [
        ("a.yaml", False),
        ("a.json", True),
    ]


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    (tmp_path / "secret.yaml").write_text("token: abc", encoding="utf-8")
    (folder / "real.yaml").write_text("v: 1", encoding="utf-8")
    (folder / "inside.yaml").symlink_to("real.yaml")
    (folder / "outside.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "dangling.yaml").symlink_to("nothing.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    store = ConfigStore(folder)
    assert store.read("inside") == {"v": 1}
    with pytest.raises(PathOutsideRootsError) as caught:
        store.read("outside")
    assert str(tmp_path) not in json.dumps(caught.value.to_json())
    assert status_of(store) == {
        "real.yaml": "ok",
        "inside.yaml": "ok",
        "outside.yaml": "invalid",
        "dangling.yaml": "invalid",
        "loop.yaml": "invalid",
    }
    store.write("outside", {"v": 2}, overwrite=True)
    assert (tmp_path / "secret.yaml").read_text(encoding="utf-8") == "token: abc"
    assert store.read("outside") == {"v": 2}


def test_a_folder_that_is_itself_a_link_is_used(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    store = ConfigStore(tmp_path / "link")
    store.write("a", {"v": 1})
    assert store.read("a") == {"v": 1}


@needs_pipes
def test_a_pipe_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    store = ConfigStore(tmp_path)
    assert status_of(store) == {"pipe.yaml": "invalid"}
    with pytest.raises(InvalidArgumentsError):
        store.read("pipe")


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    store = ConfigStore(tmp_path)
    with pytest.raises(TooLargeError) as caught:
        store.read("a")
    assert caught.value.details["limit_bytes"] == MAX_BYTES
    assert status_of(store) == {"a.yaml": "invalid"}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "a: &a [*a]",
        "a: *nobody",
        "a: " + "[" * 50_000,
        "a: " + "[" * 100 + "]" * 100,
        "{" * 3000,
        "a: [" + "1, " * 100_001 + "]",
        "a: " + "9" * 5000,
        "a: " + "59:" * 300_000 + "59",
        "a: 0x" + "f" * 100_000,
        "0x" + "f" * 100_000 + ": a",
        "? " + "1:" * 300_000 + "1\n: x",
        "a: 2026-13-45",
        "a: !!binary aGVsbG8=",
        "a: !!set {x, y}",
    ],
)
def test_a_text_that_would_explode_or_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArgumentsError):
        ConfigStore(tmp_path).read("a")


@pytest.mark.parametrize(
    "text", ['{"a": ' + "[" * 100_000, '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"]
)
def test_a_json_text_is_held_to_the_same_rules(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArgumentsError):
        ConfigStore(tmp_path).read("a")


def test_yaml_is_read_as_the_trainer_reads_it(tmp_path: Path) -> None:
    text = "lr: 1e-4\nsteps: 2000\nbig: 1E6\nday: 2026-01-02\non: 1\n2: x\n"
    text += "base: &b {r: [512]}\nc: *b\n"
    (tmp_path / "a.yaml").write_text("\ufeff" + text, encoding="utf-8")
    assert ConfigStore(tmp_path).read("a") == {
        "lr": 0.0001,
        "steps": 2000,
        "big": 1e6,
        "day": "2026-01-02",
        "true": 1,
        "2": "x",
        "base": {"r": [512]},
        "c": {"r": [512]},
    }


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/b", "", "a\nb", "*"])
def test_a_name_that_is_a_path_is_never_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgumentsError):
        ConfigStore(tmp_path).read(name)


def test_file_names_nobody_could_ask_for_are_listed_without_harm(tmp_path: Path) -> None:
    (tmp_path / "two\nlines.yaml").write_text("a: 1", encoding="utf-8")
    (entry,) = ConfigStore(tmp_path).names()
    assert entry.name == "two\\nlines"


def test_every_error_of_the_store_has_a_remedy(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    store.write("a", {"v": 1})
    for call in (
        lambda: store.read("b"),
        lambda: store.write("a", {}),
        lambda: store.read("../a"),
    ):
        with pytest.raises(AitkError) as caught:
            call()
        assert caught.value.remedy
