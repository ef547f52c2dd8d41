"""What a Bluetooth bridge is told: its settings, and the plan that is read from them when it is opened."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

from adapters.contract import REQUIRED, Form, Setting, SourceNeedsPersonError
from adapters.record_line.bridging import keys_of_terminals
from adapters.record_line.opening import TERMINAL_NAME

if TYPE_CHECKING:
    from adapters.contract import Opening

TERMINALS_MAX: Final = 16
"""Terminals of one adapter. Our own choice: controllers keep 7 to 20 connections, and each takes air time."""
SERVICE_UUID: Final = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
WRITTEN_UUID: Final = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
NOTIFIED_UUID: Final = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
"""The three identifiers of the Nordic UART Service, which most modules with a serial firmware offer."""
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_CONTROLLER: Final = re.compile(r"|[a-z0-9]{1,16}")
_HEARD_NAME_BYTES_MAX: Final = 248
"""Of a device name: Core Specification, volume 3, part C, 12.1."""

SETTINGS: Final = (
    Setting(
        name="terminals",
        form=Form.TABLE,
        default=REQUIRED,
        zh="准许连接的终端：名称 = 蓝牙地址，或广播名称，或两者（先地址后名称，以空格分开；都须相符）；最多 16 台",
        en="Terminals that may be connected: name = Bluetooth address, or advertised name, or both (address, blank, "
        "name: both must fit); at most 16",
    ),
    Setting(
        name="terminal_keys",
        secret=True,
        default=REQUIRED,
        zh="各终端的密钥：名称=密钥，以空格分开（密钥由 yizhan terminal key new 生成）",
        en="Keys of the terminals: name=key, separated by blanks (a key is made by yizhan terminal key new)",
    ),
    Setting(
        name="encrypted",
        form=Form.FLAG,
        default=True,
        zh="只与已和本机配对的终端通信，使无线链路加密；终端不能配对时才设为 false，届时内容可被旁人接收",
        en="Talk only to terminals that are paired with this machine, so that the radio link is encrypted; false only "
        "for terminals that cannot pair: anybody near can then read what is sent",
    ),
    Setting(
        name="controller",
        default="",
        zh="本机的蓝牙控制器，如 hci0；留空为第一个已开启的",
        en="Bluetooth controller of this machine, such as hci0; empty for the first one that is switched on",
    ),
    Setting(
        name="service_uuid",
        default=SERVICE_UUID,
        zh="终端串口服务的 UUID；默认为 Nordic UART 服务",
        en="UUID of the terminal's serial service; the default is the Nordic UART Service",
    ),
    Setting(
        name="written_uuid",
        default=WRITTEN_UUID,
        zh="节点写入的特征的 UUID",
        en="UUID of the characteristic that the node writes to",
    ),
    Setting(
        name="notified_uuid",
        default=NOTIFIED_UUID,
        zh="终端发出通知的特征的 UUID，可与 written_uuid 相同",
        en="UUID of the characteristic by which the terminal notifies the node; may be the same as written_uuid",
    ),
    Setting(
        name="deliver_to",
        form=Form.LIST,
        default=(),
        zh="文书送达的终端名称，须全部收妥；留空为第一台",
        en="Names of the terminals that documents are delivered to, all of which have to take them; empty for the "
        "first one",
    ),
    Setting(
        name="look_s",
        form=Form.NUMBER,
        default=10.0,
        lowest=0.5,
        highest=60.0,
        zh="每次寻找终端的秒数",
        en="Seconds for which terminals are looked for each time",
    ),
    Setting(
        name="retry_s_max",
        form=Form.NUMBER,
        default=60.0,
        lowest=0.1,
        highest=600.0,
        zh="两次寻找之间间隔的上限，秒；间隔逐次加长",
        en="Longest pause between two looks for a terminal that is away, in seconds; pauses grow up to it",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """One terminal that may be connected: ``address`` and ``heard_name`` are "" where anyone's will do."""

    name: str
    address: str
    heard_name: str
    key: bytes = field(repr=False)

    def fits(self, address: str, heard_name: str | None) -> bool:
        """Tell whether a device that was heard may be this terminal; only its key proves that it is."""
        return self.address in {"", address.upper()} and self.heard_name in {"", heard_name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings of one bridge, read."""

    terminals: tuple[Terminal, ...]
    encrypted: bool
    controller: str
    service_uuid: str
    written_uuid: str
    notified_uuid: str
    deliver_to: tuple[str, ...]
    look_s: float
    retry_s_max: float


def plan_of(opening: Opening) -> Plan:
    """Return the plan of an opening; raises SourceNeedsPersonError when its settings do not fit together."""
    settings = opening.settings
    terminals = _terminals(settings["terminals"], keys_of_terminals(opening.secrets.get("terminal_keys", "")))
    names = [terminal.name for terminal in terminals]
    deliver_to = tuple(settings["deliver_to"]) or (names[0],)
    for name in deliver_to:
        if name not in names:
            raise SourceNeedsPersonError(f"deliver_to names {name!r}, which is not among the terminals: {names}")
    if not _CONTROLLER.fullmatch(settings["controller"]):
        raise SourceNeedsPersonError(f"{settings['controller']!r} names no controller: write hci0, or leave it empty")
    uuids = [whole_uuid(settings[name], name) for name in ("service_uuid", "written_uuid", "notified_uuid")]
    return Plan(
        terminals=terminals,
        encrypted=settings["encrypted"],
        controller=settings["controller"],
        service_uuid=uuids[0],
        written_uuid=uuids[1],
        notified_uuid=uuids[2],
        deliver_to=deliver_to,
        look_s=settings["look_s"],
        retry_s_max=settings["retry_s_max"],
    )


def _terminals(table: dict[str, str], keys: dict[str, bytes]) -> tuple[Terminal, ...]:
    if not 1 <= len(table) <= TERMINALS_MAX:
        raise SourceNeedsPersonError(f"{len(table)} terminals are named: give 1 to {TERMINALS_MAX}")
    for name in keys.keys() - table.keys():
        raise SourceNeedsPersonError(f"there is a key for {name!r}, which is not among the terminals")
    terminals = tuple(_terminal(name, text, keys.get(name)) for name, text in table.items())
    known: dict[tuple[str, str], str] = {}
    for one in terminals:
        other = known.setdefault((one.address, one.heard_name), one.name)
        if other != one.name:
            raise SourceNeedsPersonError(f"terminals {other!r} and {one.name!r} have the same address and name")
    return terminals


def _terminal(name: str, text: str, key: bytes | None) -> Terminal:
    if not TERMINAL_NAME.fullmatch(name):
        raise SourceNeedsPersonError(f"{name!r} names no terminal: use 1 to 32 of a-z, 0-9, '-', '_' and '.'")
    if key is None:
        raise SourceNeedsPersonError(f"terminal {name!r} has no key: add {name}=KEY to the secret terminal_keys")
    first, _, rest = text.strip().partition(" ")
    address, heard_name = (first.upper(), rest.strip()) if _ADDRESS.fullmatch(first) else ("", text.strip())
    if not address and not heard_name:
        raise SourceNeedsPersonError(f"terminal {name!r} has neither an address nor an advertised name")
    if len(heard_name.encode()) > _HEARD_NAME_BYTES_MAX:
        raise SourceNeedsPersonError(f"terminal {name!r}: a device name has at most {_HEARD_NAME_BYTES_MAX} bytes")
    return Terminal(name=name, address=address, heard_name=heard_name, key=key)


def whole_uuid(text: str, name: str) -> str:
    """Return a UUID in the form in which bleak gives them; a short one is completed (volume 3, part B, 2.5.1).

    Raises SourceNeedsPersonError, which calls it ``name``.
    """
    whole = f"0000{text}-0000-1000-8000-00805f9b34fb" if re.fullmatch(r"[0-9A-Fa-f]{4}", text) else text
    try:
        return str(UUID(whole))
    except ValueError:
        raise SourceNeedsPersonError(f"{name} {text!r} is no UUID: give 4 hexadecimal digits or all 32") from None
