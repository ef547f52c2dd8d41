"""A first delivery to try with: one made-up case from application to collection, in every dialect that can be written.

Vendors change the division, the department and the service to their own and send it. The case is logical as well as
valid: a node that takes it in finds nothing to say about it.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from node.departments.dialects import BUILT_IN, DialectOptions, read
from node.errors import UsageError
from node.standard.codec import NAMESPACE
from node.standard.compose import SALT_BYTES, compose
from node.standard.examples import CREDIT_CODE, DAY, DIVISION, ITEM, TIME, example_content
from node.standard.identifiers import case_number
from node.web.reference.subjects import readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from node.departments.dialects.dialect import Writer

NAME: Final = "first-case"
STEP_MINUTES: Final = 20
"""Minutes between two records of the case. Our own choice."""
STEP_TAKEN_MINUTES: Final = 10
"""Minutes that a review step takes. Our own choice."""
_SYSTEM: Final = "sample"
"""The system whose own case numbers are meant where a delivery is read again."""
_NOTHING: Final[dict[str, str]] = {}
_STEPS: Final = (
    ("Application", 1, _NOTHING),
    ("Acceptance", 1, {"AcceptanceState": "1"}),
    ("ReviewStep", 1, {"StepCode": "1", "StepName": "承办", "StepState": "2", "Action": "PASS"}),
    ("ReviewStep", 2, {"StepCode": "2", "StepName": "审核", "StepState": "2", "Action": "PASS"}),
    ("ReviewStep", 3, {"StepCode": "3", "StepName": "批准", "StepState": "2", "Action": "PASS"}),
    ("Conclusion", 1, {"ResultCode": "GRANT", "ResultText": "准予许可"}),
    ("Collection", 1, {"CollectionWay": "0"}),
)
"""Record type, Sequence and deciding elements of each record of the case, in the order in which they happen."""
_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "Application": ("ProjectType",),
    "Acceptance": ("AcceptDocNo", "HandleUserName", "ProjectType"),
    "Conclusion": ("HandleUserName",),
}
"""Elements that may be left out, and that nearly every case has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One record of the case: its type, and its content as ``compose`` takes it, without Salt and Channel."""

    record_type: str
    content: dict[str, Any]


def first_case(division: str = DIVISION) -> list[Sample]:
    """Return the records of the made-up case in ``division`` (6, 9 or 12 digits), oldest first.

    The elements of each are those that must stand, those that decide, and those that are usual.
    """
    begin = datetime.fromisoformat(TIME)
    number = case_number(division, CREDIT_CODE, ITEM, DAY, 1)
    made = []
    for place, (record_type, sequence, decided) in enumerate(_STEPS):
        full = example_content(record_type, full=True)
        usual = {element: full[element] for element in _USUAL.get(record_type, ())}
        content = {**example_content(record_type, full=False), **usual, **decided}
        del content["Channel"]
        content |= {
            "CaseNo": number,
            "Sequence": str(sequence),
            "DivisionCode": division,
            "EventTime": (begin + timedelta(minutes=place * STEP_MINUTES)).isoformat(),
        }
        if record_type == "ReviewStep":
            content["EventEndTime"] = (begin + timedelta(minutes=place * STEP_MINUTES + STEP_TAKEN_MINUTES)).isoformat()
        made.append(Sample(record_type=record_type, content=content))
    return made


def sample_delivery(dialect: str, records: Sequence[Sample]) -> bytes:
    """Return the records as a delivery in a built-in dialect (NAME or NAME@VARIANT).

    Records that the dialect has no place for are left out; ``left_out`` tells which. Raises UsageError for a dialect
    that does not exist or cannot be written.
    """
    name, _, variant = dialect.partition("@")
    if name == "standard":
        return _standard(records)
    if name == "json":
        return _json(records)
    writes = BUILT_IN[name].writes if name in BUILT_IN else None
    if writes is None:
        raise UsageError(
            f"No sample can be written in {dialect[:40]!r}",
            why="there is no such built-in dialect, or it is for reading only",
            action=f"Use one of: {', '.join(writable())}",
        )
    options = DialectOptions(variant=variant)
    return writes([record for record in records if _carries(writes, record, options)], options)


def left_out(dialect: str, records: Sequence[Sample], delivery: bytes) -> list[str]:
    """Return the types of records that a delivery of ``records`` does not hold, by reading it again."""
    candidates = read(dialect, io.BytesIO(delivery), DialectOptions(system=_SYSTEM))
    held = Counter(candidate.record_type for candidate in candidates)
    return list(Counter(record.record_type for record in records) - held)


def _carries(writes: Writer, record: Sample, options: DialectOptions) -> bool:
    """Tell whether a dialect has a place for a record: the national tables, for one, have none for a collection."""
    try:
        writes([record], options)
    except UsageError:
        return False
    return True


def writable() -> list[str]:
    """Return the dialects in which samples are written; one with variants once for each of them."""
    named: list[str] = []
    for dialect in BUILT_IN.values():
        if dialect.name in {"standard", "json"} or dialect.writes is not None:
            named += [f"{dialect.name}@{variant}" for variant in dialect.variants] or [dialect.name]
    return named


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of a sample in every dialect that is written."""
    records = first_case()
    for dialect in writable():
        yield sample_path(dialect), sample_delivery(dialect, records)


def sample_path(dialect: str) -> str:
    """Return the path of the sample in a dialect (NAME or NAME@VARIANT) among the files of the standard."""
    ending = next(iter(BUILT_IN[dialect.partition("@")[0]].endings), "")
    return f"samples/{dialect}/{NAME}{ending}"


def _standard(records: Sequence[Sample]) -> bytes:
    """Return the records in a wrapper, indented as a person would write them; the node makes Salt and Channel."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<Records xmlns="{NAMESPACE}">']
    for record in records:
        body = compose(record.record_type, {**record.content, "Channel": "API"}, salt=bytes(SALT_BYTES))
        shown = readable(body).replace(f' xmlns="{NAMESPACE}"', "", 1).splitlines()
        lines += [f"  {line}" for line in shown if not line.strip().startswith(("<Salt>", "<Channel>"))]
    return "\n".join([*lines, "</Records>", ""]).encode()


def _json(records: Sequence[Sample]) -> bytes:
    document = {"records": [{"type": record.record_type, "content": record.content} for record in records]}
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
