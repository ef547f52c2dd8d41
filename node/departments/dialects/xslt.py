"""XSLT dialects: a stylesheet turns XML of others into records of the standard.

A delivery is cut into cases (the elements that the stylesheet names in ``y:each``, or the document as a whole), one in
memory at a time. Each is validated by the dialect's own schema where it has one, transformed, and every element of the
resulting ``<Records>`` is a candidate of its own. The stylesheet sees nothing but the case: no file, no network, no
other document. docs/reference/dialects.md tells authors what they may use.

A refused record is kept as the whole case with a comment that names it, so that correcting the case, or the stylesheet,
and offering it again does the whole anew: what was accepted comes out as repeated.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from lxml import etree

from node.departments.candidates import AUTOMATIC, GIVEN, WHOLE_BYTES_MAX, Candidate, unreadable
from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.xml_cases import Case, CaseError, read_cases
from node.departments.dialects.xslt_functions import DIALECT_NAMESPACE
from node.departments.dialects.xslt_transformation import StylesheetError, Transformation, other_files
from node.errors import ConfigurationError, Problem, RecordRefusedError
from node.standard.codec import NAMESPACE, RULE_SCHEMA, RULE_TOO_LARGE, SHAPES, TAG_PREFIX, parse_delivery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo
    from pathlib import Path

STYLESHEET_BYTES_MAX: Final = 1_048_576
CASE_RECORDS_MAX: Final = 2_000
"""Records that one case may become. Our own choice."""
RULE_STYLESHEET: Final = "stylesheet"
"""The stylesheet of a dialect stopped, or gave something that is no records."""

_OWN: Final = f"{{{DIALECT_NAMESPACE}}}"
_REFUSED: Final = f"{_OWN}Refused"
_TEXT_MAX: Final = 400
_PROBLEMS_MAX: Final = 20
_explaining: Final = threading.Lock()
"""libxml2 compiles one schema at a time, and a schema has one log of errors."""
_BLANKS: Final = re.compile(r"\s+")
_STRUCTURE: Final = frozenset({
    "SCHEMAV_ELEMENT_CONTENT",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_4",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_1",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1",
    "SCHEMAV_CVC_COMPLEX_TYPE_4",
    "SCHEMAV_CVC_ELT_1",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Stylesheet:
    """A parsed stylesheet with what it says about itself; ``schema`` is what its cases have to follow, None: anything.

    ``each`` is the local name of the element that is one case, "" where a document is one.
    """

    name: str
    document: Any
    each: str
    schema: Any = None

    @classmethod
    def load(cls, name: str, path: Path) -> Stylesheet:
        """Read ``NAME.xsl``, and ``NAME.xsd`` beside it if there is one; raises ConfigurationError for a wrong file."""
        document = _parsed(path)
        sheet = cls(name=name, document=document, each=document.get(f"{_OWN}each", ""), schema=_schema(path))
        if found := other_files(document):
            raise _wrong(name, found)
        sheet.compiled(DialectOptions().zone)
        if sheet.said("versioning") not in {"", GIVEN, AUTOMATIC}:
            raise _wrong(name, f"y:versioning is {GIVEN} or {AUTOMATIC}")
        return sheet

    def compiled(self, zone: tzinfo) -> Transformation:
        """Return the transformation, in which times without an offset mean ``zone``; raises ConfigurationError."""
        try:
            return Transformation(self.document, zone)
        except etree.XSLTParseError as error:
            raise _wrong(self.name, str(error)) from error

    def said(self, attribute: str) -> str:
        """Return what the stylesheet says about itself in the attribute ``y:attribute``, "" when nothing."""
        return str(self.document.get(f"{_OWN}{attribute}", ""))

    def read(self, stream: BinaryIO, options: DialectOptions) -> Iterator[Candidate]:
        """Yield the records of every case as candidates."""
        transform = self.compiled(options.zone)
        cases = read_cases(stream, self.each)
        while True:
            try:
                case = next(cases, None)
            except CaseError as error:
                kept = error.kept[:WHOLE_BYTES_MAX]
                yield unreadable(error.problem, kept=kept, line=error.problem.line, complete=error.complete)
                return
            if case is None:
                return
            yield from self._candidates(case, transform, options)

    def _candidates(self, case: Case, transform: Transformation, options: DialectOptions) -> Iterator[Candidate]:
        problems = self._faults(case)
        if problems:
            yield unreadable(*problems, kept=case.kept(), line=case.line)
            return
        try:
            result = transform(case.element, variant=options.variant, system=options.system, table=options.table)
        except StylesheetError as error:
            yield self._stopped(case, f"the stylesheet of {self.name} {error}")
            return
        if result is None or result.tag != f"{TAG_PREFIX}Records":
            yield self._stopped(case, f"the stylesheet of {self.name} gave no Records for this")
            return
        records = list(islice(result.iterchildren("{*}*"), CASE_RECORDS_MAX + 1))
        if len(records) > CASE_RECORDS_MAX:
            problem = Problem(rule=RULE_TOO_LARGE, text=f"one case becomes more than {CASE_RECORDS_MAX} records")
            yield unreadable(replace(problem, line=case.line), kept=case.kept(), line=case.line)
            return
        if not records:
            yield self._stopped(case, f"the stylesheet of {self.name} made no record of this")
        for number, record in enumerate(records, start=1):
            yield self._candidate(case, number, record, len(records))

    def _candidate(self, case: Case, number: int, record: Any, count: int) -> Candidate:
        refused = record.tag == _REFUSED
        record_type = record.get("record-type", "") if refused else etree.QName(record).localname
        given = record.get("line") if refused else record.get(f"{_OWN}line")
        line = case.line_of(int(given) if given and given.isdecimal() else None)
        kept = partial(case.kept, f"{number} {record_type}".strip())
        weight = case.weight // count
        if refused:
            text = _plain("".join(record.itertext()))
            problem = Problem(rule=RULE_SCHEMA, element=record.get("element") or None, line=line, text=text)
            return Candidate(record_type=record_type, kept=kept, line=line, problems=(problem,), weight=weight)
        if not record.tag.startswith(TAG_PREFIX):
            text = f"the stylesheet of {self.name} gave {record_type[:64]}, which is not in {NAMESPACE}"
            problem = Problem(rule=RULE_STYLESHEET, line=line, text=text)
            return Candidate(record_type="", kept=kept, line=line, problems=(problem,), weight=weight)
        content = _content(record, SHAPES.get(record_type))
        return Candidate(
            record_type=record_type,
            content=content,
            kept=kept,
            line=line,
            weight=weight,
            versioning=self.said("versioning") or GIVEN,
        )

    def _faults(self, case: Case) -> list[Problem]:
        """Return where a case does not follow the dialect's schema; never with its values."""
        with _explaining:
            if self.schema is None or self.schema.validate(case.element):
                return []
            entries = list(islice(self.schema.error_log, _PROBLEMS_MAX))
        return [
            Problem(
                rule=RULE_SCHEMA,
                line=case.line_of(entry.line),
                element=re.sub(r"\[\d+\]", "", entry.path or "").strip("/")[:100] or None,
                text=_plain(entry.message) if entry.type_name in _STRUCTURE else "not what the dialect has here",
            )
            for entry in entries
        ]

    def _stopped(self, case: Case, text: str) -> Candidate:
        problem = Problem(rule=RULE_STYLESHEET, line=case.line, text=text[:_TEXT_MAX])
        return unreadable(problem, kept=case.kept(), line=case.line)


