"""What a keeper and the process of its adapter say to each other: a JSON object, and bytes behind it.

Not pickled: the process talks to systems of others, and what it says must not be able to run anything here. A message
is a four-byte length, so many bytes of UTF-8 JSON, and the content.

==================== ==================================================================================================
request              answer
==================== ==================================================================================================
open                 ``done``: the adapter stands; nothing was asked of its source
check                ``done``
fetch (``limit``)    ``delivery`` with its content behind it, or ``end``
next                 the same, of the fetch that is open
acknowledge          ``done``; the delivery that was answered last is gone
reject               ``done``
deliver              ``done``
conform              ``conformed``: the findings of ``adapters.conforming``; nothing was answered
leave_off            ``done``: the fetch is over
close                ``done``, and the process leaves
stop                 none: whatever waits in the adapter returns
==================== ==================================================================================================

Instead of its answer a request may get ``error``; ``log`` may come at any time before it.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adapters.conforming import Finding
from adapters.contract import (
    CURSOR_LENGTH_MAX,
    KEY_LENGTH_MAX,
    AdapterError,
    Delivery,
    DeliveryRejectedError,
    Outcome,
    RowProblem,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INLINE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Content that goes through the pipe; more goes by a file. Our own choice."""
MESSAGE_BYTES_MAX: Final = INLINE_BYTES_MAX + 1024 * 1024
"""The longest message that is heard from an adapter's process: content, and a page of names about it."""
TEXT_LENGTH_MAX: Final = 1000
NAME_LENGTH_MAX: Final = 500
FINDINGS_MAX: Final = 100
REPORT_PATIENCES: Final = 5
"""Times the kind's patience that a report may take: it checks and fetches twice, and judges that by itself."""
_LENGTH: Final = struct.Struct("!I")

UNAVAILABLE: Final = "unavailable"
REJECTED: Final = "rejected"
NEEDS_PERSON: Final = "needs_person"
DEFECT: Final = "defect"
"""The adapter raised something else: a defect of its own."""


class MalformedMessageError(Exception):
    """A message does not say what it has to: the process is not to be believed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A delivery as it came from an adapter's process: what the contract says of it, checked.

    ``content`` or ``file`` holds it. ``size`` counts its bytes; ``too_large`` tells that ``content`` is only its
    beginning, because there is more of it than the adapter may bring.
    """

    delivery_key: str
    media_type: str
    fetched_at: datetime
    name: str
    cursor: str | None
    size: int
    content: bytes = b""
    file: Path | None = None
    too_large: bool = False


