"""A whole node on PostgreSQL, by URL, through the command line: what works on SQLite works here."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from node.cli.serving import Service
from node.config import NODE_FILE
from tests.support.homes import Home, applications

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_root_on_postgresql_is_made_fed_sealed_and_shown(tmp_path: Path, postgres_url: str) -> None:
    home = Home(tmp_path / "360000")
    made = home.init("province", "360000", "江西省", "--database", postgres_url).document
    assert made["joined"] is True
    assert home.init("province", "360000", "江西省", "--database", postgres_url).document["made"] is False
    assert home.call("publish", "calendar").document["published"] > 0
    node = home.node()
    service = Service(node)
    service.start()
    try:
        face = service.addresses()["face"]
        assert httpx.get(f"{face}/readyz").status_code == 200
        # Written by the command line beside the running node: heard through LISTEN, sealed, shown.
        path = tmp_path / "applications.csv"
        path.write_bytes(applications(3).decode("gb18030").encode("utf-8-sig"))
        home.call("import", str(path), code=None)
        assert home.call("publish", "divisions").document["published"] > 100
        for _ in range(100):
            streams = httpx.get(f"{face}/status.json").json()["streams"]
            if all(one["sealed"] == one["size"] for one in streams):
                break
            threading.Event().wait(0.1)
        assert all(one["sealed"] == one["size"] > 0 for one in streams)
    finally:
        service.stop()
        node.close()


PASSWORD = "Nobody-may-see-this"


@pytest.fixture
def keeper_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database that its owner alone may open, and only with ``PASSWORD``; the URL has it not."""
    admin = make_url(postgres_url)
    folder = Path(str(admin.query["host"]))
    access = folder / "data" / "pg_hba.conf"
    before = access.read_text(encoding="utf-8")
    settings = f"host={folder} user={admin.username} dbname={admin.database}"
    with psycopg.connect(settings, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE kept OWNER keeper TEMPLATE template0")
        access.write_text(f"local all keeper scram-sha-256\n{before}", encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
        yield f"postgresql+psycopg://keeper@/kept?host={folder}"
        access.write_text(before, encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP DATABASE kept WITH (FORCE)")
        connection.execute("DROP ROLE keeper")


def test_the_password_stands_in_a_file_of_its_own(
    tmp_path: Path, keeper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, passwords = Home(tmp_path / "360000"), tmp_path / "passwords"
    passwords.write_text(f"*:*:kept:keeper:{PASSWORD}\n", encoding="utf-8")
    passwords.chmod(0o600)
    named = f"&passfile={passwords}"
    assert home.init("province", "360000", "江西省", "--database", keeper_url + named).document["joined"]
    path = home.folder / NODE_FILE
    text = path.read_text(encoding="utf-8")
    assert named in text
    assert PASSWORD not in text
    # Named in the URL, or by the environment, as every program of PostgreSQL knows it.
    path.write_text(text.replace(named, ""), encoding="utf-8")
    assert home.call("status", code=4).document["what"] == "The database refuses us."
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert home.call("status", code=3).document["node"]["code"] == "360000"


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_wrong_or_open_password_file_is_told_and_shows_nothing(tmp_path: Path, keeper_url: str, mode: int) -> None:
    home, passwords = Home(tmp_path / "360000"), tmp_path / "passwords"
    wrong = f"*:*:kept:keeper:{PASSWORD}{'-wrong' if mode == 0o600 else ''}\n"
    passwords.write_text(wrong, encoding="utf-8")
    passwords.chmod(mode)
    answer = home.init("province", "360000", "江西省", "--database", f"{keeper_url}&passfile={passwords}", code=4)
    assert answer.document["what"] == "The database refuses us."
    assert "passfile" in answer.document["action"]
    assert PASSWORD not in answer.out + answer.err


def test_a_password_in_the_url_is_shown_by_no_command(
    tmp_path: Path, keeper_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, url = Home(tmp_path / "360000"), keeper_url.replace("keeper@", f"keeper:{PASSWORD}@")
    refused = home.init("province", "360000", "江西省", "--database", url, code=2)
    assert refused.document["what"] == "A password does not belong into --database"
    with monkeypatch.context() as environment:
        environment.setenv("PGPASSWORD", PASSWORD)
        answers = [refused, home.init("province", "360000", "江西省", "--database", keeper_url)]
    path = home.folder / NODE_FILE
    path.write_text(path.read_text(encoding="utf-8").replace(keeper_url, url), encoding="utf-8")
    commands = (("config", "show"), ("config", "check"), ("status",))
    answers += [home.call(*command, "-vv", code=None) for command in commands]
    assert answers[-1].document["node"]["code"] == "360000"
    path.write_text(path.read_text(encoding="utf-8").replace(PASSWORD, f"{PASSWORD}-wrong"), encoding="utf-8")
    answers += [home.call(*command, "-vv", code=4) for command in (("run",), ("status",))]
    assert PASSWORD not in "".join(answer.out + answer.err for answer in answers)


def test_a_backup_of_postgresql_is_restored_into_an_empty_database(
    tmp_path: Path, postgres_url: str, postgres: PostgresServer
) -> None:
    home = Home(tmp_path / "360000")
    home.init("province", "360000", "江西省", "--database", postgres_url)
    home.call("publish", "calendar")
    before = home.call("records", "list", "360000/descendants").document["records"]
    backup = tmp_path / "province.backup"
    made = home.call("backup", "create", "-o", str(backup)).document
    assert made["database"] == "postgresql"
    assert made["streams"]["360000/descendants"] == len(before) > 0
    home.call("backup", "verify", str(backup))
    assert home.call("restore", str(backup), code=1).document["code"] == "YZ-STATE-001"
    # Another database on the same server takes the place of the one that is gone.
    empty = postgres.database()
    other = Home(tmp_path / "restored")
    assert other.call("restore", str(backup), "--database", "mysql://x", code=2).document["code"] == "YZ-USAGE-001"
    other.call("restore", str(backup), "--database", empty)
    assert other.call("records", "list", "360000/descendants").document["records"] == before
    assert "restored" in other.call("settle", code=3).document["doubt"]["reason"]
    node = other.node()
    try:
        # A root without children has nobody to ask.
        assert node.exchange.settling.examine() is None
        assert node.seal() >= 0
        node.publisher.publish([], "Item")
    finally:
        node.close()
    postgres.drop(empty)
