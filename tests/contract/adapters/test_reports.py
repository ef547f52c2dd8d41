"""``yizhan adapters test`` on every kind: added by the command line, tried against its real source, nothing taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.demo.program import call
from tests.support.adding_adapters import kinds_installed, options_of
from tests.support.bumble_kind import BESIDE
from tests.support.bumble_kind import KIND as BUMBLE_KIND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.adapters.doors import Door

TEXTS = ("case-a1", "case-b2")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A node with one source, that knows the kinds of tests."""
    folder = tmp_path / "home"
    ports = ("--link-port", "0", "--face-port", "0")
    with kinds_installed(tmp_path / "site"):
        call(folder, "init", "--level", "province", "--org", "360000", "--name", "江西省", *ports)
        call(folder, "sources", "add", "hall")
        yield folder


def test_the_report_on_a_live_source_finds_every_rule_kept_and_takes_nothing(
    door: Door, home: Path, tmp_path: Path
) -> None:
    source = door.source
    # In the program's processes its stack is bumble's too, under a name of its own.
    kind = BESIDE if source.kind is BUMBLE_KIND else source.kind
    options = options_of(source.settings, source.secrets, tmp_path)
    call(home, "adapters", "add", "door", "--kind", kind.name, "--source", "hall", *options)
    source.offer(TEXTS)
    report = call(home, "adapters", "test", "door", accepted=(0, 1))
    found = {one["rule"]: (one["passed"], one["text"]) for one in report["findings"]}
    assert [rule for rule, (passed, _) in found.items() if passed is not True] == [], found
    assert {"checked_before_saving", "bounded", "delivery", "stable_key", "closes", "secrets_masked"} <= set(found)
    assert (report["kind"], report["passed"]) == (kind.name, True)
    assert (list(source.refusals()), list(source.delivered())) == ([], [])
    door.open()
    if source.repeats:
        assert door.take(TEXTS) == list(TEXTS)
    else:
        assert door.nothing_comes()
