"""What came back from an operation as documents: texts, base64 within texts, or elements, one or a list of them."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from adapters.contract import SourceNeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Sequence

DOCUMENTS_MAX: Final = 10_000
"""Documents of one answer. Our own choice."""
_GZIP: Final = b"\x1f\x8b"
_GZIP_BITS: Final = 31
_DECLARED: Final = re.compile(r"""\A(\s*<\?xml\s[^>]*?encoding\s*=\s*)(["'])[A-Za-z0-9._-]+\2""")


def documents_of(result: Any, path: Sequence[str], *, form: str, bytes_max: int) -> list[bytes]:
    """Return the documents that stand at a path in what came back; empty ones are left out.

    ``form`` is ``text`` or ``base64``. Raises SourceNeedsPersonError when something else stands there.
    """
    found = at(result, path)
    listed = found if isinstance(found, list) else [found]
    if len(listed) > DOCUMENTS_MAX:
        raise SourceNeedsPersonError(f"an answer holds more than {DOCUMENTS_MAX} documents: ask for smaller pages")
    documents = (_document(one, form, bytes_max) for one in listed if one is not None)
    return [document for document in documents if document.strip()]


def at(result: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path of names; of lists on the way, that of every member."""
    for number, name in enumerate(path):
        if isinstance(result, list):
            parts = (at(one, path[number:]) for one in result)
            return [one for part in parts for one in (part if isinstance(part, list) else [part])]
        if not isinstance(result, dict) or name not in result:
            if result is None:
                return None
            names = ", ".join(map(str, result))[:300] if isinstance(result, dict) else type(result).__name__
            raise SourceNeedsPersonError(
                f"nothing is called {name} in what came back; there is {names}: correct result"
            )
        result = result[name]
    return result


def _document(value: Any, form: str, bytes_max: int) -> bytes:
    if isinstance(value, etree._Element):  # noqa: SLF001 - lxml has no other name for an element.
        return bytes(etree.tostring(value, encoding="utf-8", with_tail=False))
    if form == "base64" and isinstance(value, str):
        try:
            return _expanded(base64.b64decode("".join(value.split()), validate=True), bytes_max)
        except (binascii.Error, ValueError):
            raise SourceNeedsPersonError("what came back is no base64: set result_form to text") from None
    if isinstance(value, bytes):
        return _expanded(value, bytes_max)
    if isinstance(value, str):
        # It was converted on its way: what the document says about its own encoding is not true any more.
        return _DECLARED.sub(r"\1\2UTF-8\2", value).encode("utf-8", "surrogatepass")
    names = ", ".join(map(str, value))[:300] if isinstance(value, dict) else type(value).__name__
    raise SourceNeedsPersonError(f"what came back is no text, there is {names}: say in result where it stands")


def _expanded(data: bytes, bytes_max: int) -> bytes:
    if not data.startswith(_GZIP):
        return data
    expanding = zlib.decompressobj(_GZIP_BITS)
    try:
        content = expanding.decompress(data, bytes_max)
    except zlib.error:
        raise SourceNeedsPersonError("what came back is damaged gzip: tell the source's administrator") from None
    if expanding.unconsumed_tail:
        raise SourceNeedsPersonError(f"an answer has more than {bytes_max} bytes: raise answer_bytes_max")
    return content
