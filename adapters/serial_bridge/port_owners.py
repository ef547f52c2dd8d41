"""Whom a port belongs to, in words for people: the group that may open it, and the process that has it open."""

from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")


def group_of(path: str) -> str:
    """Return the name of the group of a device; its number when it has no name."""
    try:
        number = Path(path).stat().st_gid
    except OSError:
        return "dialout"
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def holder_of(path: str, processes: Path = _PROCESSES) -> str:
    """Return which other process has a device open, as far as this account may see it."""
    device = os.path.realpath(path)
    for process in processes.glob("[0-9]*"):
        if process.name != str(os.getpid()) and device in _open_in(process):
            return f"process {process.name} ({_name_of(process)})"
    return "another program"


def _open_in(process: Path) -> set[str]:
    try:
        return {str(link.readlink()) for link in (process / "fd").iterdir()}
    except OSError:
        return set()


def _name_of(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "ended"
