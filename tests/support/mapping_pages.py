"""Pages of dialects that are mapping files, made from those files; ``python -m tests.support.mapping_pages`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from node.departments.dialects.mapping_checks import shape_at
from node.departments.dialects.mapping_described import losses, source_of
from node.departments.dialects.mapping_loading import built_in_mapping
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from node.departments.dialects.mapping_codes import CodeTable
    from node.departments.dialects.mapping_file import ElementMapping, MappingFile, RecordMapping, TableMapping

PAGES = Path(__file__).parents[2] / "docs" / "reference"
HEADS = {
    "exinfo": """# Guangdong's messages: the dialect `exinfo`

Made from `node/departments/dialects/exinfo.toml` by `python -m tests.support.mapping_pages`; a test compares.

Systems that report to the platforms of Guangdong send messages `EX_GDBS_…`: one XML element per message, one `Field`
per value. This dialect takes them as they are, in XML, as JSON rows grouped by message, or as text with one message
type a file.

```xml
<?xml version='1.0' encoding='utf-8'?>
<ExInfo><standardInfo process="EX_GDBS_SP">
  <Field FieldName="SBLSH">36990211369902GE0000032FXK001320012026100800035K</Field>
  <Field FieldName="SXBM">XK0013200111369902GE0000032F</Field>
  <Field FieldName="XZQHDM">369902</Field>
  <Field FieldName="SPBMZZJGDM">11369902GE0000032F</Field>
  <Field FieldName="SPBMMC">测试区城市管理局</Field>
  <Field FieldName="SPBZH">1</Field>
  <Field FieldName="SPHJDM">1</Field>
  <Field FieldName="SPHJMC">承办</Field>
  <Field FieldName="SPRXM">测试承办员一</Field>
  <Field FieldName="SPYJ">同意</Field>
  <Field FieldName="SPHJZTDM">2</Field>
  <Field FieldName="SPSJ">2026-10-9 14:10:10</Field>
</standardInfo></ExInfo>
```

- `yizhan import FILE` knows the dialect by the root of the XML, or where JSON or text begins with the name of a
  message; otherwise, and to choose a variant, name it: `--dialect exinfo@guangdong`, `?dialect=exinfo@guangdong`.
- **Name the variant.** Provinces use the same digits for different things. Without a variant, codes on which all agree
  pass; another refuses its row, and the problem names the variants.
- `SBLSH` may be any number: one of ours is the case number, another is kept as the number of the source, and the node
  gives the case its own.
- Messages 5 to 9 name no department. It is taken from an earlier message of the case in the same delivery, or from
  `BLBMZZJGDM` and `BLBMMC`; a site may fix it: `extends = "exinfo"` with defaults ([mapping-file.md](mapping-file.md)).
  Department codes are the 18-character 统一社会信用代码; a site whose systems send the old nine characters translates
  them with a code table.
- Material lists (`SBCLQD`, `BZCLQD`) have `|`, `；` or `;` between materials, and may give medium, kind and number:
  `申请书^0^0^1`. A bare name says no more than the name.
- A message of pre-acceptance or acceptance in state 3 (`YSLZTDM`, `SLZTDM`: 补交补正材料) asks for materials: it is a
  notice (补交告知), with `BJBZSM`, else `BSLYY`, as its reason. A system that sends `EX_GDBS_BJGZ` for the
  same request as well counts the two with `XH`, or the second is refused as a conflict.
