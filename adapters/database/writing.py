"""What the bridge writes, when a site gives it tables for that: documents that go down, and answers to deliveries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select
from sqlalchemy.exc import DataError, IntegrityError

from adapters.contract import DeliveryRejectedError, SourceNeedsPersonError
from adapters.database.connecting import connected, transaction
from adapters.database.statements import of_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from adapters.contract import Document, Outcome
    from adapters.database.settings import Plan


_COUNTS: Final = ("offered", "accepted", "repeated", "refused", "received")
DELIVER_COLUMNS: Final = ("delivery_key", "record_type", "organisation", "content", "text", "delivered_at")
ANSWERS_COLUMNS: Final = ("delivery_key", "answered_at", *_COUNTS, "reason", "problems")


def write_document(plan: Plan, document: Document, key: str, now: datetime) -> None:
    """Write a document as a row of ``deliver_table``, unless there is one with its key."""
    if not plan["deliver_table"]:
        raise SourceNeedsPersonError("no table takes documents that go down: make one, and name it in deliver_table")
    content = document.content.decode()
    values = (key, document.record_type, document.organisation, content, document.text, _local(now, plan))
    _insert(plan, plan["deliver_table"], dict(zip(DELIVER_COLUMNS, values, strict=True)))


def write_answer(plan: Plan, key: str, now: datetime, outcome: Outcome | None, reason: str = "") -> None:
    """Write what became of a delivery as a row of ``answers_table``, where there is one; None for one not readable."""
    if not plan["answers_table"]:
        return
    counts = (getattr(outcome, name) if outcome else 0 for name in _COUNTS)
    problems = [
        {"row": one.row, "element": one.element, "rule": one.rule, "text": one.text}
        for one in (outcome.problems if outcome else ())
    ]
    values = (key, _local(now, plan), *counts, reason, json.dumps(problems, ensure_ascii=False))
    try:
        _insert(plan, plan["answers_table"], dict(zip(ANSWERS_COLUMNS, values, strict=True)))
    except DeliveryRejectedError as error:
        raise SourceNeedsPersonError(f"answers cannot be written: {error}; correct the table") from error


def check_tables(connection: Connection, plan: Plan) -> None:
    """See that the tables are there, with their columns; raises SourceNeedsPersonError."""
    for name, columns in ((plan["deliver_table"], DELIVER_COLUMNS), (plan["answers_table"], ANSWERS_COLUMNS)):
        if name:
            table = of_table(name, *columns)
            with transaction(connection, plan):
                connection.execute(select(*table.c).limit(0)).all()


def _insert(plan: Plan, name: str, row: Mapping[str, Any]) -> None:
    """Insert a row unless its ``delivery_key`` is there; raises DeliveryRejectedError when the table never takes it."""
    table = of_table(name, *row)
    with connected(plan, writing=True) as connection, transaction(connection, plan):
        there = select(table.c.delivery_key).where(table.c.delivery_key == row["delivery_key"]).limit(1)
        if connection.execute(there).first() is not None:
            return
        try:
            connection.execute(insert(table).values(row))
        except IntegrityError as error:
            raise DeliveryRejectedError(f"{name} does not take the row ({type(error.orig).__name__})") from None
        except DataError as error:
            raise DeliveryRejectedError(f"a column of {name} is too short ({type(error.orig).__name__})") from None


def _local(now: datetime, plan: Plan) -> str:
    return now.astimezone(plan.zone).strftime("%Y-%m-%d %H:%M:%S")
