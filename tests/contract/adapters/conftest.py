"""The door of one kind to its real source, opened as the node opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.adapters.doors import Door
from tests.contract.adapters.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=sorted(SOURCES))
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Door]:
    """A door for every kind in turn."""
    folder = tmp_path / "source"
    folder.mkdir()
    with SOURCES[request.param](folder) as source:
        made = Door(source, tmp_path / "kept")
        try:
            yield made
        finally:
            made.close()
