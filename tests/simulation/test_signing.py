"""The simulation's signatures of packages are the product's: each side verifies, and refuses, what the other does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.errors import PackageRefusedError
from node.exchange import signature
from node.exchange.head import PUSH, Head, write_head
from tests.simulation import signing
from tests.simulation.signing import tree_identities
from tests.support.identities import AT

pytestmark = pytest.mark.simulation

CHILD, OTHER = "360100", "360000"


def head_bytes() -> bytes:
    child = tree_identities()[CHILD]
    said = Head(tree=child.tree, sender=CHILD, receiver=OTHER, start_id="00", sent_at=AT, purpose=PUSH)
    return write_head(said)


@pytest.mark.parametrize("sign", [signing.sign_head, signature.sign_head])
@pytest.mark.parametrize("verify", [signing.verify_head, signature.verify_head])
def test_each_side_verifies_what_the_other_has_signed(sign: object, verify: object) -> None:
    head, child = head_bytes(), tree_identities()[CHILD]
    signed = sign(head, child.private_key)  # type: ignore[operator]
    element = verify(head, signed, child.chain[0].parsed, AT + timedelta(days=1))  # type: ignore[operator]
    assert element.get("Id") == "head"
    assert len(signed) == signature.SIGNATURE_BYTES


def test_every_changed_byte_is_refused_for_the_same_reason() -> None:
    head, child = head_bytes(), tree_identities()[CHILD]
    signed = signing.sign_head(head, child.private_key)
    at, certificate = AT + timedelta(days=1), child.chain[0].parsed
    for number in range(len(head) + len(signed)):
        whole = bytearray(head + signed)
        whole[number] ^= 1
        changed = (bytes(whole[: len(head)]), bytes(whole[len(head) :]))
        assert signing._verified(*changed, certificate, at) is None
        with pytest.raises(PackageRefusedError):
            signing.verify_head(*changed, certificate, at)


def test_another_key_and_another_time_are_refused() -> None:
    head, child, other = head_bytes(), tree_identities()[CHILD], tree_identities()[OTHER]
    signed = signing.sign_head(head, other.private_key)
    with pytest.raises(PackageRefusedError) as refused:
        signing.verify_head(head, signed, child.chain[0].parsed, AT + timedelta(days=1))
    assert refused.value.reason == "signature"
    with pytest.raises(PackageRefusedError) as refused:
        signing.verify_head(
            head, signing.sign_head(head, child.private_key), child.chain[0].parsed, AT.replace(year=2036)
        )
    assert refused.value.reason == "certificate"
