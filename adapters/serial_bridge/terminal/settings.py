"""What a terminal knows about itself: its folder, its name, its port, and its key in a file of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from adapters.record_line.key_text import key_of_text, key_text
from adapters.record_line.opening import TERMINAL_NAME

FOLDER_VARIABLE: Final = "YIZHAN_TERMINAL"
SETTINGS_NAME: Final = "terminal.json"
KEY_NAME: Final = "terminal.key"
OPEN_TO_OTHERS: Final = 0o077
BINARY: Final = getattr(os, "O_BINARY", 0)
"""Windows would make two bytes of each line feed."""


class TerminalError(Exception):
    """The terminal cannot do what it was asked; the arguments are the words for it in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


def terminal_folder(given: str | None) -> Path:
    """Return the terminal's folder: the one given, that of the environment, or the usual one."""
    named = given or os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path.home() / ".yizhan-terminal"


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what was set so far; raises TerminalError when the file is broken."""
    path = folder / SETTINGS_NAME
    if not path.exists():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise TerminalError(f"设置文件损坏：{path}", f"the file of settings is broken: {path}")
    return settings


def change_settings(folder: Path, **changes: Any) -> None:
    """Set something, and leave everything else."""
    settings = {**read_settings(folder), **changes}
    text = json.dumps(settings, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_private(folder / SETTINGS_NAME, text.encode("utf-8"))


def set_key(folder: Path, name: str, text: str) -> None:
    """Keep name and key; raises TerminalError when one of them is none."""
    if not TERMINAL_NAME.fullmatch(name):
        raise TerminalError(
            "终端名须为 1 至 32 个小写字母、数字、- _ .，且以字母或数字开头",
            "a terminal's name is 1 to 32 of a-z 0-9 - _ . and begins with a letter or digit",
        )
    try:
        key = key_of_text(text)
    except ValueError as cause:
        raise TerminalError("密钥不对：请逐组核对", str(cause)) from None
    write_private(folder / KEY_NAME, (key_text(key) + "\n").encode("ascii"))
    change_settings(folder, name=name)


def read_key(folder: Path) -> tuple[str, bytes]:
    """Return the terminal's name and its key; raises TerminalError when there is none or others can read it."""
    path = folder / KEY_NAME
    name = read_settings(folder).get("name")
    if not path.exists() or not isinstance(name, str):
        raise TerminalError("还没有密钥，请先运行 key set 终端名", "there is no key yet: run key set NAME first")
    if os.name == "posix" and path.stat().st_mode & OPEN_TO_OTHERS:
        raise TerminalError(
            f"其他账户可读密钥文件，请执行 chmod 600 {path}", f"others can read the key: chmod 600 {path}"
        )
    try:
        return name, key_of_text(path.read_text(encoding="ascii"))
    except ValueError as cause:
        raise TerminalError(f"密钥文件损坏：{path}", f"the key's file is broken: {cause}") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this account can read, whole or not at all; it is on the disk when this returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with open(os.open(str(new), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(new), str(path))
    if os.name == "posix":
        folder = os.open(str(path.parent), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
