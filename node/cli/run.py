"""``yizhan run``: the node as one process, until it is told to stop."""

from __future__ import annotations

import json
import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import RUN, alone_in, config_of, node_of
from node.cli.journal_log import log_to_stderr
from node.cli.output import say, write_json
from node.cli.runnable import check_runnable
from node.config.files import write_safely

if TYPE_CHECKING:
    from types import FrameType

    from node.cli.serving import Service
    from node.config import NodeConfig

_log = logging.getLogger(__name__)


@click.command(cls=LazyCommand)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write the addresses here as JSON once ready.")
@pass_frame
def run(frame: Frame, ready_file: Path | None) -> None:
    """Run the node until SIGTERM or Ctrl-C.

    Both listeners, its link to the parent, the sealer and its schedules, as one process.
    """
    from node.cli.serving import Service

    config = config_of(frame)
    check_runnable(config)
    log_to_stderr(frame.verbosity)
    threading.excepthook = _log_dead_thread
    asked_to_stop = threading.Event()
    _stop_on_signals(asked_to_stop)
    with alone_in(config.home, RUN):
        _upgrade_database(config)
        with node_of(frame) as node:
            service = Service(node)
            try:
                service.start()
                _announce(frame, service, ready_file)
                service.stand_by(asked_to_stop)
            finally:
                service.stop()
                if ready_file is not None:
                    ready_file.unlink(missing_ok=True)
    say(frame, "节点已停止。", "The node has stopped.")


def _upgrade_database(config: NodeConfig) -> None:
    """Bring the database of an older program up to this one: only run does it, for it alone has the home."""
    from node.journal.schema import bring_up_to_date
    from node.journal.store import open_store

    store = open_store(config.database_url, home=config.home)
    try:
        bring_up_to_date(store)
    finally:
        store.close()


def _announce(frame: Frame, service: Service, ready_file: Path | None) -> None:
    """Say where the node listens: to people on standard error, to programs as one JSON document or a file."""
    document = {"schema": "yizhan.run/1", "ready": True, **service.addresses()}
    if frame.json:
        write_json(document)
    if ready_file is not None:
        write_safely(ready_file, json.dumps(document, ensure_ascii=False).encode())
    face, link = document["face"], document["link"]
    say(frame, f"节点运行中：状态页 {face}/  链路 {link}", f"Running: status page {face}/  link {link}")


def _stop_on_signals(asked_to_stop: threading.Event) -> None:
    def stop(number: int, _stack: FrameType | None) -> None:
        _log.info("asked to stop", extra={"signal": number})
        asked_to_stop.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _log_dead_thread(dead: threading.ExceptHookArgs) -> None:
    """Log the error that ended a thread, with its traceback; /readyz tells which part of the node is missing."""
    name = dead.thread.name if dead.thread is not None else "?"
    _log.critical("thread died", extra={"dead": name}, exc_info=dead.exc_value)
