"""``/standard/`` of the face listener: the reference and the bundle, for everybody, as a schema should be.

What is asked for is looked up among the files of the publication by its exact name, so no path leads anywhere else.
"""

from __future__ import annotations

import mimetypes
from typing import Final

from flask import Blueprint, Response, abort, request

from node.web.reference.contents import BUNDLE_NAME, publication

CACHE: Final = "public, max-age=3600"
"""An hour: the files change with the program only. Our own choice."""
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".xml": "application/xml",
    ".xsd": "application/xml",
}
_PLAIN: Final = "text/plain; charset=utf-8"

standard_pages = Blueprint("standard_pages", __name__, url_prefix="/standard")


@standard_pages.get("/", defaults={"name": "index.html"})
@standard_pages.get("/<path:name>")
def show(name: str) -> Response:
    """Return one file of the standard; a folder's page is its ``index.html``."""
    found = publication()
    path = f"{name}index.html" if name.endswith("/") else name
    if path not in found.files:
        abort(404, "the standard has no such file; it begins at /standard/")
    return _answer(found.files[path], found.hashes[path], _type_of(path))


@standard_pages.get("/bundle.zip")
def bundle() -> Response:
    """Return the bundle for vendors."""
    found = publication()
    answer = _answer(found.bundle, found.bundle_hash, "application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="{BUNDLE_NAME}.zip"'
    return answer


def _answer(data: bytes, named: str, content_type: str) -> Response:
    answer = Response(data, content_type=content_type)
    answer.headers["Cache-Control"] = CACHE
    answer.set_etag(named)
    answer.make_conditional(request)
    return answer


def _type_of(path: str) -> str:
    ending = path[path.rfind(".") :]
    if ending in _TYPES:
        return _TYPES[ending]
    guessed = mimetypes.guess_type(path, strict=True)[0] or ""
    return guessed if guessed.startswith("application/vnd.") else _PLAIN
