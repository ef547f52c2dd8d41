"""Mapping files: what is wrong in one is named with its place; forms of times; code tables with variants."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from node.departments.dialects.mapping_codes import CodeTable
from node.departments.dialects.mapping_file import KEYS
from node.departments.dialects.mapping_loading import built_in_mapping, load_mapping
from node.departments.dialects.mapping_section import MappingError
from node.departments.dialects.time_forms import form_of, moment_of
from node.departments.dialects.values import CellError
from node.errors import ConfigurationError
from node.standard.facts import TREE_ZONE
from tests.support.mappings import HALL, hall

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mapping_says_what_its_file_says() -> None:
    mapping = hall()
    assert (mapping.label, mapping.english, mapping.reads) == ("大厅", "hall", ("xml", "json", "csv"))
    assert mapping.record_types() == {"Conclusion", "Acceptance", "SupplementNotice"}
    assert mapping.table_named("RESULTS") is mapping.tables["result"]
    assert mapping.table_named("results") is mapping.tables["result"]
    assert mapping.table_named("other") is None
    assert mapping.tables["accept"].ignored == {"batch", "note"}
    assert mapping.tables["accept"].columns()[0] == "no"


def test_what_no_column_holds_is_told() -> None:
    lost = hall().not_carried("Conclusion")
    assert "Reason" in lost
    assert "Actor/Name" in lost
    assert "Actor/Name" not in hall().not_carried("Acceptance")
    assert not {"CaseNo", "OrigCaseNo", "FeeAmount", "Salt", "Channel"} & set(lost)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('label = "大厅"\n', "", "label: it is missing"),
        ('english = "hall"', "english = 3", "english: a text is expected"),
        ('english = "hall"', 'english = "hall"\ncolour = "red"', "colour: there is no such key; known are label,"),
        ('"json", "csv"]', '"json", "ods"]', "reads: ods is not one of xml, json, csv"),
        ('times = ["YYYY-M-D h:mm:ss"', 'times = ["h:mm:ss"', "times: h:mm:ss needs YYYY, M or MM, and D or DD"),
        ('times = ["YYYY-M-D h:mm:ss"', 'times = ["YYYY-M-D [h:mm"', "times: the brackets of"),
        ('times = ["YYYY-M-D h:mm:ss"', 'times = ["YYYY-M-D M h:m"', "names a part twice"),
        ('times = ["YYYY-M-D h:mm:ss"', 'times = ["YYYY-M-D"', "a time needs forms"),
        ('dates = ["YYYY-M-D", "YYYY/M/D"]', "", "a date needs forms"),
        ("[xml]", "[xml]\ncell = 'x'", "xml.cell: there is no such key"),
        ('row = "row"', 'row = "row"\nfield = "f"', "xml: field and field_name belong together"),
        ("[xml]\n", "[xlm]\n", "xlm: there is no such key"),
        ('type = "Conclusion"', 'type = "Closing"', "tables.result.records[1].type: Closing is no type"),
        ('type = "Conclusion"', 'type = "Alarm"', "Alarm is no type that a department hands in"),
        ('HandleUserName = "officer"\nFee', 'User = "officer"\nFee', "elements.User: Conclusion has no such element"),
        ('"Actor/Name" = "officer"', 'Actor = "officer"', "elements.Actor: Acceptance has no such element"),
        ('ResultCode = { column = "result", codes = "result" }\n', "", "records[1]: Conclusion needs ResultCode"),
        ('codes = "result"', 'codes = "results"', "there is no code table results"),
        ('"1" = "DENY"', '"1" = "REJECT"', "result turns 1 into REJECT, which is not one of"),
        ('{ column = "text", default = "办结" }', "{}", "ResultText: it says not where"),
        ('Unit = { constant = "G" }', 'Unit = { constant = "H" }', "StatutoryLimitUnit: H is not one of G, Z"),
        ('Unit = { constant = "G" }', 'Unit = { constant = "G", column = "u" }', "a constant has no column"),
        ("Unit = { constant", "Unit = { constnat", "StatutoryLimitUnit.constnat: there is no such key"),
        ('"missing", parts = { MediaType', '"missing", parts = { Medium', "there is no part Medium"),
        ('Reason = { column = "why", ', 'Reason = { column = "why", parts = { A = "1" }, ', "the element has no parts"),
        ('"missing", parts', '"missing", codes = "state", parts', "MaterialItem.codes: a list of items has no single"),
        ("given = true", 'given = true, is = ["1"]', "a condition has either given or is"),
        ("given = true", 'given = "yes"', "given: true or false is expected"),
        ('names = ["RESULTS"]', 'names = ["Accept"]', "tables.accept: the name accept stands for two tables"),
        ('variants = ["north", "south"]', 'variants = ["north"]', "variants: south stands in a code table"),
        ("plain = {", "written = { north = {} }\n#", "codes.state: it has neither plain nor variants"),
        (
            '[[tables.result.records]]\ntype = "Conclusion"',
            "[tables.result.x]",
            "tables.result.x: there is no such key",
        ),
        ('truth]\n"是" = "true"', 'truth]\n"是" = true', "truth.是: a text is expected"),
        ('key = "no"\nelements', 'key = ""\nelements', "shared.key: a text is expected"),
        ('ignored = ["note"]', 'ignored = ["note", ""]', "ignored: a text or a list of texts is expected"),
        ('ignored = ["note"]', "ignored = 3", "ignored: a text or a list of texts is expected"),
        ("variants", 'cannot_carry = "x"\nvariants', "cannot_carry: a list of pairs of texts is expected"),
        ("variants", 'cannot_carry = ["x", []]\nvariants', "cannot_carry[2]: a text or a pair of texts is expected"),
        ("variants", "cannot_carry = [3]\nvariants", "cannot_carry[1]: a text or a list of texts is expected"),
        ('ignored = ["note"]', 'versioning = "none"', "versioning: none is not one of given, automatic"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in HALL
    path = tmp_path / "hall.toml"
    path.write_text(HALL.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_mapping("hall", path)
    assert said in caught.value.why
    assert str(path) in caught.value.what
    assert "mapping-file.md" in caught.value.action


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hall.toml"
    for content, said in ((b"\xff\xfe", "not UTF-8"), (b"[", "not TOML"), (b"#" * 1_048_577, "more than 1048576")):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="cannot be used") as caught:
            load_mapping("hall", path)
        assert said in caught.value.why
    with pytest.raises(ConfigurationError, match="cannot be used"):
        load_mapping("hall", tmp_path / "none.toml")


def test_a_table_without_records_and_a_record_that_is_no_table_are_refused() -> None:
    with pytest.raises(MappingError, match=r"tables.x: it has no records"):
        hall('label = "a"\nenglish = "b"\n[tables.x]\nlabel = "x"\n')
    with pytest.raises(MappingError, match=r"tables.x.records\[1\]: a table of keys is expected"):
        hall('label = "a"\nenglish = "b"\n[tables.x]\nlabel = "x"\nrecords = [3]\n')
    with pytest.raises(MappingError, match=r"tables.x.records: a list of tables is expected"):
        hall('label = "a"\nenglish = "b"\n[tables.x]\nlabel = "x"\nrecords = "none"\n')
    with pytest.raises(MappingError, match=r"tables.x: a table of keys is expected"):
        hall('label = "a"\nenglish = "b"\n[tables]\nx = 3\n')
    with pytest.raises(MappingError, match="xml needs a table"):
        hall('label = "a"\nenglish = "b"\nreads = ["xml"]\n')


def test_a_site_lays_its_own_over_a_built_in_mapping(tmp_path: Path) -> None:
    path = tmp_path / "land.toml"
    path.write_text(
        'extends = "exinfo"\nlabel = "国土"\nignored = ["EXTRA"]\n'
        '[codes.result.variants.guangdong]\n"7" = "WITHDRAW"\n'
        '[elements]\nDivisionCode = { column = "XZQHDM", default = "369902" }\n',
        encoding="utf-8",
    )
    mapping, below = load_mapping("land", path), built_in_mapping("exinfo")
    assert (mapping.name, mapping.label, mapping.english) == ("land", "国土", below.english)
    assert mapping.codes["result"].variants["guangdong"]["7"] == "WITHDRAW"
    assert mapping.codes["result"].variants["guangdong"]["0"] == "GRANT"
    assert mapping.tables["EX_GDBS_BJ"].ignored == below.tables["EX_GDBS_BJ"].ignored | {"EXTRA"}
    assert mapping.tables.keys() == below.tables.keys()
    for base in ("csv", "none", "../exinfo", 3):
        path.write_text(f"extends = {base!r}\n", encoding="utf-8")
        with pytest.raises(ConfigurationError) as caught:
            load_mapping("land", path)
        assert "is not a built-in mapping" in caught.value.why


def test_the_keys_of_the_reference_are_those_that_the_loader_knows() -> None:
    # Every kind of table has its keys in one place; a key that stands twice would be explained twice.
    assert all(len(keys) == len(set(keys)) for keys in KEYS.values())


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("YYYY-M-D h:mm:ss[.f]", "2026-11-3 9:02:05", datetime(2026, 11, 3, 9, 2, 5, tzinfo=TREE_ZONE)),
        ("YYYY-MM-DDThh:mm:ss[.f]z", "2026-11-03T09:02:05+08:00", datetime(2026, 11, 3, 9, 2, 5, tzinfo=TREE_ZONE)),
        ("YYYYMMDDhhmmss", "20261103090205", datetime(2026, 11, 3, 9, 2, 5, tzinfo=TREE_ZONE)),
        ("YYYY年M月D日h时m分s秒", "2026年11月3日9时2分5秒", datetime(2026, 11, 3, 9, 2, 5, tzinfo=TREE_ZONE)),
        ("YYYY/M/D h:mm[:ss[.f]]", "2026/11/3 9:02:05.000007", datetime(2026, 11, 3, 9, 2, 5, 7, tzinfo=TREE_ZONE)),
    ],
)
def test_a_form_writes_what_it_reads(form: str, text: str, moment: datetime) -> None:
    found = form_of(form)
    assert found.timed
    assert found.write(moment) == text
    assert found.pattern.match(text)
    assert not found.pattern.match(f"{text} ")


def test_a_form_of_days_writes_no_time_of_day() -> None:
    found = form_of("YYYY-M-D[ h:mm:ss]")
    assert found.write(date(2026, 11, 3)) == "2026-11-3"
    assert found.pattern.match("2026-11-3")
    assert found.pattern.match("2026-11-3 0:00:00")
    assert not form_of("YYYY-MM-DD").timed
    assert not form_of("YYYY-MM-DD").pattern.match("2026-11-3")


def test_a_time_goes_out_in_the_zone_of_the_tree() -> None:
    assert moment_of("2026-11-03T01:02:05Z", TREE_ZONE) == datetime(2026, 11, 3, 1, 2, 5, tzinfo=UTC)
    assert form_of("YYYY-M-D h:mm:ss").write(moment_of("2026-11-03T01:02:05Z", TREE_ZONE)) == "2026-11-3 9:02:05"


def test_a_form_has_a_length() -> None:
    with pytest.raises(ValueError, match="at most 60 characters"):
        form_of("YYYY-MM-DD" + "-" * 60)


RESULT = CodeTable(
    name="result",
    label="结果",
    variants={"north": {"0": "GRANT", "1": "DENY", "9": ""}, "south": {"0": "GRANT", "1": "RETURN", "3": "VOID"}},
    written={"north": {"WITHDRAW": "1"}},
)


def test_a_code_holds_where_every_variant_that_has_it_agrees() -> None:
    plain = RESULT.chosen("")
    assert plain.read("0") == "GRANT"
    assert plain.read("3") == "VOID"
    with pytest.raises(CellError, match=r"means different things \(north: DENY, south: RETURN\); name the variant"):
        plain.read("1")
    with pytest.raises(CellError, match="no counterpart"):
        plain.read("9")
    with pytest.raises(CellError, match="the code 8 is not one of 0, 1, 3, 9"):
        plain.read("8")
    with pytest.raises(CellError, match=r"the code is not one of"):
        plain.read("360102199001011234")


def test_a_variant_says_what_its_codes_mean() -> None:
    assert RESULT.chosen("north").read("1") == "DENY"
    assert RESULT.chosen("south").read("1") == "RETURN"
    # A variant that this table does not have is none.
    assert RESULT.chosen("east").read("0") == "GRANT"


def test_codes_go_out_where_they_are_sure() -> None:
    assert RESULT.chosen("north").codes_out() == {"GRANT": "0", "DENY": "1", "WITHDRAW": "1"}
    assert RESULT.chosen("").codes_out() == {"GRANT": "0", "VOID": "3"}


def test_a_plain_table_holds_without_a_variant() -> None:
    table = CodeTable(name="type", label="类型", plain={"1": "1"}, variants={"south": {"1": "2"}})
    assert table.chosen("").read("1") == "1"
    assert table.chosen("south").read("1") == "2"
