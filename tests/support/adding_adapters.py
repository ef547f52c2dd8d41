"""What adding an adapter by the command line needs: its options, and the kinds that only tests have."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.bumble_kind import BESIDE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).resolve().parents[2]
TEST_KINDS: Final = {BESIDE.name: "tests.support.bumble_kind:BESIDE"}
"""Kinds that no shipped package has: the Bluetooth bridge on a stack without radio."""


@contextmanager
def kinds_installed(site: Path) -> Iterator[None]:
    """Let programs that are started find the kinds of tests, as if somebody had installed a package with them."""
    metadata = site / "yizhan_test_kinds-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: yizhan-test-kinds\nVersion: 1\n")
    lines = "".join(f"{name} = {place}\n" for name, place in TEST_KINDS.items())
    (metadata / "entry_points.txt").write_text(f"[yizhan.adapters]\n{lines}")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def options_of(settings: Mapping[str, Any], secrets: Mapping[str, str], folder: Path) -> list[str]:
    """Return settings and secrets as ``yizhan adapters add`` takes them; each secret goes into a file of ``folder``."""
    options = []
    for name, value in settings.items():
        for text in _texts(value):
            options += ["--set", f"{name}={text}"]
    for name, secret in secrets.items():
        path = folder / f"{name}.secret"
        path.touch(mode=0o600)
        path.write_text(secret)
        options += ["--secret-file", f"{name}={path}"]
    return options


def _texts(value: Any) -> list[str]:
    """Return what stands behind ``--set NAME=``, once for each part of a list or table."""
    if isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    if isinstance(value, list):
        return [str(one) for one in value]
    return [str(value).lower() if isinstance(value, bool) else str(value)]
