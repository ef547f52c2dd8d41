"""The dialect standard: files are cut into records without being parsed, and one bad record spoils no other."""

from __future__ import annotations

import gzip
from io import BytesIO, RawIOBase
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects import read, recognise
from node.departments.dialects.standard import BLOCK_BYTES, MARKUP_BYTES_MAX, read_standard
from node.errors import UsageError
from node.standard.codec import SHAPES, parse_record
from tests.support.intake import NODE, generated, offer, standard_records, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.departments.candidates import Candidate

FEE = record("Fee", DivisionCode=NODE)
NS = b'xmlns="urn:yizhan:standard:1"'


def fee(number: int) -> bytes:
    return record("Fee", DivisionCode=NODE, Sequence=str(number))


def cut(data: bytes) -> list[Candidate]:
    return list(read_standard(BytesIO(data)))


def rules(data: bytes) -> list[str | None]:
    return [one.problems[0].rule if one.problems else None for one in cut(data)]


class Zeros(RawIOBase):
    """A sparse body: as many zero bytes as asked for, counted."""

    def __init__(self, begin: bytes, size: int) -> None:
        self._begin = begin
        self._left = size
        self.served = 0

    def read(self, size: int = -1) -> bytes:
        begin, self._begin = self._begin, b""
        count = min(size, self._left)
        self._left -= count
        self.served += count
        return begin + bytes(count)


def test_a_single_record_is_one_candidate() -> None:
    (one,) = cut(FEE)
    assert (one.record_type, one.markup, one.line, one.problems) == ("Fee", FEE, 1, ())


def test_problems_of_an_indented_record_name_the_lines_of_the_file(intake: Intake) -> None:
    indented = FEE.replace(b"><", b">\n<").replace(b"</DivisionCode>", b"X</DivisionCode>")
    line = 1 + indented[: indented.index(b"X</DivisionCode>")].count(b"\n") + 1
    for salt in (b"", b"\n", b"\r\n  \n"):
        begin, end = indented.index(b"<Salt>"), indented.index(b"</Salt>")
        sent = indented[:begin] + b"<Salt>" + salt + indented[begin + len(b"<Salt>") : end] + salt + indented[end:]
        report = offer(intake, wrapped([sent]), "standard")
        assert report.problems[0].line == line + 2 * salt.count(b"\n")


def test_a_file_of_many_blocks_is_cut_into_its_records_with_their_lines() -> None:
    bodies = standard_records(generated(300))
    assert sum(map(len, bodies)) > 2 * BLOCK_BYTES
    candidates = cut(b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n' + wrapped(bodies))
    assert [one.line for one in candidates] == list(range(3, 303))
    assert [one.markup for one in candidates] == bodies


def test_records_inherit_the_namespace_of_the_wrapper(intake: Intake) -> None:
    bare = FEE.replace(b" " + NS, b"")
    assert offer(intake, wrapped([bare]), "standard").accepted == 1


def test_salt_and_channel_may_be_missing_and_formatting_is_free(intake: Intake) -> None:
    content = FEE.replace(b"<Salt>AAECAwQFBgcICQoLDA0ODw==</Salt>", b"").replace(b"<Channel>FILE</Channel>", b"")
    indented = content.replace(b"><", b">\n  <")
    report = offer(intake, wrapped([indented]), "standard")
    assert report.accepted == 1, report.problems
    with intake.store.reading() as connection:
        (stored,) = intake.journal.stored(connection, intake.stream, 1, 1)
    assert b"\n" not in (stored.body or b"")
    assert parse_record(stored.body or b"").findtext("{*}Channel") == "IMPORT"


@pytest.mark.parametrize(
    ("written", "instead"),
    [(NS, b"xmlns='urn:yizhan:standard:1'"), (b"<Payer>", b"<Payer >"), (b"JK001", b"&#74;K001"), (b">1</", b">\n1</")],
)
def test_the_same_record_written_in_another_way_is_repeated(intake: Intake, written: bytes, instead: bytes) -> None:
    offer(intake, FEE, "standard")
    report = offer(intake, FEE.replace(written, instead, 1), "standard")
    assert (report.repeated, report.refused) == ((0, 1) if b"\n" in instead else (1, 0)), report.problems


@pytest.mark.parametrize("given", [b"<Salt/>", b"<Salt>not base64</Salt>", b"<Salt ></Salt >"])
def test_whatever_salt_the_sender_gives_the_node_makes_its_own(intake: Intake, given: bytes) -> None:
    body = FEE.replace(b"<Salt>AAECAwQFBgcICQoLDA0ODw==</Salt>", given)
    assert offer(intake, body, "standard").accepted == 1


def test_elements_in_another_order_are_refused_not_sorted(intake: Intake) -> None:
    body = FEE.replace(b"<Sequence>1</Sequence>", b"").replace(
        b"</DataVersion>", b"</DataVersion><Sequence>1</Sequence>"
    )
    assert offer(intake, body, "standard").problems[0].rule == "schema"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"hello", "not-xml"),
        (b"{}", "not-xml"),
        (b"PK\x03\x04", "not-xml"),
        ("<Fee/>".encode("utf-16"), "not-text"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><Fee/>', "not-text"),
        (b"<?xml version=", "not-xml"),
        (b'<!DOCTYPE Fee [<!ENTITY a "b">]><Fee/>', "forbidden"),
        (b"<!-- greeting --><Fee/>", "forbidden"),
        (b'<?xml version="1.0"?><?style x?><Fee/>', "forbidden"),
        (b"<Records><Fee/></Records>", "unknown-namespace"),
        (b'<Records xmlns="urn:other"><Fee/></Records>', "unknown-namespace"),
        (b"<y:Records xmlns:y='urn:yizhan:standard:1'><Fee/></y:Records>", "unknown-namespace"),
        (b"<Records " + NS + b"/>", "empty"),
        (gzip.compress(FEE), "not-xml"),
    ],
)
def test_what_holds_no_record_is_refused_as_a_whole_and_kept(intake: Intake, data: bytes, rule: str) -> None:
    assert rules(data) == [rule]
    report = offer(intake, data, "standard")
    assert (report.offered, report.refused, report.exit_code) == (1, 1, 1)
    assert report.verdicts[0].refused_id is not None


