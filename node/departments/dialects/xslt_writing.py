"""The way back of XSLT dialects: the records of each case, in a ``<Records>``, become one document of the dialect.

The stylesheet is ``NAME-out.xsl`` beside ``NAME.xsl``; its ``y:wrap`` names the element around the cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from node.departments.dialects.dialect import Loss
from node.departments.dialects.xslt_transformation import StylesheetError
from node.errors import ConfigurationError, UsageError
from node.standard.codec import RECORD_BYTES_MAX, TAG_PREFIX, parse_unvalidated
from node.standard.compose import SALT_BYTES, compose
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.departments.dialects.dialect import DialectOptions, Written
    from node.departments.dialects.xslt import Stylesheet

_NO_SALT: Final = bytes(SALT_BYTES)
_CHANNEL: Final = "IMPORT"


@dataclass(frozen=True, slots=True)
class StylesheetWriter:
    """Writes records by a stylesheet; what the stylesheet has no place for is left out, and its page says so."""

    sheet: Stylesheet

    def __call__(self, records: Iterable[Written], options: DialectOptions) -> bytes:
        """Return one document with a case for each case number; raises UsageError when the stylesheet stops."""
        transform = self.sheet.compiled(options.zone)
        root = etree.Element(self.sheet.said("wrap") or "Cases")
        root.text = "\n"
        for case in _cases(records):
            try:
                result = transform(case)
            except StylesheetError as error:
                raise UsageError(
                    f"The stylesheet of {self.sheet.name} did not come to its end",
                    why=f"it {error}",
                    action="correct the stylesheet, or write the records in another dialect",
                ) from error
            if result is not None:
                _drop_empty(result)
                result.tail = "\n"
                root.append(result)
        return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))

    @property
    def cannot_carry(self) -> tuple[Loss, ...]:
        """Return what the stylesheet says that it has no place for; said in one language only, it stands for both.

        Raises ConfigurationError when it says more in one language than in the other.
        """
        english = self._listed("cannot-carry")
        chinese = self._listed("cannot-carry-chinese") or english
        if len(chinese) != len(english):
            raise ConfigurationError(
                f"The stylesheet {self.sheet.name} cannot be used",
                why=f"y:cannot-carry names {len(english)} things, y:cannot-carry-chinese {len(chinese)}",
                action="Say the same things in both, in the same order, with ; between them",
            )
        return tuple(Loss(chinese=one, english=other) for one, other in zip(chinese, english, strict=True))

    def _listed(self, attribute: str) -> list[str]:
        parts = self.sheet.said(attribute).replace("；", ";").split(";")
        return [" ".join(part.split()) for part in parts if part.strip()]


def _cases(records: Iterable[Written]) -> list[Any]:
    """Return a ``<Records>`` for each case, in the order in which the cases begin."""
    cases: dict[Any, Any] = {}
    for record in records:
        content = record.content
        number = content.get("CaseNo") or (content.get("OrigSystem"), content.get("OrigCaseNo"))
        case = cases.setdefault(number, etree.Element(f"{TAG_PREFIX}Records", nsmap={None: TAG_PREFIX[1:-1]}))
        channel = {"Channel": _CHANNEL} if RECORD_TYPES[record.record_type].case_record else {}
        body = compose(record.record_type, {**content, **channel}, salt=_NO_SALT)
        case.append(parse_unvalidated(body, bytes_max=RECORD_BYTES_MAX))
    return list(cases.values())


def _drop_empty(element: Any) -> bool:
    """Take out elements without text, attributes and children; tell whether this one is such."""
    for child in list(element):
        if _drop_empty(child):
            element.remove(child)
    return not len(element) and not element.attrib and not (element.text or "").strip()
