from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from node.errors import IdentityError, RecordRefusedError
from node.trust import invitations as module
from node.trust.divisions import Above, nothing_published
from node.trust.invitations import InvitationCode, code_text, count_open, invitations, invite, read_code
from node.trust.issuing import Admission
from node.trust.tables import invitation
from tests.support.identities import AT, FOUR, SEVEN, TrustNode, admission, identities, issued_by_code

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = identities(7)
SECRET = bytes(range(16))
COUNTY = admission("360104", FOUR["360102"])
CODE = InvitationCode(secret=SECRET, parent=bytes(16), root=b"\xff" * 16)


@pytest.fixture
def city() -> Iterator[TrustNode]:
    node = TrustNode(MADE["360100"])
    yield node
    node.store.close()


def ask(
    node: TrustNode,
    asked: Admission = COUNTY,
    *,
    secret: bytes = SECRET,
    validity: timedelta = module.VALIDITY,
    after: timedelta = timedelta(0),
    above: Above = nothing_published,
) -> str:
    return node.store.write(
        lambda transaction: invite(
            transaction,
            identity=node.identity,
            tree=node.tree(transaction.connection),
            admission=asked,
            secret=secret,
            at=AT + after,
            validity=validity,
            above=above,
        )
    )


@pytest.mark.parametrize(("code", "divisions"), [("360101", ("360101",)), ("360104", ("360104", "360101"))])
def test_a_heading_of_statistics_is_no_node_and_no_division(
    city: TrustNode, code: str, divisions: tuple[str, ...]
) -> None:
    with pytest.raises(IdentityError, match="360101 is no place"):
        ask(city, replace(COUNTY, code=code, divisions=divisions))


@given(st.binary(min_size=48, max_size=48))
def test_every_code_is_read_back(data: bytes) -> None:
    code = InvitationCode(secret=data[:16], parent=data[16:32], root=data[32:])
    text = code_text(code)
    assert len(text) == 95
    assert read_code(text) == code


def test_a_code_is_read_as_people_write_it() -> None:
    text = code_text(CODE)
    assert read_code(text.lower().replace("-", " ")) == CODE
    assert read_code(f"  {text.replace('-', '')}\n") == CODE
    assert read_code(text.replace("O", "0").replace("I", "1").replace("B", "8")) == CODE


@given(st.integers(0, 79), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_one_wrong_letter_is_always_told(place: int, letter: str) -> None:
    letters = code_text(CODE).replace("-", "")
    wrong = letters[:place] + letter + letters[place + 1 :]
    if wrong == letters:
        assert read_code(wrong) == CODE
        return
    with pytest.raises(IdentityError, match="check digits"):
        read_code(wrong)


def test_two_letters_in_the_wrong_order_are_told() -> None:
    letters = code_text(CODE).replace("-", "")
    for place in range(79):
        swapped = letters[:place] + letters[place + 1] + letters[place] + letters[place + 2 :]
        if swapped != letters:
            with pytest.raises(IdentityError, match="nothing was sent"):
                read_code(swapped)


@pytest.mark.parametrize(
    "text", ["", "ABCDE", code_text(CODE)[:-1], code_text(CODE) + "A", "9" * 80, "é" * 80, "A" * 9999]
)
def test_what_is_no_code_is_told(text: str) -> None:
    with pytest.raises(IdentityError, match="mistyped"):
        read_code(text)


def test_a_code_names_parent_and_root_and_is_stored_nowhere(city: TrustNode) -> None:
    code = read_code(ask(city))
    assert code.secret == SECRET
    assert code.parent.hex() == city.identity.certificate.key_id[:32]
    assert code.root.hex() == city.identity.tree[:32]
    with city.store.reading() as connection:
        row = connection.execute(select(invitation)).one()
        assert bytes(row.code_hash) == hashlib.sha256(SECRET).digest()
        assert SECRET not in [bytes(value) for value in row if isinstance(value, bytes)]
        found = invitations(connection)
    assert [(one.node_code, one.name, one.level, one.used) for one in found] == [("360104", "东湖区", "county", False)]
    assert found[0].expires_at == AT + timedelta(hours=24)


def test_a_newer_invitation_replaces_an_unused_one(city: TrustNode) -> None:
    ask(city)
    ask(city, secret=bytes(16))
    with city.store.reading() as connection:
        assert count_open(connection, AT) == 1
        assert count_open(connection, AT + timedelta(hours=25)) == 0


def test_expired_invitations_are_forgotten_after_a_month(city: TrustNode) -> None:
    ask(city)
    ask(city, admission("360105", FOUR["360102"]), secret=bytes(16), after=timedelta(days=29))
    with city.store.reading() as connection:
        assert len(invitations(connection)) == 2
    ask(city, admission("360106", FOUR["360102"]), secret=b"\1" * 16, after=timedelta(days=32))
    with city.store.reading() as connection:
        assert [one.node_code for one in invitations(connection)] == ["360105", "360106"]


def test_the_number_of_open_invitations_is_bounded(city: TrustNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_MAX", 1)
    ask(city)
    with pytest.raises(IdentityError, match="Too many"):
        ask(city, admission("360105", FOUR["360102"]), secret=bytes(16))


@pytest.mark.parametrize("validity", [timedelta(seconds=59), timedelta(days=31), timedelta(0), timedelta(days=-1)])
def test_a_validity_out_of_range_is_refused(city: TrustNode, validity: timedelta) -> None:
    with pytest.raises(IdentityError, match="one minute to thirty days"):
        ask(city, validity=validity)


def test_a_secret_of_another_length_is_refused(city: TrustNode) -> None:
    with pytest.raises(IdentityError):
        ask(city, secret=b"short")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("360000", "it is the root"),
        ("360100", "stands below 360000"),
        ("360200", "cannot stand below 360100"),
        ("360202", "cannot stand below 360100"),
    ],
)
def test_a_node_that_stands_elsewhere_is_not_invited(code: str, why: str) -> None:
    root = TrustNode(MADE["360000"])
    root.found()
    city = TrustNode(MADE["360100"], store=root.store)
    place = SEVEN["360102"]
    if code.startswith("3602"):
        root.issue(issued_by_code(MADE)["360200"])
        root.issue(issued_by_code(MADE)["360202"])
    with pytest.raises(IdentityError, match=why):
        ask(city, admission(code, place))


