"""The keys of both settings files: their checks, what they allow in words, and the reading of a file by them.

``NODE_KEYS`` and ``LEVEL_KEYS`` are the one table of keys: the check, the error texts and
docs/reference/configuration.md follow it. ``ADAPTER_KEYS`` are those of each table of ``adapters.toml``, beside the
settings of its kind: docs/reference/adapters.md.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from node.config.database import checked_database_url, masked_url
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

LINK_PORT = 8441
FACE_PORT = 8440

_REQUIRED: Final = object()
_CODE = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}\Z")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}\Z")
_URL = re.compile(r"https?://[a-z0-9.\-_\[\]:]{1,260}(?:/[A-Za-z0-9._~\-]{1,100}){0,5}\Z")
_CRON_FIELD = r"(?:\*|[0-9]{1,2}(?:-[0-9]{1,2})?)(?:/[0-9]{1,2})?"
_CRON_LIST = rf"{_CRON_FIELD}(?:,{_CRON_FIELD})*"
_CRON_DAYS = r"(?:\*|(?:mon|tue|wed|thu|fri|sat|sun)(?:[-,](?:mon|tue|wed|thu|fri|sat|sun))*)"
_CRON = re.compile(rf"{_CRON_LIST} {_CRON_LIST} {_CRON_LIST} {_CRON_LIST} {_CRON_DAYS}\Z")
_WINDOW = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")
_WINDOWS_MAX = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORT_MAX = 65_535
_PAUSE_S_MAX = 86_400
_RATE_MAX = 1_000_000
_SHOWN_MAX = 60
_ORGANISATIONS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a settings file: its dotted name, its check, what it allows in words, and its default.

    ``shown`` turns a value, allowed or not, into what people may see of it.
    """

    name: str
    check: Callable[[object], Any]
    allowed: str
    default: object = _REQUIRED
    shown: Callable[[object], str] = str

    @property
    def required(self) -> bool:
        """Whether the file must give the key."""
        return self.default is _REQUIRED


def _text(longest: int) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest or _CONTROL.search(value):
            raise ValueError
        return value

    return check


def _matching(pattern: re.Pattern[str]) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise ValueError
        return value

    return check


