"""Records typed into forms: taken in like any other, kept when something is wrong, and one record a form."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.entry import fields
from node.departments.refused import count_refused
from node.departments.sources import API_CHANNEL, add_source, find_source
from node.errors import StoreBusyError
from node.journal.doubt import Doubt, save_doubt
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.identifiers import is_case_number
from node.standard.seals import ANCESTORS, StreamName
from tests.support.web_forms import Page, faults_of, opened, typed_values
from tests.unit.departments.test_entry_forms import content_of_example

if TYPE_CHECKING:
    from tests.unit.web.conftest import Counter

APPLICATION = {
    "DivisionCode": "360102",
    "OrgCode": "91350100M000100Y43",
    "OrgName": "东湖区城管局",
    "TaskCode": "XK00131001",
    "TaskName": "户外广告设置许可",
    "EventTime": "2026-11-02T08:30",
    "ApplyType": "1",
    "ApplicantType": "1",
    "ApplicantName": "测试甲",
    "ApplicantIdType": "999",
    "ApplicantIdNo": "T1",
}


def choice(page: Page, name: str) -> str:
    """The first code that a field offers."""
    codes = [one.get("value") for one in page.root.xpath(f"//select[@name='{name}']/option") if one.get("value")]
    return str(codes[0])


def application(page: Page, **changed: str) -> dict[str, str]:
    codes = {name: choice(page, name) for name in ("ApplyType", "ApplicantType")}
    return {**APPLICATION, **codes, **changed}


def stored(window: Counter) -> list[Any]:
    """The records of the county's own stream, as content."""
    journal = window.node.journal
    stream = StreamName(window.node.code, ANCESTORS)
    with window.node.store.reading() as connection:
        found = {held.stream: held for held in journal.streams(connection)}
        size = found[stream].size if stream in found else 0
        bodies = [one.body or b"" for one in journal.stored(connection, stream, 1, size)] if size else []
    return [(parse_record(body).tag.rpartition("}")[2], content_of(parse_record(body))) for body in bodies]


def handed_in(window: Counter, **changed: str) -> Page:
    page = opened(window.client, "/entry/").follow("申办")
    return page.form("提交").fill(application(page, **changed)).press("提交")


def drafts(window: Counter) -> list[list[str]]:
    page = opened(window.client, "/entry/")
    return page.rows() if "没有草稿" not in page.text else []


def test_an_application_is_typed_numbered_by_the_node_and_taken_in_as_typed_by_hand(window: Counter) -> None:
    page = handed_in(window)
    assert (page.status, page.heading) == (200, "● 已接收 Taken in")
    assert page.address.startswith("/entry/done/")
    assert faults_of(page) == []
    ((kind, content),) = stored(window)
    assert kind == "Application"
    assert content["Channel"] == "MANUAL"
    assert content["EventTime"] == "2026-11-02T08:30:00+08:00"
    assert (content["OrigSystem"], content["Sequence"]) == ("hall", "1")
    assert is_case_number(content["CaseNo"])
    assert page.root.get_element_by_id("case-number").text == content["CaseNo"]


def test_the_next_steps_of_a_case_begin_with_what_is_known(window: Counter) -> None:
    done = handed_in(window)
    number = done.root.get_element_by_id("case-number").text
    page = done.follow("录入本办件的受理")
    form = page.form("提交")
    known = {
        name: form.values[name] for name in ("CaseNo", "DivisionCode", "OrgCode", "OrgName", "TaskCode", "numbering")
    }
    assert known == {
        "CaseNo": [number],
        "DivisionCode": ["360102"],
        "OrgCode": ["91350100M000100Y43"],
        "OrgName": ["东湖区城管局"],
        "TaskCode": ["XK00131001"],
        "numbering": ["own"],
    }
    form.fill(
        {
            "EventTime": "2026-11-02T09:00:30",
            "AcceptanceState": choice(page, "AcceptanceState"),
            "StatutoryLimit": "20",
            "StatutoryLimitUnit": choice(page, "StatutoryLimitUnit"),
        }
    )
    accepted = form.press("提交")
    assert accepted.heading == "● 已接收 Taken in"
    page = accepted.follow("录入本办件的办结")
    concluded = page.form("提交").fill({"EventTime": "2026-11-03T09:00", "ResultCode": choice(page, "ResultCode")})
    assert concluded.press("提交").heading == "● 已接收 Taken in"
    assert [(kind, content["CaseNo"]) for kind, content in stored(window)] == [
        ("Application", number),
        ("Acceptance", number),
        ("Conclusion", number),
    ]


