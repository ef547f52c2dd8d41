"""The settings of one node: its own ``node.toml`` and the file of its level.

A level is data: ``config/levels/<level>.toml`` says how many levels may stand below, which schedules run, what is
switched on and which limits hold; a file of the same name in the home's ``levels/`` folder comes first. Both files are
read once, checked completely and frozen; whoever builds a node gets values, never a dictionary.
"""

from __future__ import annotations

import ipaddress
import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.config.database import resolved_database_url
from node.config.files import close_to_others, make_home, write_safely
from node.config.keys import LEVEL_KEYS, NODE_KEYS, checked_value, read_settings, read_text
from node.errors import ConfigurationError, NotInitialisedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NODE_FILE = "node.toml"
LEVELS_FOLDER = "levels"
_PARENT_TABLE = re.compile(r"\s*\[\s*parent\s*\]\s*(?:#|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where one listener waits: a host name or address, and a port (0: any free one).

    ``certificate_file`` and ``key_file`` are PEM files for server TLS (the link listener uses the node's own
    certificate instead); ``plain_allowed`` permits plain HTTP beyond loopback, for a node behind its own proxy.
    ``client_ca_file`` names the authorities whose client certificates are let in; ``public_url`` is how others address
    the listener where that differs, without a slash at its end.
    """

    host: str
    port: int
    certificate_file: Path | None = None
    key_file: Path | None = None
    plain_allowed: bool = False
    client_ca_file: Path | None = None
    public_url: str = ""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the listener."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentAddress:
    """The parent's node code and where its link listener waits."""

    code: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedules:
    """When repeated jobs start, as cron text of five fields in the node's time zone."""

    statistics: str
    retention: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What a node of this level offers."""

    open_api: bool
    soap: bool
    status_page: bool
    standard: bool
    metrics: bool
    statistics: bool
    entry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of a node (page by page in docs/reference/configuration.md): counts, bytes and seconds."""

    link_threads: int
    face_threads: int
    request_bytes_max: int
    long_poll_s: int
    status_refresh_s: int
    disk_free_bytes_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What every node of one level has in common.

    ``root``: a node of this level has no parent and is the certificate authority of its tree. ``children_depth``: how
    many levels may stand below it (0: none), which is also what its certificate allows.
    """

    name: str
    label_zh: str
    label_en: str
    root: bool
    children_depth: int
    schedules: Schedules
    features: Features
    limits: Limits

    @property
    def label(self) -> str:
        """The level's name in both languages, for pages."""
        return f"{self.label_zh} {self.label_en}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Everything that makes one node this node. Paths are absolute; ``database_url`` may hold a password."""

    home: Path
    code: str
    name: str
    level: Level
    time_zone: str
    database_url: str = field(repr=False)
    link: Listener
    face: Listener
    parent: ParentAddress | None
    key_passphrase_file: Path | None


def load_config(home: Path, *, shipped_levels: Path) -> NodeConfig:
    """Read and check the settings of the node that lives in ``home``.

    ``shipped_levels`` is the folder of the level files that came with the program. Raises NotInitialisedError when
    the home has no ``node.toml``, ConfigurationError (file, key and what is allowed) for anything else.
    """
    path = home / NODE_FILE
    if not path.is_file():
        raise NotInitialisedError(
            f"There is no node in {home}", why=f"{path} does not exist", action="Run: yizhan init --home DIR …"
        )
    values = read_settings(path, NODE_KEYS)
    level = load_level(values["node.level"], level_folders(home, shipped_levels))
    return NodeConfig(
        home=home.resolve(),
        code=values["node.code"],
        name=values["node.name"],
        level=level,
        time_zone=values["node.time_zone"],
        database_url=resolved_database_url(values["database.url"], home.resolve()),
        link=Listener(host=values["link.host"], port=values["link.port"]),
        face=_face(path, values, home.resolve()),
        parent=_parent(path, values, level),
        key_passphrase_file=_path(values["keys.passphrase_file"], home.resolve()),
    )


def level_folders(home: Path, shipped_levels: Path) -> tuple[Path, ...]:
    """Return where level files are looked for: the home's own folder first, then the shipped one."""
    return (home / LEVELS_FOLDER, shipped_levels)


def level_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of all levels that have a file, sorted."""
    return tuple(sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")}))


def load_level(name: str, folders: Sequence[Path]) -> Level:
    """Read and check the file of level ``name`` from the first folder that has it.

    Raises ConfigurationError when no folder has it or a key is wrong.
    """
    path = next((folder / f"{name}.toml" for folder in folders if (folder / f"{name}.toml").is_file()), None)
    if path is None:
        known = ", ".join(level_names(folders)) or "none"
        raise ConfigurationError(
            f"There is no level named {name!r}",
            why=f"no {name}.toml in {' or '.join(str(folder) for folder in folders)}",
            action=f"Use one of: {known}; or put {name}.toml into the home's levels folder",
        )
    values = read_settings(path, LEVEL_KEYS)
    return Level(
        name=name,
        label_zh=values["label_zh"],
        label_en=values["label_en"],
        root=values["root"],
        children_depth=values["children_depth"],
        schedules=Schedules(**_table(values, "schedules")),
        features=Features(**_table(values, "features")),
        limits=Limits(**_table(values, "limits")),
    )


def init_text(values: Mapping[str, object]) -> str:
    """Return the text of a ``node.toml`` with ``values`` (by dotted name); what is the default is left out."""
    tables: dict[str, list[str]] = {}
    for key in NODE_KEYS:
        value = values.get(key.name, key.default)
        if value is not key.default and value != key.default:
            table, _, name = key.name.partition(".")
            tables.setdefault(table, []).append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    body = "\n\n".join("\n".join((f"[{table}]", *lines)) for table, lines in tables.items())
    return f"# This node's own settings; every key is explained in docs/reference/configuration.md.\n\n{body}\n"


def write_node_config(home: Path, values: Mapping[str, object]) -> bool:
    """Write ``home/node.toml`` from ``values`` (by dotted name); return False when it already says the same.

    Raises ConfigurationError when a value is not allowed, or the home already belongs to another node,
    StoreUnavailableError when the home cannot be written.
    """
    check_node_values(home, values)
    path = home / NODE_FILE
    known = path.is_file()
    make_home(home, ours=known)
    if known:
        close_to_others(path)
    else:
        write_safely(path, init_text(values).encode())
    return not known


def check_node_values(home: Path, values: Mapping[str, object]) -> None:
    """Raise as ``write_node_config`` does when it would not write ``values``; nothing is written."""
    path = home / NODE_FILE
    if path.is_file():
        _check_same_node(path, values)
        return
    for key in NODE_KEYS:
        if key.name in values or key.required:
            checked_value(path, key, values)


def write_parent(home: Path, parent: ParentAddress) -> None:
    """Put the parent's address into ``home/node.toml``; everything else in the file stays as it is.

    Raises ConfigurationError, with nothing written, when the file gives the parent in a form that is only for people.
    """
    path = home / NODE_FILE
    kept: list[str] = []
    inside = False
    for line in read_text(path).rstrip("\n").split("\n"):
        if line.lstrip().startswith("["):
            inside = _PARENT_TABLE.match(line) is not None
        if not inside:
            kept.append(line)
    table = (f'code = "{parent.code}"', f"host = {json.dumps(parent.host)}", f"port = {parent.port}")
    text = "\n".join(("\n".join(kept).rstrip("\n"), "", "[parent]", *table, ""))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ConfigurationError(
            f"The parent cannot be put into {path}",
            why=f"it is given there in another form than a table [parent]: {cause}",
            action=f"Take it out, then do this again; or write [parent] {', '.join(table)} yourself",
        ) from cause
    write_safely(path, text.encode())


def _check_same_node(path: Path, values: Mapping[str, object]) -> None:
    present = read_settings(path, NODE_KEYS)
    for key in NODE_KEYS:
        if key.name in values and present[key.name] != values[key.name]:
            there, here = key.shown(present[key.name]), key.shown(values[key.name])
            raise ConfigurationError(
                f"{path} already describes another node",
                why=f"{key.name} is {there!r} there and {here!r} here",
                action="Use another --home, or edit the file",
            )


def _table(values: Mapping[str, Any], table: str) -> dict[str, Any]:
    return {name.partition(".")[2]: value for name, value in values.items() if name.startswith(f"{table}.")}


def _path(text: str, home: Path) -> Path | None:
    return home / text if text else None


def _face(path: Path, values: Mapping[str, Any], home: Path) -> Listener:
    if bool(values["face.certificate_file"]) != bool(values["face.key_file"]):
        raise ConfigurationError(
            f"{path}: face.certificate_file and face.key_file belong together",
            why="only one of them is given",
            action="Give both or none",
        )
    if values["face.client_ca_file"] and not values["face.certificate_file"]:
        raise ConfigurationError(
            f"{path}: face.client_ca_file needs TLS",
            why="without face.certificate_file nobody can show a certificate",
            action="Give face.certificate_file and face.key_file, or take face.client_ca_file away",
        )
    return Listener(
        host=values["face.host"],
        port=values["face.port"],
        certificate_file=_path(values["face.certificate_file"], home),
        key_file=_path(values["face.key_file"], home),
        plain_allowed=values["face.plain_allowed"],
        client_ca_file=_path(values["face.client_ca_file"], home),
        public_url=values["face.public_url"],
    )


def _parent(path: Path, values: Mapping[str, Any], level: Level) -> ParentAddress | None:
    if not values["parent.code"] and not values["parent.host"]:
        return None
    if level.root:
        raise ConfigurationError(
            f"{path}: parent.code is not allowed",
            why=f"the level {level.name} is the root of its tree",
            action="Take the table [parent] away",
        )
    if not values["parent.code"] or not values["parent.host"]:
        raise ConfigurationError(
            f"{path}: parent.code and parent.host belong together",
            why="only one of them is given",
            action="Give both or none; yizhan join writes them",
        )
    return ParentAddress(code=values["parent.code"], host=values["parent.host"], port=values["parent.port"])
