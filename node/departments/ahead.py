"""Working one step ahead: the next batch is prepared in a thread of its own while this one is committed.

Preparing is mostly libxml2, zstd and hashing, committing mostly the database: both leave the interpreter to the other
meanwhile. Never more than one step ahead, so that memory is bounded by three batches.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Item = TypeVar("Item")
_END: Final = object()


def one_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``, each made while its predecessor is used; what making one raises comes out in its turn.

    ``items`` is only ever advanced by one thread. Left early, it is at most one item further than was yielded.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        following = pool.submit(next, items, _END)
        while (item := following.result()) is not _END:
            following = pool.submit(next, items, _END)
            yield item  # type: ignore[misc]  # The end mark is no item.
