"""A department's web service whose SOAP others wrote: soapbar makes its WSDL, reads the calls and checks the tokens."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

from soapbar import SoapApplication, SoapService, UsernameTokenValidator, WsgiSoapApp, soap_operation
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

USER: Final = "yizhan"
PASSWORD: Final = "wsse-password-64"


class SoapbarService:
    """Listens on a loopback port until ``stop``; ``documents`` are handed out one a page."""

    def __init__(self) -> None:
        self.password = PASSWORD
        self.documents: list[str] = []
        self.taken: dict[str, str] = {}
        self.confirmed: list[tuple[str, str]] = []
        self._port = 0
        self._server: BaseWSGIServer | None = None
        self.start()

    @property
    def wsdl(self) -> str:
        """Where it describes itself."""
        return f"http://127.0.0.1:{self._port}/hall?wsdl"

    def start(self) -> None:
        """Listen, on the same port as before."""
        self._server = make_server("127.0.0.1", self._port, self._application, threaded=True)
        self._port = self._server.port
        with warnings.catch_warnings():
            # It warns of http://, which does not leave this machine.
            warnings.simplefilter("ignore", UserWarning)
            application = SoapApplication(
                service_url=f"http://127.0.0.1:{self._port}/hall",
                security_validator=_Users(self),
                allow_plaintext_credentials=True,
            )
        application.register(_Hall(self))
        self._answered = WsgiSoapApp(application)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _application(self, environment: dict[str, Any], start: Any) -> Any:
        return self._answered(environment, start)


class _Users(UsernameTokenValidator):
    """The one account that is let in."""

    def __init__(self, service: SoapbarService) -> None:
        super().__init__()
        self._service = service

    def get_password(self, username: str) -> str | None:
        return self._service.password if username == USER else None


class _Hall(SoapService):
    """The operations, as soapbar describes and calls them."""

    __service_name__ = "Hall"
    __tns__ = "http://service.hall.example/"

    def __init__(self, service: SoapbarService) -> None:
        self._service = service

    @soap_operation()
    def getDataXml(self, page: str) -> str:  # noqa: N802 - the operation's name.
        number = int(page) - 1
        return "".join(self._service.documents[number : number + 1])

    @soap_operation()
    def setDataXmlToFocus(self, xml: str, key: str) -> str:  # noqa: N802 - the operation's name.
        self._service.taken.setdefault(key, xml)
        return "1"

    @soap_operation()
    def confirm(self, key: str, reason: str = "") -> str:
        self._service.confirmed.append((key, reason))
        return "1"
