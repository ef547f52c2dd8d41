"""Credentials: by what the requests of a source are known — API keys, secrets of signatures, names of certificates.

A key is 256 random bits, shown once when it is made; only its SHA-256 is stored. (A slow password hash would add
nothing: there is nothing to guess in 256 random bits.) A secret is needed whole to check a signature; it is stored
wrapped (``node.trust.kept_secrets``). A certificate is named by its own SHA-256 or by a name in it.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, or_, select, update

from node.departments.tables import source_credential as table
from node.errors import ConfigurationError, StateConflictError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.randomness import Randomness
    from node.trust.kept_secrets import KeptSecrets

KEY: Final = "key"
HMAC: Final = "hmac"
CERTIFICATE: Final = "certificate"
MODES: Final = (KEY, HMAC, CERTIFICATE)
"""The ways in which a request may prove where it comes from, the simplest first."""
RANDOM_BYTES: Final = 32
KEY_PREFIX: Final = "yz_"
"""Begins every API key, so that one that leaks is recognised by whoever finds it."""
SECRET_PREFIX: Final = "yzs_"  # noqa: S105 - the beginning of all of them, no secret.
CREDENTIALS_MAX: Final = 50
"""Credentials of one source, those that end soon included: enough for a certificate a machine. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One credential of a source; ``value`` is a hash, a wrapped secret, or what names a certificate, by ``mode``."""

    number: int
    source: str
    mode: str
    value: bytes = field(repr=False)
    created_at: datetime
    ends_at: datetime | None

    @property
    def key_id(self) -> str:
        """By what a signature names the secret that it was made with (``keyid``)."""
        return f"{self.source}/{self.number}"

    @property
    def certificate(self) -> str | None:
        """What names the certificate, for people; None for what is none."""
        return self.value.decode() if self.mode == CERTIFICATE else None

    def as_json(self) -> dict[str, Any]:
        """Return what may be shown of it: never the value of a key or a secret."""
        return {
            "id": self.key_id,
            "mode": self.mode,
            "certificate": self.certificate,
            "created_at": self.created_at.isoformat(),
            "ends_at": self.ends_at.isoformat() if self.ends_at else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What was just made for a source, empty where nothing was: the only time that key and secret are seen."""

    key: str = field(default="", repr=False)
    key_id: str = ""
    secret: str = field(default="", repr=False)

    def as_json(self) -> dict[str, str]:
        """Return what was made, by the names of the command line's document."""
        made = {"key": self.key, "key_id": self.key_id, "secret": self.secret}
        return {name: value for name, value in made.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What is needed to make keys and secrets: chance, and for secrets the home's key that wraps them."""

    randomness: Randomness
    secrets: KeptSecrets | None = None

    def issue(self, transaction: Transaction, source: str, modes: Collection[str], *, at: datetime) -> Issued:
        """Make a key and a secret, as ``modes`` ask for them, and store what is stored of them."""
        key = key_id = secret = ""
        if KEY in modes:
            key = self._token(KEY_PREFIX)
            _insert(transaction, source, KEY, hash_of(key), at)
        if HMAC in modes:
            secret = self._token(SECRET_PREFIX)
            number = _insert(transaction, source, HMAC, self._wrapped(secret, source), at)
            key_id = f"{source}/{number}"
        check_number(transaction.connection, source)
        return Issued(key=key, key_id=key_id, secret=secret)

    def _token(self, prefix: str) -> str:
        return prefix + urlsafe_b64encode(self.randomness.token(RANDOM_BYTES)).decode().rstrip("=")

    def _wrapped(self, secret: str, source: str) -> bytes:
        if self.secrets is None:
            raise ConfigurationError(
                "This node has no place for the secrets of signatures", why="its keys lie in no home"
            )
        return self.secrets.wrap(secret.encode(), source, self.randomness)


def hash_of(key: str) -> bytes:
    """Return what is stored of an API key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def credentials_of(connection: Connection, source: str) -> list[Credential]:
    """Return the credentials of a source, oldest first, those that ended and were not cleared yet included."""
    rows = connection.execute(select(table).where(table.c.source == source).order_by(table.c.number))
    return [read_credential(row) for row in rows]


def read_credential(row: Row[Any]) -> Credential:
    """Return the credential that a row of the table holds."""
    return Credential(
        number=row.number,
        source=row.source,
        mode=row.mode,
        value=bytes(row.value),
        created_at=row.created_at,
        ends_at=row.ends_at,
    )


def bind_certificates(transaction: Transaction, source: str, names: Iterable[str], *, at: datetime) -> None:
    """Let certificates speak for a source, each named as ``node.departments.certificates`` writes names.

    One that is bound to it already stays; StateConflictError when another source has it.
    """
    connection = transaction.connection
    for name in dict.fromkeys(names):
        query = select(table.c.source).where(table.c.mode == CERTIFICATE, table.c.value == name.encode())
        owner = connection.scalar(query)
        if owner is None:
            _insert(transaction, source, CERTIFICATE, name.encode(), at)
        elif owner != source:
            raise StateConflictError(
                f"The certificate {name[:80]} belongs to the source {owner}",
                why="one certificate speaks for one source",
                action=f"Take it away there first: yizhan sources change {owner} --remove-certificate …",
            )
    check_number(connection, source)


def unbind_certificates(transaction: Transaction, source: str, names: Iterable[str]) -> None:
    """Take certificates away from a source; those that it does not have are no matter."""
    values = [name.encode() for name in names]
    transaction.connection.execute(
        delete(table).where(table.c.source == source, table.c.mode == CERTIFICATE, table.c.value.in_(values))
    )


def drop_modes(transaction: Transaction, source: str, modes: Collection[str]) -> None:
    """Forget the credentials of a source of these modes."""
    transaction.connection.execute(delete(table).where(table.c.source == source, table.c.mode.in_(modes)))


def end_credentials(
    transaction: Transaction, source: str, modes: Collection[str], *, at: datetime, ends_at: datetime
) -> None:
    """Let the credentials of these modes end at ``ends_at``, or earlier where they do, and forget those that ended."""
    connection = transaction.connection
    later = or_(table.c.ends_at.is_(None), table.c.ends_at > ends_at)
    mine = (table.c.source == source, table.c.mode.in_(modes))
    connection.execute(update(table).where(*mine, later).values(ends_at=ends_at))
    connection.execute(delete(table).where(table.c.source == source, table.c.ends_at <= at))


def check_number(connection: Connection, source: str) -> None:
    """Raise StateConflictError when a source has more credentials than are kept."""
    count = connection.scalar(select(func.count()).select_from(table).where(table.c.source == source)) or 0
    if count > CREDENTIALS_MAX:
        raise StateConflictError(
            f"The source {source} would have more than {CREDENTIALS_MAX} credentials",
            why="keys that end soon and certificates count too",
            action="Wait until the old ones have ended, or end them now: yizhan sources rotate NAME --keep-hours 0",
        )


def _insert(transaction: Transaction, source: str, mode: str, value: bytes, at: datetime) -> int:
    row = insert(table).values(source=source, mode=mode, value=value, created_at=at, ends_at=None)
    return int(transaction.connection.execute(row.returning(table.c.number)).scalar_one())
