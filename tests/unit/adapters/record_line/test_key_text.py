"""Keys that people type from paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.key_text import key_of_text, key_text

KEY = bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_a_key_comes_back_however_it_is_typed(key: bytes) -> None:
    text = key_text(key)
    assert len(text) == 14 * 4 + 13
    assert key_of_text(text) == key
    assert key_of_text(" " + text.lower().replace("-", " ") + "\n") == key
    assert key_of_text(text.replace("O", "0").replace("I", "1").replace("B", "8")) == key


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_mistyped_character_is_found(key: bytes, place: int, wrong: str) -> None:
    plain = key_text(key).replace("-", "")
    if plain[place] == wrong:
        return
    # Four characters check 52: one mistyped character in 2^20 would pass, none of those tried here does by chance.
    with pytest.raises(ValueError, match="mistyped"):
        key_of_text(plain[:place] + wrong + plain[place + 1 :])


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "has 0"), ("ABCD", "has 4"), (key_text(KEY) + "A", "has 57"), ("9" * 56, "letters A to Z")],
)
def test_what_is_no_key_is_refused_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        key_of_text(text)
    assert not text or text not in str(refused.value)
