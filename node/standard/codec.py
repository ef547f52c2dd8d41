"""The one XML parser: bytes that come from outside become an element here, or are refused here with a reason.

Every record is parsed alone, from its own bytes (rule R4), by a parser that opens nothing, resolves nothing and knows
no document type; libxml2 then validates it in C; what a schema cannot say (check digits) is verified last. The schemas
are compiled when this module is imported: compiling them in several threads at once fails in libxml2.

A refusal is a RecordRefusedError whose ``problems[0].rule`` is one of the constants below. Two of them are not faults
of the record: ``RULE_UNKNOWN_TYPE`` and ``RULE_NEWER_VERSION`` say that this program is older than the record; a
receiver quarantines such a record and asks again after an upgrade (rule R8).

Called by intake (departments), by the exchange when it accepts a slice, and by everything that reads a stored record.
"""

from __future__ import annotations

import hashlib
import re
import threading
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from node.errors import Problem, RecordRefusedError
from node.standard.checks import check_digit_problems
from node.standard.families import RECORD_TYPES
from node.standard.problems import problem_of_libxml2, problem_of_xmlschema
from node.standard.resources import schema_folder
from node.standard.shape import Parts, Shape, read_parts, read_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = "1.0"
NAMESPACE: Final = "urn:yizhan:standard:1"
TAG_PREFIX: Final = f"{{{NAMESPACE}}}"
NAMESPACE_FAMILY: Final = "urn:yizhan:standard:"
RECORD_BYTES_MAX: Final = 262_144
DEPTH_MAX: Final = 32
PROBLEMS_MAX: Final = 20

RULE_TOO_LARGE: Final = "too-large"
RULE_NOT_UTF8: Final = "not-utf8"
RULE_NOT_XML: Final = "not-xml"
RULE_FORBIDDEN: Final = "forbidden"
"""DTD, entity, comment, processing instruction, CDATA, prefix or foreign attribute (rule R1)."""
RULE_TOO_DEEP: Final = "too-deep"
RULE_UNKNOWN_NAMESPACE: Final = "unknown-namespace"
RULE_UNKNOWN_TYPE: Final = "unknown-type"
RULE_NEWER_VERSION: Final = "newer-version"
RULE_UNKNOWN_VERSION: Final = "unknown-version"
RULE_SCHEMA: Final = "schema"
RULE_CHECK_DIGIT: Final = "check-digit"
RULE_CANONICAL: Final = "canonical"
DEFERRED_RULES: Final = frozenset({RULE_UNKNOWN_TYPE, RULE_NEWER_VERSION})
"""Refusals that say that this program is too old, not that the record is wrong."""

_SCHEMA_FILES: Final = (
    "types",
    "codes",
    "header",
    "catalogue",
    "case",
    "attached",
    "penalty",
    "supervision",
    "assessment",
    "statistics",
    "control",
    "package",
)
_MINOR_VERSION = re.compile(r"1\.[0-9]{1,4}\Z")
_TYPE_OF_TAG = {TAG_PREFIX + name: name for name in RECORD_TYPES}
_DELIVERY_FORBIDDEN = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def _new_parser(*, delivery: bool = False) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=delivery,
        remove_pis=delivery,
        strip_cdata=True,
        encoding=None if delivery else "utf-8",
    )


class _ParserOfThread(threading.local):
    """One parser per thread: lxml locks a parser while it works, so sharing one would serialise the threads."""

    def __init__(self) -> None:
        self.parse = etree.fromstring  # noqa: TID251 - this module is the one parser.
        self.parser = _new_parser()


def _tree(name: str) -> Any:
    return etree.parse(schema_folder(VERSION) / f"{name}.xsd", _new_parser())  # noqa: TID251 - shipped files.


def _read_schemas() -> tuple[etree.XMLSchema, etree.XMLSchema, dict[str, Shape]]:
    shapes = read_shapes(_tree(name).getroot() for name in _SCHEMA_FILES)
    return etree.XMLSchema(_tree("records")), etree.XMLSchema(_tree("records")), shapes


_local = _ParserOfThread()
_schema, _explaining_schema, _shapes = _read_schemas()
_explaining = threading.Lock()
SHAPES: Mapping[str, Shape] = MappingProxyType(_shapes)
"""Shape of every global element of this version: record types, ``Head``, ``Checkpoint``, ``Receipt``, ``Package``."""


@cache
def schema_parts() -> Parts:
    """Return what this version's records are built from: groups, types and code tables, with what they are called."""
    return read_parts({name: _tree(name).getroot() for name in _SCHEMA_FILES})


