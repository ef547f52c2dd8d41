"""Control characters written in settings."""

from __future__ import annotations

import pytest

from adapters.serial_bridge.control_text import NAMES, plain


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("OK", "OK"),
        ("<STX>", "\x02"),
        ("<CR><LF>", "\r\n"),
        ("a<0x1B>[2J<DEL>", "a\x1b[2J\x7f"),
        ("1 <LT> 2 > 0", "1 < 2 > 0"),
        ("已收<LF>", "已收\n"),
    ],
)
def test_names_in_angle_brackets_stand_for_characters(written: str, meant: str) -> None:
    assert plain(written) == meant


def test_the_thirty_two_control_characters_have_the_names_of_the_standard() -> None:
    # ISO 646: ENQ is 5, ACK 6, NAK 21, ESC 27, US 31.
    assert len(NAMES) == 32
    assert [plain(f"<{name}>") for name in ("ENQ", "ACK", "NAK", "ESC", "US")] == [
        "\x05",
        "\x06",
        "\x15",
        "\x1b",
        "\x1f",
    ]


@pytest.mark.parametrize("written", ["<", "a<b", "<XYZ>", "<stx>", "<0x80>", "<ETX", "<CR><nope>", "x<LF>y<"])
def test_a_bracket_that_begins_no_name_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="<"):
        plain(written)
