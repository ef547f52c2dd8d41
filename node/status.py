"""What a node holds and how its links are, as one document: for the command line, the status page and the metrics.

The one place that adds it up, so that no two screens say different things. Reading only; one snapshot of the store.

How a link is follows from what is stored of it and from what the neighbour has receipted, each time it is asked for:

=============== ================================================================================================
new             no conversation yet
up              the last conversation went well, and nothing waits for long
catching up     up, with many records to go, and receipts keep coming
lagging         up for longer than ``LAGGING_S``, and for so long sealed records wait and no receipt came
down            the last attempt failed, or a child is silent
stopped         this node closed the link, or no process runs this node
=============== ================================================================================================
"""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from node.cases.view import count_cases, count_findings, count_penalties, count_penalty_findings
from node.departments.doors.book import TROUBLE
from node.departments.doors.overview import adapters_status
from node.departments.refused import count_refused
from node.departments.returned import count_waiting
from node.departments.sources import activity_by_source
from node.exchange.clocks import is_clock_off
from node.journal import alarms, checkpoints, cursors, hash_only, links, quarantine, receipts
from node.journal.doubt import find_doubt
from node.statistics.verdict import statistics_state
from node.trust.holders import travels
from node.upkeep.damages import scrub_state

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.bootstrap import Node
    from node.journal.links import Link
    from node.journal.streams import Held
    from node.trust.tree import Tree

SCHEMA: Final = "yizhan.status/1"
UP: Final = "up"
CATCHING_UP: Final = "catching up"
"""A link that is up but has more than ``CATCHING_UP_RECORDS`` records to go."""
CATCHING_UP_RECORDS: Final = 500
LAGGING: Final = "lagging"
LAGGING_S: Final = 60.0
"""How long a link that is up may leave sealed records without any receipt: more than two long-polls. Our own choice."""
STOPPED: Final = "stopped"
CONNECTED: Final = frozenset({UP, CATCHING_UP, LAGGING})
"""States of a link whose last conversation went well."""


def node_status(node: Node, *, running: bool = True) -> dict[str, Any]:
    """Return the status document ``yizhan.status/1``: plain JSON values, times ISO 8601 with offset, durations in s.

    ``running`` tells whether a process runs the node, which the store cannot know: the process that runs it says yes,
    the command line looks at the home's lock. Where none does, no link is up, whatever was stored last.
    """
    with node.store.reading() as connection:
        tree = node.tree(connection)
        held = node.journal.streams(connection)
        return {
            "schema": SCHEMA,
            "at": moment_text(node.clock.now()),
            "running": running,
            "node": _identity(node),
            "links": [
                _link(node, connection, tree, link if running else _abandoned(link), held)
                for link in links.links(connection)
            ],
            "streams": [_stream(node, connection, stream) for stream in held],
            "sources": [
                {"source": name, **asdict(activity)} for name, activity in activity_by_source(connection).items()
            ],
            "adapters": adapters_status(connection, node.config.home, running=running),
            "records": sum(stream.size for stream in held),
            "quarantined": quarantine.count(connection),
            **dict(zip(("redacted", "awaited"), hash_only.counts(connection), strict=True)),
            "refused": count_refused(connection),
            "cases": count_cases(connection),
            "findings": count_findings(connection),
            "penalties": count_penalties(connection),
            "penalty_findings": count_penalty_findings(connection),
            "alarms": alarms.count_alarms(connection),
            "doubt": _doubt(connection),
            "statistics": _statistics(connection),
            "scrub": scrub_state(connection),
            "disk": _disk(node, connection),
        }


def is_degraded(status: dict[str, Any]) -> bool:
    """Whether a person should look.

    Nothing runs the node, it is in doubt about its database, a link is not up, an adapter brings nothing though it
    should, a neighbour's clock is minutes away from ours, something is quarantined, a summary is disputed, there is an
    alarm, something stored is damaged, or the disk is nearly full.
    """
    return (
        not status["running"]
        or status["doubt"] is not None
        or any(link["state"] not in {UP, CATCHING_UP} for link in status["links"])
        or any(is_clock_off(link["clock_offset_s"]) for link in status["links"])
        or any(one["state"] in TROUBLE for one in status["adapters"])
        or status["quarantined"] > 0
        or status["alarms"] > 0
        or status["statistics"]["state"] == "disputed"
        or status["scrub"]["open"] > 0
        or (status["disk"] is not None and status["disk"]["low"])
    )


