"""Secrets of adapters: in a file of their own that only the node's account may read, or in the environment.

They never stand in ``adapters.toml``, in arguments or in what an adapter's process finds in its environment; it gets
them through its pipe. Everything that it says is masked before it is kept or shown.
"""

from __future__ import annotations

import base64
import json
import re
import stat
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from node.config.keys import read_toml
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from adapters.contract import Setting

SECRETS_FILE: Final = "adapters.secrets.toml"
LINE_LENGTH_MIN: Final = 16
"""From so many characters on a line of a secret is masked by itself. Our own choice: shorter ones tell little, and may
be words of any text."""
VARIABLE_PREFIX: Final = "YIZHAN_ADAPTER_"
MASK: Final = "***"
_OTHERS: Final = 0o077
_NOT_IN_VARIABLES: Final = re.compile(r"[^A-Z0-9]")


def variable_of(name: str, setting: str) -> str:
    """Return the variable of the environment that may hold a secret of an adapter."""
    return VARIABLE_PREFIX + "_".join(_NOT_IN_VARIABLES.sub("_", part.upper()) for part in (name, setting))


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for an adapter's process: without the secrets of any, and without the node's settings."""
    return {name: value for name, value in environment.items() if not name.startswith("YIZHAN_")}


def given_secrets(home: Path, name: str, settings: Sequence[Setting], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the secrets of an adapter, from the file, and over it those from the environment; not checked yet.

    Raises ConfigurationError when others may read the file, or it is no file of tables.
    """
    return {**secrets_file(home).get(name, {}), **variables(name, settings, environment)}


def variables(name: str, settings: Sequence[Setting], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets of an adapter that stand in the environment."""
    named = {one.name: variable_of(name, one.name) for one in settings if one.secret}
    return {setting: environment[variable] for setting, variable in named.items() if variable in environment}


def secrets_file(home: Path) -> dict[str, dict[str, Any]]:
    """Return the tables of the file of secrets, none when there is none; raises as ``given_secrets``."""
    path = home / SECRETS_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return {}
    if mode & _OTHERS:
        raise ConfigurationError(
            f"{path} is open to other accounts",
            why=f"its mode is {mode:04o}, and it holds secrets",
            action=f"Close it: chmod 600 {path}; change the secrets if others may have read them",
        )
    tables = read_toml(path)
    wrong = next((name for name, table in tables.items() if not isinstance(table, dict)), None)
    if wrong is not None:
        raise ConfigurationError(
            f"{path}: {wrong[:40]!r} is no table",
            why="each adapter has a table of its own there",
            action='Write it as [NAME], and below it setting = "secret"',
        )
    return tables


def masking(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return what replaces secrets in a text by ``***``, in the forms in which texts usually quote them too."""
    parts = {part for secret in secrets if secret for part in (secret, *_long_lines(secret))}
    forms = {form for part in parts for form in _forms(part)}
    if not forms:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub(MASK, text)


def _long_lines(secret: str) -> list[str]:
    """Return the lines of a secret of several lines by which it could be put together again."""
    lines = secret.splitlines()
    return [line for line in lines if len(line) >= LINE_LENGTH_MIN] if len(lines) > 1 else []


def _forms(secret: str) -> tuple[str, ...]:
    quoted = json.dumps(secret, ensure_ascii=False)[1:-1]
    return (
        secret,
        quote(secret, safe=""),
        quote(secret),
        quoted,
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
    )
