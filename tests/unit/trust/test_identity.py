from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.errors import IdentityError, NotInitialisedError
from node.trust.identity import check_identity, has_identity, load_identity, save_identity
from node.trust.issuing import Admission, found_tree, make_root_identity
from node.trust.keys import load_key, new_key
from tests.support.identities import AT, FOUR, admission, identities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.trust.identity import Identity

MADE = identities()


def founded(home: Path) -> Identity:
    return found_tree(home, admission("360000", FOUR["360000"]), at=AT, time_zone="Asia/Shanghai")


def test_a_root_is_founded_and_loaded_again(tmp_path: Path) -> None:
    assert not has_identity(tmp_path)
    made = founded(tmp_path)
    assert has_identity(tmp_path)
    loaded = load_identity(tmp_path)
    assert (loaded.code, loaded.tree, loaded.fingerprint) == ("360000", made.tree, made.fingerprint)
    assert loaded.parent is None
    assert loaded.root_code == "360000"
    assert loaded.path[0].name == "江西省"
    assert loaded.time_zone == "Asia/Shanghai"
    assert loaded.issuing_certificate == loaded.root_certificate
    assert [one.der for one in loaded.issuing_chain] == [loaded.root_certificate.der]
    assert loaded.files is not None
    assert loaded.files.chain == tmp_path / "keys" / "chain.pem"


def test_founding_again_after_a_crash_keeps_the_tree(tmp_path: Path) -> None:
    made = founded(tmp_path)
    (tmp_path / "keys" / "identity.json").unlink()
    assert founded(tmp_path).tree == made.tree


def test_the_roots_issuing_key_is_not_its_node_key(tmp_path: Path) -> None:
    founded(tmp_path)
    node_key = load_key(tmp_path / "keys" / "node.key").public_key()
    assert node_key != load_key(tmp_path / "keys" / "issuing.key").public_key()


@pytest.mark.parametrize(
    ("code", "depth", "what"), [("360000", 0, "cannot be the root"), ("36000", 3, "not a node code")]
)
def test_a_root_that_cannot_be_is_refused(code: str, depth: int, what: str) -> None:
    asked = Admission(code=code, name="x", level="province", divisions=(code,), children_depth=depth)
    with pytest.raises(IdentityError, match=what):
        make_root_identity(asked, node_key=new_key(), issuing_key=new_key(), at=AT)


def test_an_identity_knows_its_way_up_and_its_keys() -> None:
    county = MADE["360102"]
    assert (county.code, county.parent, county.root_code) == ("360102", "360100", "360000")
    assert [node.code for node in county.tree_path] == ["360102", "360100", "360000"]
    assert [one.code for one in county.issuing_chain] == ["360102", "360100", "360000"]
    assert county.issuing_certificate is not None
    assert county.key_ids == {county.certificate.key_id, county.issuing_certificate.key_id}
    assert len(county.all_certificates) == 6
    check_identity(county, AT)


def test_a_home_that_has_not_joined_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotInitialisedError, match="yizhan join"):
        load_identity(tmp_path)


def damage_chain(folder: Path) -> None:
    (folder / "chain.pem").write_text("nothing", encoding="utf-8")


def exchange_key(folder: Path) -> None:
    (folder / "node.key").write_bytes((folder / "issuing.key").read_bytes())


def remove_chain(folder: Path) -> None:
    (folder / "chain.pem").unlink()


def enlarge_chain(folder: Path) -> None:
    (folder / "chain.pem").write_bytes(b"x" * 200_000)


def break_document(folder: Path) -> None:
    (folder / "identity.json").write_text("{", encoding="utf-8")


def change_form(folder: Path) -> None:
    change(folder, "form", "yizhan.identity/9")


def drop_path(folder: Path) -> None:
    change(folder, "path", [])


def spoil_path(folder: Path) -> None:
    change(folder, "path", [{"code": "360000"}])


def name_a_parent(folder: Path) -> None:
    document = json.loads((folder / "identity.json").read_text(encoding="utf-8"))
    change(folder, "path", [{**document["path"][0], "parent": "369999"}])


def change(folder: Path, name: str, value: object) -> None:
    path = folder / "identity.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), name: value}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (damage_chain, "chain.pem cannot be used"),
        (remove_chain, "chain.pem cannot be used"),
        (enlarge_chain, "too large"),
        (exchange_key, "does not belong to its certificate"),
        (break_document, "identity.json cannot be used"),
        (change_form, "its form is 'yizhan.identity/9'"),
        (spoil_path, "identity.json cannot be used"),
        (drop_path, "does not begin with this node"),
        (name_a_parent, "has a gap"),
    ],
)
def test_a_damaged_identity_is_refused_with_its_file(tmp_path: Path, damage: Callable[[Path], None], what: str) -> None:
    founded(tmp_path)
    damage(tmp_path / "keys")
    with pytest.raises(IdentityError, match=what):
        load_identity(tmp_path)


def test_keys_of_another_node_do_not_fit() -> None:
    county = MADE["360102"]
    with pytest.raises(IdentityError, match="does not belong"):
        check_identity(replace(county, private_key=MADE["360103"].private_key))
    with pytest.raises(IdentityError, match="does not belong"):
        check_identity(replace(county, issuing_key=MADE["360103"].issuing_key))


def test_an_identity_without_children_needs_no_issuing_files(tmp_path: Path) -> None:
    leaf = replace(MADE["360102"], issuing_key=None, issuing_certificate=None)
    assert leaf.issuing_chain == ()
    assert leaf.key_ids == {leaf.certificate.key_id}
    check_identity(leaf, AT)
    save_identity(tmp_path, leaf)
    assert not (tmp_path / "keys" / "issuing.pem").exists()
