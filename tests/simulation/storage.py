"""A node's storage in the simulation: SQLite in memory, with moments at which the machine may lose its power."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from node.journal.memory import engine_of, image_of
from node.journal.store import Store, Transaction
from tests.support.stores import template_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

T = TypeVar("T")

FULL = 2
"""SQLite's ``synchronous = FULL``: a commit survives the loss of power."""


@lru_cache(maxsize=1)
def _first_engine() -> Engine:
    return engine_of(template_image())


def memory_engine_of(image: bytes) -> Engine:
    """Return an engine on a memory database that holds ``image``.

    A history opens some twenty: they share one dialect and what was compiled for it, which is a third of the time.
    """
    engine = engine_of(image)
    engine.dialect = _first_engine().dialect
    engine._compiled_cache = _first_engine()._compiled_cache
    return engine


class PowerLossError(BaseException):
    """The machine of ``code`` stops here. No handler of the node may catch it: it is no ``Exception``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SimulatedStore(Store):
    """A memory store that calls ``moment`` just before and just after every commit.

    What a power loss leaves is ``durable_image``: the database at the last commit made with ``synchronous = FULL``.
    """

    def __init__(self, image: bytes, moment: Callable[[str], None]) -> None:
        super().__init__(memory_engine_of(image))
        self._moment = moment
        self._before_lazy_commits: bytes | None = None

    def write(self, work: Callable[[Transaction], T]) -> T:
        with self.reading() as connection:
            synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
        if synchronous < FULL and self._before_lazy_commits is None:
            self._before_lazy_commits = image_of(self)

        def work_then_moment(transaction: Transaction) -> T:
            result = work(transaction)
            self._moment("before commit")
            return result

        result = super().write(work_then_moment)
        if synchronous >= FULL:
            self._before_lazy_commits = None
        self._moment("after commit")
        return result

    def durable_image(self) -> bytes:
        """Return what is on the disk when the power goes now."""
        return self._before_lazy_commits or image_of(self)
