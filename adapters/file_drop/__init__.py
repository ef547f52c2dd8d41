"""The kind ``file_drop``: a folder on this machine, or a share that is mounted here, into which files are put."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from adapters.contract import AdapterKind, Setting, SourceNeedsPersonError
from adapters.file_drop.local_place import LocalPlace
from adapters.folders.adapter import SHELVES, FolderAdapter
from adapters.folders.settings import FOLDER_SETTINGS, folder_rules

if TYPE_CHECKING:
    from adapters.contract import Opening


def open_folder(opening: Opening) -> FolderAdapter:
    """Return the adapter of a folder of this machine."""
    root = opening.settings["folder"]
    if not PurePath(root).is_absolute() or "\0" in root:
        raise SourceNeedsPersonError(f"folder {root!r} is no absolute path: give one that begins with /")
    rules = folder_rules(opening.settings, taken=SHELVES)
    place = LocalPlace(root, rules.name_encoding)
    return FolderAdapter(opening, place, rules, claims=place)


KIND: Final = AdapterKind(
    name="file_drop",
    zh="文件夹：部门把文件放入本机或已挂载的共享文件夹",
    en="Folder: files are put into a folder of this machine or a mounted share",
    settings=(
        Setting(
            name="folder",
            zh="文件夹的绝对路径；必须已存在，节点不会创建",
            en="Absolute path of the folder; it must exist, the node never makes it",
        ),
        *FOLDER_SETTINGS,
    ),
    open=open_folder,
    every_s=30.0,
    patience_s=300.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "exempt: a file is claimed before it is read, by a move within the folder, so that "
        "two nodes never take the same one; it is put away only after the answer",
        "bounded": "done",
        "secrets_apart": "exempt: a folder has no secrets of its own",
        "settings_documented": "done",
        "away_and_back": "done",
        "needs_person": "done",
        "resumes": "done",
        "nothing_twice": "done",
        "hostile_input": "done",
        "real_peer": "done",
        "delivers_downward": "done",
        "faults": "done",
        "troubleshooting": "done",
        "speed": "done",
    },
)
