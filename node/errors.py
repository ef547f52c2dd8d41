"""The one tree of errors: who must act decides the class.

*Try later* (the machine repeats it by itself), *needs a person* (nothing will change until somebody acts) or *never*
(this input will not be taken, whoever repeats it). The class docstring is the message for people; the instance says
what happened, why, and what to do; data travel as attributes. An instance that leaves out why or what to do shows the
words of its class: its docstring and ``remedy``. The command line prints three lines from it and leaves with
``exit_code`` (docs/reference/exit-codes.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with one record of a delivery.

    ``row`` and ``line`` count from 1 (None: not known); ``element`` is a path of element names; ``rule`` is a short
    constant word that programs may rely on; ``text`` is for people and never holds personal data.
    """

    rule: str
    text: str
    row: int | None = None
    line: int | None = None
    element: str | None = None


class YizhanError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "YZ-000"
    exit_code: ClassVar[int] = 1
    remedy: ClassVar[str] = "Report it with what the log says around this time"

    def __init__(self, what: str, *, why: str = "", action: str = "") -> None:
        super().__init__(what)
        self._said = tuple(part for part in (what, why, action) if part)
        self.what = what
        self.why = why or (type(self).__doc__ or "").partition("\n")[0]
        self.action = action or self.remedy

    def __str__(self) -> str:
        """Return as one line what this instance says of what happened, why, and what to do: for logs and notes."""
        return " · ".join(self._said)


class TryLaterError(YizhanError):
    """The node will try again by itself."""

    remedy = "Wait a moment: it is tried again"


class NeedsPersonError(YizhanError):
    """Somebody has to act before this can go on."""

    remedy = "Remove the reason named, then run the command again"


class NeverError(YizhanError):
    """This input is not accepted, however often it is repeated."""

    remedy = "Correct what is offered at its source, then offer it again"


# --- try later ---------------------------------------------------------------------------------------------------


class StoreBusyError(TryLaterError):
    """The journal's lock could not be had in time; another process of this home is writing."""

    code = "YZ-STORE-001"
    exit_code = 8
    remedy = "Run it again in a moment; nothing of it was written"


class StoreUnavailableError(TryLaterError):
    """The database does not answer, or its disk is full or read-only."""

    code = "YZ-STORE-002"
    exit_code = 6
    remedy = "Check that the database runs and that its disk has space, then run it again"


class DiskLowError(TryLaterError):
    """The disk is nearly full: the doors are closed so that the exchange can go on."""

    code = "YZ-STORE-004"
    exit_code = 6
    remedy = "Free some space on the disk of the database, then offer it again"


class InDoubtError(TryLaterError):
    """The database may be older than what this node has told others: it waits for its neighbours' statements."""

    code = "YZ-STORE-005"
    exit_code = 8
    remedy = "Let the node run and its links come up: it settles by itself; `yizhan status` names whom it waits for"


class RebuildOvertakenError(TryLaterError):
    """The node changed during a rebuild in a way that the rebuild could not follow."""

    code = "YZ-REBUILD-001"
    exit_code = 8
    remedy = "Run it again: what was put right until then stays right"


