"""What people do with an adapter from the command line: try, add or remove it, have it asked now, look at what waits.

Called by ``yizhan adapters``, beside a running node or without one. An adapter is never opened here while a process of
the home keeps it, but for a check and a dry run, which change nothing.
"""

from __future__ import annotations

import logging
import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import DeliveryRejectedError, SourceNeedsPersonError, SourceUnavailableError
from node.departments.conformance import check_delivery
from node.departments.delivering.queue import forget as forget_documents
from node.departments.doors import book
from node.departments.doors.adapters_file import ADAPTER_NAME, ADAPTERS_FILE, PAGE, read_adapters
from node.departments.doors.doorway import BrokenDoorError, Doorway, Place
from node.departments.doors.editing import add_table, remove_table
from node.departments.doors.folders import OWN, SPOOL, folder_of, kept_by_us, make_folder, remove_folder
from node.departments.doors.keeper import Control, Keeper
from node.departments.doors.secrets import SECRETS_FILE, secrets_file
from node.departments.doors.taking_in import FileGoneError, opened, preview_of
from node.departments.sources import find_source
from node.errors import (
    AdapterAwayError,
    AdapterBrokenError,
    AdapterRefusedError,
    NotFoundError,
    StateConflictError,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from adapters.conforming import Finding
    from node.clock import Clock
    from node.departments.accept import Intake
    from node.departments.conformance import Checked, Conformance
    from node.departments.delivering.acknowledging import Delivering
    from node.departments.doors.adapters_file import AdapterConfig, ListedAdapter
    from node.departments.doors.book import KnownAdapter
    from node.departments.doors.messages import Brought
    from node.departments.report import ImportReport
    from node.journal.store import Store

LOOK_S: Final = 0.2
"""How often it is looked whether a running node has done the round that it was asked for."""
_WHY_LENGTH_MAX: Final = 300
COMMENT: Final = f"The adapters of this node; every key is explained in {PAGE}."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A delivery that waits, how its records keep the standard, and what this node would answer to them now."""

    delivery: Brought
    conformance: Conformance
    preview: ImportReport


def find_adapter(home: Path, name: str, environment: Mapping[str, str]) -> ListedAdapter:
    """Return one adapter of ``adapters.toml``, right or not; raises NotFoundError, ConfigurationError for the file."""
    listed = read_adapters(home, environment).get(name)
    if listed is None:
        raise NotFoundError(
            f"There is no adapter named {name[:40]!r}",
            why=f"{home / ADAPTERS_FILE} has no table of that name",
            action="see `yizhan adapters list`; add one with `yizhan adapters add NAME`",
        )
    return listed


def right_adapter(home: Path, name: str, environment: Mapping[str, str]) -> AdapterConfig:
    """Return one adapter that has no mistake; raises as ``find_adapter``, and the mistake."""
    listed = find_adapter(home, name, environment)
    if listed.config is None:
        assert listed.mistake is not None  # noqa: S101 - a listed adapter has one or the other.
        raise listed.mistake
    return listed.config


def check_live(config: AdapterConfig, home: Path, *, clock: Clock, environment: Mapping[str, str]) -> None:
    """Open an adapter in a folder that is thrown away and have it try its source; nothing is changed there.

    Raises AdapterAwayError, AdapterRefusedError or AdapterBrokenError.
    """
    with _aside(config, home, None, clock=clock, environment=environment) as doorway:
        doorway.check()


def add_adapter(home: Path, name: str, table: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
    """Write an adapter into ``adapters.toml``, its secrets first; both were checked.

    Raises ConfigurationError when a file cannot be changed by a program, or has the adapter already.
    """
    path = home / SECRETS_FILE
    if secrets:
        before = secrets_file(home).get(name, {})
        remove_table(path, name)
        add_table(path, name, {**before, **secrets})
    add_table(home / ADAPTERS_FILE, name, table, comment=COMMENT)


def remove_adapter(store: Store, home: Path, name: str) -> bool:
    """Take an adapter out of both files and forget its cursor and what it kept; False when there was none.

    What it brought stays. Raises ConfigurationError when a file cannot be changed by a program, StateConflictError when
    its process does not end, StoreUnavailableError when its folder cannot be removed, and can be repeated then.
    """
    is_known = remove_table(home / ADAPTERS_FILE, name)
    remove_table(home / SECRETS_FILE, name)
    # A table may have any name, "..", too: none but the name of an adapter leads to a folder.
    if ADAPTER_NAME.match(name) and folder_of(home, name).is_dir():
        with _kept(home, name, tries=50):
            # Its lock goes with it: whoever waits for the adapter finds it gone from the file.
            _remove_folder(home, name)

    def work(transaction: Any) -> bool:
        known = book.known_adapter(transaction.connection, name)
        book.forget(transaction, name)
        forget_documents(transaction, name)
        return known is not None

    return store.write(work) or is_known


def _remove_folder(home: Path, name: str) -> None:
    try:
        remove_folder(home, name)
    except OSError as error:
        raise StoreUnavailableError(
            f"The folder {folder_of(home, name)} cannot be removed",
            why=error.strerror or type(error).__name__,
            action="Its table is taken out already. Free the folder, then remove the adapter once more",
        ) from error


def run_here(
    intake: Intake,
    config: AdapterConfig,
    home: Path,
    *,
    zone: str,
    environment: Mapping[str, str],
    delivering: Delivering,
) -> str:
    """Take one round in this process and return its result (JSON).

    Raises StateConflictError when another process keeps the adapter.
    """
    with _kept(home, config.name):
        keeper = Keeper(intake, config, home, zone=zone, environment=environment, delivering=delivering)
        keeper.control(Control(run_asked_at=_ask_round(intake, config)))
        try:
            keeper.turn()
        finally:
            keeper.let_go()
    return keeper.last_run


def run_there(intake: Intake, config: AdapterConfig, *, wait_s: float) -> str:
    """Ask the running node for a round and return its result (JSON).

    Raises AdapterAwayError when none was done within ``wait_s``; it is done later then.
    """
    clock, store = intake.clock, intake.store
    asked_at = _ask_round(intake, config)
    deadline_s = clock.monotonic_s() + wait_s
    while True:
        known = _known(store, config.name)
        # Somebody who asks after us may get the round that answers us both.
        if known is not None and known.run_done_at in {asked_at, known.run_asked_at or asked_at}:
            return known.last_run
        if clock.monotonic_s() >= deadline_s:
            state = "not kept" if known is None else f"{known.state} {known.text}".strip()
            raise AdapterAwayError(
                f"The running node has not finished a round of {config.name} within {wait_s:g} s",
                why=f"the adapter is: {state}",
                action=f"It goes on by itself: yizhan adapters show {config.name}",
            )
        threading.Event().wait(LOOK_S)


def dry_run(
    intake: Intake,
    config: AdapterConfig,
    home: Path,
    *,
    environment: Mapping[str, str],
    told: Callable[[Checked], None],
) -> Look | None:
    """Fetch the delivery that waits first and tell what would come of each record; None when nothing waits.

    Nothing is answered, no cursor moves; the adapter works on a copy of its folder. Only one delivery can be looked at:
    the next one comes when this one is answered. Raises as ``check_live``, and NotFoundError when the adapter's source
    is not there.
    """
    with intake.store.reading() as connection:
        source = find_source(connection, config.source)
    with _aside(
        config, home, known_cursor(intake.store, config.name), clock=intake.clock, environment=environment
    ) as doorway:
        delivery = doorway.fetch(1)
        if delivery is None:
            return None
        with opened(delivery, config.bytes_max) as stream:
            found = check_delivery(
                stream,
                delivery.name,
                randomness=intake.randomness,
                dialects=intake.dialects,
                dialect=config.dialect,
                record_type=config.record_type,
                table=config.table,
                told=told,
            )
        # What this node would answer is more than the standard says: whose records they are, and what it holds.
        preview = preview_of(intake, source, config, delivery)
        return Look(delivery=delivery, conformance=found, preview=preview)


def report(
    config: AdapterConfig, home: Path, cursor: str | None, *, clock: Clock, environment: Mapping[str, str]
) -> tuple[Finding, ...]:
    """Try an adapter against its live source, on a copy of its folder, and return what was found.

    Nothing is answered and no cursor moves. Raises as ``check_live``, but for a source that is away or closed: that is
    a finding.
    """
    with _aside(config, home, cursor, clock=clock, environment=environment) as doorway:
        return doorway.conform()


def known_cursor(store: Store, name: str) -> str | None:
    """Return where an adapter goes on, None where it begins."""
    known = _known(store, name)
    return None if known is None else known.cursor


def is_paused(store: Store, name: str) -> bool:
    """Tell whether an adapter is paused."""
    known = _known(store, name)
    return known is not None and known.paused_at is not None


@contextmanager
def _aside(
    config: AdapterConfig, home: Path, cursor: str | None, *, clock: Clock, environment: Mapping[str, str]
) -> Iterator[Doorway]:
    """Give the adapter open on a copy of its folder; its errors become those of the node."""
    with TemporaryDirectory(prefix="yizhan-adapter-") as name:
        place = Place(own=Path(name) / OWN, spool=Path(name) / SPOOL, is_trial=True)
        _copy_own(folder_of(home, config.name) / OWN, place.own, config.name)
        place.spool.mkdir()
        with _explained(config):
            doorway = Doorway(config, place, cursor, clock=clock, environment=environment, told=_told)
            try:
                yield doorway
            finally:
                doorway.close()


def _copy_own(own: Path, target: Path, name: str) -> None:
    """Copy the adapter's own folder; a process that keeps the adapter goes on changing it meanwhile."""
    try:
        if own.is_dir():
            shutil.copytree(own, target, ignore_dangling_symlinks=True, copy_function=_copy_if_there)
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"The folder of the adapter {name} cannot be copied to {target.parent}, to be tried there",
            why=error.strerror or str(error)[:_WHY_LENGTH_MAX],
            action="Free some space there, or name a folder with more of it by TMPDIR",
        ) from error


