"""How the command line shows one case or one penalty: state, records, findings, and what is attached to it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.cases.life_cycle import Label
    from node.cases.view import CaseView, RecordView
    from node.cli.frame import Frame


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the records of some types; ``columns`` are headings, each with the elements it may come from."""

    title: str
    record_types: tuple[str, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]


def _section(label: str, record_types: str, **columns: str) -> Section:
    return Section(
        title=label,
        record_types=tuple(record_types.split()),
        columns=tuple((heading, tuple(elements.split())) for heading, elements in columns.items()),
    )


SECTIONS: Final = (
    _section(
        "收费 Fees", "Fee", time="EventTime", name="FeeItem", due="AmountDue", paid="AmountPaid", state="FeeState"
    ),
    _section(
        "证照 Certificates",
        "Certificate",
        time="EventTime",
        name="CertificateName",
        number="CertificateNo",
        valid_to="ValidTo",
    ),
    _section(
        "送达 Deliveries",
        "Delivery Collection",
        time="EventTime",
        way="DeliveryState CollectionWay",
        receiver="ReceiverName CollectorName",
        number="WaybillNo",
    ),
    _section(
        "评价 Evaluations",
        "Evaluation",
        time="EventTime",
        way="EvaluationChannel",
        grade="Satisfaction",
        text="EvaluationText",
    ),
    _section(
        "咨询与投诉 Consultations and complaints",
        "Consultation Complaint",
        time="EventTime",
        number="RequestNo",
        state="RequestState",
        title="Title",
        outcome="ComplaintOutcome",
        answered="ReplyTime",
    ),
    _section(
        "当事人 Party",
        "PenaltyFiling PenaltySummary PenaltyDecision",
        time="EventTime",
        name="PartyName",
        kind="PartyType",
        number="PartyIdNo",
    ),
    _section(
        "处罚内容 Penalty",
        "PenaltyNotice PenaltySummary PenaltyDecision",
        time="EventTime",
        document="DocumentNo",
        kind="PenaltyKind",
        fine="PenaltyFine",
        text="PenaltyText",
    ),
    _section(
        "执行 Execution",
        "PenaltyExecution",
        time="EventTime",
        state="ExecutionStage",
        way="ExecutionWay",
        paid="FinePaid",
        plus_fine="PlusFine",
    ),
    _section(
        "复议与诉讼 Reconsiderations and lawsuits",
        "PenaltyReconsideration",
        time="EventTime",
        kind="RemedyKind",
        state="RemedyStage",
        name="RemedyOrgName",
    ),
)


def write_history(frame: Frame, case: CaseView, schema: str) -> None:
    """Write a case to standard output: with --json as one document of ``schema``, else as tables."""
    if frame.json:
        write_json({"schema": schema, **_document(case)})
        return
    _say_standing(frame, case)
    records = [
        (
            one.position,
            _value(frame, one, "EventTime"),
            one.label if frame.language == "zh" else one.record_type,
            _spoken(frame, one.state),
            _standing(frame, one),
        )
        for one in case.records
    ]
    write_table(frame, "记录 Records", ("position", "time", "type", "state", "standing"), records)
    findings = [(one.position, one.code, _spoken(frame, one.label)) for one in case.findings]
    write_table(frame, "疑点 Findings", ("position", "code", "text"), findings)
    shown = [*_in_effect(case.records), *case.requests]
    for section in SECTIONS:
        _write_section(frame, section, [one for one in shown if one.record_type in section.record_types])


def _document(case: CaseView) -> dict[str, Any]:
    document = dataclasses.asdict(case)
    document["state"] = case.state.name
    for part, views in (("records", case.records), ("requests", case.requests)):
        for record, view in zip(document[part], views, strict=True):
            record["content"] = view.content
    return document


def _say_standing(frame: Frame, case: CaseView) -> None:
    say(frame, *(f"{case.case_no} · {case.origin} · {_spoken(frame, case.label)}",) * 2)
    if case.incomplete:
        say(
            frame,
            "不完整：有记录在隔离中，其后的记录暂缓",
            "Incomplete: a record is quarantined and holds back those behind it",
        )
    if case.also_at:
        others = ", ".join(case.also_at)
        say(frame, f"同一编号另见 {others}，用 --origin 指定", f"{others} used the number too: choose with --origin")


def _in_effect(records: Iterable[RecordView]) -> list[RecordView]:
    """Return the newest version of each applied record."""
    newest: dict[tuple[str, str], RecordView] = {}
    for one in records:
        content = one.content or {}
        key = (one.record_type, content.get("Sequence", ""))
        held = newest.get(key)
        older = held is not None and int((held.content or {}).get("DataVersion", 0)) >= int(
            content.get("DataVersion", 0)
        )
        if one.standing == "applied" and not older:
            newest[key] = one
    return list(newest.values())


def _write_section(frame: Frame, section: Section, records: list[RecordView]) -> None:
    if not records:
        return
    headings = ("position", "type", *(heading for heading, _ in section.columns))
    rows = [
        (
            one.position,
            one.label if frame.language == "zh" else one.record_type,
            *(_value(frame, one, *elements) for _, elements in section.columns),
        )
        for one in records
    ]
    write_table(frame, section.title, headings, rows)


def _value(frame: Frame, record: RecordView, *elements: str) -> str:
    """Return what the first of the elements that stands says; a code by its 中文 name on a Chinese screen."""
    content = record.content or {}
    name = next((name for name in elements if name in content), None)
    if name is None:
        return ""
    values = content[name] if isinstance(content[name], list) else [content[name]]
    if frame.language == "zh":
        names = _names_of_codes(record.record_type, name)
        values = [names.get(value, value) for value in values]
    return "、".join(values) if frame.language == "zh" else ", ".join(values)


def _names_of_codes(record_type: str, element: str) -> dict[str, str]:
    from node.standard.codec import SHAPES

    child = SHAPES[record_type].child(element)
    return {} if child is None or child.simple is None else dict(child.simple.codes)


def _spoken(frame: Frame, label: Label | None) -> str:
    return "" if label is None else label.chinese if frame.language == "zh" else label.english


def _standing(frame: Frame, record: RecordView) -> str:
    from node.web.words import word

    return word(record.standing).spoken(frame.language)
