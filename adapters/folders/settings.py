"""Settings that both kinds of folder have, and the rules that are made of them."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import Form, Setting, SourceNeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Mapping

MOVE: Final = "move"
DELETE: Final = "delete"
OLDEST: Final = "oldest"
BY_NAME: Final = "name"
NO_RESULTS: Final = "none"
TEMPORARY_ENDINGS: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")
_HIDDEN_BEGINNINGS: Final = (".", "~$")
"""How names of files begin that are no business of ours: hidden ones, and the locks of office programs."""

FOLDER_SETTINGS: Final = (
    Setting(
        name="patterns",
        form=Form.LIST,
        default=("*",),
        zh="接收哪些文件：文件名通配式（* ? [ ]），不分大小写，符合其一即可",
        en="Which files are taken: wildcards of file names (* ? [ ]), upper and lower case alike, any of them",
    ),
    Setting(
        name="temporary_endings",
        form=Form.LIST,
        default=TEMPORARY_ENDINGS,
        zh="以此结尾的文件尚未写完，不读取",
        en="Endings of files that are still being written: they are not read",
    ),
    Setting(
        name="marker",
        default="",
        length_max=40,
        zh="完成标志：只有同名标志文件（文件名加此后缀，如 .ok）存在时才读取；为空则按 settle_s 判断",
        en="Mark of a whole file: it is read only when a file of its name with this ending (such as .ok) stands beside "
        "it; empty: settle_s decides",
    ),
    Setting(
        name="settle_s",
        form=Form.NUMBER,
        default=3.0,
        highest=86_400,
        zh="文件大小和修改时间多少秒不变才视为写完；0 表示只放入完整文件（先写临时名再改名）",
        en="Seconds for which size and time of a file stay the same before it counts as whole; 0: only whole files are "
        "put here (written under a temporary name, then renamed)",
    ),
    Setting(
        name="bytes_max",
        form=Form.NUMBER,
        default=268_435_456,
        lowest=1,
        highest=2**40,
        zh="单个文件的最大字节数；更大的不读取，直接移入 rejected/",
        en="Most bytes of one file; a larger one is moved to rejected/ without being read",
    ),
    Setting(
        name="order",
        form=Form.CHOICE,
        default=OLDEST,
        choices=(OLDEST, BY_NAME),
        zh="先后次序：oldest 按修改时间，name 按文件名",
        en="Which comes first: oldest, by time of change; name, by file name",
    ),
    Setting(
        name="after",
        form=Form.CHOICE,
        default=MOVE,
        choices=(MOVE, DELETE),
        zh="接收之后：move 移入 done/，delete 删除",
        en="What happens to a file that was taken in: move, to done/; delete",
    ),
    Setting(
        name="results",
        form=Form.CHOICE,
        default="json",
        choices=("json", "csv", NO_RESULTS),
        zh="接收结果文件（results/ 下，逐条列出问题）的格式；none 表示不写",
        en="Form of the file in results/ that tells what became of the records; none: no such file",
    ),
    Setting(
        name="deliver_folder",
        default="deliver",
        length_max=100,
        zh="下发文书放入的子文件夹名",
        en="Name of the folder, within the folder, into which documents for the department are put",
    ),
    Setting(
        name="name_encoding",
        form=Form.CHOICE,
        default="utf-8",
        choices=("utf-8", "gb18030"),
        zh="文件名的编码；多数系统为 utf-8，旧的中文服务器可能为 gb18030",
        en="Encoding of file names: utf-8 on most systems, gb18030 on some older Chinese servers",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRules:
    """The settings of FOLDER_SETTINGS, checked against each other."""

    patterns: tuple[str, ...]
    temporary_endings: tuple[str, ...]
    marker: str
    settle_s: float
    bytes_max: int
    order: str
    after: str
    results: str
    deliver_folder: str
    name_encoding: str

    def wants(self, name: str) -> bool:
        """Tell whether a file of this name is to be taken, once it is whole."""
        lower = name.casefold()
        if name.startswith(_HIDDEN_BEGINNINGS) or lower.endswith(self.temporary_endings):
            return False
        if self.marker and name.endswith(self.marker):
            return False
        return any(fnmatchcase(lower, pattern) for pattern in self.patterns)


def folder_rules(settings: Mapping[str, Any], *, taken: tuple[str, ...]) -> FolderRules:
    """Return the rules of these settings; ``taken`` are the names of shelves that have a meaning of their own.

    Raises SourceNeedsPersonError when settings do not fit together.
    """
    deliver_folder = settings["deliver_folder"]
    if not deliver_folder or deliver_folder.startswith(".") or "/" in deliver_folder or deliver_folder in taken:
        raise SourceNeedsPersonError(
            f"deliver_folder {deliver_folder!r} is no name of a folder of its own: give one name without /, "
            f"other than {', '.join(taken)}"
        )
    marker = settings["marker"]
    if "/" in marker:
        raise SourceNeedsPersonError(f"marker {marker!r} is no ending of a file name: give one without /, such as .ok")
    return FolderRules(
        patterns=tuple(pattern.casefold() for pattern in settings["patterns"]) or ("*",),
        temporary_endings=tuple(ending.casefold() for ending in settings["temporary_endings"] if ending),
        marker=marker,
        settle_s=float(settings["settle_s"]),
        bytes_max=int(settings["bytes_max"]),
        order=settings["order"],
        after=settings["after"],
        results=settings["results"],
        deliver_folder=deliver_folder,
        name_encoding=codecs.lookup(settings["name_encoding"]).name,
    )
