"""How the adapters of a home are, for every screen: what ``adapters.toml`` names, and what the store knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.config.keys import read_toml
from node.departments.doors import book
from node.departments.doors.adapters_file import ADAPTERS_FILE, ADAPTERS_MAX
from node.departments.doors.rest import NEEDS_PERSON
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from node.departments.doors.adapters_file import ListedAdapter
    from node.departments.doors.book import KnownAdapter

NOT_BY_A_PROCESS: Final = frozenset({book.OFF, NEEDS_PERSON})
"""States that stay true while no process runs the node."""


def adapters_status(connection: Connection, home: Path, *, running: bool) -> list[dict[str, Any]]:
    """Return how each adapter is that ``adapters.toml`` names; no kind is loaded for it, and no mistake is looked for.

    A file that cannot be read names none: the doorkeeper, ``yizhan adapters list`` and the log tell why.
    """
    names = _names(home)
    known = book.known_adapters(connection) if names else {}
    return [one_status(name, *named, known.get(name), running=running) for name, named in names.items()]


def listed_status(
    listed: Mapping[str, ListedAdapter], connection: Connection, *, running: bool
) -> list[dict[str, Any]]:
    """Return how each adapter is of a file that was read in full: mistakes in it are told, whoever runs."""
    known = book.known_adapters(connection)
    return [
        {**one_status(one.name, one.kind, one.source, known.get(one.name), running=running), **_mistake(one)}
        for one in listed.values()
    ]


def one_status(name: str, kind: str, source: str, known: KnownAdapter | None, *, running: bool) -> dict[str, Any]:
    """Return how one adapter is, as the document of the status has it."""
    state = book.NEW if known is None else known.state
    if known is not None and known.paused_at is not None:
        state = book.PAUSED
    elif not running and state not in NOT_BY_A_PROCESS:
        state = book.STOPPED
    counts = book.Counts() if known is None else known.counts
    return {
        "name": name,
        "kind": kind,
        "source": source,
        "state": state,
        "since": _moment(None if known is None else known.paused_at or known.since),
        "text": "" if known is None or state in {book.STOPPED, book.PAUSED} else known.text,
        "next_at": _moment(known.next_at) if known is not None and running else None,
        "answered_at": None if known is None else _moment(known.answered_at),
        **counts.as_json(),
    }


def _mistake(listed: ListedAdapter) -> dict[str, Any]:
    if listed.mistake is None:
        return {}
    return {"state": book.OFF if listed.is_off else NEEDS_PERSON, "text": str(listed.mistake), "next_at": None}


def _names(home: Path) -> dict[str, tuple[str, str]]:
    """Return kind and source of each table, as they stand there."""
    path = home / ADAPTERS_FILE
    try:
        tables = read_toml(path) if path.is_file() else {}
    except ConfigurationError:
        return {}
    named = list(tables.items())[:ADAPTERS_MAX]
    return {name: (_word(table, "kind"), _word(table, "source")) for name, table in named}


def _word(table: object, key: str) -> str:
    value = table.get(key) if isinstance(table, dict) else None
    return value[:40] if isinstance(value, str) else ""


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")
