from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from node.errors import IdentityError
from node.journal.memory import memory_store
from node.standard.seals import Checkpoint, Receipt, StreamName
from node.trust import book as book_module
from node.trust.book import CertificateBook
from node.trust.certificates import make_issuing, make_node
from node.trust.keys import new_key
from tests.support.identities import AT, FOUR, TrustNode, child_of, identities, root_identity, root_with_tree
from tests.support.stores import template_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from node.trust.identity import Identity
    from node.trust.tree import Tree

MADE = identities()
COUNTY_STREAM = StreamName("360102", "ancestors")


@pytest.fixture
def root() -> Iterator[TrustNode]:
    node = root_with_tree(MADE)
    yield node
    node.store.close()


def checkpoint(identity: Identity, stream: StreamName = COUNTY_STREAM, **changes: object) -> Checkpoint:
    unsigned = Checkpoint(stream=stream, size=3, root=b"r" * 32, sealed_at=AT, signer=identity.fingerprint)
    unsigned = replace(unsigned, **changes)  # type: ignore[arg-type]
    return replace(unsigned, signature=identity.sign(unsigned.text(identity.tree)))


def verify(node: TrustNode, made: Checkpoint) -> None:
    with node.store.reading() as connection:
        node.book.verify_checkpoint(connection, made)


def test_a_checkpoint_of_its_origin_stands(root: TrustNode) -> None:
    verify(root, checkpoint(MADE["360102"]))


def test_every_node_that_holds_trust_believes_every_other(root: TrustNode) -> None:
    with root.store.reading() as connection:
        assert [one.code for one in root.book.node_certificates(connection, "360102")] == ["360102"]
        assert root.book.known(connection, [MADE["360102"].fingerprint, "f" * 64]) == {MADE["360102"].fingerprint}


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (checkpoint(MADE["360103"]), "made by another"),
        (checkpoint(MADE["360100"]), "made by another"),
        (replace(checkpoint(MADE["360102"]), size=4), "does not verify"),
        (replace(checkpoint(MADE["360102"]), signature=b""), "does not verify"),
        (checkpoint(MADE["360102"], signer="0" * 64), "unknown certificate"),
        (checkpoint(root_identity()), "unknown certificate"),
        (checkpoint(MADE["360102"], sealed_at=AT + timedelta(days=731)), "younger than its certificate"),
        (checkpoint(MADE["360102"], signer=MADE["360100"].chain[1].fingerprint), "made by another"),
    ],
)
def test_a_checkpoint_that_its_origin_did_not_sign_is_refused(root: TrustNode, made: Checkpoint, why: str) -> None:
    with pytest.raises(IdentityError, match=why):
        verify(root, made)


def test_a_checkpoint_for_another_tree_does_not_verify(root: TrustNode) -> None:
    county = MADE["360102"]
    unsigned = Checkpoint(stream=COUNTY_STREAM, size=3, root=b"r" * 32, sealed_at=AT, signer=county.fingerprint)
    with pytest.raises(IdentityError, match="does not verify"):
        verify(root, replace(unsigned, signature=county.sign(unsigned.text("0" * 64))))


def test_a_slow_clock_never_stops_the_exchange(root: TrustNode) -> None:
    verify(root, checkpoint(MADE["360102"], sealed_at=AT - timedelta(days=3000)))


def test_the_present_can_be_asked_for_too(root: TrustNode) -> None:
    made = checkpoint(MADE["360102"])
    with root.store.reading() as connection:
        root.book.verify_checkpoint(connection, made, AT)
        with pytest.raises(IdentityError, match="not valid now"):
            root.book.verify_checkpoint(connection, made, AT + timedelta(days=731))


def receipt(identity: Identity, **changes: object) -> Receipt:
    unsigned = Receipt(
        holder=identity.code,
        stream=COUNTY_STREAM,
        size=3,
        root=b"r" * 32,
        received_at=AT,
        signer=identity.fingerprint,
    )
    unsigned = replace(unsigned, **changes)  # type: ignore[arg-type]
    return replace(unsigned, signature=identity.sign(unsigned.text(identity.tree)))


def test_a_receipt_is_its_holders(root: TrustNode) -> None:
    with root.store.reading() as connection:
        root.book.verify_receipt(connection, receipt(MADE["360100"]))
        with pytest.raises(IdentityError, match="made by another"):
            root.book.verify_receipt(connection, receipt(MADE["360100"], holder="360103"))
        with pytest.raises(IdentityError, match="does not verify"):
            root.book.verify_receipt(connection, replace(receipt(MADE["360100"]), size=5))
        late = receipt(MADE["360100"], received_at=AT + timedelta(days=731))
        with pytest.raises(IdentityError, match="younger than its certificate"):
            root.book.verify_receipt(connection, late)


