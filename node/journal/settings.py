"""Settings: small named texts that belong to the node's data and not to its configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete

from node.journal.statements import for_dialect, upsert_sql
from node.journal.tables import setting as table

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

# The tree's digest is read wherever a decision hangs on the tree: a plain statement, as for records.
_FIND: Final = "SELECT value FROM setting WHERE name = ?"


def setting(connection: Connection, name: str) -> str | None:
    """Return the setting's value, None when it was never set."""
    return connection.exec_driver_sql(for_dialect(_FIND, connection.dialect.name), (name,)).scalar()


def save_setting(transaction: Transaction, name: str, value: str) -> None:
    """Set or replace a setting."""
    transaction.connection.exec_driver_sql(upsert_sql(table, transaction.dialect, put=("value",)), (name, value))


def drop_setting(transaction: Transaction, name: str) -> bool:
    """Forget a setting and tell whether there was one."""
    return transaction.connection.execute(delete(table).where(table.c.name == name)).rowcount == 1
