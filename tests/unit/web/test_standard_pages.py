"""``/standard/`` of the face: the reference and the bundle for everybody, and nothing else."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.standard.resources import schema_folder
from node.web.app import create_face_app
from node.web.reference.contents import BUNDLE_NAME, bundle_of, publication
from tests.support.whole_nodes import whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.testing import FlaskClient

    from node.bootstrap import Node


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = whole_node("360102")
    yield made
    made.close()


@pytest.fixture
def client(node: Node) -> FlaskClient:
    return create_face_app(node).test_client()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/standard/", "text/html; charset=utf-8"),
        ("/standard/zh/", "text/html; charset=utf-8"),
        ("/standard/zh/index.html", "text/html; charset=utf-8"),
        ("/standard/en/records/Conclusion.html", "text/html; charset=utf-8"),
        ("/standard/assets/reference.css", "text/css; charset=utf-8"),
        ("/standard/assets/search.js", "text/javascript; charset=utf-8"),
        ("/standard/schemas/xsd/1.0/records.xsd", "application/xml"),
        ("/standard/examples/Conclusion.xml", "application/xml"),
        ("/standard/README.zh.md", "text/plain; charset=utf-8"),
        ("/standard/SHA256SUMS", "text/plain; charset=utf-8"),
    ],
)
def test_every_kind_of_file_is_shown_under_a_strict_policy(client: FlaskClient, path: str, content_type: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content_type == content_type
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"


@pytest.mark.parametrize(
    "path",
    [
        "/standard/nothing.html",
        "/standard/zh",
        "/standard/zh/records/",
        "/standard/../setup.cfg",
        "/standard/%2e%2e/%2e%2e/etc/passwd",
        "/standard//etc/passwd",
        "/standard/zh/../README.md",
        "/standard/zh%2Findex.html%00",
    ],
)
def test_nothing_but_the_files_of_the_standard_is_shown(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {308, 404}
    assert b"root:" not in answer.data
    assert b"[metadata]" not in answer.data


def test_the_bundle_holds_every_file_with_its_checksum(client: FlaskClient) -> None:
    answer = client.get("/standard/bundle.zip")
    assert answer.content_type == "application/zip"
    assert f"{BUNDLE_NAME}.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        names = [name.removeprefix(f"{BUNDLE_NAME}/") for name in packed.namelist()]
        lines = packed.read(f"{BUNDLE_NAME}/SHA256SUMS").decode().splitlines()
        sums = {name: named for named, name in (line.split("  ", 1) for line in lines)}
        for name in names:
            data = packed.read(f"{BUNDLE_NAME}/{name}")
            assert name == "SHA256SUMS" or hashlib.sha256(data).hexdigest() == sums[name]
        for shipped in schema_folder().glob("*.xsd"):
            assert packed.read(f"{BUNDLE_NAME}/schemas/xsd/1.0/{shipped.name}") == shipped.read_bytes()
    assert set(names) == set(publication().files)


def test_the_bundle_is_the_same_bytes_every_time() -> None:
    assert bundle_of(publication().files) == publication().bundle
    assert publication() is publication()


def test_what_a_reader_has_already_is_not_sent_again(client: FlaskClient) -> None:
    first = client.get("/standard/bundle.zip")
    again = client.get("/standard/bundle.zip", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_can_only_be_read(client: FlaskClient, method: str) -> None:
    assert getattr(client, method)("/standard/").status_code == 405


def test_the_status_page_leads_there(client: FlaskClient) -> None:
    text = client.get("/").get_data(as_text=True)
    assert 'href="/standard/"' in text
    assert 'href="/standard/bundle.zip"' in text


def test_a_level_may_switch_it_off(node: Node) -> None:
    level = node.config.level
    silent = replace(level, features=replace(level.features, standard=False))
    client = create_face_app(replace(node, config=replace(node.config, level=silent))).test_client()
    assert client.get("/standard/").status_code == 404
    assert "/standard/" not in client.get("/").get_data(as_text=True)
