"""Files that people write by hand are changed by a program without losing a word of theirs."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.departments.doors.editing import add_table, remove_table, table_text
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MINE = """# All doors.

# The hall.
[hall]  # by hand
kind = "sftp"
hours = [
    "22:00-06:00",  # at night
]

[hall.settings]
host = "a"

# The terminal.
[ "line" ]
kind = 'serial_bridge'
"""


def file(folder: Path, text: str = MINE) -> Path:
    path = folder / "adapters.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_put_at_the_end_and_cut_out_again(tmp_path: Path) -> None:
    path = file(tmp_path)
    add_table(path, "door.1", {"kind": "x", "settings": {"a b": "ü", "n": 1.5, "list": ["1"], "t": {"k": "v"}}})
    text = path.read_text(encoding="utf-8")
    assert text.startswith(MINE)
    assert tomllib.loads(text)["door.1"] == {
        "kind": "x",
        "settings": {"a b": "ü", "n": 1.5, "list": ["1"], "t": {"k": "v"}},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert remove_table(path, "door.1")
    assert path.read_text(encoding="utf-8").rstrip() == MINE.rstrip()
    assert not remove_table(path, "door.1")


def test_a_table_goes_with_its_comments_and_leaves_those_of_others(tmp_path: Path) -> None:
    path = file(tmp_path)
    assert remove_table(path, "hall")
    assert path.read_text(encoding="utf-8") == "# All doors.\n\n# The terminal.\n[ \"line\" ]\nkind = 'serial_bridge'\n"
    assert remove_table(path, "line")
    assert path.read_text(encoding="utf-8") == "# All doors.\n\n"


def test_a_file_that_is_not_there_is_made_with_a_word_about_it(tmp_path: Path) -> None:
    path = tmp_path / "adapters.toml"
    assert not remove_table(path, "door")
    add_table(path, "door", {"kind": "x"}, comment="The doors.")
    assert path.read_text(encoding="utf-8") == '# The doors.\n\n[door]\nkind = "x"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[hall\n", "is not TOML"),
        ("[hall]\n", "has hall already"),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_cannot_be_added_is_told_and_nothing_is_written(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "adapters.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=words):
        add_table(path, "hall", {"kind": "x"})
    assert path.read_bytes() == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "text",
    ['hall = { kind = "x" }\n', 'hall.kind = "x"\n', 'other = """\n[hall]\n"""\n[hall]\nkind = "x"\n'],
)
def test_a_table_in_another_form_is_left_to_people(tmp_path: Path, text: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ConfigurationError, match="cannot be changed by a program"):
        remove_table(path, "hall")
    assert path.read_text(encoding="utf-8") == text


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), st.lists(TEXTS, max_size=3)
)


@given(
    st.dictionaries(TEXTS.filter(bool), VALUES, min_size=1, max_size=4),
    st.dictionaries(TEXTS.filter(bool), VALUES, min_size=1, max_size=4),
)
def test_every_table_is_written_as_it_is_read(table: dict[str, Any], settings: dict[str, Any]) -> None:
    whole = {**table, "settings": settings}
    assert tomllib.loads(table_text("door-1", whole)) == {"door-1": whole}
