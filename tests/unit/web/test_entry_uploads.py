"""Whole tables through a browser: looked at, taken in, and what failed fetched, corrected and handed in again."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from node.departments.entry import uploads
from node.errors import StateConflictError, StoreBusyError
from node.journal.doubt import Doubt, save_doubt
from node.web.entry import sessions as sessions_module
from tests.support.homes import applications
from tests.support.spreadsheets import sheet_of, spreadsheet
from tests.support.web_forms import Page, faults_of, opened
from tests.unit.web.test_entry_forms import stored

if TYPE_CHECKING:
    from tests.unit.web.conftest import Counter


def rows(count: int, *wrong: int) -> bytes:
    """A table of applications in GB18030; the rows of these numbers are of a type that does not exist."""
    lines = applications(count).decode("gb18030").splitlines(keepends=True)
    for number in wrong:
        lines[number] = lines[number].replace("申办", "申半")
    return "".join(lines).encode("gb18030")


def uploaded(window: Counter, data: bytes, name: str = "受理.csv", **fields: str) -> Page:
    page = opened(window.client, "/entry/").follow("批量导入")
    assert faults_of(page) == []
    return page.form("预览").attach("file", data, name).fill(fields).press("预览")


def figures(page: Page) -> list[str]:
    return [str(one.text) for one in page.root.xpath("//dl[@class='tiles']//dd")]


def test_a_table_is_looked_at_before_it_is_taken_in(window: Counter) -> None:
    page = uploaded(window, rows(4, 3))
    assert (page.status, page.address, faults_of(page)) == (200, "/entry/import", [])
    assert "预览：尚未导入" in page.text
    assert figures(page) == ["4", "3", "0", "1"]
    assert stored(window) == []
    shown = page.rows()
    assert (shown[0][0], shown[0][1]) == ("3", "■ 将拒收 refused")
    assert shown[0][3].startswith("不知道该行是哪种记录")
    done = page.form("确认导入 3 条").press("确认导入 3 条")
    assert "导入结果" in done.text
    assert figures(done) == ["4", "3", "0", "1"]
    assert {content["Channel"] for _, content in stored(window)} == {"IMPORT"}
    assert len(stored(window)) == 3
    assert "确认导入" not in done.text
    assert faults_of(done) == []


def test_the_failed_rows_come_back_as_they_were_and_are_taken_once_corrected(window: Counter) -> None:
    page = uploaded(window, rows(3, 2))
    (link,) = [one.get("href") for one in page.root.iter("a") if "下载拒收的行" in one.text_content()]
    answer = window.client.get(link)
    assert answer.mimetype == "text/csv"
    assert "filename*=UTF-8''%E5%8F%97%E7%90%86-%E6%8B%92%E6%94%B6.csv" in answer.headers["Content-Disposition"]
    failed = answer.data.decode("gb18030")
    assert failed.startswith("#问题,")
    assert len(failed.splitlines()) == 2
    page.form("确认导入").press("确认导入")
    page = uploaded(window, failed.replace("申半", "申办").encode("gb18030"), "受理-拒收.csv")
    assert figures(page) == ["1", "1", "0", "0"]
    page.form("确认导入").press("确认导入")
    assert len(stored(window)) == 3
    # The whole file once more is repeated but for the row that was wrong, and nothing is left to confirm.
    again = uploaded(window, rows(3, 2))
    assert figures(again) == ["3", "0", "2", "1"]
    assert "确认导入" not in again.text


def test_a_result_per_record_is_fetched_as_a_table(window: Counter) -> None:
    uploaded(window, rows(3, 1))
    data = window.client.get("/entry/import/results").data.decode("utf-8-sig")
    told = list(csv.DictReader(io.StringIO(data, newline="")))
    assert [one["verdict"] for one in told] == ["refused", "accepted", "accepted"]
    assert [one["position"] for one in told] == ["", "", ""]


def test_a_spreadsheet_whose_rows_do_not_say_their_type_is_told_it_on_the_page(window: Counter) -> None:
    sheet = spreadsheet(sheet_of(["办件编号", "业务发生时间"], ["A1", "明天"]))
    page = uploaded(window, sheet, "C:/表/登记.xlsx", record_type="Fee")
    assert "登记.xlsx" in page.text
    assert "C:" not in page.text
    assert figures(page) == ["1", "0", "0", "1"]
    answer = window.client.get("/entry/import/failed-rows")
    assert str(answer.mimetype).endswith("spreadsheetml.sheet")
    assert answer.data.startswith(b"PK")
    (chosen,) = page.root.xpath("//select[@name='record_type']/option[@selected]")
    assert chosen.get("value") == "Fee"


def test_nothing_chosen_and_nothing_readable_are_told(window: Counter) -> None:
    page = opened(window.client, "/entry/import")
    wrong = page.form("预览").press("预览")
    assert (wrong.status, faults_of(wrong)) == (422, [])
    assert "请选择一个文件" in wrong.text
    page = uploaded(window, b"\x00\x01", "x.bin")
    assert figures(page) == ["1", "0", "0", "1"]
    assert "下载拒收的行" not in page.text
    assert window.client.get("/entry/import/failed-rows").status_code == 404


def test_a_dialect_without_failed_rows_has_no_such_file(window: Counter) -> None:
    page = uploaded(window, b"<Cooperations><Cooperation/></Cooperations>", "x.xml")
    assert "下载拒收的行" not in page.text
    assert int(figures(page)[3]) > 0


def test_an_upload_is_given_up_and_nothing_of_it_stays(window: Counter) -> None:
    page = uploaded(window, rows(2))
    page = page.form("放弃").press("放弃")
    assert page.root.xpath("//dl[@class='tiles']") == []
    assert window.client.get("/entry/import/results").status_code == 404
    token = page.form("预览").values["token"]
    assert window.client.post("/entry/import/confirm", data={"token": token}).status_code == 303
    assert stored(window) == []


def test_more_records_than_a_browser_waits_for_are_sent_to_the_command(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "RECORDS_MAX", 2)
    page = uploaded(window, rows(3))
    assert page.status == 422
    assert "yizhan import" in page.text
    assert figures(uploaded(window, rows(2))) == ["2", "2", "0", "0"]


def test_what_the_page_shows_is_bounded_and_refused_rows_come_first(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "REFUSED_SHOWN_MAX", 2)
    monkeypatch.setattr(uploads, "OTHERS_SHOWN_MAX", 1)
    page = uploaded(window, rows(6, 2, 4, 6))
    assert [(row[0], row[1].split()[1]) for row in page.rows()] == [("2", "将拒收"), ("4", "将拒收"), ("1", "将接收")]


def test_refused_rows_stand_before_repeated_ones_and_say_what_they_are(window: Counter) -> None:
    uploaded(window, rows(2, 2)).form("确认导入").press("确认导入")
    page = uploaded(window, rows(2, 2))
    assert [(row[0], row[1].split()[1], row[2]) for row in page.rows()] == [
        ("2", "将拒收", ""),
        ("1", "重复", "申办 Application"),
    ]
    assert "不知道该行是哪种记录。加一列“记录类型”" in page.rows()[0][3]


def test_a_store_that_is_busy_keeps_the_upload(window: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("busy", why="it is", action="wait")

    page = uploaded(window, rows(2))
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.accept.Intake.settle", busy)
        later = page.form("确认导入").press("确认导入")
    assert later.status == 503
    assert later.form("确认导入").press("确认导入").status == 200
    assert len(stored(window)) == 2


def test_a_node_in_doubt_takes_the_rows_into_waiting(window: Counter) -> None:
    doubt = Doubt(reason="test", since=window.node.clock.now())
    window.node.store.write(lambda transaction: save_doubt(transaction, doubt))
    page = uploaded(window, rows(2))
    assert figures(page) == ["2", "0", "0", "0", "2"]
    assert "确认导入 2 条" in page.text


def test_one_upload_of_a_session_is_worked_on_at_a_time(window: Counter) -> None:
    page = uploaded(window, rows(2))
    (session,) = _sessions(window)
    with session.lock:
        busy = page.form("确认导入").press("确认导入")
        assert (busy.status, "还在处理" in busy.text) == (409, True)
        assert uploaded(window, rows(1)).status == 409
    assert page.form("确认导入").press("确认导入").status == 200


def test_of_too_many_uploads_the_oldest_goes_and_all_go_with_their_sessions(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "UPLOADS_MAX", 1)
    uploaded(window, rows(1))
    (first,) = _sessions(window)
    held = first.upload
    assert held is not None
    window.client.delete_cookie("yizhan_entry", path="/entry/")
    window.sign_in()
    uploaded(window, rows(1))
    assert first.upload is None
    assert held.stream.closed
    second = _sessions(window)[-1].upload
    assert second is not None
    opened(window.client, "/entry/").form("退出").press("退出")
    assert second.stream.closed


def test_nothing_is_taken_in_that_was_not_looked_at(window: Counter) -> None:
    upload = uploads.Upload("a.csv", io.BytesIO(rows(1)))
    source = window.node.intake
    with pytest.raises(StateConflictError, match="was not looked at"):
        upload.take_in(source, None)  # type: ignore[arg-type] # It is not asked for.
    upload.close()


def _sessions(window: Counter) -> list[sessions_module.Session]:
    """The sessions of the application, oldest first."""
    return list(window.client.application.extensions["yizhan.entry"].sessions._open.values())
