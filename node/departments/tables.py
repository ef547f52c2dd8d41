"""Tables of the doors: sources and their keys, what was refused, stored answers, and what this node published."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from node.journal.tables import BIG_KEY, Moment, metadata

OPEN: Final = "open"
"""State of a refused delivery that waits for somebody."""
SETTLED: Final = "settled"
"""State of a refused delivery that was offered again and taken."""
DISCARDED: Final = "discarded"
"""State of a refused delivery that a person gave up, with a reason."""
WAITING: Final = "waiting"
"""State of a delivery that came while this node was in doubt: received, and offered by itself once that ends."""

source = Table(
    "source",
    metadata,
    Column("name", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("divisions", Text, nullable=False),
    Column("organisations", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    Column("modes", Text, nullable=False),
    Column("requests_per_minute", BigInteger, nullable=False),
    Column("records_per_minute", BigInteger, nullable=False),
    Column("records_per_day", BigInteger, nullable=False),
    Column("bytes_per_day", BigInteger, nullable=False),
)
"""Systems that may hand in records. Lists are separated by one blank; of divisions and organisations "" is all.

``modes`` are the ways in which its requests may prove where they come from; a limit of 0 is none."""

source_credential = Table(
    "source_credential",
    metadata,
    Column("number", BIG_KEY, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("ends_at", Moment),
    UniqueConstraint("mode", "value", name="source_credential_value"),
    Index("source_credential_source", "source"),
    sqlite_autoincrement=True,
)
"""By what a source is known: SHA-256 of an API key, a wrapped secret, or what names a certificate.

``number`` is never given out twice: it names a secret to whoever signs with it. From ``ends_at`` on it counts no more.
"""

signature_nonce = Table(
    "signature_nonce",
    metadata,
    Column("source", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    Column("kept_until", Moment, nullable=False),
    Index("signature_nonce_until", "kept_until"),
    sqlite_with_rowid=False,
)
"""Nonces of signed requests that were taken: a request that comes again is found out as long as it would count."""

source_system = Table(
    "source_system",
    metadata,
    Column("system", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    sqlite_with_rowid=False,
)
"""Which sources speak for a system (``OrigSystem``); a system that does not stand here belongs to nobody."""

source_activity = Table(
    "source_activity",
    metadata,
    Column("source", Text, primary_key=True),
    Column("accepted", Integer, nullable=False),
    Column("repeated", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
)
"""How many records each source handed in, by what became of them, since this home began."""

refused_delivery = Table(
    "refused_delivery",
    metadata,
    Column("id", BIG_KEY, primary_key=True, autoincrement=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("record_type", Text, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("times", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("content", LargeBinary),
    Column("size", Integer, nullable=False),
    Column("complete", Integer, nullable=False),
    Column("problems", Text, nullable=False),
    Column("settled_at", Moment),
    Column("settled_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("fingerprint", name="refused_delivery_fingerprint"),
    Index("refused_delivery_state", "state", "id"),
)
"""What intake did not accept. ``fingerprint`` is SHA-256 over source, dialect and content, so that the same thing
refused twice is one row (``times`` counts); ``content`` is zstd, NULL once settled; ``size`` its stored bytes."""

stored_answer = Table(
    "stored_answer",
    metadata,
    Column("number", BIG_KEY, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("answered_at", Moment, nullable=False),
    UniqueConstraint("source", "key", name="stored_answer_key"),
    Index("stored_answer_at", "answered_at"),
)
"""Answers of the open API by Idempotency-Key; ``answer`` is zstd of the JSON document."""

publication = Table(
    "publication",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
)
"""What this node published last under each name: publishing the same again makes no record."""

foreign_number = Table(
    "foreign_number",
    metadata,
    Column("system", Text, primary_key=True),
    Column("number", Text, primary_key=True),
    Column("case_no", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Case numbers of other systems: each pair stands for one case of ours."""

case_serial = Table(
    "case_serial",
    metadata,
    Column("division", Text, primary_key=True),
    Column("organisation", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("serial", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""The last serial given out in case numbers, by the parts of the number before it."""

set_aside_record = Table(
    "set_aside_record",
    metadata,
    Column("number", BIG_KEY, primary_key=True, autoincrement=True),
    Column("stream", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("source", Text),
    Column("key", Text),
    Column("body", LargeBinary, nullable=False),
    Column("set_aside_at", Moment, nullable=False),
)
"""Records that left an own stream because others hold another tail of it (02, R12), until they are offered again.

``source`` and ``key`` are those under which they had come, NULL where there were none; ``body`` is zstd."""

adapter = Table(
    "adapter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("text", Text, nullable=False),
    Column("cursor", Text),
    Column("failures", Integer, nullable=False),
    Column("next_at", Moment),
    Column("paused_at", Moment),
    Column("run_asked_at", Moment),
    Column("run_done_at", Moment),
    Column("last_run", Text, nullable=False),
    Column("answered_at", Moment),
    Column("deliveries", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
)
"""How each adapter is, and how far it has come: ``cursor`` is that of the delivery answered last, which came at
``answered_at``. The counts are of deliveries and of their records since the adapter was added. ``run_asked_at`` is when
a round was asked for by hand, ``run_done_at`` when one was last done so, with ``last_run`` (JSON) as its result."""

draft = Table(
    "draft",
    metadata,
    Column("source", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("filled", LargeBinary, nullable=False),
    Column("saved_at", Moment, nullable=False),
    Index("draft_saved_at", "saved_at"),
    sqlite_with_rowid=False,
)
"""What clerks have typed and not handed in: ``filled`` is zstd of a form's values in JSON, ``title`` a case number."""
