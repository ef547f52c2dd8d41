"""The files that ``yizhan import`` leaves beside its report: a result per record, and the failed rows."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from node.cli.output import say
from node.departments.failed_rows import check_writable, write_failed_rows
from node.departments.failures import Failures
from node.departments.results import FORMS
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.cli.frame import Frame
    from node.departments.dialects import Dialects
    from node.departments.importing import DeliveredFile
    from node.departments.report import Verdict
    from node.departments.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The files that are asked for; None where one is not."""

    results: Path | None = None
    failed_rows: Path | None = None

    def check(self, dialects: Dialects, delivered: DeliveredFile, path: Path) -> None:
        """Raise UsageError, before anything is taken in, when one of the files cannot be written."""
        if self.results is not None and self.results.suffix.lower() not in FORMS:
            raise UsageError(
                f"The results cannot be written to {self.results.name}",
                why="the ending of its name says no form in which there are results",
                action=f"Name a file that ends in one of: {', '.join(FORMS)}",
            )
        for wanted in (self.results, self.failed_rows):
            if wanted is not None and (wanted == path or (wanted.exists() and wanted.samefile(path))):
                raise UsageError(
                    f"{wanted} is the file that is taken in",
                    why="it would be overwritten by what is written about it",
                    action="Name another file",
                )
        if self.failed_rows is None:
            return
        check_writable(dialects, delivered.dialect)
        if not delivered.stream.seekable():
            raise UsageError(
                "The failed rows of a pipe cannot be written",
                why="the delivery has to be read a second time for it",
                action="Save the delivery as a file first",
            )


class ImportFiles:
    """The files under way: give each verdict to ``add``, then ``finish``; a context manager that leaves no halves."""

    def __init__(self, frame: Frame, wanted: Wanted) -> None:
        self._frame = frame
        self._wanted = wanted
        self._held = ExitStack()
        self._results: Results | None = None
        self._failures: Failures | None = None

    def __enter__(self) -> Self:
        if self._wanted.results is not None:
            output = self._held.enter_context(written(self._wanted.results))
            self._results = FORMS[self._wanted.results.suffix.lower()](output)
        if self._wanted.failed_rows is not None:
            self._failures = self._held.enter_context(Failures())
        return self

    def __exit__(self, *failure: object) -> None:
        self._held.__exit__(*failure)  # type: ignore[arg-type] # Python hands over what it wants back.

    def add(self, verdict: Verdict) -> None:
        """Take note of the next verdict."""
        if self._results is not None:
            with _words(self._wanted.results):
                self._results.add(verdict)
        if self._failures is not None:
            with _words(self._wanted.failed_rows):
                self._failures.add(verdict)

    def finish(self, delivered: DeliveredFile) -> None:
        """Write what is left to write, the failed rows out of the delivery read again, and tell people."""
        if self._results is not None:
            with _words(self._wanted.results):
                self._results.end()
            say(self._frame, f"逐条结果：{self._wanted.results}", f"A result per record: {self._wanted.results}")
        if self._failures is not None and self._wanted.failed_rows is not None:
            self._write_failed(self._wanted.failed_rows, delivered, self._failures)

    def _write_failed(self, path: Path, delivered: DeliveredFile, failures: Failures) -> None:
        rows, left_out = 0, failures.count
        if failures.count:
            delivered.stream.seek(0)
            with written(path) as output:
                done = write_failed_rows(
                    delivered.dialect, delivered.stream, failures, output, options=delivered.options
                )
                rows, left_out = done.rows, done.left_out
        if rows:
            say(self._frame, f"拒收的 {rows} 条：{path}", f"The {rows} refused records: {path}")
        else:
            say(self._frame, f"没有可写入 {path} 的行。", f"There is no row to write to {path}.")
        if left_out:
            say(
                self._frame,
                f"另有 {left_out} 处问题属于整个文件或工作表（或超长的行），不在其中；请在原文件中改正。",
                f"{left_out} refusals are about the file or a sheet as a whole, or a row that is too long, and are not "
                "in it: correct the delivery itself.",
            )


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears under its name when all of it is written, and not at all when it is empty or fails.

    Raises UsageError when it cannot be written.
    """
    with _words(path):
        number, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        file = os.fdopen(number, "w+b")
    made = Path(name)
    try:
        with file:
            yield file
            with _words(path):
                file.flush()
                size = file.tell()
        if size:
            with _words(path):
                made.replace(path)
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def _words(path: Path | None) -> Iterator[None]:
    """Say which file could not be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The file {path} cannot be written",
            why=error.strerror or type(error).__name__,
            action="Check the folder, who may write there, and its room",
        ) from error
