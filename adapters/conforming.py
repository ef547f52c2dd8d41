"""Does an adapter keep the contract? A report against its live source that changes nothing there.

``yizhan adapters test`` runs this in the adapter's own process; who writes a kind runs it in a test of their own. It
checks, fetches a few deliveries twice and answers none of them, so that all of them come again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from adapters.contract import (
    CONTRACT_VERSION,
    CURSOR_LENGTH_MAX,
    KEY_LENGTH_MAX,
    AdapterError,
    Form,
    SourceNeedsPersonError,
    SourceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from adapters.contract import Adapter, AdapterKind, Delivery, Opening, Setting

FETCHED: Final = 5
"""Deliveries that are looked at, at most. Our own choice: enough to see an order, few enough for a slow line."""
OPEN_S_MAX: Final = 1.0
"""Opening does no input or output, so it takes no time that anybody notices. Our own choice."""
CLOCK_OFF_S_MAX: Final = 60.0
AGAIN_S: Final = 10.0
"""How long what was fetched may take to come again: on a line the other end sends it when it finds out that nobody
has answered. Our own choice."""
AGAIN_PAUSE_S: Final = 0.2
_METHODS: Final = ("check", "fetch", "acknowledge", "reject", "deliver", "close")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*(?:;.*)?\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH: Final = re.compile(r"[A-Za-z]{2}")
_SECRET_NAME: Final = re.compile(r"(?:^|_)(?:password|passphrase|secret|token|credential)s?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried: a rule of the scale or of the contract, how it went, and what was seen.

    ``passed`` is None when there was nothing to try it with. ``text`` holds no secret.
    """

    rule: str
    passed: bool | None
    text: str


def conform(kind: AdapterKind, opening: Callable[[], Opening], *, limit: int = FETCHED) -> tuple[Finding, ...]:
    """Try a kind against the source that ``opening`` leads to, each time anew, and return what was found, in order.

    The source may go on working: what it adds between two fetches is not held against the kind.
    """
    trial = _Trial(kind, limit)
    trial.run(opening)
    return (*declared(kind), *trial.findings)


def declared(kind: AdapterKind) -> Iterator[Finding]:
    """Yield what can be told of a kind without opening it: its version, its settings, its secrets."""
    version = kind.contract_version
    yield Finding(
        rule="contract_version",
        passed=version == CONTRACT_VERSION,
        text=f"{version}, this node's is {CONTRACT_VERSION}",
    )
    silent = [one.name for one in kind.settings if not (_CHINESE.search(one.zh) and _ENGLISH.search(one.en))]
    silent += [] if _CHINESE.search(kind.zh) and _ENGLISH.search(kind.en) else ["(the kind itself)"]
    yield Finding(
        rule="settings_documented",
        passed=not silent,
        text=f"without words in both languages: {', '.join(silent)}" if silent else f"{len(kind.settings)} settings",
    )
    wrong = [text for one in kind.settings if (text := _objection(one))]
    yield Finding(rule="settings", passed=not wrong, text="; ".join(wrong) or "forms and defaults agree")
    open_secrets = [one.name for one in kind.settings if _SECRET_NAME.search(one.name) and not one.secret]
    yield Finding(
        rule="secrets_apart",
        passed=not open_secrets,
        text=f"named like secrets, and are none: {', '.join(open_secrets)}" if open_secrets else "declared as secrets",
    )


def objections(delivery: Delivery, opening: Opening) -> list[str]:
    """Return in which ways a delivery breaks the contract; none is right."""
    found = []
    if delivery.source_id != opening.source_id:
        found.append("source_id is not that of the opening")
    if not 0 < len(delivery.delivery_key) <= KEY_LENGTH_MAX or _CONTROL.search(delivery.delivery_key):
        found.append(f"delivery_key is not 1 to {KEY_LENGTH_MAX} characters without control characters")
    if delivery.cursor is not None and len(delivery.cursor) > CURSOR_LENGTH_MAX:
        found.append(f"cursor is longer than {CURSOR_LENGTH_MAX} characters")
    if not _MEDIA_TYPE.match(delivery.media_type):
        found.append("media_type is not type/subtype in small letters")
    fetched_at = delivery.fetched_at
    if fetched_at.utcoffset() != timedelta(0):
        found.append("fetched_at is not aware UTC")
    elif abs((opening.now().astimezone(UTC) - fetched_at).total_seconds()) > CLOCK_OFF_S_MAX:
        found.append("fetched_at is not the time of fetching, which Opening.now tells")
    if delivery.file is not None and delivery.content:
        found.append("content and file are both given")
    if delivery.file is not None and not delivery.file.is_file():
        found.append("file does not exist")
    return found


def _objection(setting: Setting) -> str:
    """Return what is wrong with how a setting is declared, "" for nothing."""
    if setting.secret and setting.form is not Form.TEXT:
        return f"{setting.name}: a secret is a text"
    if (setting.form is Form.CHOICE) != bool(setting.choices):
        return f"{setting.name}: choices belong to the form choice, and it to them"
    if setting.form is Form.CHOICE and isinstance(setting.default, str) and setting.default not in setting.choices:
        return f"{setting.name}: the default is not among the choices"
    return ""


