"""The real source of the kind ``soap``: a web service on a SOAP server that others wrote."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.soap import KIND
from tests.support.soapbar_service import PASSWORD, USER, SoapbarService

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def soap_source(_folder: Path) -> Iterator[SoapSource]:
    """Start the service, and stop it at the end."""
    source = SoapSource()
    try:
        yield source
    finally:
        source.close()


class SoapSource:
    """Documents that are handed out one a page."""

    kind = KIND
    entry = "adapters.soap:KIND"
    repeats = True

    def __init__(self) -> None:
        self._service = SoapbarService()

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "wsdl": self._service.wsdl,
            "operation": "getDataXml",
            "arguments": {"page": "{page}"},
            "security": "digest",
            "security_user": USER,
            "deliver_operation": "setDataXmlToFocus",
            "deliver_success": ["1"],
            "answer_operation": "confirm",
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"security_password": PASSWORD}

    def offer(self, texts: Sequence[str]) -> None:
        self._service.documents += [f"<Records><!-- {text} --></Records>" for text in texts]

    def snapshot(self) -> object:
        service = self._service
        return list(service.documents), dict(service.taken), list(service.confirmed)

    def go_away(self) -> None:
        self._service.stop()

    def come_back(self) -> None:
        self._service.start()

    def lock_out(self) -> str:
        self._service.password = "another-one"
        return "security_password"

    def refusals(self) -> Sequence[str]:
        return [reason for _, reason in self._service.confirmed]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return [(key, xml.encode()) for key, xml in self._service.taken.items()]

    def close(self) -> None:
        self._service.stop()
