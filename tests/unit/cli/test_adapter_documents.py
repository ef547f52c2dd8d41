"""``yizhan adapters documents``: what goes down to a department, what became of it, and once more where it has to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from node.demo.catalogue import items_of
from tests.support.homes import Home, applications
from tests.support.scripted_adapters import install_scripted

if TYPE_CHECKING:
    from pathlib import Path

CODES = sorted({item.department.credit_code for item in items_of("360102", "东湖区")})


@pytest.fixture
def line(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A county whose departments get applications of others through an adapter; two were handed in at the hall."""
    install_scripted(tmp_path / "site", monkeypatch)
    (tmp_path / "desk").mkdir()
    county.call("sources", "add", "tax")
    (county.folder / "adapters.toml").write_text(
        f'[line]\nkind = "scripted"\nsource = "tax"\ndeliver_organisations = {json.dumps(CODES)}\n'
        f'deliver_record_types = ["Application"]\n[line.settings]\nfolder = "{tmp_path / "desk"}"\n',
        encoding="utf-8",
    )
    (tmp_path / "hall.csv").write_bytes(applications(2))
    county.call("import", str(tmp_path / "hall.csv"))
    return county


def script(home: Home, *deeds: str) -> None:
    (home.folder.parent / "desk" / "script").write_text("\n".join(deeds), encoding="utf-8")


def documents(home: Home, *options: str) -> list[dict[str, Any]]:
    found = home.call("adapters", "documents", "line", *options).document
    assert (found["schema"], found["name"]) == ("yizhan.adapter-documents/1", "line")
    return list(found["documents"])


def test_documents_are_listed_with_what_became_of_them(line: Home) -> None:
    assert documents(line) == []
    script(line, "deliver:never")
    assert line.call("adapters", "run", "line").document["delivered"] == 1
    refused, delivered = documents(line)
    assert (refused["state"], refused["reason"], refused["attempts"]) == ("refused", "it is not taken", 1)
    assert (delivered["state"], delivered["reason"]) == ("delivered", "")
    assert {refused["stream"], delivered["stream"]} == {"360102/ancestors"}
    assert {refused["organisation"], delivered["organisation"]} <= set(CODES)
    assert documents(line, "--state", "refused") == [refused]
    assert documents(line, "--state", "waiting", "--state", "held") == []
    assert documents(line, "--limit", "1") == [refused]
    shown = line.call("adapters", "documents", "line", json_wanted=False).out.splitlines()
    assert shown[0].split("\t") == ["number", "record", "organisation", "state", "since", "reason"]
    assert shown[1].split("\t")[:4] == [
        str(refused["number"]),
        f"360102/ancestors/{refused['position']}",
        refused["organisation"],
        "refused",
    ]
    assert len(shown) == 3


def test_a_document_that_was_refused_is_delivered_once_more_and_one_that_waits_is_not(line: Home) -> None:
    script(line, "deliver:never")
    line.call("adapters", "run", "line")
    (refused,) = documents(line, "--state", "refused")
    number = str(refused["number"])
    told = line.call("adapters", "documents", "line", "--again", number, "--lang", "en", json_wanted=False)
    assert (told.out, told.err) == ("", f"The document {number} will be delivered once more.\n")
    assert [one["state"] for one in documents(line)] == ["waiting", "delivered"]
    answer = line.call("adapters", "documents", "line", "--again", number, code=1).document
    assert (answer["code"], answer["why"]) == ("YZ-STATE-001", "it is waiting")
    assert line.call("adapters", "run", "line").document["delivered"] == 1
    assert [(one["state"], one["attempts"]) for one in documents(line)] == [("delivered", 2), ("delivered", 1)]
    again = line.call("adapters", "documents", "line", "--again", number).document
    assert [one["state"] for one in again["documents"]] == ["waiting", "delivered"]


def test_documents_of_nobody_and_numbers_of_nothing_are_told(line: Home) -> None:
    assert "no document 7" in line.call("adapters", "documents", "line", "--again", "7", code=1).err
    assert "no adapter named 'nobody'" in line.call("adapters", "documents", "nobody", code=1).err
    empty = line.call("adapters", "documents", "line", "--lang", "en", json_wanted=False)
    assert empty.err.splitlines() == ["下达文书 line Documents: none"]
    path = line.folder / "adapters.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("[line", "[other"), encoding="utf-8")
    text = "\n".join(one for one in path.read_text(encoding="utf-8").splitlines() if not one.startswith("deliver_"))
    path.write_text(text, encoding="utf-8")
    told = line.call("adapters", "documents", "other", "--lang", "en", json_wanted=False)
    assert told.err.splitlines()[-1].startswith("Nothing goes down through it: ")


def test_what_goes_down_is_forgotten_with_its_adapter(line: Home) -> None:
    line.call("adapters", "run", "line")
    assert len(documents(line)) == 2
    text = (line.folder / "adapters.toml").read_text(encoding="utf-8")
    line.call("adapters", "remove", "line", "--yes")
    (line.folder / "adapters.toml").write_text(text, encoding="utf-8")
    assert documents(line) == []
