"""``yizhan adapters ports``: the serial ports of this machine, by the names that do not change."""

from __future__ import annotations

from dataclasses import asdict

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.output import write_json, write_table


@click.command(cls=LazyCommand)
@pass_frame
def ports(frame: Frame) -> None:
    """List the serial ports of this machine; "stable" is what the setting port of a serial bridge should name."""
    from node.departments.serial_ports import ports_of_this_machine

    found = ports_of_this_machine()
    if frame.json:
        write_json({"schema": "yizhan.serial-ports/1", "ports": [asdict(one) for one in found]})
        return
    columns = ("path", "stable", "description", "usb", "serial_number")
    rows = [(one.path, one.stable, one.description, one.usb, one.serial_number) for one in found]
    write_table(frame, "串口" if frame.language == "zh" else "Serial ports", columns, rows)