def _copy_if_there(source: str, target: str) -> None:
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


@contextmanager
def _explained(config: AdapterConfig) -> Iterator[None]:
    try:
        yield
    except (SourceUnavailableError, DeliveryRejectedError) as error:
        raise AdapterAwayError(f"The system behind {config.name} does not answer", why=str(error)) from error
    except SourceNeedsPersonError as error:
        raise AdapterRefusedError(f"The adapter {config.name} cannot work", why=str(error)) from error
    except (BrokenDoorError, FileGoneError) as error:
        raise AdapterBrokenError(f"The process of {config.name} was ended", why=str(error)) from error


@contextmanager
def _kept(home: Path, name: str, *, tries: int = 1) -> Iterator[None]:
    """Hold an adapter's lock; StateConflictError when another process does, StoreUnavailableError for its folder."""
    try:
        folder = make_folder(home, name)
    except OSError as error:
        raise StoreUnavailableError(
            f"The folder of the adapter {name} cannot be made",
            why=error.strerror or type(error).__name__,
            action="Make the home writable for this account, or free some space",
        ) from error
    for _ in range(tries):
        with kept_by_us(folder) as ours:
            if ours:
                yield
                return
        threading.Event().wait(LOOK_S)
    raise StateConflictError(
        f"Another process keeps the adapter {name}",
        why="an adapter is opened by one process at a time",
        action="Wait until it has ended, then do this again",
    )


def _ask_round(intake: Intake, config: AdapterConfig) -> datetime:
    """Ask for a round of an adapter now, and return the moment by which it is known to be done."""
    asked_at = intake.clock.now()
    intake.store.write(
        lambda transaction: book.enter(
            transaction, config.name, kind=config.kind.name, source=config.source, at=asked_at
        )
    )
    book.ask_round(intake.store, config.name, asked_at)
    return asked_at


def _known(store: Store, name: str) -> KnownAdapter | None:
    with store.reading() as connection:
        return book.known_adapter(connection, name)


def _told(level: str, phrase: str, fields: Mapping[str, str]) -> None:
    _log.log(logging.getLevelNamesMapping().get(level, logging.ERROR), phrase, extra={"fields": dict(fields)})
