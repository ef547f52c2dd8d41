"""Departments that put files into folders: beside the node, and on a server of their own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from node.demo.writers import csv_files, delivery
from tests.doors_demonstration.department import AdapterPlan, cases_in_two, no_counts
from tests.support.sshd import ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access
    from tests.support.sshd import Sshd


class FolderDepartment:
    """A program that writes files under a hidden name and renames them; ``folder`` is where they appear."""

    def __init__(self, folder: Path, adapter: AdapterPlan) -> None:
        self.folder = folder
        self.place = str(folder)
        self.adapter = adapter

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        """Put the week's tables of some cases there, as text in two encodings, and one spreadsheet of the others."""
        written, typed = cases_in_two(records)
        drafts = self.folder.with_name("drafts")
        drafts.mkdir()
        for path in csv_files(drafts, written):
            self.put(path.name, path.read_bytes())
        self.put("cases.xlsx", delivery("xlsx", typed))
        return no_counts()

    def put(self, name: str, content: bytes) -> None:
        """Have a file appear in the folder, whole."""
        hidden = self.folder / f".{name}.tmp"
        hidden.write_bytes(content)
        hidden.rename(self.folder / name)

    def documents(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in sorted((self.folder / "deliver").glob("*.xml"))]


@contextmanager
def file_drop_department(folder: Path) -> Iterator[FolderDepartment]:
    """Give a folder of this machine."""
    drop = folder / "drop"
    drop.mkdir()
    yield FolderDepartment(drop, AdapterPlan(kind="file_drop", settings={"folder": str(drop), "settle_s": 0.0}))


class SftpDepartment(FolderDepartment):
    """The same on a server that is reached by SFTP: a file of XML for some cases, of JSON for the others."""

    def __init__(self, drop: Path, server: Sshd) -> None:
        settings = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "host_keys": [server.host_key],
            "folder": str(drop),
            "settle_s": 0.0,
        }
        super().__init__(drop, AdapterPlan(kind="sftp", settings=settings, secrets={"private_key": server.private_key}))

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        some, others = cases_in_two(records)
        self.put("cases.xml", delivery("standard", some))
        self.put("cases.json", delivery("json", others))
        return no_counts()


@contextmanager
def sftp_department(folder: Path) -> Iterator[SftpDepartment]:
    """Run OpenSSH's server; skips where it is not installed."""
    drop = folder / "drop"
    drop.mkdir()
    with ssh_server(folder / "sshd") as server:
        yield SftpDepartment(drop, server)
