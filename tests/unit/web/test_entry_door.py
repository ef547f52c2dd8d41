"""The door of second entry: closed unless opened, a key to get in, and forms of other sites that get nowhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from node.departments.credentials import Issuer
from node.departments.source_changes import disable_source, rotate_source
from node.web.app import create_face_app
from node.web.entry import sessions as sessions_module
from node.web.entry.sessions import ATTEMPTS_WINDOW_S, COOKIE, IDLE_S, LIFE_S, SIGN_IN_COOKIE, Sessions
from tests.support.web_forms import faults_of, opened
from tests.support.whole_nodes import whole_node
from tests.unit.web.conftest import with_entry

if TYPE_CHECKING:
    from tests.unit.web.conftest import Counter

PAGES = ("/entry/", "/entry/new/Application", "/entry/import", "/entry/draft/AAAAAAAAAAAAAAAA", "/entry/import/results")


def test_a_level_that_does_not_open_it_has_no_second_entry() -> None:
    node = whole_node("360102")
    assert node.config.level.features.entry is False
    client = create_face_app(node).test_client()
    assert [client.get(page).status_code for page in PAGES] == [404] * len(PAGES)
    node.close()


@pytest.mark.parametrize("page", PAGES)
def test_whoever_is_not_signed_in_is_sent_to_the_door(counter: Counter, page: str) -> None:
    assert opened(counter.client, page).address == "/entry/sign-in"
    assert counter.client.post("/entry/import/confirm").headers["Location"] == "/entry/sign-in"


def test_a_clerk_signs_in_with_the_key_of_a_source_and_out_again(counter: Counter) -> None:
    page = opened(counter.client, "/entry/")
    assert faults_of(page) == []
    (field,) = page.root.xpath("//input[@name='key']")
    assert (field.get("type"), field.get("autocomplete")) == ("password", "off")
    home = page.form("登录").fill({"key": f" {counter.key} "}).press("登录")
    assert (home.status, home.address, faults_of(home)) == (200, "/entry/", [])
    assert "城管局窗口" in home.text
    assert counter.key not in home.text
    out = home.form("退出").press("退出")
    assert out.address == "/entry/sign-in"
    assert opened(counter.client, "/entry/").address == "/entry/sign-in"


def test_the_cookie_is_signed_unseen_by_scripts_sent_by_no_other_site_and_ends_with_signing_out(
    counter: Counter,
) -> None:
    counter.sign_in()
    cookie = counter.client.get_cookie(COOKIE, path="/entry/")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path, cookie.secure) == (True, "Strict", "/entry/", False)
    assert cookie.max_age == LIFE_S
    forged = f"{cookie.value[:-1]}{'0' if cookie.value[-1] != '0' else '1'}"
    counter.client.set_cookie(COOKIE, forged, path="/entry/")
    assert opened(counter.client, "/entry/").address == "/entry/sign-in"
    counter.client.set_cookie(COOKIE, cookie.value, path="/entry/")
    opened(counter.client, "/entry/").form("退出").press("退出")
    counter.client.set_cookie(COOKIE, cookie.value, path="/entry/")
    assert opened(counter.client, "/entry/").address == "/entry/sign-in"


def test_over_tls_the_cookies_go_over_tls_only(counter: Counter) -> None:
    answer = counter.client.get("/entry/sign-in", base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_wrong_key_is_told_and_tells_nothing(counter: Counter) -> None:
    page = opened(counter.client, "/entry/").form("登录").fill({"key": "yz_wrong"}).press("登录")
    assert (page.status, page.errors()) == (403, [("key", "改正密钥 Correct the key")])
    assert page.title.startswith("错误 Error")
    assert faults_of(page) == []
    assert "yz_wrong" not in page.text


def test_a_form_to_sign_in_that_another_site_made_signs_nobody_in(counter: Counter) -> None:
    opened(counter.client, "/entry/sign-in")
    answer = counter.client.post("/entry/sign-in", data={"key": counter.key, "token": "A" * 32})
    assert answer.status_code == 403
    counter.client.delete_cookie(SIGN_IN_COOKIE, path="/entry/")
    assert counter.client.post("/entry/sign-in", data={"key": counter.key, "token": ""}).status_code == 403
    assert opened(counter.client, "/entry/").address == "/entry/sign-in"


def test_a_page_to_sign_in_that_is_older_than_the_process_says_so_and_blames_no_key(counter: Counter) -> None:
    page = opened(counter.client, "/entry/sign-in")
    page.client = create_face_app(counter.node).test_client()
    told = page.form("登录").fill({"key": counter.key}).press("登录")
    assert told.status == 403
    assert "登录页面已过期" in told.text
    assert "密钥不正确" not in told.text
    assert faults_of(told) == []
    assert told.form("登录").fill({"key": counter.key}).press("登录").address == "/entry/"


CARRIED = {"carried:record_type": "Application", "carried:draft": "A" * 32, "carried:OrgName": "别处填的"}


@pytest.mark.parametrize(("site", "carried"), [("cross-site", False), ("same-origin", True)])
def test_only_our_own_pages_carry_what_was_typed_over_signing_in(counter: Counter, site: str, *, carried: bool) -> None:
    answer = counter.client.post(
        "/entry/sign-in", data={**CARRIED, "key": "x", "token": ""}, headers={"Sec-Fetch-Site": site}
    )
    assert answer.status_code == 403
    assert ("别处填的" in answer.text) is carried


def test_a_form_sent_in_plain_http_says_where_it_is_from(counter: Counter) -> None:
    # Browsers send Sec-Fetch-Site over TLS only, and under `no-referrer` an Origin of "null" (Fetch, 3.1).
    assert counter.client.get("/entry/sign-in").headers["Referrer-Policy"] == "same-origin"
    assert counter.client.get("/").headers["Referrer-Policy"] == "no-referrer"
    form = {"record_type": "Application", "draft": "A" * 32, "OrgName": "测试局"}
    for origin, kept in (("http://localhost", True), ("null", False), ("http://elsewhere", False)):
        page = counter.client.post("/entry/form", data=form, headers={"Origin": origin})
        assert ("测试局" in page.text) is kept


def test_behind_a_proxy_that_speaks_tls_cookies_and_forms_are_those_of_its_address() -> None:
    node = with_entry(whole_node("360102"))
    face = replace(node.config.face, public_url="https://node.example.cn")
    behind = replace(node, config=replace(node.config, face=face))
    client = create_face_app(behind).test_client()
    assert "Secure" in client.get("/entry/sign-in").headers["Set-Cookie"]
    form = {"record_type": "Application", "draft": "A" * 32, "OrgName": "测试局"}
    page = client.post("/entry/form", data=form, headers={"Origin": "https://node.example.cn"})
    assert "测试局" in page.text
    node.close()


def test_too_many_wrong_keys_of_one_address_are_told_and_keep_no_right_one_out(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "ATTEMPTS_MAX", 3)
    page = opened(counter.client, "/entry/")
    statuses = []
    for _ in range(4):
        page = page.form("登录").fill({"key": "yz_wrong"}).press("登录")
        statuses.append(page.status)
    assert statuses == [403, 403, 403, 429]
    assert "输错次数过多" in page.text
    counter.clock.advance(ATTEMPTS_WINDOW_S + 1)
    assert page.form("登录").fill({"key": "yz_wrong"}).press("登录").status == 403
    for _ in range(3):
        page = page.form("登录").fill({"key": "yz_wrong"}).press("登录")
    assert page.status == 429
    assert page.form("登录").fill({"key": counter.key}).press("登录").address == "/entry/"


def test_attempts_are_remembered_for_so_many_addresses(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "ATTEMPTS_MAX", 1)
    monkeypatch.setattr(sessions_module, "ADDRESSES_MAX", 2)
    sessions = Sessions(clock=counter.clock, randomness=counter.node.randomness)
    assert [sessions.failed(one) for one in ("a", "b", "c", "b", "c", "a")] == [False, False, False, True, True, False]


@pytest.mark.parametrize("idle", [True, False])
def test_a_session_ends_when_nobody_uses_it_and_after_a_day(window: Counter, *, idle: bool) -> None:
    if idle:
        window.clock.advance(IDLE_S + 1)
    else:
        for _ in range(int(LIFE_S // IDLE_S) * 2 + 1):
            assert opened(window.client, "/entry/").address == "/entry/"
            window.clock.advance(IDLE_S / 2)
    assert opened(window.client, "/entry/").address == "/entry/sign-in"


def test_a_source_that_was_closed_is_signed_out(window: Counter) -> None:
    disable_source(window.node.store, "hall", clock=window.node.clock)
    assert opened(window.client, "/entry/").address == "/entry/sign-in"


def test_a_key_that_was_replaced_signs_out_whoever_came_with_it(window: Counter) -> None:
    issuer = Issuer(randomness=window.node.randomness, secrets=None)
    made = rotate_source(window.node.store, "hall", keep=timedelta(hours=1), clock=window.node.clock, issuer=issuer)
    assert opened(window.client, "/entry/").address == "/entry/"
    window.clock.advance(3601)
    page = opened(window.client, "/entry/")
    assert page.address == "/entry/sign-in"
    assert page.form("登录").fill({"key": made.issued.key}).press("登录").address == "/entry/"


def test_of_too_many_sessions_the_longest_unused_ends(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "SESSIONS_MAX", 2)
    sessions = Sessions(clock=counter.clock, randomness=counter.node.randomness)
    (first, a), (_, b) = sessions.begin(b"hall"), sessions.begin(b"hall")
    assert sessions.find(a) is first
    _, c = sessions.begin(b"hall")
    assert [sessions.find(cookie) is not None for cookie in (a, b, c)] == [True, False, True]
    sessions.end(first)
    sessions.end(first)
    assert sessions.find(a) is None


def test_one_department_does_not_sign_all_others_out(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions_module, "SESSIONS_MAX", 3)
    monkeypatch.setattr(sessions_module, "SESSIONS_OF_KEY_MAX", 2)
    sessions = Sessions(clock=counter.clock, randomness=counter.node.randomness)
    _, other = sessions.begin(b"tax")
    cookies = [sessions.begin(b"hall")[1] for _ in range(4)]
    assert [sessions.find(cookie) is not None for cookie in (other, *cookies)] == [True, False, False, True, True]


def test_a_page_that_is_not_there_says_so_in_words_for_clerks(window: Counter) -> None:
    for address in ("/entry/draft/AAAAAAAAAAAAAAAA", "/entry/done/AAAAAAAAAAAAAAAA", "/entry/import/results"):
        page = opened(window.client, address)
        assert (page.status, page.heading, faults_of(page)) == (404, "未能办理 Not done", [])
        assert page.follow("首页").address == "/entry/"


@pytest.mark.parametrize("path", ["/entry/sign-out", "/entry/import/confirm", "/entry/draft/AAAAAAAAAAAAAAAA/discard"])
def test_a_form_of_another_site_changes_nothing(window: Counter, path: str) -> None:
    for data in ({}, {"token": "A" * 32}):
        assert window.client.post(path, data=data).status_code == 403
    assert opened(window.client, "/entry/").address == "/entry/"


def test_every_answer_has_the_strict_policy_and_is_not_kept(window: Counter) -> None:
    answer = window.client.get("/entry/new/Application")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    for file in ("entry.css", "entry.js"):
        with window.client.get(f"/static/{file}") as found:
            assert found.status_code == 200