@pytest.mark.parametrize(
    ("middle", "rule"),
    [
        (b"<!-- a comment -->", "forbidden"),
        (b"<![CDATA[ x ]]>", "forbidden"),
        (b"<?process me?>", "forbidden"),
        (b'<!DOCTYPE Fee [<!ENTITY a "b">]>', "forbidden"),
        (b"loose text", "not-xml"),
        (b"</Fee>", "not-xml"),
        (b"<", "not-xml"),
    ],
)
def test_rubbish_between_records_costs_no_record(intake: Intake, middle: bytes, rule: str) -> None:
    report = offer(intake, wrapped([fee(1), middle, fee(2)]), "standard")
    assert [verdict.outcome for verdict in report.verdicts] == ["accepted", "refused", "accepted"]
    assert report.problems[0].rule == rule
    assert report.problems[0].line == 3


@pytest.mark.parametrize(
    ("inside", "rule"),
    [
        (b"<!-- x -->", "forbidden"),
        (b"<![CDATA[x]]>", "forbidden"),
        (b"<?x y?>", "forbidden"),
        (b"&unknown;", "not-xml"),
        (b"\xff\xfe", "not-utf8"),
        (b"<Unclosed>", "not-xml"),
    ],
)
def test_a_record_with_forbidden_parts_costs_itself_only(intake: Intake, inside: bytes, rule: str) -> None:
    bad = fee(2).replace(b"<PaymentNo>", b"<PaymentNo>" + inside)
    report = offer(intake, wrapped([fee(1), bad, fee(3)]), "standard")
    assert [verdict.outcome for verdict in report.verdicts] == ["accepted", "refused", "accepted"]
    assert (report.problems[0].rule, report.problems[0].line) == (rule, 3)


def test_a_comment_that_spans_two_records_makes_no_record_of_them(intake: Intake) -> None:
    first = fee(1).replace(b"</PaymentNo>", b"</PaymentNo><!--")
    second = fee(2).replace(b"<FeeOrgName>", b"--><FeeOrgName>")
    report = offer(intake, wrapped([first, second]), "standard")
    assert (report.accepted, report.refused) == (0, 2)


def test_a_record_without_its_end_tag_ends_where_the_next_begins(intake: Intake) -> None:
    report = offer(intake, wrapped([fee(1)[:-6], fee(2)]), "standard")
    assert [verdict.outcome for verdict in report.verdicts] == ["refused", "accepted"]


