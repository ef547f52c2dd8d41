"""Settings: small named texts that belong to the node's data and not to its configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from node.journal.statements import upsert_sql
from node.journal.tables import setting as table

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction


def setting(connection: Connection, name: str) -> str | None:
    """Return the setting's value, None when it was never set."""
    return connection.scalar(select(table.c.value).where(table.c.name == name))


def save_setting(transaction: Transaction, name: str, value: str) -> None:
    """Set or replace a setting."""
    transaction.connection.exec_driver_sql(upsert_sql(table, transaction.dialect, put=("value",)), (name, value))


def drop_setting(transaction: Transaction, name: str) -> bool:
    """Forget a setting and tell whether there was one."""
    return transaction.connection.execute(delete(table).where(table.c.name == name)).rowcount == 1
