"""Signed requests behind a real listener: a body that drips holds no thread, whoever signed it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from node.config import Listener
from node.departments.sources import NewSource, add_source
from node.trust.kept_secrets import KeptSecrets
from node.web.authentication import Authentication
from node.web.listeners import HttpListener
from node.web.open_api import open_api_blueprint
from node.web.patience import Patience
from tests.support.intake import NODE, NOW, intake_on
from tests.support.samples import record
from tests.support.signing import signed
from tests.support.stores import file_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["file_store"]

FEE = record("Fee", DivisionCode=NODE)
PATIENCE = Patience(handshake_s=1, silence_s=0.5, allowance_s=1, bytes_per_s=1000)


@pytest.fixture
def intake(file_store: Store) -> Intake:
    return intake_on(file_store)


@pytest.fixture
def hall(intake: Intake, tmp_path: Path) -> NewSource:
    return add_source(
        intake.store,
        "hall",
        clock=intake.clock,
        randomness=intake.randomness,
        secrets=KeptSecrets(tmp_path),
        modes=("hmac",),
    )


@pytest.fixture
def listener(intake: Intake, tmp_path: Path) -> Iterator[HttpListener]:
    application = Flask(__name__)
    authentication = Authentication(intake.store, intake.clock, secrets=KeptSecrets(tmp_path))
    application.register_blueprint(open_api_blueprint(intake, authentication=authentication))
    place = Listener(host="127.0.0.1", port=0)
    served = HttpListener("face", application, place, threads=2, body_bytes_max=100_000, patience=PATIENCE)
    served.bind()
    served.start()
    yield served
    served.stop()


def head_of(listener: HttpListener, hall: NewSource, *, secret: str = "") -> bytes:
    """The head of a signed request, as it goes over the wire."""
    host = f"127.0.0.1:{listener.port}"
    fields = signed(
        f"http://{host}/api/v1/records",
        FEE,
        key_id=hall.issued.key_id,
        secret=secret or hall.issued.secret,
        created=NOW,
        nonce="0123456789abcdef",
        headers={"Content-Type": "application/xml"},
    )
    lines = [
        "POST /api/v1/records HTTP/1.1",
        f"Host: {host}",
        f"Content-Length: {len(FEE)}",
        *(f"{name}: {value}" for name, value in fields.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode()


def answered(listener: HttpListener, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """What the listener says to a request that comes in parts; nothing where it hangs up."""
    said = b""
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as peer:
        try:
            for part in parts:
                peer.sendall(part)
                threading.Event().wait(pause_s)
            while not said.endswith(b"}"):
                received = peer.recv(65_536)
                if not received:
                    break
                said += received
        except OSError:
            pass
    return said


def test_a_signed_body_that_drips_is_hung_up_on_and_may_come_again_whole(
    listener: HttpListener, hall: NewSource
) -> None:
    head = head_of(listener, hall)
    drops = [FEE[at : at + 1] for at in range(40)]
    assert answered(listener, head, *drops, pause_s=0.05) == b""
    # Its nonce was not taken: nothing had been decided.
    assert answered(listener, head, FEE).startswith(b"HTTP/1.1 200")
    assert answered(listener, head, FEE).startswith(b"HTTP/1.1 401")


def test_who_proves_nothing_holds_no_thread_either(listener: HttpListener, hall: NewSource) -> None:
    head = head_of(listener, hall, secret="yzs_wrong")
    assert answered(listener, head, FEE).startswith(b"HTTP/1.1 401")
    # The listener waits for the body before it answers, so that the answer arrives, but no longer than its patience.
    assert answered(listener, head, *(FEE[at : at + 1] for at in range(40)), pause_s=0.05) == b""