def _content(element: Any, shape: Any) -> dict[str, Any]:
    """Return what an element of the result says, empty ones left out; an element that stands twice becomes a list."""
    content: dict[str, Any] = {}
    for child in element.iterchildren("{*}*"):
        name = etree.QName(child).localname
        child_shape = shape.child(name) if shape is not None else None
        value = _content(child, child_shape) if len(child) else (child.text or "").strip()
        if not value:
            continue
        if name in content or (child_shape is not None and child_shape.repeated):
            before = content.get(name, [])
            content[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            content[name] = value
    return content


def _parsed(path: Path) -> Any:
    try:
        return parse_delivery(path.read_bytes(), bytes_max=STYLESHEET_BYTES_MAX)
    except OSError as error:
        raise _wrong(path.name, error.strerror or type(error).__name__) from error
    except RecordRefusedError as error:
        raise _wrong(path.name, error.problems[0].text) from error


def _schema(path: Path) -> Any:
    beside = path.with_suffix(".xsd")
    if not beside.is_file():
        return None
    document = _parsed(beside)
    try:
        with _explaining:
            return etree.XMLSchema(document)
    except etree.XMLSchemaParseError as error:
        raise _wrong(beside.name, str(error)) from error


def _wrong(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The dialect {name} cannot be used", why=_plain(why), action="correct the file in the folder mappings"
    )


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()[:_TEXT_MAX]
