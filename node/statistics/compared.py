"""What the records of a comparison say, as values: FigureComparison asks, ComparisonAnswer answers. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from node.standard.compose import content_of
from node.statistics.indicators import FigureKey
from node.statistics.narrowing import DIGEST_BYTES, Told

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTION: Final = "FigureComparison"
ANSWER: Final = "ComparisonAnswer"

NAMED: Final = "NAMED"
MORE: Final = "MORE"
EQUAL: Final = "EQUAL"
UNFIT: Final = "UNFIT"
"""How a comparison ends; the schema's ComparisonOutcome says what they mean."""

_ALL: Final = "-"
_KEY: Final = ("@Division", "@Org", "@Task", "@Channel", "@Indicator")

Content = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDifference:
    """A case that does not add the same at both nodes.

    ``stated``: what it adds at the origin, ``computed``: at the asking node, ``counted``: what its records add, counted
    from them alone; ``cause`` is a DifferenceCause; ``records`` are positions in the origin's ``ancestors`` stream.
    """

    case_no: str
    key: FigureKey
    stated: int
    computed: int
    counted: int
    cause: str
    records: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One FigureComparison. ``asked`` is empty and ``outcome`` set in the last one of a comparison only."""

    origin: str
    position: int
    day: str
    number: int
    asked: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    found: tuple[NamedDifference, ...] = ()
    more: bool = False
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One ComparisonAnswer; ``size`` is that of the origin's ``ancestors`` stream when it counted."""

    position: int
    day: str
    number: int
    size: int
    told: tuple[Told, ...]


def question_content(question: Question) -> Content:
    """Return the content of the record, without RecordKey and EventTime."""
    return {
        "Origin": question.origin,
        "Position": str(question.position),
        "Day": question.day,
        "Number": str(question.number),
        "Asked": [one or _ALL for one in question.asked],
        "Waiting": [one or _ALL for one in question.waiting],
        "Found": [_found_content(one) for one in question.found],
        "More": "true" if question.more else None,
        "Outcome": question.outcome or None,
    }


def read_question(element: Any) -> Question:
    """Return what a valid record says."""
    content = content_of(element)
    return Question(
        origin=content["Origin"],
        position=int(content["Position"]),
        day=content["Day"].strip(),
        number=int(content["Number"]),
        asked=_ranges(content, "Asked"),
        waiting=_ranges(content, "Waiting"),
        found=tuple(_read_found(one) for one in content.get("Found", ())),
        more=content.get("More", "").strip() in {"true", "1"},
        outcome=content.get("Outcome", ""),
    )


def answer_content(answer: Answer) -> Content:
    """Return the content of the record, without RecordKey and EventTime."""
    return {
        "Position": str(answer.position),
        "Day": answer.day,
        "Number": str(answer.number),
        "Size": str(answer.size),
        "Told": [_told_content(one) for one in answer.told],
    }


def read_answer(element: Any) -> Answer:
    """Return what a valid record says."""
    content = content_of(element)
    return Answer(
        position=int(content["Position"]),
        day=content["Day"].strip(),
        number=int(content["Number"]),
        size=int(content["Size"]),
        told=tuple(_read_told(one) for one in content.get("Told", ())),
    )


def _key_content(case_no: str, key: FigureKey) -> Content:
    return {"@Case": case_no, **dict(zip(_KEY, key, strict=True))}


def _read_key(content: Mapping[str, Any]) -> tuple[str, FigureKey]:
    return content["@Case"], FigureKey(*(content[name] for name in _KEY))


def _ranges(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple("" if one == _ALL else one for one in content.get(name, ()))


def _found_content(one: NamedDifference) -> Content:
    return {
        **_key_content(one.case_no, one.key),
        "@Stated": str(one.stated),
        "@Computed": str(one.computed),
        "@Counted": str(one.counted),
        "@Cause": one.cause,
        "Record": [str(position) for position in one.records],
    }


def _read_found(content: Mapping[str, Any]) -> NamedDifference:
    case_no, key = _read_key(content)
    return NamedDifference(
        case_no=case_no,
        key=key,
        stated=int(content["@Stated"]),
        computed=int(content["@Computed"]),
        counted=int(content["@Counted"]),
        cause=content["@Cause"],
        records=tuple(int(position) for position in content.get("Record", ())),
    )


def _told_content(one: Told) -> Content:
    return {
        "@Range": one.range or _ALL,
        "Digests": b64encode(b"".join(one.digests)).decode() if one.digests else None,
        "Contribution": [
            {**_key_content(case_no, key), "@Amount": str(amount)} for case_no, key, amount in one.contributions
        ],
    }


def _read_told(content: Mapping[str, Any]) -> Told:
    digests = b64decode("".join(content.get("Digests", "").split()))
    return Told(
        range="" if content["@Range"] == _ALL else content["@Range"],
        digests=tuple(digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)),
        contributions=tuple((*_read_key(one), int(one["@Amount"])) for one in content.get("Contribution", ())),
    )
