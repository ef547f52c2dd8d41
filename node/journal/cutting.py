"""Cutting entries into batches, and the Merkle work of appending them: pure, nothing stored."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from node.journal.entries import Entry
    from node.journal.merkle import CompactRange, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Entries that are written together, and the stream just after them: size, frontier, raw bytes, new tiles."""

    entries: list[Entry]
    size: int
    frontier: bytes
    total_bytes: int
    tiles: list[Tile]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A stream's root and raw bytes at one size (``total_bytes`` None: not computed)."""

    root: bytes
    total_bytes: int | None


def cut(entries: Sequence[Entry], cuts: Collection[str]) -> list[list[Entry]]:
    """Return the entries as consecutive groups in which every record of a type in ``cuts`` stands alone."""
    groups: list[list[Entry]] = []
    joinable = False
    for entry in entries:
        alone = entry.record_type in cuts
        if joinable and not alone:
            groups[-1].append(entry)
        else:
            groups.append([entry])
        joinable = not alone
    return groups


def plan(
    frontier: CompactRange,
    total_bytes: int,
    entries: Sequence[Entry],
    cuts: Collection[str],
    points: Collection[int] = (),
) -> tuple[list[Part], dict[int, Standing]]:
    """Return the parts to write, and how the stream stands at each of the sizes ``points`` and at the end.

    ``frontier`` (which is moved to the end) and ``total_bytes`` are those at the stream's present size.
    """
    parts: list[Part] = []
    standings: dict[int, Standing] = {}
    for group in cut(entries, cuts):
        tiles: list[Tile] = []
        for piece in _pieces(frontier.size, group, points):
            tiles += frontier.extend([entry.leaf for entry in piece])
            total_bytes += sum(len(entry.body) for entry in piece)
            if frontier.size in points:
                standings[frontier.size] = Standing(root=frontier.root(), total_bytes=total_bytes)
        parts.append(
            Part(
                entries=group,
                size=frontier.size,
                frontier=frontier.to_bytes(),
                total_bytes=total_bytes,
                tiles=tiles,
            )
        )
    standings[frontier.size] = Standing(root=frontier.root(), total_bytes=total_bytes)
    return parts, standings


def _pieces(size: int, group: list[Entry], points: Collection[int]) -> list[list[Entry]]:
    end = size + len(group)
    stops = [0, *sorted(point - size for point in points if size < point < end), len(group)]
    return [group[low:high] for low, high in itertools.pairwise(stops)]
