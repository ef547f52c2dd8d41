"""The database's URL: what ``database.url`` may be, and how it is shown without its password.

``node.journal.engines`` opens what it names; here it is only text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SQLITE: Final = "sqlite:///"
POSTGRESQL: Final = "postgresql+psycopg://"
MEMORY: Final = ":memory:"
MASK: Final = "***"
URL_CHARACTERS_MAX: Final = 500

_PASSWORD_OPTION: Final = re.compile(r"(?i)(password=)[^&\s]*")


def checked_database_url(value: object) -> str:
    """Return ``value`` when it is the URL of an SQLite file or of a PostgreSQL database; ValueError otherwise.

    A memory database is refused: it would be gone when the process ends. So is an ``@`` in a password (written
    ``%40`` there), because what follows it would be taken, and shown, as the name of the host.
    """
    if not isinstance(value, str) or len(value) > URL_CHARACTERS_MAX or any(sign.isspace() for sign in value):
        raise ValueError
    place, _, options = value.partition("?")
    if value.startswith(SQLITE):
        if place.removeprefix(SQLITE) in {"", MEMORY} or options:
            raise ValueError
    elif not value.startswith(POSTGRESQL) or place.count("@") > 1:
        raise ValueError
    return value


def resolved_database_url(url: str, home: Path) -> str:
    """Make a relative SQLite file one of the home's; every other URL stays as it is."""
    path = url.removeprefix(SQLITE)
    return url if path == url or Path(path).is_absolute() else f"{SQLITE}{home / path}"


def masked_url(value: object) -> str:
    """Return a database URL, well-formed or not, for people: whatever may be a password in it is three stars."""
    head, at, tail = str(value).rpartition("@")
    if at:
        scheme, slashes, user = head.partition("://") if "://" in head else ("", "", head)
        name, colon, _ = user.partition(":")
        head = f"{scheme}{slashes}{name}{colon}{MASK if colon else ''}"
    return _PASSWORD_OPTION.sub(rf"\g<1>{MASK}", f"{head}{at}{tail}")
