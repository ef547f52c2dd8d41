"""The everyday commands on one node: sources, import, refused, records, quarantine, publish, statistics."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click
import pytest

from node.cli.home import alone_in
from node.errors import DemonstrationError
from node.journal.entries import read_entry
from node.journal.quarantine import listed
from node.standard.codec import leaf_hash
from node.standard.seals import ANCESTORS, StreamName
from tests.support.homes import applications
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from node.demo.demonstration import Settings
    from node.journal.entries import Entry
    from tests.support.homes import Home


EXAMPLE = ROOT / "docs" / "examples" / "cases.csv"


def test_a_source_is_added_listed_and_closed(county: Home) -> None:
    bounds = ("--division", "360102", "--system", "审批系统", "--system", "other")
    made = county.call("sources", "add", "hall", "--label", "大厅", *bounds).document
    assert made["key"].startswith("yz_")
    listed = county.call("sources", "list").document["sources"]
    assert [(one["name"], one["disabled_at"]) for one in listed] == [("hall", None)]
    assert listed[0]["systems"] == made["systems"] == ["hall", "other", "审批系统"]
    assert made["key"] not in str(listed)
    assert county.call("sources", "disable", "hall").document["disabled_at"] is not None
    assert county.call("sources", "add", "hall", code=1).document["code"] == "YZ-STATE-001"


def test_people_see_a_key_and_a_table(county: Home) -> None:
    answer = county.call("sources", "add", "hall", "--lang", "en", json_wanted=False)
    assert answer.out.startswith("yz_")
    assert "keep it safe" in answer.err
    assert "hall" in county.call("sources", "list", json_wanted=False).out
    assert "停用" in county.call("sources", "disable", "hall", "--lang", "zh", json_wanted=False).err


def test_an_import_says_what_became_of_each_record(county: Home, tmp_path: Path) -> None:
    path = tmp_path / "applications.csv"
    rows = applications(6).decode("gb18030").splitlines(keepends=True)
    path.write_bytes("".join([*rows[:6], rows[6].replace("申办", "申半")]).encode("gb18030"))
    report = county.call("import", str(path), "--dialect", "csv", code=9).document
    assert (report["schema"], report["offered"], report["accepted"], report["refused"]) == ("yizhan.import/1", 6, 5, 1)
    assert set(report["problems"][0]) == {"row", "line", "element", "rule", "text"}
    assert county.call("import", str(path), code=9).document["repeated"] == 5
    people = county.call("import", str(path), "--lang", "zh", json_wanted=False, code=9)
    assert "重复 5" in people.err
    assert "申半" in people.out or "row" in people.out


@pytest.mark.parametrize("options", [(), ("--dialect", "csv"), ("--source", "hall", "--dialect", "csv")], ids=str)
def test_the_example_of_the_documentation_is_accepted_whole(county: Home, options: tuple[str, ...]) -> None:
    county.call("sources", "add", "hall", "--division", "360102")
    rows = len(EXAMPLE.read_text(encoding="utf-8").splitlines()) - 1
    report = county.call("import", str(EXAMPLE), *options).document
    assert (report["offered"], report["accepted"], report["problems"]) == (rows, rows, [])
    status = county.call("status", code=None).document
    assert (status["quarantined"], status["refused"]) == (0, 0)
    assert county.call("import", str(EXAMPLE), *options).document["repeated"] == rows


def test_problems_that_are_not_listed_are_counted(
    county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(applications(3).decode("gb18030").replace("申办", "申半").encode("gb18030"))
    monkeypatch.setattr("node.departments.report.PROBLEMS_MAX", 1)
    answer = county.call("import", str(path), "--lang", "en", json_wanted=False, code=1)
    assert "2 more problems are not listed." in answer.err


def test_an_import_of_nothing_usable_leaves_with_one(county: Home, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_bytes(b"")
    assert county.call("import", str(path), code=1).document["accepted"] == 0
    assert "missing.csv" in county.call("import", str(tmp_path / "missing.csv"), code=2).err
    assert county.call("import", str(path), "--source", "nobody", code=1).document["code"] == "YZ-NAME-001"


def test_an_interrupted_import_says_how_to_go_on(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "x.csv"
    path.write_bytes(applications(1))
    monkeypatch.setattr("node.departments.importing.DeliveredFile.take_in", interrupted)
    answer = county.call("import", str(path), "--lang", "en", code=130)
    assert "the same command goes on" in answer.err
    assert answer.out == ""


def test_a_refused_delivery_is_shown_corrected_and_offered(county: Home, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    good = applications(1).decode("gb18030")
    path.write_bytes(good.replace("申办", "申半").encode("gb18030"))
    county.call("import", str(path), code=1)
    (listed,) = county.call("refused", "list").document["deliveries"]
    shown = county.call("refused", "show", str(listed["id"])).document
    assert "申半" in shown["content"]
    assert shown["problems"]
    corrected = tmp_path / "good.csv"
    corrected.write_bytes(good.encode("gb18030"))
    report = county.call("refused", "offer", str(listed["id"]), "--file", str(corrected), "--as", "李").document
    assert report["accepted"] == 1
    assert county.call("refused", "list").document["deliveries"] == []
    (settled,) = county.call("refused", "list", "--state", "all").document["deliveries"]
    assert (settled["state"], settled["settled_by"]) == ("settled", "李")


def test_a_refused_delivery_is_discarded_with_a_reason(county: Home, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"nonsense\n1\n")
    county.call("import", str(path), code=1)
    number = str(county.call("refused", "list").document["deliveries"][0]["id"])
    assert "nonsense" in county.call("refused", "show", number, json_wanted=False).out
    assert number in county.call("refused", "list", json_wanted=False).out
    assert county.call("refused", "offer", number, json_wanted=False, code=1).code == 1
    done = county.call("refused", "discard", number, "--reason", "测试文件").document
    assert (done["state"], done["reason"]) == ("discarded", "测试文件")
    assert county.call("refused", "show", number).document["content"] is None
    assert county.call("refused", "discard", number, "--reason", "again", code=1).document["code"] == "YZ-STATE-001"
    assert county.call("refused", "show", "99", code=1).document["code"] == "YZ-NAME-001"


def test_discarding_asks_on_a_terminal_only(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"nonsense\n1\n")
    county.call("import", str(path), code=1)
    monkeypatch.setattr("node.cli.frame.Frame.may_ask", property(lambda _frame: True))
    monkeypatch.setattr("click.confirm", _declined)
    assert county.call("refused", "discard", "1", "--reason", "x", json_wanted=False, code=130).out == ""
    assert county.call("refused", "discard", "1", "--reason", "x", "--yes").document["state"] == "discarded"


def _declined(*_: object, **__: object) -> None:
    raise click.Abort


def test_records_are_listed_and_shown_byte_by_byte(fed: Home) -> None:
    listed = fed.call("records", "list", "360102/ancestors").document
    assert (listed["schema"], listed["size"], len(listed["records"])) == ("yizhan.records/1", 6, 6)
    assert (
        fed.call("records", "list", "360102/ancestors", "--first", "2", "--limit", "2").document["records"][0][
            "position"
        ]
        == 2
    )
    shown = fed.call("records", "show", "360102/ancestors", "1").document
    assert leaf_hash(shown["body"].encode()).hex() == shown["leaf"] == listed["records"][0]["leaf"]
    raw = fed.call("records", "list", "360102/ancestors", json_wanted=False).out
    assert "Application" in raw


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("records", "list", "360103/ancestors"), 1),
        (("records", "show", "360102/ancestors", "99"), 1),
        (("records", "show", "360103/ancestors", "1"), 1),
        (("quarantine", "show", "360102/ancestors", "1"), 1),
        (("cases", "show", "x"), 1),
        (("penalties", "show", "x"), 1),
        (("divisions", "show", "369903"), 1),
        (("cases", "show", "x", "--system", "registry"), 1),
        (("penalties", "show", "x", "--system", "registry"), 1),
        (("cases", "show", "x", "--system", " "), 2),
    ],
)
def test_what_is_not_held_is_said_so(fed: Home, arguments: tuple[str, ...], code: int) -> None:
    assert fed.call(*arguments, code=code).err


def test_status_is_shown_to_people(fed: Home) -> None:
    answer = fed.call("status", "--lang", "zh", json_wanted=False, code=None)
    assert "东湖区" in answer.err
    assert "上报" in answer.out
    assert "cases\t6" in answer.out


def test_status_tells_whether_a_process_runs_the_node(fed: Home) -> None:
    told = fed.call("status", "--lang", "en", json_wanted=False, code=3)
    assert "not running" in told.err
    assert "Start it: yizhan run" in told.err
    assert fed.call("status", code=3).document["running"] is False
    with alone_in(fed.folder, "run"):
        assert fed.call("status").document["running"] is True
        assert "● 运行中" in fed.call("status", "--lang", "zh", json_wanted=False).err


def _quarantine(county: Home) -> None:
    node = county.node()
    body = b'<Unknown xmlns="urn:yizhan:standard:1" Version="1.0"></Unknown>'
    stream = StreamName("360102", ANCESTORS)
    entry: Entry = read_entry(body)
    assert entry.quarantine is not None
    node.store.write(lambda transaction: node.journal.append(transaction, stream, [entry]))
    node.close()


def test_a_quarantined_record_is_listed_shown_and_read_again(fed: Home) -> None:
    _quarantine(fed)
    (listed,) = fed.call("quarantine", "list").document["records"]
    assert (listed["stream"], listed["position"], listed["reason"]) == ("360102/ancestors", 7, "unknown type")
    assert fed.call("quarantine", "list", "--stream", "360000/trust").document["records"] == []
    shown = fed.call("quarantine", "show", "360102/ancestors", "7").document
    assert shown["body"].startswith("<Unknown")
    answer = fed.call("quarantine", "requeue").document
    assert (answer["read"], answer["applied"]) == (1, 0)
    assert fed.call("quarantine", "requeue", "--stream", "360000/trust").document["read"] == 0
    assert "unknown type" in fed.call("quarantine", "list", json_wanted=False).out
    assert "unknown type" in fed.call("quarantine", "show", "360102/ancestors", "7", json_wanted=False).err
    assert fed.call("status", code=3).document["quarantined"] == 1


def test_any_number_of_quarantined_records_is_read_again(fed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        _quarantine(fed)
    monkeypatch.setattr("node.cli.quarantine.LISTED_MAX", 2)
    monkeypatch.setattr("node.journal.quarantine.listed", partial(listed, limit=2))
    assert fed.call("quarantine", "requeue").document["read"] == 3
    assert fed.call("quarantine", "show", "360102/ancestors", "9").document["position"] == 9


def test_the_root_publishes_what_ships(root: Home) -> None:
    first = root.call("publish", "divisions").document
    assert first["published"] > 100
    assert root.call("publish", "divisions").document["unchanged"] == first["published"]
    for kind in ("calendar",):
        assert root.call("publish", kind).document["refused"] == 0
    assert "发布 0" in root.call("publish", "calendar", "--lang", "zh", json_wanted=False).err


@pytest.mark.parametrize("kind", ["items", "organisations", "divisions"])
def test_a_file_with_nothing_to_publish_leaves_with_one(root: Home, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"nonsense\n1\n")
    answer = root.call("publish", kind, str(path), code=1).document
    assert answer["refused"] == 1
    assert "headings" in root.call("publish", kind, str(path), json_wanted=False, code=1).out


def test_a_county_may_not_publish_divisions(county: Home) -> None:
    assert county.call("publish", "divisions", code=1).document["code"] == "YZ-RECORD-002"


def test_a_notice_is_sent_once_and_answered_where_it_is_held(county: Home, root: Home) -> None:
    words = ("--to", "360102", "--subject", "核查", "--text", "请核查。", "--as", "监察员", "--key", "k1")
    sent = root.call("publish", "notice", *words, "--reply-due", "2026-12-31").document
    assert (sent["schema"], sent["new"], len(sent["notice"])) == ("yizhan.notice/1", True, 20)
    again = root.call("publish", "notice", *words, json_wanted=False)
    assert again.out.strip() == sent["notice"]
    missing = county.call("publish", "reply", "--notice", sent["notice"], "--text", "已核查", code=1)
    assert missing.document["code"] == "YZ-NAME-001"
    unknown = root.call("publish", "notice", "--to", "999999", "--subject", "a", "--text", "b", code=1)
    assert unknown.document["what"] == "There is no node '999999' in the tree"
    assert unknown.document["action"] == "Name one of the nodes below: 360102"


def test_statistics_are_published_and_shown(fed: Home) -> None:
    published = fed.call("statistics", "publish").document["published"]
    assert published
    days = [one["day"] for one in published]
    shown = fed.call("statistics", "show", "--from", min(days), "--to", max(days)).document
    assert (shown["schema"], shown["state"]) == ("yizhan.statistics/1", "none")
    applied = [one for one in shown["figures"] if one["scope"] == "own" and one["indicator"] == "applied"]
    assert sum(one["value"] for one in applied) == 6
    assert fed.call("statistics", "publish", "--day", "2026-01-01").document["published"]
    assert "applied" in fed.call("statistics", "show", "--from", days[0], json_wanted=False).out


def test_the_demonstration_is_called_with_what_was_asked(monkeypatch: pytest.MonkeyPatch, root: Home) -> None:
    asked: list[Settings] = []

    def demonstrate(settings: Settings) -> int:
        asked.append(settings)
        return 0

    monkeypatch.setattr("node.demo.demonstration.demonstrate", demonstrate)
    root.call("demo", "--cases", "5", "--seed", "3", json_wanted=False)
    (settings,) = asked
    assert (settings.cases, settings.seed, settings.home, settings.check) == (5, 3, root.folder, False)


def test_a_check_that_cannot_go_on_still_prints_its_one_document(monkeypatch: pytest.MonkeyPatch, root: Home) -> None:
    def demonstrate(_: Settings) -> int:
        raise DemonstrationError("A node did not start", why="the port is taken", action="Look at its log")

    monkeypatch.setattr("node.demo.demonstration.demonstrate", demonstrate)
    answer = root.call("demo", "--check", json_wanted=False, code=1)
    problem = "A node did not start · the port is taken · Look at its log"
    assert answer.document == {"schema": "yizhan.demo/1", "ok": False, "problems": [problem], "nodes": {}}
    assert answer.err.splitlines()[1] == "the port is taken (YZ-DEMO-001)"
    assert root.call("demo", json_wanted=False, code=1).out == ""
