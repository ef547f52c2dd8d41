"""How the clients of the sender kit are run on this machine; those for .NET are not among them."""

from __future__ import annotations

import sys

CLIENTS = {
    "python": (sys.executable, "-I", "send_records.py"),
    "java": ("java", "-XX:TieredStopAtLevel=1", "SendRecords.java"),
    "curl": ("sh", "send_records.sh"),
}
"""The command of each client, in the folder of the kit; address and file come behind it."""
SIGNING_CLIENTS = {
    "python-signed": (sys.executable, "-I", "send_signed.py"),
    "java-signed": ("java", "-XX:TieredStopAtLevel=1", "SendSigned.java"),
    "curl-signed": ("sh", "send_signed.sh"),
}
"""The same for the clients that sign."""