def _between(lowest: int, highest: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ValueError
        return value

    return check


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - one error class for every check keeps the caller simple.
    return value


def _zone(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004 - see above.
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as cause:
        raise ValueError from cause
    return value


def _optional(check: Callable[[object], str]) -> Callable[[object], str]:
    return lambda value: "" if value == "" else check(value)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _PAUSE_S_MAX:
        raise ValueError
    return float(value)


def _windows(value: object) -> tuple[str, ...]:
    """Return texts such as ``22:00-06:00``; one that begins where it ends says nothing."""
    if not isinstance(value, list) or len(value) > _WINDOWS_MAX:
        raise ValueError
    for one in value:
        if not isinstance(one, str) or not _WINDOW.match(one) or one[:5] == one[6:]:
            raise ValueError
    return tuple(value)


def _texts(check: Callable[[object], str], most: int) -> Callable[[object], tuple[str, ...]]:
    def check_all(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError
        return tuple(dict.fromkeys(check(one) for one in value))

    return check_all


def _date(value: object) -> date | None:
    """Return a date of TOML; no time of day."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError  # noqa: TRY004 - see above.
    return value


_cron = _matching(_CRON)
_CRON_WORDS = "cron text of five fields, for example '*/30 * * * *' or '15 2 * * mon-fri' (days by name)"
_FLAG_WORDS = "true or false"
_CODE_WORDS = "6, 9 or 12 digits"
_PORT_WORDS = f"a whole number from 0 (any free port) to {_PORT_MAX}"

NODE_KEYS: tuple[Key, ...] = (
    Key(name="node.code", check=_matching(_CODE), allowed=_CODE_WORDS),
    Key(name="node.name", check=_text(60), allowed="text of 1 to 60 characters"),
    Key(name="node.level", check=_matching(_NAME), allowed="the name of a level file: small letters, digits, - and _"),
    Key(name="node.time_zone", check=_zone, allowed="a zone of the tz database", default="Asia/Shanghai"),
    Key(
        name="database.url",
        check=checked_database_url,
        allowed="sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE; in a password @ is written %40",
        default="sqlite:///yizhan.sqlite",
        shown=masked_url,
    ),
    Key(name="link.host", check=_text(253), allowed="a host name or address", default="127.0.0.1"),
    Key(name="link.port", check=_between(0, _PORT_MAX), allowed=_PORT_WORDS, default=LINK_PORT),
    Key(name="face.host", check=_text(253), allowed="a host name or address", default="127.0.0.1"),
    Key(name="face.port", check=_between(0, _PORT_MAX), allowed=_PORT_WORDS, default=FACE_PORT),
    Key(name="face.certificate_file", check=_optional(_text(500)), allowed="path of a PEM file", default=""),
    Key(name="face.key_file", check=_optional(_text(500)), allowed="path of a PEM file", default=""),
    Key(name="face.client_ca_file", check=_optional(_text(500)), allowed="path of a PEM file", default=""),
    Key(
        name="face.public_url",
        check=_optional(_matching(_URL)),
        allowed="an address such as https://node.example.cn, in small letters, without a slash at its end",
        default="",
    ),
    Key(name="face.plain_allowed", check=_flag, allowed=_FLAG_WORDS, default=False),
    Key(name="parent.code", check=_optional(_matching(_CODE)), allowed=_CODE_WORDS, default=""),
    Key(name="parent.host", check=_optional(_text(253)), allowed="a host name or address", default=""),
    Key(name="parent.port", check=_between(1, _PORT_MAX), allowed=f"1 to {_PORT_MAX}", default=LINK_PORT),
    Key(name="keys.passphrase_file", check=_optional(_text(500)), allowed="path of a text file", default=""),
)

LEVEL_KEYS: tuple[Key, ...] = (
    Key(name="label_zh", check=_text(20), allowed="text of 1 to 20 characters"),
    Key(name="label_en", check=_text(40), allowed="text of 1 to 40 characters"),
    Key(name="root", check=_flag, allowed=_FLAG_WORDS),
    Key(name="children_depth", check=_between(0, 8), allowed="a whole number from 0 to 8"),
    Key(name="schedules.statistics", check=_cron, allowed=_CRON_WORDS),
    Key(name="schedules.retention", check=_cron, allowed=_CRON_WORDS),
    Key(name="features.open_api", check=_flag, allowed=_FLAG_WORDS),
    Key(name="features.soap", check=_flag, allowed=_FLAG_WORDS, default=False),
    Key(name="features.status_page", check=_flag, allowed=_FLAG_WORDS),
    Key(name="features.standard", check=_flag, allowed=_FLAG_WORDS, default=True),
    Key(name="features.metrics", check=_flag, allowed=_FLAG_WORDS),
    Key(name="features.statistics", check=_flag, allowed=_FLAG_WORDS),
    Key(name="features.entry", check=_flag, allowed=_FLAG_WORDS, default=False),
    Key(name="limits.link_threads", check=_between(4, 512), allowed="a whole number from 4 to 512"),
    Key(name="limits.face_threads", check=_between(2, 128), allowed="a whole number from 2 to 128"),
    Key(
        name="limits.request_bytes_max",
        check=_between(1_048_576, 268_435_456),
        allowed="bytes, from 1 048 576 to 268 435 456",
    ),
    Key(name="limits.long_poll_s", check=_between(1, 25), allowed="seconds, from 1 to 25"),
    Key(name="limits.status_refresh_s", check=_between(1, 3600), allowed="seconds, from 1 to 3600"),
    Key(
        name="limits.disk_free_bytes_min",
        check=_between(0, 1 << 50),
        allowed="bytes, from 0 (never stop) to 2^50",
        default=1 << 30,
    ),
)


_DIALECT = re.compile(r"[a-z0-9][a-z0-9_\-]{0,39}(@[a-z0-9][a-z0-9_\-]{0,39})?\Z")
_RATE_WORDS = f"a whole number from 0 (no limit) to {_RATE_MAX:,}"

ADAPTER_KEYS: tuple[Key, ...] = (
    Key(name="kind", check=_text(40), allowed="a kind of `yizhan adapters kinds`"),
    Key(name="source", check=_text(40), allowed="a source of `yizhan sources list`"),
    Key(
        name="dialect",
        check=_matching(_DIALECT),
        allowed="auto, or a dialect of `yizhan dialects list`, with @ and a variant where it has them",
        default="auto",
    ),
    Key(name="record_type", check=_optional(_text(64)), allowed="a record type of the standard", default=""),
    Key(name="table", check=_optional(_text(200)), allowed="a table of the source", default=""),
    Key(
        name="every_s",
        check=_seconds,
        allowed=f"seconds, from 0 (ask again at once) to {_PAUSE_S_MAX:,}",
        default=None,
    ),
    Key(
        name="hours",
        check=_windows,
        allowed=f'a list of at most {_WINDOWS_MAX} windows such as "22:00-06:00"',
        default=(),
    ),
    Key(name="deliveries_per_minute_max", check=_between(0, _RATE_MAX), allowed=_RATE_WORDS, default=0),
    Key(name="records_per_minute_max", check=_between(0, _RATE_MAX), allowed=_RATE_WORDS, default=0),
    Key(name="deliveries_max", check=_between(1, 10_000), allowed="a whole number from 1 to 10,000", default=100),
    Key(
        name="bytes_max",
        check=_between(1, 1 << 31),
        allowed="bytes, from 1 to 2^31",
        default=256 * 1024 * 1024,
    ),
    Key(
        name="deliver_organisations",
        check=_texts(_text(18), _ORGANISATIONS_MAX),
        allowed=f"a list of at most {_ORGANISATIONS_MAX} codes of organisations",
        default=(),
    ),
    Key(
        name="deliver_record_types",
        check=_texts(_text(64), _ORGANISATIONS_MAX),
        allowed="a list of record types that can go down to a department",
        default=(),
    ),
    Key(name="deliver_since", check=_date, allowed="a date, such as 2026-11-01 without quotation marks", default=None),
)


def read_settings(path: Path, keys: Sequence[Key]) -> dict[str, Any]:
    """Return every key of ``keys`` with its checked value, by dotted name; raises ConfigurationError."""
    given = _flat(read_toml(path))
    known = {key.name: key for key in keys}
    for name in given:
        if name not in known:
            raise unknown_key(path, name, known, page="docs/reference/configuration.md")
    return {key.name: checked_value(path, key, given) for key in keys}


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file; raises ConfigurationError when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as cause:
        raise ConfigurationError(f"{path} is not TOML", why=str(cause), action="Correct that line") from cause


def read_text(path: Path) -> str:
    """Return the text of a file of settings, without the byte order mark that editors of Windows write.

    Raises ConfigurationError when it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        raise ConfigurationError(
            f"{path} cannot be read", why="it is not UTF-8", action="Save it in the encoding UTF-8"
        ) from cause
    except OSError as cause:
        raise ConfigurationError(f"{path} cannot be read", why=str(cause), action="Check the file") from cause


def checked_value(path: Path, key: Key, given: Mapping[str, object]) -> Any:
    """Return the checked value of ``key`` among ``given``, or its default; ``path`` is named in errors."""
    if key.name not in given:
        if key.required:
            raise ConfigurationError(
                f"{path}: the key {key.name} is missing", why="it has no default", action=f"Give it: {key.allowed}"
            )
        return key.default
    try:
        return key.check(given[key.name])
    except ValueError as cause:
        raise ConfigurationError(
            f"{path}: the value of {key.name} is not allowed",
            why=f"it is {key.shown(given[key.name])[:_SHOWN_MAX]!r}",
            action=f"Allowed: {key.allowed}",
        ) from cause


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tables.items():
        if isinstance(value, dict) and value:
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def unknown_key(path: Path, name: str, known: Iterable[str], *, page: str) -> ConfigurationError:
    """Return the error for a key that is none of ``known``; ``page`` explains them all."""
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return ConfigurationError(
        f"{path}: unknown key {name}",
        why="a key that nobody reads would be ignored in silence",
        action=f"Nearest known key: {nearest[0]}; all keys: {page}",
    )
