"""Accounts of a server as departments have them: passwords, chroots, locks; made in a private view of the machine.

The server runs in a mount namespace of its own, in which the files of accounts are copies with one account more, and a
jail stands on a disk of its own: sshd takes no chroot below a folder that others may write to, as /tmp is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.contract import Document, SourceNeedsPersonError
from tests.support.sftp_sites import Site
from tests.support.sshd import Sshd, require_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration
NAME = "yzdept"
NUMBER = 54_321
PASSWORD = "口令 word"
FOREVER = "19000:0:99999:7:::"
EXPIRED = "0:0:99999:7:::"
NOTICE = Document(content=b"<Notice/>", record_type="SupervisionNotice")
PRIVATE_VIEW = """
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow || exit 1
mount -t tmpfs -o mode=755 tmpfs /mnt && mkdir -p /mnt/jail/drop && mount --bind "$2" /mnt/jail/drop || exit 1
shift 2
exec "$@"
"""


@contextmanager
def jailed(
    place: Path, *, secret: str | None = None, aging: str = FOREVER, lines: tuple[str, ...] = ()
) -> Iterator[Site]:
    """Give a site whose account is locked into a jail; ``secret`` is the field of its password in /etc/shadow."""
    require_private_view()
    accounts, keys, folder = place / "accounts", place / "sshd", place / "drop"
    accounts.mkdir()
    keys.mkdir()
    account(accounts, secret or hashed(PASSWORD), aging)
    jail = [f"Match User {NAME}", "ChrootDirectory /mnt/jail", "ForceCommand internal-sftp"]
    view = ["unshare", "--mount", "--propagation", "private", "sh", "-c", PRIVATE_VIEW, "sh"]
    server = Sshd(keys, lines=["PasswordAuthentication yes", *lines, *jail], before=[*view, str(accounts), str(folder)])
    server.user = NAME
    site = Site(place, server)
    os.chown(folder, NUMBER, NUMBER)
    open_the_way_to(keys)
    try:
        server.start()
        yield site
    finally:
        site.close()
        server.kill()


def require_private_view() -> None:
    require_sshd()
    if os.geteuid():
        pytest.skip("making accounts in a private view of the machine needs root")
    if shutil.which("unshare") is None:
        pytest.skip("not installed: unshare")
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no mount namespace may be made here: {tried.stderr.strip()}")


def account(folder: Path, secret: str, aging: str) -> None:
    """Write copies of the machine's files of accounts, with one account more."""
    for name, line in (
        ("passwd", f"{NAME}:x:{NUMBER}:{NUMBER}::/:/bin/sh"),
        ("shadow", f"{NAME}:{secret}:{aging}"),
    ):
        own = Path("/etc", name)
        (folder / name).write_text(f"{own.read_text()}{line}\n")
        (folder / name).chmod(own.stat().st_mode & 0o777)


def hashed(password: str) -> str:
    told = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def open_the_way_to(keys: Path) -> None:
    """Let the account reach its keys: sshd reads them under the account's number."""
    for folder in (keys, *keys.parents):
        mode = folder.stat().st_mode & 0o777
        if not mode & 0o001:
            folder.chmod(mode | 0o011)


def test_an_account_with_a_password_works_in_its_jail(tmp_path: Path) -> None:
    with jailed(tmp_path) as site:
        (site.folder / "cases.csv").write_text("cases")
        adapter = site.open(folder="/drop", secrets={"password": PASSWORD})
        adapter.check()
        assert site.take(adapter) == {"cases.csv": b"cases"}
        adapter.deliver(NOTICE, "k")
        delivered = site.folder / "deliver/SupervisionNotice.k.xml"
        assert (delivered.read_bytes(), delivered.stat().st_uid) == (b"<Notice/>", NUMBER)


def test_a_wrong_password_needs_a_person(tmp_path: Path) -> None:
    with jailed(tmp_path) as site:
        adapter = site.open(folder="/drop", secrets={"password": "another"})
        with pytest.raises(SourceNeedsPersonError, match="refuses the password"):
            adapter.check()


def test_an_account_may_want_key_and_password(tmp_path: Path) -> None:
    with jailed(tmp_path, lines=("AuthenticationMethods publickey,password",)) as site:
        site.open(folder="/drop", secrets={**site.secrets, "password": PASSWORD}).check()
        for secrets in ({"password": PASSWORD}, site.secrets, {**site.secrets, "password": "another"}):
            with pytest.raises(SourceNeedsPersonError, match=r"refuses the|does not take this way"):
                site.open(folder="/drop", secrets=secrets).check()


def test_a_locked_account_needs_a_person_and_one_without_password_signs_in_by_key(tmp_path: Path) -> None:
    for folder, secret in (("locked", "!"), ("open", "*")):
        place = tmp_path / folder
        place.mkdir()
        with jailed(place, secret=secret) as site:
            adapter = site.open(folder="/drop")
            if secret == "!":
                with pytest.raises(SourceNeedsPersonError, match="or the account is locked"):
                    adapter.check()
            else:
                adapter.check()


def test_an_expired_password_needs_a_person(tmp_path: Path) -> None:
    with jailed(tmp_path, aging=EXPIRED) as site:
        adapter = site.open(folder="/drop", secrets={"password": PASSWORD})
        with pytest.raises(SourceNeedsPersonError, match=r"opens no SFTP session|refuses the password"):
            adapter.check()


def test_a_folder_in_which_the_account_may_not_write_needs_a_person(tmp_path: Path) -> None:
    with jailed(tmp_path) as site:
        (site.folder / "cases.csv").write_text("cases")
        os.chown(site.folder, 0, 0)
        adapter = site.open(folder="/drop")
        adapter.check()
        with pytest.raises(SourceNeedsPersonError, match="let the account read it, write to it"):
            site.take(adapter)
        assert site.names() == ["cases.csv"]


def test_a_file_that_the_account_may_not_read_is_refused_and_stops_nothing(tmp_path: Path) -> None:
    with jailed(tmp_path) as site:
        (site.folder / "closed.csv").write_text("closed")
        (site.folder / "closed.csv").chmod(0o600)
        (site.folder / "open.csv").write_text("open")
        assert site.take(site.open(folder="/drop")) == {"open.csv": b"open"}
        assert site.names("rejected") == ["closed.csv", "closed.csv.reason.txt"]
