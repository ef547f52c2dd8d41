"""Every way of paging brings each item once, and goes on where it ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import SourceNeedsPersonError
from adapters.open_api import KIND
from tests.support.adapter_openings import opening
from tests.support.datasette_service import TOKEN, Datasette
from tests.support.raw_http import Asked, RawServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.adapters.open_api.conftest import Node

pytestmark = pytest.mark.integration


def items(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": str(number), "at": f"2026-11-03T09:00:{number:02d}"} for number in numbers]


def ids(found: list[dict[str, Any]]) -> list[int]:
    return [int(one["id"]) for one in found]


def json_answer(document: Any, **headers: str) -> bytes:
    return answer(200, json.dumps(document).encode(), **headers)


class Holding:
    """A system that holds numbered items and hands them out in pages of ``size``."""

    def __init__(self, *numbers: int, size: int = 2) -> None:
        self.numbers = list(numbers)
        self.size = size

    def by_cursor(self, asked: Asked) -> bytes:
        begin = int(asked.parameters.get("after", "0"))
        page = [number for number in self.numbers if number > begin][: self.size]
        more = bool(page) and page[-1] != self.numbers[-1]
        return json_answer({"data": {"list": items(*page)}, "meta": {"after": str(page[-1]) if more else None}})

    def by_link(self, asked: Asked) -> bytes:
        begin = int(asked.parameters.get("from", "0"))
        page = self.numbers[begin : begin + self.size]
        if begin + self.size >= len(self.numbers):
            return json_answer(items(*page), Link='</list?from=0>; rel="first"')
        link = f'</list?from=0>; rel="first", </list?from={begin + self.size}>; title="a, b"; rel="last next"'
        return json_answer(items(*page), Link=link)

    def by_number(self, asked: Asked) -> bytes:
        begin = (int(asked.parameters["page"]) - 1) * self.size
        return json_answer({"rows": items(*self.numbers[begin : begin + self.size])})

    def by_watermark(self, asked: Asked) -> bytes:
        since = asked.parameters.get("since", "")
        found = [one for one in items(*self.numbers) if one["at"] >= since]
        return json_answer({"rows": found[: self.size]})


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "cursor": ("by_cursor", {"items": "data.list", "cursor_path": "meta.after", "cursor_parameter": "after"}),
    "next": ("by_link", {"items": "."}),
    "page": ("by_number", {"items": "rows"}),
    "watermark": ("by_watermark", {"items": "rows", "watermark_path": "at"}),
}


@pytest.mark.parametrize("paging", sorted(WAYS))
def test_pages_are_read_to_the_end_and_then_from_there(node_of: Callable[..., Node], paging: str) -> None:
    script, settings = WAYS[paging]
    holding = Holding(1, 2, 3, 4, 5)
    with RawServer(getattr(holding, script)) as server:
        node = node_of(f"{server.address}/list", paging=paging, **settings)
        assert ids(node.items()) == [1, 2, 3, 4, 5]
        assert node.items() == []
        holding.numbers.append(6)
        asked = len(server.asked)
        assert ids(node.items()) == [6]
        # Nothing before the last page is asked again.
        assert len(server.asked) - asked <= 3
        holding.numbers += [7, 8, 9]
        node.open()
        assert ids(node.items()) == [7, 8, 9]
        node.open()
        assert node.items() == []


@pytest.mark.parametrize("paging", sorted(WAYS))
def test_a_round_that_is_cut_short_goes_on(node_of: Callable[..., Node], paging: str) -> None:
    script, settings = WAYS[paging]
    with RawServer(getattr(Holding(*range(1, 8), size=3), script)) as server:
        node = node_of(f"{server.address}/list", paging=paging, items_max=2, **settings)
        found = []
        for _ in range(8):
            found += ids(node.items(limit=1))
            node.open()
        assert found == [1, 2, 3, 4, 5, 6, 7]


def test_what_is_not_answered_comes_again(node_of: Callable[..., Node]) -> None:
    with RawServer(Holding(1, 2, 3).by_cursor) as server:
        node = node_of(f"{server.address}/list", paging="cursor", **WAYS["cursor"][1])
        keys = [one.delivery_key for one in node.adapter.fetch(10)]
        assert len(keys) == 2
        assert [one.delivery_key for one in node.open().fetch(10)] == keys


def test_a_page_that_changes_while_it_is_read_brings_what_is_new_in_it(node_of: Callable[..., Node]) -> None:
    holding = Holding(1, 2, 3)
    with RawServer(holding.by_number) as server:
        node = node_of(f"{server.address}/list", paging="page", **WAYS["page"][1])
        assert ids(node.items()) == [1, 2, 3]
        holding.numbers[2:] = [30, 31]
        assert ids(node.items()) == [30, 31]


def test_a_list_with_its_newest_first_is_read_from_its_start(node_of: Callable[..., Node]) -> None:
    holding = Holding(3, 2, 1)
    with RawServer(holding.by_number) as server:
        node = node_of(f"{server.address}/list", paging="page", resume="start", **WAYS["page"][1])
        assert ids(node.items()) == [3, 2, 1]
        holding.numbers[:0] = [5, 4]
        assert ids(node.items()) == [5, 4]
        node.open()
        holding.numbers.insert(0, 6)
        assert ids(node.items()) == [6]


def test_a_whole_list_brings_what_is_new_or_changed_in_it(node_of: Callable[..., Node]) -> None:
    whole = items(1, 2, 3)
    with RawServer(lambda _: json_answer(whole)) as server:
        node = node_of(server.address, items=".")
        assert ids(node.items()) == [1, 2, 3]
        whole[0]["at"] = "changed"
        whole.append(items(4)[0])
        assert ids(node.items()) == [1, 4]
        assert node.items() == []


def test_a_list_of_more_items_than_are_remembered_is_told(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: json_answer([{"id": str(number)} for number in range(101)])) as server:
        node = node_of(server.address, items=".", remembered_max=100, items_max=50)
        with pytest.raises(SourceNeedsPersonError, match=r"101 items.*raise remembered_max"):
            node.items()
        # Nothing is held back for it.
        assert sum(len(json.loads(one.content)) for one in node.came) == 101
        node.open(remembered_max=101)
        node.items()
        assert node.items() == []


def test_an_answer_that_did_not_change_is_not_sent_again(node_of: Callable[..., Node]) -> None:
    def script(asked: Asked) -> bytes:
        if asked.headers.get("if-none-match") == '"v1"':
            assert asked.headers["if-modified-since"] == "Tue, 03 Nov 2026 01:00:00 GMT"
            return answer(304, media_type="")
        return answer(200, b"<Records/>", "text/xml", ETag='"v1"', Last_Modified="Tue, 03 Nov 2026 01:00:00 GMT")

    with RawServer(script) as server:
        node = node_of(server.address)
        assert node.bodies() == [b"<Records/>"]
        assert node.came[0].media_type == "text/xml"
        node.open()
        assert node.bodies() == []
        assert [("if-none-match" in one.headers) for one in server.asked] == [False, True]


def test_an_answer_is_handed_over_as_it_came(node_of: Callable[..., Node]) -> None:
    bodies = [b"\xef\xbb\xbf<Records>\r\n</Records>", "a,b\n甲,1\n".encode("gbk"), b'{"records": [1.50]}']
    types = ["", "text/csv; charset=gbk", "application/json"]
    expected = ["application/xml", "text/csv", "application/json"]
    number = 0
    with RawServer(lambda _: answer(200, bodies[number], types[number])) as server:
        node = node_of(server.address)
        for number in range(3):
            assert node.bodies() == [bodies[number]]
            assert node.came[-1].media_type == expected[number]
            assert node.bodies() == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, '[{"n": "1.50", "t": "2026", "b": true, "x": null}]'),
        (
            {"named_table": "案件"},
            '{"table": "\\u6848\\u4ef6", "rows": [{"n": "1.50", "t": "2026", "b": true, "x": null}]}',
        ),
        ({"form": "records"}, '{"records": [{"n": "1.50", "t": "2026", "b": true, "x": null}]}'),
    ],
)
def test_items_are_handed_over_in_the_form_of_a_dialect(
    node_of: Callable[..., Node], settings: dict[str, Any], expected: str
) -> None:
    with RawServer(lambda _: answer(200, b'{"d": [{"n": 1.50, "t": 2026, "b": true, "x": null}]}')) as server:
        assert node_of(server.address, items="d", **settings).bodies() == [expected.encode()]


def test_an_item_that_is_too_long_costs_no_other(node_of: Callable[..., Node]) -> None:
    long = {"id": "x" * 500_001}
    with RawServer(lambda _: json_answer([*items(1), long, *items(2)])) as server:
        node = node_of(server.address, items=".")
        assert [len(json.loads(body)) for body in node.bodies()] == [1, 1, 1]
        assert node.items() == []


def test_half_a_character_stays_an_escape(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: answer(200, b'[{"id": "\\ud800"}, {"id": "\xe6\xb5\x8b"}]')) as server:
        expected = b'[{"id": "\\ud800"}, {"id": "\xe6\xb5\x8b"}]'
        assert node_of(server.address, items=".").bodies() == [expected]


def test_an_item_that_is_none_is_the_dialects_to_refuse(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: json_answer([1, None, [2], {"id": "3"}])) as server:
        assert node_of(server.address, items=".").items() == ["1", None, ["2"], {"id": "3"}]


def test_the_number_of_pages_of_a_round_is_bounded_and_the_next_round_goes_on(node_of: Callable[..., Node]) -> None:
    holding = Holding(*range(1, 8), size=1)
    with RawServer(holding.by_cursor) as server:
        node = node_of(f"{server.address}/list", paging="cursor", pages_max=3, **WAYS["cursor"][1])
        assert ids(node.items()) == [1, 2, 3]
        assert ids(node.items()) == [4, 5, 6]
        assert ids(node.items()) == [7]


def test_more_empty_pages_than_a_round_asks_for_are_passed(node_of: Callable[..., Node]) -> None:
    # A server that looks through its list for what is ours hands out pages without an item, and a cursor.
    def script(asked: Asked) -> bytes:
        here = int(asked.parameters.get("after", "0"))
        return json_answer(
            {"rows": items(*[1] * (here == 0), *[8] * (here == 8)), "next": str(here + 1 if here < 8 else "")}
        )

    with RawServer(script) as server:
        node = node_of(
            server.address, paging="cursor", items="rows", cursor_path="next", cursor_parameter="after", pages_max=3
        )
        assert [ids(node.items()) for _ in range(4)] == [[1], [], [8], []]


def test_a_cursor_that_is_the_same_again_ends_the_round_with_its_reason(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: json_answer({"rows": items(len(server.asked)), "next": "again"})) as server:
        node = node_of(server.address, paging="cursor", items="rows", cursor_path="next")
        with pytest.raises(SourceNeedsPersonError, match="no end"):
            node.items()
        assert len(server.asked) == 2


def test_a_cursor_that_stands_still_where_nothing_is_new_is_an_end(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: json_answer({"rows": items(1), "next": "here"})) as server:
        node = node_of(server.address, paging="cursor", items="rows", cursor_path="next")
        assert ids(node.items()) == [1]
        assert node.items() == []


def test_links_that_go_in_a_circle_end_the_round(node_of: Callable[..., Node]) -> None:
    def script(asked: Asked) -> bytes:
        here = int(asked.path[-1])
        return json_answer({"rows": items(here), "next": f"/{(here + 1) % 3}"})

    with RawServer(script) as server:
        node = node_of(f"{server.address}/0", paging="next", items="rows", next_path="next")
        with pytest.raises(SourceNeedsPersonError, match="no end"):
            node.items()
        assert len(server.asked) == 4


def test_a_server_that_gives_its_last_page_for_every_number_has_an_end(node_of: Callable[..., Node]) -> None:
    def script(asked: Asked) -> bytes:
        return answer(200, f"<Records n='{min(3, int(asked.parameters['page']))}'/>".encode(), "text/xml")

    with RawServer(script) as server:
        node = node_of(server.address, paging="page")
        assert len(node.bodies()) == 3
        assert len(server.asked) == 4


def test_an_empty_answer_is_an_end(node_of: Callable[..., Node]) -> None:
    def script(asked: Asked) -> bytes:
        return answer(200, b"<Records/>", "text/xml") if asked.parameters["page"] == "1" else answer(204)

    with RawServer(script) as server:
        assert node_of(server.address, paging="page").bodies() == [b"<Records/>"]


@pytest.mark.parametrize(
    "target", ["http://other.example/2", "https://127.0.0.1/2", "//other.example/2", "http://[bad"]
)
def test_a_link_to_another_server_is_not_followed(node_of: Callable[..., Node], target: str) -> None:
    with RawServer(lambda _: json_answer({"rows": items(1), "next": target})) as server:
        node = node_of(server.address, paging="next", items="rows", next_path="next")
        with pytest.raises(SourceNeedsPersonError, match="another server"):
            node.items()


def test_a_page_full_of_one_watermark_is_told(node_of: Callable[..., Node]) -> None:
    same = [{"id": str(number), "at": "2026-11-03"} for number in range(5)]
    with RawServer(lambda asked: json_answer({"rows": same[: int(asked.parameters["limit"])]})) as server:
        settings = {"items": "rows", "watermark_path": "at", "size_parameter": "limit", "page_size": 3}
        node = node_of(server.address, paging="watermark", **settings)
        with pytest.raises(SourceNeedsPersonError, match="raise page_size"):
            node.items()
        node.open(page_size=10)
        assert len(node.items()) == 2


def test_watermarks_that_are_numbers_are_compared_as_numbers(node_of: Callable[..., Node]) -> None:
    numbers = [8, 9, 10, 11]

    def script(asked: Asked) -> bytes:
        since = int(asked.parameters["since"])
        return json_answer({"rows": [{"id": number} for number in numbers if number >= since][:2]})

    with RawServer(script) as server:
        node = node_of(server.address, paging="watermark", items="rows", watermark_path="id", begin_at="9")
        assert ids(node.items()) == [9, 10, 11]


def test_2500_rows_of_datasette_come_once_each(node_of: Callable[..., Node], tmp_path: Path) -> None:
    folder = tmp_path / "datasette"
    folder.mkdir()
    source = Datasette(folder)
    try:
        source.add(f"name-{number}" for number in range(2500))
        node = node_of(
            source.address,
            paging="next",
            next_path="next_url",
            items="rows",
            parameters={"_shape": "objects", "_size": "100"},
            auth="bearer",
            secrets={"credential": TOKEN},
        )
        found = node.items()
        assert [one["name"] for one in found] == [f"name-{number}" for number in range(2500)]
        assert len(node.came) == 25
        assert node.items() == []
        source.add(["late"])
        assert [one["name"] for one in node.items()] == ["late"]
    finally:
        source.stop()


def test_a_stop_ends_the_round(tmp_path: Path) -> None:
    with RawServer(lambda _: json_answer(items(1, 2, 3))) as server:
        stopping = replace(
            opening(KIND, tmp_path, {"url": server.address, "items": ".", "items_max": 1}), wait=lambda _: True
        )
        adapter = KIND.open(stopping)
        assert len(list(adapter.fetch(10))) == 1
        adapter.close()
