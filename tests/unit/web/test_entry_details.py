"""Details of the forms that clerks stumble over: seconds, hints, lists of drafts, names of other doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.homes import applications
from tests.support.web_forms import opened
from tests.unit.web.test_entry_forms import drafts, handed_in

if TYPE_CHECKING:
    from tests.unit.web.conftest import Counter


def test_a_time_is_asked_for_without_seconds(window: Counter) -> None:
    # With a step of a second browsers send nothing at all of a time whose seconds were left open.
    (field,) = opened(window.client, "/entry/new/Application").root.xpath("//input[@name='EventTime']")
    assert (field.get("type"), field.get("step")) == ("datetime-local", None)


def test_a_hint_says_more_than_the_length_that_the_input_has_anyway(window: Counter) -> None:
    root = opened(window.client, "/entry/new/Application").root
    (name,) = root.xpath("//input[@name='ApplicantName']")
    assert (name.get("maxlength"), name.get("aria-describedby")) == ("100", None)
    assert root.xpath("//*[@id='f-ApplicantName-hint']") == []
    (code,) = root.xpath("//input[@name='OrgCode']")
    assert "统一社会信用代码" in root.get_element_by_id(code.get("aria-describedby")).text


def test_a_mistake_is_named_once(window: Counter) -> None:
    page = handed_in(window, ApplicantName="", OrgCode="12")
    assert [words for _, words in page.errors()] == [
        "办理机构代码：不符合要求，应为：统一社会信用代码，18 位数字和大写字母",
        "请填写申请人名称",
    ]
    assert "it is not accepted" not in page.text


def test_a_draft_without_a_number_is_known_by_its_item_and_by_no_person(window: Counter) -> None:
    page = opened(window.client, "/entry/").follow("申办").form("保存草稿")
    page.fill({"TaskName": "户外广告设置许可", "ApplicantName": "测试甲"}).press("保存草稿")
    ((kind, title, *_),) = drafts(window)
    assert (kind, title) == ("申办", "户外广告设置许可")
    assert "测试甲" not in opened(window.client, "/entry/").text


def test_what_nobody_may_hand_in_is_not_remembered_for_the_next_form(window: Counter) -> None:
    page = opened(window.client, "/entry/").follow("申办").form("提交")
    page.fill({"OrgName": "局" * 100_000, "TaskName": "户外广告设置许可"}).press("提交")
    values = opened(window.client, "/entry/").follow("申办").form("提交").values
    assert (values["OrgName"], values["TaskName"]) == ([""], ["户外广告设置许可"])


def test_no_key_of_the_open_api_is_taken_for_a_form(window: Counter) -> None:
    draft_id = "A" * 32
    headers = {
        "Authorization": f"Bearer {window.key}",
        "Content-Type": "text/csv",
        "Idempotency-Key": f"entry/{draft_id}",
    }
    assert window.client.post("/api/v1/records", data=applications(1), headers=headers).status_code == 200
    assert opened(window.client, f"/entry/done/{draft_id}").status == 404
