"""An intake on a store with a small tree, and deliveries of generated cases."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Final

from node.clock import SetClock
from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.departments.accept import Intake
from node.departments.dialects import DialectOptions, Dialects
from node.departments.publish import Publisher
from node.departments.sources import OPERATOR
from node.journal.streams import Journal
from node.randomness import SeededRandomness
from node.standard.codec import NAMESPACE
from node.standard.compose import compose
from node.trust.tree import Tree, TreeNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.demo.generator import GeneratedRecord
    from node.departments.report import ImportReport
    from node.departments.sources import Source
    from node.journal.entries import Projection
    from node.journal.store import Store

NODE: Final = "369902"
"""A county that does not exist, with a city and a province above it that do not exist either."""
CITY: Final = "369900"
PROVINCE: Final = "369000"
NOW: Final = datetime(2026, 11, 3, 1, 0, tzinfo=UTC)


def small_tree() -> Tree:
    """Return province, city and county, each serving its own division."""
    return Tree(
        [tree_node(PROVINCE, None), tree_node(CITY, PROVINCE), tree_node(NODE, CITY), tree_node("369903", CITY)],
        root=PROVINCE,
    )


def intake_on(
    store: Store,
    *projections: Projection,
    node_code: str = NODE,
    seed: str = "intake",
    dialects: Dialects | None = None,
) -> Intake:
    """Return an intake of one node of the small tree, with the built-in dialects unless others are given."""
    clock = SetClock(NOW)
    tree = small_tree()
    return Intake(
        store,
        Journal(store, node_code=node_code, clock=clock, projections=projections),
        lambda _: tree,
        clock=clock,
        randomness=SeededRandomness(seed),
        node_code=node_code,
        dialects=dialects,
    )


def publisher_on(store: Store, node_code: str = PROVINCE, *, tree: Tree | None = None) -> Publisher:
    """Return a publisher of one node of ``tree`` (default: the small tree)."""
    clock = SetClock(NOW)
    standing = tree or small_tree()
    return Publisher(
        store,
        Journal(store, node_code=node_code, clock=clock),
        lambda _: standing,
        clock=clock,
        randomness=SeededRandomness("publish"),
        node_code=node_code,
    )


def offer(
    intake: Intake, data: bytes, dialect: str, *, source: Source = OPERATOR, record_type: str = ""
) -> ImportReport:
    """Offer a delivery and keep every verdict."""
    candidates = intake.dialects.read(dialect, BytesIO(data), DialectOptions(record_type=record_type))
    return intake.accept(candidates, source=source, dialect=dialect, keep_verdicts=True)


def generated(count: int, *, seed: str = "intake") -> list[GeneratedRecord]:
    """Return ``count`` valid generated records of the county."""
    month = generate_month(items_of(NODE, "测试区"), cases=max(4, count // 3), seed=seed)
    return [record for record in month.records if record.valid][:count]


def standard_records(records: Iterable[GeneratedRecord]) -> list[bytes]:
    """Return records as a department sends them: with a salt and a channel of its own."""
    return [compose(one.record_type, {**one.content, "Channel": "FILE"}, salt=bytes(16)) for one in records]


def wrapped(bodies: Sequence[bytes]) -> bytes:
    """Return records in the wrapper of the standard dialect, one a line."""
    return b'<Records xmlns="%b">\n%b\n</Records>\n' % (NAMESPACE.encode(), b"\n".join(bodies))


def table(records: Sequence[GeneratedRecord], *, delimiter: str = ",") -> str:
    """Return records as a table with a column for each element that any of them has."""
    rows = [{"RecordType": one.record_type, **flat(one.content)} for one in records]
    headings = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO(newline="")
    writer = csv.DictWriter(text, headings, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def flat(content: Any, prefix: str = "") -> dict[str, str]:
    """Return content as cells by heading."""
    cells: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            cells.update(flat(value, f"{prefix}{name}/"))
        elif isinstance(value, list):
            parts = ["^".join(item.values()) if isinstance(item, dict) else item for item in value]
            cells[prefix + name] = "|".join(parts)
        else:
            cells[prefix + name] = value
    return cells


def tree_node(code: str, parent: str | None) -> TreeNode:
    """Return a node that serves its own division."""
    return TreeNode(code=code, name=code, level="", parent=parent, divisions=(code,), certificate="")
