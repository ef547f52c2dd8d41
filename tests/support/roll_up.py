"""A small tree of nodes in one process that copy each other's streams by hand, for tests of summaries and verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from node.journal.entries import read_entry
from node.standard.compose import compose, content_of
from node.standard.seals import StreamName
from node.statistics.comparing import compare_figures
from node.statistics.indicators import FigureKey, Figures
from node.statistics.stated import Stated, compose_parts
from node.statistics.summary import publish_statistics
from node.statistics.tables import summary
from node.statistics.verdict import publish_verdicts, statistics_state
from node.trust.tree import Tree, TreeNode
from tests.support.case_nodes import CaseNode
from tests.support.case_records import TASK
from tests.support.samples import CREDIT_CODE
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.entries import Entry

FULL = "apply accept handle review decide grant"
DAY = "2026-01-05"
KEY = ("360102", CREDIT_CODE, TASK, "FILE")
TREE = {"360000": ["360100"], "360100": ["360102", "360103"], "360102": [], "360103": []}


LEVELS = ("province", "city", "county")


def known_tree() -> Tree:
    """The tree as the nodes know it."""
    parents = {child: code for code, children in TREE.items() for child in children}

    def depth(code: str) -> int:
        return depth(parents[code]) + 1 if code in parents else 0

    return Tree(
        [
            TreeNode(
                code=code,
                name=f"node {code}",
                level=LEVELS[depth(code)],
                parent=parents.get(code),
                divisions=(code,),
                certificate="0" * 64,
            )
            for code in TREE
        ],
        "360000",
    )


def figures(**amounts: int) -> Figures:
    return {
        FigureKey(*KEY, name.replace("_", ".", 1) if name.startswith("concluded") else name): amount
        for name, amount in amounts.items()
    }


def publish(node: CaseNode, days: list[str] | None = None) -> list[tuple[str, int]]:
    return publish_statistics(
        node.store, node_code=node.code, children=TREE[node.code], produce=node.produce, days=days
    )


def verdicts(node: CaseNode) -> int:
    return publish_verdicts(node.store, node_code=node.code, produce=node.produce, children=TREE[node.code])


def talk(asker: CaseNode, origin: CaseNode, *watching: CaseNode, rounds_max: int = 40) -> int:
    """Let two nodes compare figures until neither writes anything; return how many records that took."""
    written = 0
    for _ in range(rounds_max):
        before = written
        for speaker, hearer in ((asker, origin), (origin, asker)):
            written += compare_figures(speaker.store, node_code=speaker.code, produce=speaker.produce)
            for other in (hearer, *watching):
                other.copy_from(speaker, audience=hearer.code)
        if written == before:
            return written
    message = "the comparison does not end"
    raise AssertionError(message)


def state(node: CaseNode) -> tuple[str, dict[str, str]]:
    with node.store.reading() as connection:
        found = statistics_state(connection)
    return found.overall, found.origins


def directed(node: CaseNode, to: str) -> list[dict[str, Any]]:
    """Return the verdicts that a node has written to another."""
    stream = StreamName(node.code, to)
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        if held is None:
            return []
        stored = node.journal.stored(connection, stream, 1, held.size)
    written = [one for one in stored if one.record_type == "SummaryVerdict"]
    return [content_of(read_entry(one.body or b"").element) for one in written]


@pytest.fixture
def tree() -> dict[str, CaseNode]:
    return {code: CaseNode(new_memory_store(), code) for code in TREE}


def carry_up(tree: dict[str, CaseNode]) -> None:
    for code in ("360102", "360103"):
        tree["360100"].copy_from(tree[code])
        tree["360000"].copy_from(tree[code])
    tree["360000"].copy_from(tree["360100"])


def select_day(connection: Any) -> int:
    return int(connection.scalar(select(summary.c.day).limit(1)))


def tampered(entries: list[Entry], **amounts: int) -> list[Entry]:
    """Replace the summary among the entries by one with other own and subtree figures."""
    made = []
    for one in entries:
        if one.record_type == "StatisticsSummary":
            stated = Stated(day=DAY, definition_version=1, own=figures(**amounts), subtree=figures(**amounts))
            (part,) = compose_parts(stated)
            header = {"RecordKey": "summary:x", "EventTime": "2026-01-06T00:00:00+08:00"}
            made.append(read_entry(compose("StatisticsSummary", {**header, **part}, salt=bytes(16))))
        else:
            made.append(one)
    return made


def entries_of(node: CaseNode) -> list[Entry]:
    with node.store.reading() as connection:
        stored = node.journal.stored(connection, StreamName(node.code, "ancestors"), 1, 10_000)
    return [read_entry(one.body or b"") for one in stored]