class PeerUnavailableError(TryLaterError):
    """The neighbour cannot be reached, or asked us to come again later."""

    code = "YZ-LINK-001"
    exit_code = 6
    remedy = "Check the address, the network and that the node there runs; a running node goes on trying"

    def __init__(self, what: str, *, why: str = "", action: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(what, why=why, action=action)
        self.retry_after_s = retry_after_s


class ClockOffError(TryLaterError):
    """A neighbour's clock is an hour or more away from this machine's, and a day would be counted wrongly."""

    code = "YZ-CLOCK-001"
    remedy = "Put the clock right that is wrong, then run it again; a running node goes on by itself"


class EvidenceNotYetError(TryLaterError):
    """What the evidence of a record needs has not arrived yet: a seal, or the root's word on a certificate."""

    code = "YZ-EVIDENCE-002"
    remedy = "Wait until the links are up and quiet, then run it again"


class AdapterAwayError(TryLaterError):
    """The system of a department does not answer now, or the running node has not asked it yet."""

    code = "YZ-ADAPTER-001"
    exit_code = 6
    remedy = "Check that the system runs and can be reached from here, then run it again; a running node goes on trying"


# --- needs a person ----------------------------------------------------------------------------------------------


class UsageError(NeedsPersonError):
    """An option or an argument of the call is missing, unknown or cannot be used."""

    code = "YZ-USAGE-001"
    exit_code = 2
    remedy = "yizhan COMMAND --help tells what can be given"


class ConfigurationError(NeedsPersonError):
    """The configuration is missing, unknown or out of range."""

    code = "YZ-CONFIG-001"
    exit_code = 4
    remedy = "Correct node.toml or the level file; yizhan config check tells whether they are right"


class NotInitialisedError(NeedsPersonError):
    """This home holds no node yet, or the node has not joined its tree."""

    code = "YZ-CONFIG-002"
    exit_code = 4
    remedy = "Run yizhan init, then yizhan join with the code that the level above gave"


class StoreSchemaError(NeedsPersonError):
    """The database has another schema version than this program."""

    code = "YZ-STORE-003"
    exit_code = 4
    remedy = "Start the node with yizhan run: it brings the database up to date"


class HomeInUseError(NeedsPersonError):
    """Another process already runs the node of this home, or the port is taken."""

    code = "YZ-HOME-001"
    exit_code = 8
    remedy = "Stop the other process, or use it: the other commands work beside a running node"


class IdentityError(NeedsPersonError):
    """A certificate, a key, a fingerprint or an invitation does not stand."""

    code = "YZ-TRUST-001"
    exit_code = 5
    remedy = "Compare codes and fingerprints with the administrator of the node above"


class JoinRefusedError(IdentityError):
    """The parent did not take the invitation code."""

    code = "YZ-JOIN-001"
    remedy = "Ask the administrator of the node above for a new code: yizhan invite"


class NotFoundError(NeedsPersonError):
    """This node holds nothing by that name."""

    code = "YZ-NAME-001"
    remedy = "Check the name; yizhan status shows what this node holds"


class StateConflictError(NeedsPersonError):
    """What was asked does not fit the state that things are in."""

    code = "YZ-STATE-001"
    remedy = "Look at it again before you decide: somebody else may have acted"


class AdapterRefusedError(NeedsPersonError):
    """The system of a department does not let the adapter in, or the adapter's settings do not fit it."""

    code = "YZ-ADAPTER-002"
    exit_code = 4
    remedy = "Correct the adapter's settings or secrets, or what the system allows it, then run it again"


class AdapterBrokenError(NeedsPersonError):
    """The process of an adapter hung, crashed or did not keep to the contract, and was ended."""

    code = "YZ-ADAPTER-003"
    remedy = "Look into `yizhan adapters logs NAME`, and tell whoever made the kind; a running node starts it again"


class IntegrityError(NeedsPersonError):
    """What is stored does not agree with its own seals."""

    code = "YZ-JOURNAL-001"
    exit_code = 7
    remedy = "Stop the node, keep its home as it is, and put the newest backup in place"


class DemonstrationError(NeedsPersonError):
    """The demonstration could not go on: a node did not start, or a command failed."""

    code = "YZ-DEMO-001"
    remedy = "Look into run.log in the home of the node named, and report it"


# --- never -------------------------------------------------------------------------------------------------------


class RecordRefusedError(NeverError):
    """A record does not follow the standard."""

    code = "YZ-RECORD-001"
    remedy = "Correct the record at its source, then offer it again"

    def __init__(self, what: str, problems: tuple[Problem, ...], *, action: str = "") -> None:
        super().__init__(what, why="; ".join(problem.text for problem in problems[:3]), action=action)
        self.problems = problems


class AuthorityError(NeverError):
    """This node may not write such a record into such a stream."""

    code = "YZ-RECORD-002"
    remedy = "Write it at the node that may: docs/reference/record-types.md names it"


class PackageRefusedError(NeverError):
    """A package is not what its sender signed, or its sender may not send it.

    ``reason`` is a constant word (docs/reference/protocol.md lists them all).
    """

    code = "YZ-PACKAGE-001"
    exit_code = 7
    remedy = "Tell the administrator of the node that sent it; it is kept as evidence"

    def __init__(self, reason: str, what: str, *, why: str = "") -> None:
        super().__init__(what, why=why)
        self.reason = reason


class SealMismatchError(PackageRefusedError):
    """A slice does not end at the checkpoint that its origin signed for it."""

    def __init__(self, what: str, *, why: str = "") -> None:
        super().__init__("root", what, why=why)


class ReceiptRefusedError(NeverError):
    """A receipt claims what cannot be: beyond what was sent, another root, or a signature that does not verify."""

    code = "YZ-RECEIPT-001"
    exit_code = 7
    remedy = "Tell the administrator of the node that signed it; it is kept as evidence"

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason


class BackupRefusedError(NeverError):
    """A file is no backup of a node, or it is not as it was written."""

    code = "YZ-BACKUP-001"
    exit_code = 7
    remedy = "Take another backup; nothing was changed"


class EvidenceRefusedError(NeverError):
    """Evidence does not show what it claims.

    ``reason`` is a constant word (docs/reference/evidence.md lists them all).
    """

    code = "YZ-EVIDENCE-001"
    exit_code = 7
    remedy = "Ask for it again where it comes from; if it is the same again, tell the root's administrator"

    def __init__(self, reason: str, what: str, *, why: str = "") -> None:
        super().__init__(what, why=why)
        self.reason = reason
