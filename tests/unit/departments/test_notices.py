"""Notices and replies: directed to one node, numbered, and sent once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from node.departments.notices import NoticeText, SentRecord, publish_notice, publish_reply
from node.errors import AuthorityError, NotFoundError, RecordRefusedError
from node.journal.entries import Entry
from node.standard.codec import leaf_hash, parse_record
from node.standard.compose import content_of
from node.standard.facts import facts_of
from tests.support.intake import CITY, NODE, PROVINCE, publisher_on
from tests.support.journals import checkpoint
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.departments.publish import Publisher
    from node.journal.store import Store
    from node.journal.streams import Journal

TEXT = NoticeText(subject="超期核查", text="请核查并反馈", actor="监察员", reply_due=date(2026, 11, 24))


def bodies(publisher: Publisher, sent: SentRecord) -> list[bytes]:
    with publisher.store.reading() as connection:
        held = publisher.journal.held(connection, sent.stream)
        stored = publisher.journal.stored(connection, sent.stream, 1, held.size) if held else []
    return [one.body or b"" for one in stored]


def carried(sent: SentRecord, records: list[bytes], journal: Journal) -> None:
    """Let another node receive a stream."""
    entries = []
    for body in records:
        element = parse_record(body)
        facts = facts_of(element)
        entries.append(
            Entry(record_type=facts.record_type, body=body, leaf=leaf_hash(body), facts=facts, element=element)
        )
    with journal.store.reading() as connection:
        root = journal.extended_root(connection, sent.stream, [entry.leaf for entry in entries])
    sealed = checkpoint(len(entries), root, sent.stream)
    journal.store.write(lambda transaction: journal.extend(transaction, sent.stream, entries, sealed))


def test_a_notice_stands_in_the_stream_of_its_addressee(memory: Store) -> None:
    publisher = publisher_on(memory)
    sent = publish_notice(publisher, NODE, TEXT)
    assert sent.as_json() == {
        "schema": "yizhan.notice/1",
        "notice": "36900020261103000001",
        "stream": f"{PROVINCE}/{NODE}",
        "new": True,
    }
    content = content_of(parse_record(bodies(publisher, sent)[0]))
    assert (content["NoticeNo"], content["Addressee"], content["ReplyDue"]) == (sent.number, NODE, "2026-11-24")
    assert content["RecordKey"] == f"notice:{sent.number}:1"


def test_two_notices_have_two_numbers_and_a_key_makes_one_of_them(memory: Store) -> None:
    publisher = publisher_on(memory)
    first, second = publish_notice(publisher, NODE, TEXT), publish_notice(publisher, CITY, TEXT)
    assert (int(second.number) - int(first.number), second.stream.audience) == (1, CITY)
    keyed = [publish_notice(publisher, NODE, replace(TEXT, subject="另"), key="a") for _ in range(2)]
    assert keyed[0].number == keyed[1].number
    assert [one.new for one in keyed] == [True, False]
    assert len(bodies(publisher, first)) == 2


def test_a_notice_goes_down_only(memory: Store) -> None:
    publisher = publisher_on(memory, CITY)
    for to in (PROVINCE, CITY):
        with pytest.raises(AuthorityError, match=f"{CITY} may not send a notice to {to}") as refused:
            publish_notice(publisher, to, TEXT)
        assert NODE in refused.value.action
    for to in ("360001", "descendants"):
        with pytest.raises(NotFoundError, match="There is no node") as unknown:
            publish_notice(publisher, to, TEXT)
        assert NODE in unknown.value.action
    with memory.reading() as connection:
        assert publisher.journal.streams(connection) == []


def test_a_text_that_does_not_fit_is_refused_and_costs_no_number(memory: Store) -> None:
    publisher = publisher_on(memory)
    with pytest.raises(RecordRefusedError, match="The notice was not written") as refused:
        publish_notice(publisher, NODE, replace(TEXT, subject=""))
    assert "Subject" in refused.value.why
    assert publish_notice(publisher, NODE, TEXT).number.endswith("000001")


def test_the_reply_goes_back_to_whoever_sent_the_notice(memory: Store) -> None:
    province = publisher_on(memory)
    for _ in range(3):
        sent = publish_notice(province, NODE, TEXT)
    county = publisher_on(new_memory_store(), NODE)
    carried(sent, bodies(province, sent), county.journal)
    reply = publish_reply(county, sent.number, text="已办结", actor="办件员", organisation_name="测试局")
    assert (str(reply.stream), reply.number, reply.new) == (f"{NODE}/{PROVINCE}", sent.number, True)
    content = content_of(parse_record(bodies(county, reply)[0]))
    assert (content["NoticeNo"], content["Text"], content["Actor"]) == (sent.number, "已办结", {"Name": "办件员"})
    again = publish_reply(county, sent.number, text="已办结", actor="办件员", organisation_name="测试局")
    more = publish_reply(county, sent.number, text="补充", actor="办件员", organisation_name="测试局")
    assert (again.new, more.new, len(bodies(county, reply))) == (False, True, 2)
    with pytest.raises(NotFoundError, match="holds no notice"):
        publish_reply(county, "36900020261103000009", text="x", actor="y", organisation_name="z")


def test_a_notice_of_others_is_not_answered_here(memory: Store) -> None:
    province = publisher_on(memory)
    sent = publish_notice(province, NODE, TEXT)
    with pytest.raises(NotFoundError):
        publish_reply(province, sent.number, text="x", actor="y", organisation_name="z")
