"""Case records for tests: minimal and valid, with the few fields that tests of cases and statistics are about.

``facts("Acceptance", hour=3)`` gives facts, ``entry(...)`` a journal entry, ``bodies(...)`` a whole case in
one line: ``bodies("apply accept handle review decide grant")``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from node.journal.entries import read_entry
from node.standard.codec import parse_unvalidated
from node.standard.compose import compose
from node.standard.facts import TREE_ZONE, Facts, facts_of
from node.standard.identifiers import case_number
from tests.support.samples import ACTOR, CASE_NO, CREDIT_CODE, SALT, SAMPLES, sample

if TYPE_CHECKING:
    from node.journal.entries import Entry

TASK = "10131300500698857413440400"
START = datetime(2026, 1, 5, 9, 0, tzinfo=TREE_ZONE)

MINIMAL: dict[str, dict[str, Any]] = {
    name: {**SAMPLES[name], "Correction": None, "OrigSystem": None, "OrigCaseNo": None, "Actor": ACTOR}
    for name in (
        "Application",
        "PreAcceptance",
        "Acceptance",
        "ReviewStep",
        "SupplementNotice",
        "SupplementReceipt",
        "SpecialProcedureStart",
        "SpecialProcedureEnd",
        "Conclusion",
        "Collection",
        "Material",
        "Fee",
        "Extension",
        "Certificate",
        "Delivery",
        "Evaluation",
    )
}
MINIMAL["Acceptance"] |= {"Deemed": None, "FeeDue": None}
MINIMAL["Conclusion"] |= {"Reason": None}
MINIMAL["PreAcceptance"] |= {"PreAcceptanceState": "1", "Reason": None}

# One word of a history line: record type and what differs from the minimal record.
WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "apply": ("Application", {}),
    "preaccept": ("PreAcceptance", {}),
    "prereject": ("PreAcceptance", {"PreAcceptanceState": "2", "Reason": "不属于职权"}),
    "accept": ("Acceptance", {}),
    "deem": ("Acceptance", {"Deemed": "true"}),
    "refuse": ("Acceptance", {"AcceptanceState": "2", "Reason": "不符合"}),
    "handle": ("ReviewStep", {"StepCode": "1"}),
    "review": ("ReviewStep", {"StepCode": "2"}),
    "decide": ("ReviewStep", {"StepCode": "3"}),
    "sendback1": ("ReviewStep", {"StepCode": "1", "Action": "RETURN"}),
    "sendback2": ("ReviewStep", {"StepCode": "2", "Action": "RETURN"}),
    "sendback3": ("ReviewStep", {"StepCode": "3", "Action": "RETURN"}),
    "notice": ("SupplementNotice", {}),
    "receipt": ("SupplementReceipt", {}),
    "special": ("SpecialProcedureStart", {"Kind": "2"}),
    "extend": ("SpecialProcedureStart", {"Kind": "1", "KindDetail": None}),
    "extension": ("Extension", {}),
    "end": ("SpecialProcedureEnd", {}),
    "collect": ("Collection", {}),
    "certify": ("Certificate", {}),
    "send": ("Delivery", {"DeliveryState": "SENT", "ReceivedDate": None}),
    "returned": ("Delivery", {"DeliveryState": "RETURNED"}),
    "deliver": ("Delivery", {}),
    "evaluate": ("Evaluation", {}),
    "material": ("Material", {}),
    "paid": ("Fee", {}),
    "unpaid": ("Fee", {"FeeState": "2", "AmountPaid": "0"}),
    **{
        word: ("Conclusion", {"ResultCode": code, "Reason": reason})
        for word, code, reason in (
            ("grant", "GRANT", None),
            ("deny", "DENY", None),
            ("other", "OTHER", None),
            ("withdraw", "WITHDRAW", "申请人撤回"),
            ("void", "VOID", "业务无效"),
            ("forward", "FORWARD", None),
            ("timeout", "SUPP_TIMEOUT", None),
            ("conclude_refused", "REFUSE", "不符合"),
        )
    },
}


@lru_cache(maxsize=20_000)
def _body(record_type: str, changes: tuple[tuple[str, Any], ...]) -> bytes:
    content = {**MINIMAL[record_type], **dict(changes)}
    return compose(record_type, content, salt=SALT)


def body(
    record_type: str,
    *,
    case_no: str = CASE_NO,
    sequence: int = 1,
    data_version: int = 1,
    hour: float = 0,
    **changes: Any,
) -> bytes:
    """Return the bytes of one record, ``hour`` hours after ``START``; a keyword is an element's name."""
    at = (START + timedelta(hours=hour)).isoformat(timespec="seconds")
    header = {"CaseNo": case_no, "Sequence": str(sequence), "DataVersion": str(data_version), "EventTime": at}
    return _body(record_type, tuple({**header, **changes}.items()))


def facts(record_type: str, **values: Any) -> Facts:
    """Return the facts of one record; arguments as for ``body``."""
    return facts_of(parse_unvalidated(body(record_type, **values)))


def entry(record_type: str, **values: Any) -> Entry:
    """Return the journal entry of one record; arguments as for ``body``. Valid by construction, or it says so."""
    made = read_entry(body(record_type, **values))
    assert made.quarantine is None, made.detail
    return made


def bodies(line: str, *, case_no: str = CASE_NO, start: float = 0, **changes: Any) -> list[bytes]:
    """Return the records of a history line; each word is an hour later, sequences count per record type."""
    made = []
    counts: dict[str, int] = {}
    for hour, word in enumerate(line.split()):
        record_type, own = WORDS[word]
        counts[record_type] = counts.get(record_type, 0) + 1
        values: dict[str, Any] = {**own, **changes}
        made.append(
            body(record_type, case_no=case_no, sequence=counts[record_type], hour=start + hour, **values),
        )
    return made


def case_no(number: int) -> str:
    """Return a case number that no other test number has; its check character is right."""
    return case_number("360102", CREDIT_CODE, "XK0010100Y", START.date(), number)


def item_body(**changes: Any) -> bytes:
    """Return the bytes of a catalogue item for ``TASK``."""
    content = sample("Item", **changes)
    return compose("Item", content, salt=SALT)
