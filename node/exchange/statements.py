"""Statements (02, R12): what each side of a conversation says at its opening that it holds, and what follows from it.

Per origin a digest stands for all its streams: SHA-256 over the lines ``stream size root``, sorted, each ended by one
newline, of the streams that both sides may hold. Where digests differ, or where one side holds nothing of an origin,
the lists say where. In this version statements only set cursors: up, because the neighbour holds what a lost receipt
would have said; down, because it lost what it held (shown as ``neighbour returned``). A stated root is compared with
our own root at that size; if they differ, nothing moves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.exchange.head import Standing, Statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from node.standard.seals import StreamName


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a neighbour's statement says about the streams that we send it.

    ``stated``: size and root that it holds (size 0: nothing). ``unlisted``: origins whose digests differ but whose list
    was not given: nothing is known of them yet.
    """

    stated: dict[StreamName, Standing] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()


def digests_of(lines: Iterable[Standing]) -> dict[str, str]:
    """Return the digest (hex) of each origin's lines; streams of size 0 do not count."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        if line.size:
            texts.setdefault(line.stream.origin, []).append(f"{line.stream} {line.size} {line.root.hex()}\n")
    return {
        origin: hashlib.sha256("".join(sorted(found)).encode()).hexdigest() for origin, found in sorted(texts.items())
    }


def statement_of(lines: Collection[Standing], *, listed: Collection[str] = (), lines_max: int = 5_000) -> Statement:
    """Return a statement with the digests of all ``lines`` and the lines of the origins in ``listed``.

    An origin is listed whole or not at all; those beyond ``lines_max`` (digests included) wait for the next opening.
    """
    digests = digests_of(lines)
    chosen: list[Standing] = []
    for origin in sorted(listed):
        told = sorted(line for line in lines if line.size and line.stream.origin == origin)
        if len(digests) + len(chosen) + len(told) > lines_max:
            continue
        chosen += told
    return Statement(digests=tuple(digests.items())[:lines_max], lines=tuple(chosen))


def differing(lines: Iterable[Standing], statement: Statement) -> frozenset[str]:
    """Return the origins of which both sides hold something, but not the same: those whose lists are needed."""
    theirs = dict(statement.digests)
    return frozenset(
        origin for origin, digest in digests_of(lines).items() if origin in theirs and theirs[origin] != digest
    )


def unlike(lines: Iterable[Standing], statement: Statement) -> frozenset[str]:
    """Return the origins of which we hold something that the speaker does not hold alike: less, other or nothing."""
    theirs = dict(statement.digests)
    return frozenset(origin for origin, digest in digests_of(lines).items() if theirs.get(origin) != digest)


def compare(lines: Collection[Standing], outgoing: Collection[StreamName], statement: Statement) -> Comparison:
    """Return what ``statement`` says about ``outgoing``, the streams that travel from us to its speaker.

    ``lines`` is our side: every stream that both may hold.
    """
    unequal = differing(lines, statement)
    theirs = {origin for origin, _ in statement.digests}
    listed = {line.stream.origin for line in statement.lines}
    told = {line.stream: line for line in statement.lines}
    own = {line.stream: line for line in lines}
    stated: dict[StreamName, Standing] = {}
    for stream in outgoing:
        nothing = Standing(stream, 0, b"")
        if stream.origin in unequal:
            if stream.origin in listed:
                stated[stream] = told.get(stream, nothing)
        elif stream.origin in theirs:
            stated[stream] = own.get(stream, nothing)
        else:
            stated[stream] = nothing
    return Comparison(stated=stated, unlisted=unequal - listed)