def test_a_form_with_mistakes_comes_back_with_everything_typed_and_each_mistake_at_its_field(window: Counter) -> None:
    page = handed_in(window, OrgCode="91350100M000100Y44", ApplicantName="", EventTime="明天", Remark="一\n二 <b>")
    assert page.status == 422
    assert page.title.startswith("错误 Error：申办")
    assert [name for name, _ in page.errors()] == ["EventTime", "ApplicantName"]
    assert page.wrong()["ApplicantName"].startswith("■ 请填写申请人名称")
    (summary,) = page.root.xpath("//*[@role='alert']")
    assert (summary.get("tabindex"), summary.get("autofocus") is not None) == ("-1", True)
    assert faults_of(page) == []
    form = page.form("提交")
    assert (form.values["Remark"], form.values["EventTime"]) == (["一\n二 <b>"], ["明天"])
    page = form.fill({"EventTime": "2026-11-02T08:30", "ApplicantName": "测试甲"}).press("提交")
    # Only now can the check digit be looked at.
    assert [name for name, _ in page.errors()] == ["OrgCode"]
    assert "校验码不正确" in page.wrong()["OrgCode"]
    assert (stored(window), len(drafts(window))) == ([], 1)
    done = page.form("提交").fill({"OrgCode": "91350100M000100Y43"}).press("提交")
    assert done.heading == "● 已接收 Taken in"
    assert (len(stored(window)), drafts(window)) == (1, [])
    with window.node.store.reading() as connection:
        assert count_refused(connection) == 0, "a slip of the hand leaves no refused delivery"


def test_what_the_source_may_not_hand_in_is_told_of_the_form(window: Counter) -> None:
    page = handed_in(window, DivisionCode="360103")
    assert page.status == 422
    ((name, words),) = page.errors()
    assert name == ""
    assert "source hall hands in records of 360102 only" in page.text
    assert words.endswith("。")
    assert stored(window) == []


def test_the_same_form_twice_at_once_gives_one_record(window: Counter) -> None:
    page = opened(window.client, "/entry/new/Application")
    form = page.form("提交").fill(application(page))
    data = {**form.values, "action": "submit"}
    cookie = window.client.get_cookie("yizhan_entry", path="/entry/")
    assert cookie is not None

    def send(_: int) -> int:
        client = window.client.application.test_client()
        client.set_cookie("yizhan_entry", cookie.value, path="/entry/")
        return client.post("/entry/form", data=data).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(send, range(4))) == [303] * 4
    assert len(stored(window)) == 1
    # Handed in again with other content it is not a second record.
    other = form.fill({"ApplicantName": "别人"}).press("提交")
    assert other.status == 409
    assert form.values["ApplicantName"] == ["别人"]
    assert len(stored(window)) == 1


def test_a_draft_is_saved_listed_without_names_continued_and_deleted(window: Counter) -> None:
    page = opened(window.client, "/entry/new/Application")
    home = page.form("保存草稿").fill({"ApplicantName": "测试甲", "OrigCaseNo": "台账17"}).press("保存草稿")
    assert home.address == "/entry/"
    ((kind, number, _, _),) = home.rows()
    assert (kind, number) == ("申办", "台账17")
    assert "测试甲" not in home.text
    assert faults_of(home) == []
    again = home.follow("继续填写")
    assert again.form("提交").values["ApplicantName"] == ["测试甲"]
    assert again.form("保存草稿").fill({"ApplicantName": "测试乙"}).press("保存草稿").follow("继续填写").form(
        "提交"
    ).values["ApplicantName"] == ["测试乙"]
    assert len(drafts(window)) == 1
    assert opened(window.client, "/entry/").form("确认删除").press("确认删除").address == "/entry/"
    assert drafts(window) == []
    assert opened(window.client, again.address).status == 404


def test_rows_are_added_and_removed_without_a_script(window: Counter) -> None:
    form = opened(window.client, "/entry/new/Application").form("提交")
    form.fill({"MaterialItem.0/MaterialName": "申请书", "ApplicantName": "测试甲"})
    page = form.press("增加一行")
    form = page.form("提交").fill({"MaterialItem.1/MaterialName": "营业执照"})
    page = form.press("增加一行").form("提交").fill({"MaterialItem.2/MaterialName": "照片"}).press("删去第 2 行")
    values = page.form("提交").values
    assert values["rows:MaterialItem"] == ["2"]
    assert [values[f"MaterialItem.{row}/MaterialName"] for row in (0, 1)] == [["申请书"], ["照片"]]
    assert values["ApplicantName"] == ["测试甲"]
    assert faults_of(page) == []
    data = page.form("提交").values
    for action in ("add:Nothing", "drop:MaterialItem.99", "drop:MaterialItem.x", "add:"):
        answer = window.client.post("/entry/form", data={**data, "action": action})
        assert answer.status_code == 200


