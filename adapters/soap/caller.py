"""The adapter of the kind ``soap``: what the node's worker calls.

A round calls the operation for window after window of time, where its arguments ask for that, and for page after page
of each, where they ask for pages. What was answered is remembered by its digest, so that a window or page that is asked
again brings only what is new.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import Delivery, DeliveryRejectedError, SourceNeedsPersonError
from adapters.pulling.http_client import HttpClient
from adapters.pulling.remembered import Remembered
from adapters.soap.results import at, documents_of
from adapters.soap.service import Service
from adapters.soap.settings import ANSWER_WORDS, DELIVER_WORDS, filled, plan_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.contract import Document, Opening, Outcome
    from adapters.soap.settings import Plan


_COUNTS: Final = ("offered", "accepted", "repeated", "refused", "received")


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How far the source was answered: until when, or the page to go on with; and the number of answers."""

    until: datetime | None
    page: int
    serial: int = 0


class _NoCallsLeftError(Exception):
    """The round has made all the calls that it may."""


class SoapAdapter:
    """Calls one operation of one service."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._plan = plan_of(opening)
        self._client = HttpClient(self._plan.http, opening)
        self._service = Service(self._client, self._plan)
        self._state = _state_of(opening.cursor, self._plan)
        self._kept: Remembered | None = None
        self._unanswered: dict[str, tuple[bytes, _State]] = {}
        self._serial = self._state.serial
        self._calls_left = 0

    def check(self) -> None:
        """Call the operation, or with ``check_calls = false`` see that it takes the arguments."""
        arguments = filled(self._plan["arguments"], next(self._windows())[1] | {"page": str(self._state.page)})
        if self._plan["check_calls"]:
            self._documents(self._service.call(self._plan["operation"], arguments))
        else:
            self._service.look(self._plan["operation"], arguments)
        for name in ("deliver", "answer"):
            if operation := self._plan[f"{name}_operation"]:
                words = dict.fromkeys(DELIVER_WORDS | ANSWER_WORDS, "0")
                self._service.look(operation, filled(self._plan[f"{name}_arguments"], words))

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield the documents that were not answered yet."""
        self._unanswered.clear()
        self._serial = self._state.serial
        for delivery in islice(self._round(), limit):
            yield delivery
            if self._opening.wait(0):
                return

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Remember what was answered; tell it by ``answer_operation``, where there is one."""
        self._tell(delivery.delivery_key, outcome, "")
        self._answered(delivery)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Remember what was answered; tell the reason by ``answer_operation``, where there is one."""
        self._tell(delivery.delivery_key, None, reason)
        self._answered(delivery)

    def deliver(self, document: Document, key: str) -> None:
        """Call ``deliver_operation``; the service knows a repeated document by its key."""
        plan = self._plan
        if not plan["deliver_operation"]:
            raise SourceNeedsPersonError("nothing takes documents that go down: set deliver_operation")
        words = {
            "content": document.content.decode(),
            "key": key,
            "record_type": document.record_type,
            "organisation": document.organisation,
            "text": document.text,
        }
        result = self._service.call(plan["deliver_operation"], filled(plan["deliver_arguments"], words))
        said = str(at(result, _path(plan["deliver_result"])))
        if plan["deliver_success"] and said not in plan["deliver_success"]:
            raise DeliveryRejectedError(f"{plan['deliver_operation']} answers {said[:60]!r}")

    def close(self) -> None:
        """Let go of connections and of what is remembered."""
        self._client.close()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _round(self) -> Iterator[Delivery]:
        self._calls_left = calls_max = int(self._plan["calls_max"])
        for until, words in self._windows():
            is_first = self._calls_left == calls_max
            try:
                for documents, after in self._pages(words):
                    yield from self._unknown(documents, after)
            except _NoCallsLeftError:
                if is_first and self._plan.timed:
                    raise SourceNeedsPersonError(
                        f"one window of time has more than {calls_max} pages, so nothing behind them is reached: "
                        "shorten window_s, or raise calls_max"
                    ) from None
                return
            if self._unanswered:
                return
            self._state = replace(self._state, until=until)

    def _pages(self, words: Mapping[str, str]) -> Iterator[tuple[list[bytes], _State]]:
        """Yield the documents of each page of a window, and the state once they are answered.

        Raises _NoCallsLeftError when the round may call no more before the window is at its end.
        """
        page, before = self._state.page, b""
        while True:
            documents = self._called({**words, "page": str(page)})
            alike, before = before, hashlib.sha256(b"\0".join(documents)).digest()
            if self._plan.paged and (not documents or alike == before):
                return
            yield documents, self._state if self._plan.timed else replace(self._state, page=page)
            if not self._plan.paged:
                return
            if not self._unanswered and not self._plan.timed:
                self._state = replace(self._state, page=page)
            page += 1

    def _called(self, words: Mapping[str, str]) -> list[bytes]:
        if not self._calls_left:
            raise _NoCallsLeftError
        self._calls_left -= 1
        return self._documents(self._service.call(self._plan["operation"], filled(self._plan["arguments"], words)))

    def _windows(self) -> Iterator[tuple[datetime | None, dict[str, str]]]:
        """Yield the ends of windows of time, and the words for them; one without words when none are asked for."""
        plan = self._plan
        if self._state.until is None or not plan.timed:
            yield None, {"from": "", "to": ""}
            return
        now = self._opening.now()
        begin = self._state.until
        if begin != plan.begin_at:
            # What a clock that was ahead has asked for is no answer about the time since it was set back.
            begin = min(begin, now) - timedelta(seconds=plan["overlap_s"])
        while True:
            end = min(begin + timedelta(seconds=plan["window_s"]), now)
            written = (moment.astimezone(plan.zone).strftime(plan["time_form"]) for moment in (begin, max(begin, end)))
            yield max(self._state.until, end), dict(zip(("from", "to"), written, strict=True))
            if end >= now:
                return
            begin = end

    def _documents(self, result: Any) -> list[bytes]:
        plan = self._plan
        bytes_max = int(plan["answer_bytes_max"])
        return documents_of(result, _path(plan["result"]), form=plan["result_form"], bytes_max=bytes_max)

    def _unknown(self, documents: list[bytes], after: _State) -> Iterator[Delivery]:
        kept = self._remembered()
        for document in dict.fromkeys(documents):
            digest = hashlib.sha256(document).digest()
            if kept.knows(digest):
                continue
            self._serial += 1
            state = replace(after, serial=self._serial)
            self._unanswered[digest.hex()] = (digest, state)
            yield Delivery(
                source_id=self._opening.source_id,
                delivery_key=digest.hex(),
                content=document,
                media_type=_media_type(document),
                fetched_at=self._opening.now(),
                name=self._plan["operation"],
                cursor=_cursor_of(state, self._plan),
            )

    def _remembered(self) -> Remembered:
        if self._kept is None:
            self._kept = Remembered(self._opening.folder, self._state.serial)
        return self._kept

    def _tell(self, key: str, outcome: Outcome | None, reason: str) -> None:
        plan = self._plan
        if not plan["answer_operation"]:
            return
        problems = [
            {"row": one.row, "line": one.line, "element": one.element, "rule": one.rule, "text": one.text}
            for one in (outcome.problems if outcome else ())
        ]
        words = {name: str(getattr(outcome, name) if outcome else 0) for name in _COUNTS}
        words |= {"delivery_key": key, "reason": reason, "problems": json.dumps(problems, ensure_ascii=False)}
        self._service.call(plan["answer_operation"], filled(plan["answer_arguments"], words))

    def _answered(self, delivery: Delivery) -> None:
        answered = self._unanswered.pop(delivery.delivery_key, None)
        if answered is None:
            return
        digest, state = answered
        kept = self._remembered()
        kept.add([(digest, f"{state.serial:012d}")], state.serial)
        kept.keep_newest(int(self._plan["remembered_max"]))
        self._state = state


def _path(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


def _media_type(document: bytes) -> str:
    begin = document.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return {b"<": "application/xml", b"{": "application/json", b"[": "application/json"}.get(begin, "text/plain")


def _cursor_of(state: _State, plan: Plan) -> str:
    until = state.until and state.until.isoformat()
    return json.dumps({"of": _named(plan), "until": until, "page": state.page, "serial": state.serial})


def _state_of(cursor: str | None, plan: Plan) -> _State:
    document = json.loads(cursor) if cursor is not None else {}
    if document.get("of") != _named(plan):
        return _State(until=plan.begin_at, page=int(plan["page_first"]))
    until = document["until"] and datetime.fromisoformat(document["until"])
    return _State(until=until, page=document["page"], serial=document["serial"])


def _named(plan: Plan) -> str:
    """Return what tells this order of documents from that of other settings."""
    names = ("wsdl", "endpoint", "service", "port", "operation", "arguments", "result", "begin_at", "page_first")
    return hashlib.sha256("\0".join(str(plan[name]) for name in names).encode()).hexdigest()[:12]