def moment_text(moment: datetime | None) -> str | None:
    """Return an aware time as ISO 8601 with its offset, None for none."""
    return None if moment is None else moment.isoformat(timespec="milliseconds")


def _identity(node: Node) -> dict[str, Any]:
    level = node.config.level
    return {
        "code": node.config.code,
        "name": node.config.name,
        "level": level.name,
        "level_label": level.label,
        "version": version("yizhan"),
        "tree": node.identity.tree,
        "root": level.root,
    }


def _statistics(connection: Connection) -> dict[str, Any]:
    """Return how far the summaries of the nodes below are agreed, in all and per origin."""
    found = statistics_state(connection)
    return {"state": found.overall, "origins": found.origins}


def _doubt(connection: Connection) -> dict[str, Any] | None:
    """Return why this node is in doubt about its database and whom it waits for, None when it is not."""
    found = find_doubt(connection)
    if found is None:
        return None
    return {
        "reason": found.reason,
        "since": moment_text(found.since),
        "unheard": list(found.unheard or ()),
        "waiting": count_waiting(connection),
    }


def _disk(node: Node, connection: Connection) -> dict[str, Any] | None:
    """Return what the disk of the database has left, None where the database is on a server of its own."""
    room = node.intake.room
    found = None if room is None else room.measure(connection, node.clock.now())
    return None if found is None else found.as_json()


def _link(node: Node, connection: Connection, tree: Tree, link: Link, held: list[Held]) -> dict[str, Any]:
    receipted = cursors.cursors_of(connection, link.peer)
    behind = [
        (stream, receipted.get(stream.stream, 0))
        for stream in held
        if stream.size > receipted.get(stream.stream, 0) and travels(tree, stream.stream, node.config.code, link.peer)
    ]
    lag_records = sum(stream.size - size for stream, size in behind)
    lag_s = max((_age_s(node, connection, stream, size) for stream, size in behind), default=0.0)
    receipted_at = receipts.newest_at(connection, link.peer)
    return {
        "peer": link.peer,
        "name": tree.name(link.peer),
        "role": link.role,
        "state": _state(link, lag_records, lag_s, receipted_at, node.clock.now()),
        "since": moment_text(link.since),
        "contact_at": moment_text(link.contact_at),
        "receipted_at": moment_text(receipted_at),
        "lag_records": lag_records,
        "lag_s": lag_s,
        "clock_offset_s": link.clock_offset_s,
        "note": link.note,
    }


def _abandoned(link: Link) -> Link:
    """Return the link of a node that nothing runs: one that was left up by a process that died is stopped."""
    return replace(link, state=STOPPED, since=link.contact_at or link.since) if link.state == UP else link


def _state(link: Link, lag_records: int, lag_s: float, receipted_at: datetime | None, now: datetime) -> str:
    if link.state != UP:
        return link.state
    # A link that has just come up is given the same time for its first receipt.
    heard = [moment for moment in (receipted_at, link.since) if moment is not None]
    if lag_s > LAGGING_S and all((now - moment).total_seconds() > LAGGING_S for moment in heard):
        return LAGGING
    return CATCHING_UP if lag_records > CATCHING_UP_RECORDS else UP


def _age_s(node: Node, connection: Connection, held: Held, size: int) -> float:
    """Return the age in seconds of the oldest checkpoint beyond ``size``; 0 when nothing is sealed there yet.

    The oldest record there may be older than a day and this age not: a quiet stream's newest checkpoint is signed anew.
    """
    beyond = checkpoints.between(connection, held.stream, size, held.size, limit=1)
    if not beyond:
        return 0.0
    return max(0.0, (node.clock.now() - beyond[0].sealed_at).total_seconds())


def _stream(node: Node, connection: Connection, held: Held) -> dict[str, Any]:
    """Return one stream; ``held_by`` names this node and everyone whose receipt is held, with what they hold."""
    by_receipt = {receipt.holder: receipt.size for receipt in receipts.receipts_for(connection, held.stream)}
    return {
        "origin": held.stream.origin,
        "audience": held.stream.audience,
        "size": held.size,
        "sealed": held.sealed,
        "root": held.root.hex(),
        "held_by": {**dict(sorted(by_receipt.items())), node.config.code: held.size},
    }
