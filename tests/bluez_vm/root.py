"""The root of the virtual machine: Debian with BlueZ, a kernel, and the Python packages that the tests need.

Made once and kept in a cache, under a name that changes with what it is made of.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CHECKOUT = Path(__file__).resolve().parents[2]
LOCK = CHECKOUT / "requirements/test.txt"
SUITE = "bookworm"
PYTHON = "3.11"
"""Of that suite."""
PACKAGES = ("bluez", "dbus", "python3", "busybox-static")
KERNEL = os.environ.get("YIZHAN_BLUEZ_VM_KERNEL", "linux-image-6.1.0-50-amd64")
"""Of Debian 12's last point release: its update 6.1.192 stops at lib/list_debug.c:56 when a terminal that lost its bond
is connected to, in hci_chan_del; 6.1.170, 6.1.176 and 6.1.190 do not.
"""
LIBRARIES = (
    "bleak",
    "bumble",
    "cffi",
    "cryptography",
    "dbus-fast",
    "iniconfig",
    "packaging",
    "pluggy",
    "pycparser",
    "pyee",
    "pygments",
    "pytest",
    "typing-extensions",
)
BOOT_MODULES = ("virtio_pci", "9pnet_virtio", "9p")
MODULES = ("drbg", "sha512_generic", "cmac", "ecdh_generic", "hci_vhci")
"""The kernel loads those for its cipher suites by a program that is not here, so they are named."""
MAKING_S = 900


class CannotError(Exception):
    """Something that the virtual machine needs cannot be had; the text says what, and what to do."""


def root_folder() -> Path:
    """Return the folder of the root, made when it is not there yet; raises CannotError."""
    folder = _cache() / _name()
    if not (folder / "made").exists():
        if os.geteuid():
            raise CannotError("making the root of the virtual machine needs root (debootstrap): run it as root once")
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        _say(f"making {folder} (once, some two minutes)")
        _make(folder)
        (folder / "made").touch()
    return folder


def kernel_file(folder: Path) -> Path:
    """Return the kernel of a root."""
    return next((folder / "boot").glob("vmlinuz-*"))


def modules_in_order(folder: Path, wanted: Iterable[str]) -> list[Path]:
    """Return the files of modules with all that they depend on, each after what it needs; built-in ones have none."""
    files = {path.stem.replace("-", "_"): path for path in (folder / "usr/lib/modules").rglob("*.ko")}
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        if name not in files or name in order:
            return
        for needed in _depends(files[name]):
            add(needed)
        order[name] = files[name]

    for name in wanted:
        add(name)
    return list(order.values())


def _depends(module: Path) -> list[str]:
    # The section .modinfo holds texts of the form name=value, each ended by a zero byte.
    found = re.search(rb"\0depends=([^\0]*)\0", module.read_bytes())
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def _make(folder: Path) -> None:
    _run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(folder))
    with TemporaryDirectory(prefix="bluez-vm-") as place:
        # The unprivileged account of apt cannot write into a folder that only we may read.
        _run("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", KERNEL, cwd=Path(place))
        (package,) = Path(place).glob("*.deb")
        unpacked = Path(place) / "unpacked"
        _run("dpkg-deb", "-x", str(package), str(unpacked))
        shutil.copytree(unpacked / "boot", folder / "boot", dirs_exist_ok=True)
        kept = [*modules_in_order_of(unpacked, (*BOOT_MODULES, *MODULES))]
        for module in kept:
            target = folder / "usr" / module.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(module, target)
    _libraries(folder / "site")
    (folder / "checkout").mkdir()


def modules_in_order_of(unpacked: Path, wanted: Iterable[str]) -> list[Path]:
    """Return as ``modules_in_order``, of a kernel's package that was unpacked."""
    link = unpacked / "usr/lib"
    if not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(unpacked / "lib")
    return [unpacked / "lib" / path.relative_to(link) for path in modules_in_order(unpacked, wanted)]


def _libraries(target: Path) -> None:
    """Install libraries as the lock file names them, for the Python of the virtual machine."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if (line.partition("==")[0].strip().lower() in LIBRARIES)]
    missing = set(LIBRARIES) - {line.partition("==")[0].strip().lower() for line in lines}
    if missing:
        raise CannotError(f"{LOCK} does not name {', '.join(sorted(missing))}: run scripts/lock")
    with TemporaryDirectory(prefix="bluez-vm-") as place:
        wanted = Path(place) / "requirements.txt"
        wanted.write_text("\n".join(lines) + "\n", encoding="utf-8")
        _run(
            *(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input", "install"),
            *("--no-deps", "--require-hashes", "--only-binary=:all:", "--target", str(target)),
            *("--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"),
            *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64"),
            *("--platform", "manylinux2014_x86_64", "--platform", "any", "-r", str(wanted)),
        )


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=MAKING_S, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise CannotError(f"{command[0]} cannot be run: {problem}") from problem
    if done.returncode:
        raise CannotError(f"{' '.join(command[:3])} … failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _name() -> str:
    made_of = "\n".join(
        (SUITE, KERNEL, *PACKAGES, *MODULES, *BOOT_MODULES, *LIBRARIES, LOCK.read_text(encoding="utf-8"))
    )
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _cache() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "yizhan" / "bluez-vm"


def _say(text: str) -> None:
    sys.stderr.write(f"bluez-vm: {text}\n")
