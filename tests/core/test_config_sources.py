"""Where settings come from, which of them win, and how a file is written."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicg import Config, ConfigurationError, Secret
from aicg.config import find_config_file, write_config

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str, environ: Mapping[str, str] | None = None, **options: Any) -> Config:
    Path("aicg.toml").write_text(text, encoding="utf-8")
    return Config.load(environ=environ or {}, **options)


def refusal(text: str, environ: Mapping[str, str] | None = None, **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text, environ, **options)
    return str(caught.value)


def interpolated(text: str, environ: Mapping[str, str] | None = None) -> Any:
    config = Config.from_dict({"plugins": {"x": {"text": text}}}, environ=environ)
    return config.plugins["x"].table["text"]


def test_the_nearest_file_above_is_found(folder: Path) -> None:
    (folder / "a/b/c").mkdir(parents=True)
    (folder / "aicg.toml").touch()
    (folder / "a/b/aicg.toml").touch()

    assert find_config_file(folder / "a/b/c") == folder / "a/b/aicg.toml"
    assert find_config_file(folder / "a") == folder / "aicg.toml"
    assert find_config_file() == folder / "aicg.toml"


def test_a_folder_of_that_name_is_no_file(folder: Path) -> None:
    (folder / "aicg.toml").mkdir()

    assert find_config_file() is None


def test_no_file_is_no_error() -> None:
    assert Config.load(environ={}) == Config()


def test_later_sources_win_key_by_key() -> None:
    config = load(
        '[session]\nmax_output_tokens = 1\nmax_attempts = 1\nmodel = "a:b"\ntimeout_s = 1',
        {"AICG_SESSION__MAX_ATTEMPTS": "2", "AICG_SESSION__TIMEOUT_S": "2"},
        overrides={"session": {"timeout_s": 3}},
    )

    assert config.session.min_output_tokens == 256
    assert config.session.max_output_tokens == 1
    assert config.session.max_attempts == 2
    assert config.session.timeout_s == 3


def test_the_argument_names_the_file_before_the_environment_does(folder: Path) -> None:
    for name in ("one", "two", "aicg"):
        (folder / f"{name}.toml").write_text(f'[session]\nmodel = "sim:{name}"')
    environ = {"AICG_CONFIG": "two.toml"}

    models = [
        Config.load("one.toml", environ=environ).session.model,
        Config.load(environ=environ).session.model,
        Config.load(environ={"AICG_CONFIG": ""}).session.model,
    ]

    assert models == ["sim:one", "sim:two", "sim:aicg"]


def test_the_process_environment_is_read_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AICG_SESSION__MAX_ATTEMPTS", "3")

    assert Config.load().session.max_attempts == 3
    assert Config.load(environ={}).session.max_attempts == 8
    assert Config.from_dict({}).session.max_attempts == 8


def test_variables_name_settings_of_any_section() -> None:
    environ = {
        "AICG_PROVIDERS__GROQ__KIND": "openai",
        "AICG_PLUGINS__CACHE__ENABLED": "false",
        "AICG_BUDGETS__TEAM__LIMIT_USD": "0.50",
        "AICG_SESSION__BUDGETS": "team, other",
        "AICG_CONFIG": "",
        "AICG_HOME": "ignored, as it has no double underscore",
        "OTHER__NAME": "ignored",
    }

    config = Config.from_dict({}, environ=environ)

    assert config.providers["groq"].kind == "openai"
    assert not config.plugins["cache"].enabled
    assert config.budgets["team"].limit_usd == Decimal("0.5")
    assert config.session.budgets == ("team", "other")


def test_variables_are_taken_as_they_are() -> None:
    config = Config.from_dict({}, environ={"AICG_PLUGINS__X__TEXT": "${HOME}"})

    assert config.plugins["x"].table == {"text": "${HOME}"}


@pytest.mark.parametrize("names", ["cache, otel,retry", "cache otel retry", ",cache,retry,"])
def test_aicg_disable_adds_to_what_is_disabled(names: str) -> None:
    config = load('[kernel]\ndisable = ["otel"]', {"AICG_DISABLE": names})

    assert config.kernel.disable == ("otel", "cache", "retry")


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_dict({}, environ={"AICG_SESSION__MAX_ATTEMPTS": "many"})

    assert str(caught.value) == (
        'AICG_SESSION__MAX_ATTEMPTS: session.max_attempts must be a whole number: got "many"'
    )
    assert caught.value.source == "AICG_SESSION__MAX_ATTEMPTS"
    assert caught.value.key == "session.max_attempts"


def test_each_problem_names_the_source_that_has_it() -> None:
    message = refusal(
        "[session]\nmax_attempts = true\n[budgets.a]\n",
        {"AICG_SESSION__TIMEOUT_S": "soon", "AICG_BUDGETS__A__PER": "day"},
        overrides={"session": {"deadline_s": "x"}},
    )

    assert message.splitlines() == [
        "aicg.toml: session.max_attempts must be a whole number: got true",
        'AICG_SESSION__TIMEOUT_S: session.timeout_s must be a number: got "soon"',
        'argument: session.deadline_s must be a number: got "x"',
        (
            "aicg.toml: budgets.a.limit_usd is missing: it must be an amount of dollars, "
            "zero or more, such as 0.50"
        ),
    ]


def test_a_value_of_another_source_takes_the_place_of_a_table_and_back() -> None:
    message = refusal(
        "session = 5",
        {"AICG_SESSION__MAX_ATTEMPTS": "x", "AICG_LOGGING__LEVEL": "info"},
        overrides={"logging": 5},
    )

    assert message.splitlines() == [
        'AICG_SESSION__MAX_ATTEMPTS: session.max_attempts must be a whole number: got "x"',
        "argument: logging must be a table: got a whole number",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("${NAME}", "value"),
        ("a ${NAME} b ${NAME}", "a value b value"),
        ("${NAME:-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${UNSET:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-a:-b}", "a:-b"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("$NAME $ {} }", "$NAME $ {} }"),
        ("${LOOP}", "${LOOP}"),
    ],
)
def test_variables_are_put_into_texts(text: str, meant: str) -> None:
    environ = {"NAME": "value", "EMPTY": "", "LOOP": "${LOOP}"}

    assert interpolated(text, environ) == meant


@given(st.text(alphabet="${}:-aN_1"), st.text(alphabet="${}:-aN_1"))
def test_an_escaped_text_means_itself(text: str, value: str) -> None:
    escaped = text.replace("${", "$${")

    assert interpolated(escaped) == text
    assert interpolated("${NAME}" + escaped, {"NAME": value}) == value + text


def test_variables_are_put_into_lists_tables_and_arguments() -> None:
    config = load(
        '[session]\naddons = ["${A}"]\n[providers.x]\nheaders = { h = "${A}" }',
        {"A": "one"},
        overrides={"session": {"model": "sim:${A}"}},
    )

    assert config.session.addons == ("one",)
    assert config.session.model == "sim:one"
    assert config.providers["x"].table == {"headers": {"h": "one"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "${NAME}",
            (
                "needs the environment variable NAME, which is not set: "
                "set it, or write ${NAME:-default}"
            ),
        ),
        ("${}", "has ${ without a name: write ${NAME}, or $${ where ${ itself is meant"),
        ("${1}", "has ${ without a name: write ${NAME}, or $${ where ${ itself is meant"),
        ("${NAME", "has ${ without a name: write ${NAME}, or $${ where ${ itself is meant"),
    ],
)
def test_a_variable_that_cannot_be_put_in_is_named(text: str, message: str) -> None:
    assert refusal(f'[providers.x]\nkeys = ["{text}"]') == (
        f"aicg.toml: providers.x.keys[0] {message}"
    )


def test_a_file_that_is_not_there_is_named() -> None:
    message = refusal("", path="missing.toml")

    assert message == "missing.toml: cannot be read: No such file or directory"


def test_a_folder_is_no_file(folder: Path) -> None:
    (folder / "sub.toml").mkdir()

    assert refusal("", path="sub.toml") == "sub.toml: cannot be read: Is a directory"


def test_bad_toml_is_told_with_its_line_and_column() -> None:
    message = refusal("[session]\nmodel = \n")

    assert message == "aicg.toml: is not valid TOML: Invalid value (at line 2, column 9)"


def test_a_file_that_is_not_utf_8_is_refused(folder: Path) -> None:
    (folder / "aicg.toml").write_bytes(b'a = "\xff"')

    with pytest.raises(ConfigurationError, match=r"^aicg\.toml: is not valid TOML: 'utf-8' codec"):
        Config.load(environ={})


def test_a_byte_order_mark_is_passed_over(folder: Path) -> None:
    (folder / "aicg.toml").write_bytes(b"\xef\xbb\xbf[session]\r\nmax_attempts = 3\r\n")

    assert Config.load(environ={}).session.max_attempts == 3


def test_a_file_elsewhere_is_named_in_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sub").mkdir()
    (folder / "aicg.toml").write_text("x = 1")
    monkeypatch.chdir(folder / "sub")

    with pytest.raises(ConfigurationError) as caught:
        Config.load(environ={})

    assert caught.value.source == str(folder / "aicg.toml")


def test_another_format_is_read_by_its_reader(folder: Path) -> None:
    (folder / "aicg.json").write_text('{"session": {"model": "sim:${NAME}"}}')

    config = Config.load(
        "aicg.json",
        environ={"NAME": "tutor"},
        readers={".json": lambda path: json.loads(path.read_text())},
    )

    assert config.session.model == "sim:tutor"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "aicg.json: must hold a table of sections"),
        ("{", "aicg.json: is not valid JSON: Expecting property name"),
        ('{"1": {}}', "aicg.json: 1 is not a section"),
    ],
)
def test_what_a_reader_cannot_read_is_told(folder: Path, content: str, message: str) -> None:
    (folder / "aicg.json").write_text(content)
    readers = {".json": lambda path: json.loads(path.read_text())}

    assert refusal("", path="aicg.json", readers=readers).startswith(message)


def test_a_format_without_a_reader_is_refused() -> None:
    readers: dict[str, Any] = {".yaml": dict}

    assert refusal("", path="aicg.ini", readers=readers) == (
        "aicg.ini: there is no reader for this kind of file; known are .toml, .yaml"
    )


def test_keys_that_are_no_texts_are_taken_for_texts() -> None:
    config = Config.from_dict({"plugins": {"x": {1: {True: "a"}}}})

    assert config.plugins["x"].table == {"1": {"True": "a"}}


def test_a_written_file_is_read_back(folder: Path) -> None:
    data = {
        "session": {"model": "sim:tutor", "addons": ("a", "b"), "timeout_s": float("inf")},
        "budgets": {"team": {"limit_usd": Decimal("0.1000000000001")}},
        "plugins": {"cache": {"folder": Path("a/b"), "key": "${KEY}"}},
    }

    write_config(folder / "aicg.toml", data)
    config = Config.load(environ={"KEY": "k"})

    assert config.session.addons == ("a", "b")
    assert config.session.timeout_s == float("inf")
    assert config.budgets["team"].limit_usd == Decimal("0.100000000001")
    assert config.plugins["cache"].table == {"folder": "a/b", "key": "k"}
    assert [path.name for path in folder.iterdir()] == ["aicg.toml"]


@given(data=st.dictionaries(st.text(), VALUES, max_size=4))
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("written") / "aicg.toml"

    write_config(path, data)

    assert tomllib.loads(path.read_text(encoding="utf-8")) == data


def test_a_file_is_replaced_and_keeps_its_mode(folder: Path) -> None:
    path = folder / "aicg.toml"
    path.write_text("old")
    path.chmod(0o640)

    write_config(path, {"session": {"max_attempts": 2}})

    assert path.read_text() == "[session]\nmax_attempts = 2\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(folder: Path) -> None:
    (folder / "real.toml").touch()
    link = folder / "aicg.toml"
    link.symlink_to("real.toml")

    write_config(link, {"a": 1})

    assert link.is_symlink()
    assert (folder / "real.toml").read_text() == "a = 1\n"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            Secret("sk-12345"),
            'is a secret, which no file should hold: write "${NAME}", the name of a variable of '
            "the environment that holds it",
            id="secret",
        ),
        pytest.param(
            None, "cannot be written: TOML has nothing for NoneType; leave it out", id="none"
        ),
        pytest.param(
            b"x", "cannot be written: TOML has nothing for bytes; leave it out", id="bytes"
        ),
    ],
)
def test_what_no_file_can_hold_is_refused_and_nothing_is_written(
    folder: Path, value: object, message: str
) -> None:
    path = folder / "aicg.toml"
    path.write_text("old")

    with pytest.raises(ConfigurationError) as caught:
        write_config(path, {"providers": {"x": {"keys": [value]}}})

    assert str(caught.value) == f"aicg.toml: providers.x.keys[0] {message}"
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        write_config(folder / "none/aicg.toml", {})

    assert str(caught.value) == "none/aicg.toml: cannot be written: No such file or directory"
