"""What a source may hand in holds at the pages for second entry too: the same key opens them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.departments.source_changes import limit_source
from node.errors import StoreBusyError
from node.web.rate_limits import DAY_S, MINUTE_S
from tests.support.homes import applications
from tests.support.web_forms import faults_of, opened
from tests.unit.web.test_entry_forms import application, drafts, handed_in, stored
from tests.unit.web.test_entry_uploads import rows, uploaded

if TYPE_CHECKING:
    import pytest

    from tests.unit.web.conftest import Counter


def test_a_form_beyond_the_limit_is_kept_as_a_draft_and_taken_when_the_time_has_passed(window: Counter) -> None:
    limit_source(window.node.store, "hall", {"records_per_minute": 1})
    assert handed_in(window).heading == "● 已接收 Taken in"
    page = handed_in(window, ApplicantName="测试乙")
    assert (page.status, faults_of(page)) == (429, [])
    assert "本来源的报送已达限额，请 1 分钟后再试" in page.text
    assert len(drafts(window)) == 1
    window.clock.advance(MINUTE_S)
    assert page.form("提交").press("提交").heading == "● 已接收 Taken in"
    assert (len(stored(window)), drafts(window)) == (2, [])


def test_a_form_that_is_sent_twice_counts_once(window: Counter) -> None:
    limit_source(window.node.store, "hall", {"records_per_day": 2})
    page = opened(window.client, "/entry/").follow("申办")
    form = page.form("提交").fill(application(page))
    for _ in range(3):
        assert form.press("提交").heading == "● 已接收 Taken in"
    assert handed_in(window, ApplicantName="测试乙").heading == "● 已接收 Taken in"


def test_a_table_counts_its_rows_when_it_is_taken_in_and_a_look_at_it_nothing(window: Counter) -> None:
    limit_source(window.node.store, "hall", {"records_per_day": 3})
    page = uploaded(window, rows(2))
    page = uploaded(window, rows(2))
    assert page.form("确认导入").press("确认导入").status == 200
    page = uploaded(window, rows(2)).form("放弃").press("放弃")
    later = uploaded(window, rows(3)).form("确认导入").press("确认导入")
    assert (later.status, faults_of(later)) == (429, [])
    assert f"请 {DAY_S // MINUTE_S} 分钟后再试" in later.text
    assert len(stored(window)) == 2
    never = uploaded(window, rows(4)).form("确认导入").press("确认导入")
    assert never.status == 413
    assert "条数超过本来源的限额" in never.text


def test_the_pages_and_the_open_api_take_from_one_limit(window: Counter) -> None:
    limit_source(window.node.store, "hall", {"records_per_day": 2})
    assert handed_in(window).heading == "● 已接收 Taken in"
    headers = {"Authorization": f"Bearer {window.key}", "Content-Type": "text/csv"}
    answer = window.client.post("/api/v1/records", data=applications(2), headers=headers)
    assert answer.status_code == 429
    answer = window.client.post("/api/v1/records", data=applications(1), headers=headers)
    assert answer.status_code == 200
    assert handed_in(window, ApplicantName="测试乙").status == 429


def test_what_the_node_could_not_write_is_given_back(window: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("busy", why="it is", action="wait")

    limit_source(window.node.store, "hall", {"records_per_day": 1})
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.accept.Intake.settle", busy)
        assert handed_in(window).status == 503
    assert handed_in(window).heading == "● 已接收 Taken in"
