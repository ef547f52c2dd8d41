"""Joining without a network: the carrier hands bytes from one side to the other, and may spoil them."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import AuthorityError, IdentityError, JoinRefusedError, PeerUnavailableError
from node.journal.entries import read_entry
from node.standard.seals import StreamName
from node.trust import admission as admission_module
from node.trust.admission import chain_document, redeem
from node.trust.certificates import make_node
from node.trust.identity import has_identity, load_identity
from node.trust.invitations import invitations, invite, read_code
from node.trust.issuing import make_certificates
from node.trust.join_forms import ANSWER_BYTES_MAX, chain_bytes, read_answer, read_request
from node.trust.joining import check_answer, check_parent, join, make_request
from node.trust.keys import load_or_make_key, new_key
from node.trust.suites import verify
from tests.support.identities import (
    AT,
    FOUR,
    Place,
    TrustNode,
    admission,
    child_of,
    identities,
    issued_body,
    receive,
    root_identity,
    root_with_tree,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.trust.identity import Identity
    from node.trust.invitations import InvitationCode
    from node.trust.joining import TrustedParent

MADE = identities()
COUNTY = Place(name="青云谱区", level="county", parent="360100", children_depth=1)
LEAF = Place(name="某中心", level="office", parent="360100", children_depth=0)


@dataclass
class DirectCarrier:
    """A JoinCarrier whose other end is a node in the same process."""

    parent: TrustNode
    at: Any = AT
    presented: bytes = b""
    document: bytes = b""
    answers: Callable[[bytes], bytes] = lambda data: data
    sent: list[bytes] = field(default_factory=list)
    lost: int = 0

    def fetch_chain(self, address: str) -> tuple[bytes, bytes]:
        assert address == "city:8443"
        identity = self.parent.identity
        return self.presented or identity.certificate.der, self.document or chain_document(identity)

    def send_join(self, address: str, request: bytes, parent: TrustedParent) -> bytes:
        assert (address, parent.code) == ("city:8443", self.parent.code)
        self.sent.append(request)
        answer = redeemed(self.parent, request, at=self.at)
        if self.lost:
            self.lost -= 1
            raise PeerUnavailableError("the line broke")
        return self.answers(answer)


def redeemed(node: TrustNode, request: bytes, *, at: Any = AT) -> bytes:
    salt = node.randomness.token(16)
    return redeem(node.store, node.journal, node.tree, node.identity, request, at=at, salt=salt)


def invited(node: TrustNode, code: str = "360104", place: Place = COUNTY) -> str:
    return node.store.write(
        lambda transaction: invite(
            transaction,
            identity=node.identity,
            tree=node.tree(transaction.connection),
            admission=admission(code, place),
            secret=node.randomness.token(16),
            at=AT,
        )
    )


@pytest.fixture
def city() -> Iterator[TrustNode]:
    node = TrustNode(MADE["360100"])
    yield node
    node.store.close()


def try_join(home: Path, carrier: DirectCarrier, invitation: str, **changes: Any) -> Identity:
    arguments: dict[str, Any] = {
        "code": "360104",
        "level": "county",
        "children_depth": 1,
        "invitation": invitation,
        "address": "city:8443",
        "carrier": carrier,
        "at": AT,
        **changes,
    }
    return join(home, **arguments)


def issued_count(node: TrustNode) -> int:
    with node.store.reading() as connection:
        held = node.journal.held(connection, StreamName(node.code, "ancestors"))
    return 0 if held is None else held.size


def test_a_county_joins_its_city_while_the_province_is_away(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city)
    identity = try_join(tmp_path, carrier, invited(city))
    assert (identity.code, identity.tree, identity.parent) == ("360104", city.identity.tree, "360100")
    assert [one.code for one in identity.path] == ["360104", "360100", "360000"]
    assert identity.path[0].name == "青云谱区"
    assert identity.path[1].certificate == city.identity.certificate.der
    assert [one.code for one in identity.chain] == ["360104", "360100", "360000"]
    assert identity.issuing_certificate is not None
    assert identity.issuing_certificate.path_length == 0
    assert (identity.trust_size, identity.time_zone) == (0, "Asia/Shanghai")
    assert city.current_tree().parent("360104") == "360100"
    assert issued_count(city) == 1
    again = load_identity(tmp_path)
    assert (again.fingerprint, again.path) == (identity.fingerprint, identity.path)
    assert TrustNode(identity).current_tree().ancestors("360104") == ("360100", "360000")


def test_the_answer_names_how_much_of_trust_comes_first(tmp_path: Path) -> None:
    root = root_with_tree(MADE)
    carrier = DirectCarrier(root)
    place = replace(FOUR["360100"], name="九江市")
    identity = try_join(
        tmp_path, carrier, invited(root, "360400", place), code="360400", level="city", children_depth=2
    )
    assert identity.trust_size == root.trust_size() == 5
    assert root.current_tree().parent("360400") == "360000"


def test_a_node_without_children_gets_no_issuing_certificate(tmp_path: Path, city: TrustNode) -> None:
    identity = try_join(tmp_path, DirectCarrier(city), invited(city, place=LEAF), level="office", children_depth=0)
    assert identity.issuing_certificate is None
    assert not (tmp_path / "keys" / "issuing.key").exists()
    assert load_identity(tmp_path).issuing_key is None


def test_a_passphrase_guards_the_keys_of_a_joined_node(tmp_path: Path, city: TrustNode) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse", encoding="utf-8")
    try_join(tmp_path, DirectCarrier(city), invited(city), passphrase_file=passphrase)
    assert load_identity(tmp_path, passphrase_file=passphrase).code == "360104"
    with pytest.raises(IdentityError, match="cannot be opened"):
        load_identity(tmp_path)


def test_a_lost_answer_is_asked_for_again_and_is_the_same(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city, lost=1)
    invitation = invited(city)
    with pytest.raises(PeerUnavailableError):
        try_join(tmp_path, carrier, invitation)
    assert not has_identity(tmp_path)
    identity = try_join(tmp_path, carrier, invitation)
    assert issued_count(city) == 1
    assert read_answer(redeemed(city, carrier.sent[0])).certificate == identity.certificate.der
    with city.store.reading() as connection:
        assert [one.used for one in invitations(connection)] == [True]


def test_the_largest_answer_that_is_taken_makes_an_identity_that_is_read_again(tmp_path: Path, city: TrustNode) -> None:
    def padded(data: bytes) -> bytes:
        room = ANSWER_BYTES_MAX - len(data) - 100
        values = json.loads(data)
        values["path"][1]["divisions"] = ["360100"] * (room // len('"360100", '))
        return json.dumps(values).encode()

    identity = try_join(tmp_path, DirectCarrier(city, answers=padded), invited(city))
    assert len(identity.path[1].divisions) > 50_000
    assert load_identity(tmp_path).path == identity.path


def test_joining_again_after_it_worked_sends_nothing(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city)
    invitation = invited(city)
    first = try_join(tmp_path, carrier, invitation)
    assert try_join(tmp_path, carrier, invitation).fingerprint == first.fingerprint
    assert len(carrier.sent) == 1


def test_a_home_that_belongs_to_another_node_or_tree_is_left_alone(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city)
    try_join(tmp_path, carrier, invited(city))
    with pytest.raises(IdentityError, match="already belongs to node 360104"):
        try_join(tmp_path, carrier, invited(city, "360105"), code="360105")
    stranger = TrustNode(root_identity())
    place = replace(FOUR["360100"], level="county", children_depth=1)
    with pytest.raises(IdentityError, match="already belongs"):
        try_join(tmp_path, carrier, invited(stranger, "360104", place))


# --- the child refuses -------------------------------------------------------------------------------------------


def test_a_typing_error_is_told_before_anything_is_done(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city)
    with pytest.raises(IdentityError, match="mistyped"):
        try_join(tmp_path, carrier, invited(city)[:-1] + "?")
    assert carrier.sent == []
    assert not (tmp_path / "keys").exists()


def parents(city: TrustNode) -> dict[str, DirectCarrier]:
    """Nodes that may stand between: each answers at the city's address in its own way."""
    stranger = TrustNode(root_identity())
    sibling = MADE["360102"]
    key = new_key()
    own = city.identity
    assert own.issuing_key is not None
    assert own.issuing_certificate is not None
    other_city = make_node(
        key.public_key(), code="360100", at=AT, issuer=own.issuing_certificate, issuer_key=own.issuing_key
    )
    return {
        "root key": DirectCarrier(
            city, document=chain_document(stranger.identity), presented=stranger.identity.certificate.der
        ),
        "node key": DirectCarrier(city, document=chain_document(sibling), presented=sibling.certificate.der),
        "TLS certificate": DirectCarrier(city, presented=other_city.der),
        "not signed by": DirectCarrier(city, document=chain_bytes([own.certificate.der, *without_first(sibling)])),
    }


