"""How the command line shows comparisons of disputed figures: which cases differ, what each side counts, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.cli.output import say, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.cli.frame import Frame
    from node.statistics.comparisons import Comparison

COLUMNS: Final = ("record", "case_no", "day", "indicator", "stated", "computed", "counted", "cause")


def comparison_document(one: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values for a JSON document."""
    return {
        "asker": one.asker,
        "summary": f"{one.origin}/ancestors/{one.position}",
        "day": one.day,
        "questions": one.asked_number,
        "answers": one.answer_number,
        "outcome": one.outcome or None,
        "found": [
            {
                "case_no": found.case_no,
                **found.key._asdict(),
                "stated": found.stated,
                "computed": found.computed,
                "counted": found.counted,
                "cause": found.cause,
                "records": [f"{one.origin}/ancestors/{position}" for position in found.records],
            }
            for found in one.found
        ],
    }


def write_comparisons(frame: Frame, comparisons: Sequence[Comparison]) -> None:
    """Say how each comparison stands, and write what was found as a table; nothing when there are none."""
    for one in comparisons:
        _say_standing(frame, one)
    rows = [row for one in comparisons for row in _rows(frame, one)]
    if rows:
        write_table(frame, "差异 Differences", COLUMNS, rows)


def _say_standing(frame: Frame, one: Comparison) -> None:
    from node.web.words import word

    summary = f"{one.origin}/ancestors/{one.position}"
    if not one.outcome:
        say(
            frame,
            f"{summary}：{one.asker} 正在比对，已问 {one.asked_number} 次，已答 {one.answer_number} 次",
            f"{summary}: {one.asker} compares it; {one.asked_number} questions asked, {one.answer_number} answered",
        )
        return
    words = word(one.outcome)
    say(
        frame,
        f"{summary}：{one.asker} 已比对：{words.zh}",
        f"{summary}: {one.asker} has compared it: {words.en}",
    )


def _rows(frame: Frame, one: Comparison) -> list[tuple[object, ...]]:
    from node.web.words import word

    return [
        (
            " ".join(f"{one.origin}/ancestors/{position}" for position in found.records) or "-",
            found.case_no,
            one.day,
            found.key.indicator,
            found.stated,
            found.computed,
            found.counted,
            word(found.cause).spoken(frame.language),
        )
        for found in one.found
    ]
