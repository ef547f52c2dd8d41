"""Pages from subjects: one folder of static HTML for each language, the same bytes every time.

The pages need nothing from outside: style and scripts lie beside them, so they work from a disk, and on a node's face
under its content security policy (no script and no style inside a page).
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects.built_in import BUILT_IN
from node.departments.rules import rule_words
from node.standard import identifiers
from node.standard.codec import DEPTH_MAX, NAMESPACE, RECORD_BYTES_MAX, VERSION
from node.standard.examples import CASE_NUMBER, CITIZEN_NUMBER, CREDIT_CODE, DIVISION, TIME, value_of
from node.standard.shape import english_of
from node.web.reference.samples import sample_path, writable
from node.web.reference.subjects import Record, Subjects, rows_of, subjects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.departments.dialects.dialect import Dialect
    from node.standard.shape import SimpleShape
    from node.web.reference.subjects import Row

LANGUAGES: Final = {"zh": "zh-CN", "en": "en"}
"""Folder of each language, and its tag (BCP 47)."""
MARKS: Final = ("name", "identity", "contact", "important")

_FOLDER: Final = Path(__file__).parent
_SINGLE_PAGES: Final = (
    ("index.html", "home.html", "title"),
    ("introduction.html", "", "introduction"),
    ("parts.html", "shared_parts.html", "parts"),
    ("elements.html", "elements.html", "elements"),
    ("types.html", "types.html", "types"),
    ("codes.html", "codes.html", "codes"),
    ("checks.html", "checks.html", "checks"),
    ("marks.html", "marks.html", "marks"),
    ("authority.html", "authority.html", "authority"),
    ("dialects.html", "dialects.html", "dialects"),
    ("rules.html", "rules.html", "rules"),
    ("envelope.html", "envelope.html", "envelope"),
)
"""Address, template and title (a key of ``words.toml``) of the pages of which there is one for each language."""
_SOURCE_NAMES: Final = {"Guangdong": {"zh": "广东"}, "Shandong": {"zh": "山东"}}
"""What sources that the schema names in English are called in other languages."""
_CHECK_FIGURES: Final = {
    "GB 32100": (
        ("check_alphabet", identifiers.CREDIT_ALPHABET),
        ("check_weights", " ".join(map(str, identifiers.CREDIT_WEIGHTS))),
        ("check_example", CREDIT_CODE),
    ),
    "GB 11643": (
        ("check_alphabet", identifiers.CITIZEN_CHECKS),
        ("check_weights", " ".join(map(str, identifiers.CITIZEN_WEIGHTS))),
        ("check_example", CITIZEN_NUMBER),
    ),
    "GB 11714": (
        ("check_alphabet", identifiers.ALPHANUMERIC),
        ("check_weights", " ".join(map(str, identifiers.ORGANISATION_WEIGHTS))),
        ("check_example", CREDIT_CODE[8:17]),
    ),
}
"""Alphabet, weights and an example of each standard, from the functions that verify it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of one language: its address below the language's folder and its title."""

    path: str
    title: str

    @property
    def up(self) -> str:
        """Return what leads from the page to its language's folder."""
        return "../" * self.path.count("/")


@cache
def words() -> Mapping[str, Any]:
    """Return the words around what the schema says, as ``words.toml`` has them: [中文, English] by table and name."""
    return tomllib.loads((_FOLDER / "words.toml").read_text(encoding="utf-8"))


