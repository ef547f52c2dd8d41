"""Files of a home: open to its owner alone, and after a crash there whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from node.errors import ConfigurationError, StoreUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY: Final = 0o600
OWNER_ONLY_FOLDER: Final = 0o700
_OTHERS: Final = 0o077


def make_home(home: Path, *, ours: bool) -> None:
    """Make the folder ``home``, or take the one that is there, so that no other account may look into it.

    A folder that exists is closed to others when it is empty or ``ours``, the home of a node already. Any other folder
    that others may enter is refused with ConfigurationError: what lies in it may be there for them. Raises
    StoreUnavailableError when it cannot be made or closed.
    """
    try:
        home.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        mode = stat.S_IMODE(home.stat().st_mode)
        if not mode & _OTHERS:
            return
        if not ours and any(home.iterdir()):
            raise ConfigurationError(
                f"The folder {home} is open to other accounts",
                why=f"its mode is {mode:04o}, and it holds files that are not a node's",
                action=f"Use another --home, or close it: chmod 700 {home}",
            )
        home.chmod(OWNER_ONLY_FOLDER)
    except OSError as cause:
        raise StoreUnavailableError(
            f"The home {home} cannot be written",
            why=f"{cause.strerror or type(cause).__name__}: {cause.filename}",
            action="Make it writable for this account, free some space, or use another --home",
        ) from cause


def close_to_others(path: Path) -> bool:
    """Take every right of other accounts off a file; return whether there was one to take.

    Folders, devices and files that are not there are left alone. Raises
    StoreUnavailableError when the file is not ours to change.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) or not mode & _OTHERS:
            return False
        path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    except FileNotFoundError:
        return False
    except OSError as cause:
        raise StoreUnavailableError(
            f"{path} is open to other accounts, and this account cannot close it",
            why=cause.strerror or type(cause).__name__,
            action=f"as its owner: chmod 600 {path}",
        ) from cause
    return True


def write_safely(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 so that after a crash it is there whole or not at all.

    Raises StoreUnavailableError when the disk does not take it.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), OWNER_ONLY)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be written.",
            why=error.strerror or type(error).__name__,
            action="make its folder writable for this account, or free some space",
        ) from error


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
