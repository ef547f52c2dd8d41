"""Dialects made of stylesheets: those that ship with the program, and a site's own files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from node.departments.dialects.described import StylesheetTables
from node.departments.dialects.dialect import XSLT, Dialect
from node.departments.dialects.xslt import Stylesheet
from node.departments.dialects.xslt_writing import StylesheetWriter

OUT_SUFFIX: Final = "-out"
"""Ends the name of the stylesheet that is the way back of a dialect: ``NAME-out.xsl``."""
_COOPERATION: Final = re.compile(rb"<Cooperations?[\s/>]")


def stylesheet_dialect(name: str, path: Path) -> Dialect:
    """Return the dialect of ``NAME.xsl``, with what stands beside it: ``NAME.xsd`` and ``NAME-out.xsl``.

    Raises ConfigurationError when one of them cannot be used.
    """
    sheet = Stylesheet.load(name, path)
    back = path.with_stem(f"{path.stem}{OUT_SUFFIX}")
    writer = StylesheetWriter(Stylesheet.load(back.stem, back)) if back.is_file() else None
    return Dialect(
        name=name,
        label=sheet.said("label") or name,
        english=sheet.said("english") or name,
        kind=XSLT,
        endings=(".xml",),
        reads=sheet.read,
        writes=writer,
        tables=StylesheetTables(sheet.document),
        variants=tuple(sheet.said("variants").split()),
        cannot_carry=writer.cannot_carry if writer is not None else (),
    )


def cooperation() -> Dialect:
    """Return the built-in dialect ``cooperation``."""
    made = stylesheet_dialect("cooperation", Path(__file__).parent / "cooperation.xsl")
    return replace(
        made,
        media_types=("application/vnd.yizhan.cooperation+xml",),
        recognises=lambda _, begin: begin.startswith(b"<") and _COOPERATION.search(begin) is not None,
    )
