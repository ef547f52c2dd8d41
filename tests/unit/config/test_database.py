"""The database's URL: what may be given, and that its password is shown by nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.config import NODE_FILE, load_config, write_node_config
from node.config.database import checked_database_url, masked_url
from node.errors import ConfigurationError

SHIPPED = Path(__file__).parents[3] / "config" / "levels"
COUNTY = {"node.code": "360102", "node.name": "东湖区", "node.level": "county"}
URL = "postgresql+psycopg://me:s3cret@host/db"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "postgresql+psycopg://me:***@host/db"),
        ("postgresql+psycopg://me:a:b/c?d@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql+psycopg://me:a@b@host/db", "postgresql+psycopg://me:***@host/db"),
        ("postgresql+psycopg://:s3cret@host", "postgresql+psycopg://:***@host"),
        ("postgresql+psycopg://me@host:5432/db", "postgresql+psycopg://me@host:5432/db"),
        (
            "postgresql+psycopg://host/db?password=s3cret&sslmode=require",
            "postgresql+psycopg://host/db?password=***&sslmode=require",
        ),
        ("postgresql+psycopg://h/db?sslmode=x&sslPassword=a@b", "postgresql+psycopg://h/db?sslmode=x&sslPassword=***"),
        ("postgresql:me:s3cret@host", "postgresql:***@host"),
        ("me:s3cret@host", "me:***@host"),
        (["mysql://me:s3cret@host"], "['mysql://me:***@host']"),
        ("sqlite:///yizhan.sqlite", "sqlite:///yizhan.sqlite"),
    ],
)
def test_a_password_is_masked_wherever_it_stands(url: object, shown: str) -> None:
    assert masked_url(url) == shown


@pytest.mark.parametrize(
    "url",
    ["sqlite:///a.sqlite", "sqlite:////var/lib/a.sqlite", URL, "postgresql+psycopg://me@/db?host=/run/pg&passfile=/x"],
)
def test_a_file_and_a_server_are_taken(url: str) -> None:
    assert checked_database_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///:memory:?cache=shared",
        "sqlite:///file:a?mode=memory&uri=true",
        "mysql://me:s3cret@host/db",
        "postgresql+psycopg://me:s3cr@t@host/db",
        "postgresql+psycopg://me:s3 cret@host/db",
        f"{URL}{'x' * 500}",
        ["sqlite:///a"],
        "",
    ],
)
def test_what_is_no_lasting_database_is_refused_without_its_password(tmp_path: Path, url: object) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        checked_database_url(url)
    with pytest.raises(ConfigurationError, match=r"database\.url is not allowed") as caught:
        write_node_config(tmp_path / "home", {**COUNTY, "database.url": url})
    assert "s3cr" not in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_a_password_in_the_settings_is_in_no_message_about_them(tmp_path: Path) -> None:
    write_node_config(tmp_path, {**COUNTY, "database.url": URL})
    with pytest.raises(ConfigurationError, match=r"'postgresql\+psycopg://me:\*\*\*@host/db' there") as caught:
        write_node_config(tmp_path, {**COUNTY, "database.url": "postgresql+psycopg://me:0ther@host/db"})
    assert "s3cret" not in str(caught.value)
    assert "0ther" not in str(caught.value)
    config = load_config(tmp_path, shipped_levels=SHIPPED)
    assert config.database_url == URL
    assert "s3cret" not in repr(config)
    path = tmp_path / NODE_FILE
    path.write_text(path.read_text(encoding="utf-8").replace("psycopg", "psycopg2"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not allowed") as caught:
        load_config(tmp_path, shipped_levels=SHIPPED)
    assert "s3cret" not in str(caught.value)
