"""What the contract suite of adapters asks of a real source: tests/contract/adapters has one class for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.contract import AdapterKind, Document


class RealSource(Protocol):
    """A department's system as its kind meets it, started for one test; what it holds is told by its texts.

    A method that makes no sense for a kind (no credentials, no answers) skips the test with the reason.
    """

    kind: AdapterKind

    @property
    def settings(self) -> dict[str, Any]:
        """The kind's settings by which this source is reached, secrets left out."""

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

    def lock_out(self) -> None:
        """Have it refuse the credentials that it took until now."""

    def refusals(self) -> Sequence[str]:
        """Return the reasons of those that were rejected, as somebody at the source sees them."""

    def delivered(self) -> Sequence[tuple[str, Document | bytes]]:
        """Return what was delivered to it, by key, in this order."""

    def close(self) -> None:
        """Stop it and everything that belongs to it."""
