"""``yizhan adapters test``: a report on an adapter against its live source, which changes nothing there."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import is_running, node_of
from node.cli.output import say, write_json, write_table

MARKS = {True: "✓", False: "✗", None: "–"}
FAILED = 1


@click.command(cls=LazyCommand)
@click.argument("name")
@pass_frame
def test(frame: Frame, name: str) -> int:
    """Try the adapter NAME against its live source and report; nothing is answered or changed there.

    Checks, fetches a few deliveries twice, and looks whether the contract of adapters is kept. Where one process at a
    time may use the way to the source (a serial line), pause the adapter first. Leaves with 1 when something failed.
    """
    from node.departments.doors.by_hand import is_paused, known_cursor, report, right_adapter

    with node_of(frame) as node:
        config = right_adapter(node.config.home, name, os.environ)
        cursor = known_cursor(node.store, name)
        findings = report(config, node.config.home, cursor, clock=node.clock, environment=os.environ)
        is_kept = is_running(node.config.home) and not is_paused(node.store, name)
    passed = not any(one.passed is False for one in findings)
    if frame.json:
        document = {"schema": "yizhan.adapter-report/1", "name": name, "kind": config.kind.name, "passed": passed}
        write_json({**document, "findings": [asdict(one) for one in findings]})
    else:
        rows = [(MARKS[one.passed], one.rule, one.text) for one in findings]
        write_table(frame, f"适配器 {name} Adapter {name}", ("outcome", "rule", "text"), rows)
    say(
        frame,
        "全部通过。" if passed else "有未通过的项目。",
        "Everything that could be tried passed." if passed else "Something failed.",
    )
    if not passed and is_kept:
        say(
            frame,
            f"运行中的节点同时也在使用这个适配器，可能因此未通过。先执行 yizhan adapters pause {name}，再检查一遍。",
            f"The running node works with this adapter meanwhile, which may be why. Pause it, then test it again: "
            f"yizhan adapters pause {name}",
        )
    return 0 if passed else FAILED
