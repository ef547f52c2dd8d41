"""The parts of a node that take more than one line to make; ``build_node`` puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.cases.penalties import penalty_projection
from node.cases.projection import CaseProjection
from node.cases.reference import ReferenceProjection
from node.cases.requests import RequestProjection
from node.clock import MachineClock
from node.departments.accept import Intake
from node.departments.dialects import FOLDER as MAPPINGS_FOLDER
from node.departments.dialects import Dialects
from node.departments.returned import ReturnedRecords
from node.exchange.exchange import Exchange
from node.exchange.limits import Limits
from node.journal.high_water import FILE_NAME, HighWaterFile, HighWaterMemory
from node.journal.redactions import RedactionProjection
from node.journal.room import DiskRoom
from node.journal.schema import check_schema
from node.journal.store import open_store
from node.statistics.comparisons import ComparisonProjection
from node.statistics.counters import Counters
from node.statistics.erasure import unsettle
from node.statistics.indicators import contribution
from node.statistics.summaries import SummaryProjection
from node.trust.authority import check_authority
from node.trust.forks import ForkProjection
from node.trust.projection import TreeProjection
from node.upkeep.projected import Derived

if TYPE_CHECKING:
    from node.clock import Clock
    from node.config import NodeConfig
    from node.journal.entries import Entry, Projection
    from node.journal.high_water import HighWater
    from node.journal.store import Store
    from node.journal.streams import Journal
    from node.randomness import Randomness
    from node.standard.seals import StreamName
    from node.trust.book import CertificateBook
    from node.trust.identity import Identity
    from node.trust.tree import Tree, TreeSource


EVIDENCE_FOLDER: Final = "evidence"
"""The home's folder of bad packages, kept per neighbour and bounded (02, R2)."""


def derived_of(identity: Identity, book: CertificateBook, clock: Clock) -> Derived:
    """Return what is derived from records, in the order in which a batch meets it."""
    cases = CaseProjection(contribution=contribution, counters=Counters())
    told = (TreeProjection(identity, book, clock), ForkProjection(identity, book, clock))
    others = (penalty_projection(), RequestProjection(), ReferenceProjection(cases), SummaryProjection())
    projections: tuple[Projection, ...] = (*told, cases, *others, ComparisonProjection())
    erasing = RedactionProjection(projections, node_code=identity.code, clock=clock, before=unsettle)
    return Derived(cases=cases, projections=(*projections, erasing))


def exchange_of(
    config: NodeConfig,
    journal: Journal,
    trust: tuple[Identity, CertificateBook, TreeSource],
    *,
    clock: Clock,
    certificate_clock: Clock | None,
    randomness: Randomness,
    limits: Limits | None,
) -> Exchange:
    """Return the exchange of a node; ``trust`` is its identity, its book of certificates and its tree."""
    identity, book, tree = trust
    return Exchange(
        store=journal.store,
        journal=journal,
        identity=identity,
        book=book,
        load_tree=tree,
        clock=clock,
        certificate_clock=certificate_clock or MachineClock(),
        randomness=randomness,
        evidence_folder=config.home / EVIDENCE_FOLDER if identity.files else None,
        limits=limits or Limits(long_poll_s_max=config.level.limits.long_poll_s),
        comeback=ReturnedRecords(clock),
    )


def high_water_of(config: NodeConfig, identity: Identity) -> HighWater:
    """Return the home's high-water file; a node whose keys lie in no home has it in memory only."""
    return HighWaterMemory() if identity.files is None else HighWaterFile(config.home / FILE_NAME)


def checked_store(config: NodeConfig) -> Store:
    """Return the store that the settings name; StoreSchemaError when it has another version than this program."""
    store = open_store(config.database_url, home=config.home)
    check_schema(store)
    return store


def intake_of(
    config: NodeConfig, journal: Journal, tree: TreeSource, *, clock: Clock, randomness: Randomness
) -> Intake:
    """Return the intake of a node, which watches the disk of its store."""
    intake = Intake(
        journal.store,
        journal,
        tree,
        _authority,
        clock=clock,
        randomness=randomness,
        node_code=config.code,
        dialects=Dialects(folder=config.home / MAPPINGS_FOLDER),
    )
    intake.room = DiskRoom(journal.store, free_bytes_min=config.level.limits.disk_free_bytes_min)
    return intake


def _authority(tree: Tree, stream: StreamName, entry: Entry) -> str | None:
    return check_authority(tree, stream, entry.record_type, entry.facts, entry.element)
