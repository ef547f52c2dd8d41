"""The status page at ``/`` of the face listener: what this node holds and how its links are, in both languages.

The page is whole as it comes. Every few seconds a small script takes over in place what changed; without scripts the
page reloads. ``/?refresh=off`` leaves it alone: content that moves by itself can be stopped (WCAG 2.2, 2.2.2).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, render_template, request
from markupsafe import Markup

from node.status import CONNECTED, node_status
from node.web.words import word

if TYPE_CHECKING:
    from node.bootstrap import Node

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))

status_page = Blueprint("status_page", __name__)


@status_page.get("/")
def show() -> str:
    """Return the status page."""
    node: Node = current_app.extensions["yizhan"]
    zone = ZoneInfo(node.config.time_zone)
    status = node_status(node)
    with node.store.reading() as connection:
        tree = node.tree(connection)
    return render_template(
        "status.html",
        status=status,
        links_up=sum(link["state"] in CONNECTED for link in status["links"]),
        refresh_s=0 if request.args.get("refresh") == "off" else node.config.level.limits.status_refresh_s,
        standard=node.config.level.features.standard,
        name=tree.name,
        word=lambda name: word(name).both,
        state_tag=state_tag,
        moment=lambda value: moment_text(value, zone),
        duration=duration_text,
    )


@status_page.get("/status.json")
def document() -> dict[str, Any]:
    """Return the status document ``yizhan.status/1``, as ``yizhan status --json`` does."""
    return node_status(current_app.extensions["yizhan"])


def state_tag(name: str) -> Markup:
    """Return a state as a coloured tag with its shape and both words."""
    state = word(name)
    return Markup('<span class="state {}">{}</span>').format(state.ground, state.both)


def duration_text(seconds: float) -> str:
    """Return seconds in the largest unit that fits, whole and rounded down; an empty mark for none."""
    if seconds <= 0:
        return "—"
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size or size == 1)
    return f"{int(seconds / size)} {unit}"


def moment_text(value: Any, zone: ZoneInfo) -> str:
    """Return an ISO 8601 time (text or None) as date and time in ``zone``; an empty mark when there is none."""
    if not value:
        return "—"
    return datetime.fromisoformat(value).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
