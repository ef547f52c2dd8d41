from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from tests.bench.floors import ALGORITHM, FloorPackage, FloorReceiver, ReceiverFloor, frame, pack, unframe
from tests.bench.mix import CaseMix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[FloorReceiver]:
    made = FloorReceiver(tmp_path / "floor.db", KEY.public_key())
    yield made
    made.close()


def count(folder: Path) -> int:
    connection = sqlite3.connect(folder / "floor.db")
    (number,) = connection.execute("SELECT count(*) FROM record").fetchone()
    connection.close()
    return int(number)


def test_a_frame_gives_its_bodies_back() -> None:
    assert unframe(frame([b"a", b"", b"ccc"])) == [b"a", b"", b"ccc"]


def test_the_floor_inserts_each_record_once_and_signs_a_receipt(receiver: FloorReceiver, tmp_path: Path) -> None:
    bodies = CaseMix(division="360102", seed=1, open_cases=5).records(10)
    for _ in range(2):
        receipt = receiver.accept(pack(bodies, KEY))
        receiver.public_key.verify(receipt, hashlib.sha256(frame(bodies)).digest(), ALGORITHM)
    assert count(tmp_path) == 10


def test_the_floor_refuses_a_forged_batch(receiver: FloorReceiver, tmp_path: Path) -> None:
    package = pack([b"<a/>"], KEY)
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(InvalidSignature):
        receiver.accept(FloorPackage(content=package.content, signature=pack([b"<a/>"], stranger).signature))
    assert count(tmp_path) == 0


def test_the_floor_validates_what_it_inserts(receiver: FloorReceiver, tmp_path: Path) -> None:
    with pytest.raises(etree.DocumentInvalid):
        receiver.accept(pack([b"<a/>"], KEY))
    assert count(tmp_path) == 0


def test_the_floor_keeps_its_table_durably(tmp_path: Path) -> None:
    floor = ReceiverFloor(tmp_path)
    assert floor.receive(CaseMix(division="360102", seed=1, open_cases=5).records(10)) > 0
    floor.close()
    assert count(tmp_path) == 10