def parse_record(body: bytes) -> Any:
    """Return the element of one valid record; ``body`` is its exact bytes, at most ``RECORD_BYTES_MAX``.

    Raises RecordRefusedError; see the rules above. Canonical form is not asked here (``check_canonical``).
    """
    element = parse_unvalidated(body)
    if body.find(b"xmlns:") >= 0:
        _refuse_prefixes(element)
    record_type_name = _TYPE_OF_TAG.get(element.tag)
    if record_type_name is None or element.get("Version") != VERSION:
        raise _refused(_problem_of_root(element))
    if not _schema.validate(element):
        raise _refused(*_schema_problems(element))
    problems = check_digit_problems(record_type_name, element)
    if problems:
        raise _refused(*problems)
    return element


def parse_unvalidated(body: bytes, *, bytes_max: int = RECORD_BYTES_MAX) -> Any:
    """Return the element that ``body`` holds without asking a schema: a package's Head, a record of a newer version.

    Prefixes are let through (an XML Signature has them). Raises RecordRefusedError with the rules ``too-large``,
    ``not-utf8``, ``not-xml``, ``forbidden``; depth is bounded by libxml2 at 256.
    """
    if len(body) > bytes_max:
        raise _refused(Problem(rule=RULE_TOO_LARGE, text=f"{len(body)} bytes; at most {bytes_max} are allowed"))
    if _has_forbidden(body):
        raise _refused(_problem_of_forbidden(body))
    try:
        return _local.parse(body, _local.parser)
    except etree.XMLSyntaxError as error:
        raise _refused(_problem_of_syntax(body, error)) from None


def parse_delivery(body: bytes, *, bytes_max: int) -> Any:
    """Return the root element of XML that a department sent: a prologue, another encoding and comments are let through.

    It is never stored as it is: the caller reads its values and composes records. Comments and processing instructions
    are dropped. Raises RecordRefusedError with ``too-large``, ``not-xml``, ``forbidden`` (document type, entities) or
    ``too-deep``.
    """
    if len(body) > bytes_max:
        raise _refused(Problem(rule=RULE_TOO_LARGE, text=f"{len(body)} bytes; at most {bytes_max} are allowed"))
    if _DELIVERY_FORBIDDEN.search(body):
        raise _refused(Problem(rule=RULE_FORBIDDEN, text="a document type or entity is not allowed"))
    try:
        element = _local.parse(body, _new_parser(delivery=True))
    except etree.XMLSyntaxError as error:
        raise _refused(_problem_of_syntax(body, error)) from None
    if element.getroottree().docinfo.internalDTD is not None:
        raise _refused(Problem(rule=RULE_FORBIDDEN, text="a document type is not allowed"))
    if _deeper_than(element, DEPTH_MAX):
        raise _refused(_too_deep())
    return element


def validate_head(element: Any) -> None:
    """Validate a package-level element (``Head``, ``Checkpoint``, ``Receipt``); raises RecordRefusedError."""
    if not _schema.validate(element):
        raise _refused(*_schema_problems(element))


def check_canonical(body: bytes, element: Any) -> None:
    """Refuse a record whose bytes are not their own exclusive C14N 1.0 with the namespace as default (rule R1).

    ``element`` is what ``parse_record`` made of ``body``. Raises RecordRefusedError with rule ``canonical``.
    """
    if etree.tostring(element, method="c14n", exclusive=True) != body:
        raise _refused(
            Problem(rule=RULE_CANONICAL, element=_local_name(element), text="the bytes are not in canonical form")
        )
    if not body.startswith(b'<%b xmlns="%b"' % (_local_name(element).encode(), NAMESPACE.encode())):
        raise _refused(
            Problem(rule=RULE_CANONICAL, element=_local_name(element), text="the namespace is not the default one")
        )


def leaf_hash(body: bytes) -> bytes:
    """Return the leaf hash of a record: SHA-256(0x00 ‖ bytes), after RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\0" + body).digest()


def record_type(element: Any) -> str:
    """Return the local name of a record's element: its type."""
    return _local_name(element)


def diagnose(body: bytes) -> tuple[Problem, ...]:
    """Return every problem of a record, found by the second validator (xmlschema), for people; empty when valid.

    Slower than ``parse_record`` by far: for refused deliveries only. Never holds values of free text or of elements
    with a privacy mark.
    """
    try:
        element = parse_record(body)
    except RecordRefusedError as error:
        if error.problems[0].rule != RULE_SCHEMA:
            return error.problems
        element = parse_unvalidated(body)
        return _second_opinion(element) or error.problems
    return _second_opinion(element)


def second_schema() -> Any:
    """Return the schemas compiled by xmlschema (``XMLSchema10``), once per process; takes about half a second."""
    with _explaining:
        return _second_schema()


_second: list[Any] = []


def _second_schema() -> Any:
    if not _second:
        import xmlschema  # noqa: PLC0415 - costs start-up time that a running node rarely needs.

        _second.append(xmlschema.XMLSchema10(str(schema_folder(VERSION) / "records.xsd")))
    return _second[0]