class _Trial:
    """One run against a live source; ``findings`` grows with each thing tried."""

    def __init__(self, kind: AdapterKind, limit: int) -> None:
        self.findings: list[Finding] = []
        self._kind = kind
        self._limit = limit
        self._shown: list[str] = []

    def run(self, opening: Callable[[], Opening]) -> None:
        """Try everything that needs an opening."""
        first = opening()
        adapter = self._opened(first)
        if adapter is None:
            return
        self._shown.append(repr(adapter))
        try:
            fetched = self._fetched(first, adapter) if self._checked(first, adapter) else None
        finally:
            self._closed(adapter)
        self._masked(first)
        if fetched is not None:
            self._comes_again(opening(), fetched)

    def note(self, rule: str, text: str, *, passed: bool | None) -> None:
        """Add a finding."""
        self.findings.append(Finding(rule=rule, passed=passed, text=text))

    def _opened(self, opening: Opening) -> Adapter | None:
        begun_s = opening.monotonic_s()
        with self._told("opens"):
            adapter = self._kind.open(opening)
            took_s = opening.monotonic_s() - begun_s
            lacking = [name for name in _METHODS if not callable(getattr(adapter, name, None))]
            text = f"without {', '.join(lacking)}" if lacking else f"in {took_s:.2f} s"
            self.note("opens", text, passed=not lacking and took_s <= OPEN_S_MAX)
            return None if lacking else adapter
        return None

    def _checked(self, opening: Opening, adapter: Adapter) -> bool:
        begun_s = opening.monotonic_s()
        with self._told("checked_before_saving"):
            adapter.check()
            took_s = opening.monotonic_s() - begun_s
            text = f"the source answers and lets us in, {took_s:.1f} s"
            self.note("checked_before_saving", text, passed=took_s <= self._kind.patience_s)
            return True
        return False

    def _fetched(self, opening: Opening, adapter: Adapter) -> list[Delivery] | None:
        begun_s = opening.monotonic_s()
        with self._told("bounded"):
            # One more than asked for: whoever yields it does not keep to the limit.
            found = list(islice(adapter.fetch(self._limit), self._limit + 1))
            took_s = opening.monotonic_s() - begun_s
            text = f"{len(found)} of at most {self._limit} deliveries, {took_s:.1f} s"
            self.note("bounded", text, passed=len(found) <= self._limit and took_s <= self._kind.patience_s)
            self._shown += [f"{one.delivery_key} {one.name} {one.cursor or ''}" for one in found]
            self._kept_to(opening, found)
            return found
        return None

    def _kept_to(self, opening: Opening, found: Sequence[Delivery]) -> None:
        wrong = sorted({text for one in found for text in objections(one, opening)})
        text = "; ".join(wrong) or (f"{len(found)} as the contract says" if found else "none waits")
        self.note("delivery", text, passed=not wrong if found else None)

    def _comes_again(self, opening: Opening, before: Sequence[Delivery]) -> None:
        """What was not answered comes again under the same keys, by another opening too."""
        if not before:
            self.note("stable_key", "no delivery waits, so nothing could come again", passed=None)
            return
        with self._told("stable_key"):
            adapter = self._kind.open(opening)
            try:
                # Who comes by itself, such as a terminal on a line, has to come anew: the check waits for that.
                adapter.check()
                lost = self._lost(opening, adapter, before)
            finally:
                adapter.close()
            text = f"did not come again: {', '.join(lost[:3])}" if lost else f"the same {len(before)} keys came again"
            self.note("stable_key", text, passed=not lost)

    def _lost(self, opening: Opening, adapter: Adapter, before: Sequence[Delivery]) -> list[str]:
        """Return the names of what does not come again, though it was asked for often enough."""
        missing = {one.delivery_key: one.name or one.delivery_key for one in before}
        deadline_s = opening.monotonic_s() + AGAIN_S
        while True:
            for one in islice(adapter.fetch(self._limit), self._limit):
                missing.pop(one.delivery_key, None)
            if not missing or opening.monotonic_s() >= deadline_s or opening.wait(AGAIN_PAUSE_S):
                return list(missing.values())

    def _closed(self, adapter: Adapter) -> None:
        with self._told("closes"):
            adapter.close()
            adapter.close()
            self.note("closes", "twice", passed=True)

    def _masked(self, opening: Opening) -> None:
        shown = [*self._shown, *(finding.text for finding in self.findings)]
        seen = [name for name, secret in opening.secrets.items() if secret and any(secret in text for text in shown)]
        text = f"seen in what the adapter shows: {', '.join(seen)}" if seen else "in no name, key, error or repr"
        self.note("secrets_masked", text, passed=not seen)

    def _told(self, rule: str) -> _Told:
        return _Told(self, rule)


class _Told:
    """Turns an error into a finding, which says whether the contract allows it."""

    def __init__(self, trial: _Trial, rule: str) -> None:
        self._trial = trial
        self._rule = rule

    def __enter__(self) -> None:
        """Begin what may fail."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._trial.note(self._rule, _reason(error), passed=False)
        return True


def _reason(error: Exception) -> str:
    if isinstance(error, SourceUnavailableError):
        return f"the source is away: {error}"
    if isinstance(error, SourceNeedsPersonError):
        return f"a person has to act: {error}"
    if isinstance(error, AdapterError):
        return f"the source refuses: {error}"
    return f"raised {type(error).__name__}, which is none of the three errors of the contract"
