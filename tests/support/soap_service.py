"""A department's web service in the field's form: a WSDL (document/literal), XML within texts, and UsernameToken.

It answers by hand, without zeep: what the adapter sends is read with the standard library's parser.
"""

from __future__ import annotations

import base64
import gzip
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from flask import Flask, Response, request
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.serving import BaseWSGIServer

NAMESPACE: Final = "http://service.hall.example/"
USER: Final = "yizhan"
PASSWORD: Final = "wsse-password-64"
_ENVELOPE: Final = "{http://schemas.xmlsoap.org/soap/envelope/}"
_SECURITY: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"

_OPERATIONS: Final = {
    "getDataXml": ("from", "to", "page"),
    "setDataXmlToFocus": ("xml", "key"),
    "confirm": ("key", "reason"),
}


def wsdl(address: str, *, extra: str = "") -> str:
    """Return the WSDL of the service at ``address``; ``extra`` stands in its types."""
    text = '<xs:element name="{}" type="xs:string" minOccurs="0"/>'
    requests = "".join(
        f'<xs:element name="{name}"><xs:complexType><xs:sequence>{"".join(map(text.format, parts))}'
        f'</xs:sequence></xs:complexType></xs:element><xs:element name="{name}Response"><xs:complexType><xs:sequence>'
        f'<xs:element name="return" type="tns:answer" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>'
        for name, parts in _OPERATIONS.items()
    )
    messages = "".join(
        f'<message name="{name}"><part name="parameters" element="tns:{name}"/></message>'
        f'<message name="{name}Response"><part name="parameters" element="tns:{name}Response"/></message>'
        for name in _OPERATIONS
    )
    operations = "".join(
        f'<operation name="{name}"><input message="tns:{name}"/><output message="tns:{name}Response"/></operation>'
        for name in _OPERATIONS
    )
    bound = "".join(
        f'<operation name="{name}"><soap:operation soapAction=""/><input><soap:body use="literal"/></input>'
        f'<output><soap:body use="literal"/></output></operation>'
        for name in _OPERATIONS
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:tns="{NAMESPACE}" targetNamespace="{NAMESPACE}" name="HallService">
  <types>
    <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{NAMESPACE}">
      {extra}
      <xs:complexType name="answer"><xs:sequence>
        <xs:element name="code" type="xs:string" minOccurs="0"/>
        <xs:element name="xml" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
        <xs:element name="file" type="xs:base64Binary" minOccurs="0"/>
        <xs:any processContents="lax" minOccurs="0" namespace="##other"/>
      </xs:sequence></xs:complexType>
      {requests}
    </xs:schema>
  </types>
  {messages}
  <portType name="Hall">{operations}</portType>
  <binding name="HallBinding" type="tns:Hall">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bound}
  </binding>
  <service name="HallService"><port name="HallPort" binding="tns:HallBinding">
    <soap:address location="{address}/services/hall"/>
  </port></service>
</definitions>"""


@dataclass(slots=True)
class Call:
    """One call: its operation, arguments by name, and headers of HTTP."""

    operation: str
    arguments: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)


class SoapService:
    """Listens on a loopback port until ``stop``; ``documents`` are handed out one a page.

    ``answer`` may give the whole body of another answer for a call, ``fault`` makes every call fail.
    """

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = password
        self.documents: list[str] = []
        self.taken: dict[str, str] = {}
        self.confirmed: list[dict[str, str]] = []
        self.calls: list[Call] = []
        self.answer: Callable[[Call], str | None] = lambda _: None
        self.raw: Callable[[], Response | None] = lambda: None
        self.fault: tuple[str, str] | None = None
        self.wsdl_extra = ""
        self.wsdl_address = ""
        self.port = 0
        self._server: BaseWSGIServer | None = None
        self._application = Flask("tests.soap_service")
        self._application.add_url_rule("/services/hall", view_func=self._wsdl, methods=["GET"])
        self._application.add_url_rule("/services/hall", endpoint="call", view_func=self._call, methods=["POST"])
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def wsdl(self) -> str:
        return f"{self.address}/services/hall?wsdl"

    def start(self) -> None:
        """Listen, on the same port as before."""
        server = make_server("127.0.0.1", self.port, self._application, threaded=True)
        self.port = server.port
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _wsdl(self) -> Response:
        found = self.raw()
        text = wsdl(self.wsdl_address or self.address, extra=self.wsdl_extra)
        return found or Response(text, content_type="text/xml; charset=utf-8")

    def _call(self) -> Response:
        envelope = ET.fromstring(request.get_data())
        (body,) = envelope.findall(f"{_ENVELOPE}Body")
        element = body[0]
        arguments = {part.tag.rpartition("}")[2]: part.text or "" for part in element}
        call = Call(element.tag.rpartition("}")[2], arguments, dict(request.headers))
        self.calls.append(call)
        if (found := self.raw()) is not None:
            return found
        if self.fault is not None:
            return _fault(*self.fault)
        if self.password and not self._let_in(envelope):
            return _fault("wsse:FailedAuthentication", "the user is not known")
        answered = self.answer(call)
        inner = answered if answered is not None else getattr(self, f"_{call.operation}")(arguments)
        return _envelope(f'<ns:{call.operation}Response xmlns:ns="{NAMESPACE}">{inner}</ns:{call.operation}Response>')

    def _let_in(self, envelope: Any) -> bool:
        user = envelope.findtext(f".//{_SECURITY}Username")
        password = envelope.find(f".//{_SECURITY}Password")
        return user == USER and password is not None and password.text == self.password

    def _getDataXml(self, arguments: dict[str, str]) -> str:  # noqa: N802 - the operation's name.
        number = int(arguments.get("page") or 1) - 1
        documents = self.documents[number : number + 1] if arguments.get("page") else self.documents
        return f"<return>{''.join(f'<xml>{escape(one)}</xml>' for one in documents)}</return>"

    def _setDataXmlToFocus(self, arguments: dict[str, str]) -> str:  # noqa: N802 - the operation's name.
        self.taken.setdefault(arguments["key"], arguments["xml"])
        return "<return><code>1</code></return>"

    def _confirm(self, arguments: dict[str, str]) -> str:
        self.confirmed.append(arguments)
        return "<return/>"


def packed(text: str) -> str:
    """Return a text as the field packs it: gzip in base64."""
    return base64.b64encode(gzip.compress(text.encode())).decode()


def _envelope(inner: str, status: int = 200) -> Response:
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    text = f'<soap:Envelope xmlns:soap="{envelope}"><soap:Body>{inner}</soap:Body></soap:Envelope>'
    return Response(text, status=status, content_type="text/xml; charset=utf-8")


def _fault(code: str, message: str) -> Response:
    names = f'xmlns:wsse="{_SECURITY.strip("{}")}"'
    return _envelope(
        f"<soap:Fault {names}><faultcode>{code}</faultcode><faultstring>{message}</faultstring></soap:Fault>", 500
    )


def main() -> None:
    """Hand out the files of a folder, one a page, in a process of its own; the address of the WSDL is printed."""
    service = SoapService(password="")
    service.documents = [path.read_text(encoding="utf-8") for path in sorted(Path(sys.argv[1]).iterdir())]
    sys.stdout.write(service.wsdl + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    service.stop()


if __name__ == "__main__":
    main()
