"""Changing ``adapters.toml`` and the file of secrets for people: text is put at the end or cut out, the rest stays.

What somebody wrote by hand (comments, order, blanks) stays as it is. The new text is read before it is written: it must
say exactly what was meant, or nothing is written.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from node.config.files import write_safely
from node.config.keys import read_text
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADER: Final = re.compile(r"\s*\[\[?\s*(?P<key>\"(?:[^\"\\]|\\.)*\"|'[^']*'|[A-Za-z0-9_\-]+)")
_BARE: Final = re.compile(r"[A-Za-z0-9_\-]+\Z")


def add_table(path: Path, name: str, table: Mapping[str, Any], *, comment: str = "") -> None:
    """Put a table at the end of a file, which is made if it is not there; tables within it become tables of their own.

    Raises ConfigurationError when the file is no TOML, or has the table already; nothing is written then.
    """
    text = _text(path)
    before = _read(path, text)
    if name in before:
        raise ConfigurationError(
            f"{path} has {name} already", why="a second table of the name would not be read", action="Remove it first"
        )
    head = f"# {comment}\n\n" if comment and not text else ""
    gap = "\n" if text and not text.endswith("\n\n") else ""
    ended = text if not text or text.endswith("\n") else f"{text}\n"
    _write(path, f"{head}{ended}{gap}{table_text(name, table)}", {**before, name: dict(table)})


def remove_table(path: Path, name: str) -> bool:
    """Cut a table and those within it out of a file; False when it has none of the name.

    Raises ConfigurationError, with nothing written, when the file is no TOML, or names the table in another form than
    by lines such as ``[name]``.
    """
    text = _text(path)
    before = _read(path, text)
    if name not in before:
        return False
    kept: list[str] = []
    cut: list[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        found = _HEADER.match(line)
        if found is not None:
            # Comments right above a header are about what it begins.
            about = _taken_comments(cut if inside else kept)
            inside = _plain(found["key"]) == name
            (cut if inside else kept).extend(about)
        (cut if inside else kept).append(line)
    _write(path, "".join(kept), {key: table for key, table in before.items() if key != name})
    return True


def table_text(name: str, table: Mapping[str, Any]) -> str:
    """Return a table as text, tables within it behind it."""
    parts = [_part(_key(name), {key: value for key, value in table.items() if not isinstance(value, dict)})]
    inner = [(key, value) for key, value in table.items() if isinstance(value, dict) and value]
    parts += [_part(f"{_key(name)}.{_key(key)}", value) for key, value in inner]
    return "\n".join(parts)


def _part(header: str, values: Mapping[str, Any]) -> str:
    lines = [f"[{header}]", *(f"{_key(key)} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _taken_comments(lines: list[str]) -> list[str]:
    """Take the comment lines off that stand at the end, and return them."""
    begin = len(lines)
    while begin and lines[begin - 1].lstrip().startswith("#"):
        begin -= 1
    taken = lines[begin:]
    del lines[begin:]
    return taken


def _write(path: Path, text: str, meant: Mapping[str, Any]) -> None:
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        said = {}
    if _without_empty(said) != _without_empty(meant):
        raise ConfigurationError(
            f"{path} cannot be changed by a program",
            why="it names the adapter in another form than by a line [NAME]",
            action="Change it by hand",
        )
    write_safely(path, text.encode())


def _without_empty(table: Any) -> Any:
    """Return a table without the empty tables within it, which say nothing and are not written."""
    if not isinstance(table, dict):
        return table
    return {key: _without_empty(value) for key, value in table.items() if value != {}}


def _text(path: Path) -> str:
    return read_text(path) if path.exists() else ""


def _read(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        raise ConfigurationError(f"{path} is not TOML", why=str(cause), action="Correct that line") from cause


def _plain(key: str) -> str:
    """Return the name that a key in a header stands for."""
    if key.startswith('"'):
        return str(json.loads(key))
    return key.strip("'")


def _key(name: str) -> str:
    return name if _BARE.match(name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
