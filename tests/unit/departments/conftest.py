"""Stores and an intake for the tests of the doors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.intake import intake_on
from tests.support.stores import any_store, memory, postgres, postgres_url

if TYPE_CHECKING:
    from node.departments.accept import Intake
    from node.journal.store import Store

__all__ = ["any_store", "intake", "memory", "postgres", "postgres_url"]


@pytest.fixture
def intake(memory: Store) -> Intake:
    return intake_on(memory)
