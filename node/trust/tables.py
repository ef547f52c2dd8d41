"""Tables of trust: certificates that verified or were issued, the tree, invitations, what the root must repeat."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Table, Text

from node.journal.tables import BIG_KEY, Moment, metadata

certificate = Table(
    "certificate",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("issuer", Text),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("learned_at", Moment, nullable=False),
    Index("certificate_code", "code"),
    Index("certificate_key_id", "key_id"),
)
"""Certificates whose chain up to the root verified; ``issuer`` is the fingerprint of the one above, NULL for the root.

Not derived from records alone (packages and joining bring certificates too), so a rebuild keeps it.
"""

issued_certificate = Table(
    "issued_certificate",
    metadata,
    Column("code", Text, primary_key=True),
    Column("certificate", Text, primary_key=True),
    Column("own_position", BigInteger),
    Column("trust_position", BigInteger),
    Column("name", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("divisions", Text, nullable=False),
)
"""One row a node certificate that a CertificateIssued names: where it stands in the own stream and in ``trust``.

NULL where it does not. What else the record says is that of ``trust`` as soon as it stands there.
"""

node_tree = Table(
    "node_tree",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("parent", Text),
    Column("divisions", Text, nullable=False),
    Column("certificate", Text, nullable=False),
)
"""One row a node: of its rows in ``issued_certificate`` the one that counts (node.trust.standing)."""

certificate_notice = Table(
    "certificate_notice",
    metadata,
    Column("record_key", BIG_KEY, primary_key=True, autoincrement=False),
    Column("waiting_for", Text),
)
"""CertificateIssued records of other origins that the root has still to look at; empty at every other node.

``waiting_for`` is the issuer of one that did not stand: it is looked at again when trust says something new of it.
"""

invitation = Table(
    "invitation",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("node_code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("children_depth", SmallInteger, nullable=False),
    Column("divisions", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_key", LargeBinary),
    Column("certificate", LargeBinary),
    Column("issuing_certificate", LargeBinary),
    Index("invitation_node_code", "node_code"),
)
"""Invitations given and not yet forgotten: the code only as its SHA-256; what was issued under it, for a repetition."""