def test_the_next_form_remembers_department_item_and_who_types(window: Counter) -> None:
    handed_in(window, **{"Actor/Name": "测试丙"})
    values = opened(window.client, "/entry/new/Application").form("提交").values
    assert (values["OrgName"], values["TaskName"], values["Actor/Name"]) == (
        ["东湖区城管局"],
        ["户外广告设置许可"],
        ["测试丙"],
    )
    assert values["ApplicantName"] == [""]
    assert values["DivisionCode"] == ["360102"]


@pytest.mark.parametrize("record_type", sorted(DEPARTMENT_TYPES))
def test_every_record_type_has_a_form_that_people_can_use_and_sends_what_was_typed(
    window: Counter, record_type: str
) -> None:
    page = opened(window.client, f"/entry/new/{record_type}")
    assert (page.status, faults_of(page)) == (200, [])
    values = typed_values(content_of_example(record_type))
    form = page.form("提交")
    for name, count in values.items():
        if name.startswith("rows:") and count != "1":
            for _ in range(int(count) - 1):
                page = page.form("提交").press("增加一行")
            form = page.form("提交")
    given: dict[str, Any] = {}
    for name, text in values.items():
        checks = form.element.xpath(f".//input[@name='{name}'][@type='checkbox']")
        given[name] = text.split("\n") if checks else text
    form.fill({name: text for name, text in given.items() if not name.startswith("rows:")})
    if "numbering" in form.values:
        form.fill({"numbering": "own"})
    answer = form.press("提交")
    # The examples are of a division that this county does not serve: that is the only thing that is wrong with them.
    assert answer.status == 422, answer.text
    assert answer.wrong() == {} or set(answer.wrong()) <= {"DivisionCode"}
    assert all("不" in words for _, words in answer.errors())


def test_no_form_is_shown_for_what_departments_do_not_hand_in(window: Counter) -> None:
    for path in ("/entry/new/Alarm", "/entry/new/x", "/entry/draft/x", "/entry/done/AAAAAAAAAAAAAAAA"):
        assert opened(window.client, path).status == 404
    form = opened(window.client, "/entry/new/Application").form("提交")
    assert form.page.client.post("/entry/form", data={**form.values, "record_type": "Alarm"}).status_code == 404
    assert form.page.client.post("/entry/form", data={**form.values, "draft": "../x"}).status_code == 400
    many = {f"x{number}": "" for number in range(5_001)}
    assert form.page.client.post("/entry/form", data={**form.values, **many}).status_code == 413


