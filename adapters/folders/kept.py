"""What an adapter of folders remembers from one opening to the next: small files in its own folder."""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEYS_MAX: Final = 10_000
"""Keys of delivered documents that are remembered: a node repeats one within hours, not after ten thousand others."""


class Kept:
    """Notes of one line each, and the keys of the documents that were delivered."""

    def __init__(self, folder: Path, token: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._token = token
        self._claimer = ""
        self._keys: dict[str, None] | None = None

    def claimer(self) -> str:
        """Return the name under which this adapter claims files: made once, no other adapter has it."""
        if not self._claimer:
            self._claimer = self.note("claimer") or ""
        if not self._claimer:
            self._claimer = self._token(8).hex()
            self.set_note("claimer", self._claimer)
        return self._claimer

    def note(self, name: str) -> str | None:
        """Return a note, None when there is none."""
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def set_note(self, name: str, text: str) -> None:
        """Write a note down so that a power cut leaves the old one or the new one."""
        fresh = self._folder / f"{name}.new"
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._folder / name)
        except OSError as error:
            raise no_room(error) from error

    def forget(self, name: str) -> None:
        """Remove a note."""
        (self._folder / name).unlink(missing_ok=True)

    def was_delivered(self, key: str) -> bool:
        """Tell whether a document of this key was delivered."""
        return _line(key) in self._delivered()

    def set_delivered(self, key: str) -> None:
        """Remember that a document was delivered; the oldest keys are forgotten."""
        keys = self._delivered()
        keys[_line(key)] = None
        if len(keys) <= _KEYS_MAX:
            self._append(_line(key))
            return
        for old in list(keys)[: _KEYS_MAX // 2]:
            del keys[old]
        self.set_note("delivered", "".join(f"{line}\n" for line in keys))

    def _append(self, line: str) -> None:
        try:
            with (self._folder / "delivered").open("a", encoding="utf-8") as file:
                file.write(f"\n{line}\n")  # A power cut may have left half a line before it.
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise no_room(error) from error

    def _delivered(self) -> dict[str, None]:
        if self._keys is None:
            self._keys = dict.fromkeys((self.note("delivered") or "").split())
        return self._keys


def _line(key: str) -> str:
    """Return what stands for a key: one word, whatever is in it."""
    return sha256(key.encode()).hexdigest()


def no_room(error: OSError) -> SourceUnavailableError:
    """Return what is told when the adapter's own folder cannot be written."""
    return SourceUnavailableError(
        f"the adapter's own folder cannot be written ({error.strerror}): make room on the disk of the node"
    )
