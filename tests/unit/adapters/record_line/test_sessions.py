"""Terminal and node over a line in virtual time: what is sent arrives once, whatever the line does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.record_line.answering import NodeLink
from adapters.record_line.limits import ENTRY_BYTES_MAX, KEEP_ALIVE_S, RECEIVE_BUFFER_BYTES, SILENCE_S
from adapters.record_line.messages import Confirm, Entry, LineProtocolError, Message, Part, Refuse, packed
from adapters.record_line.opening import Abilities
from node.randomness import SeededRandomness
from tests.support.line_noise import Noise
from tests.support.record_lines import KEY, NAME, SimulatedLine

RECORD = "<Conclusion><CaseNo>{n}</CaseNo><HandleUserName>样例{n}</HandleUserName></Conclusion>"


def entries(count: int) -> list[bytes]:
    return [RECORD.format(n=n).encode() for n in range(count)]


def all_confirmed(line: SimulatedLine) -> bool:
    return len(set(line.terminal.confirmed)) == len(line.terminal.spool)


def test_entries_arrive_in_order_and_once_on_a_clean_line() -> None:
    line = SimulatedLine(entries=entries(40))
    assert line.run_until(lambda: all_confirmed(line)) < 1.0
    assert line.node.contents == entries(40)
    assert line.node.terminals == [NAME]
    assert line.terminal.confirmed == [str(n) for n in range(1, 41)]


@given(
    flips=st.sampled_from([0.0, 1e-5, 1e-4, 1e-3]),
    drops=st.sampled_from([0.0, 1e-4, 1e-3]),
    seed=st.integers(0, 2**16),
    bits_per_s=st.sampled_from([2_400, 115_200, 921_600]),
    delay_s=st.sampled_from([0.0, 0.02, 0.7]),
)
@settings(max_examples=30)
def test_entries_arrive_once_on_any_line(
    flips: float, drops: float, seed: int, bits_per_s: int, delay_s: float
) -> None:
    noise = Noise(flips_per_bit=flips, drops_per_byte=drops, seed=seed)
    # Not to be compressed: some 12 kB on the line.
    sent = [SeededRandomness(f"{seed} {n}").token(300) for n in range(40)]
    line = SimulatedLine(entries=sent, noise=noise, bits_per_s=bits_per_s, delay_s=delay_s, seed=seed)
    line.run_until(lambda: all_confirmed(line), limit_s=900)
    if flips + drops < 1e-3:
        assert line.node.contents == sent
        assert line.node.closed_for == line.terminal.closed_for == []
    else:
        # At 2,400 bit/s so bad a line may be silent for long enough to begin anew; then entries come twice.
        assert set(line.node.contents) == set(sent)


def test_a_long_entry_comes_in_parts_and_answers_come_between_them() -> None:
    long = SeededRandomness("long").token(200_000)
    line = SimulatedLine(entries=[long, b"short"], bits_per_s=921_600)
    line.node.to_say.append(Refuse("0", "said while the entry is under way"))
    line.run_until(lambda: all_confirmed(line))
    assert line.node.contents == [long, b"short"]
    assert sum(isinstance(one, Part) for one in line.node.heard_messages) == 6
    assert line.terminal.refused == ["0"]


def test_documents_go_down_while_entries_go_up() -> None:
    line = SimulatedLine(entries=entries(300))
    document = Entry("notice-1", 5, b"<a/>\n", "application/xml", "SupervisionNotice", "请于三日内答复")
    line.node.to_say.append(document)
    line.run_until(lambda: document in line.terminal.heard_messages, limit_s=2)
    line.run_until(lambda: all_confirmed(line))


@pytest.mark.parametrize(
    "abilities",
    [
        Abilities(24, 256),
        Abilities(100, 512, window_bits=9),
        Abilities(2_048, 65_536, compression=0),
        Abilities(65_535, 4_000_000),
    ],
    ids=["tiny", "small", "plain", "huge"],
)
def test_devices_of_any_size_are_spoken_to_as_they_can(abilities: Abilities) -> None:
    line = SimulatedLine(entries=entries(30), abilities=abilities)
    document = Entry("n", 20_000, bytes(20_000), "application/xml")
    line.node.to_say.append(document)
    line.run_until(lambda: all_confirmed(line) and document in line.terminal.heard_messages)
    assert line.node.contents == entries(30)


def test_a_line_at_rest_costs_a_few_bytes_a_second_and_stays_open() -> None:
    line = SimulatedLine()
    line.run_for(10)
    before = line.up.carried + line.down.carried
    line.run_for(60)
    assert line.terminal.openings == 1
    assert line.node.closed_for == []
    assert (line.up.carried + line.down.carried - before) / 60 < 20


def test_a_cable_that_is_cut_ends_the_session_after_a_while_and_it_goes_on_when_it_is_mended() -> None:
    line = SimulatedLine(entries=entries(2_000), bits_per_s=57_600)
    line.run_until(lambda: len(line.terminal.confirmed) > 100)
    line.up.whole = line.down.whole = False
    line.run_for(SILENCE_S + KEEP_ALIVE_S)
    assert line.node.closed_for == line.terminal.closed_for == ["silent"]
    line.up.whole = line.down.whole = True
    line.run_until(lambda: all_confirmed(line))
    assert line.terminal.openings == 2
    assert set(entries(2_000)) == set(line.node.contents)


def test_a_short_cut_is_not_noticed_by_the_session() -> None:
    line = SimulatedLine(entries=entries(2_000), bits_per_s=57_600)
    line.run_until(lambda: len(line.terminal.confirmed) > 100)
    line.up.whole = line.down.whole = False
    line.run_for(SILENCE_S / 3)
    line.up.whole = line.down.whole = True
    line.run_until(lambda: all_confirmed(line))
    assert line.terminal.openings == 1
    assert line.node.contents == entries(2_000)


def test_a_node_that_restarts_is_called_again_within_seconds() -> None:
    line = SimulatedLine(entries=entries(2_000), bits_per_s=57_600)
    line.run_until(lambda: len(line.terminal.confirmed) > 100)
    begun_s = line.now_s
    line.node_link = NodeLink(line.node, terminals={NAME: KEY}, token=SeededRandomness("second life").token)
    line.run_until(lambda: line.terminal.openings == 2)
    assert line.now_s - begun_s < 4
    assert line.terminal.closed_for == ["node-restarted"]
    line.run_until(lambda: all_confirmed(line))
    assert set(entries(2_000)) == set(line.node.contents)


def test_a_terminal_that_restarts_replaces_its_session() -> None:
    line = SimulatedLine(entries=entries(2_000), bits_per_s=57_600)
    line.run_until(lambda: len(line.terminal.confirmed) > 100)
    line.restart_terminal()
    line.run_until(lambda: all_confirmed(line))
    assert line.node.closed_for == ["replaced"]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_unplugged_at_every_byte_of_the_opening_and_of_a_frame_everything_arrives(direction: str) -> None:
    # The opening, two records and their answers take fewer than 400 bytes either way.
    for cut_after in range(400):
        line = SimulatedLine(entries=entries(2), bits_per_s=921_600)
        wire = line.up if direction == "up" else line.down
        wire.limit = cut_after
        line.run_for(0.2)
        wire.limit = None
        line.restart_terminal()
        line.run_until(lambda line=line: all_confirmed(line), limit_s=30)  # type: ignore[misc]
        assert set(line.node.contents) == set(entries(2))


def test_a_user_that_is_not_ready_holds_up_the_other_end_within_what_was_promised() -> None:
    line = SimulatedLine(entries=[SeededRandomness(n).token(30_000) for n in range(40)], bits_per_s=921_600)
    line.node.ready = False
    line.run_for(10)
    assert line.node.heard_messages == []
    assert line.node_link.session is not None
    assert line.node_link.session.receiving.through == RECEIVE_BUFFER_BYTES
    line.node.ready = True
    line.node_link.read_on()
    line.run_until(lambda: all_confirmed(line))
    assert line.node.closed_for == []


def test_a_user_that_first_has_to_say_something_hears_the_rest_afterwards() -> None:
    line = SimulatedLine(entries=entries(50))
    line.node.is_ready = lambda: not line.node.to_say  # type: ignore[method-assign]
    line.run_until(lambda: all_confirmed(line), limit_s=20)
    assert line.node.contents == entries(50)


@pytest.mark.parametrize(
    "message",
    [b"\x09\x00\x00\x00\x00", b"\x01\xff\xff\xff\xff", packed(Entry("1", ENTRY_BYTES_MAX + 1, b"", "text/csv"))],
    ids=["unknown kind", "length that lies", "entry that is too long"],
)
def test_a_terminal_with_the_key_that_does_not_keep_to_the_protocol_loses_its_session(message: bytes) -> None:
    line = SimulatedLine(abilities=Abilities(2_048, 65_536, compression=0))
    line.run_for(2)
    assert line.terminal_link.session is not None
    line.terminal_link.session.sending.write(message)
    line.run_for(2)
    assert line.node.closed_for == ["protocol"]
    assert line.terminal.closed_for == ["bye"]
    # It may call again, not at once.
    line.run_for(5)
    assert line.terminal.openings == 2


def test_what_a_user_finds_against_the_protocol_ends_the_session() -> None:
    line = SimulatedLine(entries=entries(1))

    def heard(message: Message) -> None:
        raise LineProtocolError(str(message))

    line.node.heard = heard  # type: ignore[method-assign]
    line.run_for(2)
    assert line.node.closed_for == ["protocol"]


def test_both_ends_say_good_bye() -> None:
    for which in ("node", "terminal"):
        line = SimulatedLine(entries=entries(3))
        line.run_until(lambda line=line: all_confirmed(line))  # type: ignore[misc]
        (line.node_link if which == "node" else line.terminal_link).close()
        line.run_for(1)
        assert sorted(line.node.closed_for + line.terminal.closed_for) == ["bye", "own-wish"]


def test_an_answer_that_was_lost_is_given_when_the_entry_comes_again() -> None:
    line = SimulatedLine(entries=entries(1))
    line.node.confirms = False
    line.run_until(lambda: len(line.node.contents) == 1)
    line.restart_terminal()
    line.node.confirms = True
    line.run_until(lambda: all_confirmed(line))
    assert line.node.contents == entries(1) * 2
    assert line.terminal.heard_messages == [Confirm("1", 1, 1)]


def test_a_session_that_has_carried_much_changes_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.record_line.session.SESSION_FRAMES_MAX", 50)
    line = SimulatedLine(entries=[SeededRandomness(n).token(20_000) for n in range(8)], bits_per_s=921_600)
    line.run_until(lambda: all_confirmed(line))
    assert "worn-out" in line.terminal.closed_for
    assert line.terminal.openings > 1
