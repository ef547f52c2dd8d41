"""Settings of a kind are checked by what the kind declares, from a file and from a command line alike."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.contract import Form, Setting
from node.departments.doors.kind_settings import (
    SettingError,
    allowed_words,
    checked_secrets,
    checked_settings,
    read_settings,
)


def setting(name: str, form: Form = Form.TEXT, **more: Any) -> Setting:
    return Setting(name=name, form=form, zh="", en="", **more)


DECLARED = (
    setting("host"),
    setting("port", Form.NUMBER, default=22, lowest=1, highest=65_535),
    setting("timeout_s", Form.NUMBER, default=2.5, lowest=0.5, highest=60),
    setting("verify", Form.FLAG, default=True),
    setting("mode", Form.CHOICE, default="pull", choices=("pull", "push")),
    setting("columns", Form.LIST, default=()),
    setting("headers", Form.TABLE, default={}),
    setting("label", default="", length_max=5),
    setting("password", secret=True),
    setting("token", secret=True, default=""),
)


def test_what_is_not_given_has_its_default_and_secrets_stand_apart() -> None:
    assert checked_settings(DECLARED, {"host": "a"}) == {
        "host": "a",
        "port": 22,
        "timeout_s": 2.5,
        "verify": True,
        "mode": "pull",
        "columns": (),
        "headers": {},
        "label": "",
    }
    assert checked_secrets(DECLARED, {"password": "x"}) == {"password": "x"}


def test_a_secret_may_have_lines_as_a_private_key_has() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----\n"
    assert checked_secrets(DECLARED, {"password": key}) == {"password": key}
    assert "control characters but line ends" in allowed_words(DECLARED[-1])
    with pytest.raises(SettingError):
        checked_secrets(DECLARED, {"password": "\x1b[2J"})


def test_a_text_may_have_lines_where_its_kind_says_so() -> None:
    query = setting("query", several_lines=True)
    assert checked_settings((query,), {"query": "SELECT *\n\tFROM a\r\n"})["query"] == "SELECT *\n\tFROM a\r\n"
    assert "control characters but line ends" in allowed_words(query)
    with pytest.raises(SettingError):
        checked_settings((query,), {"query": "SELECT '\x00'"})


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({}, "host", "has no default"),
        ({"host": 5}, "host", "text of at most 4000 characters"),
        ({"host": "a\nb"}, "host", "without control characters"),
        ({"host": "a", "hots": "b"}, "hots", "Nearest known setting: host"),
        ({"host": "a", "port": 22.0}, "port", "a whole number from 1 to 65,535"),
        ({"host": "a", "port": 0}, "port", "it is '0'"),
        ({"host": "a", "port": True}, "port", "a whole number"),
        ({"host": "a", "port": "22"}, "port", "a whole number"),
        ({"host": "a", "timeout_s": float("nan")}, "timeout_s", "a number from 0.5 to 60"),
        ({"host": "a", "timeout_s": float("inf")}, "timeout_s", "a number"),
        ({"host": "a", "verify": 1}, "verify", "true or false"),
        ({"host": "a", "mode": "both"}, "mode", "one of pull, push"),
        ({"host": "a", "columns": "x"}, "columns", "a list of texts"),
        ({"host": "a", "columns": ["x", 1]}, "columns", "a list of texts"),
        ({"host": "a", "columns": ["x"] * 1001}, "columns", "a list of texts"),
        ({"host": "a", "headers": {"a": 1}}, "headers", "a table of texts by name"),
        ({"host": "a", "headers": []}, "headers", "a table of texts by name"),
        ({"host": "a", "label": "123456"}, "label", "at most 5 characters"),
        ({"host": "a", "password": "x"}, "password", "adapters.secrets.toml"),
    ],
)
def test_a_fault_is_told_with_its_name_and_what_is_allowed(given: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(SettingError) as raised:
        checked_settings(DECLARED, given)
    assert raised.value.name == name
    assert words in f"{raised.value.what} {raised.value.why} {raised.value.action}"


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({}, "password", "is a secret that is missing"),
        ({"password": 7}, "password", "it has another form"),
        ({"password": "x", "host": "a"}, "host", "Nearest known setting"),
    ],
)
def test_a_fault_in_a_secret_is_told_without_the_secret(given: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(SettingError) as raised:
        checked_secrets(DECLARED, given)
    assert raised.value.name == name
    assert words in f"{raised.value.what} {raised.value.why} {raised.value.action}"
    assert "7" not in f"{raised.value.why}"


def test_texts_of_a_command_line_become_values() -> None:
    given = [
        ("host", "a=b"),
        ("port", "2022"),
        ("timeout_s", "1.5"),
        ("verify", "FALSE"),
        ("mode", "push"),
        ("columns", "a"),
        ("columns", "b"),
        ("headers", "X-A=1"),
        ("headers", "X-B=2=3"),
    ]
    assert read_settings(DECLARED, given) == {
        "host": "a=b",
        "port": 2022,
        "timeout_s": 1.5,
        "verify": False,
        "mode": "push",
        "columns": ["a", "b"],
        "headers": {"X-A": "1", "X-B": "2=3"},
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([("host", "a"), ("host", "b")], "it is given more than once"),
        ([("headers", "plain")], "an entry of a table is name=value"),
        ([("verify", "maybe")], "true or false"),
        ([("port", "x")], "a whole number"),
        ([("nothing", "x")], "is unknown"),
        ([("password", "x")], "--secret password"),
    ],
)
def test_texts_that_are_no_values_are_told(given: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(SettingError) as raised:
        read_settings(DECLARED, given)
    assert words in f"{raised.value.what} {raised.value.why} {raised.value.action}"


def test_a_number_without_a_default_is_whole_when_its_lowest_is() -> None:
    assert allowed_words(setting("count", Form.NUMBER, lowest=1, highest=9)) == "a whole number from 1 to 9"
    assert allowed_words(setting("share", Form.NUMBER, lowest=0.0, highest=1)) == "a number from 0 to 1"
