"""docs/reference/record-line.md and the code say the same; its example is also computed here from the page's words."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import zlib
from pathlib import Path

import pytest

from adapters.record_line import limits
from adapters.record_line.answering import NodeLink
from adapters.record_line.calling import TerminalLink
from adapters.record_line.dictionary import DICTIONARY
from adapters.record_line.frames import FrameType
from adapters.record_line.key_text import key_of_text
from adapters.record_line.messages import Entry, packed
from adapters.record_line.opening import Abilities
from tests.support.record_lines import ScriptedNode, ScriptedTerminal

PAGE = (Path(__file__).parents[4] / "docs/reference/record-line.md").read_text(encoding="utf-8")
KEY = bytes(range(32))
TERMINAL_NONCE, NODE_NONCE = bytes(range(0xA0, 0xB0)), bytes(range(0xB0, 0xC0))
SPOOL = bytes.fromhex("0123456789abcdef")
NOT_NUMBERS = {"CALL_AGAIN_S", "VERSION"}
"""A row of numbers, which the picture of the opening shows, and the version in the page's first line."""


def example(name: str) -> bytes:
    found = re.search(rf"^{name}: ([0-9a-f]+)$", PAGE, re.MULTILINE)
    assert found is not None, name
    return bytes.fromhex(found[1])


def body_of(line: bytes) -> bytes:
    """Undo COBS and CRC as the page says, without the code."""
    assert line[-1] == 0
    data, place = b"", 0
    while place < len(line) - 1:
        code = line[place]
        data += line[place + 1 : place + code] + (b"" if code == 255 else b"\0")
        place += code
    data = data[:-1]
    assert zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "big")
    return data[:-4]


def value(label: str, length: int) -> bytes:
    said = body_of(example("hello"))[1:] + body_of(example("challenge"))[1:-16]
    extracted = hmac.new(TERMINAL_NONCE + NODE_NONCE, KEY, hashlib.sha256).digest()
    info = b"yizhan record line 1 " + hashlib.sha256(said).digest() + label.encode() + b"\x01"
    return hmac.new(extracted, info, hashlib.sha256).digest()[:length]


def tag(key: bytes, number: int, frame_type: int, payload: bytes) -> bytes:
    return hmac.new(key, struct.pack(">QB", number, frame_type) + payload, hashlib.sha256).digest()[:8]


def test_every_number_stands_in_the_page_with_its_value_and_no_other() -> None:
    stated = {
        name: float(number) for name, number in re.findall(r"^\| `([A-Z_]+)` \| ([0-9.]+) \|", PAGE, re.MULTILINE)
    }
    held = {name: value for name, value in vars(limits).items() if name.isupper() and name not in NOT_NUMBERS}
    assert stated == {name: float(value) for name, value in held.items()}
    assert "0.4, 0.6, 1, 2, 3, 3 … s" in PAGE
    assert limits.CALL_AGAIN_S == (0.4, 0.6, 1.0, 2.0, 3.0)


def test_every_type_of_frame_stands_in_the_page() -> None:
    stated = {
        name: int(code, 16) for code, name in re.findall(r"^\| `([0-9a-f]{2})` \| ([A-Z_]+) \|", PAGE, re.MULTILINE)
    }
    assert stated == {kind.name: int(kind) for kind in FrameType}


def test_the_dictionary_is_the_one_of_the_page() -> None:
    assert f"{len(DICTIONARY):,} bytes" in PAGE
    assert f"{zlib.adler32(DICTIONARY):08x}" in PAGE
    assert hashlib.sha256(DICTIONARY).hexdigest() in PAGE


def test_the_example_is_what_the_page_says_in_words() -> None:
    hello, challenge = body_of(example("hello")), body_of(example("challenge"))
    assert hello == bytes.fromhex("01 01 01 00 0f 0400 00002000") + TERMINAL_NONCE + SPOOL + b"\x06hall-1"
    assert challenge[:-16] == bytes.fromhex("02 01 01 01 0f 0800 00010000") + NODE_NONCE + bytes(5)
    assert challenge[-16:] == value("node proof", 16)
    assert body_of(example("proof")) == b"\x03" + value("terminal proof", 16)
    up, down = value("terminal to node", 32), value("node to terminal", 32)
    assert (example("terminal-to-node"), example("node-to-terminal")) == (up, down)
    data = bytes(4) + example("message")
    assert body_of(example("data")) == b"\x10\x00\x01" + data + tag(up, 1, 0x10, data)
    ack = struct.pack(">III", 1, 35, 65_536 + 35)
    assert body_of(example("ack")) == b"\x11\x00\x02" + ack + tag(down, 2, 0x11, ack)
    typed = re.search(r"`((?:[A-Z2-7]{4}-){13}[A-Z2-7]{4})`", PAGE)
    assert typed is not None
    assert key_of_text(typed[1]) == KEY


def test_the_example_is_what_both_ends_say() -> None:
    terminal = ScriptedTerminal()
    caller = TerminalLink(
        terminal,
        name="hall-1",
        key=KEY,
        spool=SPOOL,
        token=lambda _size: TERMINAL_NONCE,
        abilities=Abilities(1_024, 8_192, compression=0),
    )
    node = ScriptedNode(confirms=False, spool=SPOOL)
    answerer = NodeLink(node, terminals={"hall-1": KEY}, token=lambda _size: NODE_NONCE)
    assert caller.poll(0.0, 1_000) == b"\0" + example("hello")
    answerer.receive(example("hello"), 0.0)
    assert answerer.poll(0.0, 1_000) == b"\0" + example("challenge")
    caller.receive(example("challenge"), 0.0)
    assert caller.poll(0.0, 1_000) == example("proof")
    answerer.receive(example("proof"), 0.0)
    caller.receive(answerer.poll(0.0, 1_000), 0.0)
    assert (terminal.openings, node.terminals) == (1, ["hall-1"])
    entry = Entry("1", 4, b"a,b\n", "text/csv")
    assert packed(entry) == example("message")
    terminal.to_say.append(entry)
    assert caller.poll(0.0, 1_000) == example("data")
    answerer.receive(example("data"), 0.0)
    # Twenty milliseconds later the node says that it has come.
    assert answerer.poll(0.0, 1_000) == b""
    assert answerer.poll(0.02, 1_000) == example("ack")
    caller.receive(example("ack"), 0.02)
    assert caller.session is not None
    assert caller.session.sending.is_through
    assert node.heard_messages == [entry]


@pytest.mark.parametrize("damage", [b"", b"\x55"])
def test_the_first_byte_of_an_end_separates_it_from_what_stood_on_the_line(damage: bytes) -> None:
    node = ScriptedNode(spool=SPOOL)
    answerer = NodeLink(node, terminals={"hall-1": KEY}, token=lambda _size: NODE_NONCE)
    answerer.receive(damage + b"\0" + example("hello"), 0.0)
    assert answerer.poll(0.0, 1_000) == b"\0" + example("challenge")
