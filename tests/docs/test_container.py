"""The image and the page about it name what the project has, and the page's settings make a node that can be reached.

There is no container engine here: the commands are read, and the node is made and run by what they give to ``yizhan``.
"""

from __future__ import annotations

import re
import shlex
import ssl
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING

import click
import httpx
import pytest

from node.cli import yizhan
from node.cli.frame import Frame
from node.cli.serving import Service
from node.config.keys import FACE_PORT, LINK_PORT
from node.trust.tls import client_context, server_name
from tests.docs.blocks import ROOT, blocks_of
from tests.support.homes import Home

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/how-to/container.md"
IMAGE = "yizhan"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PORTS = {str(FACE_PORT), str(LINK_PORT)}


def said(instruction: str) -> list[str]:
    """What the last stage of the Dockerfile says after each ``instruction``."""
    last = DOCKERFILE.rpartition("\nFROM ")[2].replace("\\\n", " ")
    return re.findall(rf"(?m)^{instruction} (.*)$", last)


def commands() -> list[list[str]]:
    """Every command of the page, in words."""
    text = "".join(block.text for block in blocks_of(PAGE)).replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines()]


def runs() -> list[tuple[list[str], list[str]]]:
    """The options of each ``docker run`` or ``exec`` of the page, and what it gives to the program."""
    found = []
    for words in commands():
        if words[:2] in (["docker", "run"], ["docker", "exec"]):
            # `exec` names the container, then the program; `run` the image, whose entry point the program is.
            place = len(words) - 1 - words[::-1].index(IMAGE)
            found.append((words[2:place], words[place + 1 :]))
    return found


def values(words: list[str], option: str) -> list[str]:
    return [after for before, after in pairwise(words) if before == option]


def test_the_image_names_what_the_project_has() -> None:
    assert said("EXPOSE") == [f"{FACE_PORT} {LINK_PORT}"]
    (account,) = said("USER")
    assert account in said("RUN")[0].split()
    assert account.isdigit()
    assert int(account) > 0
    (home,) = re.findall(r"YIZHAN_HOME=(\S+)", said("ENV")[0])
    (volume,) = said("VOLUME")
    assert home.startswith(f"{volume}/")
    assert volume in said("RUN")[0].split()
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert said("ENTRYPOINT") == ['["yizhan"]']
    assert "    yizhan = node.cli:main\n" in setup
    assert said("CMD") == ['["run"]']
    versions = set(re.findall(r"(?m)^FROM python:(3\.\d+)-", DOCKERFILE))
    assert versions == {re.findall(r"python_requires = >=(\S+)", setup)[0]}
    copied = re.findall(r"(?m)^COPY (\S+) requirements/$", DOCKERFILE)
    assert copied == ["requirements/runtime.txt"]
    assert (ROOT / copied[0]).is_file()


def test_the_page_names_what_the_image_has() -> None:
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    (volume,), (account,) = said("VOLUME"), said("USER")
    assert f"`{volume}`" in text
    assert f"account {account}" in text
    assert all(values(words, "-o") == [account] for words in commands() if words[0] == "install")
    assert len(runs()) == 5
    for options, _ in runs():
        mounted = {mount.split(":")[1] for mount in values(options, "-v")}
        assert mounted <= {volume, "/tls"}
        assert {port for pair in values(options, "-p") for port in pair.split(":")} <= PORTS
    published = [values(options, "-p") for options, given in runs() if given == ["run"]]
    assert published == [[f"{port}:{port}" for port in sorted(PORTS)]]


def test_every_command_of_the_page_is_one_of_the_program() -> None:
    for _, given in runs():
        command: click.Command = yizhan
        context = yizhan.make_context("yizhan", list(given), obj=Frame())
        words = list(given)
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None, given
            command, context = found, click.Context(found, parent=context)
        command.make_parser(context).parse_args(words)


@pytest.fixture
def node_of_the_page(tmp_path: Path) -> Home:
    """A root made by the page's own words, with its files here and any free ports."""
    (certificate,) = (words for words in commands() if words[0] == "openssl")
    subprocess.run(certificate, cwd=tmp_path, check=True, capture_output=True)
    (init,) = (given for _, given in runs() if given[0] == "init")
    home = Home(tmp_path / "node")
    words = [word.replace("/tls/", f"{tmp_path}/").replace("county", "province") for word in init]
    home.call(*(re.sub(r"^0\.0\.0\.0:\d+$", "0.0.0.0:0", word) for word in words))
    assert {value.rpartition(":")[2] for option in ("--link", "--face") for value in values(init, option)} == PORTS
    return home


def test_the_node_of_the_page_can_be_reached_and_speaks_tls_only(node_of_the_page: Home, tmp_path: Path) -> None:
    assert node_of_the_page.call("config", "check").document["ok"] is True
    node = node_of_the_page.node()
    service = Service(node)
    service.start()
    try:
        face, link = (service.addresses()[name].rpartition(":")[2] for name in ("face", "link"))
        assert service.addresses()["face"] == f"https://0.0.0.0:{face}"
        context = ssl.create_default_context(cafile=tmp_path / "face.pem")
        assert httpx.get(f"https://localhost:{face}/readyz", verify=context).json()["ok"] is True
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://localhost:{face}/readyz")
        name = server_name(node.code, node.identity.tree)
        with httpx.Client(verify=client_context(node.identity)) as client:
            answer = client.get(f"https://127.0.0.1:{link}/link/v1/chain", extensions={"sni_hostname": name})
        assert answer.status_code == 200
    finally:
        service.stop()
        node.close()
