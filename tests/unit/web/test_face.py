"""The face listener's application: health, readiness, status page, metrics, and how errors look."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.departments.notices import NoticeText, publish_notice
from node.departments.sources import add_source, count_activity
from node.errors import IdentityError, PackageRefusedError, StoreUnavailableError
from node.journal import alarms
from node.journal.links import Link, save_link
from node.web.app import create_face_app, create_link_app
from node.web.status_page import duration_text
from node.web.words import WORDS, word
from tests.support.whole_nodes import whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from node.bootstrap import Node

PAGES = ("/", "/healthz", "/readyz", "/metrics", "/status.json", "/static/status.css", "/static/status.js")
SCRIPT = re.compile(r"<script ?([^>]*)>")


@pytest.fixture
def node() -> Iterator[Node]:
    made = whole_node("360100")
    yield made
    made.close()


@pytest.fixture
def client(node: Node) -> FlaskClient:
    return create_face_app(node).test_client()


def without(node: Node, **features: bool) -> Node:
    level = replace(node.config.level, features=replace(node.config.level.features, **features))
    return replace(node, config=replace(node.config, level=level))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_under_a_strict_policy(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        assert answer.status_code == 200
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_is_fresh_without_scripts_too_and_has_none_of_its_own(client: FlaskClient) -> None:
    page = client.get("/").text
    assert SCRIPT.findall(page) == ['src="/static/status.js" defer']
    assert "style=" not in page
    assert "<style" not in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    assert '<body data-refresh="5">' in page
    assert page.count("<h1>") == 1
    assert page.count("<caption>") == page.count("<table")


def test_the_refresh_can_be_switched_off_and_on(client: FlaskClient) -> None:
    page = client.get("/").text
    assert 'href="?refresh=off"' in page
    assert "每 5 秒刷新" in page
    paused = client.get("/?refresh=off").text
    assert "http-equiv" not in paused
    assert '<body data-refresh="0">' in paused
    assert 'href="/">● 自动刷新' in paused
    assert "已暂停刷新" in paused


def test_what_needs_a_look_stands_out(node: Node, client: FlaskClient) -> None:
    assert client.get("/").text.count('class="late"') == 0
    node.store.write(lambda transaction: alarms.raise_alarm(transaction, "OWN_CODE", "360100", "t"))
    node.store.write(lambda transaction: save_link(transaction, Link(peer="360000", role="parent", state="down")))
    page = client.get("/").text
    assert '<div class="bad"><dt>警报 <span lang="en">Alarms</span></dt><dd>1</dd></div>' in page
    assert '<div class="late"><dt>链路 <span lang="en">Links</span></dt><dd>0 / 1</dd></div>' in page
    assert "疑点" in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "—"), (-1, "—"), (0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 d"), (2e6, "23 d")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_the_page_speaks_both_languages_and_names_the_node(client: FlaskClient) -> None:
    page = client.get("/").text
    for text in ("南昌市 360100", "市级 City", "链路", "Links", "数据流", "Streams", "还没有链路", "No links yet"):
        assert text in page


def test_links_and_streams_are_shown_with_shape_and_word(node: Node, client: FlaskClient) -> None:
    for link in (Link(peer="360000", role="parent", state="up"), Link(peer="360102", role="child", state="down")):
        node.store.write(lambda transaction, link=link: save_link(transaction, link))  # type: ignore[misc]
    page = client.get("/").text
    assert "● 正常 up" in page
    assert "■ 离线 down" in page
    assert "东湖区 360102" in page
    assert "上级 parent" in page
    assert "南昌市 360100" in page
    publish_notice(node.publisher, "360102", NoticeText(subject="核查", text="请核查。", actor="监察员"))
    assert "定向 directed：东湖区 360102" in client.get("/").text


def test_a_code_stands_for_itself_in_both_languages() -> None:
    assert (word("360102").spoken("zh"), word("360102").spoken("en"), word("360102").both) == ("360102",) * 3


def test_what_people_wrote_cannot_become_markup(node: Node, client: FlaskClient) -> None:
    link = Link(peer="360000", role="parent", state="<b>x</b>", note="<script>alert(1)</script>")
    node.store.write(lambda transaction: save_link(transaction, link))
    page = client.get("/").text
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_health_looks_at_nothing_else(node: Node, client: FlaskClient) -> None:
    node.store.close()
    assert client.get("/healthz").json == {"schema": "yizhan.health/1", "ok": True}


def test_a_dead_sealer_makes_the_node_not_ready(node: Node) -> None:
    dead = create_face_app(node, alive=lambda: {"parent link": False}).test_client().get("/readyz")
    assert (dead.status_code, dead.get_json()["checks"]["parent link"]) == (503, False)
    answer = create_face_app(node, sealer_alive=lambda: False).test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert answer.json["checks"] == {"database": True, "sealer": False, "joined": True}


def test_a_database_that_does_not_answer_is_told_and_counted(
    node: Node, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreUnavailableError("The database does not answer")

    monkeypatch.setattr(node.store, "reading", gone)
    assert client.get("/readyz").status_code == 503
    answer = client.get("/status.json")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json is not None
    assert answer.json["code"] == "YZ-STORE-002"
    metrics = client.get("/metrics").text
    assert 'yizhan_up{level="city",node="360100"} 0.0' in metrics
    assert "yizhan_cases" not in metrics


def test_metrics_say_what_the_status_says(node: Node, client: FlaskClient) -> None:
    link = Link(peer="360000", role="parent", state="up")
    node.store.write(lambda transaction: save_link(transaction, link))
    text = client.get("/metrics").text
    for line in (
        'yizhan_up{level="city",node="360100"} 1.0',
        'yizhan_link_up{peer="360000",role="parent"} 1.0',
        'yizhan_link_lag_records{peer="360000",role="parent"} ',
        'yizhan_stream_records{audience="ancestors",origin="360100"} 2.0',
        'yizhan_stream_receipted_records{audience="ancestors",holder="360100",origin="360100"} 2.0',
        "yizhan_cases 0.0",
        "yizhan_findings 0.0",
        "yizhan_quarantined 0.0",
        "yizhan_refused 0.0",
        "yizhan_alarms 0.0",
    ):
        assert line in text


def test_metrics_count_records_by_source_and_by_what_became_of_them(node: Node, client: FlaskClient) -> None:
    for name in ("hall", "quiet"):
        add_source(node.store, name, clock=node.clock, randomness=node.randomness)
    for _ in range(2):
        node.store.write(lambda one: count_activity(one, "hall", accepted=3, repeated=2, refused=1))
    text = client.get("/metrics").text
    assert "# TYPE yizhan_records_accepted_total counter" in text
    for line in (
        'yizhan_records_accepted_total{source="hall"} 6.0',
        'yizhan_records_repeated_total{source="hall"} 4.0',
        'yizhan_records_refused_total{source="hall"} 2.0',
        'yizhan_records_accepted_total{source="quiet"} 0.0',
    ):
        assert line in text


def test_requests_are_measured_by_route_and_never_by_path(client: FlaskClient) -> None:
    client.get("/healthz")
    client.get("/no/such/360102/page")
    text = client.get("/metrics").text
    assert 'yizhan_request_seconds_count{method="GET",path="/healthz",status="200"} 1.0' in text
    assert 'path="unknown",status="404"' in text
    assert "no/such" not in text


def test_methods_that_somebody_makes_up_are_one_figure(client: FlaskClient) -> None:
    for number in range(20):
        client.open("/healthz", method=f"MADEUP{number}")
    text = client.get("/metrics").text
    assert 'yizhan_request_seconds_count{method="other",path="unknown",status="405"} 20.0' in text
    assert "MADEUP" not in text


def test_two_nodes_in_one_process_keep_their_figures_apart(node: Node) -> None:
    other = whole_node("360000")
    texts = [create_face_app(one).test_client().get("/metrics").text for one in (node, other)]
    assert 'node="360100"' in texts[0]
    assert 'node="360100"' not in texts[1]
    other.close()


@pytest.mark.parametrize(
    ("feature", "path"),
    [("status_page", "/"), ("status_page", "/status.json"), ("metrics", "/metrics"), ("open_api", "/api/v1/records")],
)
def test_what_a_level_switches_off_is_not_there(node: Node, feature: str, path: str) -> None:
    assert create_face_app(without(node, **{feature: False})).test_client().get(path).status_code == 404


def test_the_open_api_asks_for_a_key(client: FlaskClient) -> None:
    assert client.post("/api/v1/records", json={"records": []}).status_code == 401


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IdentityError("who are you"), 403),
        (PackageRefusedError("frame", "no"), 409),
        (ZeroDivisionError("secret detail"), 500),
    ],
)
def test_errors_are_told_without_their_inside(
    node: Node, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    application = create_face_app(node)

    @application.get("/fail")
    def fail() -> str:
        raise error

    client = application.test_client()
    answer = client.get("/fail", headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert answer.json is not None
    assert set(answer.json) == {"schema", "code", "what", "why", "action"}
    assert "secret detail" not in answer.text
    page = client.get("/fail", headers={"Accept": "text/html"})
    assert page.status_code == status
    assert "出错了" in page.text
    assert ("request failed" in caplog.text) is (status == 500)


def test_the_link_application_shows_its_chain_and_refuses_strangers(node: Node) -> None:
    client = create_link_app(node).test_client()
    assert client.get("/link/v1/chain").status_code == 200
    answer = client.post("/link/v1/exchange", data=b"x")
    assert answer.status_code == 403
    assert answer.json is not None
    assert answer.json["code"] == "YZ-TRUST-001"
    assert client.get("/").status_code == 404


@pytest.mark.parametrize("name", WORDS)
def test_every_word_is_in_both_languages(name: str) -> None:
    entry = WORDS[name]
    assert entry.zh
    assert entry.en
    assert entry.zh in entry.spoken("zh")
    assert entry.en in entry.spoken("en")
    if entry.shape:
        assert entry.both.startswith(entry.shape)


def test_a_name_without_words_stands_for_itself() -> None:
    assert word("360102").both == "360102"
