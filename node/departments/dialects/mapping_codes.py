"""Code tables of a mapping: which code of the source is which of the standard, and where provinces do not agree.

A table has variants, one for each way in which provinces use its codes. A delivery names the variant it means
(``exinfo@guangdong``); without one, only codes hold that mean the same in every variant that has them, unless the table
says what holds then (because a national standard fixes it).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.departments.dialects.values import CellError
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTable:
    """One code table; a code whose counterpart is "" is known and has none in the standard.

    ``plain`` holds where no variant is named (None: what all variants agree on). ``written`` gives, by variant ("" for
    none), codes under which a value goes out that comes back as another.
    """

    name: str
    label: str
    plain: Mapping[str, str] | None = None
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    written: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def chosen(self, variant: str) -> CodeReading:
        """Return the table as a delivery of ``variant`` means it; a variant that it does not have is none."""
        if variant in self.variants:
            return CodeReading(table=self, variant=variant, meanings=_single(self.variants[variant]))
        if self.plain is not None:
            return CodeReading(table=self, variant="", meanings=_single(self.plain))
        meanings: dict[str, dict[str, str]] = {}
        for name, codes in self.variants.items():
            for code, meant in codes.items():
                meanings.setdefault(code, {})[name] = meant
        return CodeReading(table=self, variant="", meanings=meanings)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReading:
    """A code table with its variant chosen: by code of the source, what each variant that counts takes it for."""

    table: CodeTable
    variant: str
    meanings: Mapping[str, Mapping[str, str]]

    def read(self, cell: str) -> str:
        """Return the code of the standard; raises CellError for a code that is unknown or means several things."""
        meant = self.meanings.get(cell)
        if meant is None:
            shown = f"{cell} " if is_harmless(cell) else ""
            known = ", ".join(sorted(self.meanings))
            raise CellError(f"the code {shown}is not one of {known}")
        if len(set(meant.values())) > 1:
            names = ", ".join(f"{name}: {value or 'no counterpart'}" for name, value in meant.items())
            raise CellError(
                f"the code {cell} means different things ({names}); name the variant behind @ in the dialect's name"
            )
        value = next(iter(meant.values()))
        if not value:
            raise CellError(f"the code {cell} has no counterpart in the standard")
        return value

    def codes_out(self) -> dict[str, str]:
        """Return the source's code by code of the standard; the first one where several mean the same."""
        out: dict[str, str] = {}
        for code, meant in self.meanings.items():
            values = set(meant.values())
            if len(values) == 1 and (value := values.pop()):
                out.setdefault(value, code)
        for value, code in self.table.written.get(self.variant, {}).items():
            out.setdefault(value, code)
        return out


def _single(codes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {code: {"": meant} for code, meant in codes.items()}
