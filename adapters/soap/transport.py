"""What carries zeep's documents and messages: our own client, within the origin of the WSDL and within limits.

A WSDL may name other documents and an address for its service. They are taken from the place that the administrator
named, and from nowhere else: neither from another server nor from another folder of this machine.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zeep.transports import Transport

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.pulling.http_values import origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.pulling.http_client import HttpClient
    from adapters.soap.settings import Plan

DOCUMENTS_MAX: Final = 50
"""Documents that a WSDL may consist of. Our own choice."""
DOCUMENT_BYTES_MAX: Final = 4 * 1024 * 1024
_FAULT: Final = 500
"""SOAP 1.1 over HTTP, 6.2: a fault comes with this status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What zeep looks at in an answer."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    encoding: str = "utf-8"


class BoundTransport(Transport):
    """Loads documents and posts messages."""

    def __init__(self, client: HttpClient, plan: Plan) -> None:
        # Nothing of zeep's own session is made: every byte goes through our client.
        self.cache = None
        self.load_timeout = self.operation_timeout = plan["request_timeout_s"]
        self.session = None
        self._close_session = False
        self.logger = logging.getLogger(__name__)
        self._client = client
        self._plan = plan
        self._loaded = 0

    def load(self, url: str) -> bytes:
        """Return the WSDL, or a document that it imports."""
        self._loaded += 1
        if self._loaded > DOCUMENTS_MAX:
            raise SourceNeedsPersonError(f"the WSDL consists of more than {DOCUMENTS_MAX} documents: it is not taken")
        wsdl = self._plan["wsdl"]
        if self._plan.is_file:
            return _read(Path(str(url)), Path(wsdl))
        if origin_of(url) != origin_of(wsdl):
            raise SourceNeedsPersonError("the WSDL imports from another place: save it with its documents as files")
        content = self._client.ask("GET", url).content
        if len(content) > DOCUMENT_BYTES_MAX:
            raise SourceNeedsPersonError(f"a document of the WSDL has more than {DOCUMENT_BYTES_MAX} bytes")
        return content

    def post(self, address: str, message: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a message and return what comes back, a fault too."""
        if (
            not self._plan["endpoint"]
            and not self._plan.is_file
            and origin_of(address) != origin_of(self._plan["wsdl"])
        ):
            raise SourceNeedsPersonError("the WSDL names an address at another place: put the right one into endpoint")
        answer = self._client.ask("POST", address, headers=headers, content=message, taken={_FAULT})
        if answer.status == _FAULT and "xml" not in answer.media_type:
            raise SourceUnavailableError("the server cannot answer now (500)")
        return Reply(status_code=answer.status, headers=answer.headers, content=answer.content)

    def get(self, address: str, params: Any, headers: Mapping[str, str]) -> Reply:
        """Refuse a binding that is not SOAP."""
        del address, params, headers
        raise SourceNeedsPersonError("the port is not SOAP: name another one in port")


def _read(path: Path, wsdl: Path) -> bytes:
    resolved = path.resolve()
    if resolved.parent != wsdl.resolve().parent:
        raise SourceNeedsPersonError("the WSDL imports from another folder: put its documents beside it")
    try:
        with resolved.open("rb") as stream:
            content = stream.read(DOCUMENT_BYTES_MAX + 1)
    except OSError as error:
        raise SourceNeedsPersonError(
            f"{path.name} cannot be read ({error.strerror}): correct wsdl, or put the document beside it"
        ) from error
    if len(content) > DOCUMENT_BYTES_MAX:
        raise SourceNeedsPersonError(f"{path.name} has more than {DOCUMENT_BYTES_MAX} bytes")
    return content
