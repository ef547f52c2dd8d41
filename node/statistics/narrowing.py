"""Finding the few contributions in which two nodes differ among millions, in a few small questions. Pure.

A contribution is what one case adds to one figure of a day. Its *place* is SHA-256 over the lines case, division,
department, item, channel, indicator, each ended by one newline; its *trace* is the first 16 bytes of SHA-256 over the
place and the amount in decimal. A *range* is the contributions whose place begins with some pairs of hexadecimal
digits, and its digest is the sum of their traces modulo 2^128: it depends on no order, so neither side has to sort or
hold them. Asked for a range, a node tells the digests of its 256 parts, or the contributions where they are few; the
asker goes on with the parts that differ, deepest first. One difference in a million costs three questions.

The digests only have to tell honest nodes apart: who answers for a range holds all of it and can say what it likes. A
lie shows as a difference that is none, or as an answer that does not fit the question; nothing that is answered makes
the asker ask more than ``QUESTIONS_MAX`` times.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from node.statistics.indicators import FigureKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

PARTS: Final = 256
DIGEST_BYTES: Final = 16
_PAIR: Final = 2
_MODULUS: Final = 1 << (8 * DIGEST_BYTES)

TOLD_MAX: Final = 24
"""Contributions up to which a range is told whole: some 6 KB, as much as 256 digests. Chosen by us."""
ASKED_MAX: Final = 4
"""Ranges one question asks for: an answer stays below 32 KB. Chosen by us."""
WAITING_MAX: Final = 64
"""Ranges that differ and were not asked for yet; chosen by us. What is more is not looked at."""
FOUND_MAX: Final = 50
"""Differences after which nothing more is asked; chosen by us: whoever finds fifty looks for a cause, not for more."""
QUESTIONS_MAX: Final = 24
"""Questions of one comparison; chosen by us: all of them cost less than a megabyte."""
DEPTH_MAX: Final = 8
"""Pairs of digits a range has at most: 2^64 ranges, so that honest contributions never meet in one."""

WHOLE: Final = ""
"""The range of everything."""

Place = tuple[str, FigureKey]
"""A case number and what is counted of it."""
Contribution = tuple[str, FigureKey, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a node tells of a range: the digests of its parts, or, where ``digests`` is empty, all contributions."""

    range: str
    digests: tuple[bytes, ...] = ()
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A contribution that is not the same: ``stated`` by the other node, ``computed`` by the one that asks; 0: none."""

    case_no: str
    key: FigureKey
    stated: int
    computed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows from an answer: ranges to ask for now, ranges that wait, what was found.

    ``more``: not everything that differs is named or waits. Nothing to ask for: the comparison is at its end.
    """

    asked: tuple[str, ...]
    waiting: tuple[str, ...]
    found: tuple[Difference, ...]
    more: bool = False


class UnfitAnswerError(ValueError):
    """An answer that does not fit its question."""


@dataclass(slots=True, kw_only=True)
class _Range:
    """One range while contributions go by."""

    name: str
    count: int = 0
    sums: list[int] = field(default_factory=lambda: [0] * PARTS)
    kept: dict[Place, int] = field(default_factory=dict)


def place_of(case_no: str, key: FigureKey) -> str:
    """Return the place of a contribution: 64 hexadecimal digits."""
    return hashlib.sha256(("\n".join((case_no, *key)) + "\n").encode()).hexdigest()


def tell(contributions: Iterable[Contribution], ranges: Sequence[str]) -> list[Told]:
    """Return what is told of each range, in one pass; contributions that come to 0 do not count."""
    found = _gather(contributions, ranges, TOLD_MAX)
    return [
        Told(range=one.name, digests=_digests(one))
        if one.count > TOLD_MAX
        else Told(range=one.name, contributions=_listed(one.kept))
        for one in found
    ]


