"""The receiver: what a node takes from its neighbours, and what it answers.

This is an essay for whoever changes it; ``sender`` is its other half, docs/reference/protocol.md has the bytes.

What arrives
    A package of one neighbour. ``package.read_package`` has taken its frame apart, verified that the certificate which
    the link expects has signed its Head, and cut the body by the lengths in Head. ``Receiver.accept`` judges each slice
    by itself and gives one verdict for each: one bad slice never holds back another. It never waits.

Two signatures, two questions
    The neighbour's signature over the package says who *brought* this: it is asked first, and bad packages are held
    against whoever made it. The origin's signature over the checkpoint says that this *is* the stream: nothing is kept,
    counted or shown without it, whatever relays do. The origin signs roots, not packages, so a relay can cut the stream
    anew wherever the origin has signed.

How a slice is judged
    1. May it come from there? ``trust.holders``: both ends hold the stream, and it comes from the origin's side.
       An origin that is not in our tree *yet* gets ``BUSY``: its certificate is under way in the trust stream. Before
       we hold as much of ``trust`` as our parent named when we joined, no other stream is taken.
    2. Where does it begin? Beyond what we hold plus one: ``EARLY``; something before it is still on its way. The caller
       (``exchange``) holds such a package for two seconds and offers it again, or answers ``GAP``. Meanwhile the
       process beside this one reads its records ahead: that costs nobody anything, and counts only after 5.
    3. Does it end at its checkpoint, and did the origin sign that?
    4. Do we hold it? Whole: the leaf hashes are compared by one hash of them (``LeavesHash``), the body is not looked
       at. In part: the records held are hashed and compared, the rest is new.
    5. Hash the new records, extend our tree, compare with the signed root. Only what passes here is taken.
    6. Parse and validate each record from its own bytes. What fails now *cannot be refused*: the origin has signed it,
       and refusing would stop its stream for ever. It is stored and *quarantined* at its position: ``invalid``,
       ``unknown type``, ``newer version`` or ``no authority`` (``trust.authority``).
    7. One transaction for all slices: ``Journal.extend_all``, which calls the projections. Then, and never before, the
       caller has receipts signed.

    ``trust`` goes first, in a transaction of its own, because the other slices of the package may be judged by the tree
    that it brings.

Races
    Judging happens outside the journal's lock, so that parsing two packages goes on side by side. Inside the lock the
    held size is read again; a slice whose stream has moved meanwhile is judged once more.

The same package twice
    Positions are the de-duplication: a package that arrives again is answered ``HELD`` with the same receipts, whatever
    carrier brought it and in whatever order. A crash before the commit leaves nothing; after it, the sender's next
    conversation learns what is held. No table remembers packages.

What can go wrong
    - A bad slice (a flipped byte, a forged checkpoint, a stream from the wrong side): ``REFUSED`` with a reason, the
      whole package is kept as evidence against the neighbour (bounded), the stream goes on with the next good slice.
    - A checkpoint that the origin validly signed but that contradicts what we hold: that is a fork, not a bad package.
      The journal raises an alarm with both; the slice is refused ``fork``.
    - The database is full or gone: the error goes to the caller, nothing was committed, no receipt is signed; the
      neighbour backs off and sends again.
    - A projection fails on a record, which is a defect of this program: nothing of the transaction is kept, and each
      slice is committed alone. The one at fault is ``BUSY`` until an upgrade takes it, its stream waits, an alarm and
      the log say so; the others go on. Quarantine would be wrong: nothing is known to be wrong with the record.
    - A record comes as ``Redacted``, by its leaf hash alone: the checkpoint proves it like any other, so it is taken.
      It is *awaited* until the Redaction behind it in its stream arrives; nothing is derived from it, and summaries
      above it wait. A neighbour that keeps bytes back gains little by that: they are taken as soon as a slice brings
      them, although it is held already, and after seven days without a Redaction an alarm names the record.
    - A record that is valid but not in canonical form: the origin should not have made it. A sample is looked at; a
      breach raises an alarm and quarantines nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from node.errors import NeedsPersonError, RecordRefusedError, TryLaterError
from node.exchange.head import BUSY, Slice, Verdict
from node.exchange.judging import Judge, Judged, authorised, verdict_on
from node.journal import quarantine
from node.journal.alarms import raise_alarm
from node.journal.entries import DEFERRED_REASONS, Entry, pack
from node.journal.streams import Extension
from node.standard.codec import check_canonical, parse_unvalidated
from node.standard.seals import TRUST, StreamName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from node.exchange.context import Context
    from node.exchange.package import Package
    from node.exchange.reading import Sharing
    from node.journal.store import Transaction
    from node.trust.tree import Tree

JUDGED_MAX: Final = 3
"""How often a slice is judged when its stream keeps moving meanwhile; then it is ``BUSY`` and comes again."""
AHEAD_WAIT_S: Final = 0.1
"""Seconds that a waiting package waits for the process that reads, which its predecessor has first; chosen by us."""
CANONICAL_ALARM: Final = "CANONICAL"
"""Kind of the alarm that a record raises whose bytes are not in canonical form."""
DIGEST_ALARM: Final = "OTHER"
"""Kind of the alarm that a slice raises which this program cannot digest."""
EVIDENT_REASONS: Final = frozenset({"stream", "checkpoint", "seal", "leaves", "overlap", "root"})
"""Refusals that only a faulty or dishonest neighbour causes: the package is kept as evidence."""

_LOG: Final = logging.getLogger(__name__)


class Receiver:
    """Judges and commits the slices of a package."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def accept(
        self,
        package: Package,
        peer: str,
        numbers: Iterable[int],
        *,
        returning: bool = False,
        ahead: Sharing | None = None,
    ) -> dict[int, Verdict]:
        """Judge the slices ``numbers`` (from 0) of a package that ``peer`` signed, and commit what stands.

        ``returning``: they answer a request of ours (``exchange.tails``), so they may come toward their origin.
        ``ahead``: what ``read_ahead`` began to read of them.

        Returns their verdicts after the commit, so the caller may sign receipts for every stream with the verdict HELD.
        Raises StoreBusyError or StoreUnavailableError when the store failed; nothing of the failed transaction is kept
        then.
        """
        slices = package.head.slices
        verdicts: dict[int, Verdict] = {}
        chosen = list(numbers)
        first = [number for number in chosen if slices[number].stream.audience == TRUST]
        rest = [number for number in chosen if slices[number].stream.audience != TRUST]
        for some in (first, rest):
            if some:
                verdicts.update(self._accept(package, peer, some, returning=returning, ahead=ahead))
        return verdicts

    def moved(self, verdicts: Sequence[Verdict]) -> bool:
        """Tell whether a stream of these verdicts holds another size than they say."""
        with self._context.store.reading() as connection:
            held = self._context.journal.held_many(connection, [one.stream for one in verdicts])
        sizes = {stream: one.size for stream, one in held.items()}
        return any(sizes.get(one.stream, 0) != one.held for one in verdicts)

    def read_ahead(self, package: Package, numbers: Iterable[int]) -> Sharing | None:
        """Begin to read the records of slices that wait for their predecessors; the caller drops what it gets.

        What is read counts only once its slice is judged; until then it is what a neighbour has signed, no more.
        """
        # Of a redacted record there is nothing to read.
        bodies = [body for number in numbers for body in package.records(number) if body]
        return self._context.reader.read_ahead(bodies, AHEAD_WAIT_S)

    def _accept(
        self, package: Package, peer: str, numbers: Sequence[int], *, returning: bool, ahead: Sharing | None
    ) -> dict[int, Verdict]:
        verdicts: dict[int, Verdict] = {}
        pending = list(numbers)
        for _ in range(JUDGED_MAX):
            judged = self._judge_all(package, peer, pending, returning=returning, ahead=ahead)
            moved = self._commit(package, judged)
            verdicts.update((number, one.verdict) for number, one in judged.items() if number not in moved)
            pending = moved
            if not pending:
                break
        for number in pending:
            verdicts[number] = verdict_on(package.head.slices[number], BUSY, reason="moved")
        return verdicts

    def _judge_all(
        self, package: Package, peer: str, numbers: Iterable[int], *, returning: bool, ahead: Sharing | None
    ) -> dict[int, Judged]:
        with self._context.store.reading() as connection:
            tree = self._context.load_tree(connection)
            chosen = list(numbers)
            judge = Judge(self._context, connection, tree, peer, [package.head.slices[number] for number in chosen])
            judge.returning = returning
            judged = {number: judge.judge(package, number) for number in chosen}
        # Of a redacted record there is nothing to read.
        fresh = [one for each in judged.values() for one in each.fresh if one[0]]
        read = iter(self._context.reader.read(fresh, ahead))
        for number, one in judged.items():
            stream = package.head.slices[number].stream
            one.entries = [
                self._authorised(tree, stream, next(read)) if body else Entry(record_type="", body=b"", leaf=leaf)
                for body, leaf in one.fresh
            ]
            # Of a redacted record there is nothing to look at.
            if one.entries and one.entries[0].body and not _is_canonical(one.entries[0]):
                one.uncanonical = one.held + 1
            # Compressed before the lock is taken, like the others by whoever reads them.
            pack(one.found)
        return judged

    def _authorised(self, tree: Tree, stream: StreamName, entry: Entry) -> Entry:
        return authorised(tree, stream, entry)

    def _commit(self, package: Package, judged: dict[int, Judged]) -> list[int]:
        """Commit what stands, in one transaction; return the slices whose streams had moved."""
        changing = {number: one for number, one in judged.items() if one.entries or one.seen or one.found}
        if not changing:
            return []
        try:
            return self._context.store.write(lambda transaction: self._take_all(transaction, package, changing))
        except (TryLaterError, NeedsPersonError):
            raise
        except Exception:  # noqa: BLE001 - logged with its traceback once it is known whose it is.
            if len(changing) == 1:
                ((number, one),) = changing.items()
                self._set_aside(package.head.slices[number], one)
                return []
            # One of them is at fault: each alone, so that it fails by itself.
            return [moved for number, one in changing.items() for moved in self._commit(package, {number: one})]

    def _set_aside(self, one: Slice, judged: Judged) -> None:
        """Let a slice wait that this program cannot digest; called while the error is being handled."""
        _LOG.exception("slice not digested", extra={"stream": str(one.stream), "first": one.first, "last": one.last})
        judged.verdict = verdict_on(one, BUSY, held=judged.held, reason="internal")
        text = (
            f"Records {one.first} to {one.last} cannot be taken: a defect of this program, whose details are in its "
            "log. The stream waits, nothing is lost. Report it, then upgrade this node."
        )
        self._context.store.write(
            lambda transaction: raise_alarm(
                transaction, DIGEST_ALARM, "not digested", text, one.stream, raised_at=self._context.clock.now()
            )
        )

    def _take_all(self, transaction: Transaction, package: Package, changing: dict[int, Judged]) -> list[int]:
        slices = package.head.slices
        standing = self._context.journal.held_many(
            transaction.connection, [slices[number].stream for number in changing]
        )
        moved: list[int] = []
        extending: dict[StreamName, tuple[Extension, Judged]] = {}
        for number, judged in changing.items():
            one = slices[number]
            held = standing.get(one.stream)
            if judged.found:
                self._context.journal.fill(transaction, one.stream, judged.found)
            if not judged.entries:
                if judged.seen:
                    self._context.journal.learn_announced(transaction, one.stream, judged.seen)
            elif one.stream in extending or (0 if held is None else held.size) != judged.held:
                # A stream's second slice is judged again: it has to see what the first one did.
                moved.append(number)
            else:
                extension = Extension(
                    stream=one.stream,
                    entries=judged.entries,
                    checkpoint=one.checkpoint,
                    announced=one.announced,
                    held=held,
                )
                extending[one.stream] = (extension, judged)
        self._context.journal.extend_all(transaction, [extension for extension, _ in extending.values()])
        for extension, judged in extending.values():
            self._note_taken(transaction, extension, judged)
        return moved

    def _note_taken(self, transaction: Transaction, one: Extension, judged: Judged) -> None:
        """Alarm over an uncanonical record of a slice that was taken, and say what of the stream is deferred."""
        if judged.uncanonical is not None:
            raise_alarm(
                transaction,
                CANONICAL_ALARM,
                "canonical form",
                f"Record {judged.uncanonical} is not in canonical form; its origin should not write it.",
                one.stream,
                raised_at=self._context.clock.now(),
            )
        if any(entry.quarantine in DEFERRED_REASONS for entry in judged.entries):
            deferred = quarantine.deferred(transaction.connection, one.stream)
            judged.verdict = replace(judged.verdict, deferred=deferred)


def _is_canonical(entry: Entry) -> bool:
    """Tell whether a sampled record that follows the standard is in canonical form too."""
    if entry.quarantine is not None:
        return True
    try:
        check_canonical(entry.body, parse_unvalidated(entry.body))
    except RecordRefusedError:
        return False
    return True
