"""``yizhan config check`` refuses what ``yizhan run`` refuses, with the same words, and touches nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from node.config import LEVELS_FOLDER, NODE_FILE
from node.standard.resources import level_folder
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Callable


def set_key(home: Home, table: str, line: str) -> None:
    """Put one line into a table of node.toml, in the place of what the table said of that key."""
    path = home.folder / NODE_FILE
    tables = dict(re.findall(r"(?m)^\[(\w+)\]\n((?:[^\[\n].*\n)*)", path.read_text(encoding="utf-8")))
    kept = [one for one in tables.get(table, "").splitlines() if one.split(" ")[0] != line.split(" ", maxsplit=1)[0]]
    tables[table] = "\n".join([*kept, line, ""])
    path.write_text("\n".join(f"[{name}]\n{body}" for name, body in tables.items()), encoding="utf-8")


def plain_beyond_loopback(home: Home) -> None:
    set_key(home, "face", 'host = "0.0.0.0"')


def missing_certificate(home: Home) -> None:
    set_key(home, "face", 'certificate_file = "tls/face.pem"')
    set_key(home, "face", 'key_file = "tls/face.key"')


def memory_database(home: Home) -> None:
    set_key(home, "database", 'url = "sqlite:///:memory:"')


def unknown_database_option(home: Home) -> None:
    set_key(home, "database", 'url = "postgresql+psycopg://me@host/db?pasfile=/x"')


def one_port(home: Home) -> None:
    set_key(home, "face", "port = 8441")
    set_key(home, "link", "port = 8441")


def missing_passphrase(home: Home) -> None:
    set_key(home, "keys", 'passphrase_file = "nowhere"')


def other_parent(home: Home) -> None:
    set_key(home, "parent", 'code = "360200"')


def other_code(home: Home) -> None:
    set_key(home, "node", 'code = "360103"')


def impossible_schedule(home: Home) -> None:
    folder = home.folder / LEVELS_FOLDER
    folder.mkdir()
    text = (level_folder() / "county.toml").read_text(encoding="utf-8")
    (folder / "county.toml").write_text(
        re.sub(r"statistics = \"[^\"]*", 'statistics = "99 * * * *', text), encoding="utf-8"
    )


WRONG: dict[Callable[[Home], None], str] = {
    plain_beyond_loopback: "would speak plain HTTP at 0.0.0.0",
    missing_certificate: "The certificate of the face listener cannot be used",
    memory_database: "the value of database.url is not allowed",
    unknown_database_option: 'invalid connection option "pasfile"',
    one_port: "The face and the link listener cannot both have port 8441",
    missing_passphrase: "The passphrase file",
    other_parent: "The address of the parent 360000 is not known",
    other_code: "is 360102, not 360103",
    impossible_schedule: "The schedule of statistics is not possible",
}


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__)
def test_check_and_run_refuse_the_same_settings(county: Home, spoil: Callable[[Home], None]) -> None:
    county.call("config", "check")
    spoil(county)
    before = sorted(path.name for path in county.folder.iterdir())
    checked = county.call("config", "check", code=4).document
    assert WRONG[spoil] in f"{checked['what']} {checked['why']}"
    assert sorted(path.name for path in county.folder.iterdir()) == before
    assert county.call("run", code=4).document == checked


def test_a_home_that_has_not_joined_is_in_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Home(tmp_path_factory.mktemp("new") / "360102")
    home.init("county", "360102", "东湖区")
    assert home.call("config", "check").document["ok"] is True
    memory_database(home)
    home.call("config", "check", code=4)
