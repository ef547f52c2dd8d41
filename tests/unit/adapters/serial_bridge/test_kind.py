"""Settings that do not fit together are found before anything is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import REQUIRED, Form, SourceNeedsPersonError
from adapters.record_line.key_text import key_text
from adapters.serial_bridge.kind import KIND
from adapters.serial_bridge.mode_settings import MODES
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from pathlib import Path

KEY = key_text(bytes(range(32)))
PORT = "/dev/serial/by-id/usb-x"


def open_with(folder: Path, keys: str = "", **settings: Any) -> object:
    given = {"port": PORT, "mode": "capture", **settings}
    return KIND.open(opening(KIND, folder, given, secrets={"terminal_keys": keys} if keys else None))


def test_a_port_and_a_mode_are_all_that_must_be_given() -> None:
    assert {setting.name for setting in KIND.settings if setting.default is REQUIRED} == {"port", "mode"}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_opens_without_touching_anything(tmp_path: Path, mode: str) -> None:
    adapter = open_with(tmp_path / "kept", keys=f"hall-1={KEY}", mode=mode)
    assert list((tmp_path / "kept").iterdir()) == []
    adapter.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"record_end": "<ETX"}, "mark or an answer is written wrongly"),
        ({"answer_accepted": "<OK>"}, "not the name of a control character"),
        ({"deliver_end": "<0xFF>"}, "beyond"),
        ({"mode": "zmodem", "bytesize": "7"}, "zmodem needs 8 data bits"),
        ({"mode": "record_line", "bytesize": "7"}, "record_line needs 8 data bits"),
        ({"mode": "record_line", "xonxoff": True}, "set xonxoff to false"),
        ({"deliver": "xml"}, "set deliver to text"),
        ({"rtscts": True, "rs485": "driver"}, "RS-485 uses RTS"),
    ],
)
def test_settings_that_do_not_fit_need_a_person(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SourceNeedsPersonError, match=told):
        open_with(tmp_path, keys=f"hall-1={KEY}", **settings)


@pytest.mark.parametrize(
    ("keys", "terminals", "told"),
    [
        ("", [], "no terminal has a key"),
        (f"hall-1={KEY}", ["hall-2"], "terminal 'hall-2' has no key"),
        (KEY, [], "not of the form"),
        (f"Hall={KEY}", [], "not of the form"),
        (f"hall-1={KEY} hall-1={KEY}", [], "two keys for 'hall-1'"),
        (f"hall-1={KEY[:-1]}A", [], "key of 'hall-1' cannot be read"),
    ],
)
def test_keys_that_do_not_fit_need_a_person_and_are_not_repeated(
    tmp_path: Path, keys: str, terminals: list[str], told: str
) -> None:
    with pytest.raises(SourceNeedsPersonError, match=told) as caught:
        open_with(tmp_path, keys=keys, mode="record_line", terminals=terminals)
    assert KEY[:20] not in str(caught.value)


def test_every_setting_of_a_choice_and_of_a_flag_is_really_read() -> None:
    # What no module names would be a setting without effect.
    import adapters.serial_bridge as package  # noqa: PLC0415 - its folder is what is wanted.

    folder = package.__path__[0]
    from pathlib import Path as FilePath  # noqa: PLC0415 - only here at run time.

    texts = [path.read_text(encoding="utf-8") for path in FilePath(folder).glob("*.py") if "settings" not in path.name]
    unread = [setting.name for setting in KIND.settings if not any(f'"{setting.name}"' in text for text in texts)]
    assert unread == []
    assert {setting.form for setting in KIND.settings} == {Form.TEXT, Form.NUMBER, Form.FLAG, Form.CHOICE, Form.LIST}
