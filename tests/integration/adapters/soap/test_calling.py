"""A department's web service is called window by window and page by page, whatever form its data come in."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from flask import Response

from adapters.contract import (
    DeliveryRejectedError,
    Document,
    RowProblem,
    SourceNeedsPersonError,
    SourceUnavailableError,
)
from adapters.soap import KIND
from node.clock import MachineClock
from tests.support.adapter_openings import opening, outcome
from tests.support.soap_service import PASSWORD, USER, SoapService, packed, wsdl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery

pytestmark = pytest.mark.integration
DAMAGED = base64.b64encode(bytes([0x1F, 0x8B]) + b"damaged").decode()
"""The first bytes of gzip, and then none."""
NOTICE = Document(content="<Notice>限期 & ]]></Notice>".encode(), record_type="Notice", organisation="113", text="限期")


@pytest.fixture
def service() -> Iterator[SoapService]:
    made = SoapService(password="")
    yield made
    made.stop()


class Node:
    """Opens an adapter to the service, fetches and answers, and keeps the cursor."""

    def __init__(
        self, service: SoapService, folder: Path, secrets: dict[str, str] | None = None, **settings: Any
    ) -> None:
        self._folder = folder
        self._secrets = secrets or {}
        self._settings = {"wsdl": service.wsdl, "operation": "getDataXml", "result": "xml", **settings}
        self._adapter: Adapter | None = None
        self.cursor: str | None = None
        self.came: list[Delivery] = []

    @property
    def adapter(self) -> Adapter:
        return self._adapter or self.open()

    def open(self, **settings: Any) -> Adapter:
        if self._adapter is not None:
            self._adapter.close()
        self._settings |= settings
        self._adapter = KIND.open(
            opening(KIND, self._folder, self._settings, secrets=self._secrets, cursor=self.cursor)
        )
        return self._adapter

    def round(self, limit: int = 100) -> list[str]:
        """Fetch and acknowledge; return what came."""
        before = len(self.came)
        for delivery in self.adapter.fetch(limit):
            self.came.append(delivery)
            self.cursor = delivery.cursor
            self.adapter.acknowledge(delivery, outcome())
        return [one.content.decode() for one in self.came[before:]]


def returned(inner: str) -> str:
    return f"<return>{inner}</return>"


def test_all_documents_of_an_answer_come_once(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>", '{"records": []}', "H|1", "<a/>"]
    node = Node(service, tmp_path)
    assert node.round() == ["<a/>", '{"records": []}', "H|1"]
    assert [one.media_type for one in node.came] == ["application/xml", "application/json", "text/plain"]
    assert node.round() == []
    service.documents.append("<b/>")
    node.open()
    assert node.round() == ["<b/>"]


def test_pages_are_called_until_one_is_empty_and_then_from_there(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>", "<b/>", "<c/>"]
    node = Node(service, tmp_path, arguments={"page": "{page}"})
    assert node.round() == ["<a/>", "<b/>", "<c/>"]
    service.documents.append("<d/>")
    calls = len(service.calls)
    node.open()
    assert node.round() == ["<d/>"]
    assert [call.arguments["page"] for call in service.calls[calls:]] == ["3", "4", "5"]


def test_a_round_that_is_cut_short_goes_on(service: SoapService, tmp_path: Path) -> None:
    service.documents = [f"<a>{number}</a>" for number in range(5)]
    node = Node(service, tmp_path, arguments={"page": "{page}"}, calls_max=3)
    found = []
    for _ in range(6):
        found += node.round(limit=1)
        node.open()
    assert found == service.documents


def test_what_is_not_answered_comes_again(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>", "<b/>"]
    node = Node(service, tmp_path)
    keys = [one.delivery_key for one in node.adapter.fetch(10)]
    assert [one.delivery_key for one in node.open().fetch(10)] == keys


def test_windows_of_time_follow_each_other_up_to_now_with_an_overlap(service: SoapService, tmp_path: Path) -> None:
    service.answer = lambda call: returned(f"<xml>&lt;a&gt;{call.arguments['from']}&lt;/a&gt;</xml>")
    zone = ZoneInfo("Asia/Shanghai")
    begin = (MachineClock().now() - timedelta(days=2, hours=12)).astimezone(zone).replace(microsecond=0)
    node = Node(
        service,
        tmp_path,
        arguments={"from": "{from}", "to": "{to}"},
        begin_at=begin.replace(tzinfo=None).isoformat(),
        overlap_s=3600,
    )
    node.round()
    windows = [(call.arguments["from"], call.arguments["to"]) for call in service.calls]
    form = "%Y-%m-%d %H:%M:%S"
    assert len(windows) == 3
    assert windows[0] == (begin.strftime(form), (begin + timedelta(days=1)).strftime(form))
    assert windows[1][0] == windows[0][1]
    assert windows[2][0] == windows[1][1]
    assert len(node.came) == 3
    # What is new is asked for again from an hour before the end of what was asked for last.
    last = datetime.fromisoformat(windows[2][1])
    node.round()
    again = datetime.fromisoformat(service.calls[3].arguments["from"])
    assert abs(again - (last - timedelta(hours=1))) < timedelta(seconds=2)


def test_a_clock_that_was_ahead_hides_nothing_once_it_is_set_back(service: SoapService, tmp_path: Path) -> None:
    settings = {"wsdl": service.wsdl, "operation": "getDataXml", "result": "xml", "arguments": {"from": "{from}"}}
    opened = opening(KIND, tmp_path, {**settings, "begin_at": "2026-11-01", "overlap_s": 600, "time_zone": "UTC"})
    clock = iter([datetime(2026, 11, 20, 9, tzinfo=UTC), *[datetime(2026, 11, 2, 9, tzinfo=UTC)] * 9])
    adapter = KIND.open(replace(opened, now=lambda: next(clock)))
    assert list(adapter.fetch(100)) == list(adapter.fetch(100)) == []
    assert service.calls[-1].arguments["from"] == "2026-11-02 08:50:00"
    adapter.close()


def test_a_window_whose_answer_was_lost_is_asked_again(service: SoapService, tmp_path: Path) -> None:
    service.answer = lambda _: returned("<xml>a</xml>")
    settings: dict[str, Any] = {"arguments": {"from": "{from}"}, "begin_at": "2026-11-01", "window_s": 366 * 86_400}
    node = Node(service, tmp_path, **settings)
    for delivery in node.adapter.fetch(10):
        assert delivery.content == b"a"
    node.open()
    assert node.round() == ["a"]
    assert {call.arguments["from"] for call in service.calls} == {"2026-11-01 00:00:00"}
    node.open()
    assert node.round() == []


def test_a_window_of_more_pages_than_calls_is_told(service: SoapService, tmp_path: Path) -> None:
    service.documents = [f"<a>{number}</a>" for number in range(5)]
    settings: dict[str, Any] = {"arguments": {"from": "{from}", "page": "{page}"}, "window_s": 366 * 86_400}
    node = Node(service, tmp_path, begin_at="2026-11-01", calls_max=5, **settings)
    with pytest.raises(SourceNeedsPersonError, match="shorten window_s"):
        node.round()
    # The sixth call sees that there is nothing more.
    node.open(calls_max=6)
    assert node.round() == []
    assert [one.content.decode() for one in node.came] == service.documents


@pytest.mark.parametrize(
    ("inner", "settings", "expected"),
    [
        ("<xml>&lt;a&gt;&amp;lt;&lt;/a&gt;</xml>", {}, ["<a>&lt;</a>"]),
        ("<xml><![CDATA[<a>测试</a>]]></xml>", {}, ["<a>测试</a>"]),
        (
            '<xml>&lt;?xml version="1.0" encoding="GBK"?&gt;&lt;a/&gt;</xml>',
            {},
            ['<?xml version="1.0" encoding="UTF-8"?><a/>'],
        ),
        (f"<xml>{base64.b64encode('<a>测试</a>'.encode()).decode()}</xml>", {"result_form": "base64"}, ["<a>测试</a>"]),
        (f"<xml>{packed('<a>测试</a>')}</xml>", {"result_form": "base64"}, ["<a>测试</a>"]),
        (f"<file>{packed('<a/>')}</file>", {"result": "file"}, ["<a/>"]),
        ('<x:d xmlns:x="urn:x"><x:e>1</x:e></x:d>', {"result": "_value_1"}, None),
        ("<xml> </xml><xml>b</xml>", {}, ["b"]),
        ("", {}, []),
    ],
    ids=["escaped", "cdata", "declared", "base64", "gzip", "bytes", "element", "blank", "nothing"],
)
def test_data_come_in_every_form(
    service: SoapService, tmp_path: Path, inner: str, settings: dict[str, Any], expected: list[str] | None
) -> None:
    service.answer = lambda _: returned(inner)
    found = Node(service, tmp_path, **settings).round()
    if expected is None:
        (text,) = found
        assert text.startswith('<x:d xmlns:x="urn:x"')
        assert text.endswith("<x:e>1</x:e></x:d>")
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("inner", "settings", "said"),
    [
        ("<code>1</code>", {"result": "data.xml"}, "nothing is called data"),
        ("<code>1</code>", {"result": ""}, "say in result where it stands"),
        ("<code>1</code>", {"result": "code.deeper"}, "nothing is called deeper"),
        ("<xml>***</xml>", {"result_form": "base64"}, "no base64"),
        (f"<xml>{DAMAGED}</xml>", {"result_form": "base64"}, "damaged gzip"),
        (f"<xml>{packed('x' * 2_000_000)}</xml>", {"result_form": "base64"}, "answer_bytes_max"),
    ],
)
def test_data_that_are_not_where_they_should_be_need_a_person(
    service: SoapService, tmp_path: Path, inner: str, settings: dict[str, Any], said: str
) -> None:
    service.answer = lambda _: returned(inner)
    with pytest.raises(SourceNeedsPersonError, match=said):
        Node(service, tmp_path, answer_bytes_max=1_000_000, **settings).round()


@pytest.mark.parametrize("security", ["text", "digest"])
def test_a_token_is_shown(service: SoapService, tmp_path: Path, security: str) -> None:
    service.documents = ["<a/>"]
    secrets = {"security_password": PASSWORD}
    node = Node(service, tmp_path, secrets, security=security, security_user=USER)
    if security == "text":
        service.password = PASSWORD
        assert node.round() == ["<a/>"]
        return
    # A digest never holds the password itself, and the service of the tests takes none.
    service.password = PASSWORD
    with pytest.raises(SourceNeedsPersonError, match="security_password"):
        node.round()


@pytest.mark.parametrize(
    ("code", "away"),
    [
        ("soap:Server", True),
        ("soap:Server.Busy", True),
        ("Other", True),
        ("soap:Client", False),
        ("soap:Client.Args", False),
    ],
)
def test_faults_are_sorted_by_who_has_to_act(service: SoapService, tmp_path: Path, code: str, *, away: bool) -> None:
    service.fault = (code, "not today")
    with pytest.raises(SourceUnavailableError if away else SourceNeedsPersonError, match="not today"):
        Node(service, tmp_path).round()


@pytest.mark.parametrize(
    ("sent", "error", "said"),
    [
        (Response("<h1>Error</h1>", 500, content_type="text/html"), SourceUnavailableError, "500"),
        (Response("<soap:Envelope", 200, content_type="text/xml"), SourceUnavailableError, "cannot be read"),
        (Response("", 200, content_type="text/xml"), SourceUnavailableError, "cannot be read"),
        (Response("", 503, headers={"Retry-After": "60"}), SourceUnavailableError, "503"),
        (Response("", 403), SourceNeedsPersonError, "credential"),
        (Response("<a/>", 200, content_type="text/xml"), SourceUnavailableError, "no XML that can be read"),
        (
            Response('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', 200, content_type="text/xml"),
            SourceNeedsPersonError,
            "DTDForbidden",
        ),
    ],
    ids=["web-page", "damaged", "empty", "busy", "forbidden", "no-envelope", "document-type"],
)
def test_answers_that_are_none(
    service: SoapService, tmp_path: Path, sent: Response, error: type[Exception], said: str
) -> None:
    node = Node(service, tmp_path)
    assert node.round() == []
    service.raw = lambda: sent
    with pytest.raises(error, match=said):
        node.round()
    service.raw = lambda: None
    service.documents = ["<a/>"]
    assert node.round() == ["<a/>"]


def test_the_wsdl_is_read_once_an_opening(service: SoapService, tmp_path: Path) -> None:
    node = Node(service, tmp_path)
    node.round()
    service.raw = lambda: Response("", 503) if "wsdl" in (service.calls[-1].headers.get("X", "")) else None
    node.round()
    assert len(service.calls) == 2


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("<html/>", SourceNeedsPersonError, "the WSDL"),
        ("<definitions", SourceUnavailableError, "the WSDL"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><definitions/>', SourceNeedsPersonError, "DTDForbidden"),
    ],
)
def test_a_wsdl_that_is_none(
    service: SoapService, tmp_path: Path, text: str, error: type[Exception], said: str
) -> None:
    service.raw = lambda: Response(text, content_type="text/xml")
    with pytest.raises(error, match=said):
        Node(service, tmp_path).adapter.check()


@pytest.mark.parametrize("location", ["http://other.example/a.xsd", "file:///etc/passwd", "/etc/passwd"])
def test_a_wsdl_imports_nothing_from_elsewhere(service: SoapService, tmp_path: Path, location: str) -> None:
    service.wsdl_extra = f'<xs:import namespace="urn:other" schemaLocation="{location}"/>'
    with pytest.raises((SourceNeedsPersonError, SourceUnavailableError)) as caught:
        Node(service, tmp_path).adapter.check()
    if location != "/etc/passwd":
        assert "another place" in str(caught.value)


def test_a_wsdl_that_names_another_place_for_its_service_is_not_followed_but_endpoint_is(
    service: SoapService, tmp_path: Path
) -> None:
    service.documents = ["<a/>"]
    service.wsdl_address = "http://inside.example"
    with pytest.raises(SourceNeedsPersonError, match="endpoint"):
        Node(service, tmp_path / "a").round()
    assert Node(service, tmp_path / "b", endpoint=f"{service.address}/services/hall").round() == ["<a/>"]


def test_a_wsdl_may_be_a_file_with_its_documents_beside_it(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>"]
    folder = tmp_path / "wsdl"
    folder.mkdir()
    other = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:other"/>'
    (folder / "other.xsd").write_text(other)
    (tmp_path / "outside.xsd").write_text(other)
    path = folder / "hall.wsdl"
    imported = '<xs:import namespace="urn:other" schemaLocation="{}"/>'
    path.write_text(wsdl(service.address, extra=imported.format("other.xsd")))
    assert Node(service, tmp_path / "a", wsdl=str(path)).round() == ["<a/>"]
    path.write_text(wsdl(service.address, extra=imported.format("../outside.xsd")))
    with pytest.raises(SourceNeedsPersonError, match="another folder"):
        Node(service, tmp_path / "b", wsdl=str(path)).round()
    with pytest.raises(SourceNeedsPersonError, match="cannot be read"):
        Node(service, tmp_path / "c", wsdl=str(folder / "nowhere.wsdl")).round()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"operation": "dropAll"}, "confirm, getDataXml, setDataXmlToFocus"),
        ({"arguments": {"unknown": "1"}}, "unknown"),
        ({"port": "NoPort"}, "the WSDL"),
        ({"deliver_operation": "nothing"}, "no operation nothing"),
        ({"answer_operation": "confirm", "answer_arguments": {"unknown": "1"}}, "unknown"),
    ],
)
def test_settings_that_do_not_fit_the_wsdl_are_found_by_the_check(
    service: SoapService, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    for check_calls in (True, False):
        with pytest.raises(SourceNeedsPersonError, match=said):
            Node(service, tmp_path, check_calls=check_calls, **settings).adapter.check()


def test_a_check_may_be_kept_from_calling(service: SoapService, tmp_path: Path) -> None:
    Node(service, tmp_path, check_calls=False).adapter.check()
    assert service.calls == []


def test_a_document_goes_down_by_an_operation(service: SoapService, tmp_path: Path) -> None:
    service.answer = lambda _: None
    node = Node(service, tmp_path, deliver_operation="setDataXmlToFocus", deliver_result="code", deliver_success=["1"])
    node.adapter.deliver(NOTICE, "369902/113/7")
    assert service.taken == {"369902/113/7": NOTICE.content.decode()}
    service.answer = lambda _: returned("<code>-3</code>")
    with pytest.raises(DeliveryRejectedError, match="'-3'"):
        node.adapter.deliver(NOTICE, "369902/113/8")
    with pytest.raises(SourceNeedsPersonError, match="deliver_operation"):
        Node(service, tmp_path).adapter.deliver(NOTICE, "k")


def test_what_became_of_a_delivery_is_told_by_an_operation(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>"]
    told = {"key": "{delivery_key}", "reason": "{accepted} of {offered}, {{kept}}: {problems}"}
    node = Node(service, tmp_path, answer_operation="confirm", answer_arguments=told)
    (delivery,) = node.adapter.fetch(10)
    problem = RowProblem(rule="schema", text="is missing", row=1, element="CaseNo")
    node.adapter.acknowledge(delivery, outcome(refused=1, problems=(problem,)))
    problems = '[{"row": 1, "line": null, "element": "CaseNo", "rule": "schema", "text": "is missing"}]'
    assert service.confirmed == [{"key": delivery.delivery_key, "reason": f"1 of 2, {{kept}}: {problems}"}]


def test_a_wsdl_of_too_many_documents_or_bytes_is_not_taken(service: SoapService, tmp_path: Path) -> None:
    folder = tmp_path / "wsdl"
    folder.mkdir()
    schema = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o{}"/>'
    for number in range(60):
        (folder / f"{number}.xsd").write_text(schema.format(number))
    imports = "".join(f'<xs:import namespace="urn:o{number}" schemaLocation="{number}.xsd"/>' for number in range(60))
    path = folder / "hall.wsdl"
    path.write_text(wsdl(service.address, extra=imports))
    with pytest.raises(SourceNeedsPersonError, match="more than 50 documents"):
        Node(service, tmp_path / "a", wsdl=str(path)).round()
    path.write_text(wsdl(service.address) + " " * 4_200_000)
    with pytest.raises(SourceNeedsPersonError, match="bytes"):
        Node(service, tmp_path / "b", wsdl=str(path)).round()
    service.wsdl_extra = f"<!-- {' ' * 4_200_000} -->"
    with pytest.raises(SourceNeedsPersonError, match="bytes"):
        Node(service, tmp_path / "c").round()


def test_a_port_that_is_not_soap_needs_a_person(service: SoapService, tmp_path: Path) -> None:
    http = (
        '<binding name="Plain" type="tns:Hall"><h:binding xmlns:h="http://schemas.xmlsoap.org/wsdl/http/" verb="GET"/>'
        '<operation name="getDataXml"><h:operation xmlns:h="http://schemas.xmlsoap.org/wsdl/http/" location="/g"/>'
        '<input><h:urlEncoded xmlns:h="http://schemas.xmlsoap.org/wsdl/http/"/></input><output/></operation></binding>'
    )
    port = (
        f'<port name="PlainPort" binding="tns:Plain"><h:address xmlns:h="http://schemas.xmlsoap.org/wsdl/http/" '
        f'location="{service.address}"/></port></service>'
    )
    path = tmp_path / "plain.wsdl"
    path.write_text(wsdl(service.address).replace("<service ", f"{http}<service ").replace("</service>", port))
    with pytest.raises(SourceNeedsPersonError):
        Node(service, tmp_path / "kept", wsdl=str(path), port="PlainPort").round()


def test_only_so_many_documents_are_taken_from_one_answer(service: SoapService, tmp_path: Path) -> None:
    service.answer = lambda _: returned("<xml>a</xml>" * 10_001)
    with pytest.raises(SourceNeedsPersonError, match="more than 10000 documents"):
        Node(service, tmp_path).round()


def test_a_stop_ends_the_round(service: SoapService, tmp_path: Path) -> None:
    service.documents = ["<a/>", "<b/>"]
    stopping = replace(
        opening(KIND, tmp_path, {"wsdl": service.wsdl, "operation": "getDataXml", "result": "xml"}), wait=lambda _: True
    )
    adapter = KIND.open(stopping)
    assert len(list(adapter.fetch(10))) == 1
    adapter.close()