def test_any_text_of_a_node_can_be_verified(root: TrustNode) -> None:
    county = MADE["360102"]
    with root.store.reading() as connection:
        arguments = {"signer": county.fingerprint, "code": "360102", "at": AT}
        root.book.verify_text(connection, text=b"t", signature=county.sign(b"t"), **arguments)  # type: ignore[arg-type]
        with pytest.raises(IdentityError, match="does not verify"):
            root.book.verify_text(connection, text=b"u", signature=county.sign(b"t"), **arguments)  # type: ignore[arg-type]


def learn(node: TrustNode, *ders: bytes) -> list[str]:
    return node.store.write(lambda transaction: node.book.learn(transaction, ders, AT))


@pytest.fixture
def lonely() -> Iterator[TrustNode]:
    """A root that knows no certificate but its own."""
    node = TrustNode(MADE["360000"])
    yield node
    node.store.close()


def test_a_chain_is_learned_in_any_order_and_once(lonely: TrustNode) -> None:
    chain = [one.der for one in MADE["360102"].chain]
    assert len(learn(lonely, *chain)) == 2
    assert learn(lonely, *chain, *chain) == []
    with lonely.store.reading() as connection:
        assert lonely.book.chain(connection, MADE["360102"].fingerprint) == chain[:-1]
        assert lonely.book.chain(connection, "f" * 64) == []
        above = lonely.book.issuer(connection, MADE["360102"].fingerprint)
        assert above == MADE["360100"].issuing_certificate
        assert lonely.book.issuer(connection, MADE["360000"].root_certificate.fingerprint) is None
        assert lonely.book.issuer(connection, "f" * 64) is None


def test_a_certificate_without_its_chain_is_refused_and_nothing_is_stored(lonely: TrustNode) -> None:
    county = MADE["360102"].certificate
    with pytest.raises(IdentityError, match="does not lead to the root"):
        learn(lonely, county.der)
    with lonely.store.reading() as connection:
        assert lonely.book.certificate(connection, county.fingerprint) is None


def test_a_chain_of_another_tree_is_refused(lonely: TrustNode) -> None:
    stranger = root_identity()
    with pytest.raises(IdentityError, match=r"does not stand|does not lead"):
        learn(lonely, *(one.der for one in stranger.chain))


def test_too_many_certificates_at_once_are_refused(lonely: TrustNode) -> None:
    with pytest.raises(IdentityError, match="at most 64"):
        learn(lonely, *(bytes([number]) for number in range(65)))


def test_a_certificate_that_is_none_is_refused(lonely: TrustNode) -> None:
    with pytest.raises(IdentityError, match="cannot be read"):
        learn(lonely, b"none")


def test_an_issuer_that_renewed_its_certificate_under_the_same_key_still_counts(lonely: TrustNode) -> None:
    root, city = MADE["360000"], MADE["360100"]
    assert root.issuing_key is not None
    assert city.issuing_certificate is not None
    later = make_issuing(
        city.issuing_certificate.public_key,
        code="360100",
        path_length=0,
        at=AT + timedelta(days=30),
        issuer=root.root_certificate,
        issuer_key=root.issuing_key,
    )
    learn(lonely, later.der, city.issuing_certificate.der)
    # The later one does not reach back to the county's certificate: the earlier one is found.
    learn(lonely, MADE["360102"].certificate.der)
    with lonely.store.reading() as connection:
        assert lonely.book.issuer(connection, MADE["360102"].fingerprint) == city.issuing_certificate


def test_a_branch_cannot_speak_for_a_node_of_another_branch(root: TrustNode) -> None:
    city = MADE["360100"]
    assert city.issuing_key is not None
    assert city.issuing_certificate is not None
    key = new_key()
    forged = make_node(
        key.public_key(), code="360000", at=AT, issuer=city.issuing_certificate, issuer_key=city.issuing_key
    )
    learn(root, forged.der)
    impostor = replace(MADE["360000"], private_key=key, chain=(forged, *city.issuing_chain))
    with pytest.raises(IdentityError, match="neither its parent nor the root"):
        verify(root, checkpoint(impostor, StreamName("360000", "descendants")))


def test_a_branch_cannot_invent_an_issuer_of_another_branch(root: TrustNode) -> None:
    """The city certifies an issuing key in its neighbour's name and that one a node: each step is valid X.509."""
    city = MADE["360100"]
    assert city.issuing_key is not None
    assert city.issuing_certificate is not None
    neighbour_key, key = new_key(), new_key()
    neighbour = make_issuing(
        neighbour_key.public_key(),
        code="360000",
        path_length=0,
        at=AT,
        issuer=city.issuing_certificate,
        issuer_key=city.issuing_key,
    )
    forged = make_node(key.public_key(), code="360100", at=AT, issuer=neighbour, issuer_key=neighbour_key)
    learn(root, neighbour.der, forged.der)
    impostor = replace(city, private_key=key, chain=(forged, neighbour, *city.issuing_chain))
    with pytest.raises(IdentityError, match="neither its parent nor the root"):
        verify(root, checkpoint(impostor, StreamName("360100", "ancestors")))


