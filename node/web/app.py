"""The two Flask applications of a node: the face for people and departments, and the link for neighbours.

Both are made per node (no module-level state), so that one process can hold a hundred nodes in a test. A view parses,
calls one function of an inner room, and answers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from node.errors import TryLaterError, YizhanError
from node.web.metrics import METRICS_TYPE, Metrics
from node.web.rate_limits import RateLimits
from node.web.security import secure_headers
from node.web.status_page import status_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.bootstrap import Node

# What an error of ours means in HTTP: by the exit code that the same error has on the command line.
HTTP_STATUS = {4: 503, 5: 403, 7: 409}
TRY_LATER = 503
RETRY_AFTER_S = 1
_HTTP_REMEDY = "Check address and method: docs/reference/open-api.md names those that there are"

_log = logging.getLogger(__name__)


def create_face_app(
    node: Node, *, sealer_alive: Callable[[], bool] = lambda: True, alive: Callable[[], dict[str, bool]] = dict
) -> Flask:
    """Return the application of the face listener: health, and what is switched on (pages, metrics, the doors).

    ``sealer_alive`` tells whether the thread that seals is running (in ``run``); alone, the application counts it so.
    ``alive`` tells of further parts by name whether they run.
    """
    application = _application(node)
    application.extensions["yizhan.sealer_alive"] = sealer_alive
    application.extensions["yizhan.alive"] = alive
    features = node.config.level.features
    application.add_url_rule("/healthz", view_func=_healthz)
    application.add_url_rule("/readyz", view_func=_readyz)
    metrics = Metrics(node)
    _measured(application, metrics)
    if features.metrics:
        application.add_url_rule("/metrics", view_func=lambda: Response(metrics.text(), content_type=METRICS_TYPE))
    if features.status_page:
        application.register_blueprint(status_page)
    if features.standard:
        _add_standard(application)
    rates = RateLimits(node.clock)
    if features.open_api or features.soap:
        _add_doors(application, node, rates)
    if features.entry:
        _add_entry(application, node, rates)
    secure_headers(application)
    return application


def create_link_app(node: Node) -> Flask:
    """Return the application of the link listener; every path but chain and join needs a client certificate."""
    from node.web.link_api import create_link_blueprint  # noqa: PLC0415 - see _add_doors.

    application = _application(node)
    application.register_blueprint(create_link_blueprint(node))
    secure_headers(application)
    return application


def _application(node: Node) -> Flask:
    application = Flask("node.web", static_folder="static", template_folder="templates")
    application.extensions["yizhan"] = node
    application.config["MAX_CONTENT_LENGTH"] = node.config.level.limits.request_bytes_max
    application.json.ensure_ascii = False  # type: ignore[attr-defined] # Flask's default provider has it.
    application.register_error_handler(Exception, _failed)
    return application


def _add_standard(application: Flask) -> None:
    from node.web.reference.views import standard_pages  # noqa: PLC0415 - see _add_doors.

    application.register_blueprint(standard_pages)


def _add_doors(application: Flask, node: Node, rates: RateLimits) -> None:
    """Add what departments' systems push records to; all of it is one door, with one count of what a source uses."""
    # Imported here: a node whose level switches them off does not load them.
    from node.web.record_door import door_of  # noqa: PLC0415

    door = door_of(node, rates)
    if node.config.level.features.open_api:
        from node.web.open_api import open_api_over  # noqa: PLC0415 - as above.

        application.register_blueprint(open_api_over(door))
    if node.config.level.features.soap:
        from node.web.soap_api import soap_api_over  # noqa: PLC0415 - as above.

        application.register_blueprint(soap_api_over(door, public_url=node.config.face.public_url))


def _add_entry(application: Flask, node: Node, rates: RateLimits) -> None:
    from node.web.entry.views import create_entry  # noqa: PLC0415 - see _add_doors.

    application.register_blueprint(create_entry(node, rates))


def _healthz() -> dict[str, Any]:
    """Answer that the process is up; nothing else is looked at."""
    return {"schema": "yizhan.health/1", "ok": True}


def _readyz() -> tuple[dict[str, Any], int]:
    """Answer 200 when the database answers, all threads live and the node has joined its tree; else 503."""
    node: Node = current_app.extensions["yizhan"]
    checks = {"database": _database_answers(node), "sealer": current_app.extensions["yizhan.sealer_alive"]()}
    checks["joined"] = node.joined
    checks |= current_app.extensions["yizhan.alive"]()
    ok = all(checks.values())
    return {"schema": "yizhan.ready/1", "ok": ok, "checks": checks}, 200 if ok else 503


def _database_answers(node: Node) -> bool:
    try:
        with node.store.reading() as connection:
            node.journal.streams(connection)
    except YizhanError:
        return False
    return True


def _measured(application: Flask, metrics: Metrics) -> None:
    @application.before_request
    def begin() -> None:
        g.begun_s = metrics.now_s()

    @application.after_request
    def end(response: Response) -> Response:
        endpoint = str(request.url_rule) if request.url_rule else "unknown"
        metrics.request(request.method, endpoint, response.status_code, metrics.now_s() - g.begun_s)
        return response


def _failed(error: Exception) -> Any:
    """Turn any error into an answer: ours with code and what to do, HTTP's own as it is, the rest logged and hidden."""
    if isinstance(error, HTTPException):
        answer = _answer(error.code or 500, "YZ-HTTP", error.name, error.description or "", _HTTP_REMEDY)
        return answer if not isinstance(error, MethodNotAllowed) else _with_allow(answer, error)
    if isinstance(error, YizhanError):
        status = TRY_LATER if isinstance(error, TryLaterError) else HTTP_STATUS.get(error.exit_code, 400)
        return _answer(status, error.code, error.what, error.why, error.action)
    _log.error("request failed", extra={"path": request.path}, exc_info=error)
    return _answer(500, "YZ-000", "The node failed to answer", "the reason is in its log", "Look into the node's log")


def _with_allow(answer: Any, error: MethodNotAllowed) -> Response:
    """Tell which methods the address takes, as 405 has to (RFC 9110, 15.5.6)."""
    response = current_app.make_response(answer)
    response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _answer(status: int, code: str, what: str, why: str, action: str) -> Any:
    if request.accept_mimetypes.best_match(("application/json", "text/html")) == "text/html":
        text = " · ".join(part for part in (what, why, action) if part)
        return render_template("problem.html", title_zh=f"出错了 {status}", title_en=code, text=text), status
    document = {"schema": "yizhan.error/1", "code": code, "what": what, "why": why, "action": action}
    return document, status, {"Retry-After": str(RETRY_AFTER_S)} if status == TRY_LATER else {}
