"""Who calls: the source that a key, a signature's key identifier or a certificate belongs to, if it may call so.

The open API asks; what is answered is as the database has it now, so a key that ended or a certificate that was taken
away is refused at the next request.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from node.departments.credentials import CERTIFICATE, HMAC, KEY, Credential, hash_of, read_credential
from node.departments.nonces import has_room, is_taken
from node.departments.sources import Source, read_source
from node.departments.tables import source as source_table
from node.departments.tables import source_credential as table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from node.departments.nonces import Nonce

_NUMBER = re.compile(r"[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A credential that counts now, and its source, which is open."""

    source: Source
    credential: Credential


class Callers:
    """The sources and their credentials as one connection sees them, and as they count at ``at``."""

    def __init__(self, connection: Connection, at: datetime) -> None:
        self._connection = connection
        self._at = at

    def by_key(self, key: str) -> Source | None:
        """Return the open source that an API key belongs to, or None."""
        return self.by_key_hash(hash_of(key))

    def by_key_hash(self, hashed: bytes) -> Source | None:
        """Return the open source whose API key has this SHA-256, or None."""
        found = self._known(table.c.mode == KEY, table.c.value == hashed)
        if not found or not hmac.compare_digest(found[0].credential.value, hashed):
            return None
        return found[0].source

    def by_key_id(self, key_id: str) -> Known | None:
        """Return the secret that a signature names, still wrapped, and its source, or None."""
        name, _, number = key_id.rpartition("/")
        if not _NUMBER.match(number):
            return None
        found = self._known(table.c.mode == HMAC, table.c.source == name, table.c.number == int(number))
        return found[0] if found else None

    def by_certificate(self, exact: str, names: Sequence[str]) -> list[Source]:
        """Return the open sources that a certificate speaks for: that of ``exact`` alone, else those of its ``names``.

        They are written as ``node.departments.certificates`` writes them. More than one is for the caller to refuse.
        """
        for wanted in ([exact], names):
            values = [one.encode() for one in wanted]
            found = self._known(table.c.mode == CERTIFICATE, table.c.value.in_(values))
            sources = {known.source.name: known.source for known in found}
            if sources:
                return list(sources.values())
        return []

    def is_taken(self, nonce: Nonce) -> bool:
        """Tell whether the nonce of a signature was taken already."""
        return is_taken(self._connection, nonce)

    def has_room(self, source: Source) -> bool:
        """Tell whether one more nonce of a source can be kept."""
        return has_room(self._connection, source.name, self._at)

    def _known(self, *conditions: ColumnElement[bool]) -> list[Known]:
        counts = or_(table.c.ends_at.is_(None), table.c.ends_at > self._at)
        rows = self._connection.execute(select(table).where(*conditions, counts).order_by(table.c.number)).all()
        owners = [self._open_source(row.source) for row in rows]
        return [
            Known(source=owner, credential=read_credential(row))
            for row, owner in zip(rows, owners, strict=True)
            if owner is not None
        ]

    def _open_source(self, name: str) -> Source | None:
        query = select(source_table).where(source_table.c.name == name, source_table.c.disabled_at.is_(None))
        row = self._connection.execute(query).first()
        return None if row is None else read_source(self._connection, row)
