"""``yizhan statistics explain``: levels and records as tables and as a document, in both languages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from node.cli.comparing import comparison_document, write_comparisons
from node.cli.explaining import _write_levels
from node.cli.frame import Frame
from node.statistics.compared import NamedDifference
from node.statistics.comparisons import Comparison
from node.statistics.explain import Level, Missing, Version
from node.statistics.indicators import FigureKey

if TYPE_CHECKING:
    import pytest

    from tests.support.homes import Home


def day_of(home: Home) -> str:
    return str(home.call("statistics", "publish").document["published"][0]["day"])


def test_a_figure_is_explained_with_the_records_that_evidence_can_be_written_of(fed: Home) -> None:
    day = day_of(fed)
    shown = fed.call("statistics", "explain", "applied", "--date", day).document
    assert (shown["schema"], shown["indicator"]) == ("yizhan.statistics-explained/1", "applied")
    figure = shown["figure"]
    assert (figure["node"], figure["verdict"], figure["adds_up"]) == ("360102", "own", True)
    assert figure["own"] == figure["counted"] == len(figure["records"]) > 0
    first = figure["records"][0]
    assert (first["type"], first["indicator"], first["value"], first["day"]) == ("Application", "applied", 1, day)
    stream, _, position = first["record"].rpartition("/")
    body = fed.call("records", "show", stream, position).document["body"]
    assert f"<CaseNo>{first['case_no']}</CaseNo>" in body


def test_people_see_levels_and_records_in_their_language(fed: Home) -> None:
    day = day_of(fed)
    for language, words in (("zh", ("申办", "本节点", "是")), ("en", ("Application", "own", "yes"))):
        shown = fed.call("statistics", "explain", "applied", "--date", day, "--lang", language, json_wanted=False)
        for word in (*words, "360102/ancestors/1", "adds_up"):
            assert word in shown.out
    month = fed.call("statistics", "explain", "applied", "--month", day[:7], "--lang", "zh", json_wanted=False)
    assert "360102/ancestors" in month.out


def test_records_go_on_behind_the_last_case(fed: Home) -> None:
    day = day_of(fed)
    applied = ("statistics", "explain", "applied", "--month", day[:7], "--records", "1")
    told = fed.call(*applied, "--lang", "en", json_wanted=False).err
    assert "360102: 6 records; go on with --node 360102 --after " in told
    after = fed.call(*applied).document["figure"]["after"]
    assert after in told
    further = fed.call(*applied, "--after", after).document["figure"]
    assert further["records"][0]["case_no"] > after


def test_one_of_date_and_month_is_needed(fed: Home) -> None:
    for options in ((), ("--date", "2026-11-01", "--month", "2026-11")):
        assert "Give --date or --month" in fed.call("statistics", "explain", "applied", *options, code=2).err


def test_what_does_not_count_or_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    version = Version(day="2026-11-01", position=7, stated_at=None, own=2, subtree=2, verdict="disputed", newest=9)
    level = Level(
        node="360102",
        name="",
        own=2,
        subtree=2,
        verdict="disputed",
        adds_up=False,
        versions=(version,),
        counted=1,
        record_count=1,
        records=(),
        after="",
        waiting=(4, 5),
        waiting_count=2,
        comparisons=(),
        missing=(Missing(node="360103", day="2026-11-01", why="not reported"),),
        children=(),
    )
    _write_levels(Frame(lang="en"), level)
    english = capsys.readouterr()
    assert "360102/ancestors/7" in english.out
    for words in (
        "360102: 2026-11-01 360103 not reported",
        "2 records are quarantined and not counted (positions 4, 5)",
        "2 is stated as its own, the records held here give 1",
        "2026-11-01 was restated (position 9)",
    ):
        assert words in english.err
    _write_levels(Frame(lang="zh"), level)
    chinese = capsys.readouterr().err
    for words in ("未上报", "2 条记录在隔离中", "公布本级 2，按此处记录为 1", "已重新公布（位置 9）"):
        assert words in chinese


def test_what_a_comparison_found_is_shown(fed: Home, capsys: pytest.CaptureFixture[str]) -> None:
    key = FigureKey("360102", "11360102007563121U", "T", "FILE", "applied")
    found = NamedDifference(case_no="C1", key=key, stated=0, computed=1, counted=1, cause="ORIGIN", records=(4, 5))
    begun = Comparison(asker="360100", origin="360102", position=7, day="2026-11-01")
    ended = replace(begun, asked_number=4, answer_number=3, outcome="NAMED", found=(found,))
    going_on = replace(begun, asked_number=2, answer_number=1)
    write_comparisons(Frame(lang="en"), [ended, going_on])
    english = capsys.readouterr()
    assert "360102/ancestors/4 360102/ancestors/5\tC1\t2026-11-01\tapplied\t0\t1\t1" in english.out
    assert "the origin counts wrongly" in english.out
    assert "360100 has compared it: all differences are named" in english.err
    assert "2 questions asked, 1 answered" in english.err
    write_comparisons(Frame(lang="zh"), [ended, going_on])
    chinese = capsys.readouterr()
    assert "来源节点计数有误" in chinese.out
    assert "差异已全部列出" in chinese.err
    assert "已问 2 次，已答 1 次" in chinese.err
    document = comparison_document(ended)
    assert (document["summary"], document["outcome"]) == ("360102/ancestors/7", "NAMED")
    assert document["found"][0]["records"] == ["360102/ancestors/4", "360102/ancestors/5"]
    assert fed.call("statistics", "show", "--from", "2026-11-01").document["comparisons"] == []
