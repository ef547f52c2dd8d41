"""From a TOML file to a mapping: every key is known and of its type, or the file is refused and the place is named.

Called for the built-in mappings (``exinfo.toml``, ``up.toml``) and for a site's own files in ``<home>/mappings``.
``mapping_checks`` then compares the mapping with the standard.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import AUTOMATIC, DEPARTMENT_TYPES, GIVEN
from node.departments.dialects.dialect import Loss
from node.departments.dialects.mapping_checks import check_mapping, shape_at
from node.departments.dialects.mapping_codes import CodeTable
from node.departments.dialects.mapping_file import (
    CSV,
    FILE_FORMS,
    JSON,
    KEYS,
    XML,
    Condition,
    ElementMapping,
    MappingFile,
    RecordMapping,
    SharedElements,
    TableMapping,
    XmlForm,
)
from node.departments.dialects.mapping_section import MappingError, Section
from node.departments.dialects.time_forms import TimeForm, form_of
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAPPING_BYTES_MAX: Final = 1_048_576
"""Bytes of a mapping file. Our own choice: the built-in ones have less than a twentieth of it."""
VERSIONINGS: Final = (GIVEN, AUTOMATIC)
"""Who raises a record's version: its source, or the node when the content of a known key has changed."""
_FOLDER: Final = Path(__file__).parent
_EXTENDS_MAX: Final = 3


def built_in_mapping(name: str) -> MappingFile:
    """Return a mapping that ships with the program."""
    return load_mapping(name, _FOLDER / f"{name}.toml")


def load_mapping(name: str, path: Path) -> MappingFile:
    """Return the mapping of a file; raises ConfigurationError that names the place and says what is expected there."""
    try:
        return mapping_of(name, _document(path))
    except MappingError as error:
        raise ConfigurationError(
            f"The mapping {path} cannot be used",
            why=str(error),
            action="Correct the file: docs/reference/mapping-file.md explains every key",
        ) from error


def mapping_of(name: str, document: Mapping[str, Any]) -> MappingFile:
    """Return the mapping that a parsed TOML document holds; raises MappingError."""
    file = Section("", document, KEYS["file"])
    codes = {table: _codes(file.section("codes", KEYS["codes"], table), table) for table in file.names("codes")}
    common = _elements(file)
    ignored = file.texts("ignored")
    mapping = MappingFile(
        name=name,
        label=file.text("label"),
        english=file.text("english"),
        reads=file.words("reads", FILE_FORMS, default=(JSON, CSV)),
        xml=_xml(file),
        times=_forms(file.texts("times"), "times"),
        dates=_forms(file.texts("dates"), "dates"),
        truth=file.text_table("truth"),
        items=file.texts("items") or ("|",),
        parts=file.text("parts", default="^"),
        variants=file.texts("variants"),
        versioning=file.word("versioning", VERSIONINGS),
        codes=codes,
        tables={
            table: _table(file.section("tables", KEYS["tables"], table), table, common, ignored)
            for table in file.names("tables")
        },
        shared=_shared(file),
        own=frozenset(file.texts("own")),
        cannot_carry=tuple(
            Loss(chinese=chinese, english=english) for chinese, english in file.text_pairs("cannot_carry")
        ),
    )
    if XML in mapping.reads and mapping.xml is None:
        raise MappingError("reads: xml needs a table [xml] that says how rows stand in it")
    check_mapping(mapping)
    return mapping


def _document(path: Path, depth: int = 0) -> dict[str, Any]:
    """Return a file as parsed, laid over the built-in mapping that it extends."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAPPING_BYTES_MAX + 1)
    except OSError as error:
        raise MappingError(f"it cannot be read: {error.strerror or type(error).__name__}") from error
    if len(data) > MAPPING_BYTES_MAX:
        raise MappingError(f"it has more than {MAPPING_BYTES_MAX} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise MappingError("it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"it is not TOML: {error}") from None
    base = document.pop("extends", "")
    if not base:
        return document
    if not isinstance(base, str) or not (_FOLDER / f"{base}.toml").is_file() or not base.isalnum() or base == "csv":
        raise MappingError(f"extends: {str(base)[:40]} is not a built-in mapping (exinfo, up)")
    if depth >= _EXTENDS_MAX:
        raise MappingError("extends: too many files over one another")
    return _laid_over(_document(_FOLDER / f"{base}.toml", depth + 1), document)


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return a document with another on top: tables are joined key by key, ignored columns added, the rest replaced."""
    joined = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(joined.get(key), dict):
            joined[key] = _laid_over(joined[key], value)
        elif key == "ignored" and isinstance(value, list) and isinstance(joined.get(key), list):
            joined[key] = [*joined[key], *value]
        else:
            joined[key] = value
    return joined


