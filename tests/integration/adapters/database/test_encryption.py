"""A connection that leaves the machine is encrypted, and the server's certificate is checked."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url

from adapters.contract import SourceNeedsPersonError
from tests.support.department_databases import (
    READER,
    DepartmentDatabase,
    mariadb_department,
    postgres_department,
)
from tests.support.mariadb import mariadb_server
from tests.support.postgres import NoServerError, postgres_server
from tests.support.server_certificates import ServerCertificates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration
THERE = "127.0.0.2"
"""An address of this machine that does not say so: what stays within a machine is not encrypted."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificates:
    return ServerCertificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def department(certificates: ServerCertificates) -> Iterator[DepartmentDatabase]:
    files = {
        "ssl_ca": certificates.authority,
        "ssl_cert": certificates.certificate,
        "ssl_key": certificates.key,
    }
    try:
        with mariadb_server(**files) as one:
            made = mariadb_department(one)
            made.make_cases()
            one.run(f"ALTER USER {READER}@'%' REQUIRE SSL")
            yield made
    except NoServerError as error:
        pytest.skip(f"no MariaDB here: {error}")


def checked(department: DepartmentDatabase, folder: Path, **settings: Any) -> None:
    department.open(folder, url=department.url.replace("127.0.0.1", THERE), **settings).check()


def test_a_certificate_of_the_authority_is_taken(
    department: DepartmentDatabase, certificates: ServerCertificates, tmp_path: Path
) -> None:
    checked(department, tmp_path, tls_ca_file=str(certificates.authority))


def test_a_client_shows_its_certificate(
    department: DepartmentDatabase, certificates: ServerCertificates, tmp_path: Path
) -> None:
    department.run(f"ALTER USER {READER}@'%' REQUIRE X509")
    try:
        ours = {"tls_ca_file": str(certificates.authority)}
        with pytest.raises(SourceNeedsPersonError):
            checked(department, tmp_path, **ours)
        checked(department, tmp_path, **ours, tls_certificate_file=str(certificates.client))
    finally:
        department.run(f"ALTER USER {READER}@'%' REQUIRE SSL")


def test_a_certificate_of_another_authority_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    other = ServerCertificates(tmp_path / "other")
    with pytest.raises(SourceNeedsPersonError, match="tls_ca_file"):
        checked(department, tmp_path, tls_ca_file=str(other.authority))
    with pytest.raises(SourceNeedsPersonError, match="tls_ca_file"):
        checked(department, tmp_path)


def test_encryption_alone_does_not_ask_whose_certificate_it_is(department: DepartmentDatabase, tmp_path: Path) -> None:
    checked(department, tmp_path, tls="encrypted")


def test_a_server_that_demands_encryption_refuses_what_comes_without(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    with pytest.raises(SourceNeedsPersonError, match="account"):
        checked(department, tmp_path, tls="off")


def test_a_server_without_encryption_is_not_spoken_to_without_it(tmp_path: Path) -> None:
    try:
        with mariadb_server() as plain:
            made = mariadb_department(plain)
            made.make_cases()
            with pytest.raises(SourceNeedsPersonError, match="tls"):
                checked(made, tmp_path)
            checked(made, tmp_path, tls="off")
    except NoServerError as error:
        pytest.skip(f"no MariaDB here: {error}")


def test_a_file_that_is_not_there_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    with pytest.raises(SourceNeedsPersonError, match="PEM"):
        checked(department, tmp_path, tls_ca_file=str(tmp_path / "nowhere.pem"))


@pytest.fixture
def encrypted_postgres(certificates: ServerCertificates) -> Iterator[DepartmentDatabase]:
    """A server of its own that listens on an address which is not taken for this machine's."""
    with socket.create_server((THERE, 0)) as listening:
        port = listening.getsockname()[1]
    try:
        with postgres_server() as server:
            made = postgres_department(server)
            made.make_cases()
            data = server.folder / "data"
            for path, name in ((certificates.certificate, "server.crt"), (certificates.key, "server.key")):
                shutil.copy(path, data / name)
                (data / name).chmod(0o600)
                shutil.chown(data / name, server.account)
            access = data / "pg_hba.conf"
            local = [line for line in access.read_text().splitlines() if line.startswith("local")]
            access.write_text("\n".join(["hostssl all all all scram-sha-256", *local, ""]))
            server.stop("fast")
            server.settings |= {"listen_addresses": THERE, "port": str(port), "ssl": "on"}
            server.start()
            yield replace(made, url=f"postgresql://{READER}@{THERE}:{port}/{make_url(made.url).database}")
    except NoServerError as error:
        pytest.skip(f"no PostgreSQL here: {error}")


def test_postgresql_checks_certificates_too(
    encrypted_postgres: DepartmentDatabase, certificates: ServerCertificates, tmp_path: Path
) -> None:
    made = encrypted_postgres
    made.open(tmp_path / "a", tls_ca_file=str(certificates.authority)).check()
    made.open(tmp_path / "b", tls="encrypted").check()
    other = ServerCertificates(tmp_path / "other")
    for settings in ({"tls_ca_file": str(other.authority)}, {}):
        with pytest.raises(SourceNeedsPersonError, match="tls_ca_file"):
            made.open(tmp_path / "c", **settings).check()
    with pytest.raises(SourceNeedsPersonError, match="account"):
        made.open(tmp_path / "d", tls="off").check()
