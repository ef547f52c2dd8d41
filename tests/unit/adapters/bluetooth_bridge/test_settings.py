"""Settings of a Bluetooth bridge: what is read from them, and each way in which they do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.bluetooth_bridge import KIND
from adapters.bluetooth_bridge.settings import plan_of
from adapters.contract import SourceNeedsPersonError
from adapters.record_line.key_text import key_text
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.bluetooth_bridge.settings import Plan

KEY_TEXT = key_text(bytes(range(32)))


def plan(folder: Path, terminals: dict[str, str], keys: str | None = None, **settings: Any) -> Plan:
    keys = " ".join(f"{name}={KEY_TEXT}" for name in terminals) if keys is None else keys
    return plan_of(opening(KIND, folder, {"terminals": terminals, **settings}, secrets={"terminal_keys": keys}))


def test_a_terminal_is_told_by_its_address_its_name_or_both(tmp_path: Path) -> None:
    by_address, by_name, by_both = plan(
        tmp_path, {"a": "c4:7c:8d:00:00:01", "b": " YZ Window 2 ", "c": "C4:7C:8D:00:00:03 YZ-3"}
    ).terminals
    assert (by_address.address, by_address.heard_name) == ("C4:7C:8D:00:00:01", "")
    assert (by_name.address, by_name.heard_name) == ("", "YZ Window 2")
    assert (by_both.address, by_both.heard_name) == ("C4:7C:8D:00:00:03", "YZ-3")
    assert by_both.key == bytes(range(32))
    assert by_address.fits("c4:7c:8d:00:00:01", None)
    assert not by_address.fits("C4:7C:8D:00:00:02", "YZ-1")
    assert by_name.fits("C4:7C:8D:00:00:09", "YZ Window 2")
    assert not by_name.fits("C4:7C:8D:00:00:09", None)
    assert by_both.fits("C4:7C:8D:00:00:03", "YZ-3")
    assert not by_both.fits("C4:7C:8D:00:00:03", "YZ-4")
    assert not by_both.fits("C4:7C:8D:00:00:04", "YZ-3")


def test_documents_go_to_the_first_terminal_unless_others_are_named(tmp_path: Path) -> None:
    assert plan(tmp_path, {"a": "A", "b": "B"}).deliver_to == ("a",)
    assert plan(tmp_path, {"a": "A", "b": "B"}, deliver_to=["b", "a"]).deliver_to == ("b", "a")


def test_identifiers_are_compared_in_one_form_and_short_ones_are_completed(tmp_path: Path) -> None:
    # Core Specification, volume 3, part B, 2.5.1: a short UUID stands in 00000000-0000-1000-8000-00805F9B34FB.
    read = plan(tmp_path, {"a": "A"}, service_uuid="FFE0", written_uuid="ffe1", notified_uuid="FFE2")
    assert read.service_uuid == "0000ffe0-0000-1000-8000-00805f9b34fb"
    assert read.written_uuid == "0000ffe1-0000-1000-8000-00805f9b34fb"
    assert plan(tmp_path, {"a": "A"}).service_uuid == "6e400001-b5a3-f393-e0a9-e50e24dcca9e"


@pytest.mark.parametrize(
    ("terminals", "keys", "settings", "told"),
    [
        ({}, "", {}, "0 terminals are named: give 1 to 16"),
        ({f"t{n}": f"T{n}" for n in range(17)}, None, {}, "17 terminals are named: give 1 to 16"),
        ({"Window 1": "A"}, "", {}, "'Window 1' names no terminal"),
        ({"a": "  "}, None, {}, "terminal 'a' has neither an address nor an advertised name"),
        ({"a": "x" * 249}, None, {}, "a device name has at most 248 bytes"),
        ({"a": "A", "b": "A"}, None, {}, "terminals 'a' and 'b' have the same address and name"),
        ({"a": "A"}, "", {}, "terminal 'a' has no key: add a=KEY to the secret terminal_keys"),
        ({"a": "A"}, f"a={KEY_TEXT} b={KEY_TEXT}", {}, "there is a key for 'b', which is not among the terminals"),
        ({"a": "A"}, f"a={KEY_TEXT} a={KEY_TEXT}", {}, "terminal_keys holds two keys for 'a'"),
        ({"a": "A"}, KEY_TEXT, {}, "terminal_keys is not of the form name=key name=key"),
        ({"a": "A"}, f"a={KEY_TEXT[:-1]}7", {}, "the key of 'a' cannot be read: the key is mistyped"),
        ({"a": "A"}, None, {"deliver_to": ["b"]}, "deliver_to names 'b', which is not among the terminals"),
        ({"a": "A"}, None, {"controller": "/org/bluez/hci0"}, "names no controller"),
        ({"a": "A"}, None, {"service_uuid": "6e400001"}, "service_uuid '6e400001' is no UUID"),
    ],
)
def test_settings_that_do_not_fit_together_need_a_person(
    tmp_path: Path, terminals: dict[str, str], keys: str | None, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceNeedsPersonError) as caught:
        plan(tmp_path, terminals, keys, **settings)
    assert told in str(caught.value)
    assert KEY_TEXT not in str(caught.value)


def test_keys_stand_in_no_repr(tmp_path: Path) -> None:
    assert repr(bytes(range(32))) not in repr(plan(tmp_path, {"a": "A"}))
