"""What is posted to a department's system: signed, known by its key, and sorted by what it answers."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest

from adapters.contract import (
    AdapterError,
    DeliveryRejectedError,
    Document,
    RowProblem,
    SourceNeedsPersonError,
    SourceUnavailableError,
)
from tests.support.adapter_openings import outcome
from tests.support.http_receiver import Receiver
from tests.support.raw_http import RawServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.adapters.open_api.conftest import Node

pytestmark = pytest.mark.integration
NOTICE = Document(
    content="<Notice>限期</Notice>".encode(), record_type="SupervisionNotice", organisation="113", text=""
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def test_a_document_is_posted_with_its_key_and_signed(node_of: Callable[..., Node], receiver: Receiver) -> None:
    node = node_of(receiver.address, deliver_url=f"{receiver.address}/notices", secrets={"signing_key": "key-93"})
    node.adapter.deliver(NOTICE, "369902/113 甲/7")
    ((key, (headers, content)),) = receiver.posted.items()
    assert (key, content) == ("369902/113%20%E7%94%B2/7", NOTICE.content)
    assert headers["Content-Type"] == "application/xml"
    assert headers["Yizhan-Record-Type"] == "SupervisionNotice"
    assert headers["Yizhan-Organisation"] == "113"
    seconds, _, mac = headers["Yizhan-Signature"].removeprefix("t=").partition(",v1=")
    assert mac == hmac.new(b"key-93", f"{seconds}.{key}.".encode() + content, hashlib.sha256).hexdigest()


def test_without_a_key_nothing_is_signed(node_of: Callable[..., Node], receiver: Receiver) -> None:
    node_of(receiver.address, deliver_url=receiver.address).adapter.deliver(NOTICE, "k")
    assert "Yizhan-Signature" not in receiver.posted["k"][0]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, DeliveryRejectedError),
        (413, DeliveryRejectedError),
        (422, DeliveryRejectedError),
        (409, SourceUnavailableError),
        (429, SourceUnavailableError),
        (503, SourceUnavailableError),
        (401, SourceNeedsPersonError),
        (404, SourceNeedsPersonError),
    ],
)
def test_what_the_receiver_answers_decides(
    node_of: Callable[..., Node], receiver: Receiver, status: int, error: type[AdapterError]
) -> None:
    receiver.status = status
    with pytest.raises(error, match=str(status)):
        node_of(receiver.address, deliver_url=receiver.address).adapter.deliver(NOTICE, "k")
    assert receiver.posted == {}


def test_without_an_address_a_person_is_needed(node_of: Callable[..., Node], receiver: Receiver) -> None:
    with pytest.raises(SourceNeedsPersonError, match="deliver_url"):
        node_of(receiver.address).adapter.deliver(NOTICE, "k")


def test_a_document_is_not_sent_elsewhere(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: answer(302, Location="/other")) as server:
        with pytest.raises(SourceNeedsPersonError, match="redirected"):
            node_of(server.address, deliver_url=server.address).adapter.deliver(NOTICE, "k")
        assert len(server.asked) == 1


def test_what_became_of_a_delivery_is_posted(node_of: Callable[..., Node], receiver: Receiver) -> None:
    with RawServer(lambda _: answer(200, b'[{"id": 1}, {"id": 2}]')) as server:
        node = node_of(server.address, items=".", items_max=1, answers_url=f"{receiver.address}/answers")
        fetched = node.adapter.fetch(10)
        problem = RowProblem(rule="schema", text="is missing", row=1, element="CaseNo")
        first = next(fetched)
        node.adapter.acknowledge(first, outcome(refused=1, problems=(problem,)))
        second = next(fetched)
        node.adapter.reject(second, "no dialect reads it")
    zero = {"offered": 0, "accepted": 0, "repeated": 0, "refused": 0, "received": 0, "problems_omitted": 0}
    told = {"row": 1, "line": None, "element": "CaseNo", "rule": "schema", "text": "is missing"}
    common = {"schema": "yizhan.delivery-answer/1"}
    assert receiver.answers() == [
        {
            **common,
            "delivery_key": first.delivery_key,
            **zero,
            "offered": 2,
            "accepted": 1,
            "refused": 1,
            "reason": "",
            "problems": [told],
        },
        {**common, "delivery_key": second.delivery_key, **zero, "reason": "no dialect reads it", "problems": []},
    ]


def test_an_answer_that_cannot_be_posted_brings_the_delivery_again(
    node_of: Callable[..., Node], receiver: Receiver
) -> None:
    with RawServer(lambda _: answer(200, b'[{"id": 1}]')) as server:
        node = node_of(server.address, items=".", answers_url=receiver.address)
        receiver.status = 422
        with pytest.raises(SourceNeedsPersonError, match="answers_url"):
            node.items()
        receiver.status = 503
        with pytest.raises(SourceUnavailableError):
            node.items()
        receiver.status = 201
        assert node.items() == [{"id": "1"}]
        assert node.items() == []