- A time of day behind a date (`JGCSRQ`) is read past. What is wrong with a row:
  [mapping-file.md](mapping-file.md#what-is-wrong-with-a-row).
""",
    "up": """# National exchange tables: the dialect `up`

Made from `node/departments/dialects/up.toml` by `python -m tests.support.mapping_pages`; a test compares.

Rows of the national platform's exchange tables `up_*`, as a department's exchange database holds them: as JSON
grouped by table, as XML (`<tables><table name="up_pro_accept"><row>…`), or as text with the columns as headings,
one table a file.

```json
{
  "up_pro_accept": [
    {"project_no": "36990211369902GE0000032FXK001320012026100800035K", "cd_operation": "I",
     "task_code": "XK0013200111369902GE0000032F", "task_name": "占用、挖掘城市道路审批", "task_version": 1,
     "region_code": "369902", "org_code": "11369902GE0000032F", "org_name": "测试区城市管理局", "project_type": "2",
     "apply_date": "2026-10-08 10:52:17", "apply_type": "1", "applyer_name": "生成测试戊戌物流有限公司",
     "applyer_type": "2", "applyer_page_type": "001", "applyer_page_code": "91999999GE00335476",
     "accept_date": "2026-10-08 15:00:00", "accept_state": "1", "accept_doc_no": "受理〔2026〕1号",
     "handle_user_name": "测试承办员一", "anticipate_day": 20, "anticipate_type": "G", "promise_day": 8,
     "promise_type": "G"}
  ],
  "up_pro_process": [
    {"project_no": "36990211369902GE0000032FXK001320012026100800035K", "row_guid": "1f0a", "process_name": "承办",
     "event_name": "通过", "event_start_time": "2026-10-09 09:00:00", "event_end_time": "2026-10-09 09:10:00",
     "handle_user_name": "测试承办员一", "handle_explain": "同意"}
  ]
}
```

- Name the dialect, and the variant where the codes are a province's: `--dialect up@shandong`,
  `?dialect=up@shandong`. Without a variant the national codes hold where there are any; another code passes where
  all provinces agree on it, and is refused by name where they do not. `yizhan import FILE` knows the dialect where a
  file begins with `<tables>`, with the name of a table, or with `#table`.
- A row of `up_pro_accept` is an application, an acceptance, or both: whichever of `apply_date` and `accept_date` is
  filled. A row of `up_pro_special_procedure` is a start, and an end when `end_time` is filled.
- Steps, results and materials have no more than the number of the case. Department, item and division are taken
  from the row of `up_pro_accept` in the same delivery, or from columns of the same names that a view joins.
  `region_code` and the limits (`anticipate_day`, `anticipate_type`) of an acceptance stand in no national table of
  cases: join them, or fix them with defaults in a mapping that extends this one, where that is true of every row. A
  row without them is refused; nothing is made up in their place. A row with `accept_date` is an acceptance, because
  refusals are told by `result_type`; where a view knows better, `accept_state` says so: 1 accepted, 2 refused.
- Steps and special procedures are told apart by `sequence`, else by `row_guid` (six digits made of it, which one pair
  of rows of a case in 900,000 shares): let the view count them where it can.
- The tables count no versions: a row that comes again with other content is the next version of its record.
  `cd_operation` D (deleted) is refused: what is reported is corrected, not taken back.
- In text a first line `#table up_pro_accept` names the table; `--table` and `?table=` do so too, and headings that
  only one table has need neither.
- What is wrong with a row: [mapping-file.md](mapping-file.md#what-is-wrong-with-a-row).
""",
}


REASONS = {
    (
        "exinfo",
        "Sequence",
    ): "the first of its kind in the case, unless a column counts; materials have their own keys",
    ("exinfo", "DataVersion"): "the first version, unless a column counts; other content under it is refused",
    ("up", "AcceptanceState"): "a row with `accept_date` is an acceptance: refusals are told by `result_type`",
    ("up", "Sequence"): "the first of its kind in the case, unless a column counts; rows with a key of their own get a "
    "number made of it",
    ("up", "DataVersion"): "the tables count no versions: the node does",
    ("up", "MediaType"): "what `get_type` says: 1 paper; 2, 3 and 4 electronic",
    ("up", "CopyKind"): "what `get_type` says: 2, 3 and 4 are files",
    ("up", "RecordKey"): "the key of a record of the catalogue, made of the source's own codes",
}
"""Why a value that no column gives may stand in a record, by dialect and element: a default without a reason fails."""


def page(name: str) -> str:
    """Return the whole page of a built-in mapping."""
    mapping = built_in_mapping(name)
    parts = [HEADS[name], *_forms(mapping), "\n## Tables\n", *_overview(mapping)]
    for table in mapping.tables.values():
        parts += _table(mapping, table)
    parts.append("\n## Codes\n")
    for codes in mapping.codes.values():
        parts += _codes(codes)
    parts += ["\n## Read past\n\n", _listed(sorted(_common(mapping))), "\n", *_own(mapping)]
    parts += ["\n## Values that the source does not say\n\n", *_fixed(name, mapping)]
    parts += ["\n## What it cannot carry\n\n", *(f"- {loss.english}\n" for loss in losses(mapping))]
    return "".join(parts)


def _forms(mapping: MappingFile) -> Iterator[str]:
    yield "\n## Times and dates\n\n"
    yield f"- times: {_listed([form.text for form in mapping.times])}\n"
    yield f"- dates: {_listed([form.text for form in mapping.dates])}\n\n"
    yield "One delivery keeps to one form in one column; the first form is the one that is written.\n"


def _overview(mapping: MappingFile) -> Iterator[str]:
    yield "\n| table | 名称 | also named | key | becomes |\n|---|---|---|---|---|\n"
    for table in mapping.tables.values():
        types = ", ".join(f"`{record.record_type}`" for record in table.records)
        yield f"| `{table.name}` | {table.label} | {_listed(table.names) or '–'} | {_listed(table.key)} | {types} |\n"


def _table(mapping: MappingFile, table: TableMapping) -> Iterator[str]:
    for record in table.records:
        yield f"\n### `{table.name}` → {RECORD_TYPES[record.record_type].label} `{record.record_type}`\n"
        if record.when:
            yield f"\nWhen {_conditions(record)}.\n"
        yield "\n| element | 名称 | column | codes |\n|---|---|---|---|\n"
        for element in record.elements:
            shape = shape_at(record.record_type, element.path)
            label = shape.label if shape is not None else ""
            codes = f"`{element.codes}`" if element.codes else ""
            yield f"| `{'/'.join(element.path)}` | {label} | {_escaped(source_of(element))} | {codes} |\n"
    ignored = sorted(table.ignored - _common(mapping))
    if ignored:
        yield f"\nRead past: {_listed(ignored)}.\n"
    for column, accepted in table.accepted.items():
        yield f"\n`{column}` may hold {_listed(accepted)} only.\n"


def _conditions(record: RecordMapping) -> str:
    return " and ".join(
        f"`{one.column}` is {_listed(one.values)}"
        if one.given is None
        else f"`{one.column}` is {'filled' if one.given else 'empty'}"
        for one in record.when
    )


def _codes(table: CodeTable) -> Iterator[str]:
    variants = {**({"no variant": table.plain} if table.plain is not None else {}), **table.variants}
    codes = dict.fromkeys(code for meant in variants.values() for code in meant)
    yield f"\n### `{table.name}` {table.label}\n\n"
    yield f"| code | {' | '.join(variants)} |\n|---|{'---|' * len(variants)}\n"
    for code in codes:
        meanings = (_meaning(meant.get(code)) for meant in variants.values())
        yield f"| `{code}` | {' | '.join(meanings)} |\n"


def _meaning(value: str | None) -> str:
    if value is None:
        return "–"
    return f"`{value}`" if value else "no counterpart"


def _common(mapping: MappingFile) -> frozenset[str]:
    return frozenset.intersection(*(table.ignored for table in mapping.tables.values()))


def _own(mapping: MappingFile) -> Iterator[str]:
    if mapping.own:
        yield "\n## Columns of our own\n\nNot in the source's own definition as far as it is public: "
        yield f"{_listed(sorted(mapping.own))}.\n"


def _fixed(name: str, mapping: MappingFile) -> Iterator[str]:
    """Yield every default, constant and digest, with the records that get it and why it may stand there."""
    yield "Nothing else is filled in: what no column gives is left out, and a record that needs it is refused.\n\n"
    yield "| element | value | in records of | why |\n|---|---|---|---|\n"
    holders: dict[tuple[str, str], dict[str, None]] = {}
    for table, record, element in _elements(mapping):
        for value in _values(element):
            holders.setdefault(("/".join(element.path), value), {})[f"{record.record_type} ({table.name})"] = None
    for (path, value), records in holders.items():
        yield f"| `{path}` | {value} | {', '.join(records)} | {REASONS[name, path]} |\n"


def _elements(mapping: MappingFile) -> Iterator[tuple[TableMapping, RecordMapping, ElementMapping]]:
    for table in mapping.tables.values():
        for record in table.records:
            for element in record.elements:
                yield table, record, element


def _values(element: ElementMapping) -> Iterator[str]:
    if element.constant:
        yield f"`{element.constant}`"
    if element.digest:
        yield f"six digits made of {_listed(element.digest)}"
    if element.template:
        yield f"`{element.template}`"
    if element.default:
        yield f"`{element.default}`"
    for part, text in element.parts.items():
        yield f"{part} `{text}`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for one in HEADS:
        (PAGES / f"{one}.md").write_text(page(one), encoding="utf-8")
