"""Kinds of adapters: those that installed packages name in the entry-point group ``yizhan.adapters``.

A kind that cannot be used (its package does not load, it was made for another version of the contract, its name is
taken twice) is listed with the reason and never opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import CONTRACT_VERSION, GROUP, AdapterKind, Setting
from node.departments.doors.kind_settings import described_setting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

KINDS_MAX: Final = 200
"""Entry points that are looked at. Our own choice."""
REASON_LENGTH_MAX: Final = 300
KIND_NAME: Final = re.compile(r"[a-z][a-z0-9_\-]{0,39}\Z")

CHANNELS: Final[Mapping[str, str]] = {
    "bluetooth_bridge": "BLUETOOTH",
    "database": "DATABASE",
    "file_drop": "FILE",
    "open_api": "API",
    "serial_bridge": "SERIAL",
    "sftp": "SFTP",
    "soap": "API",
}
"""Code of the standard's channel by kind; records of any other kind come through the channel of their source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundKind:
    """A kind that some package names; ``kind`` is None when it cannot be used, and ``reason`` says why."""

    name: str
    package: str
    kind: AdapterKind | None = None
    reason: str = ""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What the kind declares of its settings; nothing of one that cannot be used."""
        return () if self.kind is None else self.kind.settings

    def spoken(self, language: str) -> str:
        """Return what the kind is, in ``zh`` or ``en``."""
        if self.kind is None:
            return ""
        return self.kind.zh if language == "zh" else self.kind.en

    def as_json(self) -> dict[str, Any]:
        """Return the kind for programs, each of its settings described."""
        kind = self.kind
        described: dict[str, Any] = {"name": self.name, "package": self.package, "problem": self.reason}
        if kind is None:
            return described
        return {
            **described,
            "zh": kind.zh,
            "en": kind.en,
            "every_s": kind.every_s,
            "patience_s": kind.patience_s,
            "delivers": kind.delivers,
            "settings": [described_setting(one) for one in kind.settings],
            "scale": dict(kind.scale),
        }


def find_kinds() -> dict[str, FoundKind]:
    """Return every kind by its name, usable or not, in order; importing the packages that name them."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package(point)))[:KINDS_MAX]:
        by_name.setdefault(point.name, []).append(point)
    return {name: _found(points) for name, points in by_name.items()}


def kind_names() -> list[str]:
    """Return the names of the kinds that installed packages have, importing none of them."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find_kind(name: str) -> FoundKind:
    """Return one kind, importing only its own package; with a reason when there is none, or it cannot be used."""
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        return FoundKind(name=name, package="", reason="no installed package has a kind of this name")
    return _found(points)


def _found(points: list[EntryPoint]) -> FoundKind:
    point, package = points[0], _package(points[0])
    # The same entry point is seen twice when a package stands twice on the path.
    if len({(one.value, _package(one)) for one in points}) > 1:
        packages = ", ".join(sorted({_package(one) for one in points}))
        return FoundKind(
            name=point.name, package=packages, reason=f"several packages have a kind of this name: {packages}"
        )
    try:
        kind = point.load()
    except Exception as error:  # noqa: BLE001 - a package of others may fail with anything; it is listed with it.
        reason = f"its package does not load: {type(error).__name__}: {error}"
        return FoundKind(name=point.name, package=package, reason=" ".join(reason.split())[:REASON_LENGTH_MAX])
    reason = _objection(point.name, kind)
    return FoundKind(name=point.name, package=package, kind=None if reason else kind, reason=reason)


def _objection(name: str, kind: Any) -> str:
    """Return why what an entry point names cannot be used, "" when it can."""
    if not isinstance(kind, AdapterKind):
        return f"its entry point is a {type(kind).__name__}, not an AdapterKind"
    if kind.contract_version != CONTRACT_VERSION:
        return f"it was made for version {kind.contract_version} of the contract; this node has {CONTRACT_VERSION}"
    if kind.name != name or not KIND_NAME.match(name):
        return f"it calls itself {kind.name!r}, its entry point {name!r}; a name is small letters, digits, _ and -"
    names = [setting.name for setting in kind.settings if isinstance(setting, Setting)]
    if len(names) < len(kind.settings) or len(set(names)) < len(names):
        return "its settings are not declared, or one of them twice"
    if not (_is_duration(kind.every_s) and _is_duration(kind.patience_s) and kind.patience_s):
        return "its every_s and patience_s are no durations"
    return ""


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")


def _package(point: EntryPoint) -> str:
    return "" if point.dist is None else f"{point.dist.name} {point.dist.version}"
