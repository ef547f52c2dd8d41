"""A real source for each kind of adapter: one module a kind; a factory takes a folder of its own for each test.

A kind that speaks in several ways is ``KIND.WAY`` here, once for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.contract.adapters.sources.bluetooth_bridge import terminal_source
from tests.contract.adapters.sources.database import database_source
from tests.contract.adapters.sources.file_drop import folder_source
from tests.contract.adapters.sources.open_api import open_api_source
from tests.contract.adapters.sources.serial_bridge import SERIAL_SOURCES
from tests.contract.adapters.sources.sftp import sftp_source
from tests.contract.adapters.sources.soap import soap_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.real_sources import RealSource

SOURCES: Final[dict[str, Callable[[Path], AbstractContextManager[RealSource]]]] = {
    "bluetooth_bridge": terminal_source,
    "database": database_source,
    "file_drop": folder_source,
    "open_api": open_api_source,
    **{f"serial_bridge.{mode}": source for mode, source in SERIAL_SOURCES.items()},
    "sftp": sftp_source,
    "soap": soap_source,
}
"""By name of the kind; one that is reached in several ways but speaks in one stands here with the most usual."""
