"""The kind ``serial_bridge``: what the entry point names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import AdapterKind, SourceNeedsPersonError
from adapters.serial_bridge.bridge import SerialBridge
from adapters.serial_bridge.capture_mode import encoded, frame_of
from adapters.serial_bridge.mode_settings import MODE_SETTINGS
from adapters.serial_bridge.port_settings import PORT_SETTINGS
from adapters.serial_bridge.record_mode import RecordBridge

if TYPE_CHECKING:
    from adapters.contract import Adapter, Opening


def open_bridge(opening: Opening) -> Adapter:
    """Return the adapter of a port in its mode; raises SourceNeedsPersonError when settings do not fit together."""
    _refuse_what_does_not_fit(opening)
    return RecordBridge(opening) if opening.settings["mode"] == "record_line" else SerialBridge(opening)


KIND: Final = AdapterKind(
    name="serial_bridge",
    zh="串口桥：没有接口的系统经串口用终端、ZMODEM、Kermit 或自行送出的文本报送",
    en="Serial bridge: systems without an interface report over a serial line, by a terminal, ZMODEM, Kermit or "
    "text that they send by themselves",
    settings=(*PORT_SETTINGS, *MODE_SETTINGS),
    open=open_bridge,
    every_s=0.0,
    patience_s=600.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "done",
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


def _refuse_what_does_not_fit(opening: Opening) -> None:
    """Raise SourceNeedsPersonError when settings do not fit together."""
    settings = opening.settings
    mode = settings["mode"]
    try:
        frame_of(settings)
        for name in ("heading", "deliver_end", "answer_damaged", "answer_accepted", "answer_refused"):
            encoded(settings[name], settings["encoding"])
    except ValueError as error:
        raise SourceNeedsPersonError(f"a mark or an answer is written wrongly: {error}") from error
    if mode in {"record_line", "zmodem"} and settings["bytesize"] != "8":
        raise SourceNeedsPersonError(f"{mode} needs 8 data bits: set bytesize to 8, or use kermit or capture")
    if mode == "record_line" and settings["xonxoff"]:
        raise SourceNeedsPersonError(
            "record_line sends every byte: set xonxoff to false, and rtscts to true if you can"
        )
    if mode == "capture" and settings["deliver"] == "xml":
        raise SourceNeedsPersonError("a device that is captured takes lines of text: set deliver to text or none")
    if settings["rtscts"] and settings["rs485"] != "off":
        raise SourceNeedsPersonError("RS-485 uses RTS for itself: set rtscts to false")
