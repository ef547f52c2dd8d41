#!/usr/bin/env python3
"""YIZHAN_KEY_FILE=key.txt python3 send_records.py NODE FILE [QUERY]: sends records; Python 3.8; see README.md."""

import os
import sys
import time
import uuid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {".xml": "application/xml", ".json": "application/json", ".csv": "text/csv", ".xlsx": SHEET}
if len(sys.argv) < 3 or not {"YIZHAN_KEY", "YIZHAN_KEY_FILE"} & set(os.environ):
    print(__doc__, file=sys.stderr)
    sys.exit(2)
node, path, query = urlsplit(sys.argv[1]), Path(sys.argv[2]), "".join(sys.argv[3:])
key = os.environ.get("YIZHAN_KEY") or Path(os.environ["YIZHAN_KEY_FILE"]).read_text(encoding="ascii")
body, status, said, wait_s = path.read_bytes(), 503, "", 0
headers = {"Authorization": "Bearer " + key.strip(), "Content-Type": TYPES.get(path.suffix.lower(), "text/plain")}
headers["Idempotency-Key"] = str(uuid.uuid4())
connect = HTTPSConnection if node.scheme == "https" else HTTPConnection
for next_s in (1, 2, 4, 8, 16, 32):  # The very same request goes again while the node is busy or not there.
    time.sleep(wait_s)
    try:
        connection = connect(node.netloc, timeout=60)
        connection.request("POST", node.path.rstrip("/") + "/api/v1/records?" + query, body, headers)
        answer = connection.getresponse()
        status, said, wait_s = answer.status, answer.read().decode(), int(answer.getheader("Retry-After", next_s))
    except (OSError, HTTPException) as error:
        status, said, wait_s = 503, str(error), next_s
    if status not in {429, 503}:
        break
print(said)
sys.exit({200: 0 if '"refused": 0,' in said else 9, 401: 5, 429: 6, 503: 6}.get(status, 1))
