from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from node.evidence.document import write_evidence
from node.evidence.making import make_evidence
from tests.support.exchanging import ExchangeNode, settle, settled_nodes

if TYPE_CHECKING:
    from node.evidence.document import Evidence
    from node.standard.seals import StreamName

COUNTY = "360102"
RECORDS = 9
PROVED = 4
"""Position of the record that is proved: neither the first nor the last, between two checkpoints."""


def evidence_of(node: ExchangeNode, stream: StreamName, position: int) -> Evidence:
    with node.store.reading() as connection:
        return make_evidence(connection, node.journal, node.book, node.identity, stream=stream, position=position)


@lru_cache(maxsize=1)
def county_with_witnesses() -> tuple[ExchangeNode, StreamName]:
    """Return a county whose records the city and the province hold, and have receipted at different sizes."""
    nodes = settled_nodes()
    county = nodes[COUNTY]
    for first in range(1, RECORDS + 1, 3):
        stream = county.write(3, first=first)
        settle(nodes)
    return county, stream


@pytest.fixture
def evidence() -> Evidence:
    county, stream = county_with_witnesses()
    return evidence_of(county, stream, PROVED)


@pytest.fixture
def written(evidence: Evidence) -> bytes:
    return write_evidence(evidence)
