"""The one tree of errors: who must act decides the class.

*Try later* (the machine repeats it by itself), *needs a person* (nothing will change until somebody acts) or *never*
(this input will not be taken, whoever repeats it). The class docstring is the message for people; the instance says
what happened, why, and what to do; data travel as attributes. The command line prints three lines from it and leaves
with ``exit_code`` (docs/reference/exit-codes.md).
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

    def __init__(self, what: str, *, why: str = "", action: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.action = action

    def __str__(self) -> str:
        """Return what happened, why, and what to do, as one line."""
        return " · ".join(part for part in (self.what, self.why, self.action) if part)


class TryLaterError(YizhanError):
    """The node will try again by itself."""


class NeedsPersonError(YizhanError):
    """Somebody has to act before this can go on."""


class NeverError(YizhanError):
    """This input is not accepted, however often it is repeated."""


# --- try later ---------------------------------------------------------------------------------------------------


class StoreBusyError(TryLaterError):
    """The journal's lock could not be had in time; another process of this home is writing."""

    code = "YZ-STORE-001"
    exit_code = 8


class StoreUnavailableError(TryLaterError):
    """The database does not answer, or its disk is full or read-only."""

    code = "YZ-STORE-002"
    exit_code = 6


class PeerUnavailableError(TryLaterError):
    """The neighbour cannot be reached, or asked us to come again later."""

    code = "YZ-LINK-001"
    exit_code = 6

    def __init__(self, what: str, *, why: str = "", action: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(what, why=why, action=action)
        self.retry_after_s = retry_after_s


# --- needs a person ----------------------------------------------------------------------------------------------


class ConfigurationError(NeedsPersonError):
    """The configuration is missing, unknown or out of range."""

    code = "YZ-CONFIG-001"
    exit_code = 4


class NotInitialisedError(NeedsPersonError):
    """This home holds no node yet, or the node has not joined its tree."""

    code = "YZ-CONFIG-002"
    exit_code = 4


class StoreSchemaError(NeedsPersonError):
    """The database has another schema version than this program."""

    code = "YZ-STORE-003"
    exit_code = 4


class HomeInUseError(NeedsPersonError):
    """Another process already runs the node of this home, or the port is taken."""

    code = "YZ-HOME-001"
    exit_code = 8


class IdentityError(NeedsPersonError):
    """A certificate, a key, a fingerprint or an invitation does not stand."""

    code = "YZ-TRUST-001"
    exit_code = 5


class JoinRefusedError(IdentityError):
    """The parent did not take the invitation code."""

    code = "YZ-JOIN-001"


class NotFoundError(NeedsPersonError):
    """This node holds nothing by that name."""

    code = "YZ-NAME-001"


class StateConflictError(NeedsPersonError):
    """What was asked does not fit the state that things are in."""

    code = "YZ-STATE-001"


class IntegrityError(NeedsPersonError):
    """What is stored does not agree with its own seals."""

    code = "YZ-JOURNAL-001"
    exit_code = 7


class DemonstrationError(NeedsPersonError):
    """The demonstration could not go on: a node did not start, or a command failed."""

    code = "YZ-DEMO-001"


# --- never -------------------------------------------------------------------------------------------------------


class RecordRefusedError(NeverError):
    """A record does not follow the standard."""

    code = "YZ-RECORD-001"

    def __init__(self, what: str, problems: tuple[Problem, ...], *, action: str = "") -> None:
        super().__init__(what, why="; ".join(problem.text for problem in problems[:3]), action=action)
        self.problems = problems


class AuthorityError(NeverError):
    """This node may not write such a record into such a stream."""

    code = "YZ-RECORD-002"


class PackageRefusedError(NeverError):
    """A package is not what its sender signed, or its sender may not send it.

    ``reason`` is a constant word (docs/reference/protocol.md lists them all).
    """

    code = "YZ-PACKAGE-001"
    exit_code = 7

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

    def __init__(self, reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason
