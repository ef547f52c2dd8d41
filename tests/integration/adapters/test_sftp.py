"""Folders on a real SSH server, OpenSSH's: what it answers, refuses, and how it fails."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import Document, SourceNeedsPersonError, SourceUnavailableError
from adapters.folders.spool import OVERLAP_BYTES
from adapters.sftp.client import SftpClient, StatusError
from node.randomness import SeededRandomness
from tests.support.adapter_openings import content_of, gather
from tests.support.adapter_working import work_and_be_killed
from tests.support.sftp_sites import Site, site_of
from tests.support.sshd import free_port, make_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.contract import Adapter

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<Notice/>", record_type="SupervisionNotice")
OTHER_NOTICE = Document(content=b"<Notice>other</Notice>", record_type="SupervisionNotice")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_of(tmp_path) as made:
        yield made


def needs_person(adapter: Adapter, text: str) -> None:
    with pytest.raises(SourceNeedsPersonError, match=text):
        adapter.check()


def is_away(adapter: Adapter, text: str) -> None:
    with pytest.raises(SourceUnavailableError, match=text):
        adapter.check()


def test_a_host_that_shows_another_key_is_refused_with_the_key_it_shows(site: Site) -> None:
    known = site.server.fingerprint
    site.server.kill()
    site.server.new_host_key()
    site.server.start()
    assert site.server.fingerprint != known
    needs_person(site.open(host_keys=[known]), f"shows the host key {site.server.fingerprint}".replace("+", r"\+"))
    site.open(host_keys=[known, site.server.fingerprint]).check()


def test_nothing_secret_is_sent_to_a_host_that_is_not_known(site: Site) -> None:
    needs_person(site.open(host_keys=[f"SHA256:{'A' * 43}"]), "Compare it with what its administrator says")
    assert "Accepted" not in site.server.log
    assert "userauth" not in site.server.log


def test_the_servers_public_key_may_stand_in_place_of_a_fingerprint(site: Site) -> None:
    site.open(host_keys=[f"127.0.0.1 {site.server.host_key}"]).check()


def test_a_host_key_of_a_known_type_is_asked_for_among_several(tmp_path: Path) -> None:
    make_key(tmp_path / "other_key", kind="ecdsa")
    with site_of(tmp_path, lines=[f"HostKey {tmp_path}/other_key", "PasswordAuthentication no"]) as site:
        site.open(host_keys=[(tmp_path / "other_key.pub").read_text()]).check()
        site.open(host_keys=[site.server.host_key]).check()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_usual_type_with_a_passphrase_open(site: Site, tmp_path: Path, kind: str) -> None:
    make_key(tmp_path / "key", kind=kind, passphrase="open sesame")
    (site.server.folder / "authorized_keys").write_text((tmp_path / "key.pub").read_text())
    key = (tmp_path / "key").read_text()
    site.open(secrets={"private_key": key, "private_key_passphrase": "open sesame"}).check()
    needs_person(site.open(secrets={"private_key": key}), "is encrypted: set private_key_passphrase")
    wrong = {"private_key": key, "private_key_passphrase": "open barley"}
    needs_person(site.open(secrets=wrong), "cannot be read")


def test_secrets_that_do_not_open_are_told_with_what_to_do(site: Site, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger")
    needs_person(site.open(secrets={"private_key": (tmp_path / "stranger").read_text()}), "refuses the private_key")
    needs_person(site.open(secrets={"private_key": "not a key"}), "cannot be read")
    needs_person(site.open(secrets={"password": "secret word"}), "does not take this way of signing in, only: public")
    with pytest.raises(SourceNeedsPersonError, match="neither private_key nor password is set"):
        site.open(secrets={})


def test_an_account_that_may_not_use_sftp_is_told(tmp_path: Path) -> None:
    lines = ["PasswordAuthentication no", "ForceCommand echo your password has expired >&2; exit 1"]
    with site_of(tmp_path, lines=lines) as site:
        needs_person(site.open(), "opens no SFTP session")


def test_a_server_of_many_years_ago_needs_a_person(tmp_path: Path) -> None:
    lines = ["PasswordAuthentication no", "KexAlgorithms diffie-hellman-group1-sha1"]
    with site_of(tmp_path, lines=lines) as site:
        needs_person(site.open(), "no cipher, key exchange or host key type in common")


def test_a_server_without_sftp_needs_a_person(tmp_path: Path) -> None:
    with site_of(tmp_path) as site:
        site.server.kill()
        config = site.server.folder / "config"
        config.write_text(config.read_text().replace("Subsystem sftp", "Subsystem other"))
        site.server.start()
        needs_person(site.open(), "opens no SFTP session")


def test_servers_that_are_not_there_are_away(site: Site) -> None:
    is_away(site.open(port=free_port()), "cannot be reached: Connection refused")
    is_away(site.open(host="no-such-host.invalid"), "leads to no address")
    is_away(site.open(folder="/no/such/folder"), "is not there: make it")
    needs_person(site.open(folder=str(site.server.folder / "log")), "is no folder")


def test_something_else_that_answers_at_the_port_is_away(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answers = threading.Thread(target=greet_wrongly, args=(listening,))
        answers.start()
        is_away(site.open(port=listening.getsockname()[1], timeout_s=2.0), "broke off while a connection was made")
        answers.join()


def greet_wrongly(listening: Any) -> None:
    link, _ = listening.accept()
    with link:
        link.sendall(b"220 mail.example ESMTP\r\n" * 3)


def test_a_server_that_says_nothing_is_away_after_a_while(site: Site) -> None:
    site.server.freeze()
    begun_s = time.monotonic()
    is_away(site.open(timeout_s=1.0), "broke off while a connection was made")
    assert time.monotonic() - begun_s < 10


def test_a_server_that_freezes_is_noticed_and_taken_up_again(site: Site) -> None:
    (site.folder / "cases.csv").write_text("cases")
    adapter = site.open(timeout_s=1.0)
    adapter.check()
    site.server.freeze()
    begun_s = time.monotonic()
    is_away(adapter, "did not answer|broke off")
    assert time.monotonic() - begun_s < 10
    site.server.thaw()
    assert site.take(adapter) == {"cases.csv": b"cases"}


def test_a_connection_that_died_between_two_rounds_is_made_anew_within_the_round(site: Site) -> None:
    (site.folder / "cases.csv").write_text("cases")
    adapter = site.open()
    adapter.check()
    site.server.kill_sessions()
    assert site.take(adapter) == {"cases.csv": b"cases"}


def test_a_copy_that_breaks_off_goes_on_where_it_ended(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    content = SeededRandomness(1).token(150_000_000)
    (site.folder / "large.bin").write_bytes(content)
    asked: list[int] = []
    blocks = SftpClient.blocks

    def noted(client: SftpClient, handle: bytes, begin: int, end: int) -> Iterator[bytes]:
        asked.append(begin)
        return blocks(client, handle, begin, end)

    monkeypatch.setattr(SftpClient, "blocks", noted)
    killer = threading.Thread(target=kill_in_the_middle, args=(site, len(content)))
    killer.start()
    with pytest.raises(SourceUnavailableError, match="broke off"):
        list(site.open().fetch(1))
    killer.join()
    (part,) = (site.kept / "spool").iterdir()
    there = part.stat().st_size
    assert 0 < there < len(content)
    (delivery,) = gather(site.open(), bool, limit=1)
    assert asked == [0, there - OVERLAP_BYTES]
    assert delivery.file == part
    assert part.read_bytes() == content


def kill_in_the_middle(site: Site, size: int) -> None:
    """Kill the session once a part of the file has come."""
    wake = threading.Event()
    spool = site.kept / "spool"
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        came = sum(path.stat().st_size for path in spool.glob("*"))
        if came > size // 10:
            break
        wake.wait(0.005)
    site.server.kill_sessions()


def test_a_copy_that_takes_too_long_for_one_round_goes_on_in_the_next(site: Site) -> None:
    content = SeededRandomness(2).token(300_000)
    (site.folder / "large.bin").write_bytes(content)
    (site.folder / "small.csv").write_text("small")
    hours = itertools.count(0.0, 3600.0)
    adapter = site.open(order="name", monotonic_s=lambda: next(hours))
    assert list(adapter.fetch(10)) == []
    # A round stops after the first block, of 32,768 bytes; all but the first bring half of theirs once more.
    for _ in range(1, (300_000 - 32_768) // 16_384 + 1):
        assert list(adapter.fetch(10)) == []
    assert site.take(adapter)["large.bin"] == content


def test_a_part_that_is_not_the_beginning_of_the_file_is_not_gone_on_with(site: Site) -> None:
    path = site.folder / "cases.bin"
    path.write_bytes(b"a" * 200_000)
    os.utime(path, (1, 1))
    adapter = site.open()
    next(iter(adapter.fetch(1)))
    (copy,) = (site.kept / "spool").iterdir()
    copy.write_bytes(b"b" * 100_000)
    (delivery,) = gather(site.open(), bool, limit=1)
    assert content_of(delivery) == b"a" * 200_000


def test_a_file_that_gets_shorter_while_it_is_copied_comes_later_as_it_is_then(site: Site) -> None:
    path = site.folder / "cases.bin"
    path.write_bytes(b"a" * 200_000)
    adapter = site.open(settle_s=0.5)
    shortened = threading.Timer(0.1, os.truncate, (path, 1000))
    shortened.start()
    (delivery,) = gather(adapter, bool, limit=1)
    shortened.join()
    assert content_of(delivery) == b"a" * 1000


def test_files_that_are_still_written_are_not_read(site: Site) -> None:
    (site.folder / "cases.csv.filepart").write_text("half")
    (site.folder / ".cases.csv").write_text("half")
    (site.folder / "link.csv").symlink_to("/etc/passwd")
    assert site.take(site.open()) == {}


def test_names_of_older_chinese_servers_are_read(site: Site) -> None:
    raw = "受理.csv".encode("gb18030")
    (site.folder / os.fsdecode(raw)).write_text("cases")
    (site.folder / "more.csv").write_text("more")
    assert site.take(site.open()) == {"more.csv": b"more"}
    assert "%CA%DC%C0%ED.csv" in site.names("rejected")
    (site.folder / "rejected/%CA%DC%C0%ED.csv").rename(site.folder / os.fsdecode(raw))
    adapter = site.open(name_encoding="gb18030", deliver_folder="下发")
    assert site.take(adapter) == {"受理.csv": b"cases"}
    adapter.deliver(NOTICE, "k")
    assert site.names(os.fsdecode("下发".encode("gb18030"))) == ["SupervisionNotice.k.xml"]


def test_a_server_without_the_rename_extension_serves_as_well(tmp_path: Path) -> None:
    with site_of(tmp_path, subsystem=["-P", "posix-rename,fsync"]) as site:
        adapter = site.open()
        for content in ("first", "second"):
            (site.folder / "cases.csv").write_text(content)
            assert site.take(adapter) == {"cases.csv": content.encode()}
        assert len(site.names("done")) == 2
        assert site.names("results") == ["cases.csv.result.json"]
        adapter.deliver(NOTICE, "k")
        assert site.names("deliver") == ["SupervisionNotice.k.xml"]


def test_a_folder_that_may_only_be_read_needs_a_person(tmp_path: Path) -> None:
    with site_of(tmp_path, subsystem=["-R"]) as site:
        (site.folder / "cases.csv").write_text("cases")
        adapter = site.open()
        adapter.check()
        with pytest.raises(SourceNeedsPersonError, match="let the account read it, write to it"):
            site.take(adapter)
        with pytest.raises(SourceNeedsPersonError, match="let the account read it, write to it"):
            adapter.deliver(NOTICE, "k")
        assert site.names() == ["cases.csv"]


@pytest.mark.parametrize("method", ["open", "blocks"])
def test_a_file_that_the_server_does_not_give_now_holds_up_no_other_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """As servers on Windows answer for a file that a program holds open."""
    for number, name in enumerate(("held.csv", "cases.csv"), start=1):
        (site.folder / name).write_text(name)
        os.utime(site.folder / name, (number, number))
    real = getattr(SftpClient, method)
    refusals = iter([True])

    def refused(client: SftpClient, what: bytes, *args: Any) -> Any:
        if (method == "blocks" and next(refusals, False)) or (method == "open" and what.endswith(b"/held.csv")):
            raise StatusError("used by another process")
        return real(client, what, *args)

    monkeypatch.setattr(SftpClient, method, refused)
    adapter = site.open()
    assert site.take(adapter) == {"cases.csv": b"cases.csv"}
    refusals = iter([True])
    with pytest.raises(SourceUnavailableError, match=r"the file held\.csv .*another process"):
        site.take(adapter)
    monkeypatch.undo()
    assert site.take(adapter) == {"held.csv": b"held.csv"}


def test_a_file_in_the_way_of_a_folder_needs_a_person(site: Site) -> None:
    (site.folder / "results").write_text("in the way")
    (site.folder / "cases.csv").write_text("cases")
    with pytest.raises(SourceNeedsPersonError, match="a file named results, where a folder is needed"):
        site.take(site.open())


def test_after_an_answer_files_may_be_deleted_with_their_marks(site: Site) -> None:
    (site.folder / "cases.csv").write_text("cases")
    (site.folder / "cases.csv.ok").touch()
    assert site.take(site.open(after="delete", marker=".ok")) == {"cases.csv": b"cases"}
    assert site.names() == site.names("done") == []


def test_a_file_that_is_too_large_is_refused_without_being_read(site: Site) -> None:
    (site.folder / "huge.csv").touch()
    os.truncate(site.folder / "huge.csv", 10 * 2**30)
    (site.folder / "cases.csv").write_text("cases")
    assert site.take(site.open()) == {"cases.csv": b"cases"}
    assert site.names("rejected") == ["huge.csv", "huge.csv.reason.txt"]


def test_a_document_whose_server_dies_meanwhile_is_delivered_whole_later(site: Site) -> None:
    adapter = site.open()
    adapter.check()
    site.server.kill()
    with pytest.raises(SourceUnavailableError):
        adapter.deliver(NOTICE, "k")
    site.server.start()
    adapter.deliver(NOTICE, "k")
    adapter.deliver(OTHER_NOTICE, "k")
    assert (site.folder / "deliver/SupervisionNotice.k.xml").read_bytes() == NOTICE.content


def test_killed_at_any_moment_nothing_is_lost_and_no_key_changes(site: Site, tmp_path: Path) -> None:
    names = [f"{number:02}.csv" for number in range(25)]
    for name in names:
        (site.folder / name).write_text(name)
    came = work_and_be_killed(
        "adapters.sftp:KIND",
        site.kept,
        site.settings,
        site.secrets,
        tmp_path / "journal",
        kills=4,
        chance=SeededRandomness(3),
    )
    assert sorted({content for _, content in came}) == names
    assert len(set(came)) == len(names)
    assert len(came) <= len(names) + 4
    assert site.names("done") == names


def test_a_file_that_the_server_does_not_let_go_is_answered_once_and_holds_up_no_other_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "held.csv").write_text("held.csv")
    rename = SftpClient.posix_rename

    def refused(client: SftpClient, path: bytes, to_path: bytes) -> None:
        if path.endswith(b"/held.csv"):
            raise StatusError("used by another process")
        rename(client, path, to_path)

    monkeypatch.setattr(SftpClient, "posix_rename", refused)
    monkeypatch.setattr(SftpClient, "rename", refused)
    adapter = site.open()
    with pytest.raises(SourceUnavailableError, match=r"the file held\.csv .*another process"):
        site.take(adapter)
    (site.folder / "cases.csv").write_text("cases.csv")
    assert site.take(adapter) == {"cases.csv": b"cases.csv"}
    monkeypatch.undo()
    assert site.take(adapter) == {}
    assert site.names("done") == ["cases.csv", "held.csv"]