def test_a_form_sent_after_the_session_ended_is_kept_over_signing_in(window: Counter) -> None:
    page = opened(window.client, "/entry/new/Application")
    form = page.form("提交").fill(application(page, Remark="一\n二"))
    window.clock.advance(13 * 3600)
    page = form.press("提交")
    assert "登录已过期" in page.text
    assert faults_of(page) == []
    wrong = page.form("登录").fill({"key": "yz_no"}).press("登录")
    kept = wrong.form("登录").fill({"key": window.key}).press("登录")
    assert kept.address.startswith("/entry/draft/")
    assert kept.form("提交").values["Remark"] == ["一\n二"]
    assert kept.form("提交").press("提交").heading == "● 已接收 Taken in"
    # A form of another site is carried nowhere.
    window.clock.advance(13 * 3600)
    answer = window.client.post("/entry/form", data=form.values, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.headers["Location"] == "/entry/sign-in"
    answer = window.client.post("/entry/form", data=form.values, headers={"Origin": "http://localhost"})
    assert answer.status_code == 200
    answer = window.client.post("/entry/form", data=form.values)
    assert answer.status_code == 303


def test_a_form_of_an_earlier_session_is_shown_again_and_not_handed_in(window: Counter) -> None:
    page = opened(window.client, "/entry/new/Application")
    form = page.form("提交").fill(application(page))
    opened(window.client, "/entry/").form("退出").press("退出")
    window.sign_in()
    again = form.press("提交")
    assert (again.status, again.form("提交").values["ApplicantName"]) == (403, ["测试甲"])
    assert stored(window) == []
    assert again.form("提交").press("提交").heading == "● 已接收 Taken in"
    assert form.page.client.post("/entry/form", data=form.values).status_code == 403


def test_what_cannot_be_taken_in_now_is_kept(window: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("busy", why="it is", action="wait")

    page = opened(window.client, "/entry/new/Application")
    form = page.form("提交").fill(application(page))
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.accept.Intake.settle", busy)
        page = form.press("提交")
    assert page.status == 503
    assert page.form("提交").values["ApplicantName"] == ["测试甲"]
    with monkeypatch.context() as patch:
        patch.setattr("node.departments.entry.drafts.DRAFTS_MAX", 0)
        full = page.form("保存草稿").press("保存草稿")
        assert (full.status, full.form("提交").values["ApplicantName"]) == (409, ["测试甲"])
        wrong = page.form("提交").fill({"ApplicantName": ""}).press("提交")
        assert wrong.status == 422
        assert "已存为草稿" not in wrong.text
    assert page.form("提交").press("提交").heading == "● 已接收 Taken in"


def test_a_node_in_doubt_lets_the_record_wait_and_says_so(window: Counter) -> None:
    doubt = Doubt(reason="test", since=window.node.clock.now())
    window.node.store.write(lambda transaction: save_doubt(transaction, doubt))
    page = handed_in(window)
    assert page.heading == "▲ 申办已收待办 Application received"
    assert faults_of(page) == []


def test_a_refusal_between_look_and_taking_is_shown_and_the_next_try_is_another_form(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = opened(window.client, "/entry/new/Application")
    form = page.form("提交").fill(application(page, DivisionCode="360103"))
    with monkeypatch.context() as patch:
        patch.setattr("node.web.entry.form_views.problems_of", lambda *_: ())
        again = form.press("提交")
    assert again.status == 422
    assert again.form("提交").values["draft"] != form.values["draft"]
    # Whoever goes back and hands the first form in again is told, and gets another id as well.
    back = form.press("提交")
    assert (back.status, "请再提交一次" in back.text) == (422, True)
    assert back.form("提交").values["draft"] != form.values["draft"]
    done = again.form("提交").fill({"DivisionCode": "360102"}).press("提交")
    assert done.heading == "● 已接收 Taken in"


def test_the_channel_of_the_source_itself_stays_what_it_is(window: Counter) -> None:
    handed_in(window)
    with window.node.store.reading() as connection:
        assert find_source(connection, "hall").channel == API_CHANNEL


def test_a_source_of_one_department_begins_with_it(counter: Counter) -> None:
    made = add_source(
        counter.node.store,
        "one",
        clock=counter.node.clock,
        randomness=counter.node.randomness,
        organisations=["91350100M000100Y43"],
    )
    opened(counter.client, "/entry/").form("登录").fill({"key": made.key}).press("登录")
    values = opened(counter.client, "/entry/new/Acceptance").form("提交").values
    assert (values["OrgCode"], values["DivisionCode"], values["numbering"]) == (["91350100M000100Y43"], [""], ["own"])


def test_a_case_number_that_is_typed_is_taken_and_one_that_is_unknown_to_the_standard_is_told(window: Counter) -> None:
    wrong = handed_in(window, numbering="own", CaseNo="a b")
    assert [name for name, _ in wrong.errors()] == ["CaseNo"]
    assert "数字和大写字母" in wrong.wrong()["CaseNo"]
    done = wrong.form("提交").fill({"CaseNo": "A20261102001"}).press("提交")
    assert done.root.get_element_by_id("case-number").text == "A20261102001"


def test_a_carried_form_that_cannot_be_kept_ends_at_the_beginning(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = opened(window.client, "/entry/new/Application").form("提交")
    window.clock.advance(13 * 3600)
    page = form.press("提交")
    monkeypatch.setattr("node.departments.entry.drafts.DRAFTS_MAX", 0)
    assert page.form("登录").fill({"key": window.key}).press("登录").address == "/entry/"
    data = {**page.form("登录").values, "key": window.key, "carried:draft": "../x"}
    opened(window.client, "/entry/").form("退出").press("退出")
    data["token"] = opened(window.client, "/entry/sign-in").form("登录").values["token"][0]
    assert window.client.post("/entry/sign-in", data=data).headers["Location"] == "/entry/"


def test_many_choices_are_searched_by_typing_their_code_or_their_label(
    window: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "CHOICES_MAX", 3)
    fields.form_of.cache_clear()
    try:
        page = opened(window.client, "/entry/new/Conclusion")
        assert faults_of(page) == []
        (listed,) = page.root.xpath("//input[@name='ResultCode']/@list")
        codes = [one.get("value") for one in page.root.get_element_by_id(listed)]
        assert "GRANT" in codes
        typed = {**APPLICATION, "ResultCode": "准予", "CaseNo": "A1"}
        known = page.form("提交").values
        done = page.form("提交").fill({name: text for name, text in typed.items() if name in known}).press("提交")
        assert done.heading == "● 已接收 Taken in"
        ((_, content),) = stored(window)
        assert content["ResultCode"] == "GRANT"
    finally:
        fields.form_of.cache_clear()
