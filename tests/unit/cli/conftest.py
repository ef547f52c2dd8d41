"""Homes made through the command line, in this process: a root, and a county that joined it over real TLS.

Both are made once; each test gets copies of its own.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from node.cli.serving import Service
from tests.support.homes import Home, applications

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def serving(home: Home) -> Iterator[Service]:
    """The node of a home, running in this process."""
    node = home.node()
    service = Service(node)
    service.start()
    try:
        yield service
    finally:
        service.stop()
        node.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A province that has founded its tree, and a county that joined it."""
    folder = tmp_path_factory.mktemp("template")
    root, county = Home(folder / "360000"), Home(folder / "360102")
    root.init("province", "360000", "江西省")
    county.init("county", "360102", "东湖区")
    with serving(root) as service:
        invited = root.call("invite", "--org", "360102", "--name", "东湖区", "--level", "county").document
        county.call("join", f"{invited['code']}@{service.addresses()['link'].removeprefix('https://')}")
    return folder


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Home:
    """The province."""
    return Home(shutil.copytree(template / "360000", tmp_path / "360000"))


@pytest.fixture
def running_root(root: Home) -> Iterator[tuple[Home, Service]]:
    """The province, running."""
    with serving(root) as service:
        yield root, service


@pytest.fixture
def county(template: Path, tmp_path: Path) -> Home:
    """The county, joined; its records name no running parent."""
    return Home(shutil.copytree(template / "360102", tmp_path / "360102"))


@pytest.fixture
def fed(county: Home, tmp_path: Path) -> Home:
    """A county with six applications."""
    path = tmp_path / "applications.csv"
    path.write_bytes(applications(6))
    county.call("import", str(path))
    return county
