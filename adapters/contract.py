"""The contract between the node and its doors: what an adapter is asked, and what it may answer.

An adapter brings deliveries from one department's system to the node and takes documents back. It parses framing (a
file, a page of rows, frames on a line), never meaning: meaning is the dialect's, in the node. It imports its own
library and this module, nothing of the node. Only ``node.departments`` opens adapters, each in a process of its own.

How a kind is found
    A package names its kind in the entry-point group ``yizhan.adapters``; the entry point is an ``AdapterKind``. The
    kind says which settings it takes, so that the node can check and document them, and opens adapters.

How an adapter is used
    ``open`` does no input or output. Then every method is called from one thread, one at a time. ``fetch`` is asked
    again and again, with pauses that the node chooses; each delivery is answered, by ``acknowledge`` or ``reject``,
    before the next one is taken from the iterator, unless the node stops between them.

Delivery is at least once: ``acknowledge`` is called only after the node's commit, so after a crash the same delivery
comes again under the same ``delivery_key``, and the node knows it by (source, key). What an adapter has to remember
from one opening to the next stands in ``Delivery.cursor``, which the node keeps for it once the delivery is answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

CONTRACT_VERSION: Final = 1
"""Version of this module's promises; a kind made for another one is listed, and not opened."""
GROUP: Final = "yizhan.adapters"
"""The entry-point group in which kinds are registered."""
KEY_LENGTH_MAX: Final = 200
CURSOR_LENGTH_MAX: Final = 4000
REQUIRED: Final = object()
"""Default of a setting that must be given."""


class Form(StrEnum):
    """What the value of a setting is in ``adapters.toml``."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    LIST = "list"
    TABLE = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of a kind: its name (the unit last), its form, its default, and what it means in both languages.

    TEXT is at most ``length_max`` characters without control characters, but for tabs and line ends where it may have
    ``several_lines``, as a SELECT has; NUMBER is between ``lowest`` and ``highest``, whole when the default (or
    ``lowest``) is; CHOICE is one of ``choices``; LIST is of texts; TABLE is of texts by name. A ``secret`` is a text
    that never stands in ``adapters.toml``, but in the file of secrets or the environment; it may have lines, as a
    private key has.
    """

    name: str
    form: Form = Form.TEXT
    default: Any = REQUIRED
    zh: str
    en: str
    choices: tuple[str, ...] = ()
    lowest: float = 0
    highest: float = 2**53
    length_max: int = 4000
    several_lines: bool = False
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an adapter is opened with.

    ``name`` is the adapter's own, ``source_id`` that of the source for which it delivers; ``settings`` holds every
    setting of the kind, checked or its default; ``secrets`` those that were given. ``folder`` exists, is closed to
    other accounts, is the adapter's alone and stays from one opening to the next. ``cursor`` is that of the delivery
    answered last, None before the first. ``now`` is aware UTC. ``wait`` waits so many seconds, or less when the adapter
    is asked to stop, and then returns True; ``token`` gives random bytes. ``is_trial`` tells that somebody only looks:
    nothing will be answered, and the folder is a copy that is thrown away, with whatever comes into it meanwhile.
    """

    name: str
    source_id: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    folder: Path
    cursor: str | None = None
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]
    wait: Callable[[float], bool]
    token: Callable[[int], bytes]
    is_trial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing that a source handed over: a record, or a file of many.

    ``source_id`` names the source as the node knows it; ``delivery_key`` is the same for the same thing however often
    it is fetched, at most 200 characters; ``content`` is exactly what came, or else ``file`` is where it stands, for as
    long as the delivery is not answered; ``media_type`` is an IANA media type; ``fetched_at`` is aware UTC. ``name`` is
    what people know it by (a file's name, an address), "" for none; ``cursor`` is where to go on once this delivery is
    answered, None when there is nothing to remember, at most 4000 characters.
    """

    source_id: str
    delivery_key: str
    content: bytes = b""
    file: Path | None = None
    media_type: str
    fetched_at: datetime
    name: str = ""
    cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """One thing that is wrong with one record of a delivery.

    ``row`` and ``line`` count from 1, None where not known; ``element`` is a path of element names, or a column;
    ``rule`` is a constant word; ``text`` is for people and holds no personal data.
    """

    rule: str
    text: str
    row: int | None = None
    line: int | None = None
    element: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the records of a delivery: all of them are either in the node's journal or kept as refused.

    ``received`` wait until the node has settled a doubt about its own database. ``problems`` are at most 1000,
    ``problems_omitted`` counts the others. ``failed_rows`` is a file of only the refused records in the form in which
    they came, None when nothing was refused or the dialect cannot write one.
    """

    offered: int
    accepted: int
    repeated: int
    refused: int
    received: int = 0
    problems: tuple[RowProblem, ...] = ()
    problems_omitted: int = 0
    failed_rows: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What goes down to a department: a notice, an answer.

    ``content`` is XML of the standard as the node holds it; ``record_type`` its type; ``organisation`` the department's
    code (empty when it is for all that the adapter serves); ``text`` what a display with a few lines shows of it.
    """

    content: bytes
    media_type: str = "application/xml"
    record_type: str
    organisation: str = ""
    text: str = ""


class Adapter(Protocol):
    """A door to one department's system. Every method may raise the three errors below and nothing else."""

    def check(self) -> None:
        """Try that the source answers and lets us in, without changing anything there."""

    def fetch(self, limit: int) -> Iterator[Delivery]:
        """Yield at most ``limit`` deliveries that were not answered yet, oldest first; none is normal.

        Comes back within the kind's ``patience_s``, and between two deliveries too. A door that is never asked and only
        hears (a line) waits a second or two for something to come.
        """

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        """Tell the source that the node holds the delivery, and what became of its records; repeating is harmless."""

    def reject(self, delivery: Delivery, reason: str) -> None:
        """Tell the source that the node cannot read the delivery at all, and why, without personal data.

        The node keeps what could not be read; repeating is harmless.
        """

    def deliver(self, document: Document, key: str) -> None:
        """Hand a document to the department; the same ``key`` again changes nothing.

        Returns when the department's system holds it. Raises DeliveryRejectedError when it never will.
        """

    def close(self) -> None:
        """Let go of everything; calling it twice is harmless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterKind:
    """A kind of door: what the entry point of a package names.

    ``open`` returns an adapter without any input or output, or raises SourceNeedsPersonError when its settings do not
    fit together. ``every_s`` is the usual pause between two calls of ``fetch``; ``patience_s`` how long any call may
    take before the process is taken for hung. ``delivers`` tells whether ``deliver`` reaches anybody. ``scale`` answers
    rules of docs/reference/adapter-scale.md: "done", or "exempt: " and the reason.
    """

    name: str
    zh: str
    en: str
    settings: tuple[Setting, ...]
    open: Callable[[Opening], Adapter]
    every_s: float = 60.0
    patience_s: float = 120.0
    delivers: bool = False
    scale: Mapping[str, str] = field(default_factory=dict)
    contract_version: int = CONTRACT_VERSION


class AdapterError(Exception):
    """Something went wrong at a door; one of the three classes below says who must act."""


class SourceUnavailableError(AdapterError):
    """The source does not answer now; try again later.

    ``retry_after_s`` is what the source asked us to wait, None when it did not say.
    """

    def __init__(self, what: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class DeliveryRejectedError(AdapterError):
    """The source will never take this document, or hand out this delivery, however often it is asked."""


class SourceNeedsPersonError(AdapterError):
    """Nothing will change until a person acts: settings, credentials, a certificate, pairing."""
