"""Whom a port belongs to, in words for people: the group that may open it, and the process that has it open."""

from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
_ADAPTER: Final = "node.departments.doors.door"
"""The module that the process of every adapter runs."""
_END: Final = "end it, or give this adapter another port"


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
    """Return which other process has a device open, as far as this account may see it, and what to do about it."""
    device = os.path.realpath(path)
    for process in processes.glob("[0-9]*"):
        if process.name == str(os.getpid()) or device not in _open_in(process):
            continue
        if _ADAPTER in _read(process / "cmdline").split("\0"):
            return (
                f"an adapter of a running node (process {process.name}): pause that one first, "
                "yizhan adapters pause NAME, or give this one another port"
            )
        return f"process {process.name} ({_read(process / 'comm').strip() or 'ended'}): {_END}"
    return f"another program: {_END}"


def _open_in(process: Path) -> set[str]:
    try:
        return {str(link.readlink()) for link in (process / "fd").iterdir()}
    except OSError:
        return set()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
