"""Trust on every kind of store: the same tree is founded, invited into, repeated and rebuilt."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from node.errors import JoinRefusedError
from node.journal.entries import read_entry
from node.standard.seals import StreamName
from node.trust import admission as admission_module
from node.trust.admission import redeem
from node.trust.invitations import invitations, invite, read_code
from node.trust.issuing import make_certificates
from node.trust.join_forms import JoinAnswer, read_answer
from node.trust.joining import make_request
from node.trust.keys import new_key
from node.trust.repeating import repeat_certificates
from tests.support.identities import AT, FOUR, TrustNode, admission, identities, issued_body, issued_by_code, receive

if TYPE_CHECKING:
    from node.journal.store import Store, Transaction
    from node.trust.invitations import InvitationCode

pytestmark = pytest.mark.integration

MADE = identities()


def test_a_tree_grows_by_code_and_by_what_others_issue(any_store: Store) -> None:
    root = TrustNode(MADE["360000"], store=any_store)
    assert root.found()
    code = invited(root)
    request = asked(root, code)
    first = redeemed(root, request)
    assert first.path[0].code == "360100"
    assert redeemed(root, request) == first
    stranger = asked(root, code)
    with pytest.raises(JoinRefusedError, match="used by another key"):
        redeemed(root, stranger)
    assert root.current_tree().codes == {"360000", "360100"}
    with any_store.reading() as connection:
        assert [one.used for one in invitations(connection)] == [True]
    root.seal()
    with any_store.reading() as connection:
        newest = root.journal.held(connection, StreamName("360000", "trust"))
    assert newest is not None
    assert newest.size == newest.sealed == 2


@pytest.mark.parametrize("same", [True, False])
def test_two_joins_at_once_with_one_code_admit_one_key(
    any_store: Store, monkeypatch: pytest.MonkeyPatch, *, same: bool
) -> None:
    """Both have made their certificates before either takes the lock: neither could if making held it."""
    root = TrustNode(MADE["360000"], store=any_store)
    root.found()
    code = invited(root)
    first = asked(root, code)
    both_made = threading.Barrier(2, timeout=30)

    def made_together(*arguments: Any, **named: Any) -> Any:
        made = make_certificates(*arguments, **named)
        both_made.wait()
        return made

    def answer(request: bytes) -> JoinAnswer | str:
        try:
            return redeemed(root, request)
        except JoinRefusedError as error:
            return error.what

    monkeypatch.setattr(admission_module, "make_certificates", made_together)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(answer, [first, first if same else asked(root, code)]))
    admitted = [one for one in answers if isinstance(one, JoinAnswer)]
    assert len(set(admitted)) == 1
    assert [one for one in answers if isinstance(one, str)] == (
        [] if same else ["This invitation was already used by another key."]
    )
    assert root.trust_size() == 2
    assert root.current_tree().node("360100").certificate == admitted[0].path[0].fingerprint


def test_the_root_repeats_and_a_rebuild_changes_nothing(any_store: Store) -> None:
    root = TrustNode(MADE["360000"], store=any_store)
    issued = issued_by_code(MADE)
    root.found()
    root.issue(issued["360100"])
    receive(root, StreamName("360100", "ancestors"), read_entry(issued_body(issued["360102"])))

    def repeat(transaction: Transaction) -> int:
        return repeat_certificates(
            root.journal,
            transaction,
            identity=root.identity,
            book=root.book,
            tree_of=root.tree,
            at=AT,
            token=root.randomness.token,
        )

    assert any_store.write(repeat) == 1
    before = list(root.current_tree())
    assert len(before) == 3
    root.journal.rebuild()
    assert any_store.write(repeat) == 0
    assert list(root.current_tree()) == before


def invited(root: TrustNode) -> InvitationCode:
    text = root.store.write(
        lambda transaction: invite(
            transaction,
            identity=root.identity,
            tree=root.tree(transaction.connection),
            admission=admission("360100", FOUR["360100"]),
            secret=bytes(16),
            at=AT,
        )
    )
    return read_code(text)


def asked(root: TrustNode, code: InvitationCode) -> bytes:
    """Return a request with new keys."""
    return make_request(
        code, root.identity.tree, code="360100", level="city", node_key=new_key(), issuing_key=new_key()
    )


def redeemed(root: TrustNode, request: bytes) -> JoinAnswer:
    answer = redeem(root.store, root.journal, root.tree, root.identity, request, at=AT, salt=bytes(16))
    return read_answer(answer)
