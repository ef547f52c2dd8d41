"""The kind example_door: deliveries that a department's program leaves as files in a folder.

It works as it is. To make it yours, replace ``Shelf`` by what talks to your source, then the settings, and keep what
``ExampleDoor`` promises: nothing is changed at the source before the node has answered.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.contract import (
    AdapterKind,
    Delivery,
    DeliveryRejectedError,
    Document,
    Form,
    Setting,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Opening, Outcome

NAMES_MAX: Final = 10_000
"""Files that one look at the folder takes notice of; the others come later."""


class Shelf:
    """The department's system: everything that knows how it is spoken to stands here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return what waits, oldest name first."""
        waiting = [path.name for path, _ in zip(self._folder.iterdir(), range(NAMES_MAX), strict=False)]
        return sorted(name for name in waiting if name.endswith(".csv"))

    def size(self, name: str) -> int:
        """Return how many bytes a delivery has, so that one that is too large is not read."""
        return (self._folder / name).stat().st_size

    def read(self, name: str) -> bytes:
        """Return a delivery exactly as it was left."""
        return (self._folder / name).read_bytes()

    def put_away(self, name: str, ending: str, text: str) -> None:
        """Note what became of a delivery, then take it out of the way; harmless when that was done before."""
        (self._folder / f"{name}.{ending}.txt").write_text(text, encoding="utf-8")
        (self._folder / name).unlink(missing_ok=True)

    def hand_over(self, name: str, content: bytes) -> None:
        """Leave a document for the department, unless it lies there already."""
        path = self._folder / name
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.rename(path)


class ExampleDoor:
    """The adapter: turns what the shelf says into deliveries, and its failures into the contract's errors."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._bytes_max = int(opening.settings["bytes_max"])
        self._shelf = Shelf(Path(opening.settings["folder"]))

    def check(self) -> None:
        """Look whether the folder is there and open to us."""
        self._names()

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield what waits, oldest first."""
        for name in self._names()[:limit]:
            content = self._content(name)
            yield Delivery(
                source_id=self._opening.source_id,
                # The same file with other content is another delivery.
                delivery_key=f"{name[:100]}:{hashlib.sha256(content).hexdigest()}",
                content=content,
                media_type="text/csv",
                fetched_at=self._opening.now(),
                name=name,
            )

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Put the delivery away with its counts; what was refused of it is kept by the node."""
        text = f"accepted {outcome.accepted}, repeated {outcome.repeated}, refused {outcome.refused}\n"
        self._put_away(delivery, "taken", text)

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Put the delivery away with the reason."""
        self._put_away(delivery, "refused", f"{reason}\n")

    def deliver(self, document: Document, key: str) -> None:
        """Leave the document under its key, which is fit for a file's name."""
        if len(document.content) > self._bytes_max:
            raise DeliveryRejectedError(f"the document has more than {self._bytes_max} bytes, which bytes_max allows")
        try:
            self._shelf.hand_over(f"{key}.xml", document.content)
        except OSError as error:
            raise _explained(error) from error

    def close(self) -> None:
        """Nothing is held open."""

    def _names(self) -> list[str]:
        try:
            return self._shelf.names()
        except OSError as error:
            raise _explained(error) from error

    def _content(self, name: str) -> bytes:
        try:
            if self._shelf.size(name) > self._bytes_max:
                raise SourceNeedsPersonError(
                    f"{name} has more than {self._bytes_max} bytes: split it, or raise bytes_max"
                )
            return self._shelf.read(name)
        except OSError as error:
            raise _explained(error) from error

    def _put_away(self, delivery: Delivery, ending: str, text: str) -> None:
        try:
            self._shelf.put_away(delivery.name, ending, text)
        except OSError as error:
            raise _explained(error) from error


def _explained(error: OSError) -> SourceUnavailableError | SourceNeedsPersonError:
    """Decide who must act: nobody can pass a closed door, everything else may be over in a minute."""
    if isinstance(error, PermissionError):
        return SourceNeedsPersonError(f"the folder is closed to this account: {error.strerror}")
    return SourceUnavailableError(f"the folder cannot be read: {error.strerror}")


KIND: Final = AdapterKind(
    name="example_door",
    zh="示例入口：部门程序放在文件夹中的 CSV 文件",
    en="Example door: CSV files that a department's program leaves in a folder",
    settings=(
        Setting(name="folder", zh="文件夹的完整路径", en="Full path of the folder"),
        Setting(
            name="bytes_max",
            form=Form.NUMBER,
            default=10_000_000,
            lowest=1,
            highest=100_000_000,
            zh="一个文件至多的字节数",
            en="Most bytes of one file",
        ),
    ),
    open=ExampleDoor,
    every_s=30.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "exempt: there are none",
        "settings_documented": "done",
    },
)
