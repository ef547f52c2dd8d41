"""What the contract suite of adapters asks of a real source: one module a kind in tests/contract/adapters/sources/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.contract import AdapterKind


class RealSource(Protocol):
    """A department's system as its kind meets it, started for one test; what it holds is told by its texts.

    A method that makes no sense for a kind (no credentials, no answers) skips the test with the reason. Texts are
    short and ASCII, without white space; no text is part of another one.
    """

    kind: AdapterKind
    entry: str
    """Where another process finds the kind (``adapters.file_drop:KIND``); "" when only this process can reach it."""
    repeats: bool
    """Whether what it said to somebody who only tried the adapter comes again; a device that sends by itself cannot."""

    @property
    def settings(self) -> dict[str, Any]:
        """The kind's settings by which this source is reached, secrets left out; others have their defaults.

        Times that the kind waits are short, and where the kind can, each thing that is offered is a delivery.
        """

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets by which it lets us in."""

    def offer(self, texts: Sequence[str]) -> None:
        """Have it hold one thing more for each text, in this order; each text can be found in what is fetched."""

    def snapshot(self) -> object:
        """Return what it holds and has been told, for comparison: equal as long as nobody changed anything."""

    def go_away(self) -> None:
        """Have it answer no more."""

    def come_back(self) -> None:
        """Have it answer again, with everything that it held."""

    def lock_out(self) -> str:
        """Have it refuse the credentials that it took until now; return a word that tells a person what to mend."""

    def refusals(self) -> Sequence[str]:
        """Return the reasons of those that were rejected, as somebody at the source sees them."""

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        """Return what was delivered to it, oldest first: key, and content (or, where it only shows text, the text)."""

    def close(self) -> None:
        """Stop it and everything that belongs to it."""
