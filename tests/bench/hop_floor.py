"""The floor of one hop: outbox read, signature, mutual TLS to another process, receiver floor, receipt, outbox marked.

As many packages are under way as on a link of the product. ``python -m tests.bench.hop_floor HOME DATABASE KEY`` is the
receiving process: it prints its port and its public key, and ends when its standard input does.
"""

from __future__ import annotations

import hashlib
import http.client
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from node.trust.identity import CHAIN_FILE, load_identity
from node.trust.keys import NODE_KEY_FILE, keys_folder
from node.trust.tls import client_context, server_context, server_name
from tests.bench.floors import ALGORITHM, FloorPackage, FloorReceiver, frame, open_table, pack

if TYPE_CHECKING:
    import sqlite3
    import ssl
    from collections.abc import Callable, Sequence

    from node.trust.identity import Identity

OUTBOX = "CREATE TABLE outbox (number INTEGER PRIMARY KEY, batch INTEGER, body BLOB, sent INTEGER NOT NULL DEFAULT 0)"


class HopFloor:
    """A sender in this process and a receiver in another; ``send`` measures batches over the hop."""

    def __init__(self, folder: Path, sender: Identity, receiver_home: Path, *, under_way: int) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._outbox = open_table(folder / "outbox.db", OUTBOX)
        self._outbox.execute("CREATE INDEX outbox_batch ON outbox (batch)")
        self._under_way = under_way
        self._lock = threading.Lock()
        self._batches = 0
        public = _der(self._key.public_key()).hex()
        command = [
            sys.executable,
            "-m",
            "tests.bench.hop_floor",
            str(receiver_home),
            str(folder / "hop-floor.db"),
            public,
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        port, receiver_key = self._process.stdout.readline().split()
        self._receiver_key = _public_key(receiver_key)
        receiver = load_identity(receiver_home)
        name = server_name(receiver.code, receiver.tree)
        self._posts = [_poster(int(port), client_context(sender), name) for _ in range(under_way)]

    def send(self, batches: Sequence[Sequence[bytes]]) -> float:
        """Put the batches into the outbox, then send all of them; return the seconds of the sending."""
        first = self._batches
        self._batches += len(batches)
        rows = [(first + number, body) for number, batch in enumerate(batches) for body in batch]
        self._outbox.execute("BEGIN")
        self._outbox.executemany("INSERT INTO outbox (batch, body) VALUES (?, ?)", rows)
        self._outbox.execute("COMMIT")
        waiting = iter(range(first, self._batches))
        begun_s = perf_counter()
        with ThreadPoolExecutor(self._under_way) as threads:
            for done in [threads.submit(self._send_all, waiting, post) for post in self._posts]:
                done.result()
        return perf_counter() - begun_s

    def close(self) -> None:
        """End the other process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._outbox.close()

    def _send_all(self, waiting: Any, post: Callable[[FloorPackage], bytes]) -> None:
        while True:
            with self._lock:
                number = next(waiting, None)
                if number is None:
                    return
                bodies = _bodies(self._outbox, number)
            receipt = post(pack(bodies, self._key))
            self._receiver_key.verify(receipt, hashlib.sha256(frame(bodies)).digest(), ALGORITHM)
            with self._lock:
                self._outbox.execute("UPDATE outbox SET sent = 1 WHERE batch = ?", (number,))


def _bodies(outbox: sqlite3.Connection, batch: int) -> list[bytes]:
    return [row[0] for row in outbox.execute("SELECT body FROM outbox WHERE batch = ? ORDER BY number", (batch,))]


def _poster(port: int, context: ssl.SSLContext, name: str) -> Callable[[FloorPackage], bytes]:
    class Connection(http.client.HTTPSConnection):
        def connect(self) -> None:
            http.client.HTTPConnection.connect(self)
            self.sock = context.wrap_socket(self.sock, server_hostname=name)

    connection = Connection("127.0.0.1", port)

    def post(package: FloorPackage) -> bytes:
        connection.request("POST", "/", package.content, {"X-Signature": package.signature.hex()})
        return connection.getresponse().read()

    return post


def _der(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(hexadecimal: str) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(bytes.fromhex(hexadecimal))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def serve(home: Path, database: Path, sender: str) -> None:
    """Receive until standard input ends."""
    receiver = FloorReceiver(database, _public_key(sender))

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        content = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        signature = bytes.fromhex(environ["HTTP_X_SIGNATURE"])
        receipt = receiver.accept(FloorPackage(content=content, signature=signature))
        start_response("200 OK", [("Content-Length", str(len(receipt)))])
        return [receipt]

    server = Server(("127.0.0.1", 0), application, numthreads=4, timeout=120)
    keys = keys_folder(home)
    adapter = BuiltinSSLAdapter(str(keys / CHAIN_FILE), str(keys / NODE_KEY_FILE))
    adapter.context = server_context(load_identity(home))
    server.ssl_adapter = adapter
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    sys.stdout.write(f"{server.bind_addr[1]} {_der(receiver.public_key).hex()}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()
    thread.join(10)
    receiver.close()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
