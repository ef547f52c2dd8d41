"""``adapters.toml`` of a home: one table for each adapter, checked table by table.

A mistake in one table stops that adapter alone: it is listed with the mistake. Only a file that is no TOML at all stops
them all. Read by the doorkeeper of a running node whenever the file changes, and by ``yizhan adapters``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from node.config.keys import ADAPTER_KEYS, checked_value, read_toml, unknown_key
from node.departments.delivering.routes import DELIVERABLE_TYPES, USUAL_TYPES, Route
from node.departments.doors.kind_settings import SettingError, checked_secrets, checked_settings
from node.departments.doors.kinds import CHANNELS, find_kind
from node.departments.doors.secrets import SECRETS_FILE, given_secrets
from node.errors import ConfigurationError
from node.standard.identifiers import is_credit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from adapters.contract import AdapterKind
    from node.departments.doors.kinds import FoundKind

ADAPTERS_FILE: Final = "adapters.toml"
_ROUTE_KEYS: Final = ("deliver_record_types", "deliver_since", "deliver_organisations")
_NOT_FIELDS: Final = frozenset({"kind", "every_s", *_ROUTE_KEYS})
ADAPTERS_MAX: Final = 200
"""Adapters of one node, each a process. Our own choice."""
PAGE: Final = "docs/reference/adapters.md"
SETTINGS: Final = "settings"
ADAPTER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._\-]{0,39}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """What makes one adapter: its checked keys, and the settings and secrets of its kind."""

    name: str
    kind: AdapterKind
    source: str
    dialect: str
    record_type: str
    table: str
    every_s: float
    hours: tuple[str, ...]
    deliveries_per_minute_max: int
    records_per_minute_max: int
    deliveries_max: int
    bytes_max: int
    route: Route | None
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def channel(self) -> str | None:
        """Code of the channel of its records; None for that of their source."""
        return CHANNELS.get(self.kind.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAdapter:
    """One table of the file: its adapter, or the mistake for which there is none.

    ``kind`` and ``source`` are as they stand there, "" where they do not; ``is_off`` tells that the mistake is no
    mistake of the file: its kind is not installed, or cannot be used here.
    """

    name: str
    kind: str
    source: str
    config: AdapterConfig | None = None
    mistake: ConfigurationError | None = None
    is_off: bool = False


def read_adapters(
    home: Path, environment: Mapping[str, str], *, kind_of: Callable[[str], FoundKind] = find_kind
) -> dict[str, ListedAdapter]:
    """Return the adapters of a home by name, in the order of the file; none when there is no file.

    ``environment`` may hold secrets. Raises ConfigurationError when the file cannot be read as a whole.
    """
    path = home / ADAPTERS_FILE
    if not path.is_file():
        return {}
    tables = read_toml(path)
    if len(tables) > ADAPTERS_MAX:
        raise ConfigurationError(
            f"{path} has {len(tables)} tables", why=f"a node has {ADAPTERS_MAX} adapters at most", action="Remove some"
        )
    kinds: dict[str, FoundKind] = {}

    def known_kind(name: str) -> FoundKind:
        return kinds[name] if name in kinds else kinds.setdefault(name, kind_of(name))

    return {name: read_adapter(home, name, table, environment, known_kind) for name, table in tables.items()}


def read_adapter(
    home: Path,
    name: str,
    table: object,
    environment: Mapping[str, str],
    kind_of: Callable[[str], FoundKind] = find_kind,
    secrets: Mapping[str, str] | None = None,
) -> ListedAdapter:
    """Return one table of the file, checked; ``secrets``: those that stand nowhere yet (None: as they stand)."""
    given = table if isinstance(table, dict) else {}
    listed = ListedAdapter(name=name, kind=_text(given.get("kind")), source=_text(given.get("source")))
    try:
        values = _checked_table(home / ADAPTERS_FILE, name, table)
        found = kind_of(values["kind"])
        if found.kind is None:
            return replace(listed, mistake=_no_kind(home / ADAPTERS_FILE, name, found), is_off=True)
        chosen = given_secrets(home, name, found.settings, environment) if secrets is None else secrets
        return replace(listed, config=_config(home, name, values, found.kind, given.get(SETTINGS, {}), chosen))
    except ConfigurationError as mistake:
        return replace(listed, mistake=mistake)


def _checked_table(path: Path, name: str, table: object) -> dict[str, Any]:
    """Return the common keys of a table with their values; raises ConfigurationError."""
    if not ADAPTER_NAME.match(name):
        raise ConfigurationError(
            f"{path}: {name[:40]!r} cannot be the name of an adapter",
            why="a name is 1 to 40 of a-z, 0-9, dot, underscore, hyphen, and begins with one of the first two",
            action="Give the table another name",
        )
    if not isinstance(table, dict) or not isinstance(table.get(SETTINGS, {}), dict):
        raise ConfigurationError(
            f"{path}: {name} is no table", why="an adapter is a table of keys", action=f"See {PAGE} for an example"
        )
    keys = {f"{name}.{key.name}": replace(key, name=f"{name}.{key.name}") for key in ADAPTER_KEYS}
    given = {f"{name}.{key}": value for key, value in table.items() if key != SETTINGS}
    for key in given:
        if key not in keys:
            raise unknown_key(path, key, (*keys, f"{name}.{SETTINGS}"), page=PAGE)
    return {key.rpartition(".")[2]: checked_value(path, one, given) for key, one in keys.items()}


def _config(
    home: Path,
    name: str,
    values: Mapping[str, Any],
    kind: AdapterKind,
    settings: Mapping[str, Any],
    secrets: Mapping[str, Any],
) -> AdapterConfig:
    every_s = kind.every_s if values["every_s"] is None else values["every_s"]
    own = {key: value for key, value in values.items() if key not in _NOT_FIELDS}
    with_mistakes = _Mistakes(home, name)
    return AdapterConfig(
        **own,
        name=name,
        kind=kind,
        every_s=every_s,
        route=_route(home / ADAPTERS_FILE, name, values, kind),
        settings=with_mistakes.of_file(lambda: checked_settings(kind.settings, settings)),
        secrets=with_mistakes.of_secrets(lambda: checked_secrets(kind.settings, secrets)),
    )


def _route(path: Path, name: str, values: Mapping[str, Any], kind: AdapterKind) -> Route | None:
    """Return what goes down through an adapter, None for nothing; raises ConfigurationError."""
    organisations, types = values["deliver_organisations"], values["deliver_record_types"]
    given = next((key for key in _ROUTE_KEYS if values[key]), None)
    if given is None:
        return None
    if not organisations:
        raise ConfigurationError(
            f"{path}: {name}.{given} needs {name}.deliver_organisations",
            why="records go down by the organisation that they are for",
            action="Name the codes of the organisations that the department's system serves",
        )
    if not kind.delivers:
        raise ConfigurationError(
            f"{path}: nothing can go down through {name}",
            why=f"the kind {kind.name} only takes in",
            action=f"Take {name}.deliver_organisations away, or add an adapter of another kind for it",
        )
    unknown = next((one for one in types if one not in DELIVERABLE_TYPES), None)
    if unknown is not None:
        raise ConfigurationError(
            f"{path}: {name}.deliver_record_types names {unknown[:64]!r}",
            why="no record of this type is for a department's system",
            action=f"Use some of: {', '.join(sorted(DELIVERABLE_TYPES))}",
        )
    wrong = next((one for one in organisations if not is_credit_code(one)), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{path}: {name}.deliver_organisations names {wrong!r}",
            why="it is no unified social credit code (GB 32100): no record is for it, so nothing would ever go down",
            action="Compare its 18 characters with the organisation's; the last one is a check character",
        )
    return Route(
        adapter=name,
        source=values["source"],
        organisations=frozenset(organisations),
        record_types=frozenset(types) or USUAL_TYPES,
        since=values["deliver_since"],
    )


class _Mistakes:
    """Turns a mistake in a setting into the error that names its file."""

    def __init__(self, home: Path, name: str) -> None:
        self._home = home
        self._name = name

    def of_file(self, check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._checked(check, self._home / ADAPTERS_FILE, f"{self._name}.{SETTINGS}")

    def of_secrets(self, check: Callable[[], dict[str, str]]) -> dict[str, str]:
        return self._checked(check, self._home / SECRETS_FILE, self._name)

    def _checked(self, check: Callable[[], dict[str, Any]], path: Path, table: str) -> dict[str, Any]:
        try:
            return check()
        except SettingError as mistake:
            raise ConfigurationError(
                f"{path}: {table}.{mistake.name} {mistake.what}", why=mistake.why, action=mistake.action
            ) from mistake


def _no_kind(path: Path, name: str, found: FoundKind) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: the kind {found.name[:40]!r} of {name} cannot be used",
        why=found.reason,
        action="See `yizhan adapters kinds`; install the package that has it, then start the node again",
    )


def _text(value: object) -> str:
    return value[:40] if isinstance(value, str) else ""