def next_step(
    told: Sequence[Told],
    asked: Sequence[str],
    waiting: Sequence[str],
    own: Iterable[Contribution],
    *,
    found_before: int,
) -> Step:
    """Compare an answer with our own contributions, in one pass, and return what to do next.

    Raises UnfitAnswerError when the answer is not one to ``asked``, before ``own`` is touched. ``found_before``
    differences were named already.
    """
    check(told, asked)
    by_name = {one.range: one for one in told}
    stated = frozenset((case_no, key) for one in told for case_no, key, _ in one.contributions)
    parts: list[str] = []
    found: list[Difference] = []
    room = max(0, FOUND_MAX - found_before)
    more = False
    for one in _gather(own, list(by_name), FOUND_MAX + 1, stated):
        answer = by_name[one.name]
        if answer.digests:
            mine = _digests(one)
            parts += [f"{one.name}{number:02x}" for number in range(PARTS) if mine[number] != answer.digests[number]]
        else:
            differing = _differing(answer, one.kept)
            more = more or one.count > len(one.kept) or len(found) + len(differing) > room
            found += differing[: room - len(found)]
    ahead = [*parts, *waiting]
    more = more or len(ahead) > ASKED_MAX + WAITING_MAX
    if found_before + len(found) >= FOUND_MAX:
        return Step(asked=(), waiting=(), found=tuple(found), more=more or bool(ahead))
    return Step(
        asked=tuple(ahead[:ASKED_MAX]),
        waiting=tuple(ahead[ASKED_MAX : ASKED_MAX + WAITING_MAX]),
        found=tuple(found),
        more=more,
    )


def check(told: Sequence[Told], asked: Sequence[str]) -> None:
    """Raise UnfitAnswerError unless ``told`` answers exactly ``asked`` within the bounds."""
    if [one.range for one in told] != list(asked):
        message = "the answer tells of other ranges than were asked for"
        raise UnfitAnswerError(message)
    for one in told:
        if one.digests and (one.contributions or len(one.digests) != PARTS or len(one.range) >= _PAIR * DEPTH_MAX):
            message = f"the range {one.range or 'of everything'} cannot have these digests"
            raise UnfitAnswerError(message)
        places = {(case_no, key) for case_no, key, _ in one.contributions}
        if len(places) != len(one.contributions) or len(places) > TOLD_MAX:
            message = f"the range {one.range or 'of everything'} has too many contributions, or one of them twice"
            raise UnfitAnswerError(message)
        if not all(place_of(*place).startswith(one.range) for place in places):
            message = f"a contribution stands outside the range {one.range}"
            raise UnfitAnswerError(message)


def _gather(
    contributions: Iterable[Contribution],
    ranges: Sequence[str],
    kept_max: int,
    wanted: Collection[Place] = (),
) -> list[_Range]:
    """Sum and keep (``wanted``, and else the first ``kept_max`` of a range) in one pass; ranges do not overlap."""
    found = {name: _Range(name=name) for name in ranges}
    lengths = sorted({len(name) for name in ranges})
    for case_no, key, amount in contributions:
        if not amount:
            continue
        place = place_of(case_no, key)
        one = next((found[place[:length]] for length in lengths if place[:length] in found), None)
        if one is None:
            continue
        one.count += 1
        if len(one.kept) < kept_max or (case_no, key) in wanted:
            one.kept[case_no, key] = amount
        if len(one.name) < _PAIR * DEPTH_MAX:
            part = int(place[len(one.name) : len(one.name) + _PAIR], 16)
            one.sums[part] = (one.sums[part] + _trace(place, amount)) % _MODULUS
    return list(found.values())


def _trace(place: str, amount: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{place}{amount}".encode()).digest()[:DIGEST_BYTES])


def _digests(one: _Range) -> tuple[bytes, ...]:
    return tuple(number.to_bytes(DIGEST_BYTES) for number in one.sums)


def _listed(kept: Mapping[Place, int]) -> tuple[Contribution, ...]:
    return tuple((case_no, key, amount) for (case_no, key), amount in sorted(kept.items()))


def _differing(answer: Told, kept: Mapping[Place, int]) -> list[Difference]:
    stated = {(case_no, key): amount for case_no, key, amount in answer.contributions}
    return [
        Difference(case_no=place[0], key=place[1], stated=stated.get(place, 0), computed=kept.get(place, 0))
        for place in sorted({*stated, *kept})
        if stated.get(place, 0) != kept.get(place, 0)
    ]
