#!/usr/bin/env python3
"""Send one file of records to a Yizhan node and print the verdict on each. Python 3.8 or newer, nothing else.

    YIZHAN_KEY_FILE=key.txt python3 send_records.py http://127.0.0.1:8440 first-case.xml

The key of the source comes from YIZHAN_KEY or from the file YIZHAN_KEY_FILE, never from an argument. A third argument
is the query, for a dialect or for a table without a column of types: "dialect=NAME", "type=Acceptance".
Leaves with 0 (all accepted or repeated), 9 (some refused), 1 (nothing usable), 2 (mistake in the call), 5 (key
refused), 6 (node not reached or busy).
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any, Tuple

TYPES = {
    ".xml": "application/xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
TRIES = 5


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another address."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def key() -> str:
    """Return the key of the source."""
    if "YIZHAN_KEY" in os.environ:
        return os.environ["YIZHAN_KEY"].strip()
    with open(os.environ["YIZHAN_KEY_FILE"], encoding="ascii") as file:
        return file.read().strip()


def send(request: urllib.request.Request) -> Tuple[int, Any]:
    """Return status and answer; wait and send the very same request again while the node is busy or not there."""
    opener = urllib.request.build_opener(NoRedirect)
    for wait_s in [2**number for number in range(TRIES)]:
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in {429, 503}:
                return error.code, json.load(error)
            time.sleep(int(error.headers.get("Retry-After", wait_s)))
        except (OSError, http.client.HTTPException) as error:
            print(error, file=sys.stderr)
            time.sleep(wait_s)
    return 503, {"what": "The node is busy or cannot be reached.", "why": "%d tries" % TRIES, "action": "try later"}


def main(node: str, path: str, query: str = "") -> int:
    """Send the file at ``path`` and return the exit code."""
    with open(path, "rb") as file:
        body = file.read()
    headers = {
        "Authorization": "Bearer " + key(),
        "Content-Type": TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream"),
        "Idempotency-Key": str(uuid.uuid4()),
    }
    status, answer = send(urllib.request.Request("%s/api/v1/records?%s" % (node.rstrip("/"), query), body, headers))
    if "verdicts" not in answer:
        print(answer.get("what"), answer.get("why"), answer.get("action"), sep="\n", file=sys.stderr)
        return {401: 5, 429: 6, 503: 6}.get(status, 1)
    for one in answer["verdicts"]:
        print(one["verdict"], one["record_type"], one["key"])
        for problem in one["problems"]:
            print("    row", problem["row"], "line", problem["line"], problem["rule"], problem["text"])
    return 1 if status == 422 else 9 if answer["refused"] else 0


if __name__ == "__main__":
    if len(sys.argv) not in {3, 4} or not {"YIZHAN_KEY", "YIZHAN_KEY_FILE"} & set(os.environ):
        sys.exit((print(__doc__, file=sys.stderr), 2)[1])
    sys.exit(main(*sys.argv[1:]))
