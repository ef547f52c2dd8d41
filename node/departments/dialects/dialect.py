"""What a dialect is: a name, how its deliveries are recognised and read, and, where it has that direction, written.

Called by the registry (``node.departments.dialects``) and by every dialect, built in or a site's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from node.standard.facts import TREE_ZONE

if TYPE_CHECKING:
    from datetime import tzinfo

    from node.departments.candidates import Candidate
    from node.standard.compose import Value

RECORDS: Final = "records"
"""Kind of a dialect whose deliveries hold records of the standard, or tables with its headings."""
ROWS: Final = "rows"
"""Kind of a dialect whose deliveries hold rows of tables that are not ours: a mapping file says what they mean."""
XSLT: Final = "xslt"
"""Kind of a dialect whose deliveries are XML that a stylesheet turns into records."""
KINDS: Final = (RECORDS, ROWS, XSLT)
VARIANT_MARK: Final = "@"
"""Stands between the name of a dialect and its variant: ``exinfo@guangdong``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialectOptions:
    """What the caller knows about a delivery, beside its bytes.

    ``record_type`` is that of rows that do not say theirs, ``table`` the source's table that all rows are of (both "":
    the delivery says it); ``variant`` names the code tables where provinces differ ("": none is chosen); ``system`` is
    the name of the system whose own case numbers are meant where the delivery names none; ``zone`` is meant by times
    without an offset.
    """

    record_type: str = ""
    table: str = ""
    variant: str = ""
    system: str = ""
    zone: tzinfo = TREE_ZONE


class Written(Protocol):
    """A record as a dialect writes it: its type, and its content without Salt and Channel."""

    @property
    def record_type(self) -> str:
        """Name of the record type."""

    @property
    def content(self) -> Mapping[str, Value]:
        """Content as ``node.standard.compose`` takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One thing that a dialect cannot carry, in plain words of both languages of the screens."""

    chinese: str
    english: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedColumn:
    """One column of a source's table: what it is called there, the path of the element it fills, its codes.

    ``codes`` are pairs of code and 中文 label, as the standard has them; ``required``: the record needs the element.
    """

    source: str
    element: str
    required: bool = False
    codes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedTable:
    """One table or message of a source, and the record type that its rows become."""

    name: str
    record_type: str
    columns: tuple[DescribedColumn, ...]


Reader = Callable[[BinaryIO, DialectOptions], Iterator["Candidate"]]
Writer = Callable[[Iterable[Written], DialectOptions], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One dialect.

    ``label`` is its 中文 name and ``english`` the other; ``kind`` one of KINDS. ``endings`` are those of file names
    (``.csv``), ``media_types`` what a request says to mean this dialect. ``reads`` turns a delivery into candidates
    with bounded memory; ``writes`` turns records into a delivery, None where a dialect is read only. ``recognises``
    tells from a file's name and first bytes that it is of this dialect; None: it has to be named. ``variants`` are
    the names that may stand behind ``@``. ``typed``: its rows need not say their record type, so that it is kept with
    a refused one. ``grouped``: its files stand by table or sheet, not by time. ``tables`` tells people which column
    goes where, None where names are those of the standard. ``template`` makes an empty delivery of a record type for
    people to fill in. ``cannot_carry`` lists what is lost on the way out and in again. ``site``: it is
    a file of this node, not built in.
    """

    name: str
    label: str
    english: str
    kind: str
    endings: tuple[str, ...]
    reads: Reader
    media_types: tuple[str, ...] = ()
    writes: Writer | None = None
    recognises: Callable[[str, bytes], bool] | None = None
    variants: tuple[str, ...] = ()
    typed: bool = False
    grouped: bool = False
    tables: Callable[[], tuple[DescribedTable, ...]] | None = None
    template: Callable[[str], bytes] | None = None
    cannot_carry: tuple[Loss, ...] = ()
    site: bool = False
