"""The process of an adapter, served here in a thread: what it answers to each request, and how it ends."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING, Any

import pytest

from node.beside import Line
from node.departments.doors import door
from node.departments.doors.door import MEMORY_BYTES, Served
from node.departments.doors.messages import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN = {
    "do": "open",
    "kind": "scripted",
    "name": "door",
    "source_id": "hall",
    "secrets": {"password": "word"},
    "cursor": None,
    "bytes_max": 20_000_000,
    "patience_s": 30.0,
    "is_trial": False,
}
ACKNOWLEDGE = {
    "do": "acknowledge",
    "offered": 1,
    "accepted": 1,
    "repeated": 0,
    "refused": 0,
    "received": 0,
    "problems": [],
    "problems_omitted": 0,
    "has_failed_rows": False,
}


@dataclass(slots=True, kw_only=True)
class Asking:
    """The keeper's end of a served adapter, and what its process would have done to itself."""

    line: Line
    folder: Path
    thread: threading.Thread
    ended: threading.Event
    memory: list[int] = field(default_factory=list)
    watches: list[float | None] = field(default_factory=list)
    logged: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, request: dict[str, Any], content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        self.line.send(packed(request, content))
        while True:
            said, behind = unpacked(self.line.receive(10.0))
            if said["is"] != "log":
                return said, behind
            self.logged.append(said)

    def open(self, **changes: Any) -> dict[str, Any]:
        spool, own = self.folder / "spool", self.folder / "own"
        spool.mkdir()
        settings = {"folder": str(self.folder / "waiting"), "by_file": False, "listens": False, "pages_max": 1}
        settings |= changes.pop("settings", {})
        request = {**OPEN, "spool": str(spool), "folder": str(own), "settings": settings, **changes}
        return self.ask(request)[0]

    def put(self, name: str, content: bytes) -> None:
        (self.folder / "waiting" / name).write_bytes(content)

    def script(self, text: str) -> None:
        (self.folder / "waiting" / "script").write_text(text)


