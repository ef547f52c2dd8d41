"""Finding the home of a node, reading its settings, and keeping two processes from working in it at once."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from node.clock import MachineClock
from node.config import NodeConfig, level_folders, level_names, load_config, load_level
from node.config.files import OWNER_ONLY
from node.errors import HomeInUseError, StoreUnavailableError, UsageError
from node.randomness import SystemRandomness
from node.standard.resources import level_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from node.bootstrap import Node
    from node.cli.frame import Frame
    from node.config import Level

LOCK_FILE = "node.lock"
RUN = "run"
"""What the lock says while a process runs the node."""
LOCK_TRIES = 3
LOCK_WAIT_S = 0.05
"""Between two tries for the lock, in seconds: `status` holds it for microseconds to see whether it is free."""


def home_of(frame: Frame) -> Path:
    """Return the home folder that this call is about; raises UsageError when none is named."""
    if frame.home is None:
        raise UsageError(
            "No home is named",
            why="neither --home nor YIZHAN_HOME is given",
            action="Give --home DIR, the folder of the node",
        )
    return frame.home


def config_of(frame: Frame) -> NodeConfig:
    """Return the checked settings of the node that this call is about."""
    return load_config(home_of(frame), shipped_levels=level_folder())


def level_named(home: Path, name: str) -> Level:
    """Return the level of that name, of this home or shipped; raises UsageError when there is none."""
    folders = level_folders(home, level_folder())
    if name not in level_names(folders):
        raise UsageError(
            f"There is no level named {name[:40]!r}",
            why="no level file has that name",
            action=f"Use one of: {', '.join(level_names(folders))}",
        )
    return load_level(name, folders)


@contextmanager
def alone_in(home: Path, command: str) -> Iterator[None]:
    """Hold the home's lock: at most one process at a time makes, joins or runs the node of a home.

    ``command`` is what this process does, for the message to the next one; the system frees the lock when a process
    dies. Raises HomeInUseError at once when another process holds it, StoreUnavailableError when the home is not
    writable.
    """
    path = home / LOCK_FILE
    with _lock_file(path) as file:
        if not _had(file):
            number, doing = _holder(path)
            raise HomeInUseError(
                f"Another process works in the home {home}",
                why=f"process {number or '?'} (yizhan {doing or '?'}) holds {path}",
                action="Wait until it has ended, or stop it; all commands but run, init and join work beside it",
            )
        file.truncate(0)
        file.write(f"{os.getpid()} {command}")
        file.flush()
        yield


def is_running(home: Path) -> bool:
    """Whether a process runs the node of this home: whether its lock is held by ``run``."""
    try:
        with (home / LOCK_FILE).open(encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(home / LOCK_FILE)[1] == RUN
    except FileNotFoundError:
        return False
    return False


def _holder(path: Path) -> tuple[str, str]:
    """Return the process number and the command that a lock file names; empty where it does not."""
    number, _, command = path.read_text(encoding="ascii", errors="replace").partition(" ")
    return number, command.strip()


def _had(file: TextIO) -> bool:
    """Take the lock of an open file and tell whether it was to be had."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(LOCK_WAIT_S)
        else:
            return True
    return False


def _lock_file(path: Path) -> TextIO:
    try:
        return open(path, "a+", encoding="ascii", opener=_owner_only)
    except OSError as cause:
        raise StoreUnavailableError(
            f"The home {path.parent} cannot be written",
            why=cause.strerror or type(cause).__name__,
            action="Make it writable for this account, or free some space",
        ) from cause


def _owner_only(name: str, flags: int) -> int:
    return os.open(name, flags, OWNER_ONLY)


@contextmanager
def node_of(frame: Frame) -> Iterator[Node]:
    """Build the node that this call is about, and close its store afterwards.

    Raises NotInitialisedError when the home holds no node or the node has not joined its tree.
    """
    from node.bootstrap import build_node

    node = build_node(config_of(frame), clock=MachineClock(), randomness=SystemRandomness())
    try:
        yield node
    finally:
        node.close()
