"""``python -m tests.support.keeping_doors HOME``: a doorkeeper on the store of a home, to be killed by tests."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from node.clock import MachineClock
from node.departments.doors.doorkeeper import Doorkeeper
from node.journal.store import open_store
from tests.support.intake import intake_on


def main() -> None:
    """Keep the adapters of a home until the process is killed."""
    home = Path(sys.argv[1])
    intake = intake_on(open_store("sqlite:///journal.db", home=home))
    intake.clock = MachineClock()
    Doorkeeper(intake, home, zone="Asia/Shanghai").start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