@pytest.mark.parametrize("cut_off", [len(b"</Records>\n"), 40, len(FEE) // 2])
def test_a_half_written_file_gives_its_whole_records_and_says_so(intake: Intake, cut_off: int) -> None:
    data = wrapped([fee(1), fee(2), fee(3)])
    report = offer(intake, data[:-cut_off], "standard")
    assert report.accepted >= 2
    assert report.refused == 1
    assert report.problems[0].rule == "half-written"
    assert report.exit_code == 9


def test_something_behind_the_wrapper_is_reported() -> None:
    assert rules(wrapped([FEE]) + b"more") == [None, "not-xml"]


def test_a_record_that_never_ends_is_given_up_within_the_limit() -> None:
    endless = b"<Fee " + NS + b">" + b"x" * (2 * MARKUP_BYTES_MAX)
    first, *rest = cut(b"<Records " + NS + b">" + endless + fee(2))
    assert first.problems[0].rule == "too-large"
    assert not first.complete
    assert len(first.kept()) <= MARKUP_BYTES_MAX
    assert all(one.problems for one in rest)


def test_a_large_bad_record_is_skipped_to_the_next_one(intake: Intake) -> None:
    large = fee(1).replace(b"<PaymentNo>", b"<PaymentNo>" + b"x" * 300_000)
    report = offer(intake, wrapped([large, fee(2)]), "standard")
    assert [verdict.outcome for verdict in report.verdicts] == ["refused", "accepted"]
    assert report.problems[0].rule == "too-large"


@pytest.mark.parametrize("begin", [b"", b"<Records " + NS + b">", b"<Fee " + NS + b"><Salt>"])
def test_a_sparse_body_of_a_gigabyte_is_refused_after_a_few_blocks(begin: bytes) -> None:
    body = Zeros(begin, 1 << 30)
    candidates = list(read_standard(cast("BinaryIO", body)))
    assert all(one.problems for one in candidates)
    assert body.served < 4 * MARKUP_BYTES_MAX


def test_a_file_in_gb18030_is_read_when_it_says_so(intake: Intake) -> None:
    text = '<?xml version="1.0" encoding="GB18030"?>\n' + wrapped([FEE]).decode()
    report = offer(intake, text.encode("gb18030"), "standard")
    assert report.accepted == 1, report.problems


def test_wrong_bytes_in_gb18030_cost_their_record_only(intake: Intake) -> None:
    text = '<?xml version="1.0" encoding="gbk"?>\n' + wrapped([fee(1), fee(2)]).decode()
    data = text.encode("gb18030").replace(b"<PaymentNo>", b"<PaymentNo>\xff", 1)
    report = offer(intake, data, "standard")
    assert [verdict.outcome for verdict in report.verdicts] == ["refused", "accepted"]
    assert report.problems[0].rule == "not-utf8"


@pytest.mark.parametrize(
    ("name", "head", "dialect"),
    [
        ("a.txt", b"\xef\xbb\xbf\n <Records/>", "standard"),
        ("a.xml", b"", "standard"),
        ("a.xml", b"hello", "standard"),
        ("a.txt", b' {"records": []}', "json"),
        ("a.csv", b"CaseNo,Sequence", "csv"),
        ("a", b"", "csv"),
    ],
)
def test_a_dialect_is_recognised_by_what_a_file_begins_with(name: str, head: bytes, dialect: str) -> None:
    assert recognise(name, head) == dialect


def test_an_unknown_dialect_names_those_that_exist() -> None:
    with pytest.raises(UsageError, match="auto, standard, csv, xlsx, json, cooperation"):
        read("soap", BytesIO())


def test_no_element_of_a_departments_record_is_named_like_such_a_record() -> None:
    # Records are cut apart by their start tags alone.
    inner = {child.name for name in DEPARTMENT_TYPES for _, child in SHAPES[name].paths()}
    assert inner & DEPARTMENT_TYPES == set()


def test_a_certificate_ends_an_unclosed_record_though_other_records_have_an_element_of_that_name() -> None:
    broken = fee(1).replace(b"</Fee>", b"")
    found = cut(wrapped([broken, record("Certificate")]))
    assert [one.record_type for one in found] == ["Fee", "Certificate"]
