"""A department whose system is a database that the node may read: MariaDB, a table of reports, and one of documents."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from node.clock import MachineClock
from node.demo.writers import csv_table
from node.departments.candidates import DEPARTMENT_TYPES
from node.standard.compose import record_shape
from node.standard.families import RECORD_TYPES
from tests.doors_demonstration.department import AdapterPlan, NotHereError, no_counts
from tests.support.department_databases import mariadb_department
from tests.support.mariadb import mariadb_server
from tests.support.postgres import NoServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access
    from tests.support.department_databases import DepartmentDatabase

TABLE: Final = "reports"
TYPE_COLUMN: Final = "RecordType"
_BY_NODE: Final = frozenset({"Salt", "Channel"})


def report_columns() -> list[str]:
    """Return the columns of a table that holds every record of cases: those of the dialect ``csv``."""
    types = [name for name in sorted(DEPARTMENT_TYPES) if RECORD_TYPES[name].family == "case"]
    children = [child for name in types for child in record_shape(name).children]
    # A cell holds a value, or a list of groups; one group is columns of its own, and no case of ours has any.
    elements = {child.name: None for child in children if child.simple is not None or child.repeated}
    return [TYPE_COLUMN, *(name for name in elements if name not in _BY_NODE)]


class DatabaseDepartment:
    """One row for each report; ``changed_at`` and ``id`` are the watermark."""

    def __init__(self, database: DepartmentDatabase) -> None:
        self._database = database
        self.place = database.url
        columns = report_columns()
        database.run(
            f"CREATE TABLE {TABLE} (id BIGINT AUTO_INCREMENT PRIMARY KEY, changed_at DATETIME(6) NOT NULL,"
            f" {', '.join(f'`{name}` TEXT' for name in columns)})",
            "CREATE TABLE notices (delivery_key VARCHAR(200) PRIMARY KEY, record_type VARCHAR(60),"
            " organisation VARCHAR(40), content LONGTEXT, text VARCHAR(2000), delivered_at DATETIME)",
        )
        database.let_read(TABLE)
        database.let_read("notices", "SELECT, INSERT")
        self.adapter = AdapterPlan(
            kind="database",
            settings={
                "url": database.url,
                "table": TABLE,
                "columns": columns,
                "watermark": "changed_at",
                "id_columns": ["id"],
                "form": "csv",
                "deliver_table": "notices",
            },
            secrets=database.secrets,
            dialect="csv",
        )

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        table = csv_table(records, chinese=False).decode("utf-8-sig")
        now = MachineClock().now().replace(tzinfo=None)
        with self._database.transaction() as connection:
            for row in csv.DictReader(io.StringIO(table, newline="")):
                filled = {name: value for name, value in row.items() if value}
                marks = ", ".join(["%(changed_at)s", *(f"%({name})s" for name in filled)])
                names = ", ".join(["changed_at", *(f"`{name}`" for name in filled)])
                connection.exec_driver_sql(
                    f"INSERT INTO {TABLE} ({names}) VALUES ({marks})", {"changed_at": now, **filled}
                )
        return no_counts()

    def documents(self) -> Sequence[bytes]:
        return [content.encode() for (content,) in self._database.run("SELECT content FROM notices")]


@contextmanager
def database_department(_folder: Path) -> Iterator[DatabaseDepartment]:
    """Run MariaDB; raises NotHereError where it is not installed."""
    try:
        with mariadb_server() as server:
            yield DatabaseDepartment(mariadb_department(server))
    except NoServerError as cause:
        raise NotHereError(str(cause)) from cause
