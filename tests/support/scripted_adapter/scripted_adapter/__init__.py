"""An adapter that a third party might ship: it delivers the files of a folder, and misbehaves as a script says.

``script`` in the folder holds one word a line for what happens at the next calls: ``hang``, ``crash``, ``flood``, …; a
line is taken out when it is followed. It knows nothing of the node but ``adapters.contract``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.contract import (
    AdapterKind,
    Delivery,
    DeliveryRejectedError,
    Document,
    Form,
    Opening,
    Outcome,
    Setting,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger(__name__)


class ScriptedAdapter:
    """Delivers the files of ``folder`` in the order of their names; what was answered is moved to ``done``."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._folder = Path(opening.settings["folder"])
        self._follow("open")

    def check(self) -> None:
        self._follow("check")
        if not self._folder.is_dir():
            raise SourceNeedsPersonError("there is no such folder: make it")

    def fetch(self, limit: int) -> Iterator[Delivery]:
        self._follow("fetch")
        if self._opening.settings["listens"]:
            self._opening.wait(1.0)
        paths = sorted(path for path in self._folder.glob("*") if path.is_file() and path.name != "script")
        for path in paths[: limit + 1 if self._told("too-many") else limit]:
            yield self._delivery(path)
            self._follow("between")

    def acknowledge(self, delivery: Delivery, outcome: Outcome) -> None:
        self._follow("acknowledge")
        self._done(delivery, f"accepted {outcome.accepted} repeated {outcome.repeated} refused {outcome.refused}")
        if outcome.failed_rows is not None:
            (self._folder / "done" / f"{delivery.name}.failed").write_bytes(outcome.failed_rows)

    def reject(self, delivery: Delivery, reason: str) -> None:
        self._follow("reject")
        self._done(delivery, f"rejected {reason}")

    def deliver(self, document: Document, key: str) -> None:
        self._follow("deliver")
        path = self._folder / "delivered" / key.replace("/", "_")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document.content)

    def close(self) -> None:
        self._follow("close")

    def _delivery(self, path: Path) -> Delivery:
        content = path.read_bytes()
        return Delivery(
            source_id="another" if self._told("wrong-source") else self._opening.source_id,
            delivery_key="" if self._told("no-key") else path.name,
            content=b"" if self._opening.settings["by_file"] else content,
            file=path if self._opening.settings["by_file"] else None,
            media_type="application/octet-stream",
            fetched_at=self._opening.now(),
            name=path.name,
            cursor=path.name,
        )

    def _done(self, delivery: Delivery, what: str) -> None:
        done = self._folder / "done"
        done.mkdir(exist_ok=True)
        with (done / "answers").open("a") as answers:
            answers.write(f"{delivery.delivery_key} {what}\n")
        path = self._folder / delivery.delivery_key
        if path.exists():
            path.rename(done / path.name)

    def _told(self, word: str) -> bool:
        """Take the script's next line out if it is this word."""
        script = self._folder / "script"
        lines = script.read_text().split() if script.exists() else []
        if not lines or lines[0] != word:
            return False
        script.write_text("\n".join(lines[1:]))
        return True

    def _follow(self, call: str) -> None:
        for word, does in _DEEDS.items():
            if self._told(f"{call}:{word}"):
                does(self)


def _hang(_: ScriptedAdapter) -> None:
    threading.Event().wait()


def _wait(adapter: ScriptedAdapter) -> None:
    adapter._opening.wait(3600.0)


def _crash(_: ScriptedAdapter) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _leave(_: ScriptedAdapter) -> None:
    sys.stderr.write("this is the end\n")
    os._exit(3)


def _defect(adapter: ScriptedAdapter) -> None:
    message = f"division by zero near {adapter._opening.secrets.get('password')}"
    raise ZeroDivisionError(message)


def _away(_: ScriptedAdapter) -> None:
    raise SourceUnavailableError("the folder does not answer")


def _trial(adapter: ScriptedAdapter) -> None:
    raise SourceUnavailableError(f"only a trial: {adapter._opening.is_trial}")


def _away_long(_: ScriptedAdapter) -> None:
    raise SourceUnavailableError("come back tomorrow", retry_after_s=7200.0)


def _ugly(_: ScriptedAdapter) -> None:
    _log.warning("\x1b]0;mine\x07 \u202e[/red]")
    raise SourceUnavailableError("\x1b]0;mine\x07 \u202e[/red]")


def _never(_: ScriptedAdapter) -> None:
    raise DeliveryRejectedError("it is not taken")


def _person(adapter: ScriptedAdapter) -> None:
    raise SourceNeedsPersonError(f"the password {adapter._opening.secrets.get('password')} is wrong")


def _talk(adapter: ScriptedAdapter) -> None:
    secret = adapter._opening.secrets.get("password")
    _log.warning("logging in with %s", secret, extra={"password": secret, "user": "hall"})
    sys.stdout.write(f"printed {secret}\n")
    sys.stdout.flush()


def _flood_log(_: ScriptedAdapter) -> None:
    for number in range(1_000_000):
        _log.info("line %d", number)


def _talk_on(_: ScriptedAdapter) -> None:
    while True:
        _log.info("still there")
        threading.Event().wait(0.05)


def _flood_errors(_: ScriptedAdapter) -> None:
    while True:
        sys.stderr.write("x" * 65_536)


def _garble(_: ScriptedAdapter) -> None:
    # Whoever finds the descriptor of the line can write anything to it.
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\x00\x00\x00\x00\x00\x00\x00\x06\xff\xff\xff\xffab")
        except OSError:
            continue


def _long(_: ScriptedAdapter) -> None:
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"\x00\x00\x00\x7f\x00\x00\x00\x00")
        except OSError:
            continue


def _memory(_: ScriptedAdapter) -> None:
    held = []
    while True:
        held.append(bytes(64 * 1024 * 1024))


def _child(adapter: ScriptedAdapter) -> None:
    pid = os.fork()
    if not pid:
        threading.Event().wait(600)
        os._exit(0)
    (adapter._folder / "done").mkdir(exist_ok=True)
    (adapter._folder / "done" / "child").write_text(str(pid))


_DEEDS: dict[str, Callable[[ScriptedAdapter], Any]] = {
    "hang": _hang,
    "wait": _wait,
    "crash": _crash,
    "leave": _leave,
    "defect": _defect,
    "away": _away,
    "trial": _trial,
    "away-long": _away_long,
    "never": _never,
    "ugly": _ugly,
    "person": _person,
    "talk": _talk,
    "talk-on": _talk_on,
    "flood-log": _flood_log,
    "flood-errors": _flood_errors,
    "garble": _garble,
    "long": _long,
    "memory": _memory,
    "child": _child,
}

KIND = AdapterKind(
    name="scripted",
    zh="按脚本行事的适配器（测试用）",
    en="An adapter that follows a script (for tests)",
    settings=(
        Setting(name="folder", zh="来件所在文件夹", en="The folder of deliveries"),
        Setting(name="by_file", form=Form.FLAG, default=False, zh="以文件交付", en="Hand deliveries over as files"),
        Setting(name="listens", form=Form.FLAG, default=False, zh="等待来件", en="Wait a second for deliveries"),
        Setting(name="pages_max", form=Form.NUMBER, default=10, lowest=1, highest=99, zh="页数", en="Pages"),
        Setting(name="password", default="", secret=True, zh="密码", en="Password"),
    ),
    open=ScriptedAdapter,
    every_s=0.2,
    patience_s=2.0,
    delivers=True,
)
