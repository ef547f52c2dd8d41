"""The first file system of the virtual machine: a shell, the modules that reach the real root, and a script."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from tests.bluez_vm.root import BOOT_MODULES, MODULES, modules_in_order

if TYPE_CHECKING:
    from pathlib import Path

_FILE, _FOLDER = 0o100755, 0o040755
_SHARE = "-t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro"


def first_files(root: Path) -> bytes:
    """Return them as the kernel takes them: a compressed cpio archive."""
    boot = modules_in_order(root, BOOT_MODULES)
    files: list[tuple[str, int, bytes]] = [(name, _FOLDER, b"") for name in ("bin", "dev", "proc", "system", "modules")]
    files.append(("bin/busybox", _FILE, (root / "bin/busybox").read_bytes()))
    files += [(f"modules/{path.name}", _FILE, path.read_bytes()) for path in boot]
    files.append(("init", _FILE, _script(root, [path.name for path in boot]).encode()))
    return gzip.compress(b"".join(_entry(*one) for one in [*files, ("TRAILER!!!", 0, b"")]), compresslevel=1)


def _script(root: Path, boot: list[str]) -> str:
    later = ["/" + str(path.relative_to(root)) for path in modules_in_order(root, MODULES)]
    return "\n".join(
        [
            "#!/bin/busybox sh",
            "set -e",
            "b=/bin/busybox",
            *(f"$b insmod /modules/{name}" for name in boot),
            f"$b mount {_SHARE} root /system",
            f"$b mount {_SHARE} checkout /system/checkout",
            *(f"$b insmod /system{path} || $b echo bluez-vm: without {path}" for path in later),
            "exec $b switch_root /system /bin/sh /checkout/tests/bluez_vm/init.sh",
            "",
        ]
    )


def _entry(name: str, mode: int, content: bytes) -> bytes:
    """Return one file in the form newc: cpio(5)."""
    named = name.encode() + b"\0"
    numbers = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(named), 0)
    head = b"070701" + "".join(f"{number:08x}" for number in numbers).encode() + named
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
