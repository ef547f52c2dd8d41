"""Doubt (02, R12): a database that may be older than what this node has told others.

A node in doubt takes deliveries into waiting, appends to no stream of its own, and signs no checkpoint and no receipt,
until its neighbours have said what they hold of its streams (``node.exchange.settling``). What it knows of that stands
in one setting, so that a crash in between loses nothing: the reason, whose statements are still missing, and per stream
what came back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from node.errors import InDoubtError
from node.journal import holdings
from node.journal.settings import drop_setting, save_setting, setting
from node.standard.seals import Checkpoint, StreamName, parse_time_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from node.journal.high_water import HighWater
    from node.journal.store import Transaction

SETTING: Final = "doubt"
ABANDONED_MAX: Final = 100
"""Checkpoints that one StreamReturn names (control.xsd): of more, those with the largest sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What came back of one own stream: ``common`` records stood before, ``abandoned`` were signed beyond them."""

    common: int
    abandoned: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why and since when this node doubts its database.

    unheard: codes of the neighbours whose statements are still missing, None before that was found out. heard: codes of
    those that have stated and are held to. without: codes that a person gave up waiting for. returned: per own stream
    what came back.
    """

    reason: str
    since: datetime
    unheard: tuple[str, ...] | None = None
    heard: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    returned: Mapping[StreamName, Returned] = field(default_factory=dict)

    def waiting_for(self, codes: Iterable[str]) -> Doubt:
        """Return this doubt with ``codes`` to be heard too, but for those that were heard or given up."""
        known = {*(self.unheard or ()), *codes} - {*self.heard, *self.without}
        return replace(self, unheard=tuple(sorted(known)))

    def after(self, code: str) -> Doubt:
        """Return this doubt once ``code`` was heard."""
        left = tuple(one for one in self.unheard or () if one != code)
        return replace(self, unheard=left, heard=tuple(sorted({*self.heard, code})))

    def given_up(self, code: str) -> Doubt:
        """Return this doubt once a person gave up waiting for ``code``."""
        unheard = None if self.unheard is None else tuple(one for one in self.unheard if one != code)
        return replace(self, unheard=unheard, without=tuple(sorted({*self.without, code})))

    def with_return(self, stream: StreamName, returned: Returned) -> Doubt:
        """Return this doubt with something more that came back of a stream."""
        before = self.returned.get(stream)
        if before is not None:
            known = {(one.size, one.root): one for one in (*before.abandoned, *returned.abandoned)}
            kept = sorted(known.values(), key=lambda one: one.size)[-ABANDONED_MAX:]
            returned = Returned(common=min(before.common, returned.common), abandoned=tuple(kept))
        return replace(self, returned={**self.returned, stream: returned})

    def set_aside_to(self, stream: StreamName) -> int:
        """Return up to which size the tail was sealed that a stream gave up for what came back; 0 when none was."""
        returned = self.returned.get(stream)
        return 0 if returned is None else max((one.size for one in returned.abandoned), default=0)


def find_doubt(connection: Connection) -> Doubt | None:
    """Return this node's doubt, None when it has none."""
    text = setting(connection, SETTING)
    return None if text is None else _read(json.loads(text))


def save_doubt(transaction: Transaction, doubt: Doubt) -> None:
    """Enter doubt, or keep what changed of it."""
    save_setting(transaction, SETTING, json.dumps(_written(doubt), sort_keys=True))
    transaction.announce()


def end_doubt(transaction: Transaction) -> None:
    """Leave doubt, in the transaction that writes the StreamReturn records."""
    drop_setting(transaction, SETTING)
    transaction.announce()


def check_no_doubt(connection: Connection) -> None:
    """Raise InDoubtError while this node is in doubt."""
    doubt = find_doubt(connection)
    if doubt is not None:
        raise in_doubt(doubt.reason)


def in_doubt(reason: str) -> InDoubtError:
    """Return the error for what cannot be done now."""
    return InDoubtError("This node is in doubt about its own database.", why=reason)


def reason_to_doubt(connection: Connection, high_water: HighWater, place: str, *, whole: bool = False) -> str | None:
    """Return why the database may be older than what was revealed, None when it is not.

    ``place`` is what its server says of itself (``node.journal.store.Store.place``). ``whole``: look at what was
    receipted of others' streams too, not at our own alone.
    """
    sizes = high_water.sizes()
    known = {one.stream: one for one in (holdings.all_held if whole else holdings.all_own)(connection)}
    if sizes is None:
        sealed = any(held.own and held.sealed for held in known.values())
        return "the high-water file is missing or damaged, but the database holds sealed records" if sealed else None
    for stream, size in sorted(sizes.items()):
        held = known.get(stream)
        if held is None and not whole:
            # Somebody else's, or our own and gone: the first append asks.
            continue
        stands = 0 if held is None else held.size
        if stands < size:
            return f"{size} records of {stream} were shown or receipted to others, the database holds {stands}"
    before = high_water.place()
    if before and place and before != place:
        return f"the database server is another one than before, or took over: {before} before, {place} now"
    return None


def _written(doubt: Doubt) -> dict[str, Any]:
    return {
        "reason": doubt.reason,
        "since": doubt.since.isoformat(),
        "unheard": doubt.unheard,
        "heard": doubt.heard,
        "without": doubt.without,
        "returned": {
            str(stream): {
                "common": one.common,
                "abandoned": [
                    [each.size, each.root.hex(), time_text(each.sealed_at), each.signer, each.signature.hex()]
                    for each in one.abandoned
                ],
            }
            for stream, one in doubt.returned.items()
        },
    }


def _read(found: dict[str, Any]) -> Doubt:
    returned = {}
    for name, one in found["returned"].items():
        stream = StreamName.parse(name)
        abandoned = tuple(
            Checkpoint(
                stream=stream,
                size=size,
                root=bytes.fromhex(root),
                sealed_at=parse_time_text(sealed_at),
                signer=signer,
                signature=bytes.fromhex(signature),
            )
            for size, root, sealed_at, signer, signature in one["abandoned"]
        )
        returned[stream] = Returned(common=one["common"], abandoned=abandoned)
    return Doubt(
        reason=found["reason"],
        since=datetime.fromisoformat(found["since"]),
        unheard=None if found["unheard"] is None else tuple(found["unheard"]),
        heard=tuple(found["heard"]),
        without=tuple(found["without"]),
        returned=returned,
    )