def _xml(file: Section) -> XmlForm | None:
    if not file.has("xml"):
        return None
    section = file.section("xml", KEYS["xml"])
    form = XmlForm(
        roots=section.texts("roots"),
        table=section.text("table", default=""),
        name=section.text("name"),
        row=section.text("row"),
        field=section.text("field", default=""),
        field_name=section.text("field_name", default=""),
    )
    if bool(form.field) != bool(form.field_name):
        raise MappingError("xml: field and field_name belong together")
    return form


def _shared(file: Section) -> SharedElements | None:
    if not file.has("shared"):
        return None
    section = file.section("shared", KEYS["shared"])
    return SharedElements(key=section.text("key"), elements=section.texts("elements"))


def _codes(section: Section, name: str) -> CodeTable:
    variants = {one: section.text_table("variants", one) for one in section.names("variants")}
    written = {one: section.text_table("written", one) for one in section.names("written")}
    plain = section.text_table("plain") if section.has("plain") else None
    if plain is None and not variants:
        raise MappingError(f"{section.place}: it has neither plain nor variants")
    return CodeTable(
        name=name,
        label=section.text("label"),
        plain=plain,
        variants=variants,
        written={"" if one == "plain" else one: codes for one, codes in written.items()},
    )


def _table(section: Section, name: str, common: Sequence[ElementMapping], ignored: Sequence[str]) -> TableMapping:
    records = tuple(
        _record(section.item("records", place, KEYS["records"]), common) for place in range(section.count("records"))
    )
    if not records:
        raise MappingError(f"{section.place}: it has no records; a table whose rows are nothing is left out")
    table = TableMapping(
        name=name,
        label=section.text("label"),
        names=section.texts("names"),
        key=section.texts("key"),
        accepted=section.texts_table("accepted"),
        records=records,
    )
    used = {column.casefold() for column in table.columns()}
    return replace(
        table,
        ignored=frozenset(section.texts("ignored")) | {one for one in ignored if one.casefold() not in used},
    )


def _record(section: Section, common: Sequence[ElementMapping]) -> RecordMapping:
    own = _elements(section)
    record_type = section.text("type")
    return RecordMapping(
        record_type=record_type,
        when=tuple(_condition(section.item("when", place, KEYS["when"])) for place in range(section.count("when"))),
        elements=(*_added(record_type, common, own), *own),
    )


def _added(
    record_type: str, common: Sequence[ElementMapping], own: Sequence[ElementMapping]
) -> tuple[ElementMapping, ...]:
    """Return the elements that the file gives for every record, as far as this type has them and says nothing else."""
    said = {element.path for element in own}
    if record_type not in DEPARTMENT_TYPES:
        return ()
    return tuple(one for one in common if one.path not in said and shape_at(record_type, one.path) is not None)


def _condition(section: Section) -> Condition:
    given = section.flag("given")
    values = section.texts("is")
    if (given is None) == (not values):
        raise MappingError(f"{section.place}: a condition has either given or is")
    return Condition(column=section.text("column"), given=given, values=values)


def _elements(section: Section) -> tuple[ElementMapping, ...]:
    return tuple(_element(section, name) for name in section.names("elements"))


def _element(file: Section, name: str) -> ElementMapping:
    """Return where an element comes from; a bare text is the column that gives it."""
    path = tuple(name.split("/"))
    bare = file.bare("elements", name)
    if bare is not None:
        return ElementMapping(path=path, columns=(bare,))
    section = file.section("elements", KEYS["elements"], name)
    element = ElementMapping(
        path=path,
        columns=section.texts("column"),
        constant=section.text("constant", default=""),
        default=section.text("default", default=""),
        codes=section.text("codes", default=""),
        times=_forms(section.texts("times"), f"{section.place}.times"),
        dates=_forms(section.texts("dates"), f"{section.place}.dates"),
        template=section.text("template", default=""),
        digest=section.texts("digest"),
        parts=section.text_table("parts"),
    )
    if element.constant and (element.columns or element.default or element.template or element.digest):
        raise MappingError(f"{section.place}: a constant has no column, default, template or digest beside it")
    if not (element.columns or element.constant or element.default or element.template or element.digest):
        raise MappingError(f"{section.place}: it says not where the element comes from; name a column or a constant")
    return element


def _forms(texts: Sequence[str], place: str) -> tuple[TimeForm, ...]:
    try:
        return tuple(form_of(text) for text in texts)
    except ValueError as error:
        raise MappingError(f"{place}: {error}") from None
