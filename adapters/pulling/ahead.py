"""Working one step ahead: the next page is read and made ready while the node takes in the one before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_T = TypeVar("_T")
_END: Final = object()


def one_ahead(pages: Iterator[_T]) -> Generator[_T]:
    """Yield ``pages`` in their order; each is made in another thread, one after the other.

    What they use belongs to that thread until this iterator is closed, which waits for the one that is being made.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, pages, _END)
        while (page := coming.result()) is not _END:
            coming = thread.submit(next, pages, _END)
            yield page  # type: ignore[misc] # The end, which is no page, was told apart.
