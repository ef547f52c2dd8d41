"""Certificates made by the openssl program: authorities, clients under them, and one that has ended."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ENDED = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
LASTING = ("-startdate", "20200101000000Z", "-enddate", "20991231000000Z")
CONFIGURATION = """
[ca]
default_ca = here
[here]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index.txt
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
email_in_dn = no
unique_subject = no
[any]
organizationName = optional
commonName = supplied
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """An authority that lives in a folder of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("there is no openssl on this machine")
        folder.mkdir()
        self.folder = folder
        self.certificate = folder / "ca.pem"
        (folder / "index.txt").write_text("", encoding="ascii")
        (folder / "ca.cnf").write_text(CONFIGURATION.format(folder=folder), encoding="ascii")
        extensions = (
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )
        self._run("req", "-x509", *_new_key(folder / "ca.key"), "-subj", f"/CN={name}", *extensions, "-days", "3650",
                  "-out", str(self.certificate))  # fmt: skip

    def issue(self, name: str, *, names: str = "", subject: str = "", dates: tuple[str, ...] = LASTING) -> Pair:
        """Issue a certificate; ``names`` are alternative names as openssl writes them (``DNS:a,URI:b``)."""
        made = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = ("-addext", f"subjectAltName={names}") if names else ()
        self._run("req", "-new", *_new_key(made.key), "-utf8", "-subj", subject or f"/CN={name}", *extensions, "-out",
                  str(request))  # fmt: skip
        self._run("ca", "-batch", "-notext", "-utf8", "-config", str(self.folder / "ca.cnf"), "-cert",
                  str(self.certificate), "-keyfile", str(self.folder / "ca.key"), "-in", str(request), "-out",
                  str(made.certificate), *dates)  # fmt: skip
        return made

    @staticmethod
    def _run(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr


def _new_key(path: Path) -> tuple[str, ...]:
    return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(path))
