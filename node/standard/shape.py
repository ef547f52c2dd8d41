"""The shape of every element of the standard, read once from the schema files.

Composing, facts, diagnosis and the reference pages need the order of elements, their Chinese names and their privacy
marks. All of it stands in the XSDs, so nothing is written down twice: this module walks the parsed schema trees
(``node.standard.codec`` parses them) and understands exactly the constructs that our schemas use; anything else is a
mistake in the schema and raises ValueError at import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

XS = "{http://www.w3.org/2001/XMLSchema}"
MARKS = "{urn:yizhan:annotation:1}"
XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]*|[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleShape:
    """What a text value may be: ``base`` is the built-in type (``string``, ``int``, ``dateTime`` …).

    ``codes`` holds value and 中文 label of a closed table, ``codes_english`` the English label of each in the same
    order; a facet that is not set is None. ``listed``: the text is a list of such values with blanks between them.
    """

    name: str
    label: str
    note: str
    base: str
    pattern: str | None = None
    length_min: int | None = None
    length_max: int | None = None
    value_min: int | None = None
    value_max: int | None = None
    codes: tuple[tuple[str, str], ...] = ()
    codes_english: tuple[str, ...] = ()
    listed: bool = False

    @property
    def plain(self) -> bool:
        """True when a value can be shown to people: a code, a number or a time, never free text."""
        return self.base != "string" or bool(self.codes)

    def expectation(self) -> str:
        """Return for people what a value has to look like."""
        if self.codes:
            return f"one of {', '.join(value for value, _ in self.codes)}"
        if self.base in _EXPECTED:
            return _EXPECTED[self.base] + self._range()
        if self.length_max is not None:
            return f"{self.length_min or 1} to {self.length_max} characters"
        return f"the form {self.pattern}"

    def _range(self) -> str:
        if self.value_max is not None:
            return f" from {self.value_min} to {self.value_max}"
        return ""


_EXPECTED = {
    "int": "a whole number",
    "long": "a whole number",
    "decimal": "an amount such as 120.50, not negative",
    "dateTime": "a time with its offset such as 2026-01-05T09:30:00+08:00",
    "date": "a date such as 2026-01-05",
    "boolean": "true or false",
    "base64Binary": "base64",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeShape:
    """One attribute of an element."""

    name: str
    label: str
    note: str
    required: bool
    simple: SimpleShape


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementShape:
    """One element: its names, how often it stands, its marks, and either its ``simple`` value or its ``children``.

    ``label`` is the 中文 name and ``note`` the English documentation with the sources of the name. ``occurs_max`` is
    None when there is no bound. ``privacy`` is ``identity``, ``contact``, ``name`` or None. ``group`` names the group
    of elements that it came with (``CaseHeader``; "": none), ``type_name`` its named complex type ("": none).
    """

    name: str
    label: str
    note: str
    occurs_min: int
    occurs_max: int | None
    privacy: str | None
    important: bool
    simple: SimpleShape | None
    attributes: tuple[AttributeShape, ...] = ()
    children: tuple[ElementShape, ...] = ()
    group: str = ""
    type_name: str = ""

    @property
    def required(self) -> bool:
        """True when the element must stand."""
        return self.occurs_min > 0

    @property
    def repeated(self) -> bool:
        """True when it may stand more than once."""
        return self.occurs_max != 1

    def child(self, name: str) -> ElementShape | None:
        """Return the child element of that name, or None."""
        return next((child for child in self.children if child.name == name), None)

    def paths(self, prefix: str = "") -> Iterator[tuple[str, ElementShape]]:
        """Yield every element below this one with its path (``Actor/Name``), in document order."""
        for child in self.children:
            path = f"{prefix}{child.name}"
            yield path, child
            yield from child.paths(f"{path}/")


Shape = ElementShape
"""The shape of a whole record: the element itself, whose ``children`` are in document order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What records are built from, by name: groups of elements, shared complex types, simple types and code tables.

    ``files`` gives the 中文 title and the English note of each schema file.
    """

    groups: Mapping[str, ElementShape]
    types: Mapping[str, ElementShape]
    simple: Mapping[str, SimpleShape]
    files: Mapping[str, tuple[str, str]]


def english_of(name: str) -> str:
    """Return the English words of a name: ``ReviewStep`` is ``Review step``."""
    first, *others = _WORD.findall(name) or [name]
    return " ".join((first, *(word if word.isupper() and len(word) > 1 else word.lower() for word in others)))


def read_shapes(schemas: Iterable[Any]) -> dict[str, Shape]:
    """Return the shape of every global element declared in the parsed schema documents, by name."""
    reader = _Reader(schemas)
    return {name: reader.element(node) for name, node in reader.named["element"].items()}


def read_parts(schemas: Mapping[str, Any]) -> Parts:
    """Return the parts declared in the parsed schema documents, which are given by the names of their files."""
    reader = _Reader(schemas.values())
    return Parts(
        groups={name: reader.group(name) for name in reader.named["group"]},
        types={name: reader.complex_type(name) for name in reader.named["complexType"]},
        simple={name: reader.simple(name) for name in reader.named["simpleType"]},
        files={name: _documentation(schema) for name, schema in schemas.items()},
    )


class _Reader:
    """Resolves names across the files of one version."""

    def __init__(self, schemas: Iterable[Any]) -> None:
        self.named: dict[str, dict[str, Any]] = {
            kind: {} for kind in ("element", "complexType", "simpleType", "group", "attributeGroup")
        }
        for schema in schemas:
            for node in schema.iterchildren(*(XS + kind for kind in self.named)):
                self.named[node.tag.removeprefix(XS)][node.get("name")] = node
        self._simple: dict[str, SimpleShape] = {}
        self._content: dict[str, ElementShape] = {}

    def element(self, node: Any) -> ElementShape:
        if (reference := node.get("ref")) is not None:
            node = self.named["element"][reference]
        label, note = _documentation(node)
        occurs_max = node.get("maxOccurs", "1")
        return replace(
            self._typed(node),
            name=node.get("name"),
            label=label,
            note=note,
            occurs_min=int(node.get("minOccurs", "1")),
            occurs_max=None if occurs_max == "unbounded" else int(occurs_max),
            privacy=node.get(f"{MARKS}privacy"),
            important=node.get(f"{MARKS}important") == "true",
        )

    def _typed(self, node: Any) -> ElementShape:
        """Return a nameless shape with the content of the element's type."""
        type_name = node.get("type")
        if type_name is None:
            return self._complex(node.find(f"{XS}complexType"))
        if type_name not in self.named["complexType"]:
            return _nameless(simple=self.simple(type_name))
        if type_name not in self._content:
            content = self._complex(self.named["complexType"][type_name])
            self._content[type_name] = replace(content, type_name=type_name)
        return self._content[type_name]

    def group(self, name: str) -> ElementShape:
        """Return a group of elements as an element of that name."""
        node = self.named["group"][name]
        return _named(_nameless(children=tuple(self._children(node))), node)

    def complex_type(self, name: str) -> ElementShape:
        """Return a complex type as an element of that name."""
        node = self.named["complexType"][name]
        return _named(self._complex(node), node)

    def _complex(self, node: Any) -> ElementShape:
        extension = node.find(f"{XS}simpleContent/{XS}extension")
        if extension is not None:
            return _nameless(simple=self.simple(extension.get("base")), attributes=tuple(self._attributes(extension)))
        return _nameless(attributes=tuple(self._attributes(node)), children=tuple(self._children(node)))

    def _children(self, node: Any) -> Iterator[ElementShape]:
        for sequence in node.iterchildren(f"{XS}sequence"):
            for part in sequence.iterchildren(f"{XS}element", f"{XS}group"):
                if part.tag == f"{XS}group":
                    name = part.get("ref")
                    yield from (replace(child, group=name) for child in self._children(self.named["group"][name]))
                else:
                    yield self.element(part)

    def _attributes(self, node: Any) -> Iterator[AttributeShape]:
        for part in node.iterchildren(f"{XS}attribute", f"{XS}attributeGroup"):
            if part.tag == f"{XS}attributeGroup":
                yield from self._attributes(self.named["attributeGroup"][part.get("ref")])
                continue
            label, note = _documentation(part)
            yield AttributeShape(
                name=part.get("name"),
                label=label,
                note=note,
                required=part.get("use") == "required",
                simple=self.simple(part.get("type")),
            )

    def simple(self, name: str) -> SimpleShape:
        if name not in self._simple:
            self._simple[name] = self._read_simple(name)
        return self._simple[name]

    def _read_simple(self, name: str) -> SimpleShape:
        if name.startswith("xs:"):
            return SimpleShape(name=name, label="", note="", base=name.removeprefix("xs:"))
        node = self.named["simpleType"][name]
        label, note = _documentation(node)
        restriction = node.find(f"{XS}restriction")
        list_type = restriction.find(f"{XS}simpleType/{XS}list")
        parent = self.simple(restriction.get("base") if list_type is None else list_type.get("itemType"))
        facets = {facet.tag.removeprefix(XS): facet.get("value") for facet in restriction.iterchildren(f"{XS}*")}
        return SimpleShape(
            name=name,
            label=label,
            note=note,
            base=parent.base,
            pattern=facets.get("pattern", parent.pattern),
            length_min=_number(facets, "minLength", "length"),
            length_max=_number(facets, "maxLength", "length"),
            value_min=_number(facets, "minInclusive"),
            value_max=_number(facets, "maxInclusive"),
            codes=tuple((value, chinese) for value, (chinese, _) in _codes(restriction)),
            codes_english=tuple(english for _, (_, english) in _codes(restriction)),
            listed=list_type is not None,
        )


def _nameless(
    *,
    simple: SimpleShape | None = None,
    attributes: tuple[AttributeShape, ...] = (),
    children: tuple[ElementShape, ...] = (),
) -> ElementShape:
    return ElementShape(
        name="",
        label="",
        note="",
        occurs_min=1,
        occurs_max=1,
        privacy=None,
        important=False,
        simple=simple,
        attributes=attributes,
        children=children,
    )


def _documentation(node: Any) -> tuple[str, str]:
    """Return the 中文 label and the English note of a declaration."""
    texts = {"zh": "", "en": ""}
    for text in node.iterfind(f"{XS}annotation/{XS}documentation"):
        texts[text.get(XML_LANGUAGE)] = text.text or ""
    return texts["zh"], texts["en"]


def _codes(restriction: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    for value in restriction.iterchildren(f"{XS}enumeration"):
        yield value.get("value"), _documentation(value)


def _named(shape: ElementShape, node: Any) -> ElementShape:
    label, note = _documentation(node)
    return replace(shape, name=node.get("name"), label=label, note=note)


def _number(facets: Mapping[str, str], *names: str) -> int | None:
    return next((int(facets[name]) for name in names if name in facets), None)
