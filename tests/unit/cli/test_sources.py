"""``yizhan sources``: what is shown once, what is shown later, and what a running node makes of a change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.openssl_certificates import Authority
from tests.support.samples import record
from tests.unit.cli.conftest import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home

LIMITS = ("requests_per_minute", "records_per_minute", "records_per_day", "bytes_per_day")


def test_a_secret_is_shown_once_beside_its_identifier(county: Home) -> None:
    made = county.call("sources", "add", "hall", "--mode", "hmac", "--mode", "key").document
    assert (made["key"][:3], made["key_id"], made["secret"][:4], made["modes"]) == (
        "yz_",
        "hall/2",
        "yzs_",
        ["key", "hmac"],
    )
    shown = county.call("sources", "show", "hall").document
    assert [(one["id"], one["mode"]) for one in shown["credentials"]] == [("hall/1", "key"), ("hall/2", "hmac")]
    assert (shown["accepted"], shown["limits"]) == (0, dict.fromkeys(LIMITS, 0))
    assert made["secret"] not in str(shown)
    assert (county.folder / "keys" / "sources.key").stat().st_mode & 0o777 == 0o600


def test_people_get_a_line_for_the_key_and_one_for_the_secret(county: Home) -> None:
    said = county.call("sources", "add", "hall", "--mode", "key", "--mode", "hmac", json_wanted=False)
    key, secret = said.out.splitlines()
    assert (key[:3], secret.split(" ")[0], secret.split(" ")[1][:4]) == ("yz_", "hall/2", "yzs_")
    only = county.call("sources", "rotate", "hall", "--mode", "hmac", "--lang", "en", json_wanted=False)
    assert only.out.startswith("hall/3 yzs_")
    assert "keep it safe" in only.err
    for words in (("show", "hall"), ("list",), ("limit", "hall", "--records-per-day", "5")):
        out = county.call("sources", *words, json_wanted=False).out
        assert "yz" not in out.replace("yizhan", "")
    assert "records_per_day\t5" in county.call("sources", "show", "hall", json_wanted=False).out


def test_limits_are_set_and_shown(county: Home) -> None:
    made = county.call("sources", "add", "hall", "--records-per-day", "100").document
    assert made["limits"]["records_per_day"] == 100
    limited = county.call("sources", "limit", "hall", "--bytes-per-day", "9", "--records-per-day", "0").document
    assert limited["limits"] == {**dict.fromkeys(LIMITS, 0), "bytes_per_day": 9}
    assert county.call("sources", "limit", "hall", "--bytes-per-day", "-1", code=2).document["code"] == "YZ-USAGE-001"
    assert county.call("sources", "limit", "nobody", code=1).document["code"] == "YZ-NAME-001"


def test_a_change_shows_what_it_made(county: Home) -> None:
    county.call("sources", "add", "hall", "--division", "360102")
    more = ("--add-system", "审批系统", "--add-organisation", "x", "--add-division", "360103", "--label", "大厅")
    changed = county.call("sources", "change", "hall", *more, "--mode", "hmac").document
    assert (changed["label"], changed["systems"]) == ("大厅", ["hall", "审批系统"])
    assert (changed["divisions"], changed["organisations"]) == (["360102", "360103"], ["x"])
    assert changed["secret"].startswith("yzs_")
    assert "key" not in changed
    less = ("--remove-division", "360102", "--remove-division", "360103")
    assert county.call("sources", "change", "hall", *less, code=2).document["code"] == "YZ-USAGE-001"
    every = ("--every-division", "--every-organisation", "--remove-system", "审批系统")
    assert county.call("sources", "change", "hall", *every, json_wanted=False).out == ""
    shown = county.call("sources", "show", "hall").document
    assert (shown["divisions"], shown["organisations"], shown["systems"]) == ([], [], ["hall"])


def test_a_certificate_is_named_by_its_file_or_by_a_name(county: Home, tmp_path: Path) -> None:
    pair = Authority(tmp_path / "authority", "An authority").issue("hall")
    by_file, by_name = ("--certificate", str(pair.certificate)), ("--certificate", "dns:Hall.example.cn")
    made = county.call("sources", "add", "hall", "--mode", "certificate", *by_file, *by_name).document
    assert "key" not in made
    shown = county.call("sources", "show", "hall").document["credentials"]
    digits, name = (one["certificate"] for one in shown)
    assert (digits[:7], len(digits), name) == ("SHA256:", 71, "DNS:hall.example.cn")
    county.call("sources", "change", "hall", "--remove-certificate", str(pair.certificate))
    assert [one["certificate"] for one in county.call("sources", "show", "hall").document["credentials"]] == [name]


@pytest.mark.parametrize("name", ["hall.pem", "DNS:", "KEY", "FOLDER"])
def test_what_names_no_certificate_is_a_mistake_in_the_call(county: Home, tmp_path: Path, name: str) -> None:
    (tmp_path / "hall.key").write_text("no certificate", encoding="ascii")
    given = {"KEY": str(tmp_path / "hall.key"), "FOLDER": str(tmp_path)}.get(name, name)
    answer = county.call("sources", "add", "hall", "--mode", "certificate", "--certificate", given, code=2)
    assert answer.document["code"] == "YZ-USAGE-001"
    assert county.call("sources", "list").document["sources"] == []


def test_a_certificate_file_that_cannot_be_read_is_a_mistake_in_the_call(
    county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hall.pem"
    path.write_text("x", encoding="ascii")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    answer = county.call("sources", "add", "hall", "--mode", "certificate", "--certificate", str(path), code=2)
    assert "Permission denied" in answer.err


def test_a_closed_source_is_opened_again(county: Home) -> None:
    county.call("sources", "add", "hall")
    county.call("sources", "disable", "hall")
    assert county.call("sources", "enable", "hall").document["disabled_at"] is None
    assert "启用" in county.call("sources", "enable", "hall", "--lang", "zh", json_wanted=False).err
    assert county.call("sources", "enable", "nobody", code=1).document["code"] == "YZ-NAME-001"


def test_a_running_node_follows_every_change_at_its_next_request(root: Home) -> None:
    body = record("Fee", DivisionCode="360000")

    with serving(root) as service:
        address = f"{service.addresses()['face']}/api/v1/records"

        def status(key: str) -> int:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
            return httpx.post(address, content=body, headers=headers, timeout=20).status_code

        old = root.call("sources", "add", "hall").document["key"]
        assert status(old) == 200
        new = root.call("sources", "rotate", "hall", "--keep-hours", "1").document["key"]
        assert (status(old), status(new)) == (200, 200)
        newest = root.call("sources", "rotate", "hall", "--keep-hours", "0").document["key"]
        assert (status(old), status(new), status(newest)) == (401, 401, 200)
        root.call("sources", "limit", "hall", "--requests-per-minute", "1")
        assert status(newest) == 200
        assert status(newest) == 429
        root.call("sources", "limit", "hall", "--requests-per-minute", "0")
        root.call("sources", "disable", "hall")
        assert status(newest) == 401
        root.call("sources", "enable", "hall")
        assert status(newest) == 200
        described = httpx.get(address.replace("records", "openapi.json"), timeout=20)
        assert json.loads(described.text)["openapi"].startswith("3.1")
