"""What a node holds and how its links are, as one document: for the command line, the status page and the metrics.

The one place that adds it up, so that no two screens say different things. Reading only; one snapshot of the store.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from node.cases.view import count_cases, count_findings
from node.departments.refused import count_refused
from node.journal import alarms, checkpoints, cursors, links, quarantine, receipts
from node.statistics.verdict import statistics_state
from node.trust.holders import travels

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


def node_status(node: Node) -> dict[str, Any]:
    """Return the status document ``yizhan.status/1``: plain JSON values, times ISO 8601 with offset, durations in s."""
    with node.store.reading() as connection:
        tree = node.tree(connection)
        held = node.journal.streams(connection)
        return {
            "schema": SCHEMA,
            "at": moment_text(node.clock.now()),
            "node": _identity(node),
            "links": [_link(node, connection, tree, link, held) for link in links.links(connection)],
            "streams": [_stream(node, connection, stream) for stream in held],
            "records": sum(stream.size for stream in held),
            "quarantined": quarantine.count(connection),
            "refused": count_refused(connection),
            "cases": count_cases(connection),
            "findings": count_findings(connection),
            "alarms": alarms.count_alarms(connection),
            "statistics": _statistics(connection),
        }


def is_degraded(status: dict[str, Any]) -> bool:
    """Whether a person should look: a link that is not up, something quarantined, a summary disputed, an alarm."""
    return (
        any(link["state"] not in {UP, CATCHING_UP} for link in status["links"])
        or status["quarantined"] > 0
        or status["alarms"] > 0
        or status["statistics"]["state"] == "disputed"
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


def _link(node: Node, connection: Connection, tree: Tree, link: Link, held: list[Held]) -> dict[str, Any]:
    receipted = cursors.cursors_of(connection, link.peer)
    behind = [
        (stream, receipted.get(stream.stream, 0))
        for stream in held
        if stream.size > receipted.get(stream.stream, 0) and travels(tree, stream.stream, node.config.code, link.peer)
    ]
    lag_records = sum(stream.size - size for stream, size in behind)
    return {
        "peer": link.peer,
        "name": tree.name(link.peer),
        "role": link.role,
        "state": CATCHING_UP if link.state == UP and lag_records > CATCHING_UP_RECORDS else link.state,
        "since": moment_text(link.since),
        "contact_at": moment_text(link.contact_at),
        "lag_records": lag_records,
        "lag_s": max((_age_s(node, connection, stream, size) for stream, size in behind), default=0.0),
        "note": link.note,
    }


def _age_s(node: Node, connection: Connection, held: Held, size: int) -> float:
    """Return the age in seconds of the oldest checkpoint beyond ``size``; 0 when nothing is sealed there yet."""
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
