"""The dialects that a node reads: those built in, and the site's own in the folder ``mappings`` of its home.

A site adds a dialect by putting a file there; its name is the file's, and it is read anew whenever it is used, so that
a correction needs no restart. A site's dialect never hides a built-in one, and is never guessed: deliveries name it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.dialects.built_in import BUILT_IN
from node.departments.dialects.dialect import VARIANT_MARK, Dialect, DialectOptions
from node.departments.dialects.mapped import site_dialect
from node.departments.dialects.xslt_dialects import OUT_SUFFIX, stylesheet_dialect
from node.departments.event_order import in_event_order
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.departments.candidates import Candidate

AUTO: Final = "auto"
"""Stands for the dialect that a file looks like."""
FOLDER: Final = "mappings"
"""Folder of a home with the site's own dialects."""
SITE_DIALECTS_MAX: Final = 200
"""Files of a site's folder that are looked at. Our own choice."""
LOADERS: Final[dict[str, Callable[[str, Path], Dialect]]] = {".xsl": stylesheet_dialect, ".toml": site_dialect}
"""How a file of the site becomes a dialect, by the ending of its name; raises ConfigurationError for a bad file."""

_SNIFF_BYTES: Final = 4096
_BLANKS: Final = b" \t\r\n"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_SITE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_\-]{0,39}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialects:
    """The dialects of one node; ``folder`` holds the site's own (None, or a folder that is not there: none)."""

    folder: Path | None = None

    def read(
        self, dialect: str, stream: BinaryIO, options: DialectOptions | None = None, *, records_max: int | None = None
    ) -> Iterator[Candidate]:
        """Return the candidates of a delivery, in the order in which things happened where it stands by table.

        ``dialect`` is a name, or NAME@VARIANT. Of a delivery of more than ``records_max`` (None: any number) only so
        many are read, the first as they stand. Raises UsageError for a dialect or variant that does not exist,
        ConfigurationError for a site's own whose file is wrong.
        """
        found = self.find(dialect)
        variant = dialect.partition(VARIANT_MARK)[2]
        chosen = options or DialectOptions()
        candidates = found.reads(stream, replace(chosen, variant=variant) if variant else chosen)
        first = islice(candidates, records_max)
        return in_event_order(first) if found.grouped else first

    def find(self, name: str) -> Dialect:
        """Return a dialect by NAME or NAME@VARIANT; raises as ``read`` does."""
        base, mark, variant = name.partition(VARIANT_MARK)
        found = BUILT_IN.get(base) or self._of_site(base)
        if found is None:
            raise UsageError(
                f"There is no dialect named {base[:40]!r}",
                why="no reader has that name, and no file of this node's mappings",
                action=f"Use one of: {', '.join((AUTO, *self.names()))}",
            )
        if mark and variant not in found.variants:
            named = f"the variants of {base} are {', '.join(found.variants)}" if found.variants else "it has none"
            raise UsageError(
                f"The dialect {base} has no variant {variant[:40]!r}",
                why=named,
                action="Name one of them behind @, or leave @ out",
            )
        return found

    def names(self) -> tuple[str, ...]:
        """Return the names of all dialects: the built-in ones, then the site's own in order."""
        return (*BUILT_IN, *self._site_files())

    def every(self) -> list[Dialect]:
        """Return all dialects in the order of ``names``; raises ConfigurationError for a wrong file of the site."""
        return [self.find(name) for name in self.names()]

    def by_media_type(self) -> dict[str, str]:
        """Return the dialect that a request's Content-Type stands for, by media type."""
        return {media: name for name, dialect in BUILT_IN.items() for media in dialect.media_types}

    def _of_site(self, name: str) -> Dialect | None:
        path = self._site_files().get(name)
        return None if path is None else replace(LOADERS[path.suffix](name, path), site=True)

    def _site_files(self) -> dict[str, Path]:
        """Return the site's files by dialect; what cannot be a name, or is the name of a built-in one, is left out."""
        if self.folder is None or not self.folder.is_dir():
            return {}
        files = sorted(path for path in self.folder.iterdir() if path.suffix in LOADERS and _SITE_NAME.match(path.stem))
        found: dict[str, Path] = {}
        for path in files[:SITE_DIALECTS_MAX]:
            if path.stem not in BUILT_IN and not path.stem.endswith(OUT_SUFFIX):
                found.setdefault(path.stem, path)
        return found


def read(dialect: str, stream: BinaryIO, options: DialectOptions | None = None) -> Iterator[Candidate]:
    """Return the candidates of a delivery in a built-in dialect; raises UsageError for one that does not exist."""
    return Dialects().read(dialect, stream, options)


def recognise(name: str, head: bytes) -> str:
    """Return the dialect of a file by its first bytes, and by the end of its name where they do not tell.

    Anything that is neither XML nor JSON nor told by a dialect of its own is taken for a table: its reader says what is
    wrong with it.
    """
    begin = head[:_SNIFF_BYTES].removeprefix(_UTF8_MARK).lstrip(_BLANKS)
    for dialect in BUILT_IN.values():
        if dialect.recognises is not None and dialect.recognises(name, begin):
            return dialect.name
    if begin[:1] == b"<" or (not begin and name.lower().endswith(".xml")):
        return "standard"
    if begin[:1] == b"{":
        return "json"
    return "standard" if name.lower().endswith(".xml") else "csv"
