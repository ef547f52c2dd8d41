"""Batches: how a delivery is cut, so that memory is bounded whatever its size, and how its cases get their numbers.

Called by intake and by the check of conformance, so that both treat a delivery alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.departments.group_commit import TOGETHER_MAX
from node.departments.numbering import nobody_objects, number_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.departments.candidates import Candidate
    from node.departments.numbering import Ask
    from node.journal.store import Store
    from node.standard.seals import StreamName

BATCH_MAX: Final = TOGETHER_MAX
BATCH_WEIGHT_MAX: Final = 8 * 1024 * 1024
"""Bytes of a delivery after which a batch ends: of each several copies are in memory at once. Our own choice."""


def batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Yield candidates in lists of at most ``BATCH_MAX``, each ended early by the record that makes it too heavy."""
    batch: list[Candidate] = []
    weight = 0
    for candidate in candidates:
        batch.append(candidate)
        weight += candidate.weight
        if len(batch) == BATCH_MAX or weight >= BATCH_WEIGHT_MAX:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def numbered_batches(
    store: Store,
    candidates: Iterable[Candidate],
    *,
    source: str,
    rights: Callable[[Connection], Ask] = nobody_objects,
    stream: StreamName | None = None,
) -> Iterator[Sequence[Candidate]]:
    """Yield candidates in batches, each with a case number as far as one can be told (``number_cases``)."""
    before: Sequence[Candidate] = ()  # May still be being prepared, and not be written yet.
    for batch in batches(candidates):
        yield number_cases(store, batch, source=source, before=before, rights=rights, stream=stream)
        before = batch
