"""A department's receiver of what a node posts, as its interface is described: one thing for each Idempotency-Key."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Listens on a loopback port; ``posted`` holds what came, by key, with its headers; ``status`` is the answer."""

    def __init__(self) -> None:
        self.posted: dict[str, tuple[dict[str, str], bytes]] = {}
        self.status = 201
        self.port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status < 300:
                    receiver.posted.setdefault(self.headers["Idempotency-Key"], (dict(self.headers), content))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answers(self) -> list[dict[str, Any]]:
        """Return what was told of deliveries."""
        return [json.loads(content) for key, (_, content) in self.posted.items() if key.startswith("answer:")]
