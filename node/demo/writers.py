"""Generated records in the forms in which departments really deliver: tables, and every dialect that is written.

No Salt is written: the node makes its own. Called by the demonstration's feeders and by tests.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from node.demo.history import time_text
from node.demo.workdays import MONTH_START
from node.departments.dialects import DialectOptions, Dialects
from node.departments.dialects.dialect import VARIANT_MARK
from node.errors import UsageError
from node.standard.codec import NAMESPACE
from node.standard.compose import compose, record_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from node.demo.catalogue import Department, Item
    from node.demo.generator import GeneratedRecord
    from node.standard.compose import Value

NO_SALT: Final = bytes(16)
VALID_FROM: Final = "2026-01-01"
DAYS_OPEN: Final = "法定工作日 9:00—12:00，13:30—17:00"


def csv_files(folder: Path, records: Sequence[GeneratedRecord]) -> list[Path]:
    """Write one table a week into ``folder`` and return their paths, in order; no file for a week without records.

    By turns as an old system writes it (中文 headings, GB18030, times without offset) and as a new one does
    (identifiers, UTF-8 with BOM).
    """
    weeks: dict[int, list[GeneratedRecord]] = {}
    for record in records:
        weeks.setdefault(record.sent_at.isocalendar().week, []).append(record)
    paths = []
    for turn, (week, rows) in enumerate(sorted(weeks.items())):
        path = folder / f"cases-2026-w{week}.csv"
        path.write_bytes(csv_table(rows, chinese=turn % 2 == 0))
        paths.append(path)
    return paths


def csv_table(records: Sequence[GeneratedRecord], *, chinese: bool) -> bytes:
    """Return one table with a row for each record and the columns that any of them needs."""
    headings: dict[str, None] = {"记录类型" if chinese else "RecordType": None}
    rows = []
    for record in records:
        shape = record_shape(record.record_type)
        row = {next(iter(headings)): shape.label if chinese else record.record_type}
        for name, value in record.content.items():
            child = shape.child(name)
            heading = child.label if chinese and child is not None else name
            headings.setdefault(heading)
            row[heading] = _cell(value, loose=chinese and name == "EventTime")
        rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(headings), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("gb18030" if chinese else "utf-8-sig")


def delivery(dialect: str, records: Iterable[GeneratedRecord]) -> bytes:
    """Return records as one delivery in ``dialect`` (NAME or NAME@VARIANT).

    Raises UsageError when the dialect cannot carry one of them.
    """
    found = Dialects().find(dialect)
    if found.writes is None:
        raise UsageError(f"The dialect {found.name} cannot be written", why="it is read only")
    return found.writes(records, DialectOptions(variant=dialect.partition(VARIANT_MARK)[2]))


def item_file(folder: Path, items: Iterable[Item]) -> Path:
    """Write the services into one ``standard`` XML file to be published, and return its path."""
    return _wrapped(folder / "items.xml", [compose("Item", _item(item), salt=NO_SALT) for item in items])


def organisation_file(folder: Path, items: Iterable[Item]) -> Path:
    """Write the departments that offer the services into one ``standard`` XML file, and return its path."""
    departments = {item.department.credit_code: item.department for item in items}
    bodies = [compose("Organisation", _organisation(one), salt=NO_SALT) for one in departments.values()]
    return _wrapped(folder / "organisations.xml", bodies)


def _cell(value: Value, *, loose: bool) -> str:
    """Return a value as one cell; a list of materials has ``|`` between materials and ``^`` between their parts."""
    if isinstance(value, str):
        return value.removesuffix("+08:00").replace("T", " ") if loose else value
    items = value if isinstance(value, list) else [value]
    return "|".join("^".join(str(part) for part in item.values()) for item in items if isinstance(item, dict))


def _wrapped(path: Path, bodies: Sequence[bytes]) -> Path:
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<Records xmlns="{NAMESPACE}">\n'
    path.write_bytes(start.encode() + b"\n".join(bodies) + b"\n</Records>\n")
    return path


def _item(item: Item) -> Mapping[str, Value]:
    plan, department = item.plan, item.department
    content: dict[str, Value] = {
        "RecordKey": f"item:{item.task_code}:1",
        "EventTime": time_text(MONTH_START),
        "DivisionCode": department.division,
        "TaskCode": item.task_code,
        "CatalogCode": plan.catalogue_code,
        "TaskVersion": "1",
        "TaskName": plan.name,
        "TaskType": "01" if plan.catalogue_code.startswith("XK") else "07",
        "ByLaw": plan.law,
        "UseLevel": "4",
        "OrgCode": department.credit_code,
        "OrgName": department.name,
        "DeptType": "1",
        "StatutoryLimit": str(plan.statutory_days),
        "StatutoryLimitUnit": "G",
        "PromiseLimit": str(plan.promise_days),
        "PromiseLimitUnit": "G",
        "ProjectType": plan.project_type,
        "ServiceObject": ["1"] if plan.applicant == "1" else ["2"],
        "HandleForm": ["1", "2"],
        "IsFee": "false" if plan.fee_yuan is None else "true",
        "ResultName": plan.result_name,
        "Place": "政务服务大厅",
        "OpenHours": DAYS_OPEN,
        "Phone": "10000000001",
        "SupervisePhone": "10000000002",
        "MaterialItem": [
            {"MaterialName": name, "Originals": "1", "Copies": "0", "Required": "true"} for name in plan.materials
        ],
        "TaskState": "1",
        "ValidFrom": VALID_FROM,
    }
    if plan.inspected:
        content["SpecialProcedure"] = "现场检验"
    if plan.fee_yuan is not None:
        content["FeeBasis"] = "演示收费依据"
        content["FeeItem"] = [
            {"FeeName": "行政事业性收费", "FeeStandard": f"每件 {plan.fee_yuan} 元", "Reducible": "false"}
        ]
    return content


def _organisation(department: Department) -> Mapping[str, Value]:
    return {
        "RecordKey": f"organisation:{department.credit_code}",
        "EventTime": time_text(MONTH_START),
        "OrgCode": department.credit_code,
        "OrgName": department.name,
        "OldOrgCode": department.credit_code[8:17],
        "DivisionCode": department.division,
    }
