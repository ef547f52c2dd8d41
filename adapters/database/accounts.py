"""Whether the account of a bridge can write what it is there to read: the check refuses one that can.

The session is read-only in any case; an account that cannot write protects the department from every mistake, ours and
others'. A site that has no other account says so by ``account_may_write``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, text

from adapters.contract import SourceNeedsPersonError
from adapters.database.connecting import transaction
from adapters.database.statements import MYSQL, POSTGRESQL

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from adapters.database.settings import Plan

_GRANT: Final = re.compile(r"GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO ", re.IGNORECASE)
_WRITES: Final = re.compile(r"\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE)\b(?! TEMPORARY)", re.IGNORECASE)
_TABLE_RIGHTS: Final = "INSERT, UPDATE, DELETE, TRUNCATE"


def check_account(connection: Connection, plan: Plan) -> None:
    """Raise SourceNeedsPersonError when the account can change the table that is read (or, for a query, any)."""
    if plan["account_may_write"]:
        return
    with transaction(connection, plan):
        writes = {MYSQL: _mysql_writes, POSTGRESQL: _postgresql_writes}.get(plan.system, _never)(connection, plan)
    if writes:
        raise SourceNeedsPersonError(
            "the account can write what it is there to read: use one with nothing but SELECT on it, or set "
            "account_may_write = true where there is no other"
        )


def _mysql_writes(connection: Connection, plan: Plan) -> bool:
    schema, _, table = plan["table"].rpartition(".")
    database = str(schema or plan.url.database).lower()
    scopes = {"*.*", f"{database}.*", f"{database}.{table}".lower()}
    ours = {f"{database}.{plan[name].rpartition('.')[2]}".lower() for name in ("deliver_table", "answers_table")}
    for (grant,) in connection.exec_driver_sql("SHOW GRANTS FOR CURRENT_USER"):
        found = _GRANT.match(grant)
        scope = found["scope"].replace("`", "").replace("\\", "").lower() if found else ""
        is_read = scope in scopes or (not table and scope.startswith(f"{database}.") and scope not in ours)
        if found and is_read and _WRITES.search(found["rights"]):
            return True
    return False


def _postgresql_writes(connection: Connection, plan: Plan) -> bool:
    if not plan["table"]:
        superuser = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(connection.execute(superuser).scalar_one())
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in plan["table"].split("."))
    asked = text("SELECT has_table_privilege(to_regclass(:named), :rights)").bindparams(
        bindparam("named", quoted), bindparam("rights", _TABLE_RIGHTS)
    )
    return bool(connection.execute(asked).scalar_one())


def _never(_connection: Connection, _plan: Plan) -> Any:
    """SQLite has no accounts, and its file is opened read-only."""
    return False