def brought(node: TrustNode, *ders: bytes) -> list[str]:
    return node.store.write(lambda transaction: node.book.learn_brought(transaction, ders, AT))


def test_of_what_a_neighbour_brings_only_what_can_count_is_taken(root: TrustNode) -> None:
    again, _ = child_of(MADE["360100"], "360102", FOUR["360102"])
    unknown, _ = child_of(MADE["360100"], "360104", FOUR["360102"])
    foreign, _ = child_of(MADE["360102"], "360103", replace(FOUR["360103"], children_depth=0))
    assert brought(root, *(one.der for one in again.chain)) == [again.fingerprint]
    assert brought(root, *(one.der for one in (*unknown.chain, *foreign.chain))) == []


def test_an_invented_issuer_is_not_taken_nor_what_it_issued(root: TrustNode) -> None:
    city = MADE["360100"]
    assert city.issuing_key is not None
    assert city.issuing_certificate is not None
    invented_key = new_key()
    invented = make_issuing(
        invented_key.public_key(),
        code="360000",
        path_length=0,
        at=AT,
        issuer=city.issuing_certificate,
        issuer_key=city.issuing_key,
    )
    below = make_node(new_key().public_key(), code="360100", at=AT, issuer=invented, issuer_key=invented_key)
    assert brought(root, invented.der, below.der) == []


def test_neighbours_cannot_fill_the_book(root: TrustNode, monkeypatch: pytest.MonkeyPatch) -> None:
    with root.store.reading() as connection:
        held = len(root.book.node_certificates(connection, "360102")) + 1  # and its issuing certificate
    monkeypatch.setattr(book_module, "BROUGHT_MAX", held + 2)
    ders = [child_of(MADE["360100"], "360102", FOUR["360102"])[1].certificate for _ in range(4)]
    assert len(brought(root, *ders)) == 2
    assert brought(root, *ders) == []
    # Another node's are taken all the same, and what a record brings is learned without end.
    assert len(brought(root, child_of(MADE["360100"], "360103", FOUR["360103"])[1].certificate)) == 1
    assert len(learn(root, *ders)) == 2


def test_what_a_neighbour_brings_must_chain_too(lonely: TrustNode) -> None:
    with pytest.raises(IdentityError, match="does not lead to the root"):
        brought(lonely, MADE["360102"].certificate.der)


def test_the_root_may_certify_any_node(root: TrustNode) -> None:
    province = MADE["360000"]
    assert province.issuing_key is not None
    key = new_key()
    direct = make_node(
        key.public_key(), code="360102", at=AT, issuer=province.root_certificate, issuer_key=province.issuing_key
    )
    learn(root, direct.der)
    county = replace(MADE["360102"], private_key=key, chain=(direct, province.root_certificate))
    verify(root, checkpoint(county))


def test_a_node_that_is_not_in_the_tree_is_not_believed(root: TrustNode) -> None:
    stranger, _ = child_of(MADE["360100"], "360104", FOUR["360102"])
    learn(root, *(one.der for one in stranger.chain))
    with pytest.raises(IdentityError, match="not in the tree"):
        verify(root, checkpoint(stranger, StreamName("360104", "ancestors")))


def test_a_signature_is_believed_as_soon_as_the_tree_knows_its_node(root: TrustNode) -> None:
    stranger, issued = child_of(MADE["360100"], "360104", FOUR["360102"])
    root.issue(issued)
    verify(root, checkpoint(stranger, StreamName("360104", "ancestors")))


def test_a_book_without_the_issuer_of_what_it_holds_believes_nothing(root: TrustNode) -> None:
    name = MADE["360100"].issuing_certificate
    assert name is not None
    root.store.write(
        lambda transaction: transaction.connection.exec_driver_sql(
            "DELETE FROM certificate WHERE fingerprint = ?", (name.fingerprint,)
        )
    )
    fresh = CertificateBook(root.identity.tree, root.tree)
    with root.store.reading() as connection, pytest.raises(IdentityError, match=r"issuer .* is missing"):
        fresh.verify_checkpoint(connection, checkpoint(MADE["360102"]))


def test_the_cache_is_bounded(root: TrustNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "CACHED_MAX", 1)
    for code in ("360102", "360103", "360102"):
        verify(root, checkpoint(MADE[code], StreamName(code, "ancestors")))


def test_a_store_without_certificates_knows_none() -> None:
    store = memory_store(template_image())
    with store.reading() as connection:
        book = CertificateBook(MADE["360000"].tree, no_tree)
        assert book.certificate(connection, "f" * 64) is None
        assert book.node_certificates(connection, "360102") == []
    store.close()


def no_tree(_: Connection) -> Tree:
    raise AssertionError
