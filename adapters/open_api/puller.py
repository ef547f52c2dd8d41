"""The adapter of the kind ``open_api``: what the node's worker calls.

A round asks page after page. What was answered is remembered by its digest, so that a page that is asked again (the
last one, which may still get longer, or a whole list) brings only what is new or changed in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from adapters.contract import Delivery, SourceNeedsPersonError
from adapters.open_api.callbacks import post_answer, post_document
from adapters.open_api.pages import Item, Page, Step, first_step, page_of, request_of
from adapters.open_api.settings import plan_of
from adapters.pulling.http_client import HttpClient
from adapters.pulling.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapters.contract import Document, Opening, Outcome
    from adapters.open_api.settings import Plan
    from adapters.pulling.http_client import HttpAnswer

BATCH_BYTES_MAX: Final = 8_000_000
"""Bytes of one delivery of items. Our own choice: half of what the dialect ``json`` reads."""
ITEM_BYTES_MAX: Final = 500_000
"""A longer item goes alone: readers that give up at it then lose no other."""
NOT_MODIFIED: Final = 304
_VALIDATOR_LENGTH_MAX: Final = 300
_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """How far the source was answered: what is asked next, the number of answers, and validators of an answer."""

    step: Step
    serial: int = 0
    etag: str = ""
    modified: str = ""


class OpenApiAdapter:
    """Pulls from one address."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._plan = plan_of(opening)
        self._client = HttpClient(self._plan.http, opening)
        self._state = _state_of(opening.cursor, self._plan)
        self._kept: Remembered | None = None
        self._unanswered: dict[str, tuple[tuple[Item, ...], _State]] = {}

    def check(self) -> None:
        """Ask the page where the next round begins, and see that it can be taken apart."""
        page_of(self._plan, self._state.step, self._ask(self._state.step))

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield what was not answered yet, page after page, at most ``items_max`` items a delivery."""
        self._unanswered.clear()
        for delivery in islice(self._round(), limit):
            yield delivery
            if self._opening.wait(0):
                return

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Remember what was answered; post the outcome to ``answers_url``, where there is one."""
        post_answer(self._client, self._plan, delivery.delivery_key, self._opening.now(), outcome)
        self._answered(delivery)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Remember what was answered; post the reason to ``answers_url``, where there is one."""
        post_answer(self._client, self._plan, delivery.delivery_key, self._opening.now(), None, reason)
        self._answered(delivery)

    def deliver(self, document: Document, key: str) -> None:
        """Post a document to ``deliver_url``; the receiver knows a repeated one by its key."""
        post_document(self._client, self._plan, document, key, self._opening.now())

    def close(self) -> None:
        """Let go of connections and of what is remembered."""
        self._client.close()
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _round(self) -> Iterator[Delivery]:
        step, serial = self._state.step, self._state.serial
        asked, before, listed = {step}, b"", 0
        for _ in range(int(self._plan["pages_max"])):
            answer = self._ask(step, conditional=True)
            if answer.status == NOT_MODIFIED:
                return
            page = page_of(self._plan, step, answer)
            alike, before = before, hashlib.sha256(b"".join(item.digest for item in page.items)).digest()
            if self._plan["paging"] == "page" and before == alike:
                # A server that hands out its last page for every number beyond it.
                return
            listed += len(page.items)
            batches = list(self._batches(page))
            after = self._after(page, answer)
            for number, batch in enumerate(batches, start=1):
                serial += 1
                state = after if number == len(batches) else _State(step=step)
                yield self._delivery(batch, answer, state, serial)
            is_passed = bool(page.items) or page.following is not None or self._plan["resume"] == "start"
            if not self._unanswered and is_passed:
                # Everything on this page is answered: the next round goes on behind it, in this opening at least. Where
                # there was nothing, and nothing behind it, the page before may still get longer.
                self._state = _numbered(after, self._state.serial)
            if page.following is None or (page.following == step and not batches):
                self._see_progress(page, batches)
                self._see_memory(listed)
                return
            if page.following in asked:
                raise SourceNeedsPersonError("the server names a page again that it handed out before: it has no end")
            asked.add(page.following)
            step = page.following

    def _ask(self, step: Step, *, conditional: bool = False) -> HttpAnswer:
        address, parameters = request_of(self._plan, step)
        headers = {"Accept": "application/json, application/xml, text/csv, */*;q=0.1"}
        if conditional and self._state.etag:
            headers["If-None-Match"] = self._state.etag
        if conditional and self._state.modified:
            headers["If-Modified-Since"] = self._state.modified
        return self._client.ask("GET", address, parameters=parameters, headers=headers)

    def _batches(self, page: Page) -> Iterator[tuple[Item, ...]]:
        """Yield the items that were not answered, each once, in batches."""
        kept = self._remembered()
        unknown = {item.digest: item for item in page.items if not kept.knows(item.digest)}
        batch: list[Item] = []
        size = 0
        for item in unknown.values():
            alone = len(item.text) > ITEM_BYTES_MAX
            if batch and (alone or len(batch) == self._plan["items_max"] or size + len(item.text) > BATCH_BYTES_MAX):
                yield tuple(batch)
                batch, size = [], 0
            if alone:
                yield (item,)
                continue
            batch.append(item)
            size += len(item.text)
        if batch:
            yield tuple(batch)

    def _after(self, page: Page, answer: HttpAnswer) -> _State:
        """Return the state once a page is answered: where to go on, and how to ask whether anything changed."""
        if page.following is None and self._plan["resume"] == "start":
            return _State(step=first_step(self._plan))
        if self._plan["paging"] != "none":
            return _State(step=page.again)
        etag, modified = (_validator(answer.headers.get(name, "")) for name in ("etag", "last-modified"))
        return _State(step=page.again, etag=etag, modified=modified)

    def _see_progress(self, page: Page, batches: Sequence[Any]) -> None:
        plan = self._plan
        full = bool(plan["size_parameter"]) and len(page.items) >= plan["page_size"]
        if plan["paging"] == "watermark" and full and not batches:
            raise SourceNeedsPersonError(
                f"a whole page of {len(page.items)} items has one watermark, so nothing behind it is reached: "
                "raise page_size"
            )

    def _see_memory(self, listed: int) -> None:
        plan = self._plan
        if listed > plan["remembered_max"] and (plan["paging"] == "none" or plan["resume"] == "start"):
            raise SourceNeedsPersonError(
                f"the list has {listed} items, and {int(plan['remembered_max'])} are remembered at most, so the others "
                "come again each time: raise remembered_max"
            )

    def _delivery(self, batch: tuple[Item, ...], answer: HttpAnswer, after: _State, serial: int) -> Delivery:
        content, media_type = _content(self._plan, batch, answer)
        key = hashlib.sha256(content).hexdigest()
        state = _numbered(after, serial)
        self._unanswered[key] = (batch, state)
        parts = urlsplit(self._plan["url"])
        return Delivery(
            source_id=self._opening.source_id,
            delivery_key=key,
            content=content,
            media_type=media_type,
            fetched_at=self._opening.now(),
            name=f"{parts.hostname}{parts.path}"[:200],
            cursor=_cursor_of(state, self._plan),
        )

    def _remembered(self) -> Remembered:
        if self._kept is None:
            self._kept = Remembered(self._opening.folder, self._state.serial)
        return self._kept

    def _answered(self, delivery: Delivery) -> None:
        batch, state = self._unanswered.pop(delivery.delivery_key, ((), self._state))
        if not batch:
            return
        kept = self._remembered()
        kept.add(((item.digest, f"{state.serial:012d}") for item in batch), state.serial)
        kept.keep_newest(int(self._plan["remembered_max"]))
        self._state = state


def _content(plan: Plan, batch: Sequence[Item], answer: HttpAnswer) -> tuple[bytes, str]:
    if plan.items is None:
        (whole,) = batch
        sniffed = {b"<": "application/xml", b"{": "application/json", b"[": "application/json"}
        begin = whole.text.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        named = answer.media_type if _MEDIA_TYPE.match(answer.media_type) else ""
        return whole.text, named or sniffed.get(begin, "application/octet-stream")
    listed = b"[%b]" % b", ".join(item.text for item in batch)
    if plan["form"] == "records":
        return b'{"records": %b}' % listed, "application/json"
    if plan["named_table"]:
        return b'{"table": %b, "rows": %b}' % (json.dumps(plan["named_table"]).encode(), listed), "application/json"
    return listed, "application/json"


def _numbered(state: _State, serial: int) -> _State:
    return _State(step=state.step, serial=serial, etag=state.etag, modified=state.modified)


def _validator(value: str) -> str:
    return value if len(value) <= _VALIDATOR_LENGTH_MAX and value.isascii() and value.isprintable() else ""


def _cursor_of(state: _State, plan: Plan) -> str:
    document = {"of": _named(plan), "step": state.step.value, "serial": state.serial}
    return json.dumps({**document, "etag": state.etag, "modified": state.modified}, ensure_ascii=False)


def _state_of(cursor: str | None, plan: Plan) -> _State:
    document = json.loads(cursor) if cursor is not None else {}
    if document.get("of") != _named(plan):
        return _State(step=first_step(plan))
    step = Step(value=document["step"])
    return _State(step=step, serial=document["serial"], etag=document["etag"], modified=document["modified"])


def _named(plan: Plan) -> str:
    """Return what tells these pages from those of other settings."""
    names = ("url", "paging", "items", "form", "named_table", "begin_at", "page_first")
    told = [*(str(plan[name]) for name in names), *(f"{name}={value}" for name, value in plan["parameters"].items())]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]
