"""Running a stylesheet within bounds: so many steps and seconds for a case, and it reads nothing but the case.

libxslt bounds how deep templates call one another, and neither it nor lxml stops what goes on for ever at a small
depth (a template that calls itself twice), however long it takes. So every template, ``xsl:for-each`` and function of
a stylesheet begins with a call to a function of ours, which counts and looks at the clock; what it raises ends the
transformation at once. One single XPath expression is not interrupted: its time is bounded by the size of a case only.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from node.clock import MachineClock
from node.departments.dialects.xslt_functions import DIALECT_NAMESPACE, extensions

if TYPE_CHECKING:
    from datetime import tzinfo

STEPS_MAX: Final = 1_000_000
"""Templates, rounds of for-each and calls of functions that one case may take: some two seconds. Our own choice."""
SECONDS_MAX: Final = 10.0
"""Seconds that one case may take. Our own choice."""
STOPPED_MAX: Final = 3
"""Cases of one delivery at which a stylesheet is stopped; further ones are not tried. Our own choice."""

_XSL: Final = "{http://www.w3.org/1999/XSL/Transform}"
_STEPPING: Final = (f"{_XSL}template", f"{_XSL}for-each", "{http://exslt.org/functions}function")
_MUST_BE_FIRST: Final = frozenset({f"{_XSL}param", f"{_XSL}sort"})
_STEP: Final = (DIALECT_NAMESPACE, "step")
_OTHER_FILES: Final = {
    f"{_XSL}import": "reads another stylesheet: copy what it holds into this one",
    f"{_XSL}include": "reads another stylesheet: copy what it holds into this one",
    f"{_XSL}document": "writes a file: make records only",
    "{http://exslt.org/common}document": "writes a file: make records only",
}
_TEXTS: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_DOCUMENT: Final = re.compile(r"(?<![\w.:-])document\s*\(")


class StylesheetError(Exception):
    """A stylesheet did not come to its end with a case; the text says why and what to do, never with a value of it."""


class _BeyondError(Exception):
    """Raised within a transformation, to end it."""


class Transformation:
    """A compiled stylesheet, to be used for the cases of one delivery one after another."""

    def __init__(self, document: Any, zone: tzinfo) -> None:
        """Compile the root element of a stylesheet; times without an offset mean ``zone``.

        Raises etree.XSLTParseError for what is no stylesheet.
        """
        self._clock = MachineClock()
        self._steps = 0
        self._begun = 0.0
        self._stopped = 0
        self._compiled = etree.XSLT(
            _counting(document).getroottree(),
            extensions={**extensions(zone), _STEP: self._step},
            access_control=etree.XSLTAccessControl.DENY_ALL,
        )

    def __call__(self, case: Any, **given: str) -> Any:
        """Return the root element made of a case, None for none; ``given`` are the stylesheet's parameters.

        Raises StylesheetError.
        """
        if self._stopped >= STOPPED_MAX:
            raise StylesheetError(f"was stopped at {self._stopped} cases of this delivery: this one was not tried")
        self._steps, self._begun = 0, self._clock.monotonic_s()
        values = {name: etree.XSLT.strparam(value) for name, value in given.items() if value}
        try:
            return self._compiled(case, **values).getroot()
        except _BeyondError as error:
            self._stopped += 1
            raise StylesheetError(f"was stopped at this case after {error}; look for a loop in it") from None
        except etree.XSLTApplyError:
            # What a stylesheet says when it gives up may hold a value of the case: it is not repeated.
            raise StylesheetError(
                "stopped at this case: it said so itself, or its templates call one another too deep"
            ) from None

    def _step(self, _: Any) -> bool:
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise _BeyondError(f"{STEPS_MAX} steps")
        if self._clock.monotonic_s() - self._begun > SECONDS_MAX:
            raise _BeyondError(f"{SECONDS_MAX:g} seconds")
        return False


def other_files(document: Any) -> str:
    """Return which instruction of a stylesheet reads or writes a file, why it cannot, and what to do; "" for none."""
    for element in document.iter(etree.Element):
        name = etree.QName(element).localname
        if element.tag in _OTHER_FILES:
            return f"line {element.sourceline}: {element.prefix}:{name} {_OTHER_FILES[element.tag]}"
        if any(_DOCUMENT.search(_TEXTS.sub("''", value)) for value in element.attrib.values()):
            return (
                f"line {element.sourceline}: document() reads another document, and a stylesheet is given "
                "the case alone: put what is looked up into a variable of it"
            )
    return ""


def _counting(document: Any) -> Any:
    """Return a copy of a stylesheet in which all that may be repeated begins with a step."""
    counting = deepcopy(document)
    for element in list(counting.iter(*_STEPPING)):
        children = list(element)
        place = next((at for at, child in enumerate(children) if child.tag not in _MUST_BE_FIRST), len(children))
        step = etree.Element(f"{_XSL}if", nsmap={"y": DIALECT_NAMESPACE})
        step.set("test", "y:step()")
        if place:
            step.tail, children[place - 1].tail = children[place - 1].tail, None
        else:
            step.tail, element.text = element.text, None
        element.insert(place, step)
    return counting