@contextmanager
def served(folder: Path) -> Iterator[Asking]:
    theirs_in, ours_out = Pipe(duplex=False)
    ours_in, theirs_out = Pipe(duplex=False)
    (folder / "waiting").mkdir()
    memory: list[int] = []
    watches: list[float | None] = []
    ended = threading.Event()
    adapter = Served(Line(theirs_in, theirs_out), ends=ended.set, bounds=memory.append, watches=watches.append)
    thread = threading.Thread(target=adapter.serve, daemon=True)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    thread.start()
    line = Line(ours_in, ours_out)
    try:
        yield Asking(line=line, folder=folder, thread=thread, ended=ended, memory=memory, watches=watches)
    finally:
        line.close()
        assert ended.wait(10), "the process would not have ended with its keeper"
        thread.join(10)
        theirs_in.close()
        theirs_out.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def asking(scripted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:  # noqa: ARG001 - the kind must be on the path.
    monkeypatch.setattr(door, "LEAVE_S", 0.05)
    folder = tmp_path / "served"
    folder.mkdir()
    with served(folder) as one:
        yield one


def test_a_whole_life_of_an_adapter(asking: Asking) -> None:
    assert asking.open() == {"is": "done"}
    assert asking.memory == [MEMORY_BYTES + 40_000_000]
    assert asking.ask({"do": "check"})[0] == {"is": "done"}
    asking.put("1.xml", b"<a/>")
    asking.put("2.xml", b"<b/>")
    said, content = asking.ask({"do": "fetch", "limit": 10})
    assert (said["delivery_key"], said["size"], content) == ("1.xml", 4, b"<a/>")
    assert asking.ask(ACKNOWLEDGE)[0] == {"is": "done"}
    assert asking.ask({"do": "next"})[1] == b"<b/>"
    assert asking.ask({"do": "reject", "reason": "no"})[0] == {"is": "done"}
    assert asking.ask({"do": "next"})[0] == {"is": "end"}
    assert asking.ask({"do": "next"})[0] == {"is": "end"}
    document = {"media_type": "application/xml", "record_type": "Notice", "organisation": "", "text": ""}
    assert asking.ask({"do": "deliver", "key": "a/b", **document}, b"<n/>")[0] == {"is": "done"}
    assert (asking.folder / "waiting" / "delivered" / "a_b").read_bytes() == b"<n/>"
    assert asking.ask({"do": "leave_off"})[0] == {"is": "done"}
    assert asking.ask({"do": "close"})[0] == {"is": "done"}
    asking.thread.join(10)
    assert not asking.thread.is_alive()
    # Each request is watched for the patience of the kind and a second, and let go when it is answered.
    assert set(asking.watches[::2]) == {31.0}
    assert set(asking.watches[1::2]) == {None}


@pytest.mark.parametrize("by_file", [True, False])
def test_a_large_delivery_is_handed_over_as_a_file(asking: Asking, by_file: bool) -> None:  # noqa: FBT001 - a table.
    asking.open(settings={"by_file": by_file})
    asking.put("1.xml", b"x" * 5_000_000)
    said, content = asking.ask({"do": "fetch", "limit": 1})
    assert (said["size"], content) == (5_000_000, b"")
    where = asking.folder / "waiting" / "1.xml" if by_file else asking.folder / "spool" / "delivery"
    assert said["file"] == str(where)
    assert where.stat().st_size == 5_000_000


@pytest.mark.parametrize("by_file", [True, False])
def test_of_a_delivery_that_is_too_large_its_beginning_comes(asking: Asking, by_file: bool) -> None:  # noqa: FBT001
    asking.open(settings={"by_file": by_file}, bytes_max=2_000_000)
    asking.put("1.xml", b"x" * 2_000_001)
    said, content = asking.ask({"do": "fetch", "limit": 1})
    assert (said["size"], said["too_large"], len(content)) == (2_000_001, True, 1024 * 1024)


@pytest.mark.parametrize(
    ("script", "request_", "error", "goes_on"),
    [
        ("check:away", {"do": "check"}, "unavailable", True),
        ("check:person", {"do": "check"}, "needs_person", True),
        ("check:never", {"do": "check"}, "rejected", True),
        ("check:defect", {"do": "check"}, "defect", False),
        ("", ACKNOWLEDGE, "defect", False),
        ("", {"do": "dance"}, "defect", False),
    ],
)
def test_what_an_adapter_raises_is_told_and_a_defect_ends_the_process(
    asking: Asking,
    script: str,
    request_: dict[str, Any],
    error: str,
    goes_on: bool,  # noqa: FBT001 - a table.
) -> None:
    asking.open()
    asking.script(script)
    said, _ = asking.ask(request_)
    assert said["error"] == error
    if goes_on:
        assert asking.ask({"do": "check"})[0] == {"is": "done"}
        return
    assert [one["phrase"] for one in asking.logged] == ["defect"]
    assert "Traceback" in asking.logged[0]["fields"]["traceback"]
    asking.thread.join(10)
    assert not asking.thread.is_alive()


def test_a_kind_that_is_not_there_and_an_adapter_that_is_not_open_are_defects(asking: Asking) -> None:
    assert asking.open(kind="pigeon")["text"] == "ImportError: no installed package has a kind of this name"


def test_nothing_can_be_asked_of_an_adapter_that_was_not_opened(asking: Asking) -> None:
    assert asking.ask({"do": "check"})[0]["text"] == "RuntimeError: the adapter was not opened"


def test_whatever_waits_returns_when_it_is_told_to_stop(asking: Asking) -> None:
    asking.open()
    asking.script("fetch:wait")
    asking.line.send(packed({"do": "fetch", "limit": 1}))
    assert not asking.line.has_news(0.3)
    asking.line.send(packed({"do": "stop"}))
    assert unpacked(asking.line.receive(10.0))[0] == {"is": "end"}


def test_what_it_logs_comes_before_the_answer(asking: Asking) -> None:
    asking.open()
    asking.script("check:talk")
    asking.ask({"do": "check"})
    assert [one["phrase"] for one in asking.logged] == ["logging in with ***"]
    assert asking.logged[0]["fields"] == {"password": "***", "user": "hall"}
