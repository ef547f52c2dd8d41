"""Settings of the kind ``open_api`` that do not fit together are refused before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import SourceNeedsPersonError
from adapters.open_api import KIND
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from pathlib import Path


def opened(folder: Path, *, credential: str = "key-71", **settings: Any) -> object:
    whole = {"url": "https://hall.example/list", **settings}
    return KIND.open(opening(KIND, folder, whole, secrets={"credential": credential}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "hall.example"}, "url is not an address"),
        ({"url": "https://[bad"}, "url is not an address"),
        ({"url": "https://h:99999/"}, "url is not an address"),
        ({"url": "ftp://hall.example/"}, "url is not an address"),
        ({"url": "https://me:pass@hall.example/"}, "take it out"),
        ({"url": "http://hall.example/"}, "unencrypted"),
        ({"deliver_url": "http://hall.example/"}, "deliver_url is http://"),
        ({"answers_url": "x"}, "answers_url is not"),
        ({"paging": "cursor"}, "cursor_path"),
        ({"paging": "watermark", "items": "rows"}, "watermark_path"),
        ({"paging": "watermark", "watermark_path": "at"}, "items"),
        ({"items": "a..b"}, "such as data.rows"),
        ({"items": ".".join("abcdefghi")}, "such as data.rows"),
        ({"auth": "basic"}, "user has to be set"),
        ({"auth": "oauth2"}, "client_id"),
        ({"auth": "oauth2", "client_id": "c"}, "token_url"),
        ({"auth": "bearer", "credential": ""}, "give the secret credential"),
        ({"auth": "bearer", "credential": "口令"}, "visible ASCII"),
        ({"auth_header": "a b"}, "'a b' cannot be sent"),
        ({"headers": {"Host": "other"}}, "'Host' cannot be sent"),
        ({"headers": {"X-A": "a\r\nX-B: c"}}, "'X-A' cannot be sent"),
    ],
)
def test_settings_that_do_not_fit_are_told(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceNeedsPersonError) as caught:
        opened(tmp_path, **settings)
    assert said in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/", "http://localhost/", "https://hall.example:8443/a?b=c"])
def test_addresses_that_are_taken(tmp_path: Path, url: str) -> None:
    assert opened(tmp_path, url=url)


def test_a_closed_network_may_go_without_encryption(tmp_path: Path) -> None:
    assert opened(tmp_path, url="http://10.1.2.3/list", unencrypted=True)
