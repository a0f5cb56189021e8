"""Settings come from the command line, the environment, a file, or the default, in that order."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import frozen

from aitk_core.application import Application, configure_logging
from aitk_core.cli.doctor import examine, render
from aitk_core.errors import InvalidSettingError
from aitk_core.settings import (
    CORE_SECTIONS,
    HttpSettings,
    ServerSettings,
    SettingsSource,
    describe,
    secrets_of,
    setting,
    settings_table,
)
from aitk_core.specs import SettingsSpec
from aitk_core.testing.plugins import declare, fake_points

if TYPE_CHECKING:
    from collections.abc import Mapping

    import attrs


def source(
    environment: Mapping[str, str] | None = None, file: Path | None = None
) -> SettingsSource:
    return SettingsSource(environment=environment or {}, file=file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def refused(
    settings: SettingsSource, section: str = "server", record: type[Any] = ServerSettings
) -> InvalidSettingError:
    with pytest.raises(InvalidSettingError) as caught:
        settings.load(section, record)
    return caught.value


def test_environment_wins_over_file_and_file_over_default(file: Path) -> None:
    file.write_text('[server]\nbackend_url = "http://file"\nworkers = 7\n', encoding="utf-8")
    given = source({"AI_TOOLKIT_SERVER_URL": "http://environment"}, file)
    settings = given.load("server", ServerSettings)
    assert (settings.backend_url, settings.workers) == ("http://environment", 7)
    assert settings.log_level == "INFO"
    assert given.load("server", ServerSettings, {"backend_url": "http://flag"}).backend_url == (
        "http://flag"
    )


def test_an_empty_variable_and_an_absent_flag_count_as_not_set(file: Path) -> None:
    file.write_text("[server]\nworkers = 7\n", encoding="utf-8")
    given = source({"AITK_WORKERS": "  "}, file)
    assert given.load("server", ServerSettings, {"workers": None}).workers == 7


def test_the_file_is_named_by_a_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[http]\nport = 9000\n", encoding="utf-8")
    named = source({"AITK_SETTINGS_FILE": str(file)})
    assert named.load("http", HttpSettings).port == 9000
    monkeypatch.setenv("HOME", str(file.parent))
    at_home = source({"AITK_SETTINGS_FILE": "~/settings.toml"})
    assert at_home.load("http", HttpSettings).port == 9000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[server", "cannot be read: Expected ']'"),
        ("[server]\na = 1\na = 2", "cannot be read: Cannot overwrite"),
        ("# " + "x" * 1024 * 1024, "larger than 1 MiB"),
        (b"\xff\xfe", "cannot be read"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(
    file: Path, content: str | bytes | None, message: str
) -> None:
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidSettingError, match=message):
        source(file=file)


@pytest.mark.parametrize(
    ("word", "value"),
    [(word, True) for word in ("1", "true", "yes", "y", "on", "TRUE", " On ")]
    + [(word, False) for word in ("0", "false", "no", "n", "off", "OFF")],
)
def test_every_word_of_the_contract_is_a_boolean(word: str, value: bool) -> None:
    given = source({"AITK_READ_ONLY": word})
    assert given.load("server", ServerSettings).read_only is value


@pytest.mark.parametrize("word", ["maybe", "2", "ja", "tru", "-1"])
def test_any_other_word_is_refused_and_not_taken_for_the_default(word: str) -> None:
    error = refused(source({"AITK_READ_ONLY": word}))
    assert error.details == {
        "setting": "read_only",
        "source": "environment variable AITK_READ_ONLY",
    }
    assert repr(word) in str(error)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AITK_WORKERS", "0"),
        ("AITK_WORKERS", "1.5"),
        ("AITK_WORKERS", "four"),
        ("AITK_BACKEND_TIMEOUT_SECONDS", "nan"),
        ("AITK_BACKEND_TIMEOUT_SECONDS", "inf"),
        ("AITK_BACKEND_TIMEOUT_SECONDS", "1e999"),
        ("AITK_TOOL_TIMEOUT_SECONDS", "0"),
        ("AITK_TOOL_TIMEOUT_SECONDS", "-1"),
    ],
)
def test_a_number_must_be_one_and_not_below_its_floor(variable: str, value: str) -> None:
    assert variable in str(refused(source({variable: value})))


@pytest.mark.parametrize(
    "line",
    [
        "workers = true",
        "workers = 2.5",
        f"workers = {10**400}",
        "log_level = 3",
        "toolsets = 5",
        "toolsets = { a = 1 }",
        "toolsets = [1]",
        "backend_url = ['x']",
        "read_only = 1.5",
        "home = 3",
    ],
)
def test_a_value_of_the_wrong_kind_in_the_file_is_refused(file: Path, line: str) -> None:
    file.write_text(f"[server]\n{line}\n", encoding="utf-8")
    error = refused(source(file=file))
    assert error.details["source"].startswith("[server] ")


def test_a_section_that_is_no_table_is_refused_and_told(file: Path) -> None:
    file.write_text("server = 5\n", encoding="utf-8")
    given = source(file=file)
    assert "is no table" in str(refused(given))
    assert given.unknown(CORE_SECTIONS) == ["server"]


def test_lists_come_from_words_or_from_a_toml_array(file: Path) -> None:
    file.write_text('[server]\ntools = ["a", " b "]\n', encoding="utf-8")
    settings = source({"AITK_TOOLSETS": " x, y ,,z, "}, file).load("server", ServerSettings)
    assert settings.toolsets == ("x", "y", "z")
    assert settings.tools == ("a", "b")


def test_model_roots_are_separated_as_paths_are() -> None:
    given = source({"COMFYUI_MODEL_ROOTS": os.pathsep.join(["/a", "~/b"])})
    roots = given.load("server", ServerSettings).model_roots
    assert roots == (Path("/a"), Path("~/b").expanduser())


def test_the_home_of_nobody_is_a_plain_name() -> None:
    given = source({"AITK_HOME": "~no-such-person-here/x"})
    assert given.load("server", ServerSettings).home == Path("~no-such-person-here/x")


def test_keys_that_nobody_declares_are_found(file: Path) -> None:
    file.write_text(
        "[server]\nworkers = 1\nwokers = 2\n[acme]\na = 1\n[http]\nport = 1\n", encoding="utf-8"
    )
    assert source(file=file).unknown(CORE_SECTIONS) == ["server.wokers", "acme"]


CONTRACT_VARIABLES = {
    # contract/TOOLS.md section 0
    "AI_TOOLKIT_SERVER_URL": "http://localhost:8675",
    "LOG_LEVEL": "INFO",
    "COMFYUI_MODEL_ROOTS": "",
    # contract/OUTPUTS.md section 3
    "MCP_HTTP_HOST": "127.0.0.1",
    "MCP_HTTP_PORT": "8080",
    "MCP_HTTP_AUTH_TOKEN": "",
    "MCP_HTTP_AUTH_FOR_HEALTH": "false",
    "MCP_HTTP_AUTH_FOR_TOOLS": "false",
    "MCP_HTTP_TOOL_TIMEOUT_SECONDS": "120.0",
    "MCP_HTTP_MAX_BODY_BYTES": "1048576",
    "MCP_HTTP_RATE_LIMIT_ENABLED": "false",
    "MCP_HTTP_RATE_LIMIT_WINDOW_SECONDS": "60.0",
    "MCP_HTTP_RATE_LIMIT_MAX_REQUESTS": "120",
    "MCP_HTTP_TRUST_PROXY_FOR_RATE_LIMIT": "false",
    "MCP_HTTP_RATE_LIMIT_CLIENT_IP_HEADER": "X-Forwarded-For",
    "MCP_HTTP_TRUSTED_PROXY_CIDRS": "",
    "MCP_HTTP_REQUIRE_TRUSTED_PROXY_CIDRS": "false",
}


def test_every_variable_of_the_contract_exists_with_its_default() -> None:
    rows = {row.env: row.default for row in describe(CORE_SECTIONS)}
    assert {name: rows.get(name) for name in CONTRACT_VARIABLES} == CONTRACT_VARIABLES


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MCP_HTTP_TOOL_TIMEOUT_SECONDS", "0.009"), ("MCP_HTTP_MAX_BODY_BYTES", "0"),
     ("MCP_HTTP_RATE_LIMIT_WINDOW_SECONDS", "0.9"), ("MCP_HTTP_RATE_LIMIT_MAX_REQUESTS", "0")],
)  # fmt: skip
def test_floors_of_the_contract_refuse_what_is_below(variable: str, value: str) -> None:
    assert "is below" in str(refused(source({variable: value}), "http", HttpSettings))


def test_no_variable_belongs_to_two_settings(registry: Any) -> None:
    names = [row.env for row in describe(registry.sections())]
    assert len(names) == len(set(names))


def test_the_table_has_a_row_for_each_setting(registry: Any) -> None:
    table = settings_table(registry.sections())
    for row in describe(registry.sections()):
        assert f"| `{row.env}` | `{row.section}.{row.name}` |" in table
        assert row.description in table
    assert "(secret)" in table


HIDDEN = "correct-horse-battery"


@frozen(kw_only=True)
class Acme:
    token: str | None = setting(None, env="ACME_TOKEN", secret=True, description="A token.")
    pin: int = setting(0, env="ACME_PIN", secret=True, minimum=0, description="A number.")
    colour: str = setting("red", env="ACME_COLOUR", description="A colour.")

    def __attrs_post_init__(self) -> None:
        if self.colour == "none":
            raise ValueError(f"no colour for {self.token}")


def test_a_secret_is_in_no_repr_and_no_error(file: Path) -> None:
    settings = source({"ACME_TOKEN": HIDDEN}).load("acme", Acme)
    assert settings.token == HIDDEN
    assert HIDDEN not in repr(settings)
    assert secrets_of(cast("attrs.AttrsInstance", settings)) == [HIDDEN]
    pin = refused(source({"ACME_PIN": HIDDEN}), "acme", Acme)
    own = refused(source({"ACME_TOKEN": HIDDEN, "ACME_COLOUR": "none"}), "acme", Acme)
    file.write_text(f"[acme]\ntoken = ['{HIDDEN}']\n", encoding="utf-8")
    listed = refused(source(file=file), "acme", Acme)
    for error in (pin, own, listed):
        assert HIDDEN not in json.dumps(error.to_json())


def test_what_a_record_says_itself_is_told_where_it_holds_no_secret() -> None:
    @frozen(kw_only=True)
    class Picky:
        size: int = setting(1, env="PICKY_SIZE", description="A size.")

        def __attrs_post_init__(self) -> None:
            if self.size % 2 == 0:
                raise ValueError("size must be odd")

    error = refused(source({"PICKY_SIZE": "2"}), "picky", Picky)
    assert str(error) == "settings [picky]: size must be odd"


def report_of(environment: Mapping[str, str]) -> dict[str, Any]:
    plugin = declare(aitk_settings=[SettingsSpec(section="acme", record=Acme)])
    application = Application(source=source(environment), points=fake_points(acme=plugin))
    return asyncio.run(examine(application))


def test_doctor_shows_what_differs_and_of_secrets_only_that_they_are_set() -> None:
    report = report_of(
        {
            "ACME_TOKEN": HIDDEN,
            "ACME_PIN": "1234",
            "AI_TOOLKIT_AUTH": HIDDEN,
            "AI_TOOLKIT_SERVER_URL": f"http://ada:{HIDDEN}@127.0.0.1:9",
            "AITK_TOOLSETS": "acme",
        }
    )
    shown = {row["setting"]: row["value"] for row in report["settings"]}
    assert shown == {
        "server.backend_url": "http://127.0.0.1:9",
        "server.backend_token": "(set)",
        "server.toolsets": ["acme"],
        "acme.token": "(set)",
        "acme.pin": "(set)",
    }
    assert HIDDEN not in json.dumps(report)
    assert HIDDEN not in render(report)
    assert "1234" not in json.dumps(report)


def test_doctor_shows_no_setting_that_is_the_default() -> None:
    assert report_of({"AITK_READ_ONLY": "no", "AITK_WORKERS": "4"})["settings"] == []


def test_doctor_names_a_plugin_s_bad_setting_and_an_unknown_key(file: Path) -> None:
    file.write_text("[acme]\ncolor = 1\n", encoding="utf-8")
    report = report_of({"ACME_PIN": "x", "AITK_SETTINGS_FILE": str(file)})
    assert report["ok"] is False
    reasons = [problem["reason"] for problem in report["problems"]]
    assert reasons[0] == "nobody declares 'acme.color' in the settings file"
    assert reasons[1].startswith("environment variable ACME_PIN: its value is not a whole number")


def test_the_level_of_the_settings_replaces_the_provisional_one() -> None:
    root = logging.getLogger()
    before = root.level
    try:
        configure_logging("WARNING")
        configure_logging("debug")
        assert root.level == logging.DEBUG
        with pytest.raises(InvalidSettingError, match="'LOUD' is not DEBUG"):
            configure_logging("LOUD")
    finally:
        root.setLevel(before)
