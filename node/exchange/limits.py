"""The limits of the exchange (02, R19), in one place. Numbers without a source were chosen by us; the reason is given.

They are part of the protocol as far as a neighbour meets them: docs/reference/protocol.md lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SLOWEST_BYTES_PER_S: Final = 2_048
"""The slowest line on which a package must get through: 16 kbit/s, less than any modem, GPRS or satellite gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what the exchange takes, keeps and waits for: bytes, counts and seconds.

    package_bytes_max: one package, uncompressed, Head included; room for a slice to the next checkpoint many times.
    slices_max: slices a package; each costs a signature check.
    slice_records_max: records a slice; 500 to 2,000 make the best batches (docs/performance.md).
    announced_max: checkpoints that travel with a slice beside the one at its end: those inside it, and the newest.
    receipts_max, verdicts_max, certificates_max, lines_max: what else a Head may hold of each kind.
    tails_max: requests for the tail of a stream that a package may hold; of more, the others come with the next one.
    under_way_max: packages of one link that are sent and not yet answered.
    prepared_max: packages that a child makes beside those while more waits than they hold; it sends them at the next
    answer, at once where answers come quickly: the parent can read them beside its work (docs/performance.md).
    under_way_s_max: after this long an unanswered package is taken for lost; sending it again is harmless.
    long_poll_s_max: how long a child's request may wait for news; below every usual proxy's 30 s.
    early_wait_s: how long an early package is held for its predecessor.
    compare_s: the longest time between two looks at cursors and sizes when no wake-up came.
    busy_pause_s, busy_pause_s_max: how long a stream rests after the receiver answered ``busy`` for it; doubles each
    time, since waiting for an upgrade takes longer than waiting for a certificate.
    refused_pause_s, refused_pause_s_max: the same after the receiver refused a slice of it.
    conversation_s_max: age at which a conversation is opened again, so that statements are compared daily.
    silence_s_max: a child that was not heard of for this long is shown as down: three long polls.
    contact_s: how often the time of the last contact is written while nothing else changes.
    evidence_files_max, evidence_bytes_max: bad packages kept per neighbour; the oldest go first.
    """

    package_bytes_max: int = 4 * 1024 * 1024
    slices_max: int = 64
    slice_records_max: int = 2_000
    announced_max: int = 16
    receipts_max: int = 1_000
    verdicts_max: int = 256
    certificates_max: int = 64
    lines_max: int = 5_000
    tails_max: int = 64
    under_way_max: int = 2
    prepared_max: int = 1
    under_way_s_max: float = 60.0
    long_poll_s_max: float = 25.0
    early_wait_s: float = 2.0
    compare_s: float = 5.0
    busy_pause_s: float = 1.0
    busy_pause_s_max: float = 30.0
    refused_pause_s: float = 30.0
    refused_pause_s_max: float = 3_600.0
    conversation_s_max: float = 86_400.0
    silence_s_max: float = 75.0
    contact_s: float = 60.0
    evidence_files_max: int = 20
    evidence_bytes_max: int = 16 * 1024 * 1024
