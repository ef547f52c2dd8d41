"""Departments with a system that has an interface: an open API, a web service with a WSDL."""

from __future__ import annotations

import json
import logging
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import zeep

from node.demo.writers import delivery
from tests.doors_demonstration.department import COUNTS, AdapterPlan, batches, cases_in_two, no_counts
from tests.support.datasette_service import TOKEN, Datasette
from tests.support.http_receiver import Receiver
from tests.support.soap_service import PASSWORD, USER, SoapService

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access

PAGE_ITEMS: Final = 20
"""So that a department's records are several pages."""
SOAP_RECORDS: Final = 10
"""Records in one document that the web service hands out, or one call of the node's."""
TIMEOUT_S: Final = 60.0


class OpenApiDepartment:
    """Its records are a table of SQLite, handed out by Datasette page by page; callbacks go to a receiver."""

    def __init__(self, folder: Path, datasette: Datasette, receiver: Receiver) -> None:
        self._file = folder / "hall.db"
        self.place = f"http://127.0.0.1:{datasette.port}/hall/reports"
        self._receiver = receiver
        self.adapter = AdapterPlan(
            kind="open_api",
            settings={
                "url": f"http://127.0.0.1:{datasette.port}/hall/reports.json",
                "parameters": {"_shape": "objects", "_size": str(PAGE_ITEMS), "_json": "content"},
                "paging": "next",
                "next_path": "next_url",
                "items": "rows",
                "form": "records",
                "auth": "bearer",
                "deliver_url": f"{receiver.address}/notices",
                "answers_url": f"{receiver.address}/answers",
            },
            secrets={"credential": TOKEN},
            dialect="json",
        )

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        rows = [(one.record_type, json.dumps(one.content, ensure_ascii=False)) for one in records]
        with closing(sqlite3.connect(self._file, timeout=30)) as database, database:
            database.executemany("INSERT INTO reports (type, content) VALUES (?, ?)", rows)
        return no_counts()

    def documents(self) -> Sequence[bytes]:
        return [content for key, (_, content) in self._receiver.posted.items() if not key.startswith("answer:")]


@contextmanager
def open_api_department(folder: Path) -> Iterator[OpenApiDepartment]:
    """Run Datasette over a table of reports, and the receiver."""
    with closing(sqlite3.connect(folder / "hall.db")) as database, database:
        database.execute("CREATE TABLE reports (id INTEGER PRIMARY KEY, type TEXT, content TEXT)")
    receiver = Receiver()
    try:
        datasette = Datasette(folder)
        try:
            yield OpenApiDepartment(folder, datasette, receiver)
        finally:
            datasette.stop()
    finally:
        receiver.stop()


class SoapDepartment:
    """Its web service hands documents of some cases out by pages; with the others it calls the node's own service."""

    def __init__(self, service: SoapService) -> None:
        self._service = service
        self.place = service.wsdl
        self.adapter = AdapterPlan(
            kind="soap",
            settings={
                "wsdl": service.wsdl,
                "operation": "getDataXml",
                "arguments": {"page": "{page}"},
                "result": "xml",
                "security": "text",
                "security_user": USER,
                "deliver_operation": "setDataXmlToFocus",
                "deliver_result": "code",
                "deliver_success": ["1"],
                "answer_operation": "confirm",
            },
            secrets={"security_password": PASSWORD},
            dialect="standard",
        )

    def hand_over(self, records: Sequence[GeneratedRecord], access: Access) -> Mapping[str, int]:
        asked_for, others = cases_in_two(records)
        self._service.documents += [text_of(batch) for batch in batches(asked_for, SOAP_RECORDS)]
        client = _caller(f"{access.face}/api/v1/soap?wsdl")
        answers = [
            client.service.setDataXmlToFocus(key=access.key, xml=text_of(batch), requestKey=f"soap-{number}")
            for number, batch in enumerate(batches(others, SOAP_RECORDS))
        ]
        return {name: sum(int(answer[name]) for answer in answers) for name in COUNTS}

    def documents(self) -> Sequence[bytes]:
        return [text.encode() for text in self._service.taken.values()]


def _caller(wsdl: str) -> Any:
    """Return a client of a web service, as vendors make one from its WSDL."""
    made: Any = zeep
    return made.Client(wsdl, transport=made.Transport(timeout=TIMEOUT_S, operation_timeout=TIMEOUT_S))


def text_of(records: Sequence[GeneratedRecord]) -> str:
    """Return records as a text of XML, which says nothing about its encoding: the message around it does."""
    return delivery("standard", records).decode().partition("?>")[2].lstrip()


@contextmanager
def soap_department(_folder: Path) -> Iterator[SoapDepartment]:
    """Run the web service."""
    # Its every request would be a line among those that people read.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    service = SoapService()
    try:
        yield SoapDepartment(service)
    finally:
        service.stop()
