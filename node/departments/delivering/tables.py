"""Tables of what goes down to departments: how far each route has looked, and what became of each document."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint

from node.journal.tables import BIG_KEY, Moment, metadata

WAITING: Final = "waiting"
"""State of a document that the adapter has not handed over yet."""
HELD: Final = "held"
"""State of a record that is set aside: whether it is for the department cannot be told yet."""
DELIVERED: Final = "delivered"
"""State of a document that the department's system holds; an Acknowledgement says so."""
REFUSED: Final = "refused"
"""State of a document that the department's system does not take; a person may have it delivered again."""
GONE: Final = "gone"
"""State of a document whose record was erased, or left its stream, before it was handed over."""

delivery_route = Table(
    "delivery_route",
    metadata,
    Column("adapter", Text, primary_key=True),
    Column("arrival", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The number of the last arrival of records that was looked at for an adapter."""

downward_delivery = Table(
    "downward_delivery",
    metadata,
    Column("number", BIG_KEY, primary_key=True, autoincrement=True),
    Column("adapter", Text, nullable=False),
    Column("record_key", BigInteger, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("adapter", "record_key", name="downward_delivery_record"),
    Index("downward_delivery_state", "adapter", "state", "number"),
    Index("downward_delivery_subject", "subject"),
)
"""One row for each record that goes to an adapter's department. ``subject`` is the number of a notice, by which later
records about it find the same department; "" for none. ``organisation`` is "" while held."""