def without_first(identity: Identity) -> list[bytes]:
    return [one.der for one in identity.chain[1:]]


@pytest.mark.parametrize("what", ["root key", "node key", "TLS certificate", "not signed by"])
def test_a_node_in_between_learns_nothing(tmp_path: Path, city: TrustNode, what: str) -> None:
    carrier = parents(city)[what]
    with pytest.raises(IdentityError, match=what):
        try_join(tmp_path, carrier, invited(city))
    assert carrier.sent == []
    assert not has_identity(tmp_path)


def test_a_parent_whose_certificate_is_over_is_not_asked(tmp_path: Path, city: TrustNode) -> None:
    with pytest.raises(IdentityError, match="not valid now"):
        try_join(tmp_path, DirectCarrier(city), invited(city), at=AT + timedelta(days=731))


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b"\xff", b'{"form": "yizhan.chain/1"}', b"[" * 9000, b"x" * 200_000]
)
def test_a_chain_that_cannot_be_read_is_refused(tmp_path: Path, city: TrustNode, document: bytes) -> None:
    with pytest.raises(IdentityError, match="certificate chain"):
        try_join(tmp_path, DirectCarrier(city, document=document or b" "), invited(city))


def changed(**changes: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        return json.dumps({**json.loads(data), **changes}).encode()

    return change


def on_path(position: int, **changes: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        values = json.loads(data)
        values["path"][position].update(changes)
        return json.dumps(values).encode()

    return change


def text(der: bytes) -> str:
    return b64encode(der).decode()


SIBLING = MADE["360103"]
SIBLING_ISSUING = SIBLING.issuing_certificate
assert SIBLING_ISSUING is not None


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (changed(certificate=text(SIBLING.certificate.der)), "holds a certificate of 360103"),
        (changed(certificate=text(SIBLING_ISSUING.der)), "holds a certificate of 360103"),
        (changed(issuing_certificate=None), "issuing certificate is missing"),
        (changed(issuing_certificate=text(SIBLING_ISSUING.der)), "missing or another's"),
        (changed(chain=[text(SIBLING_ISSUING.der)]), "chain is not the parent's"),
        (changed(chain=[text(one.der) for one in MADE["360100"].chain[1:]]), "not signed by 360000"),
        (changed(path=[]), "does not begin with this node"),
        (on_path(1, certificate=text(SIBLING.certificate.der)), "parent is not the one"),
        (on_path(1, parent="369999"), "has a gap"),
        (on_path(2, certificate=text(SIBLING.certificate.der)), "does not stand"),
        (on_path(2, certificate=text(MADE["360000"].root_certificate.der)), "issued by nobody"),
        (on_path(2, certificate="?"), "cannot be read"),
        (changed(trust_size=-1), "cannot be read"),
        (changed(trust_size=True), "cannot be read"),
        (changed(extra=1), "cannot be read"),
        (changed(form="yizhan.joined/2"), "another form"),
        (changed(time_zone=8), "cannot be read"),
        (on_path(1, name="\ud800"), "cannot be read"),
        (lambda data: data + b" " * 600_000, "too large"),
        (lambda data: data[:-1], "cannot be read"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_nothing_is_written(
    tmp_path: Path, city: TrustNode, spoil: Callable[[bytes], bytes], what: str
) -> None:
    with pytest.raises(IdentityError, match=what):
        try_join(tmp_path, DirectCarrier(city, answers=spoil), invited(city))
    assert not has_identity(tmp_path)


def test_an_answer_for_another_code_on_the_way_up_is_refused(city: TrustNode) -> None:
    """The city names the province by another code than the root certificate does."""
    node_key, issuing_key = new_key(), new_key()
    invitation = read_code(invited(city))
    parent = check_parent(invitation, city.identity.certificate.der, chain_document(city.identity), at=AT)
    request = make_request(
        invitation, parent.tree, code="360104", level="county", node_key=node_key, issuing_key=issuing_key
    )
    answer = read_answer(redeemed(city, request))
    renamed = (answer.path[0], replace(answer.path[1], parent="369999"), replace(answer.path[2], code="369999"))
    with pytest.raises(IdentityError, match="369999 has a certificate of 360000"):
        check_answer(
            replace(answer, path=renamed), parent, code="360104", node_key=node_key, issuing_key=issuing_key, at=AT
        )


# --- the parent refuses ------------------------------------------------------------------------------------------


def test_a_code_belongs_to_the_first_key_that_uses_it(tmp_path: Path, city: TrustNode) -> None:
    invitation = invited(city)
    try_join(tmp_path / "first", DirectCarrier(city), invitation)
    with pytest.raises(JoinRefusedError, match="already used by another key"):
        try_join(tmp_path / "second", DirectCarrier(city), invitation)
    assert issued_count(city) == 1


def test_the_same_node_key_with_another_issuing_key_is_another_key(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city, lost=1)
    invitation = invited(city)
    with pytest.raises(PeerUnavailableError):
        try_join(tmp_path, carrier, invitation)
    (tmp_path / "keys" / "issuing.key").unlink()
    with pytest.raises(JoinRefusedError, match="another key"):
        try_join(tmp_path, carrier, invitation)


def test_a_late_code_is_refused_even_with_the_same_key(tmp_path: Path, city: TrustNode) -> None:
    carrier = DirectCarrier(city, lost=1)
    invitation = invited(city)
    with pytest.raises(PeerUnavailableError):
        try_join(tmp_path, carrier, invitation)
    carrier.at = AT + timedelta(hours=24, seconds=1)
    with pytest.raises(JoinRefusedError, match="expired") as refused:
        try_join(tmp_path, carrier, invitation)
    assert "2026-01-06 04:00" in refused.value.why


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"code": "360105"}, "for another node"),
        ({"level": "district"}, "for another node"),
        ({"children_depth": 0}, "number of levels"),
    ],
)
def test_a_code_admits_only_what_was_invited(
    tmp_path: Path, city: TrustNode, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(JoinRefusedError, match=what):
        try_join(tmp_path, DirectCarrier(city), invited(city), **changes)
    assert issued_count(city) == 0


def test_a_replaced_code_is_unknown(tmp_path: Path, city: TrustNode) -> None:
    first = invited(city)
    invited(city)
    with pytest.raises(JoinRefusedError, match="not known here"):
        try_join(tmp_path, DirectCarrier(city), first)


def request_of(city: TrustNode, home: Path) -> bytes:
    """Return a good request, not sent yet."""
    return request_with(read_code(invited(city)), city, home)


def request_with(code: InvitationCode, city: TrustNode, home: Path) -> bytes:
    keys = [load_or_make_key(home, name) for name in ("node.key", "issuing.key")]
    return make_request(code, city.identity.tree, code="360104", level="county", node_key=keys[0], issuing_key=keys[1])


def test_a_request_proves_both_keys(tmp_path: Path, city: TrustNode) -> None:
    asked = read_request(request_of(city, tmp_path))
    assert asked.text().startswith(b"yizhan.join/1\ntree " + city.identity.tree.encode())
    node_key = load_or_make_key(tmp_path, "node.key").public_key()
    assert verify(node_key, asked.text(), asked.node_proof)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tree": "0" * 64}, "another tree"),
        ({"node": "360105"}, "does not prove"),
        ({"node_proof": text(b"none")}, "does not prove"),
        ({"issuing_proof": text(b"none")}, "does not prove"),
        ({"issuing_proof": None}, "does not prove"),
        ({"issuing_key": None}, "does not prove"),
        ({"node_key": text(b"none")}, "public key cannot be read"),
        ({"form": "yizhan.join/2"}, "another form"),
        ({"code": 7}, "cannot be read"),
        ({"more": 7}, "cannot be read"),
        ({"level": "x" * 9000}, "too large"),
        ({"level": "\ud800"}, "cannot be read"),
        ({"tree": "\ud800"}, "cannot be read"),
    ],
)
def test_a_request_that_is_not_what_its_keys_signed_is_refused(
    tmp_path: Path, city: TrustNode, changes: dict[str, Any], what: str
) -> None:
    request = changed(**changes)(request_of(city, tmp_path))
    with pytest.raises(IdentityError, match=what):
        redeemed(city, request)
    assert issued_count(city) == 0


