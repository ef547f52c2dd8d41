"""``python -m tests.bluez_vm [WORD]``: run guest.py on Debian's kernel and BlueZ in a virtual machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from typing import TYPE_CHECKING

from tests.bluez_vm.boot import first_files
from tests.bluez_vm.root import CHECKOUT, CannotError, kernel_file, root_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

QEMU = "qemu-system-x86_64"
RUN_S = 240
MEMORY = "1024"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the virtual machine, tests with a word in their names only when one is given; return 0 when all passed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) > 1 or not all(re.fullmatch(r"\w+", one) for one in arguments):
        sys.stderr.write("usage: scripts/test --bluez-vm [WORD]\n")
        return 2
    if shutil.which(QEMU) is None or shutil.which("debootstrap") is None:
        sys.stderr.write(
            "bluez-vm: qemu-system-x86 and debootstrap are needed: scripts/test --bluez-vm installs them\n"
        )
        return 1
    try:
        root = root_folder()
    except CannotError as problem:
        sys.stderr.write(f"bluez-vm: {problem}\n")
        return 1
    with TemporaryDirectory(prefix="bluez-vm-") as place:
        files = Path(place) / "first.cpio.gz"
        files.write_bytes(first_files(root))
        return _run(root, files, arguments[0] if arguments else "test")


def _run(root: Path, files: Path, only: str) -> int:
    machine = subprocess.Popen(_command(root, files, only), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    late = Timer(RUN_S, machine.kill)
    late.start()
    status, reason = 1, f"failed, or not done within {RUN_S} s: see above"
    try:
        assert machine.stdout is not None
        for line in machine.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if found := re.match(r"bluez-vm: exit (\d+)", line):
                status = int(found[1])
            if found := re.search(r"kernel BUG at \S+|Kernel panic - .*", line):
                reason = f"the kernel of the virtual machine failed, which no program may bring about: {found[0]}"
    finally:
        late.cancel()
        machine.kill()
        machine.wait()
    if status:
        sys.stderr.write(f"bluez-vm: {reason}\n")
    return status


def _command(root: Path, files: Path, only: str) -> list[str]:
    command = [QEMU, "-machine", "accel=tcg", "-m", MEMORY, "-smp", "2", "-display", "none", "-no-reboot"]
    command += ["-serial", "stdio", "-monitor", "none", "-nic", "none"]
    command += ["-kernel", str(kernel_file(root)), "-initrd", str(files)]
    # The kernel's tests of its own ciphers take long under emulation.
    arguments = "console=ttyS0 quiet loglevel=3 panic=-1 oops=panic cryptomgr.notests=1"
    command += ["-append", f"{arguments} bluez_vm.only={only}"]
    for tag, folder in (("root", root), ("checkout", CHECKOUT)):
        command += ["-virtfs", f"local,path={folder},mount_tag={tag},security_model=none,readonly=on,multidevs=remap"]
    return command


if __name__ == "__main__":
    sys.exit(main())
