"""``yizhan adapters test|new|scale|documents``: what they show, and with which code they leave."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from node.cli.home import RUN, alone_in
from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.writers import csv_table
from tests.support.homes import Home, applications
from tests.support.samples import CREDIT_CODE
from tests.support.scripted_adapters import install_scripted

ALL_RULES = {
    "contract_version",
    "settings_documented",
    "settings",
    "secrets_apart",
    "opens",
    "checked_before_saving",
    "bounded",
    "delivery",
    "closes",
    "secrets_masked",
    "stable_key",
}


@pytest.fixture
def hall(county: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A county with a source, the scripted kind installed, and an adapter of it that serves one department."""
    install_scripted(tmp_path / "site", monkeypatch)
    (tmp_path / "deliveries").mkdir()
    county.call("sources", "add", "hall")
    folder = ("--set", f"folder={tmp_path / 'deliveries'}")
    county.call("adapters", "add", "door", "--kind", "scripted", "--source", "hall", *folder)
    with (county.folder / "adapters.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[line]\nkind = "scripted"\nsource = "hall"\ndeliver_organisations = ["{CREDIT_CODE}"]\n')
        file.write(f'[line.settings]\nfolder = "{tmp_path / "deliveries"}"\n')
    return county


def deliveries(home: Home) -> Path:
    return home.folder.parent / "deliveries"


def test_a_report_tries_the_live_source_and_changes_nothing(hall: Home) -> None:
    (deliveries(hall) / "a.csv").write_bytes(applications(2))
    report = hall.call("adapters", "test", "door").document
    assert (report["schema"], report["kind"], report["passed"]) == ("yizhan.adapter-report/1", "scripted", True)
    assert {one["rule"]: one["passed"] for one in report["findings"]} == dict.fromkeys(ALL_RULES, True)
    assert [path.name for path in deliveries(hall).iterdir()] == ["a.csv"]
    shown = hall.call("adapters", "test", "door", json_wanted=False).out
    assert "✓\tstable_key\tthe same 1 keys came again" in shown


def test_a_report_on_a_source_that_is_away_says_so_and_leaves_with_1(hall: Home) -> None:
    (deliveries(hall) / "script").write_text("check:away", encoding="utf-8")
    report = hall.call("adapters", "test", "door", code=1).document
    (found,) = [one for one in report["findings"] if one["passed"] is False]
    assert found["rule"] == "checked_before_saving"
    assert "the source is away" in found["text"]


def test_an_adapter_knows_that_somebody_only_looks(hall: Home) -> None:
    script = deliveries(hall) / "script"
    script.write_text("check:trial", encoding="utf-8")
    report = hall.call("adapters", "test", "door", code=1).document
    assert "only a trial: True" in next(one["text"] for one in report["findings"] if one["passed"] is False)
    script.write_text("fetch:trial", encoding="utf-8")
    assert hall.call("adapters", "run", "door", code=6).document["text"] == "only a trial: False"


def test_what_a_running_node_may_have_spoilt_in_a_report_is_said(hall: Home) -> None:
    (deliveries(hall) / "script").write_text("check:away", encoding="utf-8")
    hall.call("adapters", "pause", "door")
    with alone_in(hall.folder, RUN):
        _, *words = hall.call("adapters", "test", "door", "--lang", "en", json_wanted=False, code=1).err.splitlines()
        assert words == []
        hall.call("adapters", "resume", "door")
        (deliveries(hall) / "script").write_text("check:away", encoding="utf-8")
        err = hall.call("adapters", "test", "door", "--lang", "en", json_wanted=False, code=1).err
        assert err.splitlines()[-1].endswith("yizhan adapters pause door")
        assert "pause" not in hall.call("adapters", "test", "door", "--lang", "en", json_wanted=False).err


def test_an_adapter_is_tried_while_its_own_folder_changes(hall: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    own = hall.folder / "adapters" / "door" / "own"
    own.mkdir(parents=True)
    for name in ("answered", "answered-wal"):
        (own / name).write_text(name, encoding="utf-8")
    copy = shutil.copy2

    def copy_too_late(source: str, target: str) -> object:
        if source.endswith("-wal"):
            # What the process that keeps the adapter does when it lets its database go.
            Path(source).unlink()
        return copy(source, target)

    monkeypatch.setattr("node.departments.doors.by_hand.shutil.copy2", copy_too_late)
    assert hall.call("adapters", "test", "door").document["passed"] is True


def test_a_folder_for_which_there_is_no_room_is_told(hall: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    own = hall.folder / "adapters" / "door" / "own"
    own.mkdir(parents=True)
    (own / "spool").write_text("much", encoding="utf-8")

    def full(_source: str, _target: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("node.departments.doors.by_hand.shutil.copy2", full)
    answer = hall.call("adapters", "run", "door", "--dry-run", code=None).document
    assert (answer["code"], "No space left" in answer["why"]) == ("YZ-STORE-002", True)
    assert "TMPDIR" in answer["action"]


def test_a_dry_run_says_what_this_node_would_answer_and_keeps_nothing(hall: Home) -> None:
    month = generate_month(items_of("360103", "西湖区"), cases=10, seed=11)
    theirs = [one for one in month.records if one.record_type == "Application" and one.valid][:2]
    (deliveries(hall) / "a.csv").write_bytes(csv_table(theirs, chinese=True))
    before = hall.call("status", code=None).document["streams"]
    look = hall.call("adapters", "run", "door", "--dry-run", code=9).document
    assert look["conformance"]["conforming"] == 2
    counts = {name: look["preview"][name] for name in ("offered", "accepted", "repeated", "refused")}
    assert counts == {"offered": 2, "accepted": 0, "repeated": 0, "refused": 2}
    shown = hall.call("adapters", "run", "door", "--dry-run", "--lang", "en", json_wanted=False, code=9)
    assert "refused\t1:2\t\tno-authority\t360102 does not serve division 360103" in shown.out.splitlines()
    assert shown.err.endswith("Taken in now, it would be: accepted 0, repeated 0, refused 2\n")
    assert hall.call("status", code=None).document["streams"] == before


def test_a_dry_run_knows_what_this_node_has_already(hall: Home) -> None:
    (deliveries(hall) / "a.csv").write_bytes(applications(2))
    assert hall.call("adapters", "run", "door", "--dry-run").document["preview"]["accepted"] == 2
    hall.call("adapters", "run", "door")
    (deliveries(hall) / "b.csv").write_bytes(applications(3))
    preview = hall.call("adapters", "run", "door", "--dry-run").document["preview"]
    assert (preview["accepted"], preview["repeated"], preview["refused"]) == (1, 2, 0)
    wrong = b"RecordType,CaseNo\nApplication,1\n"
    (deliveries(hall) / "b.csv").write_bytes(wrong)
    told = hall.call("adapters", "run", "door", "--dry-run", json_wanted=False, code=1)
    # What the standard has against it is told once.
    assert not [line for line in told.out.splitlines() if line.startswith("refused")]
    hall.call("sources", "disable", "hall")
    assert "is disabled" in hall.call("adapters", "run", "door", "--dry-run", code=1).err


def test_a_process_that_crashes_in_a_report_is_told(hall: Home) -> None:
    (deliveries(hall) / "script").write_text("check:crash", encoding="utf-8")
    assert "was ended" in hall.call("adapters", "test", "door", code=1).err


def test_a_source_that_nothing_waits_at_is_reported_on_in_the_language_asked_for(hall: Home) -> None:
    report = hall.call("adapters", "test", "door", "--lang", "zh", json_wanted=False)
    assert "–\tstable_key\t" in report.out
    assert "全部通过。" in report.err


def test_settings_are_shown_as_people_read_them(hall: Home) -> None:
    (hall.folder.parent / "drop").mkdir()
    settings = ("--set", f"folder={hall.folder.parent / 'drop'}", "--set", "patterns=*.csv", "--set", "patterns=*.xml")
    hall.call("adapters", "add", "drop", "--kind", "file_drop", "--source", "hall", *settings)
    shown = hall.call("adapters", "show", "drop", json_wanted=False).out
    assert "settings.patterns\t*.csv, *.xml" in shown.splitlines()
    assert "hours\t" in shown.splitlines()
    assert "{" not in shown


def test_a_new_kind_is_written_where_it_was_asked_for(county: Home, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    made = county.call("adapters", "new", "tax_box", "--folder", str(folder)).document
    assert sorted(made["files"]) == sorted(str(path) for path in folder.iterdir())
    assert "cannot be the name" in county.call("adapters", "new", "Tax Box", code=2).err


def test_the_scale_says_how_far_a_kind_has_come(hall: Home) -> None:
    kinds = {one["name"]: one for one in hall.call("adapters", "scale", "--at-least", "gold", code=1).document["kinds"]}
    assert kinds["scripted"]["step"] == "none"
    assert [one["text"] for one in kinds["scripted"]["answers"] if one["rule"] == "faults"] == ["not answered"]
    assert (
        hall.call("adapters", "scale", "file_drop", "sftp", "--at-least", "gold").document["kinds"][0]["step"] == "gold"
    )
    assert "file_drop: gold" in hall.call("adapters", "scale", "file_drop", json_wanted=False).err
    assert "no kind named 'nobody'" in hall.call("adapters", "scale", "nobody", code=1).err
