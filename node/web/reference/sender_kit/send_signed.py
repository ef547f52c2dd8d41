#!/usr/bin/env python3
"""YIZHAN_SECRET_FILE=secret.txt python3 send_signed.py NODE FILE [QUERY]: sends records, signed; see README.md."""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import time
import uuid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Dict
from urllib.parse import urlsplit

SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {".xml": "application/xml", ".json": "application/json", ".csv": "text/csv", ".xlsx": SHEET}
if len(sys.argv) < 3 or not {"YIZHAN_SECRET", "YIZHAN_SECRET_FILE"} & set(os.environ):
    print(__doc__, file=sys.stderr)
    sys.exit(2)
node, path, query = urlsplit(sys.argv[1]), Path(sys.argv[2]), "".join(sys.argv[3:])
line = os.environ.get("YIZHAN_SECRET") or Path(os.environ["YIZHAN_SECRET_FILE"]).read_text(encoding="ascii")
key_id, secret = line.split()
body, status, said, wait_s = path.read_bytes(), 503, "", 0
target = node.path.rstrip("/") + "/api/v1/records" + ("?" + query if query else "")
fields = {
    "content-digest": "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode(),
    "content-type": TYPES.get(path.suffix.lower(), "text/plain"),
    "idempotency-key": str(uuid.uuid4()),
}


def signed() -> Dict[str, str]:
    """Return the fields of the request with a signature of its own (RFC 9421): each try has a time and a nonce."""
    covered = {"@method": "POST", "@target-uri": "%s://%s%s" % (node.scheme, node.netloc.lower(), target), **fields}
    names = " ".join('"%s"' % name for name in covered)
    params = '(%s);created=%d;nonce="%s";keyid="%s"' % (names, time.time(), secrets.token_hex(16), key_id)
    lines = ['"%s": %s' % (name, value) for name, value in {**covered, "@signature-params": params}.items()]
    mac = hmac.new(secret.encode(), "\n".join(lines).encode(), "sha256").digest()
    return {**fields, "Signature-Input": "sig=" + params, "Signature": "sig=:%s:" % base64.b64encode(mac).decode()}


connect = HTTPSConnection if node.scheme == "https" else HTTPConnection
for next_s in (1, 2, 4, 8, 16, 32):  # The same request goes again, signed anew, while the node is busy or not there.
    time.sleep(wait_s)
    try:
        connection = connect(node.netloc, timeout=60)
        connection.request("POST", target, body, signed())
        answer = connection.getresponse()
        status, said, wait_s = answer.status, answer.read().decode(), int(answer.getheader("Retry-After", next_s))
    except (OSError, HTTPException) as error:
        status, said, wait_s = 503, str(error), next_s
    if status not in {429, 503}:
        break
print(said)
sys.exit({200: 0 if '"refused": 0,' in said else 9, 401: 5, 429: 6, 503: 6}.get(status, 1))
