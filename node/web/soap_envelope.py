"""SOAP messages of the node's own service: reading a call, writing an answer or a fault, in versions 1.1 and 1.2.

Reading goes through the one safe parser: no document type, no entity, nothing from elsewhere. W3C Note SOAP 1.1 and
Recommendation SOAP 1.2 part 1 are the sources of names and codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from node.errors import RecordRefusedError
from node.standard.codec import RULE_TOO_LARGE, parse_delivery
from node.web.bodies import too_large
from node.web.refusals import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
NAMESPACE: Final = "urn:yizhan:soap:1"
_MEDIA_TYPES: Final = {SOAP_11: "text/xml", SOAP_12: "application/soap+xml"}
_TRUE: Final = frozenset({"1", "true"})
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no document of XML 1.0 may hold (section 2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: the version of SOAP (its namespace), the operation, and its arguments as texts."""

    version: str
    operation: str
    arguments: Mapping[str, str]


class UnderstandError(Exception):
    """A header has to be understood, and is not (SOAP 1.1, 4.2.3)."""


def read_call(body: bytes, bytes_max: int) -> Call:
    """Return the call that a request holds; raises RequestRefusedError, or UnderstandError."""
    try:
        envelope = parse_delivery(body, bytes_max=bytes_max)
    except RecordRefusedError as error:
        problem = error.problems[0]
        if problem.rule == RULE_TOO_LARGE:
            raise too_large(bytes_max) from error
        raise _malformed("The message cannot be read.", problem.text) from error
    name = etree.QName(envelope)
    version = name.namespace or ""
    if name.localname != "Envelope" or version not in _MEDIA_TYPES:
        raise _malformed("The message is no SOAP envelope.", f"it begins with {name.localname[:80]}")
    header = envelope.find(f"{{{version}}}Header")
    if header is not None and any(_has_to_be_understood(part, version) for part in header):
        raise UnderstandError
    found = envelope.find(f"{{{version}}}Body")
    operations = [] if found is None else list(found)
    if len(operations) != 1:
        raise _malformed("The envelope holds no call.", f"its Body has {len(operations)} elements, one is meant")
    operation = etree.QName(operations[0])
    if operation.namespace != NAMESPACE:
        raise _malformed("The call is of another service.", f"its namespace is not {NAMESPACE}")
    return Call(version=version, operation=operation.localname, arguments=_arguments(operations[0]))


def _arguments(call: Any) -> dict[str, str]:
    """Return arguments by their names; their namespace is not looked at: clients of one WSDL differ in it."""
    found: dict[str, str] = {}
    for part in call:
        name = etree.QName(part).localname
        if name in found:
            raise _malformed("An argument stands twice.", name[:80])
        if len(part):
            raise _malformed("An argument holds elements.", f"{name[:80]} takes text: write < as &lt;, or use CDATA")
        found[name] = part.text or ""
    return found


def answer(version: str, operation: str, parts: Sequence[tuple[str, str | Sequence[tuple[str, str]]]]) -> bytes:
    """Return the answer to a call: ``parts`` stand in its ``return``, texts or groups of texts, in their order."""
    root, body = _envelope(version)
    response = etree.SubElement(body, f"{{{NAMESPACE}}}{operation}Response", nsmap={None: NAMESPACE})
    result = etree.SubElement(response, f"{{{NAMESPACE}}}return")
    for name, value in parts:
        _add(result, name, value)
    return _written(root)


def fault(
    version: str, *, ours: bool, text: str, detail: Sequence[tuple[str, str]] = (), understand: bool = False
) -> bytes:
    """Return a fault: ``ours`` when the node cannot answer now, ``understand`` when a header is not understood."""
    root, body = _envelope(version)
    made = etree.SubElement(body, f"{{{version}}}Fault")
    if version == SOAP_11:
        code = "MustUnderstand" if understand else "Server" if ours else "Client"
        etree.SubElement(made, "faultcode").text = f"soap:{code}"
        etree.SubElement(made, "faultstring").text = _clean(text)
        told = etree.SubElement(made, "detail") if detail else None
    else:
        code = "MustUnderstand" if understand else "Receiver" if ours else "Sender"
        value = etree.SubElement(etree.SubElement(made, f"{{{version}}}Code"), f"{{{version}}}Value")
        value.text = f"soap:{code}"
        reason = etree.SubElement(etree.SubElement(made, f"{{{version}}}Reason"), f"{{{version}}}Text")
        reason.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
        reason.text = _clean(text)
        told = etree.SubElement(made, f"{{{version}}}Detail") if detail else None
    if told is not None:
        _add(told, "refused", detail)
    return _written(root)


def fault_status(version: str, status: int) -> int:
    """Return the status of HTTP for a fault: 500 in SOAP 1.1 (6.2), in SOAP 1.2 any that fits (part 2, 7.5.2.2)."""
    return 500 if version == SOAP_11 else status


def media_type(version: str) -> str:
    """Return the Content-Type of a message."""
    return f"{_MEDIA_TYPES[version]}; charset=utf-8"


def _envelope(version: str) -> tuple[Any, Any]:
    root = etree.Element(f"{{{version}}}Envelope", nsmap={"soap": version})
    return root, etree.SubElement(root, f"{{{version}}}Body")


def _add(parent: Any, name: str, value: str | Sequence[tuple[str, str]]) -> None:
    made = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", nsmap={None: NAMESPACE})
    if isinstance(value, str):
        made.text = _clean(value)
        return
    for inner, text in value:
        _add(made, inner, text)


def _has_to_be_understood(part: Any, version: str) -> bool:
    return str(part.get(f"{{{version}}}mustUnderstand", "")).strip() in _TRUE


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _written(root: Any) -> bytes:
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))


def _malformed(what: str, why: str) -> RequestRefusedError:
    return RequestRefusedError(400, what, why=why, action="make the client anew from the WSDL: /api/v1/soap?wsdl")
