"""A department whose system brings its records to the node: over the open API, with its key and with signatures."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx

from node.clock import MachineClock
from node.demo.feeding import offer
from node.demo.writers import delivery
from tests.doors_demonstration.department import COUNTS, batches, cases_in_two
from tests.support.signing import signed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access

BATCH: Final = 20
"""Records in one request."""
TIMEOUT_S: Final = 60.0
PATH: Final = "/api/v1/records"


class SendingDepartment:
    """Some cases go with the API key, the others signed (RFC 9421); nothing comes down to it."""

    adapter = None
    place = ""

    def hand_over(self, records: Sequence[GeneratedRecord], access: Access) -> Mapping[str, int]:
        keyed, others = cases_in_two(records)
        answers: list[Mapping[str, int]] = []
        with httpx.Client(base_url=access.face, timeout=TIMEOUT_S) as client:
            for number, batch in enumerate(batches(keyed, BATCH)):
                answers.append(
                    offer(client, access.key, batch, idempotency_key=f"push-key-{number}", dialect="standard")
                )
            answers += [_offer_signed(client, access, batch) for batch in batches(others, BATCH)]
        return {name: sum(int(answer[name]) for answer in answers) for name in COUNTS}

    def documents(self) -> Sequence[bytes]:
        return []


@contextmanager
def sending_department(_folder: Path) -> Iterator[SendingDepartment]:
    """Give a system that has nothing to be started."""
    yield SendingDepartment()


def _offer_signed(client: httpx.Client, access: Access, records: Sequence[GeneratedRecord]) -> Mapping[str, int]:
    body = delivery("json", records)
    fields = signed(
        f"{access.face}{PATH}",
        body,
        key_id=access.key_id,
        secret=access.secret,
        created=MachineClock().now(),
        nonce=secrets.token_hex(16),
        headers={"Content-Type": "application/json"},
    )
    answer = client.post(PATH, content=body, headers=fields).raise_for_status().json()
    return {name: answer[name] for name in COUNTS}
