"""The page for whole tables: upload one, look at what would become of its rows, take it in, fetch the failed rows."""

from __future__ import annotations

from io import BytesIO
from pathlib import PurePath
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from flask import Response, request, send_file, url_for

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.entry.uploads import OTHERS_SHOWN_MAX, RECORDS_MAX, REFUSED_SHOWN_MAX, Upload
from node.departments.rules import rule_words
from node.errors import TryLaterError, YizhanError
from node.standard.families import RECORD_TYPES
from node.web.entry.desk import limit_words, see
from node.web.refusals import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.departments.entry.uploads import UploadOutcome
    from node.web.entry.desk import Desk

_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
    "standard": "application/xml",
}


class UploadViews:
    """Views of the upload of a session."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def show(self) -> str:
        """Show the upload under way, or where to choose a file."""
        return self._page()

    def take(self) -> Response | tuple[str, int]:
        """Take a file and look at it."""
        given = request.files.get("file")
        if given is None or not given.filename:
            return self._page(wrong=("请选择一个文件", "Choose a file")), 422
        record_type = request.form.get("record_type", "")
        name = PurePath(given.filename.replace("\\", "/")).name

        def look() -> None:
            stream = cast("BinaryIO", TemporaryFile())  # noqa: SIM115 - closed with the upload.
            given.save(stream)
            stream.seek(0)
            known = record_type if record_type in DEPARTMENT_TYPES else ""
            upload = Upload(name, stream, record_type=known, system=self._desk.source.name)
            self._desk.sessions.hold(self._desk.session, upload)
            upload.look(self._desk.intake, self._desk.source)

        return self._alone(look)

    def confirm(self) -> Response | tuple[str, int]:
        """Take the upload in."""
        upload = self._desk.session.upload
        if upload is None:
            return see(url_for("entry.upload"))

        def take_in() -> None:
            with self._desk.counted(upload.outcome.report.offered if upload.outcome else 0):
                upload.take_in(self._desk.intake, self._desk.source)

        return self._alone(take_in)

    def discard(self) -> Response | tuple[str, int]:
        """Let the upload go."""
        return self._alone(lambda: self._desk.sessions.hold(self._desk.session, None))

    def failed_rows(self) -> Response:
        """Return the failed rows of the last look or import, in the form in which they came."""
        upload, outcome = self._outcome()
        if outcome.failed is None:
            self._desk.refuse(
                404, "没有拒收的行，或这种文件不能逐行取出", "No row failed, or this form of file has none"
            )
        name = PurePath(upload.name)
        outcome.failed.seek(0)
        return _file(outcome.failed.read(), f"{name.stem}-拒收{name.suffix}", _MEDIA_TYPES[upload.dialect])

    def results(self) -> Response:
        """Return a result per record of the last look or import, as a table."""
        upload, outcome = self._outcome()
        outcome.results.seek(0)
        return _file(outcome.results.read(), f"{PurePath(upload.name).stem}-结果.csv", "text/csv; charset=utf-8")

    def _outcome(self) -> tuple[Upload, UploadOutcome]:
        upload = self._desk.session.upload
        if upload is None or upload.outcome is None:
            self._desk.refuse(
                404, "本次登录没有上传文件，或已放弃", "Nothing was uploaded in this session, or it was let go"
            )
        return upload, upload.outcome

    def _alone(self, work: Callable[[], object]) -> Response | tuple[str, int]:
        """Do something with the upload, one request of the session at a time, and show the page again."""
        session = self._desk.session
        if not session.lock.acquire(blocking=False):
            return self._page(wrong=("上一个文件还在处理，请稍候", "The file before is still being worked on")), 409
        try:
            work()
        except RequestRefusedError as error:
            return self._page(wrong=limit_words(error)), error.status
        except YizhanError as error:
            zh = "本节点现在不能办理，请稍后再试" if isinstance(error, TryLaterError) else "文件不能办理"
            words = (zh, f"{error.what}: {error.why}. {error.action}")
            return self._page(wrong=words), 503 if isinstance(error, TryLaterError) else 422
        finally:
            session.lock.release()
        return see(url_for("entry.upload"))

    def _page(self, *, wrong: tuple[str, str] | None = None) -> str:
        return self._desk.page(
            "upload.html",
            upload=self._desk.session.upload,
            wrong=wrong,
            record_types=[kind for name, kind in RECORD_TYPES.items() if name in DEPARTMENT_TYPES],
            records_max=RECORDS_MAX,
            bytes_max=self._desk.node.config.level.limits.request_bytes_max,
            labels={name: kind.label for name, kind in RECORD_TYPES.items()},
            shown_max=(REFUSED_SHOWN_MAX, OTHERS_SHOWN_MAX),
            meaning=_meaning,
        )


def _meaning(rule: str) -> str:
    """Return what a rule found and how it is put right, in 中文; "" for one that has no words."""
    words = rule_words().get(rule)
    return f"{words.what[0]}。{words.fix[0]}。" if words is not None else ""


def _file(data: bytes, name: str, media_type: str) -> Response:
    return send_file(BytesIO(data), mimetype=media_type, as_attachment=True, download_name=name)