def _second_opinion(element: Any) -> tuple[Problem, ...]:
    with _explaining:
        problems: dict[Problem, None] = {}
        for error in _second_schema().iter_errors(element):
            problems[problem_of_xmlschema(error, element, SHAPES)] = None
            if len(problems) >= PROBLEMS_MAX:
                break
        return tuple(problems)


def _schema_problems(element: Any) -> tuple[Problem, ...]:
    """Return what libxml2 says, from a validator of its own: the error log of the shared one mixes threads."""
    if _deeper_than(element, DEPTH_MAX):
        return (_too_deep(),)
    with _explaining:
        _explaining_schema.validate(element)
        problems = {problem_of_libxml2(entry, element, SHAPES): None for entry in _explaining_schema.error_log}
    return tuple(problems)[:PROBLEMS_MAX]


def _problem_of_root(element: Any) -> Problem:
    """Say why an element cannot be a record of this version; the faults of the record come before our own age."""
    name = _local_name(element)[:64]
    namespace = etree.QName(element).namespace or ""
    if _deeper_than(element, DEPTH_MAX):
        return _too_deep()
    if namespace != NAMESPACE:
        hint = (
            "another major version of the standard" if namespace.startswith(NAMESPACE_FAMILY) else "not the standard's"
        )
        return Problem(
            rule=RULE_UNKNOWN_NAMESPACE,
            element=name,
            line=1,
            text=f"namespace {namespace[:80]!r} is {hint}; expected {NAMESPACE!r}",
        )
    version = element.get("Version")
    if version is None:
        return Problem(rule=RULE_SCHEMA, element=name, line=1, text="the attribute Version is missing")
    if not _MINOR_VERSION.match(version):
        return Problem(rule=RULE_UNKNOWN_VERSION, element=name, line=1, text=f"version {version[:10]!r} is not known")
    if version != VERSION:
        return Problem(
            rule=RULE_NEWER_VERSION,
            element=name,
            line=1,
            text=f"version {version} is newer than {VERSION}; it is read after an upgrade",
        )
    return Problem(rule=RULE_UNKNOWN_TYPE, element=name, line=1, text=f"{name} is not a record type of {VERSION}")


def _has_forbidden(body: bytes) -> bool:
    """Tell whether ``<!`` or ``<?`` stands in the bytes: exact, since text and attributes have to escape ``<``.

    The rare single characters are looked for first: that is one memchr each instead of a stop at every tag.
    """
    return (body.find(b"!") >= 0 and body.find(b"<!") >= 0) or (body.find(b"?") >= 0 and body.find(b"<?") >= 0)


def _refuse_prefixes(element: Any) -> None:
    """Refuse prefixes: exact, but a walk, so only done when the bytes hold ``xmlns:`` (as markup or as text)."""
    for node in element.iter():
        if node.prefix is not None or any(prefix is not None for prefix in node.nsmap):
            raise _refused(
                Problem(
                    rule=RULE_FORBIDDEN,
                    element=_local_name(node),
                    line=node.sourceline,
                    text="namespace prefixes (xsi: included) are not allowed; declare the namespace as default",
                )
            )


def _problem_of_forbidden(body: bytes) -> Problem:
    found = min(place for place in (body.find(b"<!"), body.find(b"<?")) if place >= 0)
    start = body[found : found + 9]
    if start.startswith(b"<?"):
        what = "a processing instruction or XML declaration"
    elif start.startswith(b"<!--"):
        what = "a comment"
    elif start.startswith(b"<![CDATA["):
        what = "a CDATA section"
    else:
        what = "a document type or entity"
    return Problem(rule=RULE_FORBIDDEN, line=body.count(b"\n", 0, found) + 1, text=f"{what} is not allowed")


def _problem_of_syntax(body: bytes, error: etree.XMLSyntaxError) -> Problem:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        line = body.count(b"\n", 0, undecodable.start) + 1
        return Problem(rule=RULE_NOT_UTF8, line=line, text=f"not UTF-8 at byte {undecodable.start + 1}")
    line, column = error.position
    place = f"at line {line or 1}, column {column}"
    if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT and "epth" not in str(error):
        return Problem(rule=RULE_NOT_XML, line=line or 1, text=f"a text of more than 10,000,000 characters {place}")
    return Problem(rule=RULE_NOT_XML, line=line or 1, text=f"not well-formed XML {place}")


def _deeper_than(element: Any, depth_max: int) -> bool:
    level = [element]
    for _ in range(depth_max):
        level = [child for node in level for child in node]
        if not level:
            return False
    return True


def _too_deep() -> Problem:
    return Problem(rule=RULE_TOO_DEEP, text=f"elements nest deeper than {DEPTH_MAX}")


def _local_name(element: Any) -> str:
    tag: str = element.tag
    return tag.rpartition("}")[2]


def _refused(*problems: Problem) -> RecordRefusedError:
    return RecordRefusedError(
        "the record is refused", problems, action="correct the record at its source and send it again"
    )
