"""Evidence of a county's record: under its first checkpoint, witnessed by city and province, named by the root."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.errors import EvidenceNotYetError, EvidenceRefusedError, NotFoundError
from node.evidence.document import read_evidence, write_evidence
from node.evidence.verifying import verify_evidence
from node.standard.seals import ANCESTORS, TRUST, StreamName
from tests.support.exchanging import settle, settled_nodes, tree_of_nodes
from tests.unit.evidence.conftest import COUNTY, PROVED, RECORDS, county_with_witnesses, evidence_of

if TYPE_CHECKING:
    from node.evidence.document import Evidence


def test_it_stands_under_the_first_checkpoint_and_names_the_first_receipts(evidence: Evidence) -> None:
    shown = verify_evidence(evidence)
    assert (str(shown.stream), shown.position, shown.record_type) == (f"{COUNTY}/ancestors", PROVED, "Alarm")
    assert [one.holder for one in shown.held] == ["360000", "360100"]
    assert shown.root_code == "360000"
    assert evidence.checkpoint.size == 6
    assert all(one.receipt.size >= PROVED for one in evidence.witnesses)


@pytest.mark.parametrize("position", range(1, RECORDS + 1))
def test_every_record_can_be_proved(position: int) -> None:
    county, stream = county_with_witnesses()
    shown = verify_evidence(evidence_of(county, stream, position))
    assert shown.position == position
    assert {one.holder for one in shown.held} == {"360000", "360100"}


def test_the_file_says_what_was_made(evidence: Evidence, written: bytes) -> None:
    assert read_evidence(written) == evidence
    assert write_evidence(read_evidence(written)) == written


def test_a_redacted_record_is_proved_by_its_hash(evidence: Evidence) -> None:
    redacted = replace(evidence, record=None)
    assert read_evidence(write_evidence(redacted)) == redacted
    assert verify_evidence(redacted).record_type == ""


def test_holders_above_can_prove_it_too() -> None:
    nodes = settled_nodes()
    stream = nodes[COUNTY].write(3)
    settle(nodes)
    for code in ("360100", "360000"):
        shown = verify_evidence(evidence_of(nodes[code], stream, 2))
        assert shown.stream.origin == COUNTY


def test_records_of_the_root_can_be_proved_at_the_root_and_below() -> None:
    nodes = settled_nodes()
    stream = StreamName("360000", TRUST)
    for code in ("360000", COUNTY):
        assert verify_evidence(evidence_of(nodes[code], stream, 1)).record_type == "CertificateIssued"


def test_it_belongs_to_its_tree(evidence: Evidence) -> None:
    assert verify_evidence(evidence, tree=evidence.tree).tree == evidence.tree
    with pytest.raises(EvidenceRefusedError) as caught:
        verify_evidence(evidence, tree="0" * 64)
    assert caught.value.reason == "tree"


def test_what_is_not_held_cannot_be_proved() -> None:
    county, stream = county_with_witnesses()
    with pytest.raises(NotFoundError, match="no record at 10"):
        evidence_of(county, stream, RECORDS + 1)
    with pytest.raises(NotFoundError, match="not held here"):
        evidence_of(county, StreamName("360103", ANCESTORS), 1)


def test_what_is_not_sealed_or_named_yet_is_proved_later() -> None:
    county = settled_nodes()[COUNTY]
    stream = county.append([b"<x/>"])
    with pytest.raises(EvidenceNotYetError, match="not sealed yet"):
        evidence_of(county, stream, 1)
    alone = tree_of_nodes()[COUNTY]
    with pytest.raises(EvidenceNotYetError, match="trust stream"):
        evidence_of(alone, alone.write(1), 1)
