"""The kind ``database``: rows of a department's own database, read with a watermark and an account that only reads.

MySQL and MariaDB, PostgreSQL, SQLite. docs/reference/adapter-database.md is its reference.
"""

from __future__ import annotations

from typing import Final

from adapters.contract import AdapterKind
from adapters.database.bridge import DatabaseAdapter
from adapters.database.settings import SETTINGS

KIND: Final = AdapterKind(
    name="database",
    zh="数据库桥接（MySQL、MariaDB、PostgreSQL、SQLite）",
    en="database bridge (MySQL, MariaDB, PostgreSQL, SQLite)",
    settings=SETTINGS,
    open=DatabaseAdapter,
    every_s=60.0,
    patience_s=180.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "done",
        "settings_documented": "done",
        "away_and_back": "done",
        "needs_person": "done",
        "resumes": "done",
        "nothing_twice": "done",
        "hostile_input": "done",
        "real_peer": "done",
        "delivers_downward": "done",
        "faults": "done",
        "troubleshooting": "done",
        "speed": "done",
    },
)
