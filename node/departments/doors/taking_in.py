"""Taking in what an adapter brought: through a dialect and the same intake as every other door.

Called by ``rounds`` with one delivery; afterwards all of its records are either in the journal or kept as refused, or
nothing is to be answered. Repeating it is harmless.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

from adapters.contract import Outcome, RowProblem
from node.departments.candidates import unreadable
from node.departments.dialects import AUTO, DialectOptions, recognise
from node.departments.failed_rows import failed_rows
from node.departments.failures import Failures, text_for_people
from node.departments.preview import preview
from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from node.departments.accept import Intake
    from node.departments.candidates import Candidate
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.messages import Brought
    from node.departments.preparing import Preparer
    from node.departments.report import ImportReport, Verdict
    from node.departments.sources import Source

RULE_TOO_LARGE: Final = "too-large"
"""A delivery of more bytes than its adapter may bring; only its beginning is kept."""
FAILED_BYTES_MAX: Final = 16 * 1024 * 1024
"""The largest file of refused records that is handed back to a source. Our own choice."""
_HEAD_BYTES: Final = 4096


class FileGoneError(Exception):
    """The file of a delivery is not there, or is no file: it comes again, or it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenIn:
    """What became of a delivery: its ``outcome``, and why nothing of it could be read at all ("": something could).

    ``name`` is what people know the delivery by.
    """

    name: str
    outcome: Outcome
    unread: str = ""

    @property
    def is_undecided(self) -> bool:
        """Whether records of it only wait, because the node is in doubt: then it is not answered."""
        return self.outcome.received > 0


def take_in(
    intake: Intake, source: Source, config: AdapterConfig, delivery: Brought, preparer: Preparer | None = None
) -> TakenIn:
    """Take in a delivery and return what became of it; ``preparer`` is that of the round, as for ``Intake.accept``.

    Raises FileGoneError when its file cannot be read, UsageError or ConfigurationError for a dialect that is not there
    or is wrong, and what ``Intake.accept`` raises.
    """
    options = _options(config, source)
    recognised = False

    def watched(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        nonlocal recognised
        for candidate in candidates:
            recognised = recognised or bool(candidate.record_type) or candidate.row is not None
            yield candidate

    with opened(delivery, config.bytes_max) as stream, Failures() as failures:
        dialect, candidates = _candidates(intake, stream, config.dialect, options, delivery)
        report = intake.accept(
            watched(candidates),
            source=_on_channel(config, source),
            dialect=dialect,
            told=failures.add,
            preparer=preparer,
        )
        unread = text_for_people(report.problems[:1]) if report.problems and not recognised else ""
        rows = None
        if not unread:
            delivered = delivery.content if delivery.file is None else delivery.file
            rows = failed_rows(
                intake.dialects, dialect, delivered, failures, options=options, bytes_max=FAILED_BYTES_MAX
            )
    return TakenIn(name=delivery.name or delivery.delivery_key, outcome=_outcome(report, rows), unread=unread)


def preview_of(
    intake: Intake,
    source: Source,
    config: AdapterConfig,
    delivery: Brought,
    told: Callable[[Verdict], None] = lambda _: None,
) -> ImportReport:
    """Return the report that taking a delivery in now would give, ``told`` of each record; nothing is kept.

    Raises as ``take_in``.
    """
    with opened(delivery, config.bytes_max) as stream:
        dialect, candidates = _candidates(intake, stream, config.dialect, _options(config, source), delivery)
        return preview(intake, candidates, source=_on_channel(config, source), dialect=dialect, told=told)


def _options(config: AdapterConfig, source: Source) -> DialectOptions:
    return DialectOptions(record_type=config.record_type, table=config.table, system=source.name)


def _on_channel(config: AdapterConfig, source: Source) -> Source:
    return source if config.channel is None else source.on_channel(config.channel)


@contextmanager
def opened(delivery: Brought, bytes_max: int) -> Iterator[BinaryIO]:
    """Give what a delivery holds; a path is opened without waiting, and only when a file of its size is there.

    Raises FileGoneError.
    """
    if delivery.file is None:
        yield BytesIO(delivery.content)
        return
    try:
        descriptor = os.open(delivery.file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise FileGoneError(error.strerror or type(error).__name__) from error
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != delivery.size or found.st_size > bytes_max:
            raise FileGoneError("it is not the file that was named")
        yield stream


def _candidates(
    intake: Intake, stream: BinaryIO, dialect: str, options: DialectOptions, delivery: Brought
) -> tuple[str, Iterable[Candidate]]:
    """Return the dialect in which a delivery is read, and what it makes of it."""
    if delivery.too_large:
        text = f"the delivery has {delivery.size:,} bytes, more than its adapter may bring (bytes_max)"
        whole = unreadable(Problem(rule=RULE_TOO_LARGE, text=text), kept=delivery.content, complete=False)
        return dialect if dialect != AUTO else recognise(delivery.name, delivery.content[:_HEAD_BYTES]), [whole]
    if dialect == AUTO:
        dialect = recognise(delivery.name, stream.read(_HEAD_BYTES))
        stream.seek(0)
    return dialect, intake.dialects.read(dialect, stream, options)


def _outcome(report: ImportReport, rows: bytes | None) -> Outcome:
    return Outcome(
        offered=report.offered,
        accepted=report.accepted,
        repeated=report.repeated,
        refused=report.refused,
        received=report.received,
        problems=tuple(
            RowProblem(rule=one.rule, text=one.text, row=one.row, line=one.line, element=one.element)
            for one in report.problems
        ),
        problems_omitted=report.problems_omitted,
        failed_rows=rows,
    )
