from __future__ import annotations

from pathlib import Path

import httpx
from rich.console import Console

from node.demo.figures import Figures, figures_of, read_figures
from node.demo.plan import COUNTIES
from node.demo.program import RunningNode
from node.demo.raising import DemoNode
from node.demo.settling import figures_agree
from node.demo.watching import figures_table, summary_line

TEXT = """\
# HELP yizhan_stream_records Records held, by stream.
# TYPE yizhan_stream_records gauge
yizhan_stream_records{audience="ancestors",origin="360102"} 12.0
yizhan_stream_records{audience="trust",origin="360000"} 4.0
# TYPE yizhan_stream_sealed_records gauge
yizhan_stream_sealed_records{audience="ancestors",origin="360102"} 11.0
# TYPE yizhan_link_up gauge
yizhan_link_up{peer="360100",role="parent"} 1.0
# TYPE yizhan_link_lag_records gauge
yizhan_link_lag_records{peer="360100",role="parent"} 3.0
# TYPE yizhan_link_lag_seconds gauge
yizhan_link_lag_seconds{peer="360100",role="parent"} 0.5
# TYPE yizhan_cases gauge
yizhan_cases 7.0
# TYPE yizhan_findings gauge
yizhan_findings 2.0
# TYPE yizhan_quarantined gauge
yizhan_quarantined 1.0
# TYPE yizhan_other gauge
yizhan_other 9.0
"""
SEEN = Figures(
    streams={"360102/ancestors": 12, "360000/trust": 4},
    sealed={"360102/ancestors": 11},
    cases=7,
    findings=2,
    quarantined=1,
    lag_records=3,
    lag_s=0.5,
    links_up=1,
)


def node() -> DemoNode:
    return DemoNode(plan=COUNTIES[0], home=Path("h"), process=RunningNode(Path("h")), link_port=1, face_port=2)


def test_figures_are_read_from_the_metrics() -> None:
    assert figures_of(TEXT) == SEEN


def test_a_node_is_asked_at_its_metrics_address() -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, text=TEXT)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert read_figures(client, "http://127.0.0.1:9/") == SEEN
    assert asked == ["http://127.0.0.1:9/metrics"]


def test_a_node_that_does_not_answer_has_no_figures() -> None:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as client:
        assert read_figures(client, "http://127.0.0.1:9") is None


def test_one_line_says_how_much_every_node_holds() -> None:
    assert summary_line({"360102": SEEN, "360103": None}) == "360102 12 · 360103 …"


def test_the_table_has_a_row_for_every_node_whether_it_answers_or_not() -> None:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(figures_table("phase", {"360102": node(), "360103": node()}, {"360102": SEEN, "360103": None}))
    text = captured.get()
    assert "phase" in text
    assert "3 / 0 s" in text
    assert text.count("http://127.0.0.1:2") == 2
    assert "…" in text


def test_figures_agree_only_when_sizes_do_and_nothing_lags() -> None:
    def seen(sizes: dict[str, int], lag: int = 0) -> Figures:
        return Figures(streams=sizes, lag_records=lag)

    full = {
        "360102/ancestors": 1,
        "360103/ancestors": 1,
        "360100/ancestors": 1,
        "360000/descendants": 1,
        "360000/trust": 1,
        "360000/360102": 1,
        "360102/360000": 1,
    }
    below = {"360000/descendants": 1, "360000/trust": 1}
    directed = {"360000/360102": 1, "360102/360000": 1}
    agreeing = {
        "360000": seen(full),
        "360100": seen(full),
        "360102": seen({**below, **directed, "360102/ancestors": 1}),
        "360103": seen({**below, "360103/ancestors": 1}),
    }
    assert figures_agree(agreeing)
    assert not figures_agree({**agreeing, "360000": seen(full, lag=1)})
    assert not figures_agree({**agreeing, "360103": seen({**below, "360103/ancestors": 2})})
