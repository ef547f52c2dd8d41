"""Settings of the kind ``soap`` that do not fit together are refused before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import SourceNeedsPersonError
from adapters.soap import KIND
from adapters.soap.settings import filled
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, **settings: Any) -> object:
    whole = {"wsdl": "https://hall.example/hall?wsdl", "operation": "getDataXml", **settings}
    return KIND.open(opening(KIND, folder, whole))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wsdl": "hall.wsdl"}, "whole path of a file"),
        ({"wsdl": "http://hall.example/?wsdl"}, "unencrypted"),
        ({"endpoint": "hall"}, "endpoint is not an address"),
        ({"arguments": {"from": "{since}"}}, "{from}, {page}, {to}"),
        ({"arguments": {"from": "{from"}}, "other words"),
        ({"arguments": {"a": "1", "a.b": "2"}}, "other words"),
        ({"arguments": {"from": "{from}"}}, "begin_at has to say"),
        ({"begin_at": "yesterday"}, "begin_at is 'yesterday'"),
        ({"time_zone": "Asia/Nowhere"}, "Asia/Shanghai"),
        ({"result": "a..b"}, "result is 'a..b'"),
        ({"deliver_result": ".a"}, "deliver_result is"),
        ({"deliver_arguments": {"xml": "{page}"}}, "deliver_arguments has other words"),
        ({"answer_arguments": {"xml": "{content}"}}, "answer_arguments has other words"),
        ({"security": "text"}, "security_password"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceNeedsPersonError) as caught:
        opened(tmp_path, **settings)
    assert said in str(caught.value)


def test_arguments_are_filled_in_and_their_parts_put_together() -> None:
    arguments = {"query.range.begin": "{from}", "query.range.end": "{to}", "user": "hall {{1}}"}
    assert filled(arguments, {"from": "a", "to": "b"}) == {
        "query": {"range": {"begin": "a", "end": "b"}},
        "user": "hall {1}",
    }


def test_what_fills_an_argument_in_is_not_read_as_words() -> None:
    assert filled({"xml": "{content}"}, {"content": "{key}"}) == {"xml": "{key}"}
