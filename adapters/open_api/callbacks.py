"""What is posted to a department's system: documents that go down, and what became of deliveries."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from adapters.contract import DeliveryRejectedError, SourceNeedsPersonError

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.contract import Document, Outcome
    from adapters.open_api.settings import Plan
    from adapters.pulling.http_client import HttpClient

ANSWER_SCHEMA: Final = "yizhan.delivery-answer/1"
NEVER: Final = frozenset({400, 405, 406, 410, 411, 413, 415, 422})
"""Statuses by which a document is refused for good (RFC 9110, 15.5)."""


def post_document(client: HttpClient, plan: Plan, document: Document, key: str, now: datetime) -> None:
    """Post a document; the receiver knows a repeated one by its Idempotency-Key."""
    if not plan["deliver_url"]:
        raise SourceNeedsPersonError("nothing takes documents that go down: set deliver_url")
    headers = {"Yizhan-Record-Type": document.record_type, "Yizhan-Organisation": document.organisation}
    _post(client, plan, plan["deliver_url"], key, document.media_type, document.content, now, headers)


def post_answer(
    client: HttpClient, plan: Plan, key: str, now: datetime, outcome: Outcome | None, reason: str = ""
) -> None:
    """Post what became of a delivery, where there is an address for it; None for one that could not be read."""
    if not plan["answers_url"]:
        return
    counts = ("offered", "accepted", "repeated", "refused", "received", "problems_omitted")
    document = {
        "schema": ANSWER_SCHEMA,
        "delivery_key": key,
        **{name: getattr(outcome, name) if outcome else 0 for name in counts},
        "reason": reason,
        "problems": [
            {"row": one.row, "line": one.line, "element": one.element, "rule": one.rule, "text": one.text}
            for one in (outcome.problems if outcome else ())
        ],
    }
    content = json.dumps(document, ensure_ascii=False).encode()
    try:
        _post(client, plan, plan["answers_url"], f"answer:{key}", "application/json", content, now, {})
    except DeliveryRejectedError as error:
        raise SourceNeedsPersonError(f"answers are not taken: {error}; correct answers_url") from error


def signature(key: bytes, idempotency_key: str, content: bytes, now: datetime) -> str:
    """Return ``t=SECONDS,v1=HEX``: HMAC-SHA-256 over the seconds, a dot, the key, a dot and the body."""
    seconds = int(now.timestamp())
    signed = f"{seconds}.{idempotency_key}.".encode() + content
    return f"t={seconds},v1={hmac.new(key, signed, hashlib.sha256).hexdigest()}"


def _post(
    client: HttpClient,
    plan: Plan,
    address: str,
    key: str,
    media_type: str,
    content: bytes,
    now: datetime,
    headers: dict[str, str],
) -> None:
    shown = quote(key, safe="/:-._~")
    sent = {name: quote(value) for name, value in headers.items()}
    sent |= {"Content-Type": media_type, "Idempotency-Key": shown}
    if plan.signing_key:
        sent["Yizhan-Signature"] = signature(plan.signing_key, shown, content, now)
    answer = client.ask("POST", address, headers=sent, content=content, taken=NEVER)
    if answer.status in NEVER:
        raise DeliveryRejectedError(f"the receiver refuses it ({answer.status})")