@pytest.mark.parametrize("name", ["read_request", "verify", "make_certificates", "issued_entry", "answer_bytes"])
def test_whoever_asks_to_join_never_holds_the_lock_while_it_is_thought_about(
    tmp_path: Path, city: TrustNode, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    request = request_of(city, tmp_path)
    real, calls = getattr(admission_module, name), []

    def with_the_lock_free(*arguments: Any, **named: Any) -> Any:
        # A write inside a write, or inside a reading of a memory store, raises.
        city.store.write(lambda _: calls.append(name))
        return real(*arguments, **named)

    monkeypatch.setattr(admission_module, name, with_the_lock_free)
    assert read_answer(redeemed(city, request)).path[0].code == "360104"
    assert calls


def test_an_unknown_code_costs_neither_a_signature_nor_the_lock(
    tmp_path: Path, city: TrustNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(city, tmp_path)
    invited(city)
    monkeypatch.setattr(admission_module, "verify", None)
    before = city.store.commits
    with pytest.raises(JoinRefusedError, match="not known here"):
        redeemed(city, request)
    assert city.store.commits == before


@pytest.mark.parametrize("same", [True, False])
def test_a_join_that_was_overtaken_by_another_follows_it(
    tmp_path: Path, city: TrustNode, monkeypatch: pytest.MonkeyPatch, *, same: bool
) -> None:
    """While the certificates of one request are made, another with the same code is admitted."""
    code = read_code(invited(city))
    mine = request_with(code, city, tmp_path / "mine")
    other = mine if same else request_with(code, city, tmp_path / "other")
    overtaking: list[bytes] = []

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        overtaking.append(redeemed(city, other))
        return make_certificates(*arguments, **named)

    monkeypatch.setattr(admission_module, "make_certificates", overtaken)
    if same:
        assert redeemed(city, mine) == overtaking[0]
    else:
        with pytest.raises(JoinRefusedError, match="already used by another key"):
            redeemed(city, mine)
    assert issued_count(city) == 1
    assert city.current_tree().node("360104").certificate == read_answer(overtaking[0]).path[0].fingerprint


def test_an_invitation_that_was_replaced_meanwhile_admits_nobody(
    tmp_path: Path, city: TrustNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_of(city, tmp_path)

    def replaced(*arguments: Any, **named: Any) -> Any:
        invited(city)
        return make_certificates(*arguments, **named)

    monkeypatch.setattr(admission_module, "make_certificates", replaced)
    with pytest.raises(JoinRefusedError, match="not known here"):
        redeemed(city, request)
    assert issued_count(city) == 0


def test_divisions_that_another_branch_took_meanwhile_admit_nobody(tmp_path: Path, city: TrustNode) -> None:
    request = request_of(city, tmp_path)
    other_city = child_of(MADE["360000"], "360200", FOUR["360100"])[1]
    trust = StreamName("360000", "trust")
    receive(city, trust, read_entry(issued_body(replace(other_city, divisions=("360200", "360104")))))
    with pytest.raises(AuthorityError, match="360104 is served by 360200"):
        redeemed(city, request)
    assert issued_count(city) == 0


def test_one_key_cannot_be_both(tmp_path: Path, city: TrustNode) -> None:
    key = load_or_make_key(tmp_path, "node.key")
    request = make_request(
        read_code(invited(city)), city.identity.tree, code="360104", level="county", node_key=key, issuing_key=key
    )
    with pytest.raises(JoinRefusedError, match="does not prove"):
        redeemed(city, request)


def test_a_node_that_lost_its_right_to_issue_admits_nobody(tmp_path: Path, city: TrustNode) -> None:
    request = request_of(city, tmp_path)
    bare = TrustNode(replace(city.identity, issuing_key=None), store=city.store)
    with pytest.raises(IdentityError, match="cannot issue"):
        redeemed(bare, request)