def test_divisions_that_are_not_the_issuers_to_give_are_not_invited() -> None:
    root = TrustNode(MADE["360000"])
    root.found()
    for code in ("360100", "360200", "360202"):
        root.issue(issued_by_code(MADE)[code])
    city = TrustNode(MADE["360100"], store=root.store)
    asked = replace(COUNTY, divisions=("360104", "360202"))
    with pytest.raises(IdentityError, match="360202 is served by 360202, which does not stand below 360100") as refused:
        ask(city, asked)
    assert "check --org and --division" in refused.value.action
    with pytest.raises(IdentityError, match="360104 does not stand below one that 360100 serves"):
        ask(city, above=lambda _: ("360200", "360000"))
    with city.store.reading() as connection:
        assert invitations(connection) == []
    assert read_code(ask(city, above={"360104": ("360100", "360000")}.get)).secret == SECRET


def test_a_child_may_be_invited_again(city: TrustNode) -> None:
    city.issue(issued_by_code(MADE)["360102"])
    assert read_code(ask(city, admission("360102", FOUR["360102"]))).secret == SECRET


def test_a_node_with_children_is_not_invited_again() -> None:
    """They would refuse its new key, and could hear of it only through it."""
    root = TrustNode(MADE["360000"])
    root.found()
    for code in ("360200", "360202", "360203"):
        root.issue(issued_by_code(MADE)[code])
    with pytest.raises(IdentityError, match="360200 has children and cannot join again") as refused:
        ask(root, admission("360200", SEVEN["360200"]))
    assert refused.value.why.startswith("360202, 360203 would not know its new key")
    assert "backup" in refused.value.action


@pytest.mark.parametrize(("code", "depth"), [("360100", 2), ("360102", 1)])
def test_a_level_that_does_not_fit_below_is_not_invited(code: str, depth: int) -> None:
    asked = Admission(code="360104", name="x", level="city", divisions=("360104",), children_depth=depth)
    with pytest.raises(IdentityError, match="see children_depth"):
        ask(TrustNode(MADE[code]), asked)


def test_a_node_that_issues_nothing_invites_nobody() -> None:
    leaf = TrustNode(replace(MADE["360102"], issuing_certificate=None, issuing_key=None))
    asked = Admission(code="360102001", name="x", level="township", divisions=("360102001",), children_depth=0)
    with pytest.raises(IdentityError, match="0 levels may stand below"):
        ask(leaf, asked)


@pytest.mark.parametrize(
    "asked",
    [
        Admission(code="36010", name="x", level="county", divisions=("360104",), children_depth=1),
        Admission(code="360104", name="", level="county", divisions=("360104",), children_depth=1),
        Admission(code="360104", name="x\ny", level="county", divisions=("360104",), children_depth=1),
        Admission(code="360104", name="x", level="a county", divisions=("360104",), children_depth=1),
        Admission(code="360104", name="x", level="county", divisions=(), children_depth=1),
        Admission(code="360104", name="x", level="county", divisions=("3601",), children_depth=1),
    ],
)
def test_an_admission_that_the_standard_does_not_allow_is_refused(city: TrustNode, asked: Admission) -> None:
    with pytest.raises(RecordRefusedError):
        ask(city, asked)