def reference_files() -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every file of the pages: the choice of language, the assets, then each language."""
    environment = _environment()
    alone = {"version": VERSION, "division": DIVISION}
    yield "index.html", _rendered(environment, "choice.html", alone)
    for readme in ("README.md", "README.zh.md"):
        yield readme, _rendered(environment, readme, alone)
    for asset in sorted((_FOLDER / "assets").iterdir()):
        yield f"assets/{asset.name}", asset.read_bytes()
    for folder in LANGUAGES:
        yield from _files_of(environment, folder)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _files_of(environment: Environment, folder: str) -> Iterator[tuple[str, bytes]]:
    known = subjects()
    shared = _shared(folder, known)
    spoken = shared["w"]
    families = {family.name: family for family in known.families}
    for path, template, title in _SINGLE_PAGES:
        page = Page(path=path, title=getattr(spoken, title))
        context = {**shared, "page": page, "up": page.up}
        yield f"{folder}/{path}", _rendered(environment, template or f"introduction.{folder}.html", context)
    for dialect in BUILT_IN.values():
        if dialect.tables is not None:
            page = Page(path=f"dialects/{dialect.name}.html", title=f"{shared['label_of'](dialect)} {dialect.name}")
            context = {**shared, "page": page, "up": page.up, "dialect": dialect, "tables": dialect.tables()}
            yield f"{folder}/{page.path}", _rendered(environment, "dialect.html", context)
    for record in known.records.values():
        page = Page(path=f"records/{record.name}.html", title=f"{shared['label_of'](record)} {record.name}")
        context = {**shared, "page": page, "up": page.up, "record": record, "family": families[record.kind.family]}
        yield f"{folder}/{page.path}", _rendered(environment, "record.html", context)
    yield f"{folder}/search-index.js", _search_index(known, spoken)


def _rendered(environment: Environment, template: str, context: Mapping[str, Any]) -> bytes:
    return environment.get_template(template).render(context).encode()


def _shared(folder: str, known: Subjects) -> dict[str, Any]:
    """Return what every page of one language may use."""
    place = list(LANGUAGES).index(folder)
    other = next(name for name in LANGUAGES if name != folder)
    spoken = {table: {name: pair[place] for name, pair in entries.items()} for table, entries in words().items()}
    return {
        "w": _Words(**spoken["words"]),
        "base": spoken["base"],
        "audience": spoken["audience"],
        "audience_names": list(spoken["audience"]),
        "authority_words": spoken["authority_words"],
        "kinds": spoken["kinds"],
        "check_words": spoken["check_words"],
        "check_figures": _CHECK_FIGURES,
        "folder": folder,
        "language": LANGUAGES[folder],
        "other": other,
        "other_language": LANGUAGES[other],
        "menu": [(path, spoken["words"]["home" if title == "title" else title]) for path, _, title in _SINGLE_PAGES],
        "subjects": known,
        "shared": (*known.parts.groups.values(), *known.parts.types.values()),
        "dialects": tuple(BUILT_IN.values()),
        "mark_names": MARKS,
        "rules": [(name, one.what[place], one.fix[place]) for name, one in sorted(rule_words().items())],
        "table_names": frozenset(simple.name for simple in known.codes),
        "type_names": frozenset(simple.name for simple in known.types),
        "label_of": lambda subject: _label(subject, folder),
        "loss_of": lambda loss: loss.chinese if folder == "zh" else loss.english,
        "source_name": lambda system: _SOURCE_NAMES.get(system, {}).get(folder, system),
        "simple_types": _simple_types,
        "value_of": lambda simple: value_of(simple, simple.label),
        "rows_of": lambda shape: tuple(rows_of(shape)),
        "anchor_of": _anchor,
        "element_link": _element_link,
        "samples_of": _samples,
        "version": VERSION,
        "namespace": NAMESPACE,
        "record_bytes_max": RECORD_BYTES_MAX,
        "depth_max": DEPTH_MAX,
        "time_example": TIME,
        "case_number": CASE_NUMBER,
        "department_types": len(DEPARTMENT_TYPES),
    }


class _Words(SimpleNamespace):
    """Words by attribute, and by name where a template makes the name."""

    def __getitem__(self, name: str) -> str:
        return str(getattr(self, name))


def _label(subject: Any, folder: str) -> str:
    """Return what a record, family, part or dialect is called in one language."""
    if isinstance(subject, Record):
        return subject.kind.label if folder == "zh" else subject.english
    english = getattr(subject, "english", "") or english_of(subject.name)
    name = english[:1].upper() + english[1:]
    return str(subject.label) if folder == "zh" else name


def _simple_types(places: Iterable[tuple[str, Row]]) -> list[SimpleShape]:
    found = {row.shape.simple.name: row.shape.simple for _, row in places if row.shape.simple is not None}
    return list(found.values())


def _anchor(path: str) -> str:
    """Return the anchor of an element's row by its path; an attribute stands in the row of its element."""
    element = path.partition("@")[0]
    return element.replace("/", ".") or "attributes"


def _element_link(record_type: str, path: str) -> Markup:
    """Return an element of a record type as a link to its row, where it has one; an expression has none."""
    anchor = path.replace(".", "/").replace("/", ".")
    known = subjects().records[record_type]
    if any(row.path.replace("/", ".") == anchor for row in (*known.header, *known.own)):
        return Markup('<a href="../records/{}.html#{}"><code>{}</code></a>').format(record_type, anchor, path)
    return Markup("<code>{}</code>").format(path)


def _samples(dialect: Dialect) -> list[tuple[str, str]]:
    """Return path and name of each sample in a dialect: one for each of its variants."""
    return [(sample_path(name), name) for name in writable() if name.partition("@")[0] == dialect.name]


def _search_index(known: Subjects, spoken: Any) -> bytes:
    entries = list(_search_entries(known, spoken))
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    return f"window.yizhanIndex = [\n{lines}\n];\n".encode()


def _search_entries(known: Subjects, spoken: Any) -> Iterator[tuple[str, str, str]]:
    """Yield words, what they are, and the address, of everything that has a page or an entry."""
    for record in known.records.values():
        yield f"{record.name} {record.kind.label} {record.english}", spoken.records, f"records/{record.name}.html"
    for name, places in known.elements.items():
        labels = " ".join(dict.fromkeys(row.shape.label for _, row in places))
        yield f"{name} {labels}", spoken.elements, f"elements.html#{name}"
    for simple in known.types:
        yield f"{simple.name} {simple.label}", spoken.types, f"types.html#{simple.name}"
    for simple in known.codes:
        yield f"{simple.name} {simple.label}", spoken.codes, f"codes.html#{simple.name}"
        for (code, label), english in zip(simple.codes, simple.codes_english, strict=True):
            yield f"{code} {label} {english}", f"{spoken.codes} {simple.name}", f"codes.html#{simple.name}-{code}"
    for part in (*known.parts.groups.values(), *known.parts.types.values()):
        yield f"{part.name} {part.label}", spoken.parts, f"parts.html#{part.name}"
    for path, _, title in _SINGLE_PAGES:
        yield getattr(spoken, title), spoken.contents, path