def packed(message: Mapping[str, Any], content: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    said = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return _LENGTH.pack(len(said)) + said + content


def unpacked(data: bytes | bytearray) -> tuple[dict[str, Any], bytes]:
    """Return message and content; raises MalformedMessageError."""
    view = memoryview(data)
    try:
        (length,) = _LENGTH.unpack(view[: _LENGTH.size])
        said = json.loads(bytes(view[_LENGTH.size : _LENGTH.size + length]))
    except (struct.error, ValueError, RecursionError) as error:
        raise MalformedMessageError("it is not of the form of messages") from error
    if not isinstance(said, dict):
        raise MalformedMessageError("it says nothing")
    return said, bytes(view[_LENGTH.size + length :])


def delivery_message(delivery: Delivery, size: int) -> dict[str, Any]:
    """Return what is said of a delivery; whoever hears it checks it."""
    return {
        "is": "delivery",
        "source_id": delivery.source_id,
        "delivery_key": delivery.delivery_key,
        "media_type": delivery.media_type,
        "fetched_at": delivery.fetched_at.isoformat(),
        "name": str(delivery.name),
        "cursor": delivery.cursor,
        "size": size,
    }


def brought(said: Mapping[str, Any], content: bytes, *, source_id: str) -> Brought:
    """Return the delivery that a message tells of; raises MalformedMessageError when it breaks the contract."""
    key, cursor, file = said.get("delivery_key"), said.get("cursor"), said.get("file")
    if said.get("source_id") != source_id:
        raise MalformedMessageError("a delivery names another source")
    if not isinstance(key, str) or not 0 < len(key) <= KEY_LENGTH_MAX:
        raise MalformedMessageError(f"a delivery has no key of 1 to {KEY_LENGTH_MAX} characters")
    if cursor is not None and not (isinstance(cursor, str) and len(cursor) <= CURSOR_LENGTH_MAX):
        raise MalformedMessageError(f"a cursor is no text of at most {CURSOR_LENGTH_MAX} characters")
    if not isinstance(file, str | None) or not isinstance(said.get("size"), int):
        raise MalformedMessageError("a delivery has neither content nor a file")
    return Brought(
        delivery_key=key,
        media_type=str(said.get("media_type"))[:NAME_LENGTH_MAX],
        fetched_at=_moment(said.get("fetched_at")),
        name=str(said.get("name"))[:NAME_LENGTH_MAX],
        # PostgreSQL takes no NUL in a text; no cursor of ours would hold one.
        cursor=None if cursor is None else cursor.replace("\0", ""),
        size=said["size"],
        content=content,
        file=None if file is None else Path(file),
        too_large=said.get("too_large") is True,
    )


def outcome_message(outcome: Outcome) -> tuple[dict[str, Any], bytes]:
    """Return what is said of an outcome, and its file of refused records behind it."""
    said = {
        "do": "acknowledge",
        "offered": outcome.offered,
        "accepted": outcome.accepted,
        "repeated": outcome.repeated,
        "refused": outcome.refused,
        "received": outcome.received,
        "problems": [asdict(problem) for problem in outcome.problems],
        "problems_omitted": outcome.problems_omitted,
        "has_failed_rows": outcome.failed_rows is not None,
    }
    return said, outcome.failed_rows or b""


def outcome_of(said: Mapping[str, Any], content: bytes) -> Outcome:
    """Return the outcome that a message of the node tells of."""
    counts = {name: said[name] for name in ("offered", "accepted", "repeated", "refused", "received")}
    return Outcome(
        **counts,
        problems=tuple(RowProblem(**problem) for problem in said["problems"]),
        problems_omitted=said["problems_omitted"],
        failed_rows=content if said["has_failed_rows"] else None,
    )


def error_message(error: Exception, masked: Callable[[str], str] = str) -> dict[str, Any]:
    """Return what is said of what an adapter raised; ``masked`` replaces secrets, before a text is cut."""
    said: dict[str, Any] = {"is": "error", "text": masked(str(error))[:TEXT_LENGTH_MAX]}
    if isinstance(error, SourceUnavailableError):
        return {**said, "error": UNAVAILABLE, "retry_after_s": error.retry_after_s}
    if isinstance(error, DeliveryRejectedError):
        return {**said, "error": REJECTED}
    if isinstance(error, SourceNeedsPersonError):
        return {**said, "error": NEEDS_PERSON}
    return {**said, "error": DEFECT, "text": masked(f"{type(error).__name__}: {error}")[:TEXT_LENGTH_MAX]}


def error_of(said: Mapping[str, Any], text: str) -> AdapterError | None:
    """Return the error of the contract that a message tells of, in the words ``text``; None for a defect."""
    if said.get("error") == UNAVAILABLE:
        return SourceUnavailableError(text, retry_after_s=_seconds(said.get("retry_after_s")))
    if said.get("error") == REJECTED:
        return DeliveryRejectedError(text)
    return SourceNeedsPersonError(text) if said.get("error") == NEEDS_PERSON else None


def findings_of(said: Mapping[str, Any], masked: Callable[[str], str]) -> tuple[Finding, ...]:
    """Return the findings that a message tells of, their texts masked; raises MalformedMessageError."""
    found = said.get("findings")
    if not isinstance(found, list) or len(found) > FINDINGS_MAX:
        raise MalformedMessageError("a report is no list of findings")
    for one in found:
        if not isinstance(one, dict) or not isinstance(one.get("passed"), bool | None):
            raise MalformedMessageError("a finding says neither that it passed nor that it did not")
    return tuple(
        Finding(
            rule=str(one.get("rule"))[:NAME_LENGTH_MAX],
            passed=one.get("passed"),
            text=masked(str(one.get("text")))[:TEXT_LENGTH_MAX],
        )
        for one in found
    )


def _seconds(value: object) -> float | None:
    """Return a number of seconds that can be waited, None for anything else."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 2**53 else None


def _moment(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
        if found.tzinfo is None:
            raise MalformedMessageError("the time of a delivery has no offset")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedMessageError("a delivery has no time") from error
