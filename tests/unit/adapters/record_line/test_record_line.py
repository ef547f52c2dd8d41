"""What bridges use: messages come out once, answers are remembered, documents go down, ports come and go."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING

import pytest

from adapters.contract import DeliveryRejectedError, Document, Outcome, RowProblem, SourceUnavailableError
from adapters.record_line.calling import TerminalLink
from adapters.record_line.driving import Driver
from adapters.record_line.entries import entry_messages
from adapters.record_line.limits import ENTRY_BYTES_MAX
from adapters.record_line.line import Message, RecordLine, Standing
from adapters.record_line.messages import Confirm, Entry, Part, Refuse
from node.randomness import SeededRandomness
from tests.support.port_pairs import SocketPort, port_pair
from tests.support.record_lines import KEY, NAME, SPOOL, ScriptedTerminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TAKEN = Outcome(
    offered=3, accepted=2, repeated=0, refused=1, problems=(RowProblem(rule="columns", text="a cell more"),)
)
DOCUMENT = Document(content=b"<Notice/>", record_type="SupervisionNotice", text="请于三日内答复")
LIMIT_S = 20.0
PAUSE = Event()


class Terminal(ScriptedTerminal):
    """A terminal that takes documents, unless it is told to refuse them."""

    refuses = False
    answers = True
    resumed = ("", 0)

    def opened(self, resume_key: str, resume_bytes: int) -> None:
        self.resumed = (resume_key, resume_bytes)
        super().opened("", 0)

    def heard(self, message: object) -> None:
        super().heard(message)  # type: ignore[arg-type]
        if isinstance(message, Entry) and self.answers:
            self.to_say.append(Refuse(message.key, "no room") if self.refuses else Confirm(message.key))


class Plugged:
    """A terminal at a port, with threads of its own."""

    def __init__(self, terminal: Terminal, port: SocketPort, *, name: str = NAME, key: bytes = KEY) -> None:
        self.terminal = terminal
        self.condition = Condition()
        link = TerminalLink(terminal, name=name, key=key, spool=SPOOL, token=os.urandom)
        self.driver = Driver(
            link,
            port,
            condition=self.condition,
            monotonic_s=time.monotonic,
            gone=(OSError,),
            ended=lambda driver: driver.link.hang_up(time.monotonic()),
        )
        self.driver.start()

    def wait_for(self, done: Callable[[], object]) -> None:
        with self.condition:
            assert self.condition.wait_for(done, LIMIT_S)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[RecordLine]:
    made = line_in(tmp_path)
    yield made
    made.close()


def line_in(folder: Path) -> RecordLine:
    return RecordLine(terminals={NAME: KEY}, folder=folder, monotonic_s=time.monotonic, token=os.urandom)


@contextmanager
def plugged(line: RecordLine, terminal: Terminal, *, name: str = NAME, key: bytes = KEY) -> Iterator[Plugged]:
    near, far = port_pair()
    line.start(near)
    one = Plugged(terminal, far, name=name, key=key)
    try:
        yield one
    finally:
        one.driver.stop()


def received(line: RecordLine) -> Message:
    message = line.received(LIMIT_S)
    assert message is not None
    return message


def wait_until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < end_s
        PAUSE.wait(0.01)


def test_a_message_comes_out_once_with_a_stable_key_and_its_answer_reaches_the_terminal(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"<Records/>"])
    with plugged(line, terminal) as one:
        message = received(line)
        assert message == Message(
            terminal=NAME,
            # printf '<Records/>' | sha256sum
            key=f"{NAME}/{SPOOL.hex()}/9d70e7a42f77bd0181d0e90ffafa7f96/1",
            content=b"<Records/>",
            media_type="application/xml",
        )
        assert line.received(0.05) is None
        line.confirm(message, TAKEN)
        one.wait_for(lambda: terminal.heard_messages)
    assert terminal.heard_messages == [Confirm("1", 3, 2, 0, 1, 0, "a cell more")]


def test_a_refusal_reaches_the_terminal_with_its_reason(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"?"])
    with plugged(line, terminal) as one:
        line.refuse(received(line), "no dialect reads this")
        one.wait_for(lambda: terminal.heard_messages)
    assert terminal.heard_messages == [Refuse("1", "no dialect reads this")]


def test_what_is_not_answered_comes_again_and_is_not_handed_out_twice(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"one", b"two"])
    with plugged(line, terminal):
        first = received(line)
        assert received(line).content == b"two"
    with pytest.raises(SourceUnavailableError, match=r"gone|closed"):
        line.received(LIMIT_S)
    assert line.state.standing is Standing.UNPLUGGED
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings == 2)
        assert line.received(0.3) is None
        line.confirm(first, TAKEN)
        one.wait_for(lambda: terminal.confirmed)
    assert terminal.confirmed == ["1"]


def test_an_answer_given_while_the_line_was_down_is_told_when_the_entry_comes_again(tmp_path: Path) -> None:
    terminal = Terminal(spool=[b"one"])
    line = line_in(tmp_path)
    with plugged(line, terminal):
        message = received(line)
    line.confirm(message, TAKEN)
    line.close()
    line.close()
    # Another opening, as after a restart: the memory is in the folder.
    line = line_in(tmp_path)
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.confirmed)
        assert line.received(0.05) is None
    line.close()
    assert terminal.confirmed == ["1"]


def test_a_long_entry_is_taken_up_where_it_was_cut_even_by_another_process(tmp_path: Path) -> None:
    content = SeededRandomness("long entry").token(300_000)
    first, *parts = entry_messages("1", content, media_type="text/csv", name="cases.csv")
    terminal = Terminal()
    line = line_in(tmp_path)
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        with one.condition:
            terminal.to_say.extend([first, *parts[:4]])
            one.condition.notify_all()
        wait_until(
            lambda: (tmp_path / f"{NAME}.part").exists() and (tmp_path / f"{NAME}.part").stat().st_size == 163_840
        )
    line.close()
    line = line_in(tmp_path)
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings == 2)
        assert terminal.resumed == ("1", 163_840)
        with one.condition:
            terminal.to_say.extend(
                entry_messages("1", content, media_type="text/csv", name="cases.csv", offset=163_840)
            )
            one.condition.notify_all()
        message = received(line)
        assert (message.content == content, message.name) == (True, "cases.csv")
        line.confirm(message, TAKEN)
        one.wait_for(lambda: terminal.confirmed)
    line.close()
    assert not (tmp_path / f"{NAME}.part").exists()


def test_a_long_entry_that_was_answered_is_passed_over_when_it_comes_again(line: RecordLine) -> None:
    terminal = Terminal(spool=[bytes(100_000)])
    with plugged(line, terminal):
        line.confirm(received(line), TAKEN)
    terminal.heard_messages.clear()
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.confirmed)
        assert line.received(0.2) is None


def test_a_document_goes_down_and_waits_for_the_terminals_disk(line: RecordLine) -> None:
    terminal = Terminal()
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        line.deliver(DOCUMENT, "notice/1", wait_s=LIMIT_S)
        entry = terminal.heard_messages[0]
        assert isinstance(entry, Entry)
        assert (entry.key, entry.data, entry.name, entry.text) == (
            "notice/1",
            b"<Notice/>",
            "SupervisionNotice",
            "请于三日内答复",
        )
        long = Document(content=bytes(80_000), record_type="X")
        line.deliver(long, "notice/2", wait_s=LIMIT_S)
        assert sum(isinstance(one, Part) for one in terminal.heard_messages) == 2


def test_a_document_that_the_terminal_refuses_or_that_is_too_long_is_never_taken(line: RecordLine) -> None:
    terminal = Terminal()
    terminal.refuses = True
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        with pytest.raises(DeliveryRejectedError, match="no room"):
            line.deliver(DOCUMENT, "k", wait_s=LIMIT_S)
    with pytest.raises(DeliveryRejectedError, match="at most"):
        line.deliver(Document(content=bytes(ENTRY_BYTES_MAX + 1), record_type="X"), "k")
    with pytest.raises(DeliveryRejectedError, match="at most"):
        line.deliver(DOCUMENT, "k" * 201)


def test_without_a_terminal_or_an_answer_a_document_waits_for_another_time(line: RecordLine) -> None:
    with pytest.raises(SourceUnavailableError, match="no terminal"):
        line.deliver(DOCUMENT, "k")
    terminal = Terminal()
    terminal.answers = False
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        with pytest.raises(SourceUnavailableError, match="has not said"):
            line.deliver(DOCUMENT, "k", wait_s=0.2)
        pulling = Thread(target=one.driver.stop)
        pulling.start()
        with pytest.raises(SourceUnavailableError):
            line.deliver(DOCUMENT, "k", wait_s=LIMIT_S)
        pulling.join()


def test_a_document_that_is_still_on_its_way_is_waited_for_and_not_sent_again(line: RecordLine) -> None:
    terminal = Terminal()
    terminal.answers = False
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        for _ in range(3):
            with pytest.raises(SourceUnavailableError, match="has not said"):
                line.deliver(DOCUMENT, "k", wait_s=0.1)
        one.wait_for(lambda: terminal.heard_messages)
        with one.condition:
            # It stands on the terminal's disk at last, and nobody is waiting.
            terminal.to_say.append(Confirm("k"))
            one.condition.notify_all()
        wait_until(lambda: not line._speaking.is_under_way("k"))
        line.deliver(DOCUMENT, "k", wait_s=0.0)
        assert [type(message) for message in terminal.heard_messages] == [Entry]


def test_a_document_is_not_given_up_while_it_goes_over_the_line(line: RecordLine) -> None:
    terminal = Terminal()
    terminal.answers = False
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        write, written = line._driver._port.write, []  # type: ignore[union-attr]

        def slowly(data: bytes) -> None:
            written.append(len(data))
            PAUSE.wait(0.02)
            write(data)

        line._driver._port.write = slowly  # type: ignore[union-attr,method-assign]
        long = Document(content=SeededRandomness("long document").token(100_000), record_type="X")
        delivering = Thread(
            target=line.deliver, args=(long, "k"), kwargs={"wait_s": LIMIT_S, "still_s": 0.5}, daemon=True
        )
        delivering.start()
        one.wait_for(
            lambda: sum(len(m.data) for m in terminal.heard_messages if isinstance(m, Entry | Part)) == 100_000
        )
        assert len(written) * 0.02 > 0.5, "it took longer than is waited for when nothing moves"
        assert delivering.is_alive()
        with one.condition:
            terminal.to_say.append(Confirm("k"))
            one.condition.notify_all()
        delivering.join(LIMIT_S)
        assert not delivering.is_alive()
        with pytest.raises(SourceUnavailableError, match="has not said"):
            # Would take longer than a test may, if it did not see that nothing moves.
            line.deliver(DOCUMENT, "k2", wait_s=1_000 * LIMIT_S, still_s=0.5)


def test_a_document_whose_session_was_replaced_is_given_up_at_once_and_sent_in_the_next(line: RecordLine) -> None:
    terminal = Terminal()
    terminal.answers = False
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        problems: list[SourceUnavailableError] = []

        def deliver() -> None:
            try:
                line.deliver(DOCUMENT, "k", wait_s=10 * LIMIT_S)
            except SourceUnavailableError as error:
                problems.append(error)

        waiting = Thread(target=deliver)
        waiting.start()
        one.wait_for(lambda: terminal.heard_messages)
        with line._condition:
            # As when the terminal was restarted: the one who waits sees only that the line is open.
            line._speaking.closed("replaced")
            line._speaking.opened(NAME, SPOOL)
        waiting.join(LIMIT_S)
        assert len(problems) == 1
        terminal.answers = True
        line.deliver(DOCUMENT, "k", wait_s=LIMIT_S)


def test_the_state_says_who_is_there_and_who_is_not_let_in(line: RecordLine) -> None:
    assert line.state.standing is Standing.UNPLUGGED
    terminal = Terminal()
    with plugged(line, terminal, name="stranger"):
        wait_until(lambda: line.state.standing is Standing.UNPROVEN)
        assert "stranger" in line.state.text
        assert line.state.terminal == ""
    with plugged(line, terminal) as one:
        one.wait_for(lambda: terminal.openings)
        state = line.state
        assert (state.standing, state.terminal, state.frames_lost, state.frames_forged) == (Standing.OPEN, NAME, 0, 0)
        one.driver.stop()
        wait_until(lambda: line.state.standing is not Standing.OPEN)
        assert "good-bye" in line.state.text or "gone" in line.state.text


def test_a_port_put_in_place_of_another_one_is_used_and_the_old_one_closed(line: RecordLine) -> None:
    old_near, old_far = port_pair()
    line.start(old_near)
    terminal = Terminal(spool=[b"one"])
    with plugged(line, terminal):
        assert received(line).content == b"one"
        assert old_far.read(4_096, LIMIT_S) == b"\x00", "nothing was said but the first delimiter"
        with pytest.raises(OSError, match="gone"):
            old_far.read(4_096, LIMIT_S)
        old_far.close()


def test_messages_that_came_before_the_port_was_gone_are_still_handed_out(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"one", b"two"])
    with plugged(line, terminal):
        received(line)
        wait_until(lambda: len(line._speaking.waiting) == 1)
    wait_until(lambda: line.state.standing is Standing.UNPLUGGED)
    assert received(line).content == b"two"
    with pytest.raises(SourceUnavailableError):
        line.received(0)


def test_a_disk_that_fails_ends_the_line_as_if_it_were_unplugged(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"one"])
    line._speaking.memory.held(NAME, SPOOL)
    line._speaking.memory.close()
    with plugged(line, terminal), pytest.raises(SourceUnavailableError, match="closed database"):
        line.received(LIMIT_S)


def test_an_answer_that_cannot_be_kept_is_given_another_time(line: RecordLine) -> None:
    terminal = Terminal(spool=[b"one"])
    with plugged(line, terminal):
        message = received(line)
        line._speaking.memory.close()
        with pytest.raises(SourceUnavailableError, match="memory cannot be written"):
            line.confirm(message, TAKEN)


def test_nothing_is_opened_before_a_port_is_there(tmp_path: Path) -> None:
    made = line_in(tmp_path / "not there yet")
    made.close()
    assert list(tmp_path.iterdir()) == []
