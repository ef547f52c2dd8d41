from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

from tests.bench.processes import LOOPBACK, memory_of, memory_with_children_mb, relay_to

STATUS = "Name:\tpython\nVmHWM:\t  200000 kB\nVmRSS:\t  100000 kB\nThreads:\t4\n"


def test_memory_is_read_in_millions_of_bytes() -> None:
    # 100,000 KiB are 102.4 MB.
    assert memory_of(STATUS) == {"now": 102.4, "peak": 204.8}


def test_memory_of_children_counts() -> None:
    alone_mb = memory_with_children_mb(os.getpid())
    program = "print(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as child:  # type: ignore[call-overload]
        child.stdout.readline()
        child_mb = memory_with_children_mb(child.pid)
        assert child_mb > 1
        assert memory_with_children_mb(os.getpid()) >= alone_mb + child_mb - 1
        child.communicate(b"\n")


def test_the_relay_passes_on_and_counts_both_directions() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:

        def echo() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(connection.recv(100) * 2)

        answering = threading.Thread(target=echo)
        answering.start()
        with relay_to(listener.getsockname()[1]) as relay:
            with socket.create_connection((LOOPBACK, relay.port), timeout=5) as connection:
                connection.sendall(b"abc")
                assert connection.recv(100) == b"abcabc"
            answering.join(5)
            assert relay.counted == 9
